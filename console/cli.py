"""``console …``: every command. Each imports what it needs when it runs: ``--help`` and ``doctor`` always work."""

import os
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from console.config import Settings


def _settings() -> "Settings":
    from console.config import ConfigError, Settings

    try:
        return Settings.from_env()
    except (ConfigError, OSError) as error:
        raise click.ClickException(str(error)) from error


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Witness Desk (见证台)."""


@main.command()
@click.option("--robots", default=0, show_default=True, help="Simulated investors to put into the queue.")
@click.option("--port", type=int, help="Where the web process listens (default CONSOLE_PORT or 8000).")
def run(robots: int, port: int | None) -> None:
    """Start everything for development and stop it all with Ctrl-C."""
    from console.supervisor import run_everything

    if port is not None:
        os.environ["CONSOLE_PORT"] = str(port)
    sys.exit(run_everything(_settings(), robots=robots))


@main.command()
def web() -> None:
    """The web process."""
    settings = _settings()
    os.execv(sys.executable, [sys.executable, "-m", "console.wsgi", str(settings.port)])


@main.command()
def migrate() -> None:
    """Bring the database to the newest shape."""
    from console.migrate import upgrade

    upgrade(_settings())
    click.echo("the database is up to date")


@main.command()
def seed() -> None:
    """Fill an empty database with the demo broker."""
    from console.seed import seed_demo

    settings = _settings()
    click.echo("seeded the demo broker" if seed_demo(settings) else "there is data already: nothing was changed")


if __name__ == "__main__":
    main()
