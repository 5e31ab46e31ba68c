"""The demo broker: everybody and everything one needs to try the house alone. The data lie in ``seeds/`` as TOML and Markdown."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from console import vault
from console.agreements.importing import canonical, heading
from console.agreements.models import Purpose
from console.agreements.service import import_version
from console.app import open_house
from console.businesses import BUSINESSES
from console.businesses.suitability import InvestorClass, RiskGrade
from console.cases.models import Reason
from console.config import Settings
from console.db import transaction
from console.local_time import local_day
from console.people.demo import (
    BROKER,
    DEMO_BROKER_NO,
    DEMO_INVESTORS,
    DEMO_PASSWORD,
    DEMO_SIGN_INS,
    INVESTORS,
    SEEDS,
    STAFF,
    DemoInvestor,
    table,
)
from console.people.models import BankCard, Branch, Broker, Investor, Role, Staff, TradingCode
from console.people.passwords import hash_password
from console.queues.models import Roster
from console.stamp import Stamp
from console.video_seat import script

__all__ = ["DEMO_BROKER_NO", "DEMO_INVESTORS", "DEMO_PASSWORD", "DEMO_SIGN_INS", "DemoInvestor", "fill", "seed_demo"]
LICENCE_DAYS = 730


def is_empty(session: Session) -> bool:
    """Whether there is no broker yet: only then is anything seeded."""
    return not session.scalar(select(exists().where(Broker.id.is_not(None))))


def seed_demo(settings: Settings) -> bool:
    """Fill an empty database with the demo broker, all or nothing. False when there is a broker already."""
    open_house(settings)
    with transaction() as session:
        if not is_empty(session):
            return False
    hashed = hash_password(DEMO_PASSWORD)  # once: everybody knows it anyway
    try:
        with transaction() as session:
            if not is_empty(session):
                return False
            fill(session, hashed, Stamp.of_system("seed"))
    except IntegrityError:  # another process seeded in the same moment
        return False
    return True


def fill(session: Session, password_hash: str, stamp: Stamp) -> Broker:
    """``password_hash``: of every member of staff."""
    broker = _broker(session)
    branches = {branch.code: branch for branch in broker.branches}
    for each in STAFF:
        session.add(_member(broker, branches, each, password_hash, stamp.at))
    for each in INVESTORS:
        session.add(_investor(broker, branches[each["branch"]], each))
    session.add_all(_reasons())
    session.flush()
    script.take_in(session, table("questions"), stamp)
    script.take_in_reasons(session, table("short_reasons"))
    _agreements(session, broker, stamp)
    session.add_all(_rosters(branches))
    return broker


def _broker(session: Session) -> Broker:
    broker = Broker(broker_no=BROKER["broker_no"], name=BROKER["name"], phone=BROKER["phone"])
    broker.branches = [Branch(**each) for each in BROKER["branch"]]
    session.add(broker)
    session.flush()
    return broker


def _member(
    broker: Broker, branches: dict[str, Branch], each: dict[str, Any], password_hash: str, at: datetime
) -> Staff:
    until = local_day(at) + timedelta(days=each.get("licence_days", LICENCE_DAYS))
    return Staff(
        broker_id=broker.id,
        username=each["username"],
        name=each["name"],
        password_hash=password_hash,
        roles=[Role(role).value for role in each["roles"]],
        head_office=each.get("head_office", False),
        licence_no=each.get("licence_no"),
        licence_until=until if "licence_no" in each else None,
        id_no=each["id_no"],
        person_index=vault.current().index(each["id_no"], "person"),
        branches=[branches[code] for code in each["branches"]],
    )


def _investor(broker: Broker, branch: Branch, each: dict[str, Any]) -> Investor:
    index = vault.current().index
    made = Investor(
        broker_id=broker.id,
        branch_id=branch.id,
        id_no_index=index(each["id_no"], "investor.id_no"),
        phone_index=index(each["phone"], "investor.phone"),
        risk_grade=RiskGrade(each["risk_grade"]),
        investor_class=InvestorClass(each["investor_class"]),
        **{name: each.get(name) for name in _PLAIN_FIELDS},
    )
    made.trading_codes = [
        TradingCode(exchange=code, code=f"{each['client_no']}{place}")
        for place, code in enumerate(each["trading_codes"])
    ]
    made.bank_cards = [
        BankCard(bank=bank, number=number, number_index=index(number, "bank_card.number"))
        for bank, number in each["bank_cards"]
    ]
    return made


_PLAIN_FIELDS = (
    *("client_no", "name", "id_no", "phone", "id_valid_from", "id_valid_until", "id_issuer", "gender", "born_on"),
    *("nation", "address", "postcode", "email", "education", "occupation"),
)


def _reasons() -> list[Reason]:
    """Every business gets the reasons of the steps that it has."""
    register = table("reasons")
    return [
        Reason(
            business_code=business.code,
            step=step.key,
            code=each["code"],
            title=each["title"],
            investor_text=each["text"],
            tip=each["tip"],
            final=each.get("final", False),
            must_change=each.get("must_change", False),
            position=position * 100 + place,
        )
        for business in BUSINESSES.values()
        for position, step in enumerate(business.steps)
        for place, each in enumerate(register.get(step.key, []))
    ]


def _rosters(branches: dict[str, Branch]) -> list[Roster]:
    return [
        Roster(
            branch_id=branches[each["branch"]].id,
            weekday=weekday,
            **{name: each[name] for name in ("starts_at", "ends_at", "seats")},
        )
        for each in table("rosters")["roster"]
        for weekday in each["days"]
    ]


def _agreements(session: Session, broker: Broker, stamp: Stamp) -> None:
    register = {each["code"]: each for each in table("agreements")["agreement"]}
    files = {path.stem: path for path in sorted((SEEDS / "agreements").glob("*.md"))}
    for position, code in enumerate([*register, *sorted(set(files) - set(register))]):
        path, told = files[code], register.get(code, {})
        source = path.read_bytes()
        import_version(
            session,
            broker,
            code=code,
            title=told.get("title") or heading(canonical(source, path.name)) or code,
            purpose=Purpose(told.get("purpose", Purpose.READ)),
            businesses=told.get("businesses", []),
            source=source,
            source_name=path.name,
            stamp=stamp,
            position=position,
        )
