import stat
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.browser import ChromiumMissing, find_chromium, launch_options


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_the_chromium_that_is_named_is_the_one(tmp_path, monkeypatch):
    mine = program(tmp_path / "mine", "echo Chromium 1")
    monkeypatch.setenv("CHROMIUM", str(mine))
    assert find_chromium() == mine


def test_a_named_chromium_that_is_not_there_is_an_error_and_not_another_one(tmp_path, monkeypatch):
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "nothing"))
    with pytest.raises(ChromiumMissing, match="nothing"):
        find_chromium()


def test_a_script_that_only_tells_how_to_install_it_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.delenv("CHROMIUM", raising=False)
    program(tmp_path / "chromium", "echo install the snap; exit 1")
    real = program(tmp_path / "google-chrome", "echo Google Chrome 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_chromium() == real


def test_the_one_without_windows_is_taken_before_the_one_with(tmp_path, monkeypatch):
    monkeypatch.delenv("CHROMIUM", raising=False)
    program(tmp_path / "chromium", "echo Chromium 1")
    without = program(tmp_path / "chromium-headless-shell", "echo Chromium 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_chromium() == without


def test_it_starts_with_a_camera_and_a_microphone_that_nobody_has_to_allow():
    with sync_playwright() as playwright, playwright.chromium.launch(**launch_options()) as browser:
        page = browser.new_page()
        page.route("http://127.0.0.1/", lambda route: route.fulfill(body="<p>here", content_type="text/html"))
        page.goto("http://127.0.0.1/")
        kinds = page.evaluate("""async () => {
            const stream = await navigator.mediaDevices.getUserMedia({audio: true, video: true});
            return stream.getTracks().map(track => track.kind).sort();
        }""")
    assert kinds == ["audio", "video"]
