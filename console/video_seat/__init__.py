"""坐席: the witness answers, verifies and judges a recorded call."""

from flask import Flask


def register(app: Flask) -> None:
    from . import sockets, views  # noqa: F401 (the handlers of /seat)

    app.register_blueprint(views.bp)
