"""安装数字证书 (app manual, 2.6): the key is made in the browser, locked with a password that nobody else ever sees."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, current_app, jsonify
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from console.access import case_or_404, investor_only, stamp
from console.adapters import ca
from console.cases.models import Case
from console.certificates import service as certificates
from console.certificates.models import Certificate
from console.db import transaction
from console.portal.asked import asked, asked_bytes
from console.portal.changing import at_work
from console.stamp import Stamp

from . import Handed, NotYet

NOT_INSTALLED = "还没有安装数字证书。请设置证书密码后点“安装数字证书”。"


def show(session: Session, case: Case) -> dict[str, Any]:
    """``valid``: serial numbers of the investor's certificates that can be signed with; which of them is here, the device knows."""
    return {"valid": [each.serial for each in certificates.valid_certificates(session, case.investor_id)]}


def submit(session: Session, case: Case, form: Mapping[str, str], stamp: Stamp) -> Handed:
    certificate = certificates.with_serial(session, case.investor_id, form.get("serial", ""))
    if certificate is None or not certificates.is_valid(certificate, stamp.at):
        raise NotYet({"password": NOT_INSTALLED})
    return Handed({"serial": certificate.serial})


def facts(session: Session, case: Case) -> dict[str, Any]:
    """The certificate this step was finished with; ``subject``: what it says about its holder."""
    serial = (case.data_of("certificate") or {}).get("serial", "")
    found = certificates.with_serial(session, case.investor_id, serial)
    return {"certificate": found, "subject": certificates.subject(found) if found else None}


def routes(bp: Blueprint) -> None:
    bp.add_url_rule("/case/<case_no>/certificate/enrol", view_func=enrol_certificate, methods=["POST"])
    bp.add_url_rule("/case/<case_no>/certificate/forget", view_func=forget_certificate, methods=["POST"])


@investor_only
def enrol_certificate(case_no: str) -> Response:
    """``csr``: PKCS#10, DER, Base64; ``device``: what the browser calls itself. Answers {serial, certificate, not_after}."""
    with transaction() as session:
        case = at_work(session, case_no, "certificate", stamp())
        csr = asked_bytes(asked("csr", str), certificates.LONGEST_REQUEST)
        made = certificates.enrol(session, case, csr, asked("device", str), _authority(), stamp())
        return jsonify(_told(made))


@investor_only
def forget_certificate(case_no: str) -> Response:
    """The password is forgotten: the certificate is void from now on, whatever becomes of the device."""
    with transaction() as session:
        case = case_or_404(session, case_no)
        found = certificates.with_serial(session, case.investor_id, asked("serial", str))
        if found is None:
            raise NotFound
        certificates.revoke(session, found, "forgotten", _authority(), stamp(), case=case)
        return jsonify(ok=True)


def _authority() -> ca.CertificateAuthority:
    return ca.authority(current_app.extensions["settings"])


def _told(certificate: Certificate) -> dict[str, Any]:
    return {
        "serial": certificate.serial,
        "certificate": certificates.base64_of(certificate),
        "not_after": certificate.expires_at.isoformat(),
    }
