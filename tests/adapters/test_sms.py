"""One contract over both SMS senders: what is handed over arrives, whole, and handing over never waits for a network."""

import hashlib
import hmac
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from console.adapters.sms import DevelopmentSms, HttpSms, SmsSender
from console.config import ConfigError, Settings

KEY = "gateway-key"
TEXT = "【澄明期货】验证码 042042，5 分钟内有效。"


@dataclass
class Arrived:
    phone: str
    text: str
    id: str = ""


class Gateway:
    """A gateway with behaviour: it refuses what is not signed, and can be out of order for a while."""

    def __init__(self) -> None:
        self.arrived: queue.Queue[Arrived] = queue.Queue()
        self.refused = 0
        self.broken_for = 0
        self.slow = threading.Event()
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(gateway.judge(dict(self.headers), body))
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/send"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def judge(self, headers: dict[str, str], body: bytes) -> int:
        moment = headers["X-Timestamp"]
        wanted = hmac.new(KEY.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted, headers["X-Signature"]) or abs(time.time() - int(moment)) > 300:
            self.refused += 1
            return 403
        if self.broken_for:
            self.broken_for -= 1
            return 503
        if self.slow.is_set():
            time.sleep(0.5)
        self.arrived.put(Arrived(**json.loads(body)))
        return 202

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    yield made
    made.close()


Next = Callable[[], Arrived]


@pytest.fixture(params=["http", "development"])
def sender(request: pytest.FixtureRequest, gateway: Gateway) -> tuple[SmsSender, Next]:
    if request.param == "http":
        return HttpSms(gateway.url, KEY, pause=0.01), lambda: gateway.arrived.get(timeout=10)
    kept: list[Arrived] = []
    return DevelopmentSms(lambda phone, text: kept.append(Arrived(phone, text))), lambda: kept.pop(0)


def test_what_is_sent_arrives_whole(sender: tuple[SmsSender, Next]) -> None:
    send, arrived = sender
    send.send("13800008000", TEXT)
    got = arrived()
    assert (got.phone, got.text) == ("13800008000", TEXT)


def test_sending_never_waits_for_the_network(sender: tuple[SmsSender, Next], gateway: Gateway) -> None:
    send, arrived = sender
    gateway.slow.set()
    start = time.monotonic()
    send.send("13800008000", TEXT)
    assert time.monotonic() - start < 0.3
    assert arrived().phone == "13800008000"


def test_a_gateway_out_of_order_is_asked_again_with_the_same_id(gateway: Gateway) -> None:
    gateway.broken_for = 2
    HttpSms(gateway.url, KEY, pause=0.01).send("13800008000", TEXT)
    assert gateway.arrived.get(timeout=10).id


def test_a_message_signed_with_another_key_is_refused(gateway: Gateway) -> None:
    wrong = HttpSms(gateway.url, "another-key", pause=0.01)
    wrong._deliver(b'{"id": "1", "phone": "13800008000", "text": "x"}')
    assert gateway.refused == 3
    assert gateway.arrived.empty()


def test_a_gateway_that_is_not_there_is_given_up(capsys: pytest.CaptureFixture[str]) -> None:
    HttpSms("http://127.0.0.1:9/send", KEY, pause=0.01)._deliver(b'{"phone": "13800008000"}')
    said = capsys.readouterr().out
    assert "sms_given_up" in said
    assert "13800008000" not in said


@pytest.mark.parametrize("missing", ["CONSOLE_SMS_URL", "CONSOLE_SMS_KEY"])
def test_a_gateway_without_address_or_key_is_a_configuration_error(tmp_path, missing: str) -> None:
    given = {
        "CONSOLE_HOME": str(tmp_path),
        "CONSOLE_SMS": "http",
        "CONSOLE_SMS_URL": "https://sms.example.com/send",
        "CONSOLE_SMS_KEY": "k",
    }
    assert Settings.from_env(given).sms == "http"
    del given[missing]
    with pytest.raises(ConfigError, match=missing):
        Settings.from_env(given)


def test_in_a_job_handing_over_returns_when_the_gateway_has_it(gateway: Gateway) -> None:
    """The process of a job ends with it: what runs beside it would be lost."""
    gateway.slow.set()
    HttpSms(gateway.url, KEY, pause=0.01, wait=True).send("13800008000", TEXT)
    assert gateway.arrived.get_nowait().text == TEXT
