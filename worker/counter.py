"""RQ job: report one approved case to the counter system."""

import time
from datetime import UTC, datetime, timedelta

import structlog

from console.adapters.counter import Answer, CounterAway
from console.counter import service
from console.counter.records import AnswerIncomplete
from console.db import transaction
from console.stamp import Stamp
from worker import house

log = structlog.get_logger()
OURS = "counter"


def report(case_id: int) -> None:
    """Ask once, if it is due. Safe to run twice and at the same time: one asks under a lease, with a key that counts once.

    The network is outside of every transaction. Raises CounterAway, so that RQ tries again; later on the sweep does.
    """
    house.opened()
    with transaction() as session:
        order = service.take(session, case_id, datetime.now(UTC))
    if order is None:
        return
    began = time.monotonic()
    try:
        answer: Answer = service.counter_of(house.settings()).report(order.key, order.body)
        with transaction() as session:
            delivery = service.answered(session, order.key, answer, Stamp.of_system(OURS), _since(began))
            state = delivery.state
    except (CounterAway, AnswerIncomplete) as error:
        with transaction() as session:
            service.went_wrong(session, order.key, str(error), Stamp.of_system(OURS), _since(began))
        log.warning("counter_away", case=case_id, why=str(error))
        raise CounterAway(str(error)) from error
    except service.OtherAnswer:
        log.error("counter_says_otherwise", case=case_id)
        return
    log.info("counter_reported", case=case_id, state=state.value)


def _since(began: float) -> timedelta:
    return timedelta(seconds=time.monotonic() - began)
