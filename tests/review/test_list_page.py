"""复核任务 in a real browser: chosen, handed out and set aside by keys; what others do moves neither the cursor nor the selection."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from flask import Flask
from openpyxl import load_workbook
from playwright.sync_api import Page, expect, sync_playwright
from werkzeug.serving import make_server

from console import live
from console.cases.models import Case
from console.db import reading, transaction
from console.review import handing, service
from console.review.models import ReviewTask
from tests.browser import launch_options
from tests.review.given import case_in_review, many
from tests.stories import stage
from tests.world import staff_named, stamp

NOW = datetime.now(UTC)
pictures = stage.pictures  # with --keep-pictures


@pytest.fixture
def numbers(app: Flask) -> list[str]:
    """In the order of the list; 方毅 witnessed none of them."""
    with transaction() as session:
        return [
            case_in_review(session, "周晚晴", at=NOW - timedelta(minutes=90)).case_no,
            case_in_review(session, "许砚青", at=NOW - timedelta(minutes=30)).case_no,
        ]


@pytest.fixture
def page(app: Flask, as_staff, numbers: list[str]) -> Iterator[Page]:
    """The list of the supervisor in Shanghai, who hears what others do."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    address = f"http://127.0.0.1:{server.port}"
    allowed = live.socketio.server.eio.cors_allowed_origins
    live.socketio.server.eio.cors_allowed_origins = [address]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cookie = as_staff("fangyi").get_cookie("desk")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())  # type: ignore[arg-type]
        context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 720})
        context.add_cookies([{"name": "desk", "value": cookie.value, "url": address}])
        opened = context.new_page()
        refused: list[str] = []
        opened.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)
        opened.on("pageerror", lambda error: refused.append(str(error)))
        opened.goto("/review")
        expect(opened.locator("html")).to_have_attribute("data-live", "online")
        yield opened
        assert refused == []
        browser.close()
    live.socketio.server.eio.cors_allowed_origins = allowed
    server.shutdown()


def row(page: Page, number: str):
    return page.locator(f"tr[data-case='{number}']")


def test_by_keys_alone_tasks_are_chosen_assigned_and_set_aside(
    page: Page, numbers: list[str], pictures: stage.Pictures
) -> None:
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("[data-chosen-count]")).to_have_text("已选 2 件")
    pictures.take(page, "chosen")
    page.keyboard.press("g")
    page.locator("#assign-staff").select_option(label="秦朗　qinlang")
    pictures.take(page, "assign")
    page.keyboard.press("Control+Enter")
    expect(row(page, numbers[0])).to_contain_text("已指派给 秦朗")
    expect(row(page, numbers[1])).to_contain_text("已指派给 秦朗")
    expect(page.locator("[data-chosen]")).to_be_hidden()
    expect(row(page, numbers[1])).to_have_class("cur")

    page.keyboard.press("x")
    page.keyboard.press("s")
    pictures.take(page, "snooze")
    page.get_by_label("原因").fill("等投资者补件")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="办成 0 件，1 件没有办成")).to_be_visible()
    expect(page.locator("[data-failed]")).to_contain_text("已指派给 秦朗")
    pictures.take(page, "outcome")
    page.keyboard.press("Escape")
    expect(page.locator("[data-chosen-count]")).to_have_text("已选 1 件")  # what failed stays chosen


def test_set_aside_it_is_gone_and_comes_back_by_a_key(page: Page, numbers: list[str], pictures: stage.Pictures) -> None:
    page.keyboard.press("x")
    page.keyboard.press("s")
    page.get_by_label("原因").fill("等投资者补件")
    page.keyboard.press("Control+Enter")
    expect(row(page, numbers[0])).to_have_count(0)
    page.get_by_role("link", name="暂缓").click()
    expect(row(page, numbers[0])).to_contain_text("暂缓到")
    pictures.take(page, "snoozed")
    page.keyboard.press("x")
    page.keyboard.press("w")
    expect(row(page, numbers[0])).to_have_count(0)
    with reading() as session:
        assert session.query(ReviewTask).filter(ReviewTask.snoozed_until.is_not(None)).count() == 0


def test_the_list_is_exported_with_progress_and_an_export_can_be_ended(
    page: Page, numbers: list[str], pictures: stage.Pictures
) -> None:
    with page.expect_download() as download:
        page.keyboard.press("e")
        pictures.take(page, "export")
        page.keyboard.press("Control+Enter")
    assert download.value.suggested_filename.endswith(".xlsx")
    sheet = load_workbook(BytesIO(download.value.path().read_bytes()))["复核任务"]
    assert [row[0] for row in sheet.iter_rows(min_row=2, values_only=True)] == numbers
    expect(page.locator(".toasts")).to_contain_text("已导出 2 件")

    many(40_000)
    page.reload()
    expect(page.locator("[data-export=all]")).to_be_enabled()
    page.keyboard.press("e")
    page.get_by_label("CSV").check()
    page.keyboard.press("Control+Enter")
    expect(page.locator("[data-so-far]")).to_contain_text("共 40002 件")
    pictures.take(page, "exporting")
    page.get_by_role("button", name="取消").click()
    expect(page.locator(".toasts")).to_contain_text("已取消导出")
    expect(page.locator("#export")).to_be_hidden()


def test_filters_are_saved_as_a_tab_and_the_tab_is_deleted_by_keys(
    page: Page, numbers: list[str], pictures: stage.Pictures
) -> None:
    page.locator("select[name=state]").select_option("free")
    page.wait_for_url("**/review?*state=free*")
    expect(page.locator("[data-export=all]")).to_be_enabled()
    page.keyboard.press("v")
    page.get_by_label("名称").fill("没人领的")
    pictures.take(page, "save-view")
    page.keyboard.press("Control+Enter")
    tab = page.locator(".tab[aria-current]")
    expect(tab).to_contain_text("没人领的")
    pictures.take(page, "saved")
    page.keyboard.press("v")
    page.get_by_role("button", name="删除视图").press("Enter")
    expect(page.get_by_role("link", name="没人领的")).to_have_count(0)
    expect(tab).to_contain_text("待复核")


def test_what_others_do_moves_neither_cursor_nor_selection_nor_focus(page: Page, numbers: list[str]) -> None:
    page.keyboard.press("j")
    page.keyboard.press("x")
    box = row(page, numbers[1]).get_by_role("checkbox")
    box.focus()
    with transaction() as session:
        qinlang, case = staff_named(session, "qinlang"), session.query(Case).filter_by(case_no=numbers[0]).one()
        service.claim(session, case, qinlang, stamp(f"staff:{qinlang.id}", datetime.now(UTC)))
    expect(row(page, numbers[0])).to_contain_text("秦朗")
    expect(row(page, numbers[1])).to_have_class("cur")
    expect(box).to_be_checked()
    expect(box).to_be_focused()
    with transaction() as session:
        fangyi, case = staff_named(session, "fangyi"), session.query(Case).filter_by(case_no=numbers[1]).one()
        until = datetime.now(UTC) + timedelta(hours=1)
        handing.snooze(session, case, fangyi, until, "等投资者补件", stamp(f"staff:{fangyi.id}", datetime.now(UTC)))
    expect(row(page, numbers[1])).to_have_count(0)
    expect(page.locator("[data-chosen]")).to_be_hidden()  # what is not in the list any more is not chosen
