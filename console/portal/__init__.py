"""The investor's side: thin views over the same models."""

from flask import Flask


def register(app: Flask) -> None:
    from . import entrance, sockets, views

    app.register_blueprint(entrance.bp)
    app.register_blueprint(views.bp)
    sockets.register()
