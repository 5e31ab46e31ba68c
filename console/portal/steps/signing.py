"""签署协议 (app manual, 2.7; web manual, 2.4): read, agree, sign with the certificate on this device."""

import base64
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, jsonify
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from console.access import case_or_404, investor_only, stamp
from console.agreements import signing
from console.cases.models import Case
from console.certificates import service as certificates
from console.db import transaction
from console.portal.asked import asked, asked_bytes
from console.problem import BadPayload
from console.stamp import Stamp

from . import Handed, NotYet


def show(session: Session, case: Case) -> dict[str, Any]:
    """``documents``: see console.agreements.signing; ``reinstall``: key of the step that leads to a new certificate."""
    documents = signing.documents(session, case)
    valid = certificates.valid_certificates(session, case.investor_id)
    usable = {each.id for each in valid}
    signed = [d for d in documents if d.signature is not None and d.signature.certificate_id in usable]
    keys = [step.key for step in case.path]
    return {
        "documents": documents,
        "unread": [d for d in documents if d.signature is None and not d.read],
        "all_signed": len(signed) == len(documents),
        "valid": [each.serial for each in valid],
        "holder": "certificate" not in keys,
        "reinstall": "certificate" if "certificate" in keys else "certificate_check",
    }


def submit(session: Session, case: Case, form: Mapping[str, str], stamp: Stamp) -> Handed:
    missing = signing.missing(session, case, stamp.at)
    if missing:
        raise NotYet(missing)
    return Handed({"signatures": [d.signature.id for d in signing.documents(session, case) if d.signature is not None]})


def facts(session: Session, case: Case) -> dict[str, Any]:
    """``signed``: [(signature, what does not hold about it or None)] that this step was finished with."""
    kept = set((case.data_of("signing") or {}).get("signatures", ()))
    mine = [each for each in signing.signatures_of(session, case) if each.id in kept]
    return {"signed": [(each, signing.verify(each)) for each in mine]}


def routes(bp: Blueprint) -> None:
    bp.add_url_rule("/case/<case_no>/signing/offer", view_func=offer_signing, methods=["POST"])
    bp.add_url_rule("/case/<case_no>/signing/answer", view_func=answer_signing, methods=["POST"])


@investor_only
def offer_signing(case_no: str) -> Response:
    """``serial`` of the certificate on the device. Answers {documents: [{id, title, bytes (Base64)}]} to be signed."""
    with transaction() as session:
        case = case_or_404(session, case_no)
        offered = signing.offer(session, case, asked("serial", str), stamp())
        return jsonify(
            documents=[
                {
                    "id": each.id,
                    "title": each.version.agreement.title,
                    "bytes": base64.b64encode(each.signed_bytes).decode(),
                }
                for each in offered
            ]
        )


@investor_only
def answer_signing(case_no: str) -> Response:
    """``signatures``: {id of the offer: r‖s, Base64}. All of them hold, or nothing is kept."""
    with transaction() as session:
        case = case_or_404(session, case_no)
        given = asked("signatures", dict)
        answers = {_number(key): asked_bytes(value, 2 * signing.COORDINATE) for key, value in given.items()}
        signed = signing.answer(session, case, answers, stamp())
        return jsonify(signed=[each.id for each in signed])


def _number(key: object) -> int:
    if not isinstance(key, str) or not key.isdecimal() or len(key) > 12:
        raise BadPayload("signatures")
    return int(key)
