"""`python -m bench.board`: JSON lines on stdout, what the numbers of the live board cost on SQLite.

A day of 10,000 tickets at 40 branches behind 20 days like it (Q5: under 100 ms); the same for the suggested seats and for one estimate.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import insert, select

from console import db
from console.config import Settings
from console.local_time import midnight
from console.migrate import upgrade
from console.people.models import Branch, Broker
from console.queues import board, estimate, staffing
from console.queues.models import Priority, Seat, SeatState, Ticket, TicketState
from console.queues.promises import WaitPromise

A_DAY, BRANCHES, DAYS, ROUNDS = 10_000, 40, 20, 15
LIMIT_MS = 100
RULES = board.Rules(sla=timedelta(minutes=5), share=90, red=timedelta(minutes=10))


def fill(now: datetime) -> list[Branch]:
    """Half past five of a busy day: everybody has come, some still wait or talk. Rows as the services write them, cases left out."""
    random = Random(1)
    with db.transaction() as session:
        session.connection().exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        broker = Broker(broker_no="1", name="量")
        branches = [Branch(broker=broker, code=f"B{n}", name=f"第{n}营业部") for n in range(BRANCHES)]
        session.add_all(branches)
        session.flush()
        ids = [branch.id for branch in branches]
        for days in range(DAYS, -1, -1):
            tickets = [_ticket(random, ids, midnight(now) - timedelta(days=days), now) for _ in range(A_DAY)]
            made = session.scalars(insert(Ticket).returning(Ticket.id, sort_by_parameter_order=True), tickets).all()
            promises = [
                {
                    "ticket_id": n,
                    "branch_id": t["branch_id"],
                    "made_at": t["joined_at"],
                    "ahead": 2,
                    "low": 2,
                    "high": 9,
                }
                for n, t in zip(made, tickets, strict=True)
            ]
            session.execute(insert(WaitPromise), promises)
        session.add_all(
            Seat(staff_id=n, branch_id=random.choice(ids), state=SeatState.ONLINE, since=now, seen_at=now)
            for n in range(1, 161)
        )
        session.flush()
        session.connection().exec_driver_sql("PRAGMA defer_foreign_keys = OFF")
    return branches


def _ticket(random: Random, ids: list[int], day: datetime, now: datetime) -> dict[str, Any]:
    joined = day.astimezone(UTC) + timedelta(seconds=random.uniform(9, 17.5) * 3600)
    met = joined + timedelta(seconds=random.expovariate(1 / 240))
    over = met + timedelta(seconds=random.lognormvariate(6, 0.5))
    left = random.random() < 0.06
    state = TicketState.WAITING if met > now else TicketState.LEFT if left else TicketState.ANSWERED
    answered = state is TicketState.ANSWERED
    return {
        "ticket_no": "A001",
        "case_id": random.getrandbits(48),
        "branch_id": random.choice(ids),
        "state": state,
        "priority": Priority.NORMAL,
        "rank": Priority.NORMAL.rank,
        "joined_at": joined,
        "answered_at": met if answered else None,
        "ended_at": met if state is TicketState.LEFT else over if answered and over <= now else None,
        "missed": 0,
    }


def figures(branches: list[Branch], now: datetime) -> Iterator[dict[str, Any]]:
    ids = [branch.id for branch in branches]
    acts: dict[str, Callable[[Any], object]] = {
        "board": lambda session: board.board(session, branches, now, RULES),
        "suggested seats": lambda session: staffing.suggestions(session, ids, now, RULES.sla, 0.9),
        "estimate": lambda session: estimate.wait_minutes(session, ids[0], 3, now),
    }
    for name, act in acts.items():
        times = [_ms(act) for _ in range(ROUNDS)]
        wall, cpu = (statistics.median(each) for each in zip(*times, strict=True))
        yield {
            "figure": name,
            "ms": round(wall, 1),
            "cpu_ms": round(cpu, 1),
            "limit_ms": LIMIT_MS,
            "holds": wall < LIMIT_MS,
            "tickets_a_day": A_DAY,
            "branches": BRANCHES,
            "days": DAYS,
        }


def _ms(act: Callable[[Any], object]) -> tuple[float, float]:
    with db.reading() as session:
        wall, cpu = time.perf_counter(), time.process_time()
        act(session)
        return (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000


def main() -> None:
    now = midnight(datetime.now(UTC)).replace(hour=17, minute=29).astimezone(UTC)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.from_env({**os.environ, "CONSOLE_HOME": str(Path(folder)), "DATABASE_URL": ""})
        upgrade(settings)
        db.connect(settings.database_url)
        for each in figures(fill(now), now):
            print(json.dumps(each, ensure_ascii=False), flush=True)
        with db.reading() as session:
            assert session.scalar(select(Ticket.id).limit(1)) is not None
        db.close()


if __name__ == "__main__":
    main()
