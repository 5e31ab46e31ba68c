"""Whatever is altered or lost, ``console verify`` finds it and says where."""

import io

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from console.agreements.models import Agreement, AgreementVersion, Purpose
from console.cases.models import Case
from console.cli import main
from console.config import Settings
from console.db import reading, transaction
from console.evidence import service as evidence
from console.evidence.models import Evidence, Kind
from console.people.audit import note_staff
from console.verify import Report, verify_all
from tests.world import AT, given_case, staff_named, stamp

pytestmark = pytest.mark.databases("sqlite", "postgresql")


@pytest.fixture
def lived_in(world: Settings) -> Settings:
    """A house with one case, two photos that its trail tells of, and two lines of a member of staff."""
    with transaction() as session:
        case = given_case(session)
        for kind in (Kind.ID_FRONT, Kind.ID_BACK):
            kept = evidence.keep(session, case, kind, io.BytesIO(bytes(200_000)), stamp(), media_type="image/jpeg")
            evidence.note_kept(case, kept, stamp())
        for action in ("signed_in", "signed_out"):
            note_staff(session, staff_named(session, "qinlang"), action, stamp())
    return world


def verified() -> Report:
    with reading() as session:
        return verify_all(session)


def without_guard(settings: Settings, *statements: str) -> None:
    """What somebody with the database's own password could do: take the triggers away first."""
    with transaction() as session:
        if settings.database_url.startswith("sqlite"):
            names = session.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all()
            for name in names:
                session.execute(text(f"DROP TRIGGER {name}"))
        else:
            for table in ("case_events", "staff_events"):
                session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for statement in statements:
            session.execute(text(statement))


def case_no() -> str:
    with reading() as session:
        return session.query(Case).one().case_no


def test_a_house_where_nothing_was_touched_is_sound(lived_in):
    report = verified()
    assert report.sound, report.lines
    assert report.counts["case lines"] == 3
    assert report.counts["staff lines"] == 2
    assert report.counts["files"] == 2


def test_a_changed_line_of_a_case_is_named(lived_in):
    without_guard(lived_in, "UPDATE case_events SET by = 'investor:99' WHERE seq = 2")
    assert [str(fault) for fault in verified().trail] == [f"case {case_no()} line 2: the line was changed"]


def test_a_line_taken_out_of_a_case_is_named(lived_in):
    without_guard(lived_in, "DELETE FROM case_events WHERE seq = 2")
    assert [str(fault) for fault in verified().trail] == [f"case {case_no()} line 2: a line is missing"]


def test_a_photo_taken_out_of_the_database_is_named(lived_in):
    without_guard(lived_in, "DELETE FROM evidence WHERE kind = 'id_back'")
    found = verified().evidence
    assert len(found) == 1 and "the trail speaks of it, but it is gone" in str(found[0])


def test_a_status_set_behind_the_trails_back_is_named(lived_in):
    without_guard(lived_in, "UPDATE cases SET status = 'completed'")
    assert "it is completed, but its trail ends with with_investor" in str(verified().trail[0])


def test_a_case_without_any_trail_is_named(lived_in):
    without_guard(lived_in, "DELETE FROM case_events")
    assert [str(fault) for fault in verified().trail] == [f"case {case_no()}: it has no trail at all"]


def test_a_changed_line_of_a_member_of_staff_is_named(lived_in):
    without_guard(lived_in, "UPDATE staff_events SET action = 'nothing' WHERE seq = 1")
    assert [str(fault) for fault in verified().trail] == ["staff qinlang line 1: the line was changed"]


@pytest.mark.parametrize("offset", [0, 60, 70_000, -1])
def test_a_file_with_one_bit_flipped_is_named(lived_in, offset):
    with reading() as session:
        kept = session.query(Evidence).filter_by(kind=Kind.ID_FRONT).one()
    path = lived_in.evidence_dir / kept.path
    body = bytearray(path.read_bytes())
    body[offset] ^= 1
    path.write_bytes(body)
    found = verified().evidence
    assert len(found) == 1
    assert case_no() in str(found[0]) and "id_front" in str(found[0]) and kept.path in str(found[0])


def test_a_file_cut_short_is_named(lived_in):
    with reading() as session:
        kept = session.query(Evidence).filter_by(kind=Kind.ID_FRONT).one()
    path = lived_in.evidence_dir / kept.path
    path.write_bytes(path.read_bytes()[: 64 * 1024])
    assert len(verified().evidence) == 1


def test_a_missing_file_is_named(lived_in):
    with reading() as session:
        kept = session.query(Evidence).filter_by(kind=Kind.ID_BACK).one()
    (lived_in.evidence_dir / kept.path).unlink()
    assert [fault.why for fault in verified().evidence] == ["the file is missing"]


def test_a_file_swapped_for_another_together_with_its_row_is_named(lived_in):
    with transaction() as session:
        front = session.query(Evidence).filter_by(kind=Kind.ID_FRONT).one()
        other = evidence.store.current().keep(io.BytesIO(b"another picture"))
        front.path, front.size, front.sha256 = other.path, other.size, other.sha256
    assert [fault.why for fault in verified().evidence] == ["the trail recorded another file under this name"]


def test_an_agreement_changed_after_publishing_is_named(lived_in):
    with transaction() as session:
        broker_id = staff_named(session, "qinlang").broker_id
        agreement = Agreement(broker_id=broker_id, code="risk", title="风险说明书", purpose=Purpose.SIGN)
        agreement.versions = [
            AgreementVersion(
                number=1,
                html="<p>changed</p>",
                sha256="0" * 64,
                source=b"",
                source_name="a.md",
                published_at=AT,
                by="x",
            )
        ]
        session.add(agreement)
    assert [str(f) for f in verified().signatures] == ["agreement risk v1: the text was changed after publishing"]


def test_the_command_says_intact_and_exits_with_0_or_says_where_and_exits_with_1(lived_in, monkeypatch):
    for name, value in lived_in.environment().items():
        monkeypatch.setenv(name, value)
    sound = CliRunner().invoke(main, ["verify"])
    assert sound.exit_code == 0, sound.output
    assert "审计链 audit chain: 完整 intact" in sound.output
    assert "证据 evidence: 完整 intact" in sound.output
    without_guard(lived_in, "UPDATE case_events SET by = 'investor:99' WHERE seq = 2")
    broken = CliRunner().invoke(main, ["verify"])
    assert broken.exit_code == 1
    assert f"case {case_no()} line 2" in broken.output
