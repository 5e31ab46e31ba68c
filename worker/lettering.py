"""Read the text on a cut ID card (PaddleOCR's models in rapidocr's wheel, on onnxruntime), in a confined process of its own.

``read`` starts it for one picture: 736 pixels wide, one thread, no arena, one line at a time it stays under 270 MB; loading takes
about 1.2 CPU seconds, reading 0.4 to 0.8 (docs/decisions/0007). Strangers' pictures come here only as JPEGs of our own making.
"""

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from typing import Any

from worker.darkroom import confine, nothing_secret

WIDTH = 736  # pixels: characters of an ID card are then 20 high, and the detector needs 160 MB
PATIENCE = 60.0  # seconds on the clock
LEAST_SURE = 0.6  # of 1; below, nothing is said rather than something wrong
NICE = 10  # photos that people wait for come first


class LetteringFailed(Exception):
    """The process did not work: worth another try."""


@dataclass(frozen=True)
class Line:
    """``x`` and ``y`` of the middle of a line of text, in widths and heights of the picture."""

    text: str
    x: float
    y: float


def read(jpeg: bytes) -> list[Line]:
    """The lines of a picture, in no order. Raises LetteringFailed."""
    try:
        room = subprocess.run(
            [sys.executable, "-m", __name__],
            input=jpeg,
            capture_output=True,
            timeout=PATIENCE,
            env=nothing_secret(),
            cwd="/",
            preexec_fn=partial(_in_child, os.getpid()),
        )
    except subprocess.TimeoutExpired as error:
        raise LetteringFailed(f"not done within {PATIENCE} seconds") from error
    if room.returncode != 0:
        raise LetteringFailed(f"{room.returncode}: {room.stderr.decode(errors='replace')[-2000:]}")
    return [Line(**line) for line in json.loads(room.stdout)]


def _in_child(parent: int) -> None:
    os.nice(NICE)
    confine(parent)


def main() -> int:
    import numpy as np
    from PIL import Image
    from rapidocr import RapidOCR

    engine = RapidOCR(
        params={
            "Global.log_level": "error",
            "Global.use_cls": False,
            "Global.text_score": LEAST_SURE,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "EngineConfig.onnxruntime.enable_cpu_mem_arena": False,
            "Det.limit_side_len": WIDTH,
            "Det.limit_type": "max",
            "Rec.rec_batch_num": 1,
        }
    )
    with Image.open(io.BytesIO(sys.stdin.buffer.read()), formats=("JPEG",)) as picture:
        size = (WIDTH, max(1, round(picture.height * WIDTH / picture.width)))
        pixels = np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BOX, reducing_gap=2.0))
    found: Any = engine(np.ascontiguousarray(pixels[:, :, ::-1]))
    boxes = found.boxes if found.boxes is not None else []
    lines = [
        {"text": text, "x": float(box[:, 0].mean()) / size[0], "y": float(box[:, 1].mean()) / size[1]}
        for text, box in zip(found.txts or (), boxes, strict=True)
    ]
    sys.stdout.write(json.dumps(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
