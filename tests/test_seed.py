"""The demo broker: complete, sound, seeded once."""

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from console import db
from console.agreements.models import Purpose
from console.agreements.service import live_version, live_versions
from console.app import open_house
from console.businesses import BUSINESSES
from console.businesses.banks import bank_of, is_card_number
from console.businesses.steps import Desk
from console.businesses.suitability import EXCHANGES, NOTICE_CODES, InvestorClass, RiskGrade
from console.cases.models import Reason
from console.config import Settings
from console.people.identity import id_no_of, phone_of
from console.people.models import Branch, Broker, Investor, Role, Staff
from console.people.passwords import matches
from console.portal.steps.profile import fields
from console.queues import slots
from console.seed import DEMO_INVESTORS, DEMO_PASSWORD, DEMO_SIGN_INS, seed_demo

pytestmark = pytest.mark.databases("sqlite", "postgresql")


@pytest.fixture(scope="module")
def once(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Seeding takes a second: one instance for all that only look at it."""
    home = tmp_path_factory.mktemp("seeded")
    url = f"sqlite:///{shutil.copy(migrated_file, home / 'console.db')}"
    settings = Settings.from_env({"CONSOLE_HOME": str(home), "DATABASE_URL": url})
    assert seed_demo(settings)
    return settings


@pytest.fixture
def seeded(once: Settings) -> Iterator[Settings]:
    open_house(once)
    yield once
    db.close()


def everybody(kind):
    with db.reading() as session:
        return list(session.scalars(select(kind)))


def test_seeding_twice_keeps_one_broker_and_changes_nothing(house):
    started = time.thread_time()
    assert seed_demo(house)
    assert time.thread_time() - started < 3, "seconds"
    before = [(kind, len(everybody(kind))) for kind in (Broker, Branch, Staff, Investor, Reason)]
    assert not seed_demo(house)
    assert [(kind, len(everybody(kind))) for kind in (Broker, Branch, Staff, Investor, Reason)] == before
    assert len(everybody(Broker)) == 1 and len(everybody(Branch)) == 2


def test_every_number_of_every_investor_is_sound(seeded):
    with db.reading() as session:
        investors = list(session.scalars(select(Investor)))
        assert len(investors) == 20
        for person in investors:
            assert id_no_of(person.id_no) == person.id_no
            assert phone_of(person.phone) == person.phone and person.phone.startswith("1380000")
            assert person.id_no[6:14] == f"{person.born_on:%Y%m%d}"
            assert int(person.id_no[16]) % 2 == (person.gender == "男"), person.name
            assert 1 <= len(person.bank_cards) <= 2
            assert all(is_card_number(card.number) and bank_of(card.number) == card.bank for card in person.bank_cards)
            assert {code.exchange for code in person.trading_codes} < set(EXCHANGES), "something is left to apply for"


def test_every_grade_and_class_can_be_tried(seeded):
    with db.reading() as session:
        grades = set(session.scalars(select(Investor.risk_grade)))
        classes = set(session.scalars(select(Investor.investor_class)))
    assert grades == set(RiskGrade)
    assert classes == set(InvestorClass)


def test_one_id_has_expired_and_one_profile_is_incomplete(seeded):
    with db.reading() as session:
        investors = list(session.scalars(select(Investor)))
        expired = [p.name for p in investors if p.id_valid_until and p.id_valid_until < date(2026, 1, 1)]
        incomplete = [p.name for p in investors if any(field.blank for field in fields(p))]
    assert (len(expired), len(incomplete)) == (1, 1)


def test_every_desk_has_its_people(seeded):
    with db.reading() as session:
        staff = list(session.scalars(select(Staff)))
        having = {role: [each for each in staff if each.has_role(role)] for role in Role}
        assert len(having[Role.WITNESS]) >= 3 and len(having[Role.REVIEWER]) >= 2 and having[Role.SUPERVISOR]
        assert [each.head_office for each in having[Role.ADMIN]].count(True) == 1
        assert any(not each.head_office and each.branches for each in having[Role.ADMIN])
        today = datetime.now(UTC).date()
        ends = sorted(each.licence_until for each in having[Role.WITNESS])
        assert today < ends[0] < today + timedelta(days=31), "one licence ends soon"
        assert ends[1] > today + timedelta(days=300)
        for branch in session.scalars(select(Branch)):
            assert any(each.serves(branch.id) for each in having[Role.WITNESS])
            assert any(each.serves(branch.id) for each in having[Role.REVIEWER])


def test_one_person_has_two_accounts_so_that_four_eyes_can_be_tried(seeded):
    with db.reading() as session:
        accounts = session.execute(
            select(Staff.person_index, func.count()).group_by(Staff.person_index).having(func.count() > 1)
        ).all()
        assert len(accounts) == 1 and accounts[0][1] == 2
        roles = [set(s.roles) for s in session.scalars(select(Staff).where(Staff.person_index == accounts[0][0]))]
        assert {"witness"} in roles and {"reviewer"} in roles


def test_every_demo_sign_in_works(seeded):
    with db.reading() as session:
        hashes = {each.username: each.password_hash for each in session.scalars(select(Staff))}
    assert {each.username for each in DEMO_SIGN_INS} == set(hashes)
    assert all(matches(*pair) for pair in {(hashes[each.username], each.password) for each in DEMO_SIGN_INS})
    assert not matches(hashes["admin"], DEMO_PASSWORD + "x")


def test_at_least_three_investors_are_recommended_and_exist(seeded):
    known = {(each.name, each.id_no, each.phone) for each in everybody(Investor)}
    assert len(DEMO_INVESTORS) >= 3
    assert {(each.name, each.id_no, each.phone) for each in DEMO_INVESTORS} <= known


@pytest.mark.parametrize("business", BUSINESSES.values(), ids=BUSINESSES)
def test_every_step_that_people_do_can_be_blamed_with_several_reasons(seeded, business):
    reasons = [each for each in everybody(Reason) if each.business_code == business.code]
    for step in business.steps:
        if step.desk is not Desk.REVIEWER:
            mine = [each for each in reasons if each.step == step.key]
            assert 3 <= len(mine) <= 5, step.key
            assert all(each.investor_text and each.tip for each in mine)
            assert not all(each.final for each in mine)
    assert any(each.final for each in reasons)


@pytest.mark.parametrize("business", BUSINESSES.values(), ids=BUSINESSES)
def test_every_business_has_what_its_investors_must_read_and_sign(seeded, business):
    with db.reading() as session:
        broker = session.scalars(select(Broker)).one()
        purposes = [Purpose.PRIVACY, Purpose.UNDERTAKING, Purpose.SIGN]
        if any(step.key == "reading" for step in business.steps):
            purposes.append(Purpose.READ)
        for purpose in purposes:
            assert live_versions(session, broker.id, purpose, business.code), purpose


def test_the_notices_that_a_grade_asks_for_are_published(seeded):
    with db.reading() as session:
        broker = session.scalars(select(Broker)).one()
        for codes in NOTICE_CODES.values():
            assert all(live_version(session, broker.id, code) for code in codes)


def test_both_branches_offer_slots_in_the_next_days(seeded):
    with db.reading() as session:
        for branch in session.scalars(select(Branch)):
            calendar = slots.days(session, branch, slots.Terms(), datetime.now(UTC))
            assert sum(day.free for day in calendar) > 50, branch.name
