import csv
import io
import zipfile
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from openpyxl import load_workbook

from console.spreadsheets import RISKY, SHEET, csv_pieces, safe, xlsx_pieces

HEAD = ["甲", "乙"]
FORMULAS = [
    "=1+1",
    "+A1",
    "-2",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    '=HYPERLINK("http://x","y")',
    "＝1",
    "plain",
    "",
    "a\nb",
    ' "',
    "<&>",
    "\x07",
]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(FORMULAS)


def csv_of(rows: list[list]) -> list[list[str]]:
    text = b"".join(piece for _, piece in csv_pieces(HEAD, [rows[:1], rows[1:]])).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def xlsx_of(rows: list[list]) -> bytes:
    return b"".join(piece for _, piece in xlsx_pieces("表", HEAD, [8, 8], [rows[:1], rows[1:]]))


@given(st.lists(st.tuples(texts, texts).map(list), max_size=4))
def test_every_text_comes_back_from_csv_and_none_is_a_formula(rows):
    back = csv_of(rows)
    assert back == [HEAD, *([safe(cell) for cell in row] for row in rows)]
    assert not any(cell.startswith(RISKY) for row in back for cell in row)


@given(st.lists(st.tuples(st.sampled_from(FORMULAS), texts).map(list), max_size=3))
@example([["=1+1", "\x1f@"]])  # what XML cannot say goes first, and may have hidden one
def test_no_cell_of_a_workbook_is_a_formula(rows):
    content = xlsx_of(rows)
    sheet = ElementTree.fromstring(zipfile.ZipFile(io.BytesIO(content)).read(SHEET))
    names = {element.tag.partition("}")[2] for element in sheet.iter()}
    assert "f" not in names
    read = load_workbook(io.BytesIO(content))["表"]
    assert all(cell.data_type != "f" for row in read.iter_rows() for cell in row)
    assert not any(str(cell.value or "").startswith(RISKY) for row in read.iter_rows() for cell in row)


def test_a_workbook_says_what_was_put_in_numbers_as_numbers():
    read = load_workbook(io.BytesIO(xlsx_of([["一 ", 1], ["<&>\x07", 2], ["=1", 3]])))["表"]
    assert list(read.values) == [("甲", "乙"), ("一 ", 1), ("<&>", 2), ("'=1", 3)]
    assert read.freeze_panes == "A2"


def test_an_empty_table_is_one():
    assert csv_of([]) == [HEAD]
    assert list(load_workbook(io.BytesIO(xlsx_of([])))["表"].values) == [tuple(HEAD)]


@pytest.mark.parametrize("pieces", [csv_pieces, lambda head, rows: xlsx_pieces("表", head, [8, 8], rows)])
def test_each_batch_is_given_away_before_the_next_one_is_asked_for(pieces):
    asked = []

    def batches():
        for number in range(3):
            asked.append(number)
            yield [["a", number]]

    told = pieces(HEAD, batches())
    assert next(told)[0] == 0 and asked == []
    assert next(told)[0] == 1 and asked == [0]
