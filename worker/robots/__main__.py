"""``python -m worker.robots``: what ``console robots`` runs."""

import argparse
import asyncio
import contextlib
import signal
from datetime import datetime

from console.app import open_house
from console.businesses import BUSINESSES
from console.businesses.change_settlement_account import CHANGE_SETTLEMENT_ACCOUNT
from console.config import Settings
from console.local_time import LOCAL
from console.people.demo import DEMO_BROKER_NO, DEMO_INVESTORS
from worker.media.hosts import gather_only_on
from worker.robots import eyes
from worker.robots.eyes import Person
from worker.robots.investor import FAR_TROUBLE, Investor
from worker.robots.portal import Portal

REST = 45.0  # seconds between two visits
AFTER_TROUBLE = 8.0
SMS_PAUSE = 62.0  # one code a minute and phone


def main() -> None:
    settings = Settings.from_env()
    parser = argparse.ArgumentParser(prog="worker.robots", description="Simulated investors for a demo instance.")
    parser.add_argument("--url", default=settings.public_url, help="the portal; on the instance of this environment")
    parser.add_argument("-n", dest="count", type=int, default=3, help="how many (default 3)")
    parser.add_argument("--calls", type=int, default=0, help="visits of each before it goes home (default: no end)")
    parser.add_argument("--broker", default=DEMO_BROKER_NO)
    options = parser.parse_args()
    if settings.sms != "development":
        parser.error("robots read their codes in the development outbox: this instance sends real text messages")
    open_house(settings)
    gather_only_on([settings.media_host])
    recommended = frozenset(each.name for each in DEMO_INVESTORS)  # left to people
    cast = eyes.people(options.broker, recommended)
    if not cast:
        parser.error(f"broker {options.broker} has no investors to play: run `console seed` first")
    asyncio.run(play(settings, options.url, cast, options.count, options.calls))


async def play(settings: Settings, url: str, cast: list[Person], count: int, calls: int) -> None:
    loop, me = asyncio.get_running_loop(), asyncio.current_task()
    assert me is not None
    for asked in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(asked, me.cancel)
    count = min(count, len(cast))
    with contextlib.suppress(asyncio.CancelledError):
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(robot(settings, url, cast[number::count], number + 1, calls))


async def robot(settings: Settings, url: str, parts: list[Person], number: int, calls: int) -> None:
    """Plays one person after the other; each goes on where their case stands."""
    visit = 0
    while not calls or visit < calls:
        person = parts[visit % len(parts)]
        await play_one(settings, url, person, number, visit)
        visit += 1
        if not calls or visit < calls:
            await asyncio.sleep(REST)


async def play_one(settings: Settings, url: str, person: Person, number: int, visit: int) -> None:
    """One person's case to its end, through whatever trouble there is on the way."""
    businesses = list(BUSINESSES)
    business = businesses[(number + visit) % len(businesses)]
    if not await asyncio.to_thread(eyes.exchanges_left, person):
        business = CHANGE_SETTLEMENT_ACCOUNT.code

    def say(what: str) -> None:
        print(f"{datetime.now(LOCAL):%H:%M:%S} robot {number} {person.shown}: {what}", flush=True)

    async with Portal(url) as portal:
        while True:
            try:
                await Investor(portal, person, business, settings.home / "robots", say).visit()
                return
            except FAR_TROUBLE as trouble:
                say(f"had trouble: {type(trouble).__name__} {trouble}")
                await asyncio.sleep(SMS_PAUSE if getattr(trouble, "status", 0) == 429 else AFTER_TROUBLE)


if __name__ == "__main__":
    main()
