"""接通凭证: an offer counts with a permit only (TRUST 3): once, within a minute, for one call and side, from the sign-in it was given to.

A permit is a row, so that it holds whatever becomes of Redis; the row has only its hash, and using it takes the row away.
"""

import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from console.problem import Problem
from console.stamp import Stamp

from .models import CallPermit, VideoSession

LASTS = timedelta(seconds=60)


class PermitRefused(Problem):
    status, code = 409, "permit_refused"
    text = "接通凭证无效：已用过、已过期，或不属于这次通话。页面会重新取得并接通，请稍候。"


def issue(session: Session, call: VideoSession, side: str, sign_in: int, stamp: Stamp) -> str:
    """A new one. Whether this side may connect now was checked by the caller."""
    session.execute(delete(CallPermit).where(CallPermit.expires_at <= stamp.at))
    permit = secrets.token_urlsafe(24)
    row = CallPermit(
        token=_hash(permit), session_id=call.id, side=side, sign_in_id=sign_in, expires_at=stamp.at + LASTS
    )
    session.add(row)
    return permit


def use(session: Session, permit: str, call: VideoSession, side: str, sign_in: int, stamp: Stamp) -> None:
    """From now on it was used. Raises PermitRefused."""
    this = (CallPermit.token == _hash(permit)) & (CallPermit.expires_at > stamp.at)
    fits = (CallPermit.session_id == call.id) & (CallPermit.side == side) & (CallPermit.sign_in_id == sign_in)
    if session.scalar(delete(CallPermit).where(this, fits).returning(CallPermit.token)) is None:
        raise PermitRefused(call.session_no)


def _hash(permit: str) -> str:
    return hashlib.sha256(permit.encode()).hexdigest()
