"""One key frame of VP8 to a PNG file at its full resolution."""

import os
from pathlib import Path
from typing import Any

import av
from av.video.codeccontext import VideoCodecContext

from worker.media import png


class Undecodable(ValueError):
    """The key frame does not decode."""


def save_png(key_frame: bytes, path: Path) -> tuple[int, int]:
    """Decode and write; returns width and height in pixels. The file appears whole or not at all.

    Blocking, some 10 to 100 ms. Raises `Undecodable`, or OSError.
    """
    decoder = VideoCodecContext.create("vp8", "r")
    try:
        pictures = decoder.decode(av.Packet(key_frame)) or decoder.decode(None)
    except av.FFmpegError as error:
        raise Undecodable("the key frame does not decode") from error
    if not pictures:
        raise Undecodable("the key frame holds no picture")
    picture = pictures[0]
    pixels: Any = picture.to_ndarray(format="rgb24")
    partial = path.with_name(path.name + ".part")
    with os.fdopen(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o640), "wb") as stream:
        stream.write(png.encode(pixels))
    os.replace(partial, path)
    return picture.width, picture.height
