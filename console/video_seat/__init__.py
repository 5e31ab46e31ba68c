"""坐席: the witness answers, verifies and judges a recorded call."""

from flask import Flask


def register(app: Flask) -> None:
    from . import sockets, supervising, views  # noqa: F401 (the handlers of /seat, the supervisors' routes)

    app.register_blueprint(views.bp)
