"""The outbox to the counter system: opened with the approval, asked until it answers, carried into the records once."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from console.adapters.counter import Answer, CounterSystem, DevelopmentCounter, HttpCounter, Result
from console.cases.models import Case, CaseEvent
from console.cases.service import NotNow
from console.cases.trail import Happening, hold, note
from console.cases.transitions import Action
from console.config import Settings
from console.people.branches import served_branches
from console.people.models import Investor, Staff
from console.problem import Problem
from console.stamp import Stamp
from console.vault import current

from . import records
from .models import Delivery, DeliveryState, DeliveryTry

LEASE = timedelta(minutes=2)  # longer than any answer takes: nobody asks a second time meanwhile
RESTS = tuple(
    timedelta(seconds=s) for s in (2, 15, 60, 120, 240, 480, 900)
)  # the first ones as RQ tries again (console/jobs.py)
POLL = timedelta(minutes=2)  # for a result that should have come by itself
WORRYING = 4  # tries without an answer after which people should look


class NotToRepeat(Problem):
    status, code = 409, "delivery_done"
    text = "这笔报送已经办妥，不用重新报送。"


class OtherAnswer(Problem):
    """The counter system takes back what it had said was done."""

    status, code = 409, "other_answer"
    text = "这笔报送已按先前的结果入账，与这次的结果不同。"


class StillSettling(NotNow):
    status, code = 409, "still_settling"

    def __init__(self, case: Case):
        title = case.business.title
        super().__init__(
            case.case_no,
            text=f"您上一笔{title}已复核通过，正在柜台系统登记，一般几分钟内完成。登记完成后可再次办理{title}。",
        )


def counter_of(settings: Settings) -> CounterSystem:
    """The one this instance uses."""
    if settings.counter == "http":
        return HttpCounter(settings.counter_url, settings.counter_key)
    return development(settings)


def development(settings: Settings) -> DevelopmentCounter:
    return DevelopmentCounter(settings.home / "counter", current())


# --- the outbox follows the case


def follow_case(sender: object, *, session: Session, case: Case, line: CaseEvent, stamp: Stamp, **_: object) -> None:
    """With the approval, in its transaction: what the case asks of the counter system, if it asks anything."""
    if line.action == Action.APPROVE and any(step.settles for step in case.path):
        session.add(
            Delivery(
                case_id=case.id,
                branch_id=case.branch_id,
                key=secrets.token_hex(16),
                opened_at=stamp.at,
                next_try_at=stamp.at,
            )
        )
        session.flush()


def unsettled(session: Session, investor: Investor, business_code: str) -> NotNow | None:
    """Why the investor cannot begin this business: what the last case of it changed is not in the records yet."""
    case = session.scalar(
        select(Case)
        .join(Delivery, Delivery.case_id == Case.id)
        .where(Case.investor_id == investor.id, Case.business_code == business_code, _open())
        .limit(1)
    )
    return StillSettling(case) if case else None


def _open() -> ColumnElement[bool]:
    return Delivery.state.in_((DeliveryState.WAITING, DeliveryState.ACCEPTED))


# --- asking


@dataclass(frozen=True)
class Order:
    """What to send, read under the lease."""

    key: str
    body: dict[str, Any]


def due(session: Session, at: datetime, most: int) -> list[int]:
    """Ids of cases whose report is due and that nobody is about to make, the longest due first."""
    query = select(Delivery.case_id).where(
        _open(), Delivery.next_try_at <= at, or_(Delivery.lease_until.is_(None), Delivery.lease_until <= at)
    )
    return list(session.scalars(query.order_by(Delivery.next_try_at, Delivery.id).limit(most)))


def take(session: Session, case_id: int, at: datetime) -> Order | None:
    """Lease the report of this case for one asking; None when there is nothing to ask, or somebody is asking, or it is too soon."""
    delivery = _locked(session, Delivery.case_id == case_id)
    if delivery is None or delivery.state in (DeliveryState.DONE, DeliveryState.REFUSED):
        return None
    if (delivery.lease_until and delivery.lease_until > at) or (delivery.next_try_at and delivery.next_try_at > at):
        return None
    delivery.lease_until = at + LEASE
    return Order(delivery.key, records.order_of(session, delivery.case, delivery.key))


def went_wrong(session: Session, key: str, said: str, stamp: Stamp, took: timedelta) -> datetime:
    """No answer: it is asked again, after longer and longer. Returns when."""
    delivery = _of_key(session, key)
    _write_try(delivery, "away", said, stamp, took)
    rest = RESTS[min(delivery.tries, len(RESTS)) - 1]
    delivery.next_try_at, delivery.said, delivery.lease_until = stamp.at + rest, said[:200], None
    return delivery.next_try_at


def answered(session: Session, key: str, answer: Answer, stamp: Stamp, took: timedelta = timedelta()) -> Delivery:
    """What the counter system said, asked or by itself; the same again changes nothing.

    Raises LookupError for a key nobody gave out, OtherAnswer, records.AnswerIncomplete.
    """
    delivery = _of_key(session, key)
    case = delivery.case
    if delivery.state is DeliveryState.DONE:
        delivery.lease_until = None
        if answer.result is Result.REFUSED or (answer.result is Result.DONE and _kept(answer) != delivery.answer):
            raise OtherAnswer(case.case_no)
        return delivery
    if answer.result is Result.ACCEPTED:
        _write_try(delivery, answer.result, "", stamp, took)
        if delivery.state is not DeliveryState.REFUSED:
            delivery.state, delivery.next_try_at, delivery.said = DeliveryState.ACCEPTED, stamp.at + POLL, ""
    elif answer.result is Result.REFUSED:
        if delivery.state is DeliveryState.REFUSED and delivery.said == answer.reason:
            return delivery
        _write_try(delivery, answer.result, answer.reason, stamp, took)
        delivery.state, delivery.next_try_at, delivery.said = DeliveryState.REFUSED, None, answer.reason
        note(case, Happening.COUNTER_REFUSED, stamp, delivery=delivery.id)
    else:
        hold(case)
        changed = records.carry_out(session, case, answer, stamp)
        _write_try(delivery, answer.result, "", stamp, took)
        delivery.state, delivery.next_try_at, delivery.said = DeliveryState.DONE, None, ""
        delivery.answer, delivery.ended_at = _kept(answer), stamp.at
        note(case, Happening.COUNTER_DONE, stamp, delivery=delivery.id, **changed)
    delivery.lease_until = None
    session.flush()
    return delivery


def again(session: Session, case: Case, stamp: Stamp) -> Delivery:
    """重新报送, at once and with the same key: what the counter system carried out already it does not carry out twice.

    Raises NotToRepeat. A report that is on its way goes on.
    """
    delivery = _locked(session, Delivery.case_id == case.id)
    if delivery is None or delivery.state is DeliveryState.DONE:
        raise NotToRepeat(case.case_no)
    if delivery.state is DeliveryState.REFUSED:
        delivery.state = DeliveryState.WAITING
    delivery.next_try_at = stamp.at
    note(case, Happening.COUNTER_ASKED_AGAIN, stamp, delivery=delivery.id)
    session.flush()
    return delivery


def _kept(answer: Answer) -> dict[str, Any]:
    return {"trading_codes": dict(sorted(answer.trading_codes.items()))}


def _write_try(delivery: Delivery, outcome: str, said: str, stamp: Stamp, took: timedelta) -> None:
    delivery.tries += 1
    delivery.attempts.append(
        DeliveryTry(at=stamp.at, took_ms=int(took.total_seconds() * 1000), outcome=str(outcome), said=said[:200])
    )


def _of_key(session: Session, key: str) -> Delivery:
    found = _locked(session, Delivery.key == key)
    if found is None:
        raise LookupError("no report has this key")
    return found


def _locked(session: Session, which: ColumnElement[bool]) -> Delivery | None:
    return session.scalar(select(Delivery).where(which).with_for_update().execution_options(populate_existing=True))


# --- looking


@dataclass(frozen=True)
class Filters:
    """What the page's address says; unknown values count as not given. ``after``: the id that the page begins below."""

    state: DeliveryState | None = None
    text: str = ""
    after: int = 0

    @classmethod
    def read(cls, args: Mapping[str, str]) -> "Filters":
        state, after = args.get("state", ""), args.get("after", "")
        return cls(
            state=DeliveryState(state) if state in set(DeliveryState) else None,
            text=args.get("q", "").strip()[:20],
            after=int(after) if after.isdecimal() and len(after) < 10 else 0,
        )


PAGE = 20


def listed(session: Session, staff: Staff, filters: Filters) -> tuple[list[Delivery], int]:
    """One page of what this person's branches reported, the latest first; and the ``after`` of the next page, 0: there is none."""
    query = select(Delivery).where(_served(session, staff))
    if filters.state is not None:
        query = query.where(Delivery.state == filters.state)
    if filters.text:
        query = query.join(Delivery.case).where(Case.case_no.startswith(filters.text, autoescape=True))
    if filters.after:
        query = query.where(Delivery.id < filters.after)
    rows = list(session.scalars(query.order_by(Delivery.id.desc()).limit(PAGE + 1)))
    return rows[:PAGE], rows[PAGE - 1].id if len(rows) > PAGE else 0


def counts(session: Session, staff: Staff) -> dict[DeliveryState, int]:
    """How many reports of this person's branches stand how; what is done is not counted."""
    query = select(Delivery.state, func.count()).where(_served(session, staff), Delivery.state != DeliveryState.DONE)
    return {row[0]: row[1] for row in session.execute(query.group_by(Delivery.state))}


def worrying(session: Session, staff: Staff) -> int:
    """How many a person should look at: refused, or asked for several times without an answer."""
    query = (
        select(func.count())
        .select_from(Delivery)
        .where(
            _served(session, staff),
            or_(
                Delivery.state == DeliveryState.REFUSED,
                (Delivery.state == DeliveryState.WAITING) & (Delivery.tries >= WORRYING),
            ),
        )
    )
    return session.scalar(query) or 0


def of_case(session: Session, case: Case) -> Delivery | None:
    return session.scalar(select(Delivery).where(Delivery.case_id == case.id))


def _served(session: Session, staff: Staff) -> ColumnElement[bool]:
    return Delivery.branch_id.in_([branch.id for branch in served_branches(session, staff)])
