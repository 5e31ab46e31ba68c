import secrets

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from console.vault import Vault, VaultError
from tests.world import investor_named

pytestmark = pytest.mark.databases("sqlite", "postgresql")


@pytest.fixture
def vault() -> Vault:
    return Vault(secrets.token_bytes(32))


def test_what_was_sealed_opens_again_and_never_looks_the_same_twice(vault: Vault) -> None:
    first, second = (vault.seal("周晚晴".encode(), "investor.name") for _ in range(2))
    assert first != second
    assert vault.open(first, "investor.name").decode() == vault.open(second, "investor.name").decode() == "周晚晴"


def test_a_value_moved_to_another_column_does_not_open(vault: Vault) -> None:
    with pytest.raises(VaultError):
        vault.open(vault.seal(b"13800008001", "investor.phone"), "investor.id_no")


@pytest.mark.parametrize("position", [0, 10, 45, 60, -1])
def test_a_flipped_bit_is_noticed(vault: Vault, position: int) -> None:
    sealed = bytearray(vault.seal(b"310115199404270012", "investor.id_no"))
    sealed[position] ^= 1
    with pytest.raises(VaultError):
        vault.open(bytes(sealed), "investor.id_no")


def test_another_master_key_opens_nothing_and_finds_nothing(vault: Vault) -> None:
    other = Vault(secrets.token_bytes(32))
    with pytest.raises(VaultError):
        other.open(vault.seal(b"x", "c"), "c")
    assert vault.index("310115", "c") != other.index("310115", "c")


def test_the_blind_index_is_the_same_for_the_same_value_only_within_its_context(vault: Vault) -> None:
    assert vault.index(" 31011519940427001x ", "id") == vault.index("31011519940427001X", "id")
    assert vault.index("1", "id") != vault.index("1", "phone")


def test_personal_data_is_nowhere_in_clear_in_the_database(session: Session) -> None:
    person = investor_named(session, "周晚晴")
    row = session.execute(text("SELECT * FROM investors WHERE id = :id"), {"id": person.id}).one()
    kept = b" ".join(bytes(v) if isinstance(v, bytes | memoryview) else str(v).encode() for v in row)
    for clear in (person.name, person.id_no, person.phone, str(person.address), str(person.email)):
        assert clear.encode() not in kept
