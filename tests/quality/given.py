"""Decided cases, drawn for a second look."""

from datetime import datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from console.cases.models import Case
from console.people.models import Role, Staff
from console.quality import looks
from console.quality.models import SecondLook
from console.review import service
from console.stamp import Stamp
from tests.review.given import case_in_review
from tests.world import AT, staff_named, stamp


@pytest.fixture
def every_case_is_drawn(world) -> None:
    """The house of this test looks at everything twice; the next one opens with its own share."""
    looks.SHARE[:] = [100]


def hand(staff: Staff, at: datetime = AT) -> Stamp:
    return stamp(f"staff:{staff.id}", at)


def second(session: Session, username: str = "second", role: Role = Role.REVIEWER) -> Staff:
    """Another person at the counter of 上海陆家嘴."""
    first = staff_named(session, "qinlang")
    other = Staff(
        broker_id=first.broker_id,
        username=username,
        name="石敏",
        password_hash="x",
        roles=[role.value],
        branches=list(first.branches),
    )
    session.add(other)
    session.flush()
    return other


def decided(
    session: Session, *codes: str, name: str = "周晚晴", at: datetime = AT, note: str = "", witness: str = "luwenshan"
) -> Case:
    """A case that 秦朗 approved, or with codes rejected."""
    first = staff_named(session, "qinlang")
    case = case_in_review(session, name, at=at, witness=witness)
    service.claim(session, case, first, hand(first, at))
    if codes:
        service.reject(session, case, first, hand(first, at), codes=list(codes), internal_note=note)
    else:
        service.approve(session, case, first, hand(first, at))
    return case


def drawn(session: Session, case: Case) -> SecondLook:
    return session.scalars(select(SecondLook).where(SecondLook.case_id == case.id)).one()
