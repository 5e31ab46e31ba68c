"""Which Chromium the browser tests use, how it is started with a camera that is not there, and where to get one.

``python -m tests.browser --install`` gets what is missing: Chromium (Debian's package when this is root and apt is
here, its headless shell if it can; else Playwright's own) and a Chinese font for the pictures.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from console.doctor import CHROMIUM_NAMES, has_chinese_font

FAKE_DEVICES = (
    "--use-fake-device-for-media-stream=fps=8",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--allow-loopback-in-peer-connection",
)


# Chromium without the windows that nobody looks at: half the work. Debian packages it by itself.
HEADLESS_SHELL = "chromium-headless-shell"
expect.set_options(timeout=20_000)  # what is expected comes in the end, also while the machine is busy with other tests


class ChromiumMissing(Exception):
    """None was found, and none could be got; the message says what was tried."""


def find_chromium() -> Path | None:
    """``$CHROMIUM``, else one on PATH (the headless shell first), else the one that Playwright downloaded."""
    if named := os.environ.get("CHROMIUM"):
        if not os.access(named, os.X_OK):
            raise ChromiumMissing(f"CHROMIUM={named} is not a program")
        return Path(named)
    for name in (HEADLESS_SHELL, *CHROMIUM_NAMES):
        if (found := shutil.which(name)) and starts(Path(found)):
            return Path(found)
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    return own if own.exists() else None


def starts(chromium: Path) -> bool:
    """Some distributions put a script there that only says how to install the real one."""
    done = subprocess.run([chromium, "--version"], capture_output=True, timeout=60)
    return done.returncode == 0 and b"Chrom" in done.stdout


def launch_options(*more_flags: str, camera: Path | None = None, microphone: Path | None = None) -> dict[str, object]:
    """For Playwright's ``chromium.launch(**…)``. ``camera``: a .y4m or .mjpeg file, ``microphone``: a .wav file.

    Raises `ChromiumMissing`.
    """
    chromium = find_chromium()
    if chromium is None:
        raise ChromiumMissing("no Chromium: run python -m tests.browser --install, or name one in CHROMIUM")
    flags = [*FAKE_DEVICES, *more_flags]
    if camera:
        flags.append(f"--use-file-for-fake-video-capture={camera}")
    if microphone:
        flags.append(f"--use-file-for-fake-audio-capture={microphone}")
    if os.geteuid() == 0:
        flags.append("--no-sandbox")  # Chromium refuses to run as root with it
    return {"executable_path": str(chromium), "args": flags}


def install() -> Path:
    """Get what is missing. Raises `ChromiumMissing`; a missing font is only said."""
    if "CHROMIUM" not in os.environ and not shutil.which(HEADLESS_SHELL):
        _apt(HEADLESS_SHELL)  # where there is none, the whole one does as well
    chromium = find_chromium() or _install_chromium()
    if not has_chinese_font() and not (_apt("fonts-noto-cjk") and has_chinese_font()):
        print("no Chinese font: pictures will show boxes (apt-get install fonts-noto-cjk)", file=sys.stderr)
    return chromium


def _install_chromium() -> Path:
    if _apt("chromium") and (found := find_chromium()):
        return found
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"])
    if found := find_chromium():
        return found
    raise ChromiumMissing(
        "no Chromium: neither apt-get nor `playwright install chromium` brought one;"
        " install one by hand and name it in CHROMIUM"
    )


def _apt(package: str) -> bool:
    """Install a Debian package, when this is root and apt is here."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", package]):
        if subprocess.run(["apt-get", *arguments], env=quiet, stdout=subprocess.DEVNULL).returncode:
            return False
    return True


if __name__ == "__main__":
    try:
        print(install() if "--install" in sys.argv else find_chromium())
    except ChromiumMissing as error:
        sys.exit(str(error))
