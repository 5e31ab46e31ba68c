"""Fixtures that every test may ask for."""

import pytest

from tests.fixtures import app, as_investor, as_staff, at, compiled_templates, house, session, world  # noqa: F401
from tests.servers import (  # noqa: F401
    database_url,
    migrated_file,
    migrated_template,
    postgres,
    postgres_url,
    redis_of_the_session,
    redis_url,
    sqlite_url,
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep-pictures", metavar="FOLDER", help="stories leave their screenshots there")
