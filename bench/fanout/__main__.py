"""`python -m bench.fanout`: JSON lines on stdout; what it costs to tell thousands of waiting browsers that the queue changed.

Ours is the real web process; the peer is the same one without console/broadcast.py, that is Flask-SocketIO's plain emit. Both have their
browsers open at the same time and are told in turns; docs/decisions/0015 says what is counted.
"""

import argparse
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from sqlalchemy import insert, select

from bench.fanout.browsers import raise_file_limit
from bench.media.process import Answering, ahead_of_others, cpu_seconds, keep_apart
from bench.queue import crowd, house
from console import access, live
from console.config import Settings
from console.db import reading, transaction
from console.people.models import Branch, Investor, SignIn
from console.queues import news
from console.queues.service import COUNTED
from console.supervisor import web_answers, with_free_port
from tests.servers import ends_with_us, redis_of_its_own

LIMIT, CORES_LIMIT = 1 / 3, 0.3
MOST_ROUNDS, MOST_SECONDS = 50, 120
MOST_TIME = 15 * 60  # seconds; then it ends, whatever hangs
NUMBER = itertools.count(20_001)  # of people waiting, as it is told: each change has its own
SETTLE = 0.4  # seconds before and after a change, for what it still costs
FIRST_INVESTOR = 1_000_000  # as bench.queue has it


@dataclass
class Web:
    """A web process and its browsers; what each change took."""

    name: str
    settings: Settings
    pid: int
    browsers: Answering
    times: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    delivered: list[int] = field(default_factory=list)


def wait_for(name: str, settings: Settings, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError):
            if web_answers(settings.host, settings.port):
                return
        time.sleep(0.1)
    raise RuntimeError(f"{name} did not start")


@contextmanager
def web(name: str, settings: Settings, browsers: Answering, cookies: list[str]) -> Iterator[Web]:
    """Started, its browsers there: one for each cookie. ``name`` begins with ours or plain."""
    settings = with_free_port(replace(settings, port=0, log_level="WARNING"))
    module = ["console.cli", "web"] if name.startswith("ours") else ["bench.fanout.plain"]
    process = subprocess.Popen(
        [sys.executable, "-m", *module], env=os.environ | settings.environment(), preexec_fn=ends_with_us()
    )
    try:
        wait_for(name, settings, process)
        keep_apart(browsers.pid, process.pid)
        told = browsers.ask(do="open", name=name, port=settings.port, cookies=cookies)
        print(f"{name}: {told['there']} browsers came within {told['seconds']} s", file=sys.stderr)
        yield Web(name, settings, process.pid, browsers)
    finally:
        process.kill()
        process.wait()


@contextmanager
def browsers() -> Iterator[Answering]:
    load = Answering("bench.fanout.browsers")
    try:
        yield load
    finally:
        load.stop()


def people(settings: Settings, count: int) -> tuple[int, list[str]]:
    """So many investors with their tickets at one branch, signed in: the branch, and the cookie of each."""
    now = datetime.now(UTC)
    ids = range(FIRST_INVESTOR, FIRST_INVESTOR + count)
    with transaction() as session:
        branch = session.scalars(select(Branch).order_by(Branch.id)).first()
        model = session.scalars(select(Investor).order_by(Investor.id)).first()
        assert branch is not None and model is not None
        alike = {"broker_id": branch.broker_id, "branch_id": branch.id, "investor_class": model.investor_class}
        alike |= {"name": "排队人", "id_no": "无", "phone": "无"}
        own = [{"id": n, "client_no": f"Q{n}", "id_no_index": f"Q{n}", "phone_index": f"Q{n}"} for n in ids]
        session.execute(insert(Investor), [alike | each for each in own])
        lasts = {"started_at": now, "expires_at": now + timedelta(hours=2)}
        session.execute(insert(SignIn), [{"token": f"bench-{n}", "investor_id": n, **lasts} for n in ids])
        branch_id = branch.id
    crowd(branch_id, 0, count, now)
    app = Flask("console")
    app.secret_key = settings.secret_key
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    return branch_id, [str(serializer.dumps({access.COOKIE: f"bench-{n}"})) for n in ids]


def in_turns(webs: list[Web], branch_id: int, rounds: int) -> None:
    """One change at a time, told as another process of the house tells it; what is counted is one web process."""
    with reading() as session:
        first = news.first_places(session, branch_id)
    for each in webs * rounds:
        time.sleep(SETTLE)
        number = next(NUMBER)
        live.speak_through(each.settings.redis_url)
        cpu, began = cpu_seconds(each.pid), time.monotonic()
        live.queue_changed(branch_id, number, first)
        told = each.browsers.ask(do="heard", name=each.name, waiting=number, seconds=20)
        time.sleep(SETTLE)
        each.times.append((told["last"] - began) * 1000)
        each.cpu.append((cpu_seconds(each.pid) - cpu) * 1000)
        each.delivered.append(told["delivered"])


def line(figure: str, ours: float, peer: float, unit: str, **more: Any) -> dict[str, Any]:
    return {
        "figure": figure,
        "ours": round(ours, 3),
        "peer": round(peer, 3),
        "peer_name": "plain Flask-SocketIO emit, the same web process otherwise",
        "ratio": round(ours / peer, 3),
        "unit": unit,
        **more,
    }


def one_process(ours: Web, plain: Web, count: int) -> Iterator[dict[str, Any]]:
    delivered = [min(ours.delivered), min(plain.delivered)]
    for figure, mine, theirs, unit in (
        (f"a change reaches the last of {count:,} browsers", ours.times, plain.times, "ms"),
        (f"CPU of a change told to {count:,} browsers", ours.cpu, plain.cpu, "ms of CPU"),
    ):
        middle = [statistics.median(each) for each in (mine, theirs)]
        yield line(
            figure,
            *middle,
            unit,
            limit=round(LIMIT, 3),
            ok=min(delivered) == count and middle[0] <= LIMIT * middle[1],
            delivered=delivered,
            rounds=len(mine),
            range=[[round(min(each), 1), round(max(each), 1)] for each in (mine, theirs)],
        )


def asking(waiting: int) -> float:
    """So many a second ask where they stand: pages further back than is told do, the less often the further (portal-video.js)."""
    return sum(1 / (90 * max(1, min(place, COUNTED) / 100)) for place in range(news.FIRST + 1, waiting + 1))


def every_second(webs: list[Web], branch_id: int, seconds: int, asks: float) -> dict[str, float]:
    """A change each second told to all of these, of whom so many ask: cores they use, with whoever looks it up; what came a second."""
    live.speak_through(webs[0].settings.redis_url)
    for each in webs:
        each.browsers.ask(do="over", name=each.name)
    before, telling, began = [cpu_seconds(each.pid) for each in webs], time.process_time(), time.monotonic()
    for n in range(seconds):
        news.tell(branch_id)
        for each in webs:
            each.browsers.ask(
                do="places", name=each.name, count=int(asks * (n + 1) / len(webs)) - int(asks * n / len(webs))
            )
        time.sleep(max(0.0, began + n + 1 - time.monotonic()))
    took = time.monotonic() - began
    used = [cpu_seconds(each.pid) - cpu for each, cpu in zip(webs, before, strict=True)]
    telling = time.process_time() - telling
    time.sleep(SETTLE)
    came = [each.browsers.ask(do="over", name=each.name) for each in webs]
    return {
        "cores": (sum(used) + telling) / took,
        "telling": telling / took,
        "delivered": sum(each["delivered"] for each in came) / seconds,
        "pings": sum(each["pings"] for each in came) / seconds,
        "answered": sum(each["answered"] for each in came) / seconds,
    }


def two_processes(ours: list[Web], plain: list[Web], branch_id: int, count: int, seconds: int) -> dict[str, Any]:
    asks = asking(2 * count)
    mine, theirs = (every_second(each, branch_id, seconds, asks) for each in (ours, plain))
    return line(
        f"{2 * count:,} waiting on two processes, a change a second",
        mine["cores"],
        theirs["cores"],
        "cores",
        limit=CORES_LIMIT,
        ok=mine["cores"] <= CORES_LIMIT and mine["delivered"] == 2 * count and mine["answered"] > asks - 1,
        delivered_a_second=[mine["delivered"], theirs["delivered"]],
        places_a_second=[mine["answered"], theirs["answered"]],
        pings_a_second=[round(mine["pings"]), round(theirs["pings"])],
        of_that_looking_up=[round(mine["telling"], 3), round(theirs["telling"], 3)],
        seconds=seconds,
    )


def measure(count: int, rounds: int, seconds: int) -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        enter = stack.enter_context
        enter(ahead_of_others())
        folder = Path(enter(tempfile.TemporaryDirectory()))
        enter(house("", folder))
        settings = Settings.from_env({**os.environ, "CONSOLE_HOME": str(folder), "DATABASE_URL": ""})
        branch_id, cookies = people(settings, 2 * count)
        mine, theirs = (
            replace(settings, redis_url=enter(redis_of_its_own())) for _ in "12"
        )  # who speaks to one is not heard by the other
        load = enter(browsers())
        ours, plain = (
            [enter(web(f"{name} 1", each, load, cookies[:count]))] for name, each in (("ours", mine), ("plain", theirs))
        )
        in_turns([*ours, *plain], branch_id, rounds)
        yield from one_process(*ours, *plain, count)
        if not seconds:
            return
        load = enter(browsers())
        ours.append(enter(web("ours 2", mine, load, cookies[count:])))
        plain.append(enter(web("plain 2", theirs, load, cookies[count:])))
        yield two_processes(ours, plain, branch_id, count, seconds)


def up_to(most: int, least: int = 1) -> Callable[[str], int]:
    def number(told: str) -> int:
        if least <= int(told) <= most:
            return int(told)
        raise argparse.ArgumentTypeError(f"{least} to {most:,}")

    return number


def main() -> int:
    for each in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(
            each, lambda number, _: sys.exit(f"{signal.Signals(number).name}: ended, and everything it started")
        )
    signal.alarm(MOST_TIME)
    most = raise_file_limit() // 2  # the browsers of two web processes are one process
    if most < 1:
        sys.exit("too few files may be open here (ulimit -Hn)")
    parser = argparse.ArgumentParser(prog="python -m bench.fanout", description=__doc__)
    parser.add_argument(
        "--sockets", type=up_to(most), default="5000", help=f"of each web process; {most:,} at most, see ulimit -Hn"
    )
    parser.add_argument("--rounds", type=up_to(MOST_ROUNDS), default=15)
    parser.add_argument(
        "--seconds",
        type=up_to(MOST_SECONDS, 0),
        default=50,
        help="of a change a second; 0 leaves the two processes out",
    )
    asked = parser.parse_args()
    held = True
    for each in measure(asked.sockets, asked.rounds, asked.seconds):
        print(json.dumps(each, ensure_ascii=False), flush=True)
        held = held and each["ok"]
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
