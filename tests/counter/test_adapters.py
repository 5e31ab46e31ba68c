"""One contract over both counter systems: what is asked with one key is carried out once and answered alike."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from console.adapters.counter import (
    Answer,
    CounterAway,
    CounterSystem,
    DevelopmentCounter,
    HttpCounter,
    Mood,
    Result,
)
from console.config import ConfigError, Settings
from console.vault import Vault
from tests.counter.given import KEY, Bridge

ORDER = {"key": "k1", "client_no": "80010001", "trading_codes": ["DCE", "CZCE"]}


@pytest.fixture
def twin(tmp_path: Path) -> DevelopmentCounter:
    return DevelopmentCounter(tmp_path / "counter", Vault(b"k" * 32))


@pytest.fixture
def bridge(twin: DevelopmentCounter) -> Iterator[Bridge]:
    made = Bridge(twin)
    yield made
    made.close()


@pytest.fixture(params=["development", "http"])
def counter(request: pytest.FixtureRequest, twin: DevelopmentCounter, bridge: Bridge) -> CounterSystem:
    return twin if request.param == "development" else HttpCounter(bridge.url, KEY, patience=2)


def test_an_order_is_carried_out_and_every_exchange_gets_its_code(counter: CounterSystem) -> None:
    answer = counter.report("k1", ORDER)
    assert answer.result is Result.DONE
    assert set(answer.trading_codes) == {"DCE", "CZCE"}
    assert all(code.isdecimal() and len(code) == 8 for code in answer.trading_codes.values())


def test_the_same_key_gets_the_same_answer_also_when_the_counter_would_refuse_by_now(
    counter: CounterSystem, twin: DevelopmentCounter
) -> None:
    first = counter.report("k1", ORDER)
    twin.tell(Mood.REFUSE)
    assert counter.report("k1", ORDER) == first
    assert counter.report("k2", ORDER).result is Result.REFUSED


def test_a_refusal_says_why_and_is_no_longer_one_once_the_counter_agrees(
    counter: CounterSystem, twin: DevelopmentCounter
) -> None:
    twin.tell(Mood.REFUSE)
    assert "客户号状态异常" in counter.report("k1", ORDER).reason
    twin.tell(Mood.WORK)
    assert counter.report("k1", ORDER).result is Result.DONE


def test_what_takes_time_is_taken_over_first(counter: CounterSystem, twin: DevelopmentCounter) -> None:
    twin.tell(Mood.LATER)
    assert counter.report("k1", ORDER) == Answer(Result.ACCEPTED)
    assert counter.report("k1", ORDER).result is Result.DONE


def test_a_counter_out_of_order_is_away_not_refusing(counter: CounterSystem, twin: DevelopmentCounter) -> None:
    twin.tell(Mood.DOWN)
    with pytest.raises(CounterAway, match="503"):
        counter.report("k1", ORDER)


@pytest.mark.parametrize(
    "instead",
    [
        (500, b""),
        (429, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"result": "refused"}'),
        (200, b'{"result": "x"}'),
    ],
)
def test_what_is_no_answer_is_asked_again(bridge: Bridge, instead: tuple[int, bytes]) -> None:
    bridge.broken = lambda: instead
    with pytest.raises(CounterAway):
        HttpCounter(bridge.url, KEY, patience=2).report("k1", ORDER)


def test_an_order_that_the_bridge_does_not_take_is_refused_for_a_person_to_see(bridge: Bridge) -> None:
    assert "403" in HttpCounter(bridge.url, "another-key", patience=2).report("k1", ORDER).reason


def test_nobody_there_is_away() -> None:
    with pytest.raises(CounterAway, match="连接不上"):
        HttpCounter("http://127.0.0.1:9/orders", KEY, patience=2).report("k1", ORDER)


def test_slips_of_the_twin_hold_nothing_in_clear(twin: DevelopmentCounter, tmp_path: Path) -> None:
    code = twin.report("k1", ORDER).trading_codes["DCE"]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "counter" / "slips").iterdir())
    assert kept
    assert code.encode() not in kept


@pytest.mark.parametrize("missing", ["CONSOLE_COUNTER_URL", "CONSOLE_COUNTER_KEY"])
def test_a_counter_without_address_or_key_is_a_configuration_error(tmp_path: Path, missing: str) -> None:
    given = {
        "CONSOLE_HOME": str(tmp_path),
        "CONSOLE_COUNTER": "http",
        "CONSOLE_COUNTER_URL": "https://counter.example.com/orders",
        "CONSOLE_COUNTER_KEY": "k",
    }
    assert Settings.from_env(given).counter == "http"
    del given[missing]
    with pytest.raises(ConfigError, match=missing):
        Settings.from_env(given)
