"""A picture of the screens that the stories do not pass: empty, mistaken, refused; both faces, phone and desktop."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from console.seed import DEMO_BROKER_NO

from .people import Staff
from .stage import DESKTOP, PHONE, Pictures

pytestmark = [pytest.mark.story, pytest.mark.shots, pytest.mark.timeout(200)]
OpenPage = Callable[..., Page]


@pytest.mark.parametrize(("size", "viewport"), [("phone", PHONE), ("desktop", DESKTOP)])
def test_the_portal_before_and_beside_a_case(
    phones: Browser, open_page: OpenPage, pictures: Pictures, size: str, viewport: dict[str, int]
) -> None:
    page = open_page(phones, viewport)
    for what, where in (
        ("entrance", "/"),
        ("unknown-broker", "/?broker_no=0000"),
        ("business", f"/b/{DEMO_BROKER_NO}"),
        ("sign-in-by-phone", f"/b/{DEMO_BROKER_NO}/sign-in/add_trading_code"),
        ("sign-in-by-id", f"/b/{DEMO_BROKER_NO}/sign-in/change_settlement_account"),
        ("privacy", f"/b/{DEMO_BROKER_NO}/privacy"),
        ("outbox-empty", "/dev/sms"),
        ("not-found", "/case/1"),
    ):
        page.goto(where)
        page.wait_for_load_state("networkidle")
        pictures.take(page, f"{size}-{what}")
    assert page.get_by_role("heading", level=1).count() == 1


@pytest.mark.parametrize(
    ("username", "where", "others"),
    [
        ("luwenshan", "/seat", ()),
        ("qinlang", "/review", ("/review?view=done",)),
        ("admin", "/agreements", ("/admin/",)),
    ],
)
def test_the_desks_with_nothing_to_do(
    desktops: Browser, open_page: OpenPage, pictures: Pictures, username: str, where: str, others: tuple[str, ...]
) -> None:
    person = Staff(open_page(desktops, DESKTOP), username, pictures)
    person.page.goto(where)
    person.page.get_by_label("用户名").fill(username)
    person.page.get_by_label("密码", exact=True).fill("wrong")
    person.button("登录").click()
    person.page.get_by_text(re.compile("不正确|有误")).first.wait_for()
    person.shot("wrong-password")
    person.sign_in(where)
    expect(person.page.locator("[data-device-check=auto]:not([data-result=ok])")).to_have_count(0)
    person.shot("empty")
    for other in others:
        person.page.goto(other)
        person.page.wait_for_load_state("networkidle")
        person.shot(re.sub(r"\W+", "-", other).strip("-"))
