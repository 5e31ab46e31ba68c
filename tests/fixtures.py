"""The house opened for a test: fresh database (both kinds), vault, evidence store, application, signed-in clients."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import BytecodeCache, FileSystemBytecodeCache
from sqlalchemy.orm import Session

from console import access, db
from console.app import create_app, open_house
from console.config import Settings
from console.people.models import SignIn
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
    open_house(settings)
    yield settings
    db.close()


@pytest.fixture
def world(house: Settings) -> Settings:
    """The house with the broker of tests/world.py in it."""
    with db.transaction() as session:
        worlds.build(session, PASSWORD_HASH)
    return house


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> BytecodeCache:
    """Each test has an application of its own, and compiling a page takes longer than everything else in it: done once."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def app(world: Settings, compiled_templates: BytecodeCache) -> Flask:
    made = create_app(world, many_processes=False)
    made.jinja_env.bytecode_cache = compiled_templates
    made.config.update(TESTING=True, WTF_CSRF_ENABLED=False)
    return made


@pytest.fixture
def at() -> datetime:
    return worlds.AT


def _signed_in(app: Flask, staff_id: int | None, investor_id: int | None) -> FlaskClient:
    client = app.test_client()
    token = f"token-{staff_id}-{investor_id}-{id(client)}"
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
        return _signed_in(app, staff_id, None)

    return sign_in


@pytest.fixture
def as_investor(app: Flask) -> Callable[[str], FlaskClient]:
    """``as_investor("周晚晴")``: a client signed in as that investor."""

    def sign_in(name: str) -> FlaskClient:
        with db.reading() as session:
            investor_id = worlds.investor_named(session, name).id
        return _signed_in(app, None, investor_id)

    return sign_in


@pytest.fixture
def session(world: Settings) -> Iterator[Session]:
    """One open transaction in the world, for tests of services."""
    with db.transaction() as opened:
        yield opened
