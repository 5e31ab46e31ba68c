"""The corpus of hostile uploads (TRUST 11): refused with nothing kept, or only their pixels go on, and a photo's room stays small."""

import json
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from redis import Redis
from rq import Queue
from sqlalchemy import select
from werkzeug.test import TestResponse

from console import db, jobs
from console.config import Settings
from console.evidence.heads import Unusable, read_head
from console.evidence.imaging import prepare
from console.evidence.models import Evidence, State
from console.evidence.photos import PROBLEMS
from tests import pictures
from tests.evidence import hostile
from tests.evidence.hostile import CANARY, DEFUSED, NAMES, REFUSED_AT_THE_DOOR, REFUSED_INSIDE
from tests.portal import ways
from tests.portal.ways import CHANGE
from tests.worker.given import files_in
from worker import darkroom
from worker.documents import process_photo

BOUNDARY = "hostile"
END = f"--{BOUNDARY}--\r\n".encode()
ROOMY = 600 * 1024 * 1024  # bytes: what the worst of the corpus may really take, of the gigabyte the room has
# several photos, one after the other, in the room that worker/darkroom.py makes for one
SEVERAL = """
import json, resource, struct, sys
from console.evidence.heads import Unusable
from console.evidence.imaging import prepare
told = []
while length := sys.stdin.buffer.read(4):
    try:
        prepare(sys.stdin.buffer.read(struct.unpack(">I", length)[0]), "score_report")
        told.append("made")
    except Unusable as unusable:
        told.append(unusable.problem)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
print(json.dumps([told, int(peak) * 1024]))
"""


class Door:
    """An investor at the upload, and everything that could remain of it."""

    def __init__(self, client: FlaskClient, case_no: str, settings: Settings, jobs_at: str, spool: Path):
        self.client, self.case_no, self.settings, self.spool = client, case_no, settings, spool
        self.url = f"/case/{case_no}/photos/id_front"
        self.queue = Queue(jobs.QUEUE, connection=Redis.from_url(jobs_at))

    def upload(self, image: bytes) -> TestResponse:
        return ways.upload(self.client, self.url, image)

    def send(self, body: bytes, **environ: str) -> TestResponse:
        """As it stands, whatever it is."""
        type_ = environ.pop("CONTENT_TYPE", f"multipart/form-data; boundary={BOUNDARY}")
        answer = self.client.post(
            self.url, data=body, headers=ways.JSON, content_type=type_, environ_overrides=environ or None
        )
        answer.request.environ["wsgi.input"].close()
        return answer

    def left(self) -> tuple[int, int, int, int]:
        """Rows, sealed files, files in the spool, jobs."""
        with db.reading() as session:
            rows = len(session.scalars(select(Evidence.id)).all())
        return rows, files_in(self.settings.evidence_dir), files_in(self.spool), self.queue.count


@pytest.fixture
def door(app, as_investor, world, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Door:
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spool))
    case_no = ways.case_of("周晚晴", CHANGE)
    door = Door(as_investor("周晚晴"), case_no, world, redis_url, spool)
    jobs.connect(door.queue.connection)
    return door


def part(body: bytes, name: str = "photo", filename: str | None = "photo.jpg", type_: str = "image/jpeg") -> bytes:
    named = f'name="{name}"' if filename is None else f'name="{name}"; filename="{filename}"'
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {named}\r\nContent-Type: {type_}\r\n\r\n"
    return head.encode() + body + b"\r\n"


def explained(answer: TestResponse) -> bool:
    """In Chinese: what is wrong, and what to do."""
    said = answer.get_json()["error"]
    return said.count("。") >= 2 and all(ord(first) > 0x2E80 for first in said[:3])


# --- at the door


def test_hostile_files_are_refused_with_their_reason_and_nothing_of_them_is_kept(door: Door) -> None:
    wrong = {}
    for name, file in REFUSED_AT_THE_DOOR.items():
        answer = door.upload(file.build())
        found = (answer.status_code, answer.get_json()["code"], explained(answer), door.left())
        if found != (422, file.problem, True, (0, 0, 0, 0)):
            wrong[name] = found
    assert wrong == {}


MULTIPART: dict[str, tuple[Callable[[], tuple[bytes, dict[str, str]]], int, str]] = {
    "two photos in one field": (lambda: (part(photo()) + part(photo()) + END, {}), 422, "several"),
    "no such field": (lambda: (part(photo(), name="picture") + END, {}), 422, "missing"),
    "a text in its place": (lambda: (part(photo(), filename=None) + END, {}), 422, "missing"),
    "a line break in the name": (lambda: (part(photo(), filename="a.jpg\r\n\r\nX: 1") + END, {}), 422, "missing"),
    "no file chosen": (lambda: (part(b"", filename="") + END, {}), 422, "empty"),
    "no end": (lambda: (part(photo()), {}), 422, "missing"),
    "no boundary": (lambda: (part(photo()) + END, {"CONTENT_TYPE": "multipart/form-data"}), 422, "missing"),
    "no multipart": (lambda: (photo(), {"CONTENT_TYPE": "image/jpeg"}), 422, "missing"),
    "less than it is": (lambda: (part(photo()) + END, {"CONTENT_LENGTH": "3000"}), 422, "missing"),
    "more than it is": (lambda: (part(photo()) + END, {"CONTENT_LENGTH": "9000000"}), 400, "400"),
    "more than anybody may": (lambda: (part(photo()) + END, {"CONTENT_LENGTH": str(41 << 20)}), 413, "413"),
    "two thousand fields": (lambda: (part(b"1", name="x", filename=None) * 2000 + END, {}), 413, "413"),
    "a field of a megabyte": (lambda: (part(bytes(1 << 20), filename=None) + END, {}), 413, "413"),
    "a photo of 33 megabytes": (lambda: (part(photo() + bytes(33 << 20)) + END, {}), 422, "too_heavy"),
}
photo = hostile.photo


@pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")  # Werkzeug leaves to the collector what broke off
def test_requests_that_lie_about_themselves_are_refused_and_nothing_is_kept(door: Door) -> None:
    wrong = {}
    for name, (build, status, code) in MULTIPART.items():
        body, environ = build()
        answer = door.send(body, **environ)
        found = (answer.status_code, answer.get_json()["code"], door.left())
        if found != (status, code, (0, 0, 0, 0)) or (status != 400 and not explained(answer)):
            wrong[name] = found, answer.get_json()
    assert wrong == {}


def test_what_a_file_is_called_and_said_to_be_goes_nowhere(door: Door, world: Settings) -> None:
    for filename in NAMES.values():
        assert door.send(part(photo(), filename=filename, type_="text/html") + END).status_code == 201, filename
    with db.reading() as session:
        kept = session.scalars(select(Evidence)).all()
        assert {(photo.media_type, photo.width, photo.height) for photo in kept} == {
            ("image/jpeg", hostile.WIDTH, hostile.HEIGHT)
        }
        stored = "\n".join(session.connection().connection.driver_connection.iterdump())
    assert len(kept) == len(NAMES)
    assert CANARY.decode() not in stored
    assert not [path for path in world.evidence_dir.rglob("*") if path.suffix not in ("", ".wde")]


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_a_photo_cut_off_anywhere_is_refused(format_: str) -> None:
    whole = hostile.heic() if format_ == "HEIF" else hostile.encoded(hostile.sharp(size=(640, 80)), format_, quality=5)
    read_head(whole)
    for length in range(len(whole)):
        with pytest.raises(Unusable, match=r"empty|unreadable|truncated"):
            read_head(whole[:length])


def test_every_outcome_has_words() -> None:
    told = [file.problem for file in (*REFUSED_AT_THE_DOOR.values(), *REFUSED_INSIDE.values())]
    assert set(told) <= set(PROBLEMS)
    assert len(told) + len(DEFUSED) >= 30


# --- inside


def test_the_room_refuses_what_the_door_could_not_see_and_stays_small() -> None:
    files = {name: file.build() for name, file in REFUSED_INSIDE.items()}
    for image in files.values():
        read_head(image)
    room = subprocess.run(
        [sys.executable, "-c", SEVERAL],
        input=b"".join(struct.pack(">I", len(image)) + image for image in files.values()),
        capture_output=True,
        env=darkroom.nothing_secret(),
        preexec_fn=lambda: darkroom.confine(darkroom.os.getppid()),
    )
    told, peak = json.loads(room.stdout)
    assert dict(zip(files, told, strict=True)) == {name: file.problem for name, file in REFUSED_INSIDE.items()}
    assert peak < ROOMY


def test_of_a_photo_with_something_in_it_only_the_pixels_go_on() -> None:
    wrong = {}
    for name, build in DEFUSED.items():
        image = build()
        read_head(image)
        made = prepare(image, "score_report")
        for picture in (made.upright, made.cropped, made.thumb):
            again = pictures.opened(picture.jpeg)
            if (again.format, again.mode) != ("JPEG", "RGB") or set(again.info) - {
                "jfif",
                "jfif_version",
                "jfif_unit",
                "jfif_density",
            }:
                wrong[name] = again.format, again.mode, sorted(again.info)
            if CANARY in picture.jpeg or not picture.jpeg.endswith(b"\xff\xd9"):
                wrong[name] = "something went along"
    assert wrong == {}


def test_what_is_refused_inside_leaves_its_reason_and_no_file(door: Door) -> None:
    public_id = door.upload(REFUSED_INSIDE["PNG with scrambled pixels"].build()).get_json()["id"]
    assert door.left() == (1, 1, 0, 1)
    evidence_id = door.queue.jobs[0].kwargs["evidence_id"]
    process_photo(evidence_id)
    with db.reading() as session:
        kept = session.get_one(Evidence, evidence_id)
        assert (kept.state, kept.problem) == (State.REFUSED, "unreadable")
    assert door.left()[:2] == (1, 0)
    assert PROBLEMS["unreadable"][0] in door.client.get(f"/case/{door.case_no}/photos").text
    assert door.client.get(f"/evidence/{public_id}").status_code == 404


def test_no_metadata_and_nothing_behind_the_photo_is_ever_served(door: Door, as_staff) -> None:
    sent = hostile.jpeg_with_place_and_camera() + hostile.zipped_script()
    assert CANARY in sent and b"Exif" in sent and b"PK" in sent
    public_id = door.upload(sent).get_json()["id"]
    process_photo(door.queue.jobs[0].kwargs["evidence_id"])
    for client, variants in (
        (door.client, ("cropped", "thumb")),
        (as_staff("luwenshan"), ("original", "cropped", "thumb")),
    ):
        for variant in variants:
            answer = client.get(f"/evidence/{public_id}?variant={variant}")
            assert (answer.status_code, answer.mimetype) == (200, "image/jpeg"), variant
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            picture = pictures.opened(answer.data)
            assert not picture.getexif() and "comment" not in picture.info and "xmp" not in picture.info
            assert CANARY not in answer.data and b"PK\x03\x04" not in answer.data
            assert picture.height > picture.width, "it was turned as its tag asked before the tag was dropped"
    assert door.client.get(f"/evidence/{public_id}?variant=original").status_code == 404
