"""卷宗 (R6, G7): everything of one case in one ZIP that anybody can verify without this house."""

from flask import Flask


def register(app: Flask) -> None:
    from . import views

    app.register_blueprint(views.bp)
