"""Signing (A4): the investor's key signs, in the browser, the canonical bytes that the server offered; the server verifies and keeps both.

The bytes are JSON (sorted keys, no white space, UTF-8) and name the text, the case, the certificate and a nonce: a signature moved to
another document, case or certificate does not verify. Two requests, ``offer`` and ``answer``; either may be sent again.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from console.cases.models import Case, Status
from console.cases.trail import Happening, hold, note
from console.cases.transitions import StaleStep
from console.certificates import service as certificates
from console.certificates.models import Certificate
from console.db import AS_OF
from console.problem import Problem
from console.stamp import Stamp

from . import service
from .models import AgreementVersion, Purpose, Signature
from .proof import NotRead

STEP = "signing"
FORM = "witness-desk/signature/1"
COORDINATE = 32  # bytes of r and of s, as WebCrypto gives them (IEEE P1363)


class NoCertificate(Problem):
    """There is no such certificate of this investor, or it is revoked or expired."""

    status, code = 422, "no_certificate"
    text = "这台设备上的数字证书已失效，不能用来签署。请重新安装数字证书。"


class VersionChanged(Problem):
    """A text that was offered has been replaced since."""

    status, code = 409, "version_changed"
    text = "协议已更新，本次签署没有生效。请重新阅读新版本后再签署。"


class NotOffered(Problem):
    """The answer names something that is not on offer for this case (any more)."""

    status, code = 409, "not_offered"
    text = "这次签署已经过期，请刷新页面后重新签署。"


class BadSignature(Problem):
    """The signature is not that of the certificate's key over the offered bytes."""

    status, code = 422, "bad_signature"
    text = "签名验证没有通过，本次签署没有生效。请刷新页面后重试；多次失败请重新安装数字证书。"


@dataclass(frozen=True)
class Document:
    """One document to sign as the case sees it: the version, whether it was read, the signature that counts."""

    version: AgreementVersion
    read: bool
    signature: Signature | None


def documents(session: Session, case: Case) -> list[Document]:
    """What has to be signed, in order. What is signed stays with the version that was signed."""
    signed = {each.version.agreement_id: each for each in signatures_that_count(session, case)}
    read = {each.version_id for each in service.readings_of(session, case) if each.finished_at is not None}
    shown = []
    for live in service.versions_of(session, case, Purpose.SIGN):
        signature = signed.get(live.agreement_id)
        version = signature.version if signature else live
        shown.append(Document(version, version.id in read, signature))
    return shown


def signatures_of(session: Session, case: Case) -> list[Signature]:
    """Every offer and signature of the case, oldest first."""
    return list(
        session.scalars(
            select(Signature)
            .where(Signature.case_id == case.id)
            .options(
                joinedload(Signature.version).joinedload(AgreementVersion.agreement), joinedload(Signature.certificate)
            )
            .order_by(Signature.id)
        )
    )


def signatures_that_count(session: Session, case: Case) -> list[Signature]:
    """Made since signing was last reopened, and not superseded by a later one; AS_OF a time: those that counted at it."""
    since, at = reopened_at(case), session.info.get(AS_OF)
    return [
        each
        for each in signatures_of(session, case)
        if each.signed_at is not None
        and (each.superseded_at is None or (at is not None and each.superseded_at > at))
        and (since is None or each.signed_at > since)
        and (at is None or each.signed_at <= at)
    ]


def reopened_at(case: Case) -> datetime | None:
    """When signing was last opened again, by a rejection or by going back."""
    return max((e.reopened_at for e in case.entries if e.step == STEP and e.reopened_at is not None), default=None)


def offer(session: Session, case: Case, serial: str, stamp: Stamp) -> list[Signature]:
    """What the key of the certificate has still to sign. Offering again gives the same bytes.

    Raises StaleStep, NoCertificate, NotRead (naming the document).
    """
    _here(case)
    certificate = certificates.with_serial(session, case.investor_id, serial)
    if certificate is None or not certificates.is_valid(certificate, stamp.at):
        raise NoCertificate(serial)
    due = []
    for document in documents(session, case):
        if document.signature is not None and certificates.is_valid(document.signature.certificate, stamp.at):
            continue
        if document.signature is not None:  # its certificate is gone: the text in force is signed afresh
            document.signature.superseded_at = stamp.at
        due.append(service.in_force(document.version.agreement) or document.version)
    read = {each.version_id for each in service.readings_of(session, case) if each.finished_at is not None}
    for version in due:
        if version.id not in read:
            raise NotRead(version.id, text=f"《{version.agreement.title}》：请完整阅读该协议内容。")
    return [_offered(session, case, version, certificate, stamp) for version in due]


def _here(case: Case) -> None:
    """The case stands at signing, and nobody else moves or signs it until this transaction ends."""
    hold(case)
    step = case.current_step
    if case.status is not Status.WITH_INVESTOR or step is None or step.key != STEP:
        raise StaleStep(case, STEP)


def _offered(
    session: Session, case: Case, version: AgreementVersion, certificate: Certificate, stamp: Stamp
) -> Signature:
    since = reopened_at(case)
    for each in signatures_of(session, case):
        if each.version.agreement_id != version.agreement_id or each.superseded_at is not None:
            continue
        current = each.signed_at is None and (since is None or each.offered_at > since)
        if current and each.version_id == version.id and each.certificate_id == certificate.id:
            return each
        each.superseded_at = stamp.at
    nonce = secrets.token_urlsafe(32)
    made = Signature(
        case_id=case.id,
        version_id=version.id,
        certificate_id=certificate.id,
        nonce=nonce,
        signed_bytes=to_be_signed(version, case, certificate, nonce, stamp.at),
        offered_at=stamp.at,
    )
    session.add(made)
    session.flush()
    return made


def to_be_signed(version: AgreementVersion, case: Case, certificate: Certificate, nonce: str, at: datetime) -> bytes:
    """The exact bytes the key signs; ``at`` is when they were offered, server time."""
    said = {
        "form": FORM,
        "document": {
            "sha256": version.sha256,
            "version": version.id,
            "code": version.agreement.code,
            "number": version.number,
        },
        "case": case.case_no,
        "certificate": certificate.serial,
        "nonce": nonce,
        "at": at.isoformat(),
    }
    return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def answer(session: Session, case: Case, answers: Mapping[int, bytes], stamp: Stamp) -> list[Signature]:
    """Keep the signatures, ``id`` of the offer to r‖s: all of them or, when one does not hold, none. What is signed already stays.

    Raises StaleStep, NotOffered, VersionChanged, NoCertificate, BadSignature.
    """
    hold(case)
    offers = {each.id: each for each in signatures_of(session, case)}
    if not answers or not set(answers) <= set(offers):
        raise NotOffered(sorted(answers))
    named = [offers[key] for key in answers]
    if all(each.signed_at is not None and each.superseded_at is None for each in named):
        return named  # the answer was lost on its way back and is sent again
    _here(case)
    for each in named:
        if each.signed_at is None:
            _accept(case, each, answers[each.id], stamp)
    session.flush()
    return named


def _accept(case: Case, offered: Signature, raw: bytes, stamp: Stamp) -> None:
    since = reopened_at(case)
    if offered.superseded_at is not None or (since is not None and offered.offered_at <= since):
        raise NotOffered(offered.id)
    if offered.version.retired_at is not None:
        raise VersionChanged(offered.version_id)
    if not certificates.is_valid(offered.certificate, stamp.at):
        raise NoCertificate(offered.certificate.serial)
    if len(raw) != 2 * COORDINATE:
        raise BadSignature(offered.id)
    r, s = (int.from_bytes(half, "big") for half in (raw[:COORDINATE], raw[COORDINATE:]))
    offered.signature, offered.signed_at = encode_dss_signature(r, s), stamp.at
    if (why := verify(offered)) is not None:
        raise BadSignature(why)
    note(
        case,
        Happening.DOCUMENT_SIGNED,
        stamp,
        version=offered.version_id,
        sha256=offered.version.sha256,
        certificate=offered.certificate.serial,
        signature=hashlib.sha256(offered.signature).hexdigest(),
    )


def verify(signature: Signature) -> str | None:
    """What does not hold about a signature, or None: everything is worked out afresh from what is kept."""
    if signature.signature is None or signature.signed_at is None:
        return "没有签名"
    said = _read(signature.signed_bytes)
    version, certificate, case = signature.version, signature.certificate, signature.case
    if hashlib.sha256(version.html.encode()).hexdigest() != version.sha256:
        return "协议正文与登记的摘要不一致"
    document = said.get("document", {})
    if (document.get("sha256"), document.get("version")) != (version.sha256, version.id):
        return "签名不是对这份协议作出的"
    if said.get("form") != FORM or said.get("case") != case.case_no:
        return "签名不是为这张受理单作出的"
    if said.get("nonce") != signature.nonce:
        return "签名的随机数不一致"
    if said.get("certificate") != certificate.serial or certificate.investor_id != case.investor_id:
        return "签名所用的证书不是该投资者的这张证书"
    if not certificates.is_genuine(certificate):
        return "证书内容与登记的不一致"
    if not certificate.issued_at <= signature.signed_at < certificate.expires_at:
        return "签署时证书不在有效期内"
    if certificate.revoked_at is not None and certificate.revoked_at <= signature.signed_at:
        return "签署时证书已被吊销"
    try:
        certificates.public_key(certificate).verify(
            signature.signature, signature.signed_bytes, ec.ECDSA(hashes.SHA256())
        )
    except (InvalidSignature, ValueError):
        return "签名与内容不符"
    return None


def _read(signed_bytes: bytes) -> dict[str, Any]:
    try:
        said = json.loads(signed_bytes)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def missing(session: Session, case: Case, at: datetime) -> dict[str, str]:
    """What is still to be done before the case may go on: ``text-<version>`` to a sentence; empty when all is signed."""
    found = {}
    for document in documents(session, case):
        title = document.version.agreement.title
        if document.signature is None:
            why = "还没有签署" if document.read else "请完整阅读该协议内容，再签署"
        elif not certificates.is_valid(document.signature.certificate, at):
            why = "所用的证书已失效，请重新签署"
        else:
            why = verify(document.signature) or ""
        if why:
            found[f"text-{document.version.id}"] = f"《{title}》：{why}。"
    return found
