"""After a rejection the next checker sees what is different, field by field and photo by photo, and who checked the rest (R5)."""

import io
from datetime import timedelta

import pytest
from sqlalchemy import select

from console.businesses.steps import Desk
from console.cases.models import Reason
from console.cases.transitions import Action, apply, finish_step, reject
from console.db import transaction
from console.evidence import service as evidence
from console.evidence.models import Kind
from console.portal.steps import said_of
from console.review.changes import since_rejection
from tests.review.given import case_in_review, hand_in_the_rest, video_of
from tests.world import AT, staff_named, stamp

HELD = {"key": "known1", "bank": "中国工商银行", "number": "6222020000000000001", "evidence": None, "known": True}
LATER, LATER_STILL = AT + timedelta(hours=1), AT + timedelta(hours=2)


def card(number: str, photo: str = "f" * 32) -> dict[str, object]:
    return {"key": "n1", "bank": "中国银行", "number": number, "evidence": photo, "known": False}


def sent_back(session, *codes: str, entered=None):
    """周晚晴's case as it came to the counter, sent back by 秦朗."""
    case = case_in_review(session, entered=entered)
    given = session.scalars(select(Reason).where(Reason.business_code == case.business_code, Reason.code.in_(codes)))
    reject(case, list(given), stamp(f"staff:{staff_named(session, 'qinlang').id}", LATER), desk=Desk.REVIEWER)
    return case


def mended(case, session, **contents):
    """Up to the counter again, with another witness."""
    for step, content in contents.items():
        finish_step(case, step, stamp(f"investor:{case.investor_id}", LATER_STILL), content=content)
    hand_in_the_rest(case, LATER_STILL)
    if case.current_step and case.current_step.desk is Desk.SEAT:
        apply(case, Action.JOIN_QUEUE, stamp(f"investor:{case.investor_id}", LATER_STILL))
        seat = stamp(f"staff:{staff_named(session, 'weiyinuo').id}", LATER_STILL)
        apply(case, Action.ANSWER, seat)
        video_of(session, case, "weiyinuo", LATER_STILL)
        apply(case, Action.PASS_VIDEO, seat)
        hand_in_the_rest(case, LATER_STILL)
    return case


def test_a_case_that_was_never_sent_back_has_nothing_to_compare(session):
    assert since_rejection(session, case_in_review(session), said_of) == {}


def test_a_card_that_was_exchanged_is_shown_as_the_one_that_went_and_the_one_that_came(session):
    case = sent_back(session, "card_mismatch", entered={"bank_card": {"cards": [HELD, card("6216600000000000011")]}})
    mended(case, session, bank_card={"cards": [HELD, card("6216600000000000029", "e" * 32)]})
    found = since_rejection(session, case, said_of)["bank_card"]
    assert found.redone
    assert [(change.title, change.before, change.after, change.photo) for change in found.changes] == [
        ("银行卡 **** 0011", "中国银行", "", False),
        ("银行卡 **** 0011 照片", "f" * 32, "", True),
        ("银行卡 **** 0029", "", "中国银行", False),
        ("银行卡 **** 0029 照片", "", "e" * 32, True),
    ]


def test_only_the_photo_that_is_another_one_is_a_change(session):
    before = {kind: {"photo": kind * 2, "shown": kind} for kind in ("id_front", "id_back", "signature")}
    case = sent_back(session, "id_photo_blurred", entered={"photos": before})
    mended(case, session, photos=before | {"id_front": {"photo": "new", "shown": "new crop"}})
    [change] = since_rejection(session, case, said_of)["photos"].changes
    assert (change.title, change.before, change.after) == ("身份证正面", "id_front", "new crop")


def test_a_step_that_was_handed_in_as_before_is_redone_without_a_change(session):
    entered = {"bank_card": {"cards": [HELD]}}
    case = sent_back(session, "id_photo_blurred", "card_mismatch", entered=entered)
    mended(case, session, photos=None, bank_card=entered["bank_card"])
    found = since_rejection(session, case, said_of)["bank_card"]
    assert (found.redone, found.changes) == (True, [])


def test_what_stayed_names_the_witness_who_checked_it_and_when(session):
    case = sent_back(session, "card_mismatch", entered={"bank_card": {"cards": [HELD]}})
    now = mended(case, session, bank_card={"cards": [card("6216600000000000029")]})
    found = since_rejection(session, now, said_of)
    assert not found["photos"].redone
    assert found["photos"].checked == ("韦一诺 F0300342", LATER_STILL)
    assert found["certificate_check"].checked is None  # nobody vouches for it


def test_what_nobody_has_seen_since_it_changed_names_nobody(session):
    case = sent_back(session, "card_mismatch", entered={"bank_card": {"cards": [HELD]}})
    finish_step(
        case,
        "bank_card",
        stamp(f"investor:{case.investor_id}", LATER_STILL),
        content={"cards": [card("6216600000000000029")]},
    )
    found = since_rejection(session, case, said_of)
    assert found["bank_card"].checked is None
    assert found["photos"].checked == ("陆文珊 F0300127", AT)


@pytest.fixture
def case_no(app) -> str:
    with transaction() as session:
        case = sent_back(session, "id_photo_blurred", "card_mismatch", entered={"bank_card": {"cards": [HELD]}})
        kept = evidence.keep(session, case, Kind.ID_FRONT, io.BytesIO(b"x"), stamp(), media_type="image/jpeg")
        photos = {"id_front": {"photo": kept.public_id, "shown": kept.public_id}}
        return mended(
            case, session, photos=photos, bank_card={"cards": [card("6216600000000000029", kept.public_id)]}
        ).case_no


def test_the_page_says_how_many_places_differ_and_shows_before_and_after(as_staff, case_no):
    page = as_staff("qinlang").get(f"/review/{case_no}").text
    assert "本次重做，3 处不同" in page  # one card went, another came, with its photo
    assert "<del>中国工商银行</del>" in page
    assert "<ins>中国银行</ins>" in page
    assert "未变" in page
