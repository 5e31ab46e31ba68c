"""The staff's front door: signing in and out, evidence files, revealing masked data."""

from flask import Flask


def register(app: Flask) -> None:
    from . import files, reveal, views  # noqa: F401  (files and reveal add their routes to the blueprint)

    app.register_blueprint(views.bp)
