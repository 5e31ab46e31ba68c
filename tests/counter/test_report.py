"""The job that reports: once, whatever happens to it."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from console.adapters.counter import CounterAway, DevelopmentCounter, Mood
from console.config import Settings
from console.counter import service
from console.counter.models import Delivery, DeliveryState
from console.db import reading, transaction
from console.people.models import TradingCode
from tests.counter.given import codes_approved
from worker import house
from worker.counter import report


@pytest.fixture
def twin(world: Settings) -> Iterator[DevelopmentCounter]:
    house.use(world)
    yield service.development(world)
    house.forget()


def given_report() -> int:
    with transaction() as session:
        return codes_approved(session, "DCE", at=datetime.now(UTC)).id


def state_of(case_id: int) -> tuple[DeliveryState, int]:
    with reading() as session:
        found = session.scalars(select(Delivery).where(Delivery.case_id == case_id)).one()
        return found.state, found.tries


def codes() -> int:
    with reading() as session:
        return len(session.scalars(select(TradingCode).where(TradingCode.exchange == "DCE")).all())


def test_a_report_reaches_the_counter_and_the_records(twin):
    case_id = given_report()
    report(case_id)
    assert state_of(case_id) == (DeliveryState.DONE, 1)
    assert codes() == 1


def test_a_counter_that_is_down_is_said_so_that_the_queue_tries_again(twin):
    case_id = given_report()
    twin.tell(Mood.DOWN)
    with pytest.raises(CounterAway):
        report(case_id)
    assert state_of(case_id) == (DeliveryState.WAITING, 1)
    assert codes() == 0


def test_run_before_it_is_due_it_asks_nobody(twin):
    case_id = given_report()
    twin.tell(Mood.DOWN)
    with pytest.raises(CounterAway):
        report(case_id)
    twin.tell(Mood.WORK)
    report(case_id)
    assert state_of(case_id) == (DeliveryState.WAITING, 1)


def test_killed_after_the_counter_answered_it_asks_again_and_counts_once(twin):
    case_id = given_report()
    with transaction() as session:  # asked and answered, and then the worker was gone
        order = service.take(session, case_id, datetime.now(UTC))
    twin.report(order.key, order.body)
    with transaction() as session:  # its lease ran out
        session.execute(update(Delivery).values(lease_until=None))
    report(case_id)
    report(case_id)
    assert state_of(case_id) == (DeliveryState.DONE, 1)
    assert codes() == 1


@pytest.mark.databases("sqlite", "postgresql")
def test_asked_for_by_several_workers_at_once_it_is_reported_once(twin):
    case_id = given_report()
    workers = [threading.Thread(target=report, args=(case_id,)) for _ in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert state_of(case_id) == (DeliveryState.DONE, 1)
