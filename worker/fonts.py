"""Where this machine keeps a font with Chinese characters."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

USUAL = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/System/Library/Fonts/PingFang.ttc",
)


@cache
def chinese() -> str | None:
    """The path of one; None when there is none."""
    return next((path for path in USUAL if Path(path).exists()), None) or _by_fontconfig()


def _by_fontconfig() -> str | None:
    if shutil.which("fc-list") is None:
        return None
    found = subprocess.run(["fc-list", ":lang=zh-cn", "file"], capture_output=True, text=True, timeout=20).stdout
    paths = sorted(line.rstrip(": ") for line in found.splitlines())
    return next((path for path in paths if path.endswith((".ttc", ".ttf", ".otf"))), None)
