"""The node's event loop."""

import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import uvloop

from worker.media import datagrams
from worker.media.datagrams import Datagrams, Inbox, Outbox


class Loop(uvloop.Loop):
    """An event loop whose UDP sockets on a local address are `Datagrams`."""

    def __init__(self) -> None:
        super().__init__()
        self._inboxes: dict[int, Inbox] = {}
        self._outbox = Outbox() if datagrams.are_there() else None

    async def create_datagram_endpoint(
        self, protocol_factory: Callable[[], Any], local_addr: Any = None, remote_addr: Any = None, **options: Any
    ) -> tuple[Any, Any]:
        """See asyncio. Raises OSError."""
        if self._outbox is None or local_addr is None or remote_addr is not None or options:
            return await super().create_datagram_endpoint(protocol_factory, local_addr, remote_addr, **options)
        family = socket.AF_INET if ip_address(local_addr[0]).version == 4 else socket.AF_INET6
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.bind(local_addr)
        except OSError:
            sock.close()
            raise
        if family not in self._inboxes:
            self._inboxes[family] = Inbox(family)
        protocol = protocol_factory()
        transport = Datagrams(self, sock, protocol, self._inboxes[family], self._outbox)
        protocol.connection_made(transport)
        return transport, protocol
