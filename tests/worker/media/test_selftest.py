"""The self-test names what a library no longer has."""

import asyncio

import aioice
import aiortc.codecs
import aiortc.rtcpeerconnection
import aiortc.rtp
import pylibsrtp
import pytest

from worker.media import selftest


def missing() -> list[str]:
    with pytest.raises(selftest.MissingAttributes) as raised:
        asyncio.run(selftest.check())
    assert all(name in str(raised.value) for name in raised.value.names)
    return raised.value.names


def test_the_pinned_libraries_have_everything() -> None:
    asyncio.run(selftest.check())


def test_missing_attributes_are_named_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(aiortc.codecs, "is_rtx")
    monkeypatch.delattr(aiortc.rtp, "RtcpSrPacket")
    assert missing() == ["aiortc.codecs.is_rtx", "aiortc.rtp.RtcpSrPacket"]


def test_a_session_of_libsrtp_that_hides_its_memory_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hidden(pylibsrtp.Session):
        def __getattribute__(self, name: str) -> object:
            if name == "_srtp":
                raise AttributeError(name)
            return super().__getattribute__(name)

    monkeypatch.setattr(pylibsrtp, "Session", Hidden)
    assert missing() == ["pylibsrtp.Session._srtp"]


def test_an_attribute_of_a_connection_is_missed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class Renamed(aiortc.rtcpeerconnection.RTCRtpReceiver):  # type: ignore[name-defined,misc]
        def __getattribute__(self, name: str) -> object:
            if name == "setTransport":
                raise AttributeError(name)
            return super().__getattribute__(name)

    monkeypatch.setattr(aiortc.rtcpeerconnection, "RTCRtpReceiver", Renamed)
    assert missing() == ["RTCRtpReceiver.setTransport"]


def test_other_parameters_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def data_received(self: object, packet: bytes) -> None:
        raise NotImplementedError

    monkeypatch.setattr(aioice.Connection, "data_received", data_received)
    assert missing() == ["aioice.Connection.data_received(data, component)"]
