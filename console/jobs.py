"""Every background job by name. The functions live in worker/; ids go in, nothing else."""

from enum import StrEnum
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Retry

log = structlog.get_logger()
QUEUE = "default"


class Job(StrEnum):
    PROCESS_PHOTO = "worker.documents.process_photo"
    KEEP_RECORDING = "worker.recordings.keep"
    SEND_SMS = "worker.messages.send_sms"
    SWEEP = "worker.sweep.sweep"


_queue: list[Queue] = []


def connect(redis: Redis) -> None:
    _queue[:] = [Queue(QUEUE, connection=redis)]


def enqueue(job: Job, **ids: Any) -> bool:
    """Ask for ``job``. False when Redis is away: the sweeper finds in the database what was not done and asks again."""
    try:
        _queue[0].enqueue(
            str(job), kwargs=ids, retry=Retry(max=3, interval=[2, 15, 60]), result_ttl=600, failure_ttl=86400
        )
    except RedisError as error:
        log.warning("job_not_enqueued", job=str(job), error=type(error).__name__)
        return False
    return True
