"""desk"""

from flask import Flask


def register(app: Flask) -> None:
    from . import views

    app.register_blueprint(views.bp)
