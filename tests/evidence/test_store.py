import hashlib
import io
import secrets
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.evidence.store import CHUNK, HEADER, TAG, EvidenceStore
from console.vault import Vault, VaultError

SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7]
VAULT = Vault(b"k" * 32)


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(tmp_path, VAULT)


@pytest.mark.parametrize("size", SIZES)
def test_a_file_comes_back_as_it_was_kept(store: EvidenceStore, size: int) -> None:
    clear = secrets.token_bytes(size)
    kept = store.keep(io.BytesIO(clear))
    assert (kept.size, kept.sha256) == (size, hashlib.sha256(clear).hexdigest())
    assert store.read_all(kept.path, size) == clear
    assert store.fingerprint(kept.path, size) == kept.sha256


@pytest.fixture(scope="module")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[EvidenceStore, str, bytes]:
    store = EvidenceStore(tmp_path_factory.mktemp("store"), VAULT)
    clear = secrets.token_bytes(3 * CHUNK + 100)
    return store, store.keep(io.BytesIO(clear)).path, clear


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 3 * CHUNK + 99), length=st.integers(0, 3 * CHUNK))
def test_any_range_can_be_read_without_the_rest(
    long_file: tuple[EvidenceStore, str, bytes], start: int, length: int
) -> None:
    store, path, clear = long_file
    assert b"".join(store.read(path, len(clear), start, length)) == clear[start : start + length]


def test_nothing_of_the_content_is_in_clear_on_disk(store: EvidenceStore) -> None:
    kept = store.keep(io.BytesIO(b"310115199404270012" * 500))
    assert b"31011519940427" not in (store.root / kept.path).read_bytes()


def test_a_flipped_swapped_or_cut_chunk_is_refused(store: EvidenceStore) -> None:
    kept = store.keep(io.BytesIO(secrets.token_bytes(3 * CHUNK)))
    path = store.root / kept.path
    whole = path.read_bytes()
    sealed = CHUNK + TAG
    flipped = bytearray(whole)
    flipped[HEADER + 5] ^= 1
    swapped = (
        whole[:HEADER]
        + whole[HEADER + sealed : HEADER + 2 * sealed]
        + whole[HEADER : HEADER + sealed]
        + whole[HEADER + 2 * sealed :]
    )
    cut = whole[: HEADER + 2 * sealed]
    for damaged in (bytes(flipped), swapped, cut):
        path.write_bytes(damaged)
        with pytest.raises(VaultError):
            store.read_all(kept.path, kept.size)
        if damaged is cut:  # a shorter size in the database does not make the cut pass
            with pytest.raises(VaultError):
                store.read_all(kept.path, 2 * CHUNK)


def test_a_source_that_breaks_off_leaves_nothing_behind(store: EvidenceStore) -> None:
    class Breaks(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= CHUNK:
                raise OSError("the upload broke off")
            return super().read(size)

    with pytest.raises(OSError, match="broke off"):
        store.keep(Breaks(secrets.token_bytes(4 * CHUNK)))
    assert [p for p in store.root.rglob("*") if p.is_file()] == []
