"""RTCP as the node speaks it: reports (RFC 3550, section 6), feedback (RFC 4585) and REMB.

REMB is draft-alvestrand-rmcat-remb-03. Parsing and serialising are aiortc's; this module knows which packets to make of
our streams.
"""

from collections.abc import Sequence

from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
    clamp_packets_lost,
    pack_remb_fci,
    unpack_remb_fci,
)

from worker.media.streams import InboundStream, OutboundStream

SDES_CNAME = 1


def parse(data: bytes) -> Sequence[object]:
    """The packets of a compound, unknown kinds left out. Raises ValueError when it is malformed."""
    return RtcpPacket.parse(data)


def is_key_request(packet: object) -> bool:
    """Picture Loss Indication or Full Intra Request (RFC 4585, section 6.3.1; RFC 5104, section 4.3.1)."""
    return isinstance(packet, RtcpPsfbPacket) and packet.fmt in (RTCP_PSFB_PLI, RTCP_PSFB_FIR)


def nacked(packet: object) -> tuple[int, Sequence[int]] | None:
    """(media SSRC, sequence numbers asked for) of a generic NACK (RFC 4585, section 6.2.1), else None."""
    if isinstance(packet, RtcpRtpfbPacket) and packet.fmt == RTCP_RTPFB_NACK:
        return packet.media_ssrc, packet.lost
    return None


def estimated_bitrate(packet: object) -> int | None:
    """Bits per second of a REMB, else None."""
    if isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
        try:
            bitrate, _ssrcs = unpack_remb_fci(packet.fci)
        except ValueError:  # another application layer message
            return None
        return bitrate
    return None


def sender_report(packet: object) -> RtcpSrPacket | None:
    """The packet itself if it is a sender report."""
    return packet if isinstance(packet, RtcpSrPacket) else None


def make_key_request(own_ssrc: int, media_ssrc: int) -> bytes:
    """A Picture Loss Indication (RFC 4585, section 6.3.1)."""
    return bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=own_ssrc, media_ssrc=media_ssrc))


def make_nack(own_ssrc: int, media_ssrc: int, sequences: list[int]) -> bytes:
    """A generic NACK for these sequence numbers (RFC 4585, section 6.2.1)."""
    packet = RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=own_ssrc, media_ssrc=media_ssrc, lost=sorted(sequences))
    return bytes(packet)


def make_estimated_bitrate(own_ssrc: int, media_ssrc: int, bitrate: int) -> bytes:
    """A REMB naming one stream. `bitrate` in bits per second."""
    fci = pack_remb_fci(bitrate, [media_ssrc])
    return bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=own_ssrc, media_ssrc=0, fci=fci))


def make_sender_report(stream: OutboundStream, source: RtcpSenderInfo) -> bytes | None:
    """The source's report on our numbering, with its CNAME; None before the first packet went out.

    The NTP time stays the source's, so that the receiver can bring sound and picture together.
    """
    timestamp = stream.outgoing_timestamp(source.rtp_timestamp)
    if timestamp is None:
        return None
    info = RtcpSenderInfo(source.ntp_timestamp, timestamp, stream.packets & 0xFFFFFFFF, stream.octets & 0xFFFFFFFF)
    name = RtcpSourceInfo(ssrc=stream.ssrc, items=[(SDES_CNAME, stream.cname.encode())])
    return bytes(RtcpSrPacket(ssrc=stream.ssrc, sender_info=info)) + bytes(RtcpSdesPacket(chunks=[name]))


def make_receiver_report(own_ssrc: int, streams: Sequence[InboundStream], now: float) -> bytes | None:
    """One report with a block for each stream that has been heard; None when there is none."""
    blocks = [block for block in (_report_block(stream, now) for stream in streams) if block is not None]
    return bytes(RtcpRrPacket(ssrc=own_ssrc, reports=blocks)) if blocks else None


def _report_block(stream: InboundStream, now: float) -> RtcpReceiverInfo | None:
    report = stream.report()
    if report is None or stream.ssrc is None:
        return None
    delay = int((now - stream.report_at) * 65536) & 0xFFFFFFFF if stream.report_middle else 0
    return RtcpReceiverInfo(
        ssrc=stream.ssrc,
        fraction_lost=report.fraction_lost,
        packets_lost=clamp_packets_lost(report.packets_lost),
        highest_sequence=report.highest_sequence,
        jitter=report.jitter & 0xFFFFFFFF,
        lsr=stream.report_middle,
        dlsr=delay,
    )
