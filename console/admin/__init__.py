"""登记: the registers, on Flask-Admin."""

from flask import Flask


def register(app: Flask) -> None:
    from . import site

    site.build(app)
