"""The whole thing for a story: `console run` on a fresh instance, and real Chromiums with cameras that are not there."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from console.supervisor import web_answers
from tests.browser import launch_options
from tests.servers import short_folder

READY_WITHIN = 60.0  # seconds
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1440, "height": 900}
LOW = {"width": 1280, "height": 720}


class NotRunning(AssertionError):
    """No such part."""


@dataclass
class Running:
    """One instance under `console run`."""

    url: str
    home: Path
    environment: dict[str, str]
    process: subprocess.Popen[str]
    output: list[str]

    def console(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command on the same instance."""
        return subprocess.run(
            [sys.executable, "-m", "console.cli", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def wait_for(self, what: str) -> str:
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self.output:
                if re.search(what, line):
                    return line
            time.sleep(0.1)
        raise AssertionError(f"{what!r} never came; it said:\n" + "\n".join(self.output[-60:]))

    def pid_of(self, name: str) -> int:
        """The process of a part, as the supervisor started it."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for child in children:
            if name in Path(f"/proc/{child}/cmdline").read_bytes().decode().replace("\0", " "):
                return int(child)
        raise NotRunning(f"no {name} among {children}")

    def kill(self, name: str) -> int:
        """As a crash would; the pid it had."""
        pid = self.pid_of(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_for_another(self, name: str, pid: int) -> None:
        """Until the supervisor has started the part again and the instance answers."""
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            with suppress(NotRunning, OSError):
                if self.pid_of(name) != pid and web_answers("127.0.0.1", int(self.environment["CONSOLE_PORT"])):
                    return
            time.sleep(0.1)
        raise AssertionError(f"{name} did not come back; it said:\n" + "\n".join(self.output[-60:]))


@pytest.fixture(params=["sqlite"])
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    """Parametrize indirectly with "postgresql" to tell the story on PostgreSQL."""
    with short_folder() as folder:
        environment = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith("CONSOLE_") and k not in ("DATABASE_URL", "REDIS_URL")
        }
        environment |= {
            "CONSOLE_HOME": str(folder / "var"),
            "CONSOLE_PORT": "0",
            "CONSOLE_DEMO": "1",
            "PYTHONUNBUFFERED": "1",
        }
        if request.param == "postgresql":
            environment["DATABASE_URL"] = request.getfixturevalue("postgres_url")
        process = subprocess.Popen(
            [sys.executable, "-m", "console.cli", "run", "--port", "0"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        output: list[str] = []
        reader = threading.Thread(
            target=lambda: output.extend(line.rstrip() for line in process.stdout or ()), daemon=True
        )
        reader.start()
        started = Running("", folder / "var", environment, process, output)
        try:
            started.wait_for("ready — Ctrl-C")
            address = next(m.group(0) for line in output if (m := re.search(r"http://127\.0\.0\.1:\d+", line)))
            started.url = address
            environment["CONSOLE_PORT"] = address.rpartition(":")[2]
            yield started
        finally:
            os.kill(process.pid, signal.SIGINT)
            try:
                process.wait(timeout=30)
            finally:
                os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
            reader.join(timeout=5)
            if process.stdout:
                process.stdout.close()
            log = os.environ.get("STORY_LOG")
            if log:
                Path(log).write_text("\n".join(output))
        assert process.returncode == 0, "\n".join(output[-40:])


@pytest.fixture(scope="module")
def browsers() -> Iterator[Callable[[], Browser]]:
    """``browsers()`` starts another Chromium: two people never share one.

    Not for the whole session: Playwright keeps an event loop in this process until it ends, and other tests have their own.
    """
    with sync_playwright() as playwright:
        started: list[Browser] = []

        def start() -> Browser:
            started.append(playwright.chromium.launch(**launch_options()))  # type: ignore[arg-type]
            return started[-1]

        yield start
        for browser in started:
            browser.close()


@pytest.fixture(scope="module")
def phones(browsers: Callable[[], Browser]) -> Browser:
    return browsers()


@pytest.fixture(scope="module")
def desktops(browsers: Callable[[], Browser]) -> Browser:
    return browsers()


class Pictures:
    """Screenshots under ``--keep-pictures``, numbered in the order they were taken; none without it."""

    def __init__(self, folder: Path | None, name: str):
        self.folder, self.name, self.count = folder, name, 0

    def take(self, page: Page, what: str) -> None:
        if self.folder is None:
            return
        self.count += 1
        self.folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=self.folder / f"{self.name}-{self.count:02d}-{what}.png")


@pytest.fixture
def pictures(request: pytest.FixtureRequest) -> Pictures:
    folder = request.config.getoption("--keep-pictures")
    return Pictures(
        Path(folder) if folder else None, re.sub(r"\W+", "-", request.node.name.removeprefix("test_"))[:40].strip("-")
    )


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture
def open_page(running: Running, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """``open_page(browser, viewport)``: a person with a browser of their own: cookies, storage, permissions."""
    contexts: list[BrowserContext] = []

    def make(browser: Browser, viewport: dict[str, int], *, phone: bool = False) -> Page:
        context = browser.new_context(
            base_url=running.url,
            viewport=viewport,
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
            has_touch=phone,
            reduced_motion="reduce",
            permissions=["camera", "microphone"],
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: broken.append(f"{page.url}: {error}"))
        page.on(
            "console", lambda m: broken.append(f"{page.url}: {m.text}") if "Content Security Policy" in m.text else None
        )
        return page

    broken: list[str] = []
    yield make
    for number, context in enumerate(contexts):
        for page in context.pages if request.node.stash.get(FAILED, False) else ():
            page.screenshot(path=tmp_path / f"failed-{number}.png")
            print(f"{page.url}: {tmp_path}/failed-{number}.png")
        context.close()
    assert broken == [], "the pages' own scripts failed"
