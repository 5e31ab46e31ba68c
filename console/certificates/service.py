"""Enrol, find and revoke investors' certificates. The private key is made in the browser and never comes here."""

import base64
import hashlib
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import vault
from console.adapters.ca import CertificateAuthority
from console.cases.models import Case
from console.cases.trail import Happening, note
from console.people.models import Investor
from console.problem import Problem
from console.stamp import Stamp

from .models import Certificate

LONGEST_REQUEST = 4096  # bytes; a request over a P-256 key has about 250


class BadRequest(Problem):
    """The certificate request is damaged, not signed by its own key, or over a key of another kind than P-256."""

    status, code = 422, "bad_certificate_request"
    text = "证书安装失败：证书申请无效。请点“重新安装”；多次失败请联系期货公司。"


class KeyReused(Problem):
    """The key has, or had, a certificate that is another's or no longer valid."""

    status, code = 409, "key_reused"
    text = "证书安装失败：这把密钥已经用过。请点“重新安装”，系统会生成新的密钥。"


def enrol(
    session: Session, case: Case, csr_der: bytes, device: str, authority: CertificateAuthority, stamp: Stamp
) -> Certificate:
    """A certificate for the investor of ``case`` over the key of the PKCS#10 request (RFC 2986), which proves possession by its signature.

    The same key again (lost response) gives the same certificate. The former certificate of the same device is revoked.
    Raises BadRequest, KeyReused.
    """
    investor, device = case.investor, device.strip()[:80]
    key_sha256 = _key_of(csr_der)
    known = session.scalar(select(Certificate).where(Certificate.key_sha256 == key_sha256))
    if known is not None:
        if known.investor_id != investor.id or not is_valid(known, stamp.at):
            raise KeyReused(known.serial)
        return known
    for former in valid_certificates(session, investor.id, stamp.at):
        if former.device == device:
            revoke(session, former, "superseded", authority, stamp, case=case)
    issued = authority.issue(csr_der, investor.name, pseudonym(investor), stamp.at)
    certificate = Certificate(
        investor_id=investor.id,
        case_id=case.id,
        serial=issued.serial,
        der=issued.der,
        key_sha256=key_sha256,
        device=device,
        issued_at=stamp.at,
        expires_at=issued.expires_at,
    )
    session.add(certificate)
    session.flush()
    note(case, Happening.CERTIFICATE_ISSUED, stamp, serial=issued.serial, expires_at=issued.expires_at.isoformat())
    return certificate


def pseudonym(investor: Investor) -> str:
    """The same for one person at every broker's case, and no way back to the ID number without the vault's key."""
    return vault.current().index(investor.id_no, "certificate.subject")


def _key_of(csr_der: bytes) -> str:
    """SHA-256 over the SubjectPublicKeyInfo, once the request is sound."""
    if len(csr_der) > LONGEST_REQUEST:
        raise BadRequest("too long")
    try:
        request = x509.load_der_x509_csr(csr_der)
        key = request.public_key()
        sound = request.is_signature_valid
    except (ValueError, TypeError) as error:
        raise BadRequest(str(error)) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadRequest("not a P-256 key")
    if not sound:
        raise BadRequest("not signed by its own key")
    info = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(info).hexdigest()


def is_valid(certificate: Certificate, at: datetime) -> bool:
    return certificate.revoked_at is None and certificate.issued_at <= at < certificate.expires_at


def valid_certificates(session: Session, investor_id: int, at: datetime | None = None) -> list[Certificate]:
    """Those the investor can sign with at ``at`` (now when None), newest first: one a device."""
    moment = at or datetime.now(UTC)
    found = session.scalars(
        select(Certificate)
        .where(
            Certificate.investor_id == investor_id, Certificate.revoked_at.is_(None), Certificate.expires_at > moment
        )
        .order_by(Certificate.id.desc())
    )
    return [each for each in found if is_valid(each, moment)]


def with_serial(session: Session, investor_id: int, serial: str) -> Certificate | None:
    """The investor's own certificate of that number, valid or not."""
    return session.scalar(
        select(Certificate).where(Certificate.investor_id == investor_id, Certificate.serial == serial)
    )


def revoke(
    session: Session,
    certificate: Certificate,
    why: str,
    authority: CertificateAuthority,
    stamp: Stamp,
    *,
    case: Case | None = None,
) -> None:
    """``why``: superseded (installed again on the device) or forgotten (the password).

    What was signed before stays signed. Again: nothing more happens.
    """
    if certificate.revoked_at is not None:
        return
    authority.revoke(certificate.serial, why)
    certificate.revoked_at, certificate.revoked_why = stamp.at, why
    session.flush()
    if case is not None:
        note(case, Happening.CERTIFICATE_REVOKED, stamp, serial=certificate.serial, why=why)


def is_genuine(certificate: Certificate) -> bool:
    """The kept DER is of this serial number and key; bytes that are no certificate are not."""
    try:
        kept = x509.load_der_x509_certificate(certificate.der)
        info = public_key(certificate).public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except ValueError:
        return False
    return (
        f"{kept.serial_number:X}" == certificate.serial and hashlib.sha256(info).hexdigest() == certificate.key_sha256
    )


def public_key(certificate: Certificate) -> ec.EllipticCurvePublicKey:
    key = x509.load_der_x509_certificate(certificate.der).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def base64_of(certificate: Certificate) -> str:
    return base64.b64encode(certificate.der).decode()


def subject(certificate: Certificate) -> str:
    """The name in the certificate (CN); '' where the kept bytes are no certificate (any more)."""
    if not is_genuine(certificate):
        return ""
    names = x509.load_der_x509_certificate(certificate.der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""
