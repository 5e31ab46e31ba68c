"""预约视频 on a phone: chosen by touch, kept, put into the calendar, changed, given back; somebody else was faster once."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask
from icalendar import Calendar
from playwright.sync_api import Page, expect, sync_playwright
from sqlalchemy import select
from werkzeug.serving import make_server

from console.db import reading, transaction
from console.people.models import Branch
from console.queues import appointments, slots
from console.queues.models import Appointment, Roster
from tests.browser import launch_options
from tests.queues.given import at_the_video
from tests.world import stamp


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def phone(address: str, as_investor) -> Iterator[Page]:
    """周晚晴 at the video with her phone; one seat takes appointments on every day."""
    with transaction() as session:
        branch = session.scalars(select(Branch).where(Branch.code == "SH01")).one()
        for weekday in range(7):
            session.add(Roster(branch_id=branch.id, weekday=weekday, starts_at="09:00", ends_at="17:00", seats=1))
        path = f"/case/{at_the_video(session, '周晚晴', datetime.now(UTC)).case_no}/video"
    cookie = as_investor("周晚晴").get_cookie("desk")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())  # type: ignore[arg-type]
        page = browser.new_page(viewport={"width": 390, "height": 844}, base_url=address, has_touch=True)
        page.context.add_cookies([{"name": "desk", "value": cookie.value, "url": address}])
        page.goto(path)
        yield page
        browser.close()


def live() -> list[Appointment]:
    with reading() as session:
        return [row for row in session.scalars(select(Appointment)) if row.is_live]


def test_an_appointment_from_the_first_look_to_giving_it_back(phone: Page) -> None:
    phone.get_by_role("link", name="预约视频").tap()
    tomorrow = phone.locator("details.day").nth(-6)  # of seven days; today may be over
    if not tomorrow.evaluate("day => day.open"):
        tomorrow.locator("summary").tap()
    expect(phone.locator("details[open]")).to_have_count(1)

    def choose(clock: str) -> None:
        tomorrow.locator("label", has_text=clock).tap()

    choose("09:30")
    somebody_books(tomorrow.get_by_label("09:30").get_attribute("value"))
    phone.get_by_role("button", name="选定这个时间").tap()
    expect(phone.get_by_role("alert")).to_contain_text("刚刚约满了")
    expect(tomorrow.get_by_label("09:30")).to_be_disabled()
    choose("10:00")
    phone.get_by_role("button", name="选定这个时间").tap()
    expect(phone.get_by_text("已为您保留 3 分钟")).to_be_visible()
    phone.get_by_role("button", name="确认预约").tap()
    expect(phone.get_by_role("heading", name="10:00")).to_be_visible()

    with phone.expect_download() as file:
        phone.get_by_role("link", name="加入日历").tap()
    (entry,) = Calendar.from_ical(file.value.path().read_bytes()).walk("VEVENT")
    mine = next(row for row in live() if row.booked_by != "investor:2")
    assert entry["dtstart"].dt == mine.slot_at

    phone.get_by_role("link", name="改约").tap()
    choose("10:15")
    phone.get_by_role("button", name="选定这个时间").tap()
    phone.get_by_role("button", name="确认改约").tap()
    expect(phone.get_by_role("heading", name="10:15")).to_be_visible()

    phone.get_by_role("button", name="取消预约").tap()
    asked = phone.get_by_role("alertdialog", name="取消预约")
    asked.get_by_role("button", name="保留预约").tap()
    assert len(live()) == 2
    phone.get_by_role("button", name="取消预约").tap()
    asked.get_by_role("button", name="取消预约").tap()
    expect(phone.get_by_text("预约已取消")).to_be_visible()
    assert [row.booked_by for row in live()] == ["investor:2"]


def somebody_books(value: str | None) -> None:
    """许砚青 is faster by a moment."""
    with transaction() as session:
        now = datetime.now(UTC)
        case = at_the_video(session, "许砚青", now)
        slot = datetime.fromisoformat(value or "")
        appointments.book(session, case, slot, slots.Terms(), stamp("investor:2", now))
