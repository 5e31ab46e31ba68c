"""Tables for Excel, written while they are sent: whatever their length, one batch of rows is held. No cell is ever a formula.

XlsxWriter writes a whole file before its first byte can be sent; here it makes the workbook with its head row, and the rows are put into
its sheet as they come.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from xml.sax.saxutils import escape

import xlsxwriter

Cell = str | int
Batches = Iterable[Sequence[Sequence[Cell]]]
RISKY = ("=", "+", "-", "@", "\t", "\r")  # what Excel takes for a formula, or skips on its way to one
SHEET = "xl/worksheets/sheet1.xml"
NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
TYPES = {"csv": "text/csv; charset=utf-8", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}


def safe(text: str) -> str:
    """The text as a cell that stays text, also when the file is saved and opened again."""
    return f"'{text}" if text.startswith(RISKY) else text


def csv_pieces(head: Sequence[str], batches: Batches) -> Iterator[tuple[int, bytes]]:
    """Rows so far and the next bytes of a CSV as Excel opens it by a click: UTF-8 with its mark, CRLF."""
    out, rows = io.StringIO(newline=""), 0
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(head)
    yield 0, b"\xef\xbb\xbf" + out.getvalue().encode()
    for batch in batches:
        out.seek(0)
        out.truncate()
        writer.writerows([safe(cell) if isinstance(cell, str) else cell for cell in row] for row in batch)
        rows += len(batch)
        yield rows, out.getvalue().encode()


def xlsx_pieces(
    title: str, head: Sequence[str], widths: Sequence[int], batches: Batches
) -> Iterator[tuple[int, bytes]]:
    """Rows so far and the next bytes of a workbook with one sheet; ``widths`` of its columns in characters."""
    parts, outlet, rows = _workbook(title, head, widths), _Outlet(), 0
    before, after = parts.pop(SHEET).split(b"</sheetData>")
    before = re.sub(
        rb"<dimension [^>]*/>", b"", before
    )  # says how many rows there are, which nobody knows yet; may be left out
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        for name, content in parts.items():
            archive.writestr(name, content)
        with archive.open(_packed(SHEET), "w", force_zip64=True) as sheet:
            sheet.write(before)
            yield 0, outlet.taken()
            for batch in batches:
                sheet.write("".join(_row(rows + number, row) for number, row in enumerate(batch, 2)).encode())
                rows += len(batch)
                yield rows, outlet.taken()
            sheet.write(b"</sheetData>" + after)
    yield rows, outlet.taken()


def _packed(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


class _Outlet:
    """Takes what the ZIP writer writes, gives it away piece by piece."""

    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, data: bytes) -> int:
        self._held += data
        return len(data)

    def flush(self) -> None:
        pass

    def taken(self) -> bytes:
        piece, self._held = bytes(self._held), bytearray()
        return piece


def _workbook(title: str, head: Sequence[str], widths: Sequence[int]) -> dict[str, bytes]:
    """The parts of a workbook with nothing but its head row, by name."""
    kept = io.BytesIO()
    with xlsxwriter.Workbook(kept, {"in_memory": True}) as book:
        sheet = book.add_worksheet(title)
        sheet.freeze_panes(1, 0)
        bold = book.add_format({"bold": True})
        for column, (text, width) in enumerate(zip(head, widths, strict=True)):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, text, bold)
    with zipfile.ZipFile(kept) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _row(number: int, cells: Sequence[Cell]) -> str:
    return f'<row r="{number}">{"".join(_cell(cell) for cell in cells)}</row>'


def _cell(cell: Cell) -> str:
    if isinstance(cell, int):
        return f"<c><v>{cell}</v></c>"
    text = escape(safe(NO_XML.sub("", cell)), {"\r": "&#13;"})
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>' if text else "<c/>"
