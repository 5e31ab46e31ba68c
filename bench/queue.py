"""`python -m bench.queue`: JSON lines on stdout, on SQLite and PostgreSQL: what a claim costs sixteen claimers beside the bare statement
(`bench/claims.py`), and what a claim and a look at one's place cost with 100,000 people waiting at one branch beside the same with 1,000.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from bench.claims import CLAIMERS, PROCESSES, contest, crew
from console import db
from console.app import open_house
from console.cases.models import Case, CaseEvent, Status, StepDone
from console.chain import START, find_break
from console.config import Settings
from console.migrate import upgrade
from console.people.models import Staff
from console.queues import service
from console.queues.models import Priority, Seat, Ticket, TicketState
from console.stamp import Stamp
from tests import world
from tests.fixtures import PASSWORD_HASH
from tests.queues.given import crowd_member, online
from tests.servers import postgres_server

REAL, FEW, MANY, ROUNDS = 60, 1_000, 100_000, 25
GROWTH_LIMIT = 2.0
WAITING = 10_000
CLAIM_LIMIT = 3.0
PEERS = (
    ("bare", "bare UPDATE of the same rows, committed, through the same engine", CLAIM_LIMIT),
    ("by hand", "ticket, case and sealed line in three plain statements, committed, through the same engine", None),
)


@contextmanager
def house(url: str, folder: Path) -> Iterator[None]:
    """The broker of the tests at ``url``, open."""
    settings = Settings.from_env({**os.environ, **environment(url, folder)})
    upgrade(settings)
    open_house(settings)
    with db.transaction() as session:
        world.build(session, PASSWORD_HASH)
    yield
    db.close()


def people(now: datetime, count: int = REAL) -> int:
    """Those at the head of the queue, brought there by the services; their branch."""
    with db.transaction() as session:
        tickets = [crowd_member(session, n, now - timedelta(hours=3) + timedelta(seconds=n)) for n in range(count)]
        return tickets[0].branch_id


def crowd(branch_id: int, first: int, count: int, now: datetime) -> None:
    """``count`` more behind them: ticket and case, nothing else of them is looked at."""
    cases = [_case(branch_id, n, now) for n in range(first, first + count)]
    with db.transaction() as session:
        off, on = FOREIGN_KEYS[session.connection().dialect.name]
        session.execute(text(off))
        ids = session.scalars(insert(Case).returning(Case.id, sort_by_parameter_order=True), cases).all()
        session.execute(insert(Ticket), [_ticket(branch_id, case_id, now, n) for n, case_id in enumerate(ids, first)])
        session.execute(text(on))
    analyze()


def analyze() -> None:
    with db.engine(writes=True).connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


# what is no person has no row of one
FOREIGN_KEYS = {
    "sqlite": ("PRAGMA defer_foreign_keys = ON", "PRAGMA defer_foreign_keys = OFF"),
    "postgresql": ("SET LOCAL session_replication_role = replica", "SET LOCAL session_replication_role = origin"),
}


def _case(branch_id: int, n: int, now: datetime) -> dict[str, Any]:
    return {
        "case_no": f"B{n:012d}",
        "business_code": "change_settlement_account",
        "investor_id": 1_000_000 + n,
        "branch_id": branch_id,
        "status": Status.IN_QUEUE,
        "known_facts": {},
        "opened_at": now,
        "version": 1,
    }


def _ticket(branch_id: int, case_id: int, now: datetime, n: int) -> dict[str, Any]:
    return {
        "ticket_no": f"{n % 1000:03d}",
        "case_id": case_id,
        "branch_id": branch_id,
        "state": TicketState.WAITING,
        "priority": Priority.NORMAL,
        "rank": Priority.NORMAL.rank,
        "joined_at": now - timedelta(hours=2) + timedelta(milliseconds=50 * n),
        "missed": 0,
    }


def ms(act: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The least disturbed of them: the machine may be busy with something else."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        times.append((time.perf_counter() - began) * 1000)
    return min(times)


def look(which: str) -> Callable[[], object]:
    """At the place of the first or the last one."""

    def act() -> object:
        with db.reading() as session:
            return service.place(session, session.get_one(Ticket, ids[which]))

    with db.reading() as session:
        all_of_them = session.scalars(
            select(Ticket.id).where(Ticket.state == TicketState.WAITING).order_by(Ticket.id)
        ).all()
        ids = {"first": all_of_them[0], "last": all_of_them[-1]}
    return act


def claim(seat_id: int) -> Callable[[], object]:
    def act() -> object:
        now = datetime.now(UTC)
        with db.transaction() as session:
            seat = session.get_one(Seat, seat_id)
            claimed = service.claim_next(session, seat, Stamp(by=f"staff:{seat.staff_id}", at=now))
            assert claimed is not None
            return claimed.id

    return act


def growth(database: str, url: str, folder: Path, now: datetime) -> Iterator[dict[str, Any]]:
    branch_id = people(now)
    with db.transaction() as session:
        seat_id = online(session, at=now).id
    costs: dict[int, dict[str, float]] = {}
    there = REAL
    for count in (FEW, MANY):
        crowd(branch_id, there, count - there, now)
        there = count
        acts = {"claim": claim(seat_id), "place of the first": look("first"), "place of the last": look("last")}
        costs[count] = {name: ms(act) for name, act in acts.items()}
    for name in costs[FEW]:
        few, many = costs[FEW][name], costs[MANY][name]
        yield {
            "figure": f"{name}, {MANY:,} waiting beside {FEW:,}",
            "database": database,
            "ours": round(many, 2),
            "peer": round(few, 2),
            "ratio": round(many / few, 2),
            "unit": "ms",
            "limit": GROWTH_LIMIT,
            "ok": many / few <= GROWTH_LIMIT,
        }


def steps_and_trail() -> None:
    """Whoever has none gets those of the first one: steps with what was entered, lines that follow one another."""
    with db.transaction() as session:
        model = session.scalars(select(Case).order_by(Case.id).limit(1)).one()
        steps = [_row(entry) for entry in model.entries]
        lines = [_row(line) for line in model.events]
        bare = session.scalars(
            select(Case.id).where(~select(StepDone.id).where(StepDone.case_id == Case.id).exists())
        ).all()
        session.execute(insert(StepDone), [step | {"case_id": case_id} for case_id in bare for step in steps])
        session.execute(insert(CaseEvent), [line for case_id in bare for line in _chained(lines, case_id)])


def _row(kept: StepDone | CaseEvent) -> dict[str, Any]:
    return {column.key: getattr(kept, column.key) for column in kept.__table__.columns if column.key != "id"}


def _chained(lines: list[dict[str, Any]], case_id: int) -> Iterator[dict[str, Any]]:
    last = (0, START)
    for values in lines:
        line = CaseEvent(**values | {"case_id": case_id})
        line.follow(*last)
        last = (line.seq, line.hash)
        yield _row(line)


def witnesses(session: Session, now: datetime) -> list[int]:
    """Their seats, all of one branch."""
    first = online(session, at=now)
    model = session.get_one(Staff, first.staff_id)
    seats = [first]
    for n in range(1, CLAIMERS):
        same = {
            "broker_id": model.broker_id,
            "name": model.name,
            "roles": model.roles,
            "password_hash": model.password_hash,
        }
        licence = {"licence_no": f"F09{n:05d}", "licence_until": model.licence_until}
        session.add(
            Staff(username=f"claimer{n}", person_index=f"claimer{n}", branches=list(model.branches), **same, **licence)
        )
        session.flush()
        seats.append(online(session, f"claimer{n}", at=now))
    return [seat.id for seat in seats]


def beside_the_bare_statement(database: str, url: str, folder: Path, now: datetime) -> Iterator[dict[str, Any]]:
    crowd(people(now, 1), 1, WAITING - 1, now)
    steps_and_trail()
    with db.transaction() as session:
        seat_ids = witnesses(session, now)
        copy_tickets(session)
    analyze()
    with crew(seat_ids, environment(url, folder)) as claimers:
        turns, told = contest(claimers)
    told |= answered_well()
    same = {
        "database": database,
        "unit": "ms, median of the turns' p50, from asking for a connection until it is committed",
    }
    for peer, name, limit in PEERS:
        ours, theirs = (median(turn[side] for turn in turns) for side in ("ours", peer))
        ratios = sorted(
            turn["ours"] / turn[peer] for turn in turns
        )  # of neighbours in time: the machine may be busy for a while
        ratio = median(ratios)
        yield {
            "figure": f"claim, {CLAIMERS} claimers in {PROCESSES} processes, {WAITING:,} waiting, beside {peer}",
            **same,
            "ours": round(ours, 2),
            "peer": round(theirs, 2),
            "peer_name": name,
            "ratio": round(ratio, 2),
            "ratios": [round(each, 2) for each in ratios],
            **told,
            "limit": limit,
            "ok": (limit is None or ratio <= limit) and told["double_answers"] == 0,
        }


def copy_tickets(session: Session) -> None:
    """The same rows with the same indexes for the peer."""
    if session.connection().dialect.name == "postgresql":
        session.execute(text("CREATE TABLE bare_tickets (LIKE tickets INCLUDING ALL)"))
    else:
        made = session.scalars(
            text("SELECT sql FROM sqlite_master WHERE tbl_name = 'tickets' AND sql IS NOT NULL")
        ).all()
        for sql in sorted(made, key=lambda each: "TABLE" not in each):
            session.execute(text(sql.replace("tickets", "bare_tickets")))
    session.execute(text("INSERT INTO bare_tickets SELECT * FROM tickets"))


def answered_well() -> dict[str, int]:
    """Every answered ticket has one line ANSWER of its case in a trail that holds."""
    with db.reading() as session:
        answered = session.scalars(select(Ticket.case_id).where(Ticket.state == TicketState.ANSWERED)).all()
        moved = session.scalar(select(func.count()).select_from(Case).where(Case.status == Status.IN_VIDEO))
        lines: dict[int, list[CaseEvent]] = {case_id: [] for case_id in answered}
        for line in session.scalars(select(CaseEvent).order_by(CaseEvent.case_id, CaseEvent.seq)):
            if line.case_id in lines:
                lines[line.case_id].append(line)
    broken = [
        case_id
        for case_id, trail in lines.items()
        if find_break(trail) or [x.action for x in trail].count("answer") != 1
    ]
    assert moved == len(answered) == len(lines) and not broken
    return {"answered": len(answered)}


def environment(url: str, folder: Path) -> dict[str, str]:
    return {"CONSOLE_HOME": str(folder), "DATABASE_URL": url, "CONSOLE_DEMO": "1"}


def main() -> int:
    now = datetime.now(UTC)
    found = []
    for database in ("sqlite", "postgresql"):
        for act in (beside_the_bare_statement, growth):
            with a_database(database) as (url, folder), house(url, folder):
                for each in act(database, url, folder, now):
                    print(json.dumps(each, ensure_ascii=False), flush=True)
                    found.append(each)
    return 0 if all(each["ok"] for each in found) else 1


@contextmanager
def a_database(kind: str) -> Iterator[tuple[str, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        if kind == "sqlite":
            yield "", Path(folder)
            return
        with postgres_server() as server:
            yield server.url(server.create()), Path(folder)


if __name__ == "__main__":
    sys.exit(main())
