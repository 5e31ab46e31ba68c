"""看板 in a real browser: what changes shows by itself, the alarm sounds once for each branch and can be muted for good."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from playwright.sync_api import Page, expect, sync_playwright
from werkzeug.serving import make_server

from console import live
from console.config import Settings
from console.db import transaction
from console.queues.models import Ticket
from console.queues.promises import WaitPromise
from tests.browser import launch_options
from tests.queues.given import waiting_since
from tests.queues.history import called

# counts what is really played: a tone is an oscillator that is started
COUNT_TONES = """const start = OscillatorNode.prototype.start; let tones = 0;
OscillatorNode.prototype.start = function (...when) {
  document.documentElement.dataset.tones = String(++tones);
  return start.apply(this, when);
};"""


@pytest.fixture
def page(app: Flask, as_staff) -> Iterator[Page]:
    """The board of the supervisor in Shanghai."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    address = f"http://127.0.0.1:{server.port}"
    allowed = live.socketio.server.eio.cors_allowed_origins
    live.socketio.server.eio.cors_allowed_origins = [address]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cookie = as_staff("fangyi").get_cookie("desk")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())  # type: ignore[arg-type]
        context = browser.new_context(base_url=address, viewport={"width": 1440, "height": 900})
        context.add_cookies([{"name": "desk", "value": cookie.value, "url": address}])
        context.add_init_script(COUNT_TONES)
        yield context.new_page()
        browser.close()
    live.socketio.server.eio.cors_allowed_origins = allowed
    server.shutdown()


def waits(name: str, minutes: float) -> int:
    """Somebody waits so long at 上海陆家嘴, and the house says so. → the branch"""
    with transaction() as session:
        ticket = waiting_since(session, name, 0)
        ticket.joined_at = datetime.now(UTC) - timedelta(minutes=minutes)
        branch_id = ticket.branch_id
    live.queue_changed(branch_id, 1, [])
    return branch_id


def test_the_board_follows_the_queue_and_raises_the_alarm_once(page: Page, world: Settings) -> None:
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)
    page.on("pageerror", lambda error: refused.append(str(error)))
    page.goto("/board")
    mute = page.locator("[data-mute]")
    expect(mute).to_be_enabled()
    expect(page.locator(".uplot canvas")).to_be_visible()
    page.locator("h1").click()  # browsers let nothing sound before the page was touched
    whole = page.locator("html")
    expect(whole).to_have_attribute("data-live", "online")

    branch_id = waits("周晚晴", 12)
    expect(page.locator("#b-alerts .note")).to_contain_text("没有坐席在线")
    expect(page.locator("[data-said]")).to_contain_text("上海陆家嘴")
    expect(whole).to_have_attribute("data-tones", "1")

    page.evaluate("document.querySelector('#b-kpis dl').id = 'as-it-was'")
    live.seats_changed(branch_id)
    expect(page.locator("#as-it-was")).to_have_count(0)
    expect(whole).to_have_attribute("data-tones", "1")

    mute.click()
    expect(mute).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(mute).to_be_enabled()
    expect(mute).to_contain_text("已静音")
    assert whole.get_attribute("data-tones") is None

    page.locator("summary").filter(has_text="同样的数字").click()
    expect(page.locator("[data-numbers]")).to_be_visible()
    with transaction() as session:
        assert session.query(Ticket).count() == 1
    assert refused == []


def test_on_a_low_screen_no_chart_is_cut(page: Page, world: Settings) -> None:
    branch_id = waits("周晚晴", 12)
    with transaction() as session:
        ticket = called(session, branch_id, datetime.now(UTC), waited=3)
        told = WaitPromise(branch_id=branch_id, ticket_id=ticket.id, made_at=ticket.joined_at, ahead=1, low=2, high=5)
        session.add(told)
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto("/board")
    expect(page.locator(".card-x svg[role=img]")).to_have_count(2)
    expect(page.locator(".uplot canvas")).to_be_visible()
    assert (
        page.evaluate(
            "() => [...document.querySelectorAll('.card-x svg[role=img], .uplot')].filter((chart) =>"
            " chart.getBoundingClientRect().bottom > chart.closest('.card-x').getBoundingClientRect().bottom).length"
        )
        == 0
    )
