"""Import versions, find those in force, and know what a case has still to read."""

import hashlib
import re
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from console.businesses import BUSINESSES
from console.cases.models import Case
from console.people.audit import note_staff
from console.people.models import Broker, Staff
from console.problem import Problem
from console.stamp import Stamp

from .importing import canonical
from .models import Agreement, AgreementVersion, Purpose, Reading

CODE = re.compile(r"[a-z][a-z0-9_]{1,39}")


class BadRegister(Problem):
    """What is to be registered with the file makes no sense."""

    status, code = 422, "bad_agreement"


def import_version(
    session: Session,
    broker: Broker,
    *,
    code: str,
    title: str,
    purpose: Purpose,
    businesses: Iterable[str] | None,
    source: bytes,
    source_name: str,
    stamp: Stamp,
    position: int | None = None,
) -> AgreementVersion:
    """Publish the file as the version in force of the broker's agreement ``code``; the former one is retired.

    ``businesses``: codes, an empty list for all; they and ``position`` stay as they are when None. The same text again is the same
    version. Raises BadFile, BadRegister.
    """
    wanted = None if businesses is None else sorted(set(businesses))
    _check(code, title, wanted or [])
    html = canonical(source, source_name)
    sha256 = hashlib.sha256(html.encode()).hexdigest()
    session.refresh(broker, ["id"], with_for_update=True)  # two imports at once take turns
    agreement = session.scalar(select(Agreement).where(Agreement.broker_id == broker.id, Agreement.code == code))
    if agreement is None:
        agreement = Agreement(broker_id=broker.id, code=code, purpose=purpose)
        session.add(agreement)
    elif agreement.purpose is not purpose:
        raise BadRegister(code, text=f"{code} 已登记为另一种用途，用途不能改。请换一个代码。")
    agreement.title = title
    if wanted is not None:
        agreement.businesses = wanted
    if position is not None:
        agreement.position = position
    session.flush()
    former = in_force(agreement)
    if former is not None and former.sha256 == sha256:
        return former
    if former is not None:
        former.retired_at = stamp.at
        session.flush()  # before the next one: the database allows one in force
    version = AgreementVersion(
        number=max((each.number for each in agreement.versions), default=0) + 1,
        html=html,
        sha256=sha256,
        source=source,
        source_name=source_name[-120:],
        published_at=stamp.at,
        by=stamp.by,
    )
    agreement.versions.append(version)
    session.flush()
    _note(session, version, stamp)
    return version


def _check(code: str, title: str, businesses: list[str]) -> None:
    if not CODE.fullmatch(code):
        raise BadRegister(code, text="代码要以小写字母开头，只用小写字母、数字和下划线，2 到 40 个字符。")
    if not 1 <= len(title.strip()) <= 80:
        raise BadRegister(title, text="请填写标题，最长 80 个字。")
    unknown = [each for each in businesses if each not in BUSINESSES]
    if unknown:
        raise BadRegister(unknown, text=f"没有这项业务：{'、'.join(unknown)}。")


def _note(session: Session, version: AgreementVersion, stamp: Stamp) -> None:
    """A line in the chain of the member of staff who did it; what the system imports says so in ``by``."""
    kind, _, number = stamp.by.partition(":")
    if kind == "staff":
        told = f"v{version.number} {version.sha256}"
        note_staff(
            session,
            session.get_one(Staff, int(number)),
            "agreement_published",
            stamp,
            subject=version.agreement.code,
            detail=told,
        )


def in_force(agreement: Agreement) -> AgreementVersion | None:
    return next((each for each in agreement.versions if each.retired_at is None), None)


def live_versions(
    session: Session, broker_id: int, purpose: Purpose, business_code: str | None = None
) -> list[AgreementVersion]:
    """The versions in force for a purpose, in the order of the register; of one business when it is given."""
    found = session.scalars(
        select(AgreementVersion)
        .join(AgreementVersion.agreement)
        .where(Agreement.broker_id == broker_id, Agreement.purpose == purpose, AgreementVersion.retired_at.is_(None))
        .options(joinedload(AgreementVersion.agreement))
        .order_by(Agreement.position, Agreement.id)
    )
    return [each for each in found if business_code is None or is_for(each.agreement, business_code)]


def live_version(session: Session, broker_id: int, code: str) -> AgreementVersion | None:
    """The version in force of one agreement by its code."""
    return session.scalar(
        select(AgreementVersion)
        .join(AgreementVersion.agreement)
        .where(Agreement.broker_id == broker_id, Agreement.code == code, AgreementVersion.retired_at.is_(None))
        .options(joinedload(AgreementVersion.agreement))
    )


def is_for(agreement: Agreement, business_code: str) -> bool:
    return not agreement.businesses or business_code in agreement.businesses


def versions_of(session: Session, case: Case, purpose: Purpose) -> list[AgreementVersion]:
    """What is in force for this case."""
    return live_versions(session, case.branch.broker_id, purpose, case.business_code)


def readings_of(session: Session, case: Case) -> list[Reading]:
    """Every reading proof of the case, finished or not, oldest first."""
    return list(
        session.scalars(
            select(Reading)
            .where(Reading.case_id == case.id)
            .options(joinedload(Reading.version).joinedload(AgreementVersion.agreement))
            .order_by(Reading.id)
        )
    )


def unread(session: Session, case: Case, purpose: Purpose) -> list[AgreementVersion]:
    """What the case has still to read for a purpose.

    A version that was retired after it was opened counts: a reading is only ever opened while its version is in force.
    """
    read = {each.version.agreement_id for each in readings_of(session, case) if each.finished_at is not None}
    return [each for each in versions_of(session, case, purpose) if each.agreement_id not in read]


def undertaking_done(session: Session, case: Case) -> bool:
    """Whether 数字证书安全责任书 was read and agreed to (manuals, 2.2)."""
    return not unread(session, case, Purpose.UNDERTAKING)
