"""The counter system port (R6): where an approved case becomes trading codes and settlement accounts.

``CounterSystem`` is what the house needs from any; ``HttpCounter`` speaks to a bridge over HTTP, ``DevelopmentCounter`` is the embedded
one, which grants everything and can be told not to. tests/counter/test_adapters.py is the contract that both keep::

    POST <url>
    Idempotency-Key: 5f0c…                  the same whenever the same case is reported again: it is carried out once
    X-Timestamp, X-Signature                see signed.py

    {"key": "5f0c…", "case_no": "…", "business": "add_trading_code", "client_no": "80010001", "branch": "SH01",
     "approved_at": "2026-11-20T02:30:00+00:00", "trading_codes": ["DCE"], "settlement_accounts": {"add": [{bank, number}], "end": […]}}

200 {"result": "done", "trading_codes": {"DCE": "00012345"}} or {"result": "refused", "reason": "…"}; 202: taken over, the result
follows to POST <our address>/counter/result, signed in the same way: {"key": …, "result": …}. Anything else is asked again later.
"""

import hashlib
import json
import time
import urllib.request
from dataclasses import dataclass, field
from enum import StrEnum
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol
from urllib.error import HTTPError, URLError

from console.adapters import signed
from console.adapters.whole import write_whole
from console.vault import Vault

PATIENCE = 15.0  # seconds for one answer
LONGEST_ANSWER = 64 * 1024  # bytes
AGAIN = frozenset({408, 425, 429})  # client errors that time mends (RFC 9110, RFC 8470, RFC 6585)


class Result(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    ACCEPTED = "accepted"


@dataclass(frozen=True)
class Answer:
    """``trading_codes``: exchange to the code that was granted; ``reason``: why it was refused, in the counter's words."""

    result: Result
    trading_codes: dict[str, str] = field(default_factory=dict)
    reason: str = ""

    @classmethod
    def read(cls, told: Any) -> "Answer":
        """From decoded JSON. Raises ValueError for what is no answer."""
        try:
            codes = {str(name): str(code) for name, code in dict(told.get("trading_codes") or {}).items()}
            answer = cls(Result(told["result"]), codes, str(told.get("reason") or "")[:200])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("no answer of a counter system") from error
        if answer.result is Result.REFUSED and not answer.reason:
            raise ValueError("a refusal has a reason")
        return answer


class CounterAway(Exception):
    """No answer, or none that can be understood: ask again later, with the same key. The text is for staff."""


class CounterSystem(Protocol):
    def report(self, key: str, order: dict[str, Any]) -> Answer:
        """Carry the order out, once for each key; asked again it gives the same answer. Raises CounterAway."""


class HttpCounter:
    def __init__(self, url: str, key: str, *, patience: float = PATIENCE):
        self._url, self._key, self._patience = url, key.encode(), patience

    def report(self, key: str, order: dict[str, Any]) -> Answer:
        body = json.dumps(order, ensure_ascii=False, sort_keys=True).encode()
        headers = signed.headers(self._key, body, time.time()) | {"Idempotency-Key": key}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(self._url, data=body, headers=headers), timeout=self._patience
            ) as response:
                if response.status == 202:
                    return Answer(Result.ACCEPTED)
                return Answer.read(json.loads(response.read(LONGEST_ANSWER)))
        except HTTPError as error:
            if 400 <= error.code < 500 and error.code not in AGAIN:
                return Answer(Result.REFUSED, reason=f"柜台系统不接受这份报送（HTTP {error.code}）")
            raise CounterAway(f"柜台系统出错（HTTP {error.code}）") from error
        except TimeoutError as error:
            raise CounterAway("柜台系统没有及时回应") from error
        except (URLError, OSError, HTTPException) as error:
            slow = isinstance(getattr(error, "reason", None), TimeoutError)
            raise CounterAway("柜台系统没有及时回应" if slow else "连接不上柜台系统") from error
        except ValueError as error:
            raise CounterAway("柜台系统的回复无法识别") from error


class Mood(StrEnum):
    """How the development twin answers."""

    WORK = "work"
    DOWN = "down"
    REFUSE = "refuse"
    LATER = "later"


class DevelopmentCounter:
    """Lives in one folder: a sealed slip for every order that it answered, and its mood."""

    def __init__(self, folder: Path, vault: Vault):
        self._folder, self._vault = folder, vault
        (folder / "slips").mkdir(parents=True, exist_ok=True, mode=0o700)

    def tell(self, mood: Mood) -> None:
        """From now on it answers like this: ``later`` takes an order over when asked first and has it done when asked again."""
        write_whole(self._folder / "mood", mood.value.encode())

    @property
    def mood(self) -> Mood:
        try:
            return Mood((self._folder / "mood").read_text())
        except FileNotFoundError:
            return Mood.WORK

    def report(self, key: str, order: dict[str, Any]) -> Answer:
        slip, mood = self._folder / "slips" / hashlib.sha256(key.encode()).hexdigest(), self.mood
        if mood is Mood.DOWN:
            raise CounterAway("柜台系统出错（HTTP 503）")
        known = json.loads(self._vault.open(slip.read_bytes(), "counter.slip")) if slip.exists() else None
        if known is not None and known["result"] == Result.DONE:
            return Answer.read(known)
        if mood is Mood.REFUSE:
            return Answer(Result.REFUSED, reason="客户号状态异常，请先在柜台系统处理")
        granted = {exchange: _code(order["client_no"], exchange) for exchange in order.get("trading_codes", ())}
        done = known is not None or mood is not Mood.LATER
        told = {"result": (Result.DONE if done else Result.ACCEPTED).value, "trading_codes": granted if done else {}}
        write_whole(slip, self._vault.seal(json.dumps(told).encode(), "counter.slip"))
        return Answer.read(told)


def _code(client_no: str, exchange: str) -> str:
    """Eight digits, the same for the same client at the same exchange."""
    digest = hashlib.sha256(f"{client_no} {exchange}".encode()).digest()
    return f"{int.from_bytes(digest[:6], 'big') % 100_000_000:08d}"
