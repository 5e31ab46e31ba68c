import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from console.cli import main

ROOT = Path(__file__).parents[1]


def console(*arguments: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "CONSOLE_HOME": str(home), **variables}
    command = [sys.executable, "-m", "console.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=60)


COMMANDS = ("", "run", "web", "worker", "media", "robots", "migrate", "seed", "doctor", "verify", "agreements import")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    done = CliRunner().invoke(main, [*command.split(), "--help"])
    assert done.exit_code == 0
    assert "Usage:" in done.output


def test_help_needs_none_of_what_the_commands_need():
    script = "import sys; from console.cli import main; main(['-h'], standalone_mode=False); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    for heavy in ("flask", "sqlalchemy", "redis", "eventlet"):
        assert f"'{heavy}'" not in done.stdout


def test_a_setting_that_makes_no_sense_ends_a_command_with_one_line(tmp_path):
    done = console("web", home=tmp_path, CONSOLE_PORT="many")
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["Error: CONSOLE_PORT: 'many' must be a number from 0 to 65535"]


def test_migrate_may_be_run_again(tmp_path):
    for _ in range(2):
        done = console("migrate", home=tmp_path)
        assert done.stdout == "the database is of the newest shape\n"
        assert done.returncode == 0


def test_run_on_a_taken_port_starts_nothing_and_names_the_option(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = console("run", "--port", port, home=tmp_path)
    assert done.returncode == 1
    assert f"port {port} is taken" in done.stdout
    assert "--port" in done.stdout
    assert not (tmp_path / "redis").exists()
