"""图形验证码: one picture (or its spoken alternative) to read. Any try burns it, right or wrong; it ends after five minutes."""

import secrets
from datetime import datetime, timedelta
from functools import cache

from captcha.audio import AudioCaptcha
from captcha.image import ImageCaptcha
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from console import vault
from console.people.models import Captcha
from console.problem import Problem

SIGNS = "234679ACDEFGHJKMNPRTUVWXY"  # no two of them look or sound alike
LENGTH = 4
LIFETIME = timedelta(minutes=5)
PAPER, INK = (238, 243, 242), (29, 79, 78)


class WrongCaptcha(Problem):
    """Wrong, expired and used already read the same."""

    status, code = 422, "wrong_captcha"
    text = "图形验证码不正确或已过期，已为您换了一张，请重新输入。"


def make(session: Session, at: datetime) -> Captcha:
    """A new one; those that ended long ago go."""
    session.execute(delete(Captcha).where(Captcha.made_at < at - 2 * LIFETIME))
    answer = "".join(secrets.choice(SIGNS) for _ in range(LENGTH))
    made = Captcha(token=secrets.token_urlsafe(32), answer=answer, answer_index=_index(answer), made_at=at)
    session.add(made)
    session.flush()
    return made


def answer_of(session: Session, token: str, at: datetime) -> str | None:
    """What to draw or to say; None when it has ended."""
    found = session.scalar(select(Captcha).where(Captcha.token == token, *_alive(at)))
    return found.answer if found else None


def burn(session: Session, token: str, typed: str, at: datetime) -> bool:
    """Whether ``typed`` is right. Commit this whatever else fails: nobody gets a second try at the same picture."""
    burnt = (
        update(Captcha).where(Captcha.token == token, *_alive(at)).values(used_at=at).returning(Captcha.answer_index)
    )
    wanted = session.scalar(burnt)
    return wanted is not None and secrets.compare_digest(wanted, _index(typed))


def picture(answer: str) -> bytes:
    """PNG, 248 by 96 pixels."""
    return ImageCaptcha(width=248, height=96).generate(answer, bg_color=PAPER, fg_color=INK).getvalue()


def sound(answer: str) -> bytes:
    """WAV: the signs spoken over a murmur. A quarter of a second of CPU."""
    return bytes(_speaker().generate(answer))


def _alive(at: datetime) -> tuple:
    return Captcha.used_at.is_(None), Captcha.made_at > at - LIFETIME


def _index(answer: str) -> str:
    return vault.current().index(answer, "captcha.answer")


@cache
def _speaker() -> AudioCaptcha:
    return AudioCaptcha()
