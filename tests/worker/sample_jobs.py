"""Jobs for `test_runner`: each writes what it does into a file, for others to see."""

import os
import time
from pathlib import Path


def note(path: str, seconds: float = 0) -> None:
    """Takes ``seconds`` on the first run, none on any later one."""
    diary = Path(path)
    first = not diary.exists()
    with diary.open("a") as lines:
        lines.write(f"begin {os.getpid()}\n")
    time.sleep(seconds if first else 0)
    with diary.open("a") as lines:
        lines.write("end\n")
