"""A damaged recording says which second is wrong, not merely that it is broken."""

import hashlib
from pathlib import Path

import pytest

from console.evidence.film import Chain, Cluster, Damage, damage
from console.evidence.store import CHUNK, HEADER, TAG, EvidenceStore, Kept
from console.vault import Vault
from tests import films
from worker.recordings import linked

SECONDS = 9


@pytest.fixture
def take(tmp_path: Path) -> Path:
    return films.film(tmp_path / "investor-1.webm", SECONDS)


@pytest.fixture
def chain(take: Path) -> Chain:
    found = Chain.of({"chain": linked(take)})
    assert found is not None
    return found


@pytest.fixture
def whole(take: Path, chain: Chain) -> bytes:
    return take.read_bytes()


def judged(chain: Chain, whole: bytes, now: bytes) -> Damage:
    return damage(
        chain, len(whole), hashlib.sha256(whole).hexdigest(), lambda start, length: now[start : start + length]
    )


def flipped(body: bytes, at: int) -> bytes:
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def part(body: bytes, cluster: Cluster) -> bytes:
    return body[cluster.offset : cluster.offset + cluster.length]


def test_a_recording_as_it_was_sealed_is_whole(chain: Chain, whole: bytes) -> None:
    found = judged(chain, whole, whole)
    assert not found and found.words == "与封存时一致"
    assert found.clusters == len(chain.clusters) == SECONDS


@pytest.mark.parametrize("second", range(SECONDS - 1))
def test_a_flipped_byte_names_its_second_alone(chain: Chain, whole: bytes, second: int) -> None:
    cluster = chain.clusters[second]
    for at in (cluster.offset, cluster.offset + cluster.length // 2, cluster.offset + cluster.length - 1):
        found = judged(chain, whole, flipped(whole, at))
        assert found.seconds == (second,)
        assert found.words == f"第 {second} 秒与封存时不一致"


def test_what_was_cut_off_is_named_from_its_second_on(chain: Chain, whole: bytes) -> None:
    found = judged(chain, whole, whole[: chain.clusters[4].offset + 10])
    assert found.seconds == (4, 5, 6, 7, 8)
    assert found.words == "第 4 秒起与封存时不一致"


def test_two_clusters_that_changed_places_are_both_named(chain: Chain, whole: bytes) -> None:
    a, b = chain.clusters[2], chain.clusters[5]
    assert a.length == b.length
    now = bytearray(whole)
    now[a.offset : a.offset + a.length], now[b.offset : b.offset + b.length] = part(whole, b), part(whole, a)
    assert judged(chain, whole, bytes(now)).words == "第 2 秒、第 5 秒与封存时不一致"


def test_a_header_or_an_index_that_changed_is_told_apart_from_the_pictures(chain: Chain, whole: bytes) -> None:
    assert judged(chain, whole, flipped(whole, 10)).words == "文件头与封存时不一致，各秒的画面和声音一致"
    assert judged(chain, whole, flipped(whole, len(whole) - 1)).words == "索引与封存时不一致，各秒的画面和声音一致"


def test_a_damaged_block_of_the_encrypted_file_is_told_in_seconds(take: Path, tmp_path: Path) -> None:
    films.film(take.with_name("long.webm"), 40)
    take = take.with_name("long.webm")
    chain = Chain.of({"chain": linked(take)})
    assert chain is not None
    store = EvidenceStore(tmp_path / "store", Vault(b"k" * 32))
    with take.open("rb") as source:
        kept: Kept = store.keep(source)
    sealed = store.root / kept.path
    sealed.write_bytes(flipped(sealed.read_bytes(), HEADER + 2 * (CHUNK + TAG) + 7))
    found = damage(
        chain, kept.size, kept.sha256, lambda at, length: b"".join(store.read(kept.path, kept.size, at, length))
    )
    touched = [c.at // 1000 for c in chain.clusters if c.offset < 3 * CHUNK and c.offset + c.length > 2 * CHUNK]
    assert list(found.seconds) == touched
    assert found.words == f"第 {touched[0]}–{touched[-1]} 秒与封存时不一致"
