"""抓拍: kinds, warnings, one press one picture."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from console.cases.models import CaseEvent
from console.cases.trail import Happening
from console.evidence import service as evidence
from console.evidence.clarity import Clarity
from console.evidence.models import Evidence, Kind
from console.video_seat import service
from console.video_seat.locks import marks_of
from console.video_seat.models import CheckResult, VideoSession
from console.video_seat.snapshots import SHOTS, SNAPSHOTS, to_retake
from tests.video_seat.conftest import Socket, Witness
from tests.video_seat.given import at, png, talking
from tests.video_seat.node import PretendNode
from tests.video_seat.test_calls import again
from tests.video_seat.test_sockets import connected
from tests.world import AT

CLEAR, BLURRED = Clarity(0.6, 0.0, []), Clarity(0.1, 0.0, ["blurred"])

Open = Callable[[str], Witness]
OpenInvestor = Callable[..., Socket]


def shot(
    session: Session,
    call: VideoSession,
    kind: Kind,
    folder: Path,
    clarity: Clarity = CLEAR,
    press: str = "",
    minutes: float = 1,
) -> Evidence:
    with png(folder).open("rb") as picture, evidence.sealed(picture) as sealed:
        return service.take_snapshot(session, call, kind, sealed, 64, 48, AT, at(minutes), clarity=clarity, press=press)


def test_every_kind_has_one_key_of_its_own() -> None:
    assert len({each.key for each in SHOTS}) == len({each.kind for each in SHOTS}) == 5


def test_on_the_page_of_a_call_no_key_presses_two_buttons(witness: Open, investor: OpenInvestor) -> None:
    seat, _, _ = connected(witness, investor)
    page = re.sub(r"<dialog.*?</dialog>", "", seat.client.get("/seat").text, flags=re.DOTALL)
    keys = re.findall(r'data-key="([^"]+)"', page)
    assert {each.key for each in SHOTS} <= set(keys)
    assert sorted(keys) == sorted(set(keys))


def test_snapshots_of_one_kind_stand_beside_each_other(session: Session, tmp_path: Path) -> None:
    call = talking(session)
    taken = [shot(session, call, kind, tmp_path) for kind in (*SNAPSHOTS, *SNAPSHOTS)]
    assert service.snapshots(session, call) == taken


def test_one_press_takes_one_picture_and_the_next_press_another(session: Session, tmp_path: Path) -> None:
    call = talking(session)
    first = shot(session, call, Kind.SNAPSHOT_FACE, tmp_path, press="press-number-1")
    again = shot(session, call, Kind.SNAPSHOT_FACE, tmp_path, press="press-number-1")
    other = shot(session, call, Kind.SNAPSHOT_FACE, tmp_path, press="press-number-2")
    assert again is first and other is not first
    assert service.snapshots(session, call) == [first, other]


def test_a_blurred_snapshot_is_kept_with_its_warning_and_what_was_measured(session: Session, tmp_path: Path) -> None:
    kept = shot(session, talking(session), Kind.SNAPSHOT_ID_FRONT, tmp_path, BLURRED)
    assert kept.warnings == ["blurred"] and kept.facts["sharpness"] == 0.1
    assert evidence.clear_bytes(kept).startswith(b"\x89PNG")


def test_a_warned_snapshot_is_to_be_taken_again_until_a_clear_one_of_its_kind_follows(
    session: Session, tmp_path: Path
) -> None:
    call = talking(session)
    spoilt = shot(session, call, Kind.SNAPSHOT_ID_FRONT, tmp_path, BLURRED)
    shot(session, call, Kind.SNAPSHOT_ID_BACK, tmp_path)
    assert to_retake(service.snapshots(session, call)) == [spoilt]
    shot(session, call, Kind.SNAPSHOT_ID_FRONT, tmp_path)
    assert to_retake(service.snapshots(session, call)) == []


def test_the_id_shown_is_proved_by_both_of_its_sides(session: Session, tmp_path: Path) -> None:
    call = talking(session)
    for kind, lacks in ((Kind.SNAPSHOT_ID, "Z 正面、C 反面"), (Kind.SNAPSHOT_ID_BACK, "Z 正面")):
        shot(session, call, kind, tmp_path)
        with pytest.raises(service.SnapshotMissing) as refused:
            service.mark(session, call, "id_original", CheckResult.OK, at(2))
        assert f"须有正面、反面各一张抓拍，请先抓拍（{lacks}）" in refused.value.text
    shot(session, call, Kind.SNAPSHOT_ID_FRONT, tmp_path)
    made = service.mark(session, call, "id_original", CheckResult.OK, at(2))
    assert [picture.kind for picture in made.snapshots] == [Kind.SNAPSHOT_ID_FRONT, Kind.SNAPSHOT_ID_BACK]


@pytest.mark.parametrize("kind", [Kind.SNAPSHOT_FACE, Kind.SNAPSHOT_FULL])
def test_the_person_is_proved_by_the_face_or_by_the_whole_picture(session: Session, tmp_path: Path, kind: Kind) -> None:
    call = talking(session)
    with pytest.raises(service.SnapshotMissing) as refused:
        service.mark(session, call, "same_person", CheckResult.OK, at(2))
    assert "须有抓拍，请先抓拍（F 人脸、G 整幅）" in refused.value.text
    taken = shot(session, call, kind, tmp_path)
    assert service.mark(session, call, "same_person", CheckResult.OK, at(2)).snapshots == [taken]


def test_a_readable_retake_becomes_the_proof_of_what_was_marked_before_and_the_trail_says_so(
    session: Session, tmp_path: Path
) -> None:
    call = talking(session)
    front = shot(session, call, Kind.SNAPSHOT_ID_FRONT, tmp_path, BLURRED)
    back = shot(session, call, Kind.SNAPSHOT_ID_BACK, tmp_path)
    first = service.mark(session, call, "id_original", CheckResult.OK, at(2))
    shot(session, call, Kind.SNAPSHOT_ID_FRONT, tmp_path, BLURRED)
    assert marks_of(call)["id_original"].snapshots == first.snapshots == [front, back]
    clear = shot(session, call, Kind.SNAPSHOT_ID_FRONT, tmp_path)
    now = marks_of(call)["id_original"]
    assert (now.snapshots, now.at, now.result) == ([clear, back], first.at, CheckResult.OK)
    assert first.snapshots == [front, back], "what was marked then stays as it was"
    line = session.query(CaseEvent).filter_by(action=Happening.CHECK_MARKED).order_by(CaseEvent.id.desc()).first()
    assert line is not None and line.detail["better"] and line.detail["pictures"] == [clear.public_id, back.public_id]


def test_a_readable_proof_stays_and_so_does_that_of_a_problem(session: Session, tmp_path: Path) -> None:
    call = talking(session)
    clear = shot(session, call, Kind.SNAPSHOT_FACE, tmp_path)
    shot(session, call, Kind.SNAPSHOT_ID_FRONT, tmp_path, BLURRED)
    service.mark(session, call, "same_person", CheckResult.OK, at(2))
    service.mark(session, call, "id_original", CheckResult.PROBLEM, at(2), reason="not_shown")
    shot(session, call, Kind.SNAPSHOT_FACE, tmp_path)
    shot(session, call, Kind.SNAPSHOT_ID_FRONT, tmp_path)
    assert marks_of(call)["same_person"].snapshots == [clear] and len(call.marks) == 2


def test_the_picture_taken_last_proves_whatever_was_measured_on_it(session: Session, tmp_path: Path) -> None:
    """A bare face by a wrong key is sharp; the card that was meant may glare."""
    call = talking(session)
    by_mistake = shot(session, call, Kind.SNAPSHOT_ID_FRONT, tmp_path)
    back = shot(session, call, Kind.SNAPSHOT_ID_BACK, tmp_path)
    meant = shot(session, call, Kind.SNAPSHOT_ID_FRONT, tmp_path, BLURRED)
    assert service.mark(session, call, "id_original", CheckResult.OK, at(2)).snapshots == [meant, back]
    assert by_mistake.id not in service.proving(call, service.snapshots(session, call))


def test_a_chosen_picture_proves_until_another_of_its_kind_is_taken_or_chosen(session: Session, tmp_path: Path) -> None:
    call = talking(session)
    first, second = (shot(session, call, Kind.SNAPSHOT_FACE, tmp_path) for _ in range(2))
    service.choose_snapshot(session, call, first, at(2))
    assert service.mark(session, call, "same_person", CheckResult.OK, at(2)).snapshots == [first]
    service.choose_snapshot(session, call, second, at(3))
    assert service.mark(session, call, "same_person", CheckResult.OK, at(3)).snapshots == [second]
    service.choose_snapshot(session, call, first, at(4))
    later = shot(session, call, Kind.SNAPSHOT_FACE, tmp_path, minutes=5)
    assert service.mark(session, call, "same_person", CheckResult.OK, at(5)).snapshots == [later]


def test_choosing_exchanges_the_proof_of_what_was_marked_and_the_trail_says_who_chose(
    session: Session, tmp_path: Path
) -> None:
    call = talking(session)
    card = shot(session, call, Kind.SNAPSHOT_ID_FRONT, tmp_path)
    back = shot(session, call, Kind.SNAPSHOT_ID_BACK, tmp_path)
    wrong = shot(session, call, Kind.SNAPSHOT_ID_FRONT, tmp_path)
    made = service.mark(session, call, "id_original", CheckResult.OK, at(2))
    assert made.snapshots == [wrong, back]
    service.choose_snapshot(session, call, card, at(3))
    service.choose_snapshot(session, call, card, at(4))
    now = marks_of(call)["id_original"]
    assert (now.snapshots, now.at, made.snapshots) == ([card, back], made.at, [wrong, back])
    lines = session.query(CaseEvent).filter_by(action=Happening.SNAPSHOT_CHOSEN).all()
    assert [(line.detail["evidence"], line.by, line.at) for line in lines] == [(card.public_id, at(3).by, at(3).at)]


def test_what_no_question_asks_for_and_what_another_call_took_cannot_be_chosen(
    session: Session, tmp_path: Path
) -> None:
    call = talking(session)
    with pytest.raises(service.ProvesNothing):
        service.choose_snapshot(session, call, shot(session, call, Kind.SNAPSHOT_ID, tmp_path), at(2))
    old = shot(session, call, Kind.SNAPSHOT_FACE, tmp_path)
    now = again(session, service.technical_failure(session, call, at(3)))
    with pytest.raises(service.ProvesNothing):
        service.choose_snapshot(session, now, old, at(6))


def test_a_blurred_snapshot_proves_an_item_when_there_is_no_other(session: Session, tmp_path: Path) -> None:
    call = talking(session)
    only = shot(session, call, Kind.SNAPSHOT_FACE, tmp_path, BLURRED)
    assert service.mark(session, call, "same_person", CheckResult.OK, at(2)).snapshots == [only]


# --- as the page asks


def test_two_quick_presses_keep_one_picture_and_leave_none_in_the_spool(
    node: PretendNode, witness: Open, investor: OpenInvestor
) -> None:
    seat, _, call = connected(witness, investor)
    press = {"call": call, "kind": "snapshot_id_front", "id": "press-number-1"}
    first = seat.act("snapshot", **press)
    assert seat.act("snapshot", **press) == first
    assert seat.act("snapshot", **press | {"id": "press-number-2"})["id"] != first["id"]
    assert list(node.spool.rglob("*.png")) == []


def test_the_page_is_told_at_once_that_a_picture_cannot_be_read(witness: Open, investor: OpenInvestor) -> None:
    """The pretended node's picture is of one colour: there is nothing to be seen on it."""
    seat, _, call = connected(witness, investor)
    assert seat.act("snapshot", call=call, kind="snapshot_id_back")["warnings"] == ["模糊"]
    tray = seat.client.get("/seat/parts/tray").text
    assert "模糊" in tray and 'aria-label="重拍证件反面"' in tray and "i-alert-triangle" in tray


def test_the_page_says_which_pictures_prove_and_lets_the_others_be_chosen(
    witness: Open, investor: OpenInvestor
) -> None:
    seat, _, call = connected(witness, investor)
    ids = [
        seat.act("snapshot", call=call, kind=kind)["id"] for kind in ("snapshot_face", "snapshot_face", "snapshot_id")
    ]
    offered = 'data-choose="([^"]+)"'
    tray = seat.client.get("/seat/parts/tray").text
    assert re.findall(offered, tray) == [ids[0]] and tray.count("证第 3 项") == 1
    assert seat.act("choose_snapshot", call=call, id=ids[0]) == {"chosen": True}
    assert re.findall(offered, seat.client.get("/seat/parts/tray").text) == [ids[1]]
    assert seat.act("choose_snapshot", call=call, id=ids[2])["code"] == "proves_nothing"
    assert seat.act("choose_snapshot", call=call, id="x" * 32)["code"] == "404"


def test_without_a_picture_yet_the_witness_is_told_what_to_do(
    node: PretendNode, witness: Open, investor: OpenInvestor
) -> None:
    seat, _, call = connected(witness, investor)
    node.dark = True
    refused = seat.act("snapshot", call=call, kind="snapshot_face")
    assert refused["error"] == "还没有收到投资者的画面，不能抓拍。请确认投资者已接通，再试一次。"


@pytest.mark.parametrize("press", ["", "short", "x" * 41, 7, "with blank inside"])
def test_a_press_that_no_page_of_ours_makes_is_refused(witness: Open, investor: OpenInvestor, press: object) -> None:
    seat, _, call = connected(witness, investor)
    assert seat.act("snapshot", call=call, kind="snapshot_face", id=press)["code"] == "bad_payload"
