"""Approved cases as they go to the counter system, and a bridge that speaks HTTP."""

import json
import threading
import time
from collections.abc import Callable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from sqlalchemy.orm import Session

from console.adapters import signed
from console.adapters.counter import Answer, CounterAway, DevelopmentCounter, Result
from console.cases.models import Case
from console.review import service as review
from tests.review.given import case_in_review
from tests.world import AT, staff_named, stamp

KEY = "bridge-key"
NEW_CARD = "6222020200001234567"
HELD_CARD = "6222020000000000001"


def approved(session: Session, business: str, name: str = "周晚晴", at: datetime = AT, **entered: Any) -> Case:
    """A case with what was ``entered`` by step, passed by 秦朗."""
    case = case_in_review(session, name, at=at, business=business, entered=entered)
    reviewer = staff_named(session, "qinlang")
    hand = stamp(f"staff:{reviewer.id}", at)
    review.claim(session, case, reviewer, hand)
    review.approve(session, case, reviewer, hand)
    return case


def codes_approved(session: Session, *exchanges: str, name: str = "周晚晴", at: datetime = AT) -> Case:
    return approved(session, "add_trading_code", name, at, exchanges={"chosen": sorted(exchanges)})


def cards_approved(session: Session, *numbers: str) -> Case:
    cards = [{"key": n, "bank": "中国银行", "number": n, "evidence": None, "known": n == HELD_CARD} for n in numbers]
    return approved(session, "change_settlement_account", bank_card={"cards": cards})


class Bridge:
    """In front of a `DevelopmentCounter`, as a broker would build one; ``broken`` changes what comes back."""

    def __init__(self, counter: DevelopmentCounter) -> None:
        self.counter = counter
        self.broken: Callable[[], tuple[int, bytes] | None] = lambda: None
        self.heard: list[tuple[str, dict[str, Any]]] = []
        bridge = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, told = bridge.judge(dict(self.headers), body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/orders"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def judge(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if not signed.is_genuine(KEY.encode(), body, headers, time.time()):
            return 403, b""
        if (instead := self.broken()) is not None:
            return instead
        key, order = headers["Idempotency-Key"], json.loads(body)
        self.heard.append((key, order))
        try:
            answer = self.counter.report(key, order)
        except CounterAway:
            return 503, b""
        return (202 if answer.result is Result.ACCEPTED else 200), told(answer)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def told(answer: Answer, **more: str) -> bytes:
    said = {"result": answer.result.value, "trading_codes": answer.trading_codes, "reason": answer.reason} | more
    return json.dumps(said).encode()
