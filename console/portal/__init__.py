"""The investor's side: thin views over the same models."""

from flask import Flask


def register(app: Flask) -> None:
    from . import appointments, entrance, my_business, sign_in, sockets, steps, views  # noqa: F401 (they hang their views on views.bp)

    app.extensions["step_said"] = steps.said_of
    app.extensions["step_facts"] = steps.facts_of  # for the other desks, which may not import the portal
    app.register_blueprint(views.bp)
    sockets.register()
