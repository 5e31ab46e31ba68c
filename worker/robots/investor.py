"""A simulated investor: signs in, goes through the steps, waits for a witness, talks, mends what is rejected, signs."""

import asyncio
import random
from base64 import b64decode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp
from PIL import Image
from socketio.exceptions import SocketIOError

from console.agreements.models import Purpose
from console.businesses import BUSINESSES
from console.businesses.banks import passes_luhn
from console.businesses.steps import SignInBy
from console.cases.models import ENDED, Status
from console.evidence.models import KIND_TITLES, Kind
from worker.robots import eyes, pictures
from worker.robots.device import Device
from worker.robots.eyes import Person, Standing, Text
from worker.robots.peer import SyntheticPeer
from worker.robots.pictures import Scene
from worker.robots.portal import Line, Portal, Refused

Say = Callable[[str], None]
LOOK_AGAIN = 5.0  # seconds between two looks when no push came
PROCESSING = 90.0  # seconds that photos may take
CARD_PREFIXES = (("中国工商银行", "622202"), ("招商银行", "621483"), ("中国建设银行", "621700"), ("交通银行", "622260"))
WALLS = ((60, 110, 200), (150, 90, 60), (70, 140, 90), (130, 80, 150), (180, 140, 60), (70, 130, 150))
FAR_TROUBLE = (Refused, aiohttp.ClientError, SocketIOError, TimeoutError, ConnectionError)


@dataclass
class Investor:
    """``business``: what is applied for when no case is in flight."""

    portal: Portal
    person: Person
    business: str
    device_folder: Path
    say: Say

    def __post_init__(self) -> None:
        self.device = Device.of(self.device_folder, self.person.client_no)
        self.chance = random.Random(self.person.client_no)
        self.case_no = ""
        self.peer: SyntheticPeer | None = None
        self.steps: dict[str, Callable[[Standing], Awaitable[None]]] = {
            "photos": self.photos,
            "bank_card": self.bank_card,
            "certificate_check": self.certificate_check,
            "profile": self.hand_in,
            "exchanges": self.exchanges,
            "score_reports": self.score_reports,
            "reading": self.read_and_hand_in,
            "video": self.join_queue,
            "certificate": self.install_certificate,
            "signing": self.sign,
        }

    async def visit(self) -> Status:
        """From signing in to the end of the case; goes on where the case stands."""
        await self.sign_in()
        line = await self.portal.connect()
        try:
            return await self.go_through(line)
        finally:
            await self.leave_call()
            await line.close()

    async def go_through(self, line: Line) -> Status:
        told = ""
        while True:
            line.news.clear()
            now = await asyncio.to_thread(eyes.standing_of, self.case_no)
            if now.status in ENDED:
                self.say(f"the case is over: {now.status}")
                return now.status
            if now.status is not Status.IN_VIDEO or line.moved.is_set():
                await self.leave_call()
            line.moved.clear()
            if now.status is Status.WITH_INVESTOR and now.step is not None:
                await self.do(now)
                continue
            if now.status is Status.IN_VIDEO and self.peer is None:
                await self.talk(line)
            elif now.status is Status.IN_VIDEO and self.peer is not None:
                self.peer.hold_cards(bool((await line.ask("call_state", case_no=self.case_no))["frame"]))
            if now.status is Status.IN_QUEUE:
                place = await line.ask("place", case_no=self.case_no)
                waits = f"waits in the queue: {place['place']} of {place['waiting']}"
            else:
                waits = {
                    Status.IN_REVIEW: "waits for the review",
                    Status.IN_VIDEO: "talks",
                    Status.HELD: "is looked into",
                }[now.status]
            if waits != told:
                told = waits
                self.say(waits)
            with suppress(TimeoutError):
                await asyncio.wait_for(line.news.wait(), LOOK_AGAIN)

    async def do(self, now: Standing) -> None:
        assert now.step is not None
        await self.portal.page(self.at(now.step))
        if now.step in now.blamed:
            self.say(f"mends {now.step}")
        await self.steps[now.step](now)
        self.say("joined the queue" if now.step == "video" else f"{now.step} done")

    def at(self, *parts: str) -> str:
        return "/".join((f"/case/{self.case_no}", *parts))

    # --- signing in

    async def sign_in(self) -> None:
        standing = await asyncio.to_thread(eyes.standing, self.person)
        wanted = BUSINESSES[standing.business if standing else self.business]
        by_phone = wanted.sign_in_by is SignInBy.PHONE
        page = f"/b/{self.person.broker_no}/sign-in/{wanted.code}"
        who = {"identity": self.person.phone if by_phone else self.person.id_no, "account_type": "individual"}
        at = await self.portal.page(page)
        if at.startswith("/case/"):  # signed in already
            self.case_no = at.split("/")[2]
            return
        seen = await asyncio.to_thread(eyes.last_sms, self.person.phone)
        captcha = await self.portal.json("/captcha")
        answer = await asyncio.to_thread(eyes.captcha, captcha["token"])
        await self.portal.form(f"{page}/code", **who, captcha_token=captcha["token"], captcha=answer)
        code = await self.code_after(seen)
        entered = await self.portal.form(page, **who, code=code, devices="ok", privacy="y")
        if "/case/" not in entered["at"]:
            raise Refused(page, 303, "elsewhere", entered["at"])
        self.case_no = entered["at"].rpartition("/")[2]
        self.say(f"signed in for {wanted.code}, case {self.case_no}")

    async def code_after(self, seen: int) -> str:
        async with asyncio.timeout(20):
            while (code := await asyncio.to_thread(eyes.code_after, self.person.phone, seen)) is None:
                await asyncio.sleep(0.3)
        return code

    # --- steps

    async def hand_in(self, now: Standing, **fields: str | list[str]) -> None:
        assert now.step is not None
        await self.portal.form(self.at(now.step), **fields)

    async def photos(self, now: Standing) -> None:
        for kind in (Kind.ID_FRONT, Kind.ID_BACK, Kind.SIGNATURE):
            await self.portal.upload(self.at("photos", kind.value), await self.picture(kind))
            self.say(f"uploaded {KIND_TITLES[kind]}")
        await self.read(Purpose.UNDERTAKING)
        await self.photos_ready("photos")
        await self.hand_in(now)

    async def bank_card(self, now: Standing) -> None:
        """A new card beside those on record; one that was rejected is taken away first."""
        for key in await asyncio.to_thread(eyes.own_cards, self.case_no):
            await self.portal.form(self.at("bank_card", "remove"), key=key)
        bank, prefix = self.chance.choice(CARD_PREFIXES)
        number = card_number(prefix, self.chance)
        picture = await self.picture(Kind.BANK_CARD, bank=bank, number=number)
        kept = await self.portal.upload(self.at("bank_card", "photo"), picture)
        await self.photos_ready("bank_card", kept["id"])
        await self.portal.form(self.at("bank_card", "add"), number=number, bank=bank, evidence=kept["id"])
        await self.hand_in(now)

    async def certificate_check(self, now: Standing) -> None:
        """As on a new device: no key is found, so that there is a witness to meet."""
        await self.hand_in(now, serials="")

    async def exchanges(self, now: Standing) -> None:
        """One that has no code yet; when that was rejected another one, or none: then the case is given up."""
        left = await asyncio.to_thread(eyes.exchanges_left, self.person)
        if "exchanges" in now.blamed:
            rejected = await asyncio.to_thread(eyes.exchanges_chosen, self.case_no)
            left = [code for code in left if code not in rejected]
        if not left:
            await self.portal.form(self.at("abandon"))
            return
        chosen = self.chance.choice(left)
        told = await self.portal.form(self.at("exchanges", "chosen"), exchange=[chosen])
        if told["notice"]:
            for which in ("first", "second"):
                notice = {"moment": told["notice"], "which": which}
                await self.portal.form(self.at("exchanges", "notice"), **notice)
                await asyncio.sleep(1)
                await self.portal.form(self.at("exchanges", "answer"), **notice, choice="insist")
            self.say("insists after two notices")
        await self.hand_in(now, exchange=[chosen])

    async def score_reports(self, now: Standing) -> None:
        for day in ("2026-10-12", "2026-11-02"):
            await self.portal.upload(self.at("score_reports", "photo"), await self.picture(Kind.SCORE_REPORT, day=day))
        await self.photos_ready("score_reports")
        await self.hand_in(now)

    async def read_and_hand_in(self, now: Standing) -> None:
        await self.read(Purpose.READ)
        await self.hand_in(now)

    async def join_queue(self, now: Standing) -> None:
        await self.portal.form(self.at("video", "join"))

    async def install_certificate(self, now: Standing) -> None:
        csr = await asyncio.to_thread(self.device.request)
        made = await self.portal.json(self.at("certificate", "enrol"), csr=csr, device=self.device.name)
        self.device.keep(made["serial"])
        await self.hand_in(now, serial=made["serial"])

    async def sign(self, now: Standing) -> None:
        await self.read(Purpose.SIGN)
        offered = await self.portal.json(self.at("signing", "offer"), serial=self.device.serial)
        if offered["documents"]:
            signatures = {str(each["id"]): self.device.sign(b64decode(each["bytes"])) for each in offered["documents"]}
            await self.portal.json(self.at("signing", "answer"), signatures=signatures)
            self.say(f"signed {len(signatures)} documents")
        await self.hand_in(now)

    # --- reading and photographing

    async def read(self, purpose: Purpose) -> None:
        for text in await asyncio.to_thread(eyes.texts_to_read, self.case_no, purpose):
            await self.read_text(text)

    async def read_text(self, text: Text) -> None:
        one = self.at("reading", str(text.version_id))
        await self.portal.json(f"{one}/open")
        await asyncio.sleep(text.least_ms / 1000)
        seen = list(range(1, text.pages + 1))
        await self.portal.json(f"{one}/finish", seen=seen, shown_ms=text.least_ms, sha256=text.sha256)

    async def picture(self, kind: Kind, **what: str) -> bytes:
        scene = Scene(
            tilt=self.chance.uniform(-9, 9),
            share=self.chance.uniform(0.6, 0.74),
            shift=(self.chance.uniform(-0.03, 0.03), self.chance.uniform(-0.03, 0.03)),
            orientation=self.chance.choice((1, 1, 6, 3)),
            seed=self.chance.randrange(1 << 30),
        )
        return await asyncio.to_thread(partial(self.photographed, kind, scene, **what))

    def photographed(self, kind: Kind, scene: Scene, **what: str) -> bytes:
        me = self.person
        if kind is Kind.ID_FRONT:
            return pictures.id_front(me.name, me.gender, me.nation, me.born, me.address, me.id_no, scene)
        if kind is Kind.ID_BACK:
            return pictures.id_back(me.issuer, me.valid, scene)
        if kind is Kind.BANK_CARD:
            return pictures.bank_card(what["bank"], what["number"], scene)
        if kind is Kind.SCORE_REPORT:
            return pictures.score_report(me.name, 86, what["day"], scene)
        return pictures.signature(me.name, scene)

    async def photos_ready(self, step: str, only: str = "") -> None:
        """Wait until every photo of the step (or the one named) is processed. Raises Refused when one is not usable."""
        async with asyncio.timeout(PROCESSING):
            while True:
                told = await self.portal.get(self.at(step, "state"))
                photos = [each for each in told["photos"] if not only or each["id"] == only]
                if any(each["state"] == "refused" for each in photos):
                    raise Refused(step, 0, "photo_refused", str(photos))
                if all(each["state"] == "ready" for each in photos):
                    return
                await asyncio.sleep(0.5)

    # --- the call

    async def talk(self, line: Line) -> None:
        state = await line.ask("call_state", case_no=self.case_no)
        if state["call"] is None:
            return
        self.say(f"is answered by {state['witness']} {state['licence_no']}")
        if state["acknowledged_at"] is None:
            await asyncio.sleep(1)
            await line.ask("acknowledge", case_no=self.case_no)

        async def signal(sdp: str) -> str:
            permit = (await line.ask("permit", case_no=self.case_no))["permit"]
            return str((await line.ask("offer", case_no=self.case_no, sdp=sdp, permit=permit))["sdp"])

        place = self.chance.randrange(len(WALLS))
        cards = await asyncio.to_thread(self.id_cards)
        self.peer = SyntheticPeer(
            signal, label=self.person.client_no, colour=WALLS[place], tone_hz=300 + 60 * place, cards=cards
        )
        try:
            await self.peer.connect()
            self.say("is connected")
        except BaseException:
            await self.leave_call()
            raise

    def id_cards(self) -> list[Image.Image]:
        """Both sides of the ID, to be held into the camera when the witness asks for it."""
        me = self.person
        front = pictures.id_front_card(me.name, me.gender, me.nation, me.born, me.address, me.id_no)
        return [front, pictures.id_back_card(me.issuer, me.valid)]

    async def leave_call(self) -> None:
        peer, self.peer = self.peer, None
        if peer is not None:
            await peer.close()
            self.say("left the call")


def card_number(prefix: str, chance: random.Random) -> str:
    """19 digits with the check digit of ISO/IEC 7812-1."""
    body = prefix + "".join(str(chance.randrange(10)) for _ in range(18 - len(prefix)))
    return next(number for check in range(10) if passes_luhn(number := f"{body}{check}"))
