"""A small room to develop strangers' photos in: a process with little memory, little time, no files and no secrets.

``develop`` starts it for one photo. A decoder that is tricked or crashes takes this process along and nothing else; what it may
not have (memory, CPU seconds, writing files) the kernel refuses, not we.
"""

import json
import os
import resource
import subprocess
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

from console import leash
from console.evidence.heads import Unusable
from console.evidence.imaging import Picture, Prepared, prepare

MEMORY = 1024 * 1024 * 1024  # bytes of address space; the libraries alone map about 250 MB
CPU = 20  # seconds
PATIENCE = 60.0  # seconds on the clock: the machine may be busy
DONE, REFUSED = 0, 3
PICTURES = ("upright", "cropped", "thumb")


class DarkroomFailed(Exception):
    """The room itself did not work (no memory on this machine, a fault of ours): worth another try."""


def develop(image: bytes, kind: str) -> Prepared:
    """``prepare`` in a room of its own. Raises Unusable, also for a photo that broke the room; DarkroomFailed."""
    try:
        room = subprocess.run(
            [sys.executable, "-m", __name__, kind],
            input=image,
            capture_output=True,
            timeout=PATIENCE,
            env=nothing_secret(),
            cwd="/",
            preexec_fn=partial(confine, os.getpid()),
        )
    except subprocess.TimeoutExpired as error:
        # of its CPU seconds it had some left: the machine is slow, not the photo
        raise DarkroomFailed(f"not done within {PATIENCE} seconds") from error
    if room.returncode == DONE:
        return _unpack(room.stdout)
    if room.returncode == REFUSED:
        raise Unusable(room.stdout.decode())
    if room.returncode < 0:  # killed: by the kernel for CPU or memory, or by its own crash
        raise Unusable("unreadable")
    raise DarkroomFailed(room.stderr.decode(errors="replace")[-2000:])


def confine(parent: int) -> None:
    """In the fresh child: what it may have from here on, and that it ends with ``parent``."""
    leash.end_with(parent)
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        hard = resource.getrlimit(what)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (allowed, allowed))


def nothing_secret() -> dict[str, str]:
    ours = Path(__file__).resolve().parent.parent
    return {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(ours),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",  # each of its threads would map memory that is never used
        "OMP_NUM_THREADS": "1",
    }


def _pack(prepared: Prepared) -> bytes:
    """One line of JSON, then the pictures one after the other."""
    facts = asdict(prepared)
    for name in PICTURES:
        facts[name]["jpeg"] = len(facts[name]["jpeg"])
    return json.dumps(facts).encode() + b"\n" + b"".join(getattr(prepared, name).jpeg for name in PICTURES)


def _unpack(packed: bytes) -> Prepared:
    line, _, rest = packed.partition(b"\n")
    facts = json.loads(line)
    for name in PICTURES:
        length = facts[name]["jpeg"]
        facts[name] = Picture(rest[:length], facts[name]["width"], facts[name]["height"])
        rest = rest[length:]
    return Prepared(**facts)


def main() -> int:
    try:
        packed = _pack(prepare(sys.stdin.buffer.read(), sys.argv[1]))
    except Unusable as unusable:
        packed, status = unusable.problem.encode(), REFUSED
    except MemoryError:
        packed, status = b"too_large", REFUSED
    else:
        status = DONE
    sys.stdout.buffer.write(packed)
    return status


if __name__ == "__main__":
    sys.exit(main())
