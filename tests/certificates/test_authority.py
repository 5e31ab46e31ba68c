"""What the house needs from any certificate authority. The embedded one stands for it here."""

import os
import threading
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from console.adapters.ca import CertificateAuthority, DevelopmentAuthority, UnknownSerial
from console.vault import Vault, VaultError
from tests.agreements.given import Device, request_over
from tests.world import AT

VAULT = Vault(b"k" * 32)


@pytest.fixture(params=[lambda folder: DevelopmentAuthority(folder / "ca", VAULT)], ids=["development"])
def authority(request, tmp_path) -> CertificateAuthority:
    return request.param(tmp_path)


def issued(authority, device=None):
    device = device or Device()
    made = authority.issue(request_over(device.key), "周晚晴", "0123abcd", AT)
    return made, x509.load_der_x509_certificate(made.der), device


def test_the_certificate_is_over_the_requests_key_and_names_the_investor(authority) -> None:
    made, certificate, device = issued(authority)
    assert certificate.version is x509.Version.v3
    assert certificate.public_key() == device.key.public_key()
    assert f"{certificate.serial_number:X}" == made.serial
    assert certificate.not_valid_after_utc == made.expires_at
    names = {a.oid: a.value for a in certificate.subject}
    assert (names[NameOID.COMMON_NAME], names[NameOID.SERIAL_NUMBER]) == ("周晚晴", "0123abcd")


def test_it_lasts_a_year_and_is_for_signatures_that_cannot_be_denied(authority) -> None:
    made, certificate, _ = issued(authority)
    assert timedelta(days=364) < made.expires_at - AT <= timedelta(days=366)
    assert certificate.not_valid_before_utc <= AT
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature and usage.value.content_commitment
    assert not (usage.value.key_cert_sign or usage.value.key_encipherment)
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical and not basic.value.ca


def test_the_chain_leads_from_the_certificate_to_a_root_that_signed_itself(authority) -> None:
    _, certificate, _ = issued(authority)
    issuing, root = (x509.load_der_x509_certificate(der) for der in authority.chain())
    certificate.verify_directly_issued_by(issuing)
    issuing.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    key_id = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert key_id == issuing.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert issuing.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def test_no_two_certificates_share_a_serial_number(authority) -> None:
    assert len({issued(authority)[0].serial for _ in range(8)}) == 8


def test_revoking_twice_is_once_and_an_unknown_number_is_said(authority) -> None:
    made, *_ = issued(authority)
    authority.revoke(made.serial, "forgotten")
    authority.revoke(made.serial, "forgotten")
    for unknown in ("ABCDEF", "../../root"):
        with pytest.raises(UnknownSerial):
            authority.revoke(unknown, "forgotten")


def test_opened_again_it_is_the_same_authority(tmp_path) -> None:
    first = DevelopmentAuthority(tmp_path / "ca", VAULT)
    assert DevelopmentAuthority(tmp_path / "ca", VAULT).chain() == first.chain()


def test_several_processes_starting_at_once_agree_on_one(tmp_path) -> None:
    chains: list[list[bytes]] = []
    start = threading.Barrier(4)

    def begin() -> None:
        start.wait()
        chains.append(DevelopmentAuthority(tmp_path / "ca", VAULT).chain())

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(chains) == 4
    assert all(chain == chains[0] for chain in chains)
    assert [entry.name for entry in tmp_path.iterdir()] == ["ca"], "no drafts are left"


def test_its_keys_lie_sealed_and_only_the_owner_may_read_them(tmp_path) -> None:
    DevelopmentAuthority(tmp_path / "ca", VAULT)
    for name in ("root", "issuing"):
        path = tmp_path / "ca" / f"{name}.key"
        assert os.stat(path).st_mode & 0o077 == 0
        assert b"PRIVATE" not in path.read_bytes()
        VAULT.open(path.read_bytes(), f"ca.{name}")
        with pytest.raises(VaultError):
            Vault(b"o" * 32).open(path.read_bytes(), f"ca.{name}")


def test_what_the_request_wishes_for_itself_is_ignored(authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    from cryptography.hazmat.primitives import hashes, serialization

    greedy = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root of all")]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = authority.issue(greedy.public_bytes(serialization.Encoding.DER), "周晚晴", "0123abcd", AT)
    certificate = x509.load_der_x509_certificate(made.der)
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert "Root of all" not in certificate.subject.rfc4514_string()
