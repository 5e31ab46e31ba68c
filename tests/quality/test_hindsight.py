"""A second reviewer sees the case as it was decided, whatever was mended since."""

from datetime import timedelta
from io import BytesIO

import pytest
from PIL import Image
from sqlalchemy.orm import Session

from console.cases.models import Case, Status
from console.db import reading, transaction
from console.evidence import service as evidence
from console.evidence.models import Evidence, Kind
from console.quality.hindsight import wind_back
from console.video_seat.service import calls_of
from tests.quality.given import decided, every_case_is_drawn  # noqa: F401
from tests.review.given import hand_in_the_rest, video_of
from tests.world import AT, stamp

pytestmark = pytest.mark.databases("sqlite", "postgresql")
LATER = AT + timedelta(hours=1)


def photo(session: Session, case: Case, at, colour: str) -> Evidence:
    out = BytesIO()
    Image.new("RGB", (8, 8), colour).save(out, "JPEG")
    out.seek(0)
    return evidence.keep(session, case, Kind.ID_FRONT, out, stamp("investor:1", at), media_type="image/jpeg")


@pytest.fixture
def mended(world) -> tuple[str, str]:
    """A rejected case, mended an hour later: its number, and the photo that was there when it was decided."""
    with transaction() as session:
        case = decided(session, "id_photo_blurred")
        old = photo(session, case, AT - timedelta(minutes=1), "red")
        old.superseded_at = LATER
        photo(session, case, LATER, "blue")
        hand_in_the_rest(case, LATER)
        video_of(session, case, "weiyinuo", LATER)
        return case.case_no, old.public_id


def of(session: Session, case_no: str) -> Case:
    return session.query(Case).filter_by(case_no=case_no).one()


def test_steps_photos_calls_and_rejections_are_those_of_then(mended):
    case_no, old = mended
    with reading() as session:
        case = wind_back(session, of(session, case_no), AT)
        assert case.status is Status.IN_REVIEW
        assert {step.key for step in case.path} - case.done.keys() == {case.path[-1].key}  # the counter's own
        assert all(entry.done_at == AT for entry in case.done.values())
        assert case.rejections == []
        assert [piece.public_id for piece in evidence.live(session, case, Kind.ID_FRONT)] == [old]
        assert len(calls_of(session, case)) == 1


def test_looking_back_leaves_the_case_as_it_is(mended):
    with reading() as session:
        before = of(session, mended[0])
        told = (before.status, sorted(before.done), len(before.rejections), len(evidence.live(session, before)))
    with reading() as session:
        wind_back(session, of(session, mended[0]), AT)
    with reading() as session:
        after = of(session, mended[0])
        assert (after.status, sorted(after.done), len(after.rejections), len(evidence.live(session, after))) == told


def test_a_session_that_writes_winds_nothing_back(mended):
    with transaction() as session, pytest.raises(ValueError):
        wind_back(session, of(session, mended[0]), AT)
