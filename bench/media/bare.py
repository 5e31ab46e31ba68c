"""The least that a forwarder in Python can do: `python -m bench.media.bare SOCKET HOST`.

One UDP socket a side, one epoll; receive, SRTP off, another SSRC, SRTP on, send. No ICE, no RTCP, no recording, no repair.
Keys come over a unix socket, see `load.BareCaller`.
"""

import json
import os
import select
import socket
import sys
from dataclasses import dataclass, field
from typing import Any

from pylibsrtp import Policy, Session

DATAGRAM = 2048
PROFILE = Policy.SRTP_PROFILE_AEAD_AES_256_GCM
REPLAY_WINDOW = 1024  # packets, as aiortc sets it


@dataclass
class Side:
    """One caller's socket, keys and address; `other` gets what it sends."""

    socket: socket.socket
    unprotect: Any
    protect: Any
    ssrcs: list[bytes] = field(default_factory=lambda: [os.urandom(4), os.urandom(4)])  # of sound and picture
    to: tuple[str, int] | None = None
    other: "Side | None" = None


def _session(key: bytes, direction: int) -> Session:
    policy = Policy(key=key, ssrc_type=direction, srtp_profile=PROFILE)
    policy.window_size = REPLAY_WINDOW
    policy.allow_repeat_tx = True
    return Session(policy)


class Loop:
    """Runs until its first connection, the leash, is closed."""

    def __init__(self, path: str, host: str) -> None:
        self._host = host
        self._sides: dict[tuple[str, str], Side] = {}
        self._by_number: dict[int, Side] = {}
        self._asked = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._asked.bind(path)
        self._asked.listen()

    def run(self) -> None:
        poll = select.epoll()
        poll.register(self._asked, select.EPOLLIN)
        poll.register(sys.stdin, select.EPOLLIN)
        asked, leash, sides = self._asked.fileno(), sys.stdin.fileno(), self._by_number
        while True:
            for number, _ in poll.poll():
                side = sides.get(number)
                if side is not None:
                    forward(side)
                elif number == asked:
                    self._answer(poll)
                elif number == leash:
                    return

    def _answer(self, poll: select.epoll) -> None:
        connection, _ = self._asked.accept()
        with connection, connection.makefile("rw") as lines:
            request = json.loads(lines.readline())
            name = (request["call"], request["side"])
            if "to" in request:
                self._sides[name].to = tuple(request["to"])
                reply = {}
            else:
                reply = {"port": self._open(name, bytes.fromhex(request["key_in"]), poll)}
            lines.write(json.dumps(reply) + "\n")

    def _open(self, name: tuple[str, str], key: bytes, poll: select.epoll) -> int:
        own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        own.bind((self._host, 0))
        own.setblocking(False)
        incoming, outgoing = _session(key, Policy.SSRC_ANY_INBOUND), _session(os.urandom(44), Policy.SSRC_ANY_OUTBOUND)
        side = self._sides[name] = Side(own, incoming.unprotect, outgoing.protect)
        other = next((each for (call, _), each in self._sides.items() if call == name[0] and each is not side), None)
        if other is not None:
            side.other, other.other = other, side
        self._by_number[own.fileno()] = side
        poll.register(own, select.EPOLLIN)
        port: int = own.getsockname()[1]
        return port


def forward(side: Side) -> None:
    """One datagram."""
    data, _ = side.socket.recvfrom(DATAGRAM)
    other = side.other
    if other is None or other.to is None:
        return
    plain = side.unprotect(data)
    ssrc = other.ssrcs[plain[11] & 1]  # a caller's sound has an even one, its picture an odd one
    other.socket.sendto(other.protect(plain[:8] + ssrc + plain[12:]), other.to)


def main() -> None:
    loop = Loop(sys.argv[1], sys.argv[2])
    print(json.dumps({"ready": True}), flush=True)
    loop.run()


if __name__ == "__main__":
    main()
