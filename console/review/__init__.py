"""复核: the tasks of the counter."""

from flask import Flask


def register(app: Flask) -> None:
    from . import chosen, export, sockets, views  # noqa: F401  (they add their routes and handlers)

    app.register_blueprint(views.bp)


def listen() -> None:
    """Connect what must happen together with the moves of a case; called once by every process."""
    from console.cases.trail import case_moving

    from .service import follow_case

    case_moving.connect(follow_case)
