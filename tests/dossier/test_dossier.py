"""A dossier holds the whole case, and whoever receives it can prove that not a byte of it was changed, without this house."""

import io
import json
import random
import subprocess
import sys
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from console.adapters.ca import authority
from console.agreements import signing
from console.cases.models import CaseEvent
from console.cases.trail import Happening
from console.cases.transitions import finish_step
from console.cli import main
from console.config import Settings
from console.db import reading, transaction
from console.dossier.offline import verify as offline
from console.dossier.sealing import seal_of
from console.evidence import service as evidence
from console.evidence.models import Evidence, Kind
from tests.agreements.given import Device, at_signing, of, published, read_to_the_end
from tests.review.given import video_of
from tests.world import AT, stamp

NOON = AT + timedelta(hours=2)
PHOTO = random.Random(1).randbytes(150_000)
REASON = {"reason": "监管调阅这笔业务"}


@pytest.fixture
def case_no(world: Settings) -> str:
    """A case with a photo, a signed agreement and a call, at the counter."""
    with transaction() as session:
        version = published(session, "risk")
        case, device = at_signing(session), Device()
        kept = evidence.keep(session, case, Kind.ID_FRONT, io.BytesIO(PHOTO), stamp(), media_type="image/jpeg")
        evidence.note_kept(case, kept, stamp())
        video_of(session, case, "luwenshan")
        certificate = device.enrolled(session, case, authority(world))
        read_to_the_end(session, case, version)
        offered = signing.offer(session, case, certificate.serial, of(case, NOON))
        signing.answer(session, case, {each.id: device.sign(each.signed_bytes) for each in offered}, of(case, NOON))
        finish_step(case, "signing", of(case, NOON))
        return case.case_no


@pytest.fixture
def handed_out(app, as_staff, case_no: str, tmp_path: Path) -> Path:
    answer = as_staff("qinlang").post(f"/review/{case_no}/dossier", data=REASON)
    assert answer.status_code == 200, answer.text
    path = tmp_path / "dossier.zip"
    path.write_bytes(answer.data)
    return path


def faults(path: Path, key: str | None = None) -> list[str]:
    return offline.verify(offline.Zipped(path), key).faults


def verified(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """By a Python of its own, with the program that is in the dossier."""
    return subprocess.run(
        [sys.executable, "-I", *map(str, arguments)], capture_output=True, text=True, timeout=60, cwd=cwd, check=False
    )


# --- what it holds


def test_a_dossier_holds_data_photos_texts_certificates_and_the_trail(handed_out, case_no):
    with zipfile.ZipFile(handed_out) as dossier:
        names = dossier.namelist()
        data = json.loads(dossier.read("case.json"))
        [photo] = [name for name in names if name.startswith("photos/")]
        assert dossier.read(photo) == PHOTO
        assert "风险" in dossier.read("agreements/risk-v1.html").decode() or dossier.read("agreements/risk-v1.html")
        lines = dossier.read("trail.jsonl").decode().splitlines()
    assert {"index.html", "signatures.json", "verify.py", "public_key.pem", "manifest.json", "manifest.sig"} <= set(
        names
    )
    assert data["case"]["case_no"] == case_no
    assert data["investor"]["name"] == "周晚晴"
    assert json.loads(lines[-1])["action"] == Happening.DOSSIER_MADE
    assert "id_no_index" not in data["investor"]


def test_the_first_page_of_a_dossier_reads_without_a_server(handed_out):
    with zipfile.ZipFile(handed_out) as dossier:
        page = dossier.read("index.html").decode()
        names = set(dossier.namelist())
    linked = {part.split('"')[0] for part in page.split('href="')[1:]}
    assert linked
    assert linked <= names
    assert "周晚晴" in page
    assert "<script" not in page


def test_who_takes_a_dossier_says_why_and_the_trail_keeps_it(handed_out, case_no):
    with reading() as session:
        line = session.query(CaseEvent).filter_by(action=Happening.DOSSIER_MADE).one()
    assert line.detail == {"why": REASON["reason"]}


def test_without_a_reason_nothing_is_handed_out(as_staff, case_no):
    answer = as_staff("qinlang").post(f"/review/{case_no}/dossier", data={"reason": " "})
    assert answer.status_code == 422
    with reading() as session:
        assert session.query(CaseEvent).filter_by(action=Happening.DOSSIER_MADE).count() == 0


# --- what proves it


def test_what_was_handed_out_is_sound_by_its_own_program_and_by_the_published_key(handed_out, world, tmp_path):
    with zipfile.ZipFile(handed_out) as dossier:
        dossier.extractall(tmp_path / "out")
    program = tmp_path / "out" / "verify.py"
    for done in (
        verified(program, handed_out, "--key", seal_of(world).fingerprint),
        verified("verify.py", cwd=tmp_path / "out"),
    ):
        assert done.returncode == 0, done.stdout + done.stderr
        assert "SOUND" in done.stdout


def test_a_dossier_of_somebody_else_is_told_from_ours(handed_out):
    assert any("somebody else" in fault for fault in faults(handed_out, "0" * 64))


def test_a_byte_flipped_in_a_file_is_found_and_the_file_is_named(handed_out):
    whole = handed_out.read_bytes()
    with zipfile.ZipFile(handed_out) as dossier:
        for info in dossier.infolist():
            middle = info.header_offset + 30 + len(info.filename) + 20 + info.file_size // 2
            handed_out.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
            assert any(fault.startswith(info.filename) for fault in faults(handed_out)), info.filename


def test_a_byte_flipped_anywhere_is_found(handed_out):
    """Also where a ZIP reader does not look: in dates, flags, gaps, in the seal."""
    whole, dice = handed_out.read_bytes(), random.Random(7)
    with zipfile.ZipFile(handed_out) as dossier:
        heads = [info.header_offset for info in dossier.infolist()]
        directory = dossier.start_dir
    spots = {head + at for head in heads for at in (4, 10, 12, 28, 31)}
    spots |= set(range(directory, len(whole), 41)) | set(range(len(whole) - 160, len(whole), 7))
    spots |= {dice.randrange(len(whole)) for _ in range(60)}
    for spot in sorted(spots):
        handed_out.write_bytes(whole[:spot] + bytes([whole[spot] ^ 1]) + whole[spot + 1 :])
        try:
            found = faults(handed_out)
        except (offline.NoDossier, *offline.UNREADABLE):
            continue  # told as no dossier
        assert found, spot


def test_a_dossier_cut_short_or_longer_is_not_sound(handed_out):
    whole = handed_out.read_bytes()
    for changed in (whole[:-1], whole[: len(whole) // 2], whole + b"x", b"x" + whole):
        handed_out.write_bytes(changed)
        assert verified(Path(offline.__file__), handed_out).returncode in (1, 2)


def rewritten(path: Path, name: str, content: bytes | None) -> None:
    """As somebody would who knows ZIP but has no key: one file replaced (None: taken out), everything else as it was."""
    with zipfile.ZipFile(path) as dossier:
        kept = [(info, dossier.read(info)) for info in dossier.infolist()]
        comment = dossier.comment
    with zipfile.ZipFile(path, "w") as dossier:
        for info, was in kept:
            if info.filename != name:
                dossier.writestr(info.filename, was)
            elif content is not None:
                dossier.writestr(info.filename, content)
        if name not in {info.filename for info, _ in kept} and content is not None:
            dossier.writestr(name, content)
        dossier.comment = comment


def test_a_file_taken_out_put_in_or_replaced_is_named(handed_out):
    whole = handed_out.read_bytes()
    for name, content in (("case.json", None), ("note.txt", b"x"), ("trail.jsonl", b"{}\n")):
        handed_out.write_bytes(whole)
        rewritten(handed_out, name, content)
        assert any(fault.startswith(name) for fault in faults(handed_out)), name


def test_a_trail_that_ends_before_the_end_that_was_signed_is_named(handed_out):
    with zipfile.ZipFile(handed_out) as dossier:
        lines = dossier.read("trail.jsonl").decode().splitlines(keepends=True)
    rewritten(handed_out, "trail.jsonl", "".join(lines[:-1]).encode())
    assert any(fault.startswith("trail.jsonl") for fault in faults(handed_out))


def test_evidence_that_is_damaged_already_is_handed_out_as_that(app, as_staff, case_no, world, tmp_path):
    with reading() as session:
        kept = session.query(Evidence).filter_by(kind=Kind.ID_FRONT).one()
    path = world.evidence_dir / kept.path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    out = tmp_path / "dossier.zip"
    out.write_bytes(as_staff("qinlang").post(f"/review/{case_no}/dossier", data=REASON).data)
    told = faults(out)
    assert any("damaged already" in fault and "id_front" in fault for fault in told), told


# --- from the command line


def test_the_command_writes_the_same_and_says_the_key(case_no, world, tmp_path, monkeypatch):
    for name, value in world.environment().items():
        monkeypatch.setenv(name, value)
    out = tmp_path / "cli.zip"
    done = CliRunner().invoke(main, ["dossier", case_no, str(out), "--reason", "法院调取"])
    assert done.exit_code == 0, done.output
    assert seal_of(world).fingerprint in done.output
    assert faults(out, seal_of(world).fingerprint) == []
    missing = CliRunner().invoke(main, ["dossier", "2026000000", str(out), "--reason", "法院调取"])
    assert missing.exit_code == 1
    assert faults(out) == []
