"""People in a queue, brought there by the same moves that people make."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from console import vault
from console.businesses.suitability import InvestorClass, RiskGrade
from console.cases.models import Case, Reason
from console.cases.service import open_case
from console.cases.transitions import finish_step
from console.people.models import Investor
from console.queues import seats
from console.queues import service as queues
from console.queues.models import Seat, SeatState, Ticket
from tests.world import AT, given_case, id_number, investor_named, staff_named, stamp

FACTS = {"certificate_check": {"holds_certificate": False}, "exchanges": {"first_financial_code": False}}


def to_the_video(case: Case, at: datetime = AT) -> Case:
    """Hand in whatever comes before the video."""
    while case.current_step is not None and case.current_step.key != "video":
        key = case.current_step.key
        finish_step(case, key, stamp(f"investor:{case.investor_id}", at), facts=FACTS.get(key))
    return case


def at_the_video(
    session: Session, name: str = "周晚晴", at: datetime = AT, business: str = "change_settlement_account"
) -> Case:
    return to_the_video(given_case(session, name, business, at), at)


def waiting_since(session: Session, name: str, minutes: float) -> Ticket:
    """A ticket of ``name``, who joined so many minutes before AT, whoever was put into the queue before."""
    at = AT - timedelta(minutes=minutes)
    case = at_the_video(session, name, at)
    return joined(session, case, at)


def joined(session: Session, case: Case, at: datetime) -> Ticket:
    """As if the people of the queue had come in the order of their times, in whichever the test names them."""
    ticket = queues.join(session, case, stamp(f"investor:{case.investor_id}", at))
    ticket.joined_at = at
    session.flush()
    return ticket


def crowd(session: Session, count: int, at: datetime = AT) -> list[Ticket]:
    """So many more investors of 周晚晴's branch, all waiting; each joined a second after the one before."""
    return [crowd_member(session, n, at + timedelta(seconds=n)) for n in range(count)]


def crowd_member(session: Session, n: int, at: datetime = AT) -> Ticket:
    """The n-th of them, from 0."""
    model = investor_named(session, "周晚晴")
    number, phone = id_number(f"31011519900101{n:03d}"), f"139{n:08d}"
    person = Investor(
        broker_id=model.broker_id,
        branch_id=model.branch_id,
        client_no=f"9{n:07d}",
        name=f"投资者{n}",
        id_no=number,
        id_no_index=vault.current().index(number, "investor.id_no"),
        phone=phone,
        phone_index=vault.current().index(phone, "investor.phone"),
        risk_grade=RiskGrade.C4,
        investor_class=InvestorClass.ORDINARY,
    )
    session.add(person)
    session.flush()
    mark = stamp(f"investor:{person.id}", at)
    return joined(session, to_the_video(open_case(session, person, "change_settlement_account", mark), at), at)


def online(session: Session, username: str = "luwenshan", at: datetime = AT) -> Seat:
    """That witness, sitting and online at the first branch of hers."""
    staff = staff_named(session, username)
    seat = seats.sit(session, staff, stamp(f"staff:{staff.id}", at))
    return seats.go(session, staff, seat.branch_id, SeatState.ONLINE, stamp(f"staff:{staff.id}", at))


def reasons(session: Session, *codes: str) -> list[Reason]:
    return list(
        session.scalars(
            select(Reason).where(Reason.business_code == "change_settlement_account", Reason.code.in_(codes))
        )
    )
