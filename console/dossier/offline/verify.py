"""Verify a dossier of Witness Desk (见证台卷宗), without Witness Desk. Needs Python 3.9 and the package cryptography.

    python verify.py DOSSIER.zip [--key FINGERPRINT]
    python verify.py             in the folder of an unpacked dossier

--key: the fingerprint that the broker publishes; without it only that the dossier was not changed since somebody signed it is known.
Exit code 0: everything holds. 1: what does not hold is named. 2: this is no dossier.
"""

import argparse
import base64
import hashlib
import json
import sys
import zipfile
import zlib
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

MARK, SIGNATURE_HEX = b"witness-desk dossier ", 128
OWN = ("manifest.json", "manifest.sig")
START = "0" * 64
PIECE = 1 << 20
# what readers of a ZIP whose own bytes were changed may raise
UNREADABLE = (zipfile.BadZipFile, zlib.error, OSError, ValueError, RuntimeError, EOFError, LookupError)


class NoDossier(Exception):
    pass


class Zipped:
    """The dossier as it was handed out."""

    def __init__(self, path):
        self.path, self.zip = path, zipfile.ZipFile(path)

    def names(self):
        return self.zip.namelist()

    def pieces(self, name):
        with self.zip.open(name) as file:
            yield from iter(lambda: file.read(PIECE), b"")

    def seal(self):
        """(SHA-256 of all bytes before the comment, the signature) or None when the comment is not ours."""
        length, comment = self.path.stat().st_size, len(MARK) + SIGNATURE_HEX
        digest, left = hashlib.sha256(), length - comment
        with self.path.open("rb") as file:
            while left > 0:
                piece = file.read(min(PIECE, left))
                digest.update(piece)
                left -= len(piece)
            told = file.read()
        return (digest.digest(), told[len(MARK) :]) if told.startswith(MARK) else None


class Unpacked:
    def __init__(self, path):
        self.path = path

    def names(self):
        found = (each for each in self.path.rglob("*") if each.is_file() and "__pycache__" not in each.parts)
        return [each.relative_to(self.path).as_posix() for each in found]

    def pieces(self, name):
        with (self.path / name).open("rb") as file:
            yield from iter(lambda: file.read(PIECE), b"")

    def seal(self):
        return False  # only the archive has one


class Report:
    def __init__(self):
        self.faults, self.notes = [], []

    def fault(self, what, why):
        self.faults.append(f"{what}: {why}")

    def note(self, text):
        self.notes.append(text)


def read(dossier, name):
    return b"".join(dossier.pieces(name))


def verify(dossier, wanted_key=None):
    """A Report. Raises NoDossier."""
    report, names = Report(), dossier.names()
    for name in (*OWN, "public_key.pem"):
        if name not in names:
            raise NoDossier(f"{name} is missing")
    manifest_bytes = _try(report, dossier, "manifest.json")
    key = _key(report, dossier, wanted_key)
    if key is None or manifest_bytes is None:
        return report
    _signed(report, "manifest.json", key, _try(report, dossier, "manifest.sig"), manifest_bytes)
    try:
        manifest = json.loads(manifest_bytes)
    except ValueError:
        report.fault("manifest.json", "was changed and cannot be read any more")
        return report
    good = _files(report, dossier, manifest, names)
    _archive(report, dossier, key)
    trail = _trail(report, dossier, manifest) if "trail.jsonl" in good else []
    _evidence(report, dossier, manifest, trail)
    if "signatures.json" in good:
        _signatures(report, dossier, manifest, good)
    report.note(
        f"case {manifest.get('case_no')}, {len(manifest['files'])} files, {len(trail)} lines of its trail, made {manifest.get('made_at')}"
    )
    return report


def _try(report, dossier, name):
    try:
        return read(dossier, name)
    except UNREADABLE as error:
        report.fault(name, f"cannot be read: {error}")
        return None


def _key(report, dossier, wanted):
    pem = _try(report, dossier, "public_key.pem")
    try:
        key = serialization.load_pem_public_key(pem or b"")
        der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    except ValueError:
        report.fault("public_key.pem", "was changed: it is no key")
        return None
    fingerprint = hashlib.sha256(der).hexdigest()
    report.note(f"signed by the key {fingerprint}")
    if wanted and fingerprint != wanted.replace(":", "").replace(" ", "").lower():
        report.fault("public_key.pem", "is not the key that you named: this dossier is of somebody else")
    elif not wanted:
        report.note("compare this with what the broker publishes, or name that with --key")
    return key


def _signed(report, what, key, signature_hex, message):
    try:
        key.verify(bytes.fromhex((signature_hex or b"").decode()), message)
    except (InvalidSignature, ValueError):
        report.fault(what, "the signature over it does not hold: it, its signature or the key was changed")


def _files(report, dossier, manifest, names):
    """The paths whose content is what was signed."""
    good, listed = set(), set()
    for entry in manifest["files"]:
        path = entry["path"]
        listed.add(path)
        if path not in names:
            report.fault(path, "is missing")
            continue
        digest, size = hashlib.sha256(), 0
        try:
            for piece in dossier.pieces(path):
                digest.update(piece)
                size += len(piece)
        except UNREADABLE as error:
            report.fault(path, f"was changed: {error}")
            continue
        if (size, digest.hexdigest()) != (entry["size"], entry["sha256"]):
            report.fault(path, "was changed")
        elif "damaged" in entry:
            report.fault(path, f"was damaged already when the dossier was made: {entry['damaged']}")
        else:
            good.add(path)
    for name in sorted(set(names) - listed - set(OWN)):
        report.fault(name, "was added")
    return good


def _archive(report, dossier, key):
    seal = dossier.seal()
    if seal is False:
        return
    if seal is None:
        report.fault("archive", "its seal (the comment at its end) was changed or cut off")
        return
    try:
        key.verify(bytes.fromhex(seal[1].decode()), seal[0])
    except (InvalidSignature, ValueError):
        if not report.faults:  # a file that was changed is named already
            report.fault("archive", "its own bytes, outside the files, were changed, or its seal was")


def _trail(report, dossier, manifest):
    """The lines. Each carries the hash of the one before it."""
    lines, last = [], START
    for number, text in enumerate(read(dossier, "trail.jsonl").decode().splitlines(), 1):
        line = json.loads(text)
        content = {name: value for name, value in line.items() if name != "hash"}
        made = hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
        if line["seq"] != number or line["prev_hash"] != last or line["hash"] != made:
            report.fault(f"trail.jsonl line {number}", "the chain of the trail does not hold here")
            break
        last = line["hash"]
        lines.append(line)
    if lines and last != manifest["trail"]["head"]:
        report.fault("trail.jsonl", "its end is not the one that was signed")
    return lines


def _evidence(report, dossier, manifest, trail):
    """What the trail says was kept is what is here."""
    here = {entry["evidence"]: entry for entry in manifest["files"] if "evidence" in entry}
    for line in trail:
        told = line["detail"]
        if "evidence" in told and "sha256" in told:
            entry = here.get(told["evidence"])
            if entry is None:
                report.fault(
                    f"trail.jsonl line {line['seq']}", f"speaks of the file {told['evidence']}, which is not here"
                )
            elif entry["sha256"] != told["sha256"] and "damaged" not in entry:
                report.fault(entry["path"], "is not the file that the trail recorded")


def _signatures(report, dossier, manifest, good):
    hash_of = {entry["path"]: entry["sha256"] for entry in manifest["files"]}
    for each in json.loads(read(dossier, "signatures.json")):
        what = f"signature of {each['title']}"
        signed = base64.b64decode(each["signed_bytes"])
        said = json.loads(signed)
        if not {each["agreement"], each["certificate"], *each.get("chain", [])} <= good:
            report.fault(what, "what it is made of was changed")
            continue
        certificate = x509.load_der_x509_certificate(read(dossier, each["certificate"]))
        if said["document"]["sha256"] != hash_of[each["agreement"]]:
            report.fault(what, "was made over another text")
        if said["case"] != manifest["case_no"]:
            report.fault(what, "was made for another case")
        if f"{certificate.serial_number:X}" != said["certificate"]:
            report.fault(what, "was made with another certificate")
        try:
            certificate.public_key().verify(base64.b64decode(each["signature"]), signed, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError):
            report.fault(what, "does not hold")
        _issued(report, dossier, what, certificate, each.get("chain", []))


def _issued(report, dossier, what, certificate, chain):
    """Up to the root of the certificate authority, which is the last one."""
    issuers = [x509.load_der_x509_certificate(read(dossier, path)) for path in chain]
    for child, issuer in zip([certificate, *issuers], issuers):  # noqa: B905 - Python 3.9
        try:
            child.verify_directly_issued_by(issuer)
        except (InvalidSignature, ValueError, TypeError):
            report.fault(what, f"its certificate was not issued by {issuer.subject.rfc4514_string()}")


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Verify a dossier of Witness Desk.")
    parser.add_argument("dossier", nargs="?", type=Path, default=Path(__file__).parent)
    parser.add_argument("--key", help="the fingerprint that the broker publishes")
    options = parser.parse_args(arguments)
    try:
        dossier = Unpacked(options.dossier) if options.dossier.is_dir() else Zipped(options.dossier)
        report = verify(dossier, options.key)
    except (NoDossier, *UNREADABLE) as error:
        print(f"this is no dossier, or its beginning or end was changed: {error}")
        return 2
    for note in report.notes:
        print(note)
    for fault in report.faults:
        print(f"不符 BROKEN  {fault}")
    print("有不符之处 NOT SOUND" if report.faults else "完整 SOUND: everything is as it was signed")
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
