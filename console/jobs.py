"""Every background job by name. The functions live in worker/; ids go in, nothing else."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Retry
from rq.job import Job as Asked

log = structlog.get_logger()
QUEUE = "default"
CARDS = "cards"  # nobody waits for what a machine reads: a worker of both takes it when no photo waits to be cut
FILMS = "films"  # what takes minutes: people wait for photos, so films have a queue, and in `console run` a worker, of their own
QUEUES = (QUEUE, CARDS, FILMS)  # a worker of several takes from the first that has something
FAILED_RESTS = timedelta(minutes=5)  # before a job that failed for good may be asked for again
MOST_FAILED = 200  # looked at, the latest first


class Job(StrEnum):
    PROCESS_PHOTO = "worker.documents.process_photo"
    READ_CARD = "worker.ocr.read_card"
    KEEP_RECORDING = "worker.recordings.keep"
    REPORT = "worker.counter.report"
    SWEEP = "worker.sweep.sweep"
    MAKE_VIEW = "worker.view.make"


ELSEWHERE = {Job.READ_CARD: CARDS, Job.MAKE_VIEW: FILMS}  # the jobs that do not go to QUEUE
LONG = {Job.MAKE_VIEW: timedelta(hours=3)}  # when RQ ends a job that takes longer than USUAL
USUAL = timedelta(minutes=3)

_queues: dict[str, Queue] = {}


def connect(redis: Redis) -> None:
    _queues.update({name: Queue(name, connection=redis) for name in QUEUES})


def _queue_of(job: Job) -> Queue:
    return _queues[ELSEWHERE.get(job, QUEUE)]


def enqueue(job: Job, **ids: Any) -> bool:
    """Ask for ``job``. False when Redis is away: the sweeper finds in the database what was not done and asks again."""
    try:
        _queue_of(job).enqueue(
            str(job),
            kwargs=ids,
            retry=Retry(max=3, interval=[2, 15, 60]),
            job_timeout=int(LONG.get(job, USUAL).total_seconds()),
            result_ttl=600,
            failure_ttl=86400,
        )
    except RedisError as error:
        log.warning("job_not_enqueued", job=str(job), error=type(error).__name__)
        return False
    return True


def pending(job: Job) -> list[dict[str, Any]]:
    """The ids of every ``job`` that waits, is under way, will be retried or failed just now. Raises RedisError."""
    queue = _queue_of(job)
    failed = queue.failed_job_registry.get_job_ids(0, MOST_FAILED, desc=True, cleanup=False)
    asked = queue.get_job_ids() + failed
    for registry in (queue.started_job_registry, queue.scheduled_job_registry):
        asked += registry.get_job_ids(cleanup=False)
    found = [each for each in Asked.fetch_many(asked, connection=queue.connection) if each is not None]
    return [each.kwargs for each in found if each.func_name == str(job) and not _rested(each)]


def _rested(asked: Asked) -> bool:
    ended = asked.ended_at
    return asked.is_failed and ended is not None and ended.astimezone(UTC) < datetime.now(UTC) - FAILED_RESTS
