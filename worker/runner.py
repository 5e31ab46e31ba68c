"""The RQ worker process: one job at a time, each in a child of its own, so that a job that crashes takes nothing along.

What RQ 2.12 leaves to its users is done here: retries that are due, the sweep every half minute, and jobs whose worker
was killed. All of it in one thread, under a lock in Redis, so that several workers do not do it several times.
"""

import gc
import os
import secrets
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import rq
import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq.exceptions import NoSuchJobError
from rq.executions import Execution
from rq.registry import clean_registries
from rq.utils import as_text, import_attribute, parse_composite_key
from rq.worker_registration import unregister

from console import jobs, leash
from console.config import Settings

BEAT = 5  # seconds between two signs of life of a job under way
LOST_AFTER = 20  # seconds without one, and the job is given to another worker
WORKER_TTL = 30  # seconds; half of it is the longest the worker waits for a job before it looks after itself
SWEEP_EVERY = 30  # seconds
MEND_EVERY = 5  # seconds
HOUSEKEEPING_LOCK = "worker:housekeeping"
log = structlog.get_logger()


def run(settings: Settings, queues: Sequence[str] = jobs.QUEUES) -> None:
    from sqlalchemy.orm import configure_mappers

    from console import live  # the house takes seconds to build, and `work` does without it
    from console.app import open_house

    redis = open_house(settings)
    live.speak_through(settings.redis_url)
    for job in jobs.Job:
        import_attribute(job)  # once, before the forks; a job that does not exist ends the worker here
    configure_mappers()  # else every fork would, which takes longer than most jobs
    gc.freeze()  # and would copy what the collector touches
    work(redis, settings.redis_url, settings.log_level, queues)


def work(redis: Redis, redis_url: str, log_level: str = "INFO", queues: Sequence[str] = jobs.QUEUES) -> None:
    """Work until SIGTERM; a job under way is finished first."""
    housekeeper = Housekeeper(redis_url)
    housekeeper.start()
    worker = Worker(
        [rq.Queue(name, connection=redis) for name in queues],
        connection=redis,
        name=f"{this_machine()}:{os.getpid()}:{secrets.token_hex(4)}",
        job_monitoring_interval=BEAT,
        maintenance_interval=MEND_EVERY,
        worker_ttl=WORKER_TTL,
    )
    worker.log_job_description = False
    worker.pause, worker.worker_pid = housekeeper.busy, os.getpid()
    worker.work(logging_level=log_level)


class Worker(rq.Worker):
    """RQ's, but a killed worker takes its job along and is missed within seconds."""

    pause: threading.Lock  # held while no child may be forked
    worker_pid: int

    def get_heartbeat_ttl(self, job: rq.job.Job) -> int:
        return LOST_AFTER

    def fork_work_horse(self, job: rq.job.Job, queue: rq.Queue) -> None:
        """A child forked while another thread held a lock (of the logger, say) would wait for it for ever."""
        with self.pause:
            super().fork_work_horse(job, queue)

    def setup_work_horse_signals(self) -> None:
        super().setup_work_horse_signals()
        leash.end_with(self.worker_pid)


class Housekeeper(threading.Thread):
    def __init__(self, redis_url: str):
        super().__init__(name="housekeeper", daemon=True)
        self.redis = Redis.from_url(redis_url)  # its own connections: the worker forks while this thread runs
        self.queues = [rq.Queue(name, connection=self.redis) for name in jobs.QUEUES]
        self.busy = threading.Lock()
        self.just_came = True

    def run(self) -> None:
        while True:
            with self.busy:
                self.keep_house_in_turn()
            time.sleep(1)

    def keep_house_in_turn(self) -> None:
        try:
            if not self.redis.set(HOUSEKEEPING_LOCK, this_machine(), nx=True, ex=10):
                return
            try:
                self.keep_house()
            finally:
                self.redis.delete(HOUSEKEEPING_LOCK)
        except RedisError as error:
            log.warning("housekeeping_waits", error=type(error).__name__)

    def keep_house(self) -> None:
        for queue in self.queues:
            enqueue_due(queue)
        if self.redis.set(f"{HOUSEKEEPING_LOCK}:mended", 1, nx=True, ex=MEND_EVERY) or self.just_came:
            give_back_lost_jobs(self.queues)  # at once after a start: it may follow a crash
            self.just_came = False
        if self.redis.set(f"{HOUSEKEEPING_LOCK}:swept", 1, nx=True, ex=SWEEP_EVERY):
            jobs.enqueue(jobs.Job.SWEEP)


def enqueue_due(queue: rq.Queue) -> None:
    """Put the jobs into the queue whose time (of a retry, or at all) has come."""
    registry = queue.scheduled_job_registry
    for job_id in registry.get_jobs_to_schedule():
        with queue.connection.pipeline() as pipeline:
            registry.remove(job_id, pipeline=pipeline)
            try:
                queue._enqueue_job(rq.job.Job.fetch(job_id, connection=queue.connection), pipeline=pipeline)
            except NoSuchJobError:
                log.warning("scheduled_job_expired", job=job_id)
            pipeline.execute()


def give_back_lost_jobs(queues: Sequence[rq.Queue]) -> None:
    """Requeue, as far as their retries allow, the jobs of workers that are gone: at once those of this machine."""
    for worker in rq.Worker.all(connection=queues[0].connection):
        if is_dead_neighbour(worker.name):
            for queue in queues:
                _end_executions(queue, worker.name)
            worker.register_death()
            unregister(worker)
            log.warning("worker_was_lost", worker=worker.name)
    for queue in queues:
        clean_registries(queue)


def _end_executions(queue: rq.Queue, worker_name: str) -> None:
    for execution in executions(queue):
        if execution.worker_name == worker_name:
            queue.connection.zadd(queue.started_job_registry.key, {execution.composite_key: 1})


def executions(queue: rq.Queue) -> list[Execution]:
    found = []
    for key in queue.connection.zrange(queue.started_job_registry.key, 0, -1):
        job_id, execution_id = parse_composite_key(as_text(key))  # type: ignore[arg-type]
        try:
            found.append(Execution.fetch(execution_id, job_id, connection=queue.connection))
        except ValueError:
            continue  # it ended or expired since we asked
    return found


def this_machine() -> str:
    """Two workers with the same answer see each other's process numbers (containers may share a host name)."""
    namespace = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()}:{namespace.stat().st_ino if namespace.exists() else 0}"


def is_dead_neighbour(worker_name: str) -> bool:
    machine, pid, _ = worker_name.rsplit(":", 2) if worker_name.count(":") > 2 else ("", "", "")
    if machine != this_machine() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
