"""What staff write is kept as it was written, or refused with the reason: never cut."""

import html
import json
import re
from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from console.video_seat import service, suspicions
from console.video_seat.models import CheckResult, VideoSession
from console.video_seat.words import NOTE, REMARK, WORDS, TooLong, written
from tests.video_seat.conftest import Socket, Witness
from tests.video_seat.given import at, talking
from tests.video_seat.test_sockets import connected, the_call
from tests.world import staff_named

Open = Callable[[str], Witness]
OpenInvestor = Callable[..., Socket]


def test_a_line_end_counts_once_as_it_does_on_the_page() -> None:
    lines = "一" * 199 + "\r\n" + "二" * 200
    assert written(lines, NOTE, "note", "备注") == lines.replace("\r\n", "\n")


def test_what_is_too_long_is_refused_and_says_by_how_much() -> None:
    with pytest.raises(TooLong) as refused:
        written("一" * 412, NOTE, "internal_note", "备注")
    assert refused.value.text == "备注最多 400 个字，现在 412 个，请删去 12 个字后再提交。"
    assert refused.value.field == "internal_note"


@pytest.mark.parametrize(
    "act",
    [
        lambda s, c: service.write_note(s, c, "一" * (NOTE + 1)),
        lambda s, c: service.check_fields(
            s, c, ["name"], CheckResult.PROBLEM, at(2), reason="unlike_id", words="一" * (WORDS + 1)
        ),
        lambda s, c: service.suspect(s, c, ["prompted"], "一" * (NOTE + 1), at(2)),
        lambda s, c: service.reject(s, c, ["card_mismatch"], "一" * (REMARK + 1), "", at(2)),
        lambda s, c: service.reject(s, c, ["card_mismatch"], "", "一" * (NOTE + 1), at(2)),
    ],
    ids=["note", "field", "suspicion", "remark", "internal_note"],
)
def test_nothing_that_a_witness_writes_is_cut(session: Session, act: Callable[[Session, VideoSession], object]) -> None:
    call = talking(session)
    with pytest.raises(TooLong):
        act(session, call)


def test_nothing_that_a_supervisor_writes_is_cut(session: Session) -> None:
    raised = service.suspect(session, talking(session), ["prompted"], "一" * NOTE, at(2))
    assert raised.words == "一" * NOTE
    supervisor = staff_named(session, "weiyinuo")
    for act in (
        lambda: suspicions.release(session, raised, supervisor, "一" * (NOTE + 1), at(3)),
        lambda: suspicions.reject(session, raised, supervisor, ["card_mismatch"], "", "一" * (NOTE + 1), at(3)),
        lambda: suspicions.reject(session, raised, supervisor, ["card_mismatch"], "一" * (REMARK + 1), "", at(3)),
    ):
        with pytest.raises(TooLong):
            act()


def test_a_verdict_with_too_long_words_comes_back_with_everything_that_was_typed_and_chosen(
    witness: Open, investor: OpenInvestor
) -> None:
    seat, _, call = connected(witness, investor)
    form = {"fence": seat.fence, "sign": ["prompted", "acted_for"], "words": "一" * 401, "then": "next"}
    answer = seat.client.post(f"/seat/call/{call}/suspect", data=form)
    assert answer.status_code == 422 and "说明最多 400 个字，现在 401 个" in answer.text
    again = json.loads(html.unescape(re.search(r'data-again="([^"]*)"', answer.text)[1]))  # type: ignore[index]
    assert (again["dialog"], again["field"]) == ("#suspect", "words")
    assert again["typed"] == {"sign": ["prompted", "acted_for"], "words": ["一" * 401], "then": ["next"]}
    assert the_call().ended_at is None


def test_the_socket_refuses_as_well(witness: Open, investor: OpenInvestor) -> None:
    seat, _, call = connected(witness, investor)
    assert seat.act("note", call=call, text="一" * 401)["code"] == "too_long"
    assert seat.act("reject", call=call, reasons=["card_mismatch"], remark="一" * 201)["code"] == "too_long"
    assert the_call().ended_at is None and the_call().internal_note == ""
