"""``console …``: every command. Each imports what it needs when it runs: ``--help`` and ``doctor`` always work."""

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from random import Random

    from console.config import Settings
    from console.queues.simulator import Arrival


def _settings(**changes: object) -> "Settings":
    """``changes``: variables that an option of the command overrides; None leaves a variable alone."""
    from console.config import ConfigError, Settings

    chosen = {name: str(value) for name, value in changes.items() if value is not None}
    try:
        return Settings.from_env({**os.environ, **chosen})
    except (ConfigError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _become(settings: "Settings", *arguments: str) -> NoReturn:
    """Go on as another program of this Python: same process, same signals, none of the command line's imports."""
    environment = {**os.environ, **settings.environment()}
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *arguments], environment)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Witness Desk (见证台): video witnessing and review for a futures broker's account opening."""


@main.command()
@click.option("--robots", type=click.IntRange(0, 50), default=0, help="How many simulated investors. Default: none.")
@click.option("--port", type=click.IntRange(0, 65535), help="Where the web process listens; 0 takes any free port.")
@click.option("--demo/--no-demo", default=True, help="Fill an empty database with the demo broker. Default: yes.")
def run(robots: int, port: int | None, demo: bool) -> None:
    """Start everything for development; Ctrl-C stops it all."""
    from console.supervisor import run_everything

    sys.exit(run_everything(_settings(CONSOLE_PORT=port, CONSOLE_DEMO=int(demo)), robots=robots))


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), help="Default: CONSOLE_PORT, else 8000.")
def web(port: int | None) -> None:
    """The web process."""
    _become(_settings(CONSOLE_PORT=port), "-m", "console.wsgi")


@main.command()
@click.option("--queue", multiple=True, type=click.Choice(["default", "cards", "films"]), help="Default: all of them.")
def worker(queue: tuple[str, ...]) -> None:
    """The worker: background jobs, their retries, the sweep."""
    _become(_settings(), "-m", "worker", *queue)


@main.command()
@click.option("--node", help="The name of this node, unique among all. Default: made of host and process number.")
def media(node: str | None) -> None:
    """The media node: takes the calls and records them."""
    settings = _settings()
    node = node or f"{os.uname().nodename}-{os.getpid()}"
    settings.media_spool.mkdir(parents=True, exist_ok=True)
    _become(
        settings,
        *("-m", "worker.media", "--redis", settings.redis_url, "--node", node),
        *("--spool", str(settings.media_spool), "--host", settings.media_host),
    )


@main.command()
@click.option("-n", "count", type=click.IntRange(1, 50), default=3, show_default=True, help="How many.")
def robots(count: int) -> None:
    """Simulated investors with moving pictures and sound who go through the portal and queue for a witness."""
    settings = _settings()
    _become(settings, "-m", "worker.robots", "--url", settings.public_url, "-n", str(count))


@main.command()
def migrate() -> None:
    """Bring the database to the newest shape."""
    from console.migrate import upgrade

    upgrade(_settings())
    click.echo("the database is of the newest shape")


@main.command()
def seed() -> None:
    """Fill an empty database with the demo broker."""
    from console.seed import seed_demo

    filled = seed_demo(_settings())
    click.echo("the demo broker is in the database" if filled else "there is data already: nothing was changed")


@main.command()
def doctor() -> None:
    """Say what is missing on this machine and how to get it."""
    from console.doctor import State, examine

    needed = 0
    for finding in examine():
        click.secho(str(finding), fg={State.GOOD: None, State.OPTIONAL: "yellow", State.MISSING: "red"}[finding.state])
        needed += finding.state is State.MISSING
    if needed:
        sys.exit(1)
    click.echo("nothing that is needed is missing")


@main.command()
def verify() -> None:
    """Check the audit chain and every piece of evidence; exit 1 when something was altered or lost."""
    from console.verify import verify_everything

    report = verify_everything(_settings())
    for line in report.lines:
        click.echo(line)
    sys.exit(0 if report.sound else 1)


@main.command()
@click.argument("case_no")
@click.argument("target", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@click.option("--reason", required=True, help="Why; the trail keeps it.")
def dossier(case_no: str, target: Path, reason: str) -> None:
    """Write everything of one case into a ZIP that anybody can verify; prints the fingerprint to publish."""
    from console.app import create_app
    from console.dossier.export import write_dossier
    from console.problem import Problem

    settings = _settings()
    app = create_app(settings, many_processes=False)
    try:
        with app.app_context():
            fingerprint = write_dossier(settings, case_no, target, reason)
    except Problem as problem:
        raise click.ClickException(problem.text) from problem
    click.echo(f"{target}\nsigned by the key {fingerprint}")


@main.command()
@click.argument("mood", type=click.Choice(["work", "down", "refuse", "later"]))
def counter(mood: str) -> None:
    """Tell the development counter system how to answer from now on."""
    from console.adapters.counter import Mood
    from console.app import open_house
    from console.counter.service import development

    settings = _settings()
    open_house(settings)
    development(settings).tell(Mood(mood))
    click.echo(f"the development counter system: {mood}")


@main.command()
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="Replay the tickets of this day on …")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="… until this one. Default: the same day.")
@click.option("--branch", help="Code of the branch to replay. Default: all of them as one queue.")
@click.option("--arrivals", default="6", show_default=True, help="People a half hour: 6, or 09:00=6,11:30=2.5 …")
@click.option("--hours", default="09:00-17:00", show_default=True, help="Outside of these nobody arrives.")
@click.option("--days", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many invented days.")
@click.option("--service", default=6.0, show_default=True, type=click.FloatRange(0.1), help="Mean minutes of a call.")
@click.option("--vary", default=0.5, show_default=True, type=click.FloatRange(0), help="Their deviation ÷ mean.")
@click.option("--patience", type=click.FloatRange(0.1), help="Mean minutes until people leave. Default: nobody does.")
@click.option("--seats", default="1-8", show_default=True, help="3, 1-8, or by time: 09:00=3,12:00=2,13:00=4.")
@click.option("--sla", type=click.IntRange(1, 240), help="Minutes to answer within. Default: CONSOLE_SLA_MINUTES.")
@click.option("--seed", default=1, show_default=True, help="The same seed, the same numbers.")
@click.option("--plot", "picture", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="An SVG.")
def simulate(
    first: datetime | None,
    last: datetime | None,
    branch: str | None,
    arrivals: str,
    hours: str,
    days: int,
    service: float,
    vary: float,
    patience: float | None,
    seats: str,
    sla: int | None,
    seed: int,
    picture: Path | None,
) -> None:
    """How long people would wait with so many seats: recorded days again (--from), or invented ones."""
    from random import Random

    from console.config import VideoHours
    from console.queues import simulator, trial

    settings, random = _settings(), Random(seed)
    sla = sla or settings.sla_minutes
    try:
        if first is not None:
            played = _recorded(settings, first, last or first, branch, random)
        else:
            rates = trial.by_half_hour(arrivals, VideoHours.parse(hours))
            lengths = simulator.calls(service * 60, vary, random)
            waits = simulator.patience_of(patience * 60 if patience else None, random)
            played = [simulator.synthetic(rates, lengths, waits, random) for _ in range(days)]
        rows = trial.try_out(played, trial.rosters(seats), sla * 60)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if not rows:
        raise click.ClickException("nobody arrived: there is nothing to play")
    click.echo(trial.table(rows, sla))
    if picture:
        picture.write_text(trial.plot(rows, sla), encoding="utf-8")
        click.echo(f"picture: {picture}")


def _recorded(
    settings: "Settings", first: datetime, last: datetime, code: str | None, random: "Random"
) -> list[list["Arrival"]]:
    """Recorded days as they can be played again; says how good the promises of those days were."""
    from sqlalchemy import select

    from console import db
    from console.people.models import Branch
    from console.queues import promises, simulator, trial

    db.connect(settings.database_url)
    with db.reading() as session:
        chosen = select(Branch.id).where(Branch.code == code) if code else select(Branch.id)
        branch_ids = list(session.scalars(chosen))
        if not branch_ids:
            raise click.ClickException(f"no branch has the code {code}")
        recorded = trial.recorded_days(session, branch_ids, first.date(), last.date())
        told = promises.score(promises.kept(session, branch_ids, *trial.edges(first.date(), last.date())))
    click.echo(trial.said_of(told))
    return [simulator.replayed(day, random) for day in recorded.values()]


@main.group()
def agreements() -> None:
    """Agreements that investors read and sign."""


@agreements.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--broker", "broker_no", required=True, help="The broker's number.")
@click.option("--purpose", required=True, type=click.Choice(["read", "sign", "undertaking", "privacy", "notice"]))
@click.option("--code", help="The same code makes a new version. Default: the name of the file.")
@click.option("--title", help="Default: the first heading of the file.")
@click.option(
    "--business", "businesses", multiple=True, help="Of which business; may be repeated. Default: as before, else all."
)
def import_agreements(
    paths: tuple[Path, ...],
    broker_no: str,
    purpose: str,
    code: str | None,
    title: str | None,
    businesses: tuple[str, ...],
) -> None:
    """Import Markdown or HTML files as new, immutable versions: all of them or none."""
    from console.agreements.files import import_files
    from console.agreements.models import Purpose
    from console.app import open_house
    from console.db import transaction
    from console.problem import Problem
    from console.stamp import Stamp

    open_house(_settings())
    try:
        with transaction() as session:
            versions = import_files(
                session,
                broker_no,
                paths,
                code=code,
                title=title,
                purpose=Purpose(purpose),
                businesses=businesses or None,
                stamp=Stamp.of_system("import"),
            )
            lines = [f"{v.agreement.code} v{v.number} {v.sha256} {v.agreement.title}" for v in versions]
    except Problem as problem:
        raise click.ClickException(f"{problem.text} (nothing was imported)") from problem
    for line in lines:
        click.echo(line)


if __name__ == "__main__":
    main()
