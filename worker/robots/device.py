"""The device of a simulated investor: a key that stays here, a certificate request, signatures as WebCrypto makes them."""

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

COORDINATE = 32  # bytes of r and of s


@dataclass
class Device:
    """Its key and certificate's serial lie in a file, so that a robot that is started again goes on."""

    path: Path
    name: str
    key: ec.EllipticCurvePrivateKey | None = None
    serial: str = ""

    @classmethod
    def of(cls, folder: Path, client_no: str) -> "Device":
        device = cls(folder / f"{client_no}.json", f"机器人 {client_no}")
        if device.path.exists():
            kept = json.loads(device.path.read_text())
            key = serialization.load_pem_private_key(kept["key"].encode(), password=None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            device.key, device.serial = key, kept["serial"]
        return device

    def request(self) -> str:
        """A new key's certificate request: PKCS#10, DER, Base64."""
        self.key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "robot")])
        made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(self.key, hashes.SHA256())
        return base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()

    def keep(self, serial: str) -> None:
        assert self.key is not None
        self.serial = serial
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self.path.with_suffix(".draft")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"serial": serial, "key": pem.decode()}, file)
        os.replace(draft, self.path)

    def sign(self, content: bytes) -> str:
        """r‖s over SHA-256 (IEEE P1363), Base64."""
        assert self.key is not None
        r, s = decode_dss_signature(self.key.sign(content, ec.ECDSA(hashes.SHA256())))
        return base64.b64encode(r.to_bytes(COORDINATE, "big") + s.to_bytes(COORDINATE, "big")).decode()
