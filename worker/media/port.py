"""The packets of one ICE/DTLS transport: caught where they arrive and decrypted in place, encrypted in place and sent.

aiortc would pass every datagram through a queue, a task and packet objects; that costs several times the forwarding
itself. STUN and DTLS keep going the usual way. On a loop with `Datagrams` packets come and go many at a time; on any
other they are caught in aioice's protocol and sent through the loop's transport.
"""

import logging
from collections.abc import Callable
from typing import Any, Final

from aiortc import RTCDtlsTransport

from worker.media.datagrams import AFTER_RTP_BYTE, FIRST_RTP_BYTE, Datagrams
from worker.media.slots import LONGEST, SLOT, Cipher, Slots

COMPONENT: Final = 1  # RTP and RTCP share one ICE component (RFC 5761)
FIRST_RTCP_TYPE: Final = 64  # RFC 5761, section 4
AFTER_RTCP_TYPE: Final = 96

log = logging.getLogger(__name__)


class PacketPort:
    """Decrypted packets in through two callbacks, plain packets out through two methods."""

    def __init__(
        self,
        dtls: RTCDtlsTransport,
        *,
        on_rtp: Callable[[bytes], None],
        on_rtcp: Callable[[bytes], None],
    ) -> None:
        connection: Any = dtls.transport._connection
        self._pairs: dict[int, Any] = connection._nominated
        self._pair: Any = None
        self._address: Any = None
        self._datagrams: Datagrams | None = None
        self._to = b""
        self._own = Slots(1)
        self._srtp_in, self._srtp_out = Cipher(dtls._rx_srtp), Cipher(dtls._tx_srtp)
        self._on_rtp, self._on_rtcp = on_rtp, on_rtcp
        self._open = True
        self.sent = 0
        self.refused = 0  # outgoing, by libsrtp
        self.rejected = 0  # incoming
        self._hook(dtls, connection)

    def _hook(self, dtls: Any, connection: Any) -> None:
        pass_on = connection.data_received

        def data_received(data: bytes, component: int) -> None:
            if data and FIRST_RTP_BYTE <= data[0] < AFTER_RTP_BYTE:
                self._take(data)
            else:
                pass_on(data, component)

        async def late_rtp(data: bytes, arrival_time_ms: int) -> None:
            self._hand_over(self._on_rtp, data)

        async def late_rtcp(data: bytes) -> None:
            self._hand_over(self._on_rtcp, data)

        connection.data_received = data_received
        for protocol in connection._protocols:
            if isinstance(protocol.transport, Datagrams):
                protocol.transport.port = self
            else:
                self._hook_protocol(protocol)
        # What arrived before the hook still waits in aioice's queue and comes out here, decrypted.
        dtls._handle_rtp_data, dtls._handle_rtcp_data = late_rtp, late_rtcp

    def _hook_protocol(self, protocol: Any) -> None:
        handle_stun_or_dtls = protocol.datagram_received

        def datagram_received(data: bytes, addr: tuple[Any, ...]) -> None:
            if data and FIRST_RTP_BYTE <= data[0] < AFTER_RTP_BYTE:
                self._take(data)
            else:
                handle_stun_or_dtls(data, addr)

        protocol.datagram_received = datagram_received

    # -- in

    def _take(self, datagram: bytes) -> None:
        """A datagram that did not come in a slot."""
        if len(datagram) > SLOT:
            self.rejected += 1
            return
        self._own.put(0, datagram)
        self.arrived(self._own, 0, len(datagram))

    def arrived(self, slots: Slots, number: int, length: int) -> None:
        """See `datagrams.Port`."""
        if not self._open or length < 2:
            return
        if FIRST_RTCP_TYPE <= slots.byte(number, 1) & 0x7F < AFTER_RTCP_TYPE:
            length = self._srtp_in.unprotect_rtcp(slots, number, length)
            take = self._on_rtcp
        else:
            length = self._srtp_in.unprotect(slots, number, length)
            take = self._on_rtp
        if length < 0:  # forged, replayed or oversized
            self.rejected += 1
        else:
            self._hand_over(take, slots.get(number, length))

    def _hand_over(self, take: Callable[[bytes], None], data: bytes) -> None:
        try:
            take(data)
        except ValueError:  # malformed inside: the peer's mistake
            self.rejected += 1
        except Exception:  # ours; letting it out would end what else came with it
            log.exception("packet not handled")

    # -- out

    def send_rtp(self, packet: bytes) -> None:
        """Encrypt and send one RTP packet; silently nothing while no candidate pair is selected."""
        self._send(packet, False)

    def send_rtcp(self, packet: bytes) -> None:
        """Encrypt and send one RTCP compound; silently nothing while no candidate pair is selected."""
        self._send(packet, True)

    def _send(self, packet: bytes, control: bool) -> None:
        pair = self._pairs.get(COMPONENT)
        if pair is None or not self._open:
            return
        if pair is not self._pair:  # ICE may nominate another one; a pair itself never changes
            self._choose(pair)
        if len(packet) > LONGEST:
            self.refused += 1
            return
        datagrams = self._datagrams
        if datagrams is None:
            self._send_singly(packet, control)
            return
        descriptor = datagrams.descriptor
        if descriptor < 0:
            return
        outbox = datagrams.outbox
        number = outbox.slot(descriptor, self._to)
        length = self._protected(packet, outbox.slots, number, control)
        if length > 0:
            outbox.put(length)
            self.sent += 1

    def _send_singly(self, packet: bytes, control: bool) -> None:
        length = self._protected(packet, self._own, 0, control)
        if length > 0:
            try:
                self._pair.protocol.transport.sendto(self._own.get(0, length), self._address)
                self.sent += 1
            except OSError:  # the network is gone for the moment; ICE consent decides when it is for good
                return

    def _protected(self, packet: bytes, slots: Slots, number: int, control: bool) -> int:
        slots.put(number, packet)
        cipher = self._srtp_out
        protect = cipher.protect_rtcp if control else cipher.protect
        length = protect(slots, number, len(packet))
        if length < 0:
            self.refused += 1
        return length

    def _choose(self, pair: Any) -> None:
        self._pair, self._address = pair, pair.remote_addr
        transport = pair.protocol.transport
        self._datagrams = transport if isinstance(transport, Datagrams) else None
        if self._datagrams is not None:
            self._to = self._datagrams.socket_address(self._address)

    def close(self) -> None:
        """Nothing comes in or goes out any more."""
        self._open = False
