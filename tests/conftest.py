"""Fixtures that every test may ask for."""

import pytest

from tests.fixtures import app, as_investor, as_staff, at, fresh_app, house, session, world  # noqa: F401
from tests.servers import (  # noqa: F401
    database_url,
    migrated_file,
    migrated_template,
    postgres,
    postgres_url,
    redis_of_the_session,
    redis_url,
    reused_database,
    sqlite_url,
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep-pictures", metavar="FOLDER", help="stories leave their screenshots there")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Playwright keeps an event loop for as long as its browser lives: what needs a browser runs apart from the rest."""
    for item in items:
        if {"playwright", "browsers"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.browser)
