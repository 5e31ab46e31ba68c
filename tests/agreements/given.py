"""Texts, readers and signers for the tests of this folder; the signer's key does what WebCrypto does in the browser."""

import hashlib
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID
from sqlalchemy import select
from sqlalchemy.orm import Session

from console.adapters.ca import CertificateAuthority
from console.agreements import importing, proof, service
from console.agreements.models import AgreementVersion, Purpose, Reading
from console.cases.models import Case
from console.cases.transitions import Action, apply, finish_step
from console.certificates.models import Certificate
from console.certificates.service import enrol
from console.people.models import Broker
from console.stamp import Stamp
from tests.world import AT, given_case, stamp

PARAGRAPH = "期货交易实行保证金制度，行情不利时亏损可能超过您投入的全部本金。"


def text(title: str, paragraphs: int = 40) -> bytes:
    return (f"# {title}\n\n" + "\n\n".join(f"第{n}条　{PARAGRAPH}" for n in range(1, paragraphs + 1))).encode()


def broker(session: Session) -> Broker:
    return session.scalars(select(Broker)).one()


def published(
    session: Session,
    code: str,
    purpose: Purpose = Purpose.SIGN,
    *,
    businesses: tuple[str, ...] = (),
    source: bytes | None = None,
    at=AT,
    position: int | None = None,
) -> AgreementVersion:
    return service.import_version(
        session,
        broker(session),
        code=code,
        title=f"《{code}》标题",
        purpose=purpose,
        businesses=businesses,
        source=source or text(code),
        source_name=f"{code}.md",
        stamp=stamp(at=at),
        position=position,
    )


def of(case: Case, at=AT) -> Stamp:
    """The investor's own hand."""
    return stamp(f"investor:{case.investor_id}", at)


def read_to_the_end(session: Session, case: Case, version: AgreementVersion, at=AT) -> Reading:
    proof.open_reading(session, case, version, of(case, at))
    pages = range(1, len(importing.pages(version.html)) + 1)
    return proof.finish(session, case, version.id, version.sha256, pages, 600_000, of(case, at + timedelta(minutes=10)))


def at_signing(session: Session, name: str = "周晚晴", at=AT) -> Case:
    """修改结算账户 of ``name``, everything done but the signing."""
    case = given_case(session, name, at=at)
    mine = of(case, at)
    finish_step(case, "photos", mine)
    finish_step(case, "bank_card", mine)
    finish_step(case, "certificate_check", mine, facts={"holds_certificate": False})
    apply(case, Action.JOIN_QUEUE, mine)
    apply(case, Action.ANSWER, stamp(at=at))
    apply(case, Action.PASS_VIDEO, stamp(at=at))
    finish_step(case, "certificate", mine)
    return case


def request_over(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS#10 as the browser makes it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "investor")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


class Device:
    """An investor's phone: a key and what it signs."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())

    def enrolled(
        self, session: Session, case: Case, ca: CertificateAuthority, name: str = "Android Chrome 1", at=AT
    ) -> Certificate:
        return enrol(session, case, request_over(self.key), name, ca, of(case, at))

    def sign(self, message: bytes) -> bytes:
        """r‖s, as WebCrypto gives it."""
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
