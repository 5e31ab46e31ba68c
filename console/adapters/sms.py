"""Text messages. ``HttpSms`` speaks to a gateway, ``DevelopmentSms`` keeps what would have been sent where a developer can read it.

The gateway protocol is the least that every provider's bridge can speak::

    POST <url>
    Content-Type: application/json
    X-Timestamp, X-Signature                see signed.py

    {"id": "5f0c…", "phone": "13800008000", "text": "…"}

Any 2xx means taken over. ``id`` is the same when a message is tried again: the gateway sends it once.
"""

import json
import time
import urllib.request
import uuid
from collections.abc import Callable
from typing import Protocol
from urllib.error import URLError

import structlog

from console import runtime
from console.adapters import signed

log = structlog.get_logger()
TRIES = 3
PAUSE = 2.0  # seconds between tries
PATIENCE = 10.0  # seconds for one


class SmsSender(Protocol):
    def send(self, phone: str, text: str) -> None:
        """Hand the message over. A web process never waits for a network here: an answer takes as long whether something is sent or not."""


class HttpSms:
    """``wait``: for a process that ends with its job, ``send`` returns when the message is handed over or given up."""

    def __init__(self, url: str, key: str, *, pause: float = PAUSE, wait: bool = False):
        self._url, self._key, self._pause, self._wait = url, key.encode(), pause, wait

    def send(self, phone: str, text: str) -> None:
        body = json.dumps({"id": uuid.uuid4().hex, "phone": phone, "text": text}, ensure_ascii=False).encode()
        if self._wait:
            self._deliver(body)
        else:
            runtime.spawn(self._deliver, body)

    def _deliver(self, body: bytes) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                with urllib.request.urlopen(self._signed(body), timeout=PATIENCE):
                    return
            except (URLError, TimeoutError, ConnectionError) as error:
                log.warning(
                    "sms_not_taken", attempt=attempt, error=str(getattr(error, "code", "") or type(error).__name__)
                )
            if attempt < TRIES:
                runtime.sleep(self._pause)
        log.error("sms_given_up")

    def _signed(self, body: bytes) -> urllib.request.Request:
        return urllib.request.Request(self._url, data=body, headers=signed.headers(self._key, body, time.time()))


class DevelopmentSms:
    """``keep(phone, text)`` puts the message where the outbox page finds it."""

    def __init__(self, keep: Callable[[str, str], None]):
        self._keep = keep

    def send(self, phone: str, text: str) -> None:
        self._keep(phone, text)
