"""看板: what supervisors and admins see of the queues they serve, live."""

from flask import Flask


def register(app: Flask) -> None:
    from . import sockets, views  # noqa: F401  (sockets adds its handler to the server)

    app.register_blueprint(views.bp)
