"""The second look: who is drawn, who may, what it changes."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from console.cases.models import CaseEvent, Status
from console.cases.transitions import UnknownReason
from console.db import transaction
from console.people.models import Role
from console.quality import looks
from console.quality.models import SecondLook
from console.review.models import Decision
from console.review.service import LEASE, LeaseLost
from tests.quality.given import decided, drawn, every_case_is_drawn, hand, second  # noqa: F401
from tests.world import AT, staff_named

pytestmark = pytest.mark.usefixtures("every_case_is_drawn")
LATER = AT + timedelta(minutes=10)
BOTH = pytest.mark.databases("sqlite", "postgresql")


# --- drawing


def test_what_is_drawn_is_the_same_whoever_asks(world):
    numbers = [f"2026112000{n:04d}" for n in range(200)]
    assert [looks.is_drawn(n, 1, 30) for n in numbers] == [looks.is_drawn(n, 1, 30) for n in numbers]


def test_about_the_configured_share_is_drawn_all_of_a_hundred_and_none_of_nothing(world):
    numbers = [f"2026112000{n:04d}" for n in range(4000)]
    assert sum(looks.is_drawn(n, 1, 0) for n in numbers) == 0
    assert sum(looks.is_drawn(n, 1, 100) for n in numbers) == 4000
    assert 140 < sum(looks.is_drawn(n, 1, 5) for n in numbers) < 260  # 200 expected, four and more deviations


def test_a_larger_share_draws_all_of_the_smaller_one(world):
    numbers = [f"2026112000{n:04d}" for n in range(500)]
    small = {n for n in numbers if looks.is_drawn(n, 1, 5)}
    assert small and small < {n for n in numbers if looks.is_drawn(n, 1, 50)}


@BOTH
def test_a_decision_is_drawn_with_who_made_it_and_why(session):
    look = drawn(session, decided(session, "card_mismatch"))
    assert (look.first.username, look.first_decision, look.submission) == ("qinlang", Decision.REJECTED, 1)
    assert look.first_reasons == {"card_mismatch": "银行卡号与照片不一致"}
    assert drawn(session, decided(session, name="许砚青")).first_decision is Decision.APPROVED


def test_nothing_is_drawn_when_the_share_is_nothing(session):
    looks.SHARE[:] = [0]
    decided(session)
    assert session.scalar(select(func.count()).select_from(SecondLook)) == 0


def test_a_decision_that_is_undone_with_its_transaction_is_not_drawn(world):
    with pytest.raises(ZeroDivisionError), transaction() as session:
        decided(session)
        raise ZeroDivisionError
    with transaction() as session:
        assert session.scalar(select(func.count()).select_from(SecondLook)) == 0


# --- who may


@pytest.mark.parametrize("username", ["qinlang", "luwenshan2"])
def test_neither_the_first_reviewer_nor_a_maker_by_any_account_is_the_second(session, username):
    look, person = drawn(session, decided(session)), staff_named(session, username)
    assert look not in looks.waiting(session, person, AT)
    with pytest.raises(looks.HadPart):
        looks.claim(session, look, person, hand(person))


@BOTH
@pytest.mark.parametrize("username", ["qinlang", "luwenshan2"])
def test_the_database_refuses_them_too(world, username):
    with transaction() as session:
        person = staff_named(session, username)
        values = {"id": drawn(session, decided(session)).id, "staff": person.id, "person": person.person}
    taken = "UPDATE second_looks SET state = 'claimed', reviewer_id = :staff, reviewer_person = :person WHERE id = :id"
    with pytest.raises(DBAPIError, match="maker is checker"), transaction() as session:
        session.execute(text(taken), values)


@BOTH
def test_what_a_second_reviewer_said_never_changes(world):
    with transaction() as session:
        look, person = drawn(session, decided(session)), second(session)
        looks.claim(session, look, person, hand(person))
        looks.decide(session, look, person, hand(person), codes=[], words="")
        given = look.id
    with pytest.raises(DBAPIError, match="decided once"), transaction() as session:
        session.execute(text("UPDATE second_looks SET decision = 'rejected' WHERE id = :id"), {"id": given})


def test_only_staff_of_the_branch_is_offered_it(session):
    look = drawn(session, decided(session))
    assert looks.waiting(session, second(session), AT) == [look]
    assert looks.waiting(session, staff_named(session, "fangyi"), AT) == [look]
    assert looks.waiting(session, staff_named(session, "hzreview"), AT) == []


# --- the lease


def test_what_somebody_holds_is_nobody_elses_until_the_lease_ends(session):
    look, one, other = drawn(session, decided(session)), second(session), staff_named(session, "fangyi")
    looks.claim(session, look, one, hand(one))
    with pytest.raises(looks.LookTaken):
        looks.claim(session, look, other, hand(other))
    assert looks.waiting(session, other, AT) == []
    late = AT + LEASE
    looks.claim(session, look, other, hand(other, late))
    with pytest.raises(LeaseLost):
        looks.decide(session, look, one, hand(one, late), codes=[], words="")


def test_a_lease_is_lengthened_and_given_back(session):
    look, one = drawn(session, decided(session)), second(session)
    looks.claim(session, look, one, hand(one))
    looks.renew(session, look, one, hand(one, AT + LEASE / 2))
    assert look.lease_until == AT + LEASE * 1.5
    looks.release(session, look, one, hand(one, AT + LEASE))
    with pytest.raises(LeaseLost):
        looks.decide(session, look, one, hand(one, AT + LEASE), codes=[], words="")
    assert looks.waiting(session, staff_named(session, "fangyi"), AT) == [look]


# --- what is said


def test_the_second_decision_changes_nothing_of_the_case_and_writes_nothing_in_its_trail(session):
    case = decided(session)
    lines = session.scalar(select(func.count()).where(CaseEvent.case_id == case.id))
    look, one = drawn(session, case), second(session)
    looks.claim(session, look, one, hand(one))
    looks.reject(session, look, one, hand(one, LATER), codes=["card_mismatch"], words="卡号末位不同")
    assert (look.decision, look.reasons) == (Decision.REJECTED, {"card_mismatch": "银行卡号与照片不一致"})
    assert (look.note, look.decided_at) == ("卡号末位不同", LATER)
    assert (case.status, case.rejections) == (Status.COMPLETED, [])
    assert session.scalar(select(func.count()).where(CaseEvent.case_id == case.id)) == lines


def test_a_rejection_needs_reasons_of_this_business_and_a_second_word_is_refused(session):
    look, one = drawn(session, decided(session)), second(session)
    looks.claim(session, look, one, hand(one))
    for codes in ([], ["wrong_exchange"]):
        with pytest.raises(UnknownReason):
            looks.reject(session, look, one, hand(one), codes=codes, words="")
    with pytest.raises(looks.NoteTooLong):
        looks.decide(session, look, one, hand(one), codes=[], words="长" * 401)
    looks.decide(session, look, one, hand(one), codes=[], words="")
    with pytest.raises(looks.LookDone):
        looks.reject(session, look, one, hand(one), codes=["card_mismatch"], words="")


@BOTH
def test_supervisors_of_the_branch_see_where_two_did_not_agree_and_not_where_they_did(session):
    one, supervisor = second(session), staff_named(session, "fangyi")
    same, other = drawn(session, decided(session)), drawn(session, decided(session, "card_mismatch", name="许砚青"))
    for look in (same, other):
        looks.claim(session, look, one, hand(one))
        looks.decide(session, look, one, hand(one), codes=[], words="")
    assert looks.differing(session, supervisor) == [other]
    assert looks.differing(session, second(session, "hzlead2", Role.SUPERVISOR)) == [other]
    supervisor_elsewhere = staff_named(session, "hzreview")
    assert looks.differing(session, supervisor_elsewhere) == []
