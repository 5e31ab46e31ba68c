"""质量 (R7): a share of what was decided is looked at a second time, blind; and how well and how fast the work is done."""

from flask import Flask


def register(app: Flask) -> None:
    from . import views

    app.register_blueprint(views.bp)
    views.keep_blind(app)


def listen(share: int) -> None:
    """Connect what must happen together with the moves of a case; called once by every process. ``share``: in percent."""
    from console.cases.trail import case_moving

    from . import looks

    looks.SHARE[:] = [share]
    case_moving.connect(looks.follow_case)
