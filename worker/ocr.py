"""RQ job: what a machine reads on the photos of ID and bank cards, for the witness to see beside what was declared. It decides nothing."""

import re
from collections.abc import Iterable
from datetime import date

import structlog

from console.businesses.banks import is_card_number
from console.db import reading, transaction
from console.evidence import service
from console.evidence.models import Evidence, Kind, State, Variant
from console.people.identity import id_no_of
from worker import house
from worker.lettering import Line, read

CARDS = frozenset({Kind.ID_FRONT, Kind.ID_BACK, Kind.BANK_CARD})
NUMBER = re.compile(r"\d{17}[\dXx]")
DAY = re.compile(r"(\d{4})\s*年\s*(\d{1,2})\s*月\s*(\d{1,2})")
PERIOD = re.compile(
    r"(\d{4})[.．\-](\d{2})[.．\-](\d{2})\s*[-—一~至]+\s*(?:(\d{4})[.．\-](\d{2})[.．\-](\d{2})|(长期))"
)
DOTS = re.compile("[•・‧∙●]")
STRAY = re.compile("[^\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af·]")
DIGITS, GROUPING = re.compile(r"\d+"), re.compile(r"[\s·.\-]")
# Where the lines of the front lie, in heights of the card (GA 450); a label may be read apart from its value or with it.
NAME, SEX, BIRTH, ADDRESS = (0.08, 0.235), (0.235, 0.345), (0.345, 0.46), (0.46, 0.78)
PORTRAIT = 0.63  # widths: right of it is the face
log = structlog.get_logger()


def read_card(evidence_id: int) -> None:
    """Keep what is read on a card's photo with it. Safe to run twice, and at the same time: the same picture reads the same.

    A photo that was not cut to the card's edges is not read: there its places would be guesses.
    """
    house.opened()
    with reading() as session:
        photo = session.get(Evidence, evidence_id)
        wanted = photo is not None and _is_due(photo)
        cut = photo.variant_of(Variant.CROPPED) if photo is not None and wanted else None
        kind = photo.kind if photo is not None else None
    if cut is None or kind is None:
        return
    found = fields(kind, read(service.clear_bytes(cut)))
    with transaction() as session:
        photo = session.get_one(Evidence, evidence_id, with_for_update=True)
        if _is_due(photo):
            photo.reading = found
    log.info("card_read", evidence=photo.public_id, fields=sorted(found))


def is_card(photo: Evidence) -> bool:
    """Whether a machine can read it: a card, cut out."""
    return photo.kind in CARDS and photo.state is State.READY and photo.facts.get("crop_box") is not None


def _is_due(photo: Evidence) -> bool:
    return is_card(photo) and photo.superseded_at is None and photo.reading is None


# --- from lines to fields


def fields(kind: Kind, lines: Iterable[Line]) -> dict[str, str]:
    """By the names of console/video_seat/facts.py; what was not read, or cannot be right, is left out."""
    found = READERS[kind](list(lines))
    return {name: value for name, value in found.items() if value}


def _front(lines: list[Line]) -> dict[str, str]:
    left = [line for line in lines if line.x < PORTRAIT]
    sex = re.search("[男女]", _text(left, SEX, r"性\s*别"))
    day = DAY.search(_text(left, BIRTH, r"出\s*生"))
    born = _day(*day.groups()) if day else ""
    return {
        "name": _name(_text(left, NAME, r"姓\s*名")),
        "birth": f"{sex[0]}　{born}" if sex and born else "",
        "address": _text(left, ADDRESS, r"住\s*址"),
        "id_no": _number(lines),
    }


def _back(lines: list[Line]) -> dict[str, str]:
    """``validity`` as the facts write it: 2016-10-04 至 2036-10-04, or 至 长期."""
    found = PERIOD.search("".join(line.text for line in sorted(lines, key=lambda line: (line.y, line.x))))
    if found is None:
        return {}
    begins, ends = _day(*found.group(1, 2, 3)), found[7] or _day(*found.group(4, 5, 6))
    return {"validity": f"{begins} 至 {ends}" if begins and ends else ""}


def _bank_card(lines: list[Line]) -> dict[str, str]:
    """``number``: one that passes its check digit (Luhn), however it is grouped; with two of them nothing is said."""
    told = {match for line in lines for match in DIGITS.findall(GROUPING.sub("", line.text)) if is_card_number(match)}
    return {"number": told.pop()} if len(told) == 1 else {}


READERS = {Kind.ID_FRONT: _front, Kind.ID_BACK: _back, Kind.BANK_CARD: _bank_card}


def _text(lines: list[Line], band: tuple[float, float], label: str) -> str:
    """What stands in this band from top to bottom, without its label."""
    inside = sorted((line for line in lines if band[0] <= line.y < band[1]), key=_in_rows)
    return re.sub(rf"^{label}", "", "".join(line.text for line in inside).strip()).strip()


def _name(text: str) -> str:
    """Han and the dot between the parts of a name: whatever else was read is a stray mark on the card."""
    return STRAY.sub("", DOTS.sub("·", text)).strip("·")


def _in_rows(line: Line) -> tuple[int, float]:
    return round(line.y / 0.05), line.x


def _number(lines: list[Line]) -> str:
    for line in lines:
        if (found := NUMBER.search(line.text.replace(" ", ""))) and id_no_of(found[0]):
            return found[0].upper()
    return ""


def _day(year: str, month: str, day: str) -> str:
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return ""
