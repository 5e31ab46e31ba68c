import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import time, timedelta
from pathlib import Path

import pytest

from console.config import ConfigError, Settings, VideoHours, kept_secret


def read(home: Path, **variables: str) -> Settings:
    return Settings.from_env({"CONSOLE_HOME": str(home), **variables})


def test_with_nothing_set_everything_lies_in_the_instance_folder(tmp_path):
    settings = read(tmp_path)
    assert settings.database_url == f"sqlite:///{tmp_path}/console.db"
    assert settings.redis_url == f"unix://{tmp_path}/redis.sock"
    assert settings.uses_own_redis
    assert settings.public_url == "http://127.0.0.1:8000"
    assert not settings.demo


def test_the_instance_folder_is_var_below_where_one_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Settings.from_env({}).home == tmp_path / "var"


def test_a_child_reads_the_same_settings_from_the_environment_it_is_given(tmp_path):
    settings = read(
        tmp_path,
        DATABASE_URL="postgresql://u:p@db/x?host=/run/pg",
        REDIS_URL="redis://cache:6379/2",
        CONSOLE_HOST="0.0.0.0",
        CONSOLE_PORT="8443",
        CONSOLE_PUBLIC_URL="https://desk.example.com/",
        CONSOLE_ORIGINS="https://a.example.com, https://b.example.com:444",
        CONSOLE_PROXIES="1",
        CONSOLE_MEDIA_HOST="192.0.2.7",
        CONSOLE_VIDEO_HOURS="08:30-20:30",
        CONSOLE_STAFF_SESSION="60",
        CONSOLE_BLIND_SHARE="20",
        CONSOLE_INVESTOR_SESSION="15",
        CONSOLE_DEMO="1",
        CONSOLE_LOG_LEVEL="DEBUG",
    )
    assert Settings.from_env(settings.environment()) == settings
    assert settings.investor_session == timedelta(minutes=15)
    assert not settings.uses_own_redis


def test_https_makes_the_cookies_secure(tmp_path):
    assert read(tmp_path, CONSOLE_PUBLIC_URL="https://desk.example.com").cookie_secure
    assert not read(tmp_path).cookie_secure


def test_postgresql_is_spoken_to_through_psycopg_3_however_it_is_spelled(tmp_path):
    for spelling in ("postgres://u@h/d", "postgresql://u@h/d", "postgresql+psycopg://u@h/d"):
        assert read(tmp_path, DATABASE_URL=spelling).database_url == "postgresql+psycopg://u@h/d"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CONSOLE_PORT", "http"),
        ("CONSOLE_PORT", "65536"),
        ("CONSOLE_PORT", "-1"),
        ("CONSOLE_PROXIES", "many"),
        ("CONSOLE_SMS", "pigeon"),
        ("CONSOLE_LOG_LEVEL", "LOUD"),
        ("CONSOLE_STAFF_SESSION", "0"),
        ("CONSOLE_BLIND_SHARE", "101"),
        ("CONSOLE_BLIND_SHARE", "-1"),
        ("CONSOLE_VIDEO_HOURS", "morning"),
        ("CONSOLE_VIDEO_HOURS", "09:00-25:00"),
        ("CONSOLE_PUBLIC_URL", "desk.example.com"),
        ("CONSOLE_PUBLIC_URL", "https://desk.example.com/here"),
        ("CONSOLE_ORIGINS", "*"),
        ("CONSOLE_ORIGINS", "https://ok.example.com,https://desk.example.com/path"),
        ("DATABASE_URL", "mysql://u@h/d"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_its_name(tmp_path, variable, value):
    with pytest.raises(ConfigError, match=variable):
        read(tmp_path, **{variable: value})


def test_only_exact_origins_are_allowed_and_both_spellings_of_this_machine(tmp_path):
    assert read(tmp_path, CONSOLE_PORT="81").allowed_origins == ("http://127.0.0.1:81", "http://localhost:81")
    far = read(tmp_path, CONSOLE_PUBLIC_URL="https://desk.example.com", CONSOLE_ORIGINS="https://two.example.com")
    assert far.allowed_origins == ("https://desk.example.com", "https://two.example.com")


def test_the_key_of_the_cookies_is_made_once_and_is_nobody_else_s(tmp_path):
    first, second = read(tmp_path), read(tmp_path)
    assert first.secret_key == second.secret_key
    assert len(bytes.fromhex(first.secret_key)) == 32
    assert stat.S_IMODE((tmp_path / "keys" / "cookies").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert read(tmp_path / "other").secret_key != first.secret_key


def test_processes_that_start_together_agree_on_the_key(tmp_path):
    key = tmp_path / "keys" / "cookies"
    script = (
        "import pathlib, sys; from console import config; print(config.kept_secret(pathlib.Path(sys.argv[1])).hex())"
    )
    command = [sys.executable, "-c", script, str(key)]

    def ask(_: int) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1]).stdout

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(ask, range(6)))) == 1
    assert os.listdir(tmp_path / "keys") == ["cookies"]


def test_a_damaged_key_is_reported_and_not_replaced(tmp_path):
    key = tmp_path / "cookies"
    key.write_bytes(b"short")
    with pytest.raises(ConfigError, match="damaged"):
        kept_secret(key)
    assert key.read_bytes() == b"short"


def test_secrets_do_not_show_when_settings_are_printed(tmp_path):
    settings = read(tmp_path)
    assert settings.secret_key not in repr(settings)


@pytest.mark.parametrize(
    ("hours", "inside", "outside"),
    [
        ("09:00-17:00", ["09:00", "16:59"], ["08:59", "17:00"]),
        ("20:00-02:00", ["20:00", "23:59", "01:59"], ["02:00", "12:00"]),
        ("00:00-00:00", ["00:00", "12:00", "23:59"], []),
    ],
)
def test_video_hours_include_their_beginning_and_not_their_end(hours, inside, outside):
    parsed = VideoHours.parse(hours)
    assert str(parsed) == hours
    assert all(parsed.covers(time.fromisoformat(moment)) for moment in inside)
    assert not any(parsed.covers(time.fromisoformat(moment)) for moment in outside)


@pytest.mark.parametrize(
    "wrong",
    [
        {"CONSOLE_TURN_URLS": "turn.example.com", "CONSOLE_TURN_SECRET": "s"},
        {"CONSOLE_TURN_URLS": "stun:turn.example.com", "CONSOLE_TURN_SECRET": "s"},
        {"CONSOLE_TURN_URLS": "turn:turn.example.com"},
        {"CONSOLE_TURN_TTL": "5"},
        {"CONSOLE_CALL_GRACE": "0"},
        {"CONSOLE_AFTER_DROP": "perhaps"},
    ],
)
def test_a_relay_or_a_grace_that_makes_no_sense_is_refused_by_name(tmp_path, wrong):
    with pytest.raises(ConfigError, match=r"CONSOLE_(TURN|CALL|AFTER)"):
        read(tmp_path, **wrong)


def test_relay_and_grace_reach_the_child_processes_and_the_relays_secret_is_not_shown(tmp_path):
    urls = "turn:turn.example.com:3478?transport=udp,turns:[2001:db8::1]:5349"
    settings = read(tmp_path, CONSOLE_TURN_URLS=urls, CONSOLE_TURN_SECRET="hush", CONSOLE_CALL_GRACE="45")
    assert ",".join(settings.turn_urls) == urls and settings.call_grace.total_seconds() == 45
    assert Settings.from_env(settings.environment()) == settings
    assert "hush" not in repr(settings)
