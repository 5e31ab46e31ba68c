"""Fixtures that every test may ask for."""

# ruff: noqa: E402
import gc

gc.disable()  # until everything is collected: see pytest_collection_finish

import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

from console import live
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

MEMORY = "/dev/shm"
ENOUGH = 4 << 30  # bytes


def pytest_configure() -> None:
    """Databases, recordings and browser profiles of tests go to memory where there is enough: thousands of fsyncs a disk need not see."""
    if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH:
        os.environ["TMPDIR"] = tempfile.tempdir = MEMORY


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: the collector looks at it no more, which saves a sixth of the work."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep-pictures", metavar="FOLDER", help="stories leave their screenshots there")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What asks for a database runs on SQLite, or on those its mark ``databases`` names: where statements, locks or types differ."""
    if "database_url" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("databases")
        metafunc.parametrize("database_url", mark.args if mark else ("sqlite",), indirect=True)


@pytest.fixture(autouse=True)
def sockets_that_are_real() -> Iterator[None]:
    """Flask-SocketIO's test client bends the one server of the process; who comes after it with a browser gets it straight again."""
    yield
    server = live.socketio.server
    if server is not None and "_send_packet" in vars(server):
        del server._send_packet, server._send_eio_packet
        server.async_handlers = server.eio.async_handlers = True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest is begun first, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("early") is None)
