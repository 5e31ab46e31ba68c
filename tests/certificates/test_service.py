"""Enrolment: proof of possession, P-256 only, one certificate a device; no ID number in it."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from sqlalchemy import select

from console.cases.models import CaseEvent
from console.certificates import service
from console.certificates.service import BadRequest, KeyReused, enrol
from tests.agreements.given import Device, of, request_over
from tests.world import AT, given_case


def request_of(key) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "investor")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


def test_a_sound_request_gives_a_certificate_in_the_investors_name_and_a_line(session, ca) -> None:
    case = given_case(session)
    made = Device().enrolled(session, case, ca)
    assert service.subject(made) == "周晚晴"
    assert service.valid_certificates(session, case.investor_id, AT) == [made]
    line = session.scalars(select(CaseEvent).where(CaseEvent.action == "certificate_issued")).one()
    assert line.detail["serial"] == made.serial


def test_the_certificate_does_not_tell_the_id_number(session, ca) -> None:
    case = given_case(session)
    made = Device().enrolled(session, case, ca)
    for told in (case.investor.id_no, case.investor.id_no_index, case.investor.phone):
        assert told.encode() not in made.der
    again = Device().enrolled(session, case, ca, "second phone")
    serials = {
        x509.load_der_x509_certificate(c.der).subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)[0].value
        for c in (made, again)
    }
    assert serials == {service.pseudonym(case.investor)}


def test_a_request_whose_signature_is_not_its_keys_is_refused(session, ca) -> None:
    case = given_case(session)
    good = bytearray(request_over(Device().key))
    good[-1] ^= 1
    with pytest.raises(BadRequest):
        enrol(session, case, bytes(good), "x", ca, of(case))


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(lambda: rsa.generate_private_key(65537, 2048), id="RSA"),
        pytest.param(lambda: ec.generate_private_key(ec.SECP384R1()), id="P-384"),
        pytest.param(lambda: ec.generate_private_key(ec.SECP256K1()), id="secp256k1"),
    ],
)
def test_a_key_of_another_kind_is_refused(session, ca, key) -> None:
    case = given_case(session)
    with pytest.raises(BadRequest):
        enrol(session, case, request_of(key()), "x", ca, of(case))


@pytest.mark.parametrize("csr", [b"", b"not DER", b"\x30" * 5000, b"\x30\x82\x01\x00" + b"\0" * 256])
def test_bytes_that_are_no_request_are_refused(session, ca, csr) -> None:
    case = given_case(session)
    with pytest.raises(BadRequest):
        enrol(session, case, csr, "x", ca, of(case))


def test_the_same_key_again_is_the_same_certificate(session, ca) -> None:
    case, device = given_case(session), Device()
    once = device.enrolled(session, case, ca)
    assert device.enrolled(session, case, ca, at=AT + timedelta(minutes=1)) is once
    assert len(session.scalars(select(CaseEvent).where(CaseEvent.action == "certificate_issued")).all()) == 1


def test_another_investors_key_is_refused(session, ca) -> None:
    device = Device()
    device.enrolled(session, given_case(session), ca)
    with pytest.raises(KeyReused):
        device.enrolled(session, given_case(session, "许砚青"), ca)


def test_a_key_whose_certificate_was_revoked_does_not_come_back(session, ca) -> None:
    case, device = given_case(session), Device()
    service.revoke(session, device.enrolled(session, case, ca), "forgotten", ca, of(case), case=case)
    with pytest.raises(KeyReused):
        device.enrolled(session, case, ca)


def test_installing_again_on_a_device_revokes_its_former_certificate_and_no_other(session, ca) -> None:
    case = given_case(session)
    phone = Device().enrolled(session, case, ca, "phone")
    laptop = Device().enrolled(session, case, ca, "laptop")
    new = Device().enrolled(session, case, ca, "phone", at=AT + timedelta(minutes=1))
    assert (phone.revoked_why, laptop.revoked_at) == ("superseded", None)
    at = AT + timedelta(minutes=2)
    assert service.valid_certificates(session, case.investor_id, at) == [new, laptop]
    assert session.scalars(select(CaseEvent).where(CaseEvent.action == "certificate_revoked")).one()


def test_a_shared_device_keeps_the_certificates_of_both_investors(session, ca) -> None:
    first, second = given_case(session), given_case(session, "许砚青")
    made = Device().enrolled(session, first, ca, "family tablet")
    Device().enrolled(session, second, ca, "family tablet")
    assert made.revoked_at is None


def test_a_certificate_is_valid_from_its_issue_to_its_end_unless_revoked(session, ca) -> None:
    case = given_case(session)
    made = Device().enrolled(session, case, ca)
    assert not service.is_valid(made, AT - timedelta(seconds=1))
    assert service.is_valid(made, made.expires_at - timedelta(seconds=1))
    assert not service.is_valid(made, made.expires_at)
    service.revoke(session, made, "forgotten", ca, of(case))
    assert not service.is_valid(made, AT + timedelta(seconds=1))
    assert service.valid_certificates(session, case.investor_id, AT) == []


def test_a_serial_number_of_another_investor_finds_nothing(session, ca) -> None:
    made = Device().enrolled(session, given_case(session), ca)
    other = given_case(session, "许砚青")
    assert service.with_serial(session, other.investor_id, made.serial) is None
