"""What the node links while it records is what the finished file says, however it was finished."""

import os
from pathlib import Path

import pytest

from tests import films
from worker.media import chain, repair, webm
from worker.media.chain import Link


@pytest.fixture
def take(tmp_path: Path) -> Path:
    return films.film(tmp_path / "investor-1.webm")


def told(take: Path) -> list[Link]:
    return chain.written(chain.beside(take))


def spans(take: Path) -> list[tuple[int, int]]:
    """(offset, length) of each cluster."""
    found, at = [], 0
    for link in chain.of_file(take):
        found.append((at, link.length))
        at += link.length
    return found[1:]


def test_the_links_written_on_the_way_are_those_of_the_closed_file(take: Path) -> None:
    assert told(take) == chain.of_file(take)
    assert [link.at_ms for link in told(take)] == [0, *range(0, 9000, 1000)]


def test_filling_in_the_pictures_size_duration_and_cues_breaks_no_link(tmp_path: Path) -> None:
    path = tmp_path / "take.webm"
    links = chain.ChainFile(chain.beside(path))
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    writer = webm.WebmWriter(descriptor, width=640, height=480, started_at=films.STARTED, written=links.add)
    writer.set_picture_size(320, 240)
    writer.write("video", b"x" * 50, 0, key=True)
    before = path.read_bytes()
    writer.close()
    assert path.read_bytes()[: len(before)] != before
    assert chain.altered(told(path), path) == []


def test_every_other_byte_of_the_header_is_covered(take: Path) -> None:
    whole = take.read_bytes()[: webm.HEADER_LENGTH]
    loose = {at + n for at, length in chain.LOOSE for n in range(length)}
    covered = [
        at
        for at in range(len(whole))
        if chain.first(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]) != chain.first(whole)
    ]
    assert covered == [at for at in range(len(whole)) if at not in loose]


@pytest.mark.parametrize("number", range(9))
def test_a_cluster_that_changed_in_the_spool_is_named_and_those_behind_it_are_not(take: Path, number: int) -> None:
    at, length = spans(take)[number]
    body = bytearray(take.read_bytes())
    body[at + length - 1] ^= 1
    take.write_bytes(body)
    assert [link.at_ms for link in chain.altered(told(take), take)] == [number * 1000]


def test_a_killed_and_repaired_recording_bears_its_links_out(take: Path) -> None:
    whole = told(take)
    at, _ = spans(take)[-1]
    with take.open("r+b") as file:
        file.truncate(at + 100)  # killed in the middle of its last cluster, which got no link
        file.seek(webm.SEGMENT_SIZE_AT)
        file.write(b"\x01" + b"\xff" * 7)
        repair.repair(file.fileno())
    lines = chain.beside(take).read_text().splitlines(keepends=True)
    chain.beside(take).write_text("".join(lines[:-1]) + lines[-1][:30])
    assert told(take) == chain.of_file(take) == whole[:-1]
    assert chain.altered(told(take), take) == []


def test_a_file_without_links_gets_them_all_when_it_is_sealed(take: Path) -> None:
    links = told(take)
    chain.beside(take).unlink()
    assert told(take) == []
    assert chain.of_file(take) == links
