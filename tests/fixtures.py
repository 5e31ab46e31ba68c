"""The house opened for a test: fresh database (both kinds), vault, evidence store, application, signed-in clients."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from console import access, db
from console.app import create_app, open_house
from console.config import Settings
from console.people.models import SignIn
from tests import keeping
from tests import world as worlds

PASSWORD_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(worlds.PASSWORD)


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[Settings]:
    """An instance with an empty, migrated database. Redis is an address where nobody answers: the house must bear that."""
    settings = Settings.from_env(
        {
            "CONSOLE_HOME": str(tmp_path / "var"),
            "DATABASE_URL": database_url,
            "REDIS_URL": f"unix://{tmp_path}/nobody.sock",
            "CONSOLE_DEMO": "1",
        }
    )
    keeping.give_key(settings)
    open_house(settings)
    yield settings
    if database_url.startswith("sqlite"):  # the next test has another file at this address
        db.close()  # connections to PostgreSQL know the catalogue by now, and the next test has the same database


@pytest.fixture
def world(house: Settings) -> Settings:
    """The house with the broker of tests/world.py in it."""

    def build() -> None:
        with db.transaction() as session:
            worlds.build(session, PASSWORD_HASH)

    keeping.furnish(house.database_url, build)
    return house


class Built:
    """One application for all tests of this process: putting it together takes longer than most tests. As new for each of them."""

    def __init__(self) -> None:
        self.app: Flask | None = None

    def at(self, settings: Settings) -> Flask:
        if self.app is None:
            self.app = create_app(settings, many_processes=False)
            self.config, self.extensions = dict(self.app.config), dict(self.app.extensions)
            self.granted = dict(self.app.extensions["granted_blueprints"])
        app = self.app
        app.config.clear()
        app.config.update(self.config, SECRET_KEY=settings.secret_key, TESTING=True, WTF_CSRF_ENABLED=False)
        app.extensions.clear()
        app.extensions.update(
            self.extensions, granted_blueprints=dict(self.granted), settings=settings, redis=open_house(settings)
        )
        return app


_BUILT = Built()


@pytest.fixture
def app(world: Settings) -> Flask:
    return _BUILT.at(world)


@pytest.fixture
def fresh_app(world: Settings) -> Flask:
    """An application of the test's own, for tests that build something onto it."""
    made = create_app(world, many_processes=False)
    made.config.update(TESTING=True, WTF_CSRF_ENABLED=False)
    return made


@pytest.fixture
def at() -> datetime:
    return worlds.AT


def signed_in(app: Flask, staff_id: int | None = None, investor_id: int | None = None) -> FlaskClient:
    client = app.test_client()
    token = uuid4().hex
    now = datetime.now(UTC)
    with db.transaction() as session:
        session.add(
            SignIn(
                token=token,
                staff_id=staff_id,
                investor_id=investor_id,
                started_at=now,
                expires_at=now + timedelta(hours=1),
            )
        )
    with client.session_transaction() as cookie:
        cookie[access.COOKIE] = token
    return client


@pytest.fixture
def as_staff(app: Flask) -> Callable[[str], FlaskClient]:
    """``as_staff("luwenshan")``: a client signed in as that account."""

    def sign_in(username: str) -> FlaskClient:
        with db.reading() as session:
            staff_id = worlds.staff_named(session, username).id
        return signed_in(app, staff_id, None)

    return sign_in


@pytest.fixture
def as_investor(app: Flask) -> Callable[[str], FlaskClient]:
    """``as_investor("周晚晴")``: a client signed in as that investor."""

    def sign_in(name: str) -> FlaskClient:
        with db.reading() as session:
            investor_id = worlds.investor_named(session, name).id
        return signed_in(app, None, investor_id)

    return sign_in


@pytest.fixture
def session(world: Settings) -> Iterator[Session]:
    """One open transaction in the world, for tests of services."""
    with db.transaction() as opened:
        yield opened
