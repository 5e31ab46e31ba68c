"""What somebody who was in a call already reads while waiting again agrees with the place beside it."""

from datetime import timedelta

from sqlalchemy.orm import Session

from console.portal.steps.video import turn
from console.queues import service as queues
from console.queues.models import Priority, Ticket
from tests.queues.given import waiting_since
from tests.world import AT


def came_back(session: Session, name: str, minutes: float) -> Ticket:
    ticket = waiting_since(session, name, minutes)
    ticket.priority, ticket.rank = Priority.RETURNED, Priority.RETURNED.rank
    session.flush()
    return ticket


def words(session: Session, ticket: Ticket) -> str:
    return turn(ticket, queues.place(session, ticket), AT)


def test_only_who_is_the_first_reads_that_they_are(session: Session) -> None:
    first, second = came_back(session, "许砚青", 9), came_back(session, "周晚晴", 3)
    assert words(session, first) == "您已排在队首"
    assert queues.place(session, second).ahead == 1
    assert words(session, second) == "您优先接通，前面 1 位也是优先接通、排得更早的"


def test_who_was_called_in_vain_reads_that_others_come_first_for_a_while(session: Session) -> None:
    ticket = came_back(session, "周晚晴", 3)
    ticket.not_before = AT + timedelta(seconds=30)
    assert words(session, ticket) == "位置为您保留，先接通其他人，片刻后再呼叫您"
    ticket.not_before = AT
    assert words(session, ticket) == "您已排在队首"


def test_who_was_in_no_call_reads_nothing_of_it(session: Session) -> None:
    assert words(session, waiting_since(session, "周晚晴", 3)) == ""
