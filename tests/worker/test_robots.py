"""Robots on a running instance: both businesses to the queue; rejection, mending, queue again, pass, certificate, signatures (G8)."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from console import db
from console.app import open_house
from console.businesses.add_trading_code import ADD_TRADING_CODE
from console.businesses.change_settlement_account import CHANGE_SETTLEMENT_ACCOUNT
from console.businesses.steps import Business
from console.cases.models import Case, Status
from console.certificates.service import valid_certificates
from console.config import Settings
from console.seed import DEMO_INVESTORS, DEMO_PASSWORD
from tests.servers import short_folder
from tests.worker.witness import Witness
from worker.media.hosts import gather_only_on

pytestmark = pytest.mark.soak  # that they reach the queue is tested with `console run`
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
SOON = 90.0


class Running:
    """`console run` with two robots: one changes the settlement account, one applies for trading codes."""

    def __init__(self, home: Path):
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("CONSOLE_")}
        self.environment |= {"CONSOLE_HOME": str(home), "CONSOLE_DEMO": "1"}
        for name in ("DATABASE_URL", "REDIS_URL"):
            self.environment.pop(name, None)
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "console.cli", "run", "--port", "0", "--robots", "2"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout or ()), daemon=True)
        self.reader.start()

    def said(self, what: str, times: int = 1) -> bool:
        return sum(what in line for line in self.lines) >= times

    async def until(self, what: str, times: int = 1) -> None:
        deadline = time.monotonic() + SOON
        while not self.said(what, times):
            assert time.monotonic() < deadline, f"{what!r} never came:\n" + "".join(self.lines[-40:])
            await asyncio.sleep(0.1)

    @property
    def url(self) -> str:
        return next(found[0] for line in self.lines if (found := ADDRESS.search(line)))

    def kill(self, name: str) -> None:
        """As a crash would."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        (pid,) = (pid for pid in children if name in Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "))
        os.kill(int(pid), signal.SIGKILL)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        self.reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def running() -> Iterator[Running]:
    with short_folder() as folder:
        started = Running(folder / "var")
        yield started
        started.stop()
        db.close()


def case_of(business: Business) -> Case:
    """The one case of this business, its branch and investor loaded."""
    with db.reading() as session:
        case = session.scalars(select(Case).where(Case.business_code == business.code)).one()
        session.refresh(case, ["investor", "entries"])
        for rejection in case.rejections:
            session.refresh(rejection, ["reasons"])
        return case


async def a_rejected_change_of_account(running: Running) -> None:
    await running.until("signed in for change_settlement_account")
    await running.until("waits in the queue: 1 of 1")
    waiting = case_of(CHANGE_SETTLEMENT_ACCOUNT)
    assert waiting.investor.name not in {each.name for each in DEMO_INVESTORS}, "those are left to people"
    async with Witness(running.url, "luwenshan", DEMO_PASSWORD, waiting.branch_id) as witness:
        peer = await witness.answer()
        assert (await peer.stats()).audio_frames > 0
        running.kill("worker.media")
        await running.until("is connected", 2)
        await witness.reject("card_mismatch", "id_photo_blurred")
        await running.until("mends photos")
        await running.until("mends bank_card")
        await witness.answer()
        await witness.pass_video()
        await running.until("waits for the review")
    assert_submitted(CHANGE_SETTLEMENT_ACCOUNT)


async def new_trading_codes(running: Running) -> None:
    await running.until("signed in for add_trading_code")
    await running.until("joined the queue", 2)
    assert case_of(ADD_TRADING_CODE).status is Status.IN_QUEUE


def assert_submitted(business: Business) -> None:
    case = case_of(business)
    assert case.status is Status.IN_REVIEW and not case.open_reasons
    with db.reading() as session:
        assert len(valid_certificates(session, case.investor_id)) == 1


async def both(running: Running) -> None:
    await running.until("ready —")
    open_house(Settings.from_env(running.environment))
    await a_rejected_change_of_account(running)
    await new_trading_codes(running)
    await running.until("recording_kept", 4)  # two sides of two calls


@pytest.mark.timeout(240)
def test_robots_of_both_businesses_queue_are_rejected_mend_pass_and_sign(running):
    gather_only_on(["127.0.0.1"])
    asyncio.run(both(running))
    assert not running.said("had trouble"), "".join(line for line in running.lines if "trouble" in line)
