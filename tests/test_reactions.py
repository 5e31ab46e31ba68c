"""What follows a move is a hint: losing it never makes a committed act look lost."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from console import db, live
from console.cases.models import Case, Status
from console.cases.service import abandon
from console.cases.transitions import finish_step
from tests.review.given import case_in_review
from tests.world import given_case, stamp

pytestmark = pytest.mark.databases("sqlite", "postgresql")


@pytest.fixture
def nobody_can_look(app: Flask) -> Iterator[None]:
    """The database goes away for everybody who wants to look."""

    def away(connection: object) -> None:
        raise OperationalError("BEGIN", {}, ConnectionError("gone"))

    event.listen(db.engine(writes=False), "begin", away)
    yield
    event.remove(db.engine(writes=False), "begin", away)


def test_a_database_that_goes_away_right_after_the_commit_leaves_the_act_done(nobody_can_look: None) -> None:
    with db.transaction() as session:
        case = given_case(session)
        abandon(case, stamp())
    with db.transaction() as session:
        assert session.get_one(Case, case.id).status is Status.ABANDONED


def test_reviewers_hear_of_cases_that_come_to_them_and_not_of_every_step(app: Flask, as_staff) -> None:
    socket = live.socketio.test_client(app, namespace=live.REVIEW, flask_test_client=as_staff("qinlang"))

    def heard() -> set[str]:
        return {each["name"] for each in socket.get_received(live.REVIEW)}

    with db.transaction() as session:
        finish_step(given_case(session), "photos", stamp())
    assert heard() == set()
    with db.transaction() as session:
        case_in_review(session, "许砚青")
    assert heard() == {"tasks"}
