"""坐席: the witness answers, verifies and judges a recorded call."""

from flask import Flask


def register(app: Flask) -> None:
    from console import access

    from . import dispatching, service, sockets, supervising, views  # noqa: F401 (the handlers of /seat, the supervisors' routes)

    if service.is_talking_to not in access.BEYOND:
        access.BEYOND.append(service.is_talking_to)

    app.register_blueprint(views.bp)
