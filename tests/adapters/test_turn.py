"""The relay: a real coturn on loopback with the configuration we give away, and credentials that are good for minutes."""

import asyncio
import hashlib
import hmac
import re
import shutil
import socket
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from aioice import stun
from aioice.turn import create_turn_endpoint

from console.adapters import turn
from console.assets import ROOT
from tests.servers import ends_with_us
from tests.worker.media.nodes import wait_until

SECRET = "a secret of two"
LOOPBACK = "127.0.0.1"
CONFIGURATION = ROOT / "deploy" / "turnserver.conf"
OWN = ("static-auth-secret", "listening-port", "tls-listening-port", "min-port", "max-port", "log-file")
coturn = shutil.which("turnserver")
needs_coturn = pytest.mark.skipif(coturn is None, reason="no turnserver on PATH: apt-get install coturn")


def good(ttl: timedelta = timedelta(minutes=10), secret: str = SECRET) -> tuple[str, str]:
    made = turn.credentials(["turn:x"], secret, ttl, "investor-1", datetime.now(UTC))
    return made["username"], made["credential"]


def test_a_credential_names_its_end_and_is_signed_over_it() -> None:
    at = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
    made = turn.credentials(["turn:a", "turns:b"], SECRET, timedelta(minutes=10), "investor-7", at)
    assert made["urls"] == ["turn:a", "turns:b"]
    assert made["username"] == f"{int(at.timestamp()) + 600}:investor-7"
    assert b64decode(made["credential"]) == hmac.new(SECRET.encode(), made["username"].encode(), hashlib.sha1).digest()


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """coturn as deploy/turnserver.conf has it, with a secret and ports of its own."""
    folder = tmp_path_factory.mktemp("turn")
    port, first = free_ports()
    lines = [line for line in CONFIGURATION.read_text().splitlines() if line.partition("=")[0] not in OWN]
    lines += [f"static-auth-secret={SECRET}", f"listening-port={port}", "no-tls", "no-dtls", f"min-port={first}"]
    lines += [f"max-port={first + 50}", f"listening-ip={LOOPBACK}", f"relay-ip={LOOPBACK}", "log-file=stdout"]
    lines += [f"userdb={folder}/none.sqlite", f"pidfile={folder}/pid"]
    (folder / "turnserver.conf").write_text("\n".join(lines))
    with (folder / "log").open("wb") as log:
        command = [str(coturn), "-c", str(folder / "turnserver.conf")]
        process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=ends_with_us(), cwd=folder)
    try:
        wait_until(lambda: answers(port) or process.poll() is not None)
        assert process.poll() is None, (folder / "log").read_text()
        yield LOOPBACK, port
    finally:
        process.terminate()
        process.wait(10)


def free_ports() -> tuple[int, int]:
    """One to listen on, and the first of a range to relay from."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port, 20_000 + port % 20_000


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


async def relayed(relay: tuple[str, int], name: str, password: str, *peers: str) -> list[int]:
    """Allocate, then try to send to each peer: 0 where the relay does, else the error it gives. Raises TransactionFailed."""
    transport, _ = await create_turn_endpoint(asyncio.DatagramProtocol, relay, name, password)
    client = transport._TurnTransport__inner_protocol
    said = []
    for peer in peers:
        try:
            await client.send_data(b"x", (peer, 9))
            said.append(0)
        except stun.TransactionFailed as refused:
            said.append(refused.response.error_code)
    await client.delete()
    return said


def refused(relay: tuple[str, int], name: str, password: str) -> int:
    with pytest.raises(stun.TransactionFailed) as error:
        asyncio.run(relayed(relay, name, password))
    code: int = error.value.response.error_code
    return code


@needs_coturn
def test_the_relay_takes_our_credentials_and_relays_to_the_internet_only(relay: tuple[str, int]) -> None:
    inside = ["10.0.0.1", "172.16.5.5", "192.168.1.1", "127.0.0.1", "169.254.169.254", "100.64.0.1"]
    assert asyncio.run(relayed(relay, *good(), "8.8.8.8", *inside)) == [0] + [403] * len(inside)
    assert (
        asyncio.run(relayed(relay, *good(), "::ffff:10.0.0.1", "::1", "fd00::1")) == [443] * 3
    )  # RFC 8656 section 9.1


@needs_coturn
def test_the_relay_refuses_what_is_expired_forged_or_somebody_elses(relay: tuple[str, int]) -> None:
    name, password = good()
    expiry = int(name.partition(":")[0])
    assert refused(relay, *good(ttl=-timedelta(seconds=5))) == 401
    assert refused(relay, *good(secret="another secret")) == 401
    assert refused(relay, f"{expiry + 3600}:investor-1", password) == 401
    assert refused(relay, "investor-1", password) == 401


@needs_coturn
def test_every_range_that_is_not_the_internet_is_denied_in_the_configuration() -> None:
    denied = re.findall(r"^denied-peer-ip=(\S+)", CONFIGURATION.read_text(), re.MULTILINE)
    assert len(denied) == len(set(denied)) > 20
    assert not re.search(r"^allowed-peer-ip", CONFIGURATION.read_text(), re.MULTILINE)
