"""`python -m bench.review`: JSON lines on stdout: what the list of 复核任务 and the page of a case cost with a million cases decided
before, beside the same with ten thousand. PostgreSQL; 500 tasks are open in both; each request goes through the whole application.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from uuid import uuid4

from flask.testing import FlaskClient
from sqlalchemy import text

from bench.queue import house
from console import access, db
from console.app import create_app
from console.config import Settings
from console.people.models import SignIn
from tests.review.given import case_in_review
from tests.servers import postgres_server
from tests.world import staff_named

FEW, MANY, OPEN, ROUNDS, WARM = 10_000, 1_000_000, 500, 60, 5
GROWTH_LIMIT = 2.0
# one real case is the model; its decided kin have what the list and its counts look at, in the years before
DECIDED = (
    """INSERT INTO cases (id, case_no, business_code, investor_id, branch_id, status, known_facts, opened_at, ended_at, version)
    SELECT n, 'D' || n, c.business_code, c.investor_id, c.branch_id, 'completed', c.known_facts, c.opened_at - age, c.opened_at - age, 1
    FROM cases c, LATERAL (SELECT n, n * interval '1 minute' + interval '1 day' AS age FROM generate_series(:first, :last) n) s
    WHERE c.id = :model""",
    """INSERT INTO tickets (id, ticket_no, case_id, branch_id, state, priority, rank, joined_at, missed)
    SELECT n, t.ticket_no, n, t.branch_id, 'answered', t.priority, t.rank, t.joined_at - n * interval '1 minute', 0
    FROM tickets t, generate_series(:first, :last) n WHERE t.case_id = :model""",
    """INSERT INTO video_sessions (id, session_no, case_id, ticket_id, witness_id, witness_person, epoch, started_at, ended_at, verdict,
      internal_note, grounds, script_seed)
    SELECT n, 'D' || n, n, n, v.witness_id, v.witness_person, 1, v.started_at - n * interval '1 minute',
      v.started_at - n * interval '1 minute', 'passed', '', v.grounds, ''
    FROM video_sessions v, generate_series(:first, :last) n WHERE v.case_id = :model""",
    """INSERT INTO review_tasks (case_id, branch_id, state, submission, opened_at, due_at, reviewer_id, reviewer_person, decided_at,
      decision)
    SELECT n, r.branch_id, 'done', 1, r.opened_at - n * interval '1 minute', r.due_at - n * interval '1 minute', :reviewer, :person,
      r.opened_at - n * interval '1 minute' - interval '1 day', CASE n % 5 WHEN 0 THEN 'rejected' ELSE 'approved' END
    FROM review_tasks r, generate_series(:first, :last) n WHERE r.case_id = :model""",
)
OPENED = (
    """INSERT INTO investors SELECT (jsonb_populate_record(i, jsonb_build_object('id', 900000000 + n, 'client_no', 'O' || n,
      'id_no_index', 'O' || n, 'phone_index', 'O' || n))).* FROM investors i, generate_series(1, :count) n
    WHERE i.id = (SELECT investor_id FROM cases WHERE id = :model)""",
    """INSERT INTO cases SELECT (jsonb_populate_record(c, jsonb_build_object('id', 900000000 + n, 'case_no', 'O' || n,
      'investor_id', 900000000 + n))).* FROM cases c, generate_series(1, :count) n WHERE c.id = :model""",
    """INSERT INTO video_sessions SELECT (jsonb_populate_record(v, jsonb_build_object('id', 900000000 + n, 'session_no', 'O' || n,
      'case_id', 900000000 + n))).* FROM video_sessions v, generate_series(1, :count) n WHERE v.case_id = :model""",
    """INSERT INTO review_tasks SELECT (jsonb_populate_record(r, jsonb_build_object('id', 900000000 + n, 'case_id', 900000000 + n,
      'due_at', r.due_at + n * interval '1 minute'))).* FROM review_tasks r, generate_series(1, :count) n WHERE r.case_id = :model""",
)


def begun(now: datetime) -> tuple[int, str]:
    """The one real case at the counter, and OPEN - 1 like it; its id and number."""
    with db.transaction() as session:
        case = case_in_review(session, at=now - timedelta(hours=1))
        model, number = case.id, case.case_no
    _fill(OPENED, model=model, count=OPEN - 1)
    return model, number


def decided(model: int, first: int, last: int) -> None:
    with db.reading() as session:
        reviewer = staff_named(session, "qinlang")
    _fill(DECIDED, model=model, first=first, last=last, reviewer=reviewer.id, person=reviewer.person)


def _fill(statements: tuple[str, ...], **values: Any) -> None:
    with db.transaction() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            session.execute(text(statement), values)
    with db.engine(writes=True).connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


def reviewer(settings: Settings) -> FlaskClient:
    client = create_app(settings, many_processes=False).test_client()
    token, now = uuid4().hex, datetime.now(UTC)
    with db.transaction() as session:
        staff = staff_named(session, "qinlang")
        session.add(SignIn(token=token, staff_id=staff.id, started_at=now, expires_at=now + timedelta(hours=5)))
    with client.session_transaction() as cookie:
        cookie[access.COOKIE] = token
    return client


def taken(client: FlaskClient, address: str) -> list[float]:
    """ms of each request."""
    times = []
    for number in range(WARM + ROUNDS):
        began = time.perf_counter()
        answer = client.get(address)
        took = 1000 * (time.perf_counter() - began)
        assert answer.status_code == 200, answer.status_code
        if number >= WARM:
            times.append(took)
    return times


def growth(sizes: tuple[int, int], settings: Settings, now: datetime) -> Iterator[dict[str, Any]]:
    model, number = begun(now)
    client = reviewer(settings)
    pages = {
        "list of tasks": "/review",
        "list of today's decisions": "/review?view=done",
        "page of a case": f"/review/{number}",
    }
    costs: dict[int, dict[str, list[float]]] = {}
    there = 1_000_000  # ids of the decided ones begin above those of the real ones
    base = there
    for size in sizes:
        decided(model, there + 1, base + size)
        there = base + size
        costs[size] = {name: taken(client, address) for name, address in pages.items()}
    few, many = sizes
    for name in pages:
        ours, peer = (quantiles(costs[size][name], n=20)[-1] for size in (many, few))
        yield {
            "figure": f"{name}, {many:,} cases decided before beside {few:,}",
            "ours": round(ours, 1),
            "peer": round(peer, 1),
            "peer_name": "the same page of the smaller house",
            "ratio": round(ours / peer, 2),
            "unit": "ms, p95 of the whole request",
            "p50": [round(median(costs[size][name]), 1) for size in (many, few)],
            "open": OPEN,
            "limit": GROWTH_LIMIT,
            "ok": ours / peer <= GROWTH_LIMIT,
        }


def main() -> int:
    parser = argparse.ArgumentParser(description="What reviewing costs as the years go by.")
    parser.add_argument("--size", type=int, default=MANY, help="cases decided before, in the large house")
    options = parser.parse_args()
    if not FEW < options.size <= 5_000_000:
        parser.error(f"--size: from {FEW + 1} to 5000000")
    found = []
    with postgres_server() as server, tempfile.TemporaryDirectory() as folder:
        url = server.url(server.create())
        with house(url, Path(folder)):
            settings = Settings.from_env(
                {"CONSOLE_HOME": folder, "DATABASE_URL": url, "REDIS_URL": f"unix://{folder}/nobody"}
            )
            for each in growth((FEW, options.size), settings, datetime.now(UTC)):
                print(json.dumps(each, ensure_ascii=False), flush=True)
                found.append(each)
    return 0 if all(each["ok"] for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
