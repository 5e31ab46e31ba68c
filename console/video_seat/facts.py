"""信息核验: what was declared beside the place of the photo that proves it, what was read there, and what the broker has on its books.

The windows are in tenths of a millimetre on the card (85.6 × 54.0 mm, GA 450), so they fit every photo that was cut to the card's
edges, whatever its pixels; crop and full photo can never disagree because they are one picture.
"""

import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import SequenceMatcher

from sqlalchemy.orm import Session

from console.businesses.suitability import EXCHANGES, INVESTOR_CLASS_TITLES
from console.cases.models import Case
from console.evidence import service as evidence
from console.evidence.models import Evidence, Kind, State, Variant
from console.local_time import LOCAL, local_day
from console.masking import masked_card, masked_id, masked_phone
from console.stamp import Stamp
from console.vault import current

SOON = timedelta(days=30)
FIELD = "field:"  # what marks of fields begin with


# --- comparing


def plain(text: str) -> str:
    """``text`` as it is compared: full and half width, case and spaces make no difference (Unicode NFKC)."""
    return "".join(unicodedata.normalize("NFKC", text).split()).casefold()


def differ(one: str | None, other: str | None) -> bool:
    """Both say something, and not the same."""
    return bool(one and other) and plain(one or "") != plain(other or "")


def marked(text: str, other: str) -> list[tuple[str, bool]]:
    """``text`` in pieces, each with whether it differs from ``other``; for marking the characters."""
    kept = [(place, plain(sign)) for place, sign in enumerate(text) if plain(sign)]
    matcher = SequenceMatcher(None, "".join(sign for _, sign in kept), plain(other), autojunk=False)
    if sum(len(sign) for _, sign in kept) != len(kept):  # a sign that becomes several: no places to speak of
        return [(text, True)]
    same = {kept[n][0] for a, _, size in matcher.get_matching_blocks() for n in range(a, a + size)}
    spaces = {place for place, sign in enumerate(text) if not plain(sign)}
    pieces: list[tuple[str, bool]] = []
    for place, sign in enumerate(text):
        differs = place not in same and place not in spaces
        if pieces and pieces[-1][1] == differs:
            pieces[-1] = (pieces[-1][0] + sign, differs)
        else:
            pieces.append((sign, differs))
    return pieces


# --- where on the card


@dataclass(frozen=True)
class Window:
    """``view`` and ``cover`` are x, y, width, height on the card; what lies under ``cover`` is not shown."""

    view: str
    cover: tuple[int, int, int, int] | None = None
    tall: bool = False


NAME = Window("130 58 320 60")
NUMBER = Window("262 440 486 58", cover=(342, 436, 236, 66))
BIRTH = Window("130 190 330 58")
ADDRESS = Window("130 258 390 104", tall=True)
VALIDITY = Window("320 436 400 58")
PORTRAIT = Window("576 66 246 306", tall=True)


# --- facts


@dataclass(frozen=True)
class Fact:
    """One field of the case. ``declared``: by the investor, None where this business does not ask for it; ``record``: on the
    broker's books; ``read``: what the machine read on the photo. All in clear; ``shown`` masks them for the screen.

    ``reveal``: the field's name at desk.reveal, when masked. ``photo`` with ``window``, else shown whole. ``result`` is what the
    system knows by itself: kind (ok, wait, bad or '') and words; the judging is the witness's. ``step``: where it is mended.
    """

    key: str
    title: str
    declared: str | None = None
    record: str | None = None
    read: str | None = None
    photo: Evidence | None = None
    window: Window | None = None
    mask: Callable[[str], str] = str
    reveal: str = ""
    told: str = ""
    result: tuple[str, str] = ("", "")
    step: str = "photos"

    @property
    def item(self) -> str:
        """Its name among the marks of a call."""
        return f"{FIELD}{self.key}"

    @property
    def claim(self) -> str:
        """What is to be proved: the investor's word, or the books where nothing was asked."""
        return (self.record if self.declared is None else self.declared) or ""

    @property
    def shown(self) -> str:
        return self.mask(self.claim) if self.claim else ""

    @property
    def unlike_record(self) -> bool:
        return self.declared is not None and differ(self.declared, self.record)

    @property
    def unlike_read(self) -> bool:
        return differ(self.claim, self.read)

    @property
    def differs(self) -> bool:
        """Somebody has to look at it: ticked or flagged before the call is passed."""
        return self.unlike_record or self.unlike_read or self.result[0] == "bad"

    @property
    def seen(self) -> dict[str, str]:
        """What there is to look at now; a mark keeps it, sealed."""
        photo = self.photo.public_id if self.photo else ""
        told = {"declared": self.declared, "record": self.record, "read": self.read, "photo": photo}
        return {name: value for name, value in (told | {"known": self.result[1]}).items() if value}

    @property
    def print(self) -> str:
        """Stands for what is seen on a page: whoever judges it says by this what they looked at. Tells nobody anything."""
        return current().index(json.dumps(self.seen, sort_keys=True), "fact.seen")

    def was_seen(self, seen: dict[str, str] | None) -> bool:
        """Whether whoever looked at ``seen`` has seen all that differs now. None: it was not kept in those days."""
        if seen is None:
            return True
        matters = {"declared", "photo"}
        matters |= {"record"} if self.unlike_record or self.declared is None else set()
        matters |= ({"read"} if self.unlike_read else set()) | ({"known"} if self.result[0] == "bad" else set())
        return all(self.seen.get(name) == seen.get(name) for name in matters)

    @property
    def masked(self) -> bool:
        return self.mask is not str

    def against(self, other: str | None) -> list[tuple[str, bool]]:
        """``other`` for the screen, with the characters that differ from the claim marked; masked values are not taken apart."""
        if not other:
            return []
        return [(self.mask(other), True)] if self.masked else marked(other, self.claim)

    @property
    def cut(self) -> bool:
        """The photo was cut to the card's edges, so windows fit it."""
        return self.photo is not None and self.photo.variant_of(Variant.CROPPED) is not None


def title_of(marked_item: str) -> str | None:
    """How a field is called in the list of a call's moments; None: not a field's mark."""
    if not marked_item.startswith(FIELD):
        return None
    key = marked_item.removeprefix(FIELD)
    return TITLES.get(key.partition(":")[0], key)


TITLES = {
    "name": "姓名",
    "id_no": "公民身份号码",
    "birth": "性别、出生",
    "address": "住址",
    "validity": "有效期限",
    "phone": "手机号",
    "signature": "签名照",
    "card": "银行卡",
    "gone": "删除的卡",
    "exchanges": "申请交易所",
}


def of(session: Session, case: Case, stamp: Stamp) -> list[Fact]:
    """Every field of the case, in the order of the card, then what the business is about."""
    return _of_the_person(session, case, stamp) + _handed_in(session, case)


def _of_the_person(session: Session, case: Case, stamp: Stamp) -> list[Fact]:
    who, said = case.investor, case.data_of("profile")
    front, back, signature = (_photo(session, case, kind) for kind in (Kind.ID_FRONT, Kind.ID_BACK, Kind.SIGNATURE))
    on_front, on_back = ((photo.reading or {}) if photo else {} for photo in (front, back))

    def declared(*keys: str) -> str | None:
        return "　".join(filter(None, (said.get(key) for key in keys))) if said else None

    born, period = _joined(who.gender, who.born_on), f"{who.id_valid_from or '—'} 至 {who.id_valid_until or '长期'}"
    return [
        Fact("name", TITLES["name"], declared("name"), who.name, on_front.get("name"), front, NAME),
        Fact(
            *("id_no", TITLES["id_no"], declared("id_no"), who.id_no, on_front.get("id_no"), front, NUMBER),
            mask=masked_id,
            reveal="id_no",
        ),
        Fact("birth", TITLES["birth"], declared("gender", "born_on"), born, on_front.get("birth"), front, BIRTH),
        Fact(
            *("address", TITLES["address"], declared("address"), who.address, on_front.get("address"), front, ADDRESS),
            step="profile" if said else "photos",
        ),
        Fact(
            *("validity", TITLES["validity"], declared("id_valid"), period, on_back.get("validity"), back, VALIDITY),
            result=validity(who.id_valid_until, stamp),
        ),
        Fact(
            *("phone", TITLES["phone"], declared("phone"), who.phone),
            mask=masked_phone,
            reveal="phone",
            told="短信验证码已证明",
            result=("ok", "已证明"),
            step="profile" if said else "photos",
        ),
        Fact("signature", TITLES["signature"], _kept_at(signature), photo=signature),
    ]


def _joined(*parts: object) -> str:
    return "　".join(str(part) for part in parts if part)


def validity(until: date | None, stamp: Stamp) -> tuple[str, str]:
    """Whether the ID is in date on the local day of the call; None is 长期."""
    today = local_day(stamp.at)
    if until is not None and until < today:
        return "bad", "已过期"
    if until is not None and until < today + SOON:
        return "wait", "即将到期"
    return "ok", "有效"


def _handed_in(session: Session, case: Case) -> list[Fact]:
    """What the business is about: settlement cards, each with its photo when there is one, and the exchanges asked for."""
    entered = (case.data_of("bank_card") or {}).get("cards", [])
    photos = {photo.public_id: photo for photo in evidence.live(session, case, Kind.BANK_CARD)}
    cards = [
        Fact(
            f"card:{n}",
            TITLES["card"] if len(entered) == 1 else f"{TITLES['card']} {n + 1}",
            _card(card["bank"], card["number"]),
            _card(card["bank"], card["number"]) if card.get("known") else "",
            _card_read(card["bank"], photo := photos.get(card.get("evidence") or "")),
            photo,
            mask=_masked_card,
            reveal=f"card:{n}",
            told="已在柜台登记" if card.get("known") else "",
            result=("", "") if card.get("known") else ("wait", "新增"),
            step="bank_card",
        )
        for n, card in enumerate(entered)
    ] + _taken_off(case, {card["number"] for card in entered})
    chosen = (case.data_of("exchanges") or {}).get("chosen", [])
    asked = _exchanges(chosen)
    if not asked:
        return cards
    held = _exchanges([code.exchange for code in case.investor.trading_codes])
    result = ("wait", f"已有 {held}") if held else ("", "")
    own = Fact("exchanges", TITLES["exchanges"], asked, told=_suitability(case), result=result, step="exchanges")
    return [*cards, own]


def _card(bank: str, number: str) -> str:
    return f"{bank} {number}"


def _card_read(bank: str, photo: Evidence | None) -> str | None:
    """The machine reads the number alone."""
    number = ((photo.reading or {}) if photo else {}).get("number")
    return _card(bank, number) if number else None


def _masked_card(text: str) -> str:
    bank, _, number = text.rpartition(" ")
    return f"{bank} {masked_card(number)}"


def _exchanges(codes: list[str]) -> str:
    return "、".join(EXCHANGES[code].short for code in codes if code in EXCHANGES)


def _taken_off(case: Case, kept: set[str]) -> list[Fact]:
    """Cards on record that the investor wants removed: as much a part of the change as a new one."""
    if not kept:
        return []
    return [
        Fact(
            *(f"gone:{card.id}", TITLES["gone"], None, _card(card.bank, card.number)),
            mask=_masked_card,
            told="已在柜台登记",
            result=("wait", "将删除"),
            step="bank_card",
        )
        for card in case.investor.bank_cards
        if card.ended_at is None and card.number not in kept
    ]


def _suitability(case: Case) -> str:
    who = case.investor
    return " ".join(filter(None, (who.risk_grade, INVESTOR_CLASS_TITLES[who.investor_class])))


def portrait(session: Session, case: Case) -> Fact:
    """The face on the ID card."""
    return Fact("portrait", "身份证头像", photo=_photo(session, case, Kind.ID_FRONT), window=PORTRAIT)


def _photo(session: Session, case: Case, kind: Kind) -> Evidence | None:
    found = evidence.photo(session, case, kind)
    return found if found is not None and found.state is State.READY else None


def _kept_at(photo: Evidence | None) -> str:
    return f"上传于 {photo.kept_at.astimezone(LOCAL):%m-%d %H:%M}" if photo else "未上传"
