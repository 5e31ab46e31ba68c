"""Staff sign in with username and password; tries are counted in the database, so that all web processes count as one."""

from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from console import vault
from console.people.audit import note_staff
from console.people.models import SignInTry, Staff
from console.problem import Problem
from console.stamp import Stamp

WINDOW = timedelta(minutes=15)
TRIES_OF_A_NAME_HERE = 5  # with one username from one address
TRIES_OF_A_NAME = 20  # with one username from anywhere
TRIES_FROM_AN_ADDRESS = 40  # with any username: a branch sits behind one address


class TooManyTries(Problem):
    status, code = 429, "too_many_tries"
    text = "尝试次数过多，请 15 分钟后再试。忘记密码请联系管理员重置。"


class WrongPassword(Problem):
    """Unknown name, wrong password and a stopped account read the same."""

    status, code = 422, "wrong_password"
    text = "用户名或密码不正确，请核对后重试。"


def count_try(session: Session, username: str, stamp: Stamp) -> None:
    """Counts before the password is looked at, so that tries side by side are all counted. Raises TooManyTries."""
    name, since = _index(username), stamp.at - WINDOW
    session.execute(delete(SignInTry).where(SignInTry.at < since))
    here, anywhere, address = session.execute(
        select(
            func.count().filter(SignInTry.name_index == name, SignInTry.address == stamp.address),
            func.count().filter(SignInTry.name_index == name),
            func.count().filter(SignInTry.address == stamp.address),
        ).select_from(SignInTry)
    ).one()
    if here >= TRIES_OF_A_NAME_HERE or anywhere >= TRIES_OF_A_NAME or address >= TRIES_FROM_AN_ADDRESS:
        raise TooManyTries
    session.add(SignInTry(name_index=name, address=stamp.address, at=stamp.at))


def password_of(session: Session, username: str) -> tuple[int, str] | None:
    """Id and hash of the active account of that name."""
    row = session.execute(
        select(Staff.id, Staff.password_hash).where(Staff.username == username.strip(), Staff.active)
    ).first()
    return (row.id, row.password_hash) if row else None


def note_sign_in(session: Session, staff: Staff, stamp: Stamp) -> None:
    """Forget the tries of this name from here, but tell in the trail how many had failed."""
    mine = (SignInTry.name_index == _index(staff.username), SignInTry.address == stamp.address)
    failed = (session.scalar(select(func.count()).select_from(SignInTry).where(*mine)) or 1) - 1
    session.execute(delete(SignInTry).where(*mine))
    note_staff(session, staff, "signed_in", stamp, detail=f"此前失败 {failed} 次" if failed else "")


def _index(username: str) -> str:
    return vault.current().index(username, "sign_in_try.name")
