"""What people type about themselves, brought into one form. None: it cannot be right."""

import re
import unicodedata
from datetime import datetime

PHONE = re.compile(r"1[3-9]\d{9}")
ID_NO = re.compile(r"\d{17}[\dX]")
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def plain(typed: str | None) -> str:
    """Full-width signs made narrow, spaces and dashes gone: ``１３８ 0000-8000`` is ``13800008000``."""
    return re.sub(r"[\s\-]", "", unicodedata.normalize("NFKC", typed or "")).upper()


def phone_of(typed: str | None) -> str | None:
    number = plain(typed)
    if number.startswith("+86"):
        number = number[3:]
    return number if PHONE.fullmatch(number) else None


def id_no_of(typed: str | None) -> str | None:
    """18 digits with a birth date that exists and the check digit of GB 11643-1999."""
    number = plain(typed)
    if not ID_NO.fullmatch(number):
        return None
    try:
        datetime.strptime(number[6:14], "%Y%m%d")
    except ValueError:
        return None
    check = "10X98765432"[sum(int(d) * w for d, w in zip(number[:17], WEIGHTS, strict=True)) % 11]
    return number if number[17] == check else None
