"""柜台报送 (R6): what was approved goes to the counter system, and its result into the broker's records."""

from flask import Flask


def register(app: Flask) -> None:
    from . import views

    app.register_blueprint(views.bp)


def listen() -> None:
    """Connect what must happen together with the moves of a case; called once by every process."""
    from console.cases.service import UNSETTLED
    from console.cases.trail import case_moving

    from .service import follow_case, unsettled

    case_moving.connect(follow_case)
    UNSETTLED[:] = [unsettled]
