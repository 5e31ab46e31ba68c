"""The investor's side: thin views over the same models."""

from flask import Flask


def register(app: Flask) -> None:
    from . import entrance, sockets, steps, views

    app.extensions["step_facts"] = steps.facts_of  # for the other desks, which may not import the portal

    app.register_blueprint(entrance.bp)
    app.register_blueprint(views.bp)
    sockets.register()
