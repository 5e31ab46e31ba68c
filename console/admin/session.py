"""A session of its own for Flask-Admin, which commits by itself: one a request, thrown away with it."""

from typing import Any

from flask import Flask, g, has_app_context, request
from sqlalchemy import Engine
from sqlalchemy.orm import scoped_session, sessionmaker

from console import db


class RequestSession(db.Session):
    """Reads from the reading side, so that a page that only looks never holds SQLite's one write lock."""

    def get_bind(self, *args: Any, **kwargs: Any) -> Engine:
        return db.engine(writes=request.method not in ("GET", "HEAD"))


class AdminSession(scoped_session[RequestSession]):
    """Flask-Admin 2.2 wants either a Flask-SQLAlchemy object, known by ``session``, or warns; ours is plain SQLAlchemy."""

    @property
    def session(self) -> "AdminSession":
        return self


def of_request() -> int:
    return id(g._get_current_object())


session = AdminSession(sessionmaker(class_=RequestSession, expire_on_commit=False), scopefunc=of_request)


def thrown_away_with_the_request(app: Flask) -> None:
    @app.teardown_appcontext
    def throw_away(error: BaseException | None) -> None:
        if has_app_context():
            session.remove()
