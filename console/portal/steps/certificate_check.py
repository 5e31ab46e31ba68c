"""证书检测 (web manual, 2.4): a valid certificate whose key is on this device leads to signing, anything else to the video."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from console.cases.models import Case
from console.certificates.service import valid_certificates
from console.stamp import Stamp

from . import Handed

KEY = "certificate_check"


def show(session: Session, case: Case) -> dict[str, Any]:
    return {"serials": [found.serial for found in valid_certificates(session, case.investor_id)]}


def submit(session: Session, case: Case, form: Mapping[str, str], mark: Stamp) -> Handed:
    """``serials``: of the keys that this browser holds, separated by commas. What counts is the register's own certificate."""
    held = {serial.strip().upper() for serial in form.get("serials", "").split(",")}
    usable = [c.serial for c in valid_certificates(session, case.investor_id, mark.at) if c.serial.upper() in held]
    return Handed({"serial": usable[-1] if usable else None}, {"holds_certificate": bool(usable)})


def facts(session: Session, case: Case) -> dict[str, Any]:
    return {"serial": (case.data_of(KEY) or {}).get("serial")}
