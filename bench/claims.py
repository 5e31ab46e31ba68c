"""What a claim costs beside the bare statement: sixteen claimers, ours and the peer in turns, each on its own copy of the same tickets.

A process of its own (`python -m bench.claims`) holds some of the claimers as threads, like a web process that serves many seats;
`Crew` starts and leads them over their standard input and output, a line a turn.
"""

import gc
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from statistics import median, quantiles
from types import SimpleNamespace
from typing import Any

from sqlalchemy import TextClause, bindparam, text

from console import db
from console.app import open_house
from console.cases.models import CaseEvent
from console.config import Settings
from console.db import UtcDateTime
from console.queues import news, service
from console.queues.models import Seat
from console.stamp import Stamp

CLAIMERS, PROCESSES = 16, 2
WARM, TURNS = 12, 9  # claims of each claimer before it counts; turns of each side
ROUNDS = {
    "ours": 16,
    "bare": 40,
    "by hand": 16,
}  # claims of each claimer in a turn: the quick ones would be over too soon to be told
# how the same rows are claimed with nothing around it; SQLite has one writer and needs no locks
BARE = """UPDATE bare_tickets SET state = 'answered', answered_at = :at, answered_by = :who
WHERE state = 'waiting' AND id = (SELECT id FROM bare_tickets WHERE branch_id = :branch AND state = 'waiting'
ORDER BY rank, joined_at, id LIMIT 1{lock}) RETURNING id"""
LOCK = {"sqlite": "", "postgresql": " FOR UPDATE SKIP LOCKED"}
# the same duty by hand: the head locked, the last line of its trail, then ticket, case and line, on the tickets that ours claims too
HEAD = """SELECT t.id AS ticket, t.ticket_no AS ticket_no, c.id AS "case", c.version AS version
FROM tickets t JOIN cases c ON c.id = t.case_id
WHERE t.branch_id = :branch AND t.state = 'waiting' AND c.status = 'in_queue' ORDER BY t.rank, t.joined_at, t.id LIMIT 1{lock}"""
LAST = "SELECT seq, hash FROM case_events WHERE case_id = :case ORDER BY seq DESC LIMIT 1"
WRITES = (
    """UPDATE tickets SET state = 'answered', answered_at = :at, answered_by = :who, because = :because
WHERE id = :ticket AND state = 'waiting' RETURNING id""",
    """UPDATE cases SET status = 'in_video', version = version + 1
WHERE id = :case AND version = :version AND status = 'in_queue' RETURNING id""",
    """INSERT INTO case_events (case_id, action, before, after, step, detail, "by", address, at, seq, prev_hash, hash)
VALUES (:case, 'answer', 'in_queue', 'in_video', 'video', :detail, :by, '', :at, :seq, :prev_hash, :hash) RETURNING id""",
)
AT_ONCE = "WITH {} SELECT {}".format(
    ", ".join(f"w{n} AS ({each})" for n, each in enumerate(WRITES)),
    ", ".join(f"(SELECT id FROM w{n})" for n in range(len(WRITES))),
)
BECAUSE = "先到先接，已等 120:00"
Took = tuple[int, float]  # which ticket, in how many seconds


def bare(seat: Seat) -> Took:
    engine = db.engine(writes=True)
    statement = text(BARE.format(lock=LOCK[engine.dialect.name]))
    began = time.perf_counter()
    with engine.begin() as connection:
        at = datetime.now(UTC).replace(tzinfo=None) if engine.dialect.name == "sqlite" else datetime.now(UTC)
        claimed = connection.scalar(statement, {"at": at, "who": seat.staff_id, "branch": seat.branch_id})
    return claimed, time.perf_counter() - began


def by_hand(seat: Seat) -> Took:
    """What a claim owes and nothing else: no routing, no rules, no objects. Its lines are checked with ours."""
    engine = db.engine(writes=True)
    postgresql = engine.dialect.name == "postgresql"
    head, last = _plain(HEAD.format(lock=LOCK[engine.dialect.name])), _plain(LAST)
    writes = [_plain(each) for each in ([AT_ONCE] if postgresql else WRITES)]
    began = time.perf_counter()
    with engine.begin() as connection:
        found = connection.execute(head, {"branch": seat.branch_id}).one()
        before = connection.execute(last, {"case": found.case}).one()
        detail = {"ticket": found.ticket_no, "because": BECAUSE}
        sealed = {
            "case_id": found.case,
            "action": "answer",
            "before": "in_queue",
            "after": "in_video",
            "step": "video",
            "detail": detail,
            "by": f"staff:{seat.staff_id}",
            "address": "",
            "at": datetime.now(UTC),
            "seq": before.seq + 1,
            "prev_hash": before.hash,
        }
        hashed = CaseEvent.expected_hash(SimpleNamespace(**sealed, sealed_fields=CaseEvent.sealed_fields))  # type: ignore[arg-type]
        values = {
            "ticket": found.ticket,
            "case": found.case,
            "version": found.version,
            "at": sealed["at"],
            "who": seat.staff_id,
            "because": BECAUSE,
            "detail": json.dumps(detail),
            "by": sealed["by"],
            "seq": sealed["seq"],
            "prev_hash": before.hash,
            "hash": hashed,
        }
        written = [each for write in writes for each in connection.execute(write, values).one()]
        assert None not in written
    return found.ticket, time.perf_counter() - began


@cache
def _plain(statement: str) -> TextClause:
    made = text(statement)
    return made.bindparams(bindparam("at", type_=UtcDateTime())) if ":at" in statement else made


def ours(seat: Seat) -> Took:
    """Until it is committed; what is said to others afterwards is done but not counted: nobody's claim waits for it."""
    committed = []
    began = time.perf_counter()
    with db.transaction() as session:
        db.afterwards(session, lambda: committed.append(time.perf_counter()))
        ticket = service.claim_next(session, seat, Stamp(by=f"staff:{seat.staff_id}", at=datetime.now(UTC)))
    assert ticket is not None
    return ticket.id, committed[0] - began


SIDES: dict[str, Callable[[Seat], Took]] = {"ours": ours, "bare": bare, "by hand": by_hand}


def answer_turns(seat_ids: list[int]) -> None:
    """In a process of its own: each line read is a side and a number of rounds; what was claimed is the line answered."""
    open_house(Settings.from_env())
    news.keep_pace(None)
    with db.reading() as session:
        seats = [session.get_one(Seat, seat_id) for seat_id in seat_ids]
    gc.collect()
    gc.freeze()  # as the web process does
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        side, rounds = json.loads(line)
        took: list[Took] = []
        start = threading.Barrier(len(seats))

        def work(
            seat: Seat,
            start: threading.Barrier = start,
            took: list[Took] = took,
            act: Callable[[Seat], Took] = SIDES[side],
            rounds: int = rounds,
        ) -> None:
            start.wait()
            for _ in range(rounds):
                took.append(act(seat))

        threads = [threading.Thread(target=work, args=(seat,)) for seat in seats]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(json.dumps(took), flush=True)


@dataclass
class Crew:
    processes: list[subprocess.Popen[str]]

    def turn(self, side: str, rounds: int) -> list[Took]:
        for process in self.processes:
            _in(process).write(json.dumps([side, rounds]) + "\n")
            _in(process).flush()
        return [(ticket, seconds) for process in self.processes for ticket, seconds in _said(process)]


def _in(process: subprocess.Popen[str]) -> Any:
    return process.stdin


def _said(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("a claimer ended")
    return json.loads(line)


@contextmanager
def crew(seat_ids: list[int], environment: dict[str, str], processes: int = PROCESSES) -> Iterator[Crew]:
    shares = [seat_ids[n::processes] for n in range(processes)]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.claims", json.dumps(share)],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for share in shares
    ]
    try:
        for process in running:
            assert _said(process) == "ready"
        yield Crew(running)
    finally:
        for process in running:
            _in(process).close()
            process.wait()


def contest(claimers: Crew) -> tuple[list[dict[str, float]], dict[str, Any]]:
    """For each turn the p50 of each side in ms, and what else is told of them."""
    got: dict[str, list[list[Took]]] = {side: [] for side in SIDES}
    for turn in range(1 + TURNS):
        for side, turns in got.items():
            turns.append(claimers.turn(side, ROUNDS[side] if turn else WARM))
    ms = {side: [[1000 * s for _, s in turn] for turn in turns[1:]] for side, turns in got.items()}
    real = Counter(ticket for side in ("ours", "by hand") for turn in got[side] for ticket, _ in turn)
    told = {
        "p95": {side: round(quantiles([t for turn in turns for t in turn], n=20)[-1], 2) for side, turns in ms.items()},
        "claims": sum(map(len, ms["ours"])),
        "double_answers": real.total() - len(real),
    }
    return [{side: median(ms[side][n]) for side in SIDES} for n in range(TURNS)], told


if __name__ == "__main__":
    answer_turns(json.loads(sys.argv[1]))
