"""What a person would read on the page or the phone, a robot reads in the database: captchas, text messages, what is due.

Nothing is ever written here: whatever a robot does, it does over HTTP and the socket like everybody else.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from console.agreements import importing, proof, service, signing
from console.agreements.models import AgreementVersion, Purpose
from console.businesses.suitability import EXCHANGES
from console.cases.models import Case, Status
from console.cases.service import draft, in_flight
from console.db import reading
from console.local_time import local_day
from console.masking import masked_name
from console.people.models import Broker, Captcha, Investor, OutgoingSms
from console.portal.steps.profile import fields

CODE = re.compile(r"\d{6}")


@dataclass(frozen=True)
class Person:
    """Whom a robot plays: an investor whom the broker knows."""

    id: int
    client_no: str
    name: str
    id_no: str
    phone: str
    gender: str
    nation: str
    born: str
    address: str
    issuer: str
    valid: str
    broker_no: str

    @property
    def shown(self) -> str:
        return masked_name(self.name)


@dataclass(frozen=True)
class Standing:
    """Where a case stands. ``step``: key of the current step; ``blamed``: keys of the steps that reasons are open at."""

    case_no: str
    business: str
    status: Status
    step: str | None
    blamed: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Text:
    """A text to read: its pages, numbered from 1, and the milliseconds below which nobody is believed to have read it."""

    version_id: int
    sha256: str
    pages: int
    least_ms: int


def people(broker_no: str, not_these: frozenset[str]) -> list[Person]:
    """Investors who can apply online: ID in date, nothing blank, not among the names of ``not_these``."""
    with reading() as look:
        found = look.scalars(
            select(Investor)
            .join(Broker, Broker.id == Investor.broker_id)
            .where(Broker.broker_no == broker_no)
            .order_by(Investor.id)
        )
        return [_person(each, broker_no) for each in found if _can_apply(each) and each.name not in not_these]


def _can_apply(investor: Investor) -> bool:
    until = investor.id_valid_until
    return (until is None or until > local_day(datetime.now(UTC))) and not any(f.blank for f in fields(investor))


def _person(investor: Investor, broker_no: str) -> Person:
    until = f"{investor.id_valid_until:%Y.%m.%d}" if investor.id_valid_until else "长期"
    return Person(
        id=investor.id,
        client_no=investor.client_no,
        name=investor.name,
        id_no=investor.id_no,
        phone=investor.phone,
        gender=investor.gender or "",
        nation=investor.nation or "",
        born=f"{investor.born_on:%Y-%m-%d}",
        address=investor.address or "",
        issuer=investor.id_issuer or "",
        valid=f"{investor.id_valid_from:%Y.%m.%d}-{until}",
        broker_no=broker_no,
    )


def captcha(token: str) -> str:
    with reading() as look:
        return look.scalars(select(Captcha.answer).where(Captcha.token == token)).one()


def last_sms(phone: str) -> int:
    """The number of the last message kept for this phone; 0 for none."""
    return max((message.id for message in _messages(phone)), default=0)


def code_after(phone: str, seen: int) -> str | None:
    """The code in a message that came after message ``seen``."""
    fresh = [message for message in _messages(phone) if message.id > seen]
    found = CODE.search(fresh[-1].text.partition("验证码")[2]) if fresh else None
    return found[0] if found else None


def _messages(phone: str) -> list[OutgoingSms]:
    with reading() as look:
        latest = look.scalars(select(OutgoingSms).order_by(OutgoingSms.id.desc()).limit(100)).all()
        return [message for message in reversed(latest) if message.phone == phone]


def standing(person: Person) -> Standing | None:
    """Of the person's case in flight."""
    with reading() as look:
        case = in_flight(look, person.id)
        return _standing(case) if case else None


def standing_of(case_no: str) -> Standing:
    with reading() as look:
        return _standing(_case(look, case_no))


def _standing(case: Case) -> Standing:
    step = case.current_step
    blamed = frozenset(reason.step for reason in case.open_reasons)
    return Standing(case.case_no, case.business_code, case.status, step.key if step else None, blamed)


def _case(look: Session, case_no: str) -> Case:
    return look.scalars(select(Case).where(Case.case_no == case_no)).one()


def texts_to_read(case_no: str, purpose: Purpose) -> list[Text]:
    """What is unread of a purpose: as the pages list it."""
    with reading() as look:
        case = _case(look, case_no)
        if purpose is Purpose.SIGN:
            due = [document.version for document in signing.documents(look, case) if not document.read]
        else:
            due = service.unread(look, case, purpose)
        return [_text(version) for version in due]


def _text(version: AgreementVersion) -> Text:
    quickest = proof.quickest(version)
    return Text(
        version.id, version.sha256, len(importing.pages(version.html)), int(quickest.total_seconds() * 1000) + 50
    )


def exchanges_left(person: Person) -> list[str]:
    """Where the person has no trading code yet."""
    with reading() as look:
        held = {code.exchange for code in look.get_one(Investor, person.id).trading_codes}
    return [code for code in EXCHANGES if code not in held]


def exchanges_chosen(case_no: str) -> list[str]:
    """What was chosen at the step so far."""
    with reading() as look:
        kept = draft(look, _case(look, case_no), "exchanges") or {}
    return list(kept.get("chosen", ()))


def own_cards(case_no: str) -> list[str]:
    """Keys of the cards that the person has added at the bank card step so far."""
    with reading() as look:
        kept = draft(look, _case(look, case_no), "bank_card") or {}
    return [card["key"] for card in kept.get("cards", ()) if not card["known"]]
