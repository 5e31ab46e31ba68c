"""看板: whoever may see it sees the branches they serve and nothing of the others; its parts can be fetched by themselves."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from flask import Flask
from sqlalchemy import select

from console import live
from console.config import Settings
from console.db import transaction
from console.people.models import Branch
from tests.queues.given import online, waiting_since
from tests.queues.history import called
from tests.world import staff_named

PARTS = ("top", "alerts", "kpis", "numbers", "waits", "promised", "branches", "seats")


@pytest.fixture
def branch_ids(world: Settings) -> dict[str, int]:
    """Somebody waits in Hangzhou since years ago, and three were answered in Shanghai just now."""
    now = datetime.now(UTC)
    with transaction() as session:
        found = {branch.code: branch.id for branch in session.scalars(select(Branch))}
        waiting_since(session, "闻子期", 3)
        for n in range(3):
            called(session, found["SH01"], now - timedelta(seconds=n), minutes=0, waited=0)
        online(session, at=now)
    return found


class Ids(HTMLParser):
    def __init__(self, page: str):
        super().__init__()
        self.ids: list[str] = []
        self.styled: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.append(value)
            if name == "style":
                self.styled.append(tag)


def test_a_supervisor_sees_the_own_branch_only(as_staff, branch_ids: dict[str, int]) -> None:
    page = as_staff("fangyi").get("/board").text
    assert "上海陆家嘴" in page and "杭州钱江" not in page


def test_head_office_sees_every_branch_and_can_choose_one(as_staff, branch_ids: dict[str, int]) -> None:
    client = as_staff("admin")
    assert "杭州钱江" in client.get("/board").text
    assert "没有坐席在线" in client.get("/board").text
    chosen = client.get(f"/board/now?branch={branch_ids['SH01']}").text
    assert "上海陆家嘴" in chosen and "杭州钱江" not in chosen


@pytest.mark.parametrize("path", ["/board", "/board/now", "/board/suggested"])
def test_a_branch_one_does_not_serve_is_not_there(as_staff, branch_ids: dict[str, int], path: str) -> None:
    client = as_staff("fangyi")
    assert client.get(path, query_string={"branch": branch_ids["SH01"]}).status_code == 200
    for other in (branch_ids["HZ01"], 999, "x"):
        assert client.get(path, query_string={"branch": other}).status_code == 404


def test_every_part_has_its_place_on_the_page(as_staff, branch_ids: dict[str, int]) -> None:
    client = as_staff("admin")
    page, parts = Ids(client.get("/board").text), client.get("/board/now").text
    assert {f"b-{part}" for part in PARTS} <= set(page.ids) and len(page.ids) == len(set(page.ids))
    assert [parts.count(f"innerHTML:#b-{part}") for part in PARTS] == [1] * len(PARTS)
    assert page.styled == Ids(parts).styled == []  # the CSP would not let it through


def test_the_numbers_of_the_chart_are_a_table(as_staff, branch_ids: dict[str, int]) -> None:
    parts = as_staff("fangyi").get("/board/now").text
    assert (
        sum(map(int, re.findall(r'data-arrived="(\d+)"', parts))) == 3
    )  # a quarter of an hour may have begun between them
    assert '<th scope="col" class="r">最久等待</th>' in parts


def test_without_history_the_board_says_so(as_staff, branch_ids: dict[str, int]) -> None:
    page = as_staff("fangyi").get("/board").text
    assert page.count("数据不足") == 2  # of promises, and of the seats to have


def test_a_board_hears_of_the_queues_and_seats_that_its_reader_serves(
    app: Flask, as_staff, branch_ids: dict[str, int]
) -> None:
    sockets = {
        name: live.socketio.test_client(app, namespace=live.BOARD, flask_test_client=as_staff(name))
        for name in ("fangyi", "admin")
    }
    live.queue_changed(branch_ids["HZ01"], 2, [])
    live.seats_changed(branch_ids["SH01"])
    heard = {name: [each["name"] for each in socket.get_received(live.BOARD)] for name, socket in sockets.items()}
    assert heard == {"fangyi": ["seats"], "admin": ["queue", "seats"]}


def test_who_serves_no_branch_yet_gets_an_empty_board(as_staff, world: Settings) -> None:
    with transaction() as session:
        staff_named(session, "fangyi").branches = []
    client = as_staff("fangyi")
    assert client.get("/board").status_code == client.get("/board/now").status_code == 200
