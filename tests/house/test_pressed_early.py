"""A phone on a slow network: the page is there, its scripts are not yet. What needs them can be pressed only when they are."""

import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright
from werkzeug.serving import make_server

from console.cases.transitions import finish_step
from console.db import transaction
from tests.agreements.given import of
from tests.browser import launch_options
from tests.world import given_case


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(**launch_options())  # type: ignore[arg-type]
        yield opened
        opened.close()


@pytest.fixture
def phone(browser: Browser, address: str, as_investor) -> Iterator[Callable[..., Page]]:
    """``phone(held="boot")``: 周晚晴 at the bank cards; this script stays on its way until ``page.late.arrives()``."""
    cookie = as_investor("周晚晴").get_cookie("desk")
    with transaction() as session:
        case = given_case(session)
        finish_step(case, "photos", of(case))
        path = f"/case/{case.case_no}/bank_card"
    contexts: list[BrowserContext] = []

    def at_the_cards(held: str) -> Page:
        context = browser.new_context(viewport={"width": 390, "height": 844}, base_url=address)
        contexts.append(context)
        context.add_cookies([{"name": "desk", "value": cookie.value, "url": address}])
        page = context.new_page()
        page.late = Late(page, held)
        page.goto(path, wait_until="commit")
        return page

    yield at_the_cards
    for context in contexts:
        context.close()


class Late:
    def __init__(self, page: Page, name: str):
        self.waiting: list[Route] = []
        self.held = True
        page.route(f"**/{name}.js", lambda route: self.waiting.append(route) if self.held else route.continue_())

    def arrives(self) -> None:
        for route in self.waiting:
            route.continue_()

    def gets_lost(self) -> None:
        """As when the web process ends in the middle; what is asked for after it arrives."""
        self.held = False
        for route in self.waiting:
            route.abort("connectionreset")


def test_a_form_that_asks_first_cannot_be_sent_before_its_script_can_ask(phone) -> None:
    page = phone(held="boot")
    onwards, add = page.get_by_role("button", name="下一步"), page.get_by_role("button", name="新增银行卡")
    expect(onwards).to_be_disabled()
    expect(add).to_be_disabled()
    before, place = page.url, onwards.bounding_box()
    look = onwards.evaluate("el => [getComputedStyle(el).color, getComputedStyle(el).backgroundColor]")
    onwards.click(force=True)
    add.click(force=True)
    assert (page.url, page.get_by_role("dialog").count()) == (before, 0)
    page.late.arrives()
    expect(onwards).to_be_enabled()
    assert onwards.bounding_box() == place, "nothing moved"
    assert onwards.evaluate("el => [getComputedStyle(el).color, getComputedStyle(el).backgroundColor]") == look, (
        "nothing flashed"
    )
    onwards.click()
    expect(page.get_by_role("alertdialog", name="使用提示")).to_be_visible()
    assert page.url == before


def test_a_dialog_that_opens_before_its_own_script_came_cannot_be_sent(phone) -> None:
    page = phone(held="portal-bank-card")
    page.get_by_role("button", name="新增银行卡").click()
    save = page.get_by_role("button", name="保存银行卡")
    expect(save).to_be_disabled()
    page.get_by_label("银行卡号").press("Enter")
    expect(page.get_by_role("dialog", name="新增银行卡")).to_be_visible()
    page.late.arrives()
    save.click()
    expect(page.get_by_role("alert").filter(visible=True).first).to_be_visible()
    assert page.url.endswith("/bank_card")


@pytest.mark.parametrize("lost", ["boot", "ticking"])
def test_a_page_whose_scripts_did_not_all_arrive_is_fetched_again_by_itself(phone, lost: str) -> None:
    page = phone(held=lost)
    expect(page.get_by_role("button", name="下一步")).to_be_visible()
    page.wait_for_timeout(300)  # the modules that others import are asked for last
    page.late.gets_lost()
    page.wait_for_function("() => document.querySelector('#new-card [type=submit]:not([disabled])')", timeout=20_000)
    page.get_by_role("button", name="新增银行卡").click()
    expect(page.get_by_role("button", name="保存银行卡")).to_be_enabled()
