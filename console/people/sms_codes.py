"""短信验证码: six digits sent to one phone for one purpose. Kept as a blind index; ends by use, by age, or after five wrong tries.

A code for somebody we do not know is kept like any other and simply never sent, so that nothing tells the two apart (TRUST 16).
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from console import vault
from console.people.models import SmsCode
from console.people.numbers import next_number
from console.problem import Problem

DIGITS = 6
LIFETIME = timedelta(minutes=5)
MOST_TRIES = 5
PAUSE = timedelta(seconds=60)
KEPT = timedelta(days=2)


@dataclass(frozen=True)
class Limit:
    most: int
    within: timedelta


TO_ONE_PHONE = (Limit(1, PAUSE), Limit(5, timedelta(hours=1)), Limit(10, timedelta(days=1)))
FROM_ONE_ADDRESS = (Limit(30, timedelta(hours=1)), Limit(100, timedelta(days=1)))  # a branch sits behind one address
IN_ALL = Limit(5000, timedelta(days=1))


class TooManySms(Problem):
    status, code = 429, "too_many_sms"
    text = "短信验证码发送太频繁，请稍后再试。已填写的内容都还在。"


class WrongCode(Problem):
    """Wrong, expired, used, for another phone and tried too often read the same."""

    status, code = 422, "wrong_code"
    text = "短信验证码不正确或已过期。请核对最近一条短信，或重新获取；连续输错 5 次后需重新获取。"


def issue(session: Session, phone_index: str, purpose: str, address: str, at: datetime) -> tuple[SmsCode, str]:
    """A new code and its row. Raises TooManySms."""
    next_number(session, "sms:turn")  # everybody who asks at the same moment waits here: limits are counted one by one
    session.execute(delete(SmsCode).where(SmsCode.sent_at < at - KEPT))
    _keep_limits(session, phone_index, address, at)
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"
    row = SmsCode(
        phone_index=phone_index,
        address=address,
        purpose=purpose,
        code_index=_index(phone_index, code),
        sent_at=at,
    )
    session.add(row)
    session.flush()
    return row, code


def matches(
    session: Session,
    code_id: int,
    phone_index: str,
    purpose: str,
    typed: str,
    at: datetime,
    *,
    use: bool,
    most: int = MOST_TRIES,
) -> bool:
    """Whether ``typed`` is the code; a wrong one is counted, so commit whatever the answer. ``use`` ends a right one; after ``most``
    wrong ones nothing is right.
    """
    row = session.scalar(select(SmsCode).where(SmsCode.id == code_id).with_for_update())
    if row is None or row.used_at is not None or row.tries >= most or row.sent_at <= at - LIFETIME:
        return False
    right = (
        row.phone_index == phone_index
        and row.purpose == purpose
        and secrets.compare_digest(row.code_index, _index(phone_index, typed))
    )
    if not right:
        row.tries += 1
    elif use:
        row.used_at = at
    return right


def _keep_limits(session: Session, phone_index: str, address: str, at: datetime) -> None:
    asked = [
        *((limit, SmsCode.phone_index == phone_index) for limit in TO_ONE_PHONE),
        *((limit, SmsCode.address == address) for limit in FROM_ONE_ADDRESS),
        (IN_ALL, SmsCode.id.is_not(None)),
    ]
    for limit, whose in asked:
        sent = session.scalar(select(func.count()).where(whose, SmsCode.sent_at > at - limit.within)) or 0
        if sent >= limit.most:
            raise TooManySms


def _index(phone_index: str, code: str) -> str:
    return vault.current().index(f"{phone_index}:{code}", "sms_code.code")
