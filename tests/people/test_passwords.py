import time

import pytest

from console.chain import find_break
from console.people import passwords
from console.people.audit import note_staff
from console.people.models import StaffEvent
from tests.world import staff_named, stamp


def test_a_password_matches_its_own_hash_only():
    kept = passwords.hash_password("correct-horse-9")
    assert passwords.matches(kept, "correct-horse-9")
    assert not passwords.matches(kept, "correct-horse-8")


def test_the_same_password_never_has_the_same_hash_twice():
    assert passwords.hash_password("x") != passwords.hash_password("x")


def test_nobody_has_no_password_not_even_the_empty_one():
    assert not passwords.matches(None, "")


@pytest.mark.parametrize("kept", ["", "x", "$argon2id$v=19$m=8,t=1,p=1$damaged"])
def test_a_damaged_hash_matches_nothing(kept):
    assert not passwords.matches(kept, "correct-horse-9")


def test_an_unknown_name_takes_as_long_as_a_known_one():
    """TRUST 16: the time must not tell who has an account. Compared by the better of several runs: the machine is shared."""
    kept = passwords.hash_password("correct-horse-9")
    passwords.nobodys_hash()

    def best(hash_: str | None) -> float:
        runs = []
        for _ in range(5):
            began = time.process_time()
            passwords.matches(hash_, "wrong")
            runs.append(time.process_time() - began)
        return min(runs)

    known, unknown = best(kept), best(None)
    assert 0.5 < known / unknown < 2


def test_the_lines_of_each_member_of_staff_are_a_chain_of_their_own(session):
    for username in ("qinlang", "fangyi", "qinlang"):
        note_staff(session, staff_named(session, username), "signed_in", stamp())
    for username, length in (("qinlang", 2), ("fangyi", 1)):
        lines = session.query(StaffEvent).filter_by(staff_id=staff_named(session, username).id).order_by(StaffEvent.seq)
        assert [line.seq for line in lines] == list(range(1, length + 1))
        assert find_break(lines) is None
