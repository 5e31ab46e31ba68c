"""review"""

from flask import Flask


def register(app: Flask) -> None:
    from . import views

    app.register_blueprint(views.bp)


def listen() -> None:
    """Connect what must happen together with the moves of a case; called once by every process."""
