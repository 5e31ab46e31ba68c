import csv
import io
import struct
import tracemalloc
from datetime import UTC, datetime

import pytest
from openpyxl import load_workbook

from console.db import reading, transaction
from console.people.models import Branch, StaffEvent
from console.review import handing, service
from tests.review.given import case_in_review, many
from tests.world import staff_named, stamp

NOW = datetime.now(UTC)


def exported(client, **form) -> list[list[str]]:
    answer = client.post("/review/export", data={"format": "csv", **form})
    assert answer.status_code == 200
    return list(csv.reader(io.StringIO(answer.get_data().decode("utf-8-sig"), newline="")))


@pytest.mark.databases("sqlite", "postgresql")
def test_the_list_as_it_is_filtered_is_in_the_file_with_names_masked(as_staff):
    with transaction() as session:
        mine, other = (case_in_review(session, name, at=NOW) for name in ("周晚晴", "许砚青"))
        qinlang, fangyi = staff_named(session, "qinlang"), staff_named(session, "fangyi")
        service.claim(session, mine, qinlang, stamp(f"staff:{qinlang.id}", NOW))
        handing.assign(session, other, fangyi, qinlang, stamp(f"staff:{fangyi.id}", NOW))
        numbers = [mine.case_no, other.case_no]
    head, first, second = exported(as_staff("qinlang"))
    told = dict(zip(head, first, strict=True))
    assert (told["受理单号"], told["投资者"], told["认证人员"], told["领取"]) == (
        numbers[0],
        "周*晴",
        "陆文珊",
        "已领取",
    )
    assert second[head.index("指派给")] == "秦朗"
    assert [row[0] for row in exported(as_staff("qinlang"), state="held")[1:]] == numbers[:1]
    assert [row[0] for row in exported(as_staff("qinlang"), case=numbers[1:])[1:]] == numbers[1:]


@pytest.mark.databases("sqlite", "postgresql")
def test_two_thousand_rows_come_once_each_and_in_the_order_of_the_list(as_staff):
    many(2_000)
    rows = exported(as_staff("qinlang"))[1:]
    assert [row[0] for row in rows] == [f"3{n:012d}" for n in range(1, 2_001)]
    answer = as_staff("qinlang").post("/review/export", data={"format": "xlsx"})
    sheet = load_workbook(io.BytesIO(answer.get_data()), read_only=True)["复核任务"]
    assert [row[0] for row in sheet.iter_rows(min_row=2, values_only=True)] == [row[0] for row in rows]


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_no_name_becomes_a_formula(as_staff, name):
    many(1)
    with transaction() as session:
        session.query(Branch).filter_by(code="SH01").one().name = name
    client = as_staff("qinlang")
    assert f"'{name}" in exported(client)[1]
    sheet = load_workbook(io.BytesIO(client.post("/review/export", data={"format": "xlsx"}).get_data()))["复核任务"]
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)


def test_nobody_exports_what_the_own_list_does_not_show(as_staff):
    with transaction() as session:
        number = case_in_review(session, "周晚晴", at=NOW).case_no
    for username in ("hzreview", "luwenshan2"):  # another branch; who witnessed it
        assert exported(as_staff(username), case=[number])[1:] == []


def test_an_export_is_in_the_trail_of_who_made_it_without_what_was_typed(as_staff):
    many(3)
    exported(as_staff("qinlang"), q="周晚晴", business="change_settlement_account")
    exported(as_staff("qinlang"), case=["3000000000001"])
    with reading() as session:
        told = [line.detail for line in session.query(StaffEvent).filter_by(action="tasks_exported")]
    assert told == ["CSV，待复核，0 件，按业务、受理单号筛选", "CSV，待复核，1 件，所选 1 件"]


@pytest.mark.parametrize("form", [{}, {"format": "exe"}, {"format": "csv", "case": [str(n) for n in range(101)]}])
def test_what_no_page_of_ours_asks_for_is_refused(as_staff, form):
    answer = as_staff("qinlang").post("/review/export", data=form, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json["code"]) == (422, "bad_payload")


def test_in_frames_it_says_how_far_it_is_and_that_it_is_whole(as_staff):
    many(1_200)
    answer = as_staff("qinlang").post("/review/export", data={"format": "csv", "framed": "1"})
    content, at, told, rows = answer.get_data(), 0, b"", []
    while at < len(content):
        so_far, size = struct.unpack_from(">II", content, at)
        told, at = told + content[at + 8 : at + 8 + size], at + 8 + size
        rows.append((so_far, size > 0))
    assert answer.headers["X-Total"] == "1200"
    assert rows == [(0, True), (500, True), (1000, True), (1200, True), (1200, False)]
    assert len(told.splitlines()) == 1_201


def test_who_goes_away_ends_the_reading_of_rows(as_staff):
    many(1_200)
    answer = as_staff("qinlang").post("/review/export", data={"format": "csv"}, buffered=False)
    pieces = answer.iter_encoded()
    next(pieces), next(pieces)
    answer.close()
    assert next(pieces, None) is None


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_hundred_thousand_rows_need_no_more_memory_than_two_thousand(as_staff, kind):
    client = as_staff("qinlang")
    peaks = {}
    for count in (2_000, 98_000):
        many(count)
        tracemalloc.start()
        began = datetime.now(UTC)
        answer = client.post("/review/export", data={"format": kind}, buffered=False)
        size = sum(len(piece) for piece in answer.iter_encoded())
        took = datetime.now(UTC) - began
        peaks[int(answer.headers["X-Total"])] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        answer.close()
        print(f"{kind}: {answer.headers['X-Total']} rows, {size} bytes, peak {list(peaks.values())[-1]} bytes, {took}")
    assert peaks.keys() == {2_000, 100_000}
    assert peaks[100_000] < 1.1 * peaks[2_000] + 16 * 100_000  # the ids: eight bytes each, and room to grow
