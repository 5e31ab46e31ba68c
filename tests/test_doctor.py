"""The doctor names what is wrong and how to mend it, and breaks on nothing itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from console import doctor
from console.config import Settings
from console.doctor import State

pytestmark = pytest.mark.databases("sqlite", "postgresql")

ROOT = Path(__file__).parents[1]


def settings(home: Path, **variables: str) -> Settings:
    return Settings.from_env({"CONSOLE_HOME": str(home), **variables})


def ask(home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "CONSOLE_HOME": str(home), "CONSOLE_PORT": "0", **variables}
    command = [sys.executable, "-m", "console.cli", "doctor"]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)


def test_a_migrated_database_is_good_on_both(database_url, tmp_path):
    assert doctor.database(settings(tmp_path, DATABASE_URL=database_url)).state is State.GOOD


def test_a_database_without_its_tables_is_sent_to_migrate(postgres, tmp_path):
    name = postgres.create()
    finding = doctor.database(settings(tmp_path, DATABASE_URL=postgres.url(name)))
    postgres.drop(name)
    assert finding.state is State.MISSING
    assert finding.remedy == "console migrate"


def test_a_database_server_that_is_away_is_named(tmp_path):
    finding = doctor.database(settings(tmp_path, DATABASE_URL=f"postgresql://u@/d?host={tmp_path}"))
    assert finding.state is State.MISSING
    assert "DATABASE_URL" in finding.remedy


def test_a_database_not_made_yet_is_no_fault(tmp_path):
    assert doctor.database(settings(tmp_path)).state is State.OPTIONAL
    assert not (tmp_path / "console.db").exists()


def test_a_named_redis_is_asked(redis_url, tmp_path):
    assert doctor.redis(settings(tmp_path, REDIS_URL=redis_url)).state is State.GOOD


def test_a_named_redis_that_is_away_is_missing(tmp_path):
    assert doctor.redis(settings(tmp_path, REDIS_URL=f"unix://{tmp_path}/nobody.sock")).state is State.MISSING


def test_a_home_that_cannot_be_written_is_missing(tmp_path):
    (tmp_path / "file").write_text("in the way")
    at = settings(tmp_path, CONSOLE_SECRET_KEY="x")
    finding = doctor.folder(Settings(tmp_path / "file" / "var", at.database_url, at.redis_url, at.secret_key))
    assert finding.state is State.MISSING


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"CONSOLE_PORT": "many"}, "✗ settings: CONSOLE_PORT"),
        ({"DATABASE_URL": "postgresql://u@/d?host=/nowhere"}, "✗ the PostgreSQL"),
    ],
)
def test_something_needed_is_missing_and_the_command_says_so_and_fails(tmp_path, variables, said):
    done = ask(tmp_path, **variables)
    assert done.returncode == 1
    assert said in done.stdout
    assert "→" in done.stdout


def test_without_any_redis_server_it_says_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    finding = doctor.redis(settings(tmp_path))
    assert finding.state is State.MISSING
    assert "apt-get install redis-server" in finding.remedy
