"""The packets of one ICE/DTLS transport: caught synchronously where aioice receives them, sent straight to its socket.

aiortc would pass every datagram through a queue, a task and packet objects; that costs several times the forwarding
itself. STUN and DTLS keep going the usual way.
"""

import logging
from collections.abc import Callable
from typing import Any

import pylibsrtp
from aiortc import RTCDtlsTransport

from worker.media.rtcp import is_rtcp

COMPONENT = 1  # RTP and RTCP share one ICE component (RFC 5761)
FIRST_RTP_BYTE, AFTER_RTP_BYTE = 128, 192  # RFC 7983, section 7

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
        self._srtp_in, self._srtp_out = dtls._rx_srtp, dtls._tx_srtp
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
                self._received(data)
            else:
                pass_on(data, component)

        async def late_rtp(data: bytes, arrival_time_ms: int) -> None:
            self._hand_over(self._on_rtp, data)

        async def late_rtcp(data: bytes) -> None:
            self._hand_over(self._on_rtcp, data)

        connection.data_received = data_received
        for protocol in connection._protocols:
            self._hook_protocol(protocol)
        # What arrived before the hook still waits in aioice's queue and comes out here, decrypted.
        dtls._handle_rtp_data, dtls._handle_rtcp_data = late_rtp, late_rtcp

    def _hook_protocol(self, protocol: Any) -> None:
        handle_stun_or_dtls = protocol.datagram_received

        def datagram_received(data: bytes, addr: tuple[Any, ...]) -> None:
            if data and FIRST_RTP_BYTE <= data[0] < AFTER_RTP_BYTE:
                self._received(data)
            else:
                handle_stun_or_dtls(data, addr)

        protocol.datagram_received = datagram_received

    def _received(self, datagram: bytes) -> None:
        if not self._open or len(datagram) < 2:
            return
        try:
            if is_rtcp(datagram):
                self._on_rtcp(self._srtp_in.unprotect_rtcp(datagram))
            else:
                self._on_rtp(self._srtp_in.unprotect(datagram))
        except (pylibsrtp.Error, ValueError):  # forged, replayed, oversized, or malformed inside: not for us
            self.rejected += 1
        except Exception:  # ours; letting it out would close the socket under the call
            log.exception("packet not handled")

    def _hand_over(self, take: Callable[[bytes], None], data: bytes) -> None:
        try:
            take(data)
        except ValueError:  # malformed inside: the peer's mistake
            self.rejected += 1
        except Exception:  # ours; letting it out would close the socket under the call
            log.exception("packet not handled")

    def send_rtp(self, packet: bytes) -> None:
        """Encrypt and send one RTP packet; silently nothing while no candidate pair is selected."""
        self._send(packet, self._srtp_out.protect)

    def send_rtcp(self, packet: bytes) -> None:
        """Encrypt and send one RTCP compound; silently nothing while no candidate pair is selected."""
        self._send(packet, self._srtp_out.protect_rtcp)

    def _send(self, packet: bytes, protect: Callable[[bytes], bytes]) -> None:
        pair = self._pairs.get(COMPONENT)
        if pair is None or not self._open:
            return
        if pair is not self._pair:  # ICE may nominate another one; a pair itself never changes
            self._pair, self._address = pair, pair.remote_addr
        try:
            pair.protocol.transport.sendto(protect(packet), self._address)
            self.sent += 1
        except (pylibsrtp.Error, ValueError):
            self.refused += 1
        except OSError:  # the network is gone for the moment; ICE consent decides when it is for good
            return

    def close(self) -> None:
        """Nothing comes in or goes out any more."""
        self._open = False
