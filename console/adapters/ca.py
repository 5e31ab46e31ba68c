"""The certificate authority port (P10): who signs investors' certificates.

``CertificateAuthority`` is what the house needs from any; ``DevelopmentAuthority`` is the embedded one: a root and an issuing CA of
its own, made on first use. A licensed CA is another class with the same three methods; tests/certificates/test_authority.py is the
contract that both have to keep.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from console.adapters.whole import write_whole
from console.config import Settings
from console.vault import Vault, current

ONE_YEAR = timedelta(days=365)
SKEW = timedelta(minutes=5)  # a device whose clock is a little behind must not find its new certificate not yet valid


@dataclass(frozen=True)
class IssuedCertificate:
    """``der``: X.509 v3 (RFC 5280); ``serial``: upper-case hex; ``expires_at``: aware UTC, to the second."""

    der: bytes
    serial: str
    expires_at: datetime


class UnknownSerial(Exception):
    """This authority never issued a certificate with that serial number."""


class CertificateAuthority(Protocol):
    def issue(self, csr_der: bytes, subject_name: str, subject_serial: str, at: datetime) -> IssuedCertificate:
        """A certificate over the public key of the PKCS#10 request (already checked; its other wishes are ignored).

        ``subject_name``: the investor's name (CN); ``subject_serial``: a pseudonym that is the same for one person (serialNumber)."""

    def revoke(self, serial: str, why: str) -> None:
        """From now on the certificate is void; again: nothing more happens. Raises UnknownSerial."""

    def chain(self) -> list[bytes]:
        """DER, the issuing CA first, the root last."""


def authority(settings: Settings) -> CertificateAuthority:
    """The one this instance uses."""
    return DevelopmentAuthority(settings.home / "keys" / "ca", current())


class DevelopmentAuthority:
    """Lives in one folder: two certificates, two keys sealed by the vault, and a slip for every certificate issued or revoked."""

    def __init__(self, folder: Path, vault: Vault):
        self._folder, self._vault = folder, vault
        if not folder.exists():
            self._found()

    def issue(self, csr_der: bytes, subject_name: str, subject_serial: str, at: datetime) -> IssuedCertificate:
        issuer, key = self._certificate("issuing"), self._key("issuing")
        public = x509.load_der_x509_csr(csr_der).public_key()
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
                x509.NameAttribute(NameOID.COMMON_NAME, subject_name[:64]),
                x509.NameAttribute(NameOID.SERIAL_NUMBER, subject_serial[:64]),
            ]
        )
        start = at.replace(microsecond=0)
        made = (
            _builder(subject, issuer.subject, public, start - SKEW, start + ONE_YEAR)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True, content_commitment=True), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        der = made.public_bytes(serialization.Encoding.DER)
        serial = f"{made.serial_number:X}"
        write_whole(self._folder / "issued" / f"{serial}.cer", der)
        return IssuedCertificate(der, serial, made.not_valid_after_utc)

    def revoke(self, serial: str, why: str) -> None:
        if not serial.isalnum() or not (self._folder / "issued" / f"{serial}.cer").exists():
            raise UnknownSerial(serial)
        slip = self._folder / "revoked" / serial
        if not slip.exists():
            write_whole(slip, why.encode())

    def chain(self) -> list[bytes]:
        return [self._certificate(name).public_bytes(serialization.Encoding.DER) for name in ("issuing", "root")]

    def _certificate(self, name: str) -> x509.Certificate:
        return x509.load_der_x509_certificate((self._folder / f"{name}.cer").read_bytes())

    def _key(self, name: str) -> ec.EllipticCurvePrivateKey:
        opened = self._vault.open((self._folder / f"{name}.key").read_bytes(), f"ca.{name}")
        key = serialization.load_der_private_key(opened, password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key

    def _found(self) -> None:
        """Make root and issuing CA in a folder aside and move it into place: of several processes the first one wins."""
        self._folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = Path(tempfile.mkdtemp(dir=self._folder.parent, prefix="ca."))
        try:
            for name in ("issued", "revoked"):
                (draft / name).mkdir()
            self._fill(draft)
            os.rename(draft, self._folder)
        except OSError:
            if not self._folder.exists():
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _fill(self, draft: Path) -> None:
        at = datetime.now().astimezone().replace(microsecond=0)
        root_key, key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP256R1())
        root_name, name = _name("Witness Desk Development Root"), _name("Witness Desk Development Issuing CA")
        root = (
            _builder(root_name, root_name, root_key.public_key(), at - SKEW, at + 20 * ONE_YEAR)
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
            .sign(root_key, hashes.SHA384())
        )
        issuing = (
            _builder(name, root_name, key.public_key(), at - SKEW, at + 10 * ONE_YEAR)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
            .sign(root_key, hashes.SHA384())
        )
        for title, certificate, secret in (("root", root, root_key), ("issuing", issuing, key)):
            clear = secret.private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write_whole(draft / f"{title}.key", self._vault.seal(clear, f"ca.{title}"))
            write_whole(draft / f"{title}.cer", certificate.public_bytes(serialization.Encoding.DER))


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"), x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, public: object, starts: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)  # type: ignore[arg-type]
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)  # type: ignore[arg-type]
    )


def _usage(**wanted: bool) -> x509.KeyUsage:
    every = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in every})
