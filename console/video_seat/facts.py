"""信息核验: what was declared beside the place of the photo that proves it.

The windows are in tenths of a millimetre on the card (85.6 × 54.0 mm, GA 450), so they fit every photo that was cut to the card's
edges, whatever its pixels; crop and full photo can never disagree because they are one picture.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy.orm import Session

from console.businesses.suitability import EXCHANGES, INVESTOR_CLASS_TITLES
from console.cases.models import Case
from console.evidence import service as evidence
from console.evidence.models import Evidence, Kind, State, Variant
from console.local_time import LOCAL, local_day
from console.masking import masked_card, masked_id, masked_phone
from console.stamp import Stamp

SOON = timedelta(days=30)


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


@dataclass(frozen=True)
class Row:
    """``reveal``: the field's name at desk.reveal, when ``value`` is masked. ``photo`` with ``window``, else shown whole.

    ``result`` is what the system knows by itself: kind (ok, wait, bad or '') and words; the comparing is the witness's.
    """

    title: str
    value: str
    photo: Evidence | None = None
    window: Window | None = None
    reveal: str = ""
    told: str = ""
    result: tuple[str, str] = ("", "")

    @property
    def cut(self) -> bool:
        """The photo was cut to the card's edges, so windows fit it."""
        return self.photo is not None and self.photo.variant_of(Variant.CROPPED) is not None


def rows(session: Session, case: Case, stamp: Stamp) -> list[Row]:
    who = case.investor
    front, back, signature = (_photo(session, case, kind) for kind in (Kind.ID_FRONT, Kind.ID_BACK, Kind.SIGNATURE))
    period = f"{who.id_valid_from or '—'} 至 {who.id_valid_until or '长期'}"
    born = "　".join(str(part) for part in (who.gender, who.born_on) if part)
    found = [
        Row("姓名", who.name, front, NAME),
        Row("公民身份号码", masked_id(who.id_no), front, NUMBER, reveal="id_no"),
        Row("性别、出生", born, front, BIRTH),
        Row("住址", who.address or "", front, ADDRESS),
        Row("有效期限", period, back, VALIDITY, result=validity(who.id_valid_until, stamp)),
        Row("手机号", masked_phone(who.phone), reveal="phone", told="短信验证码已证明", result=("ok", "已证明")),
        Row("签名照", _kept_at(signature), signature),
    ]
    return found + _handed_in(session, case)


def validity(until: date | None, stamp: Stamp) -> tuple[str, str]:
    """Whether the ID is in date on the local day of the call; None is 长期."""
    today = local_day(stamp.at)
    if until is not None and until < today:
        return "bad", "已过期"
    if until is not None and until < today + SOON:
        return "wait", "即将到期"
    return "ok", "有效"


def _handed_in(session: Session, case: Case) -> list[Row]:
    """What the business is about: settlement cards, each with its photo when there is one, and the exchanges asked for."""
    entered = (case.data_of("bank_card") or {}).get("cards", [])
    photos = {photo.public_id: photo for photo in evidence.live(session, case, Kind.BANK_CARD)}
    cards = [
        Row(
            "银行卡" if len(entered) == 1 else f"银行卡 {n + 1}",
            f"{card['bank']} {masked_card(card['number'])}",
            photos.get(card.get("evidence") or ""),
            reveal=f"card:{n}",
            told="已在柜台登记" if card.get("known") else "",
        )
        for n, card in enumerate(entered)
    ] + _taken_off(case, {card["number"] for card in entered})
    chosen = (case.data_of("exchanges") or {}).get("chosen", [])
    asked = "、".join(EXCHANGES[code].short for code in chosen if code in EXCHANGES)
    return [*cards, Row("申请交易所", asked, told=_suitability(case))] if asked else cards


def _taken_off(case: Case, kept: set[str]) -> list[Row]:
    """Cards on record that the investor wants removed: as much a part of the change as a new one."""
    if not kept:
        return []
    return [
        Row("删除的卡", f"{card.bank} {masked_card(card.number)}", told="已在柜台登记", result=("wait", "将删除"))
        for card in case.investor.bank_cards
        if card.ended_at is None and card.number not in kept
    ]


def _suitability(case: Case) -> str:
    who = case.investor
    return " ".join(filter(None, (who.risk_grade, INVESTOR_CLASS_TITLES[who.investor_class])))


def portrait(session: Session, case: Case) -> Row:
    """The face on the ID card."""
    return Row("身份证头像", "", _photo(session, case, Kind.ID_FRONT), PORTRAIT)


def _photo(session: Session, case: Case, kind: Kind) -> Evidence | None:
    found = evidence.photo(session, case, kind)
    return found if found is not None and found.state is State.READY else None


def _kept_at(photo: Evidence | None) -> str:
    return f"上传于 {photo.kept_at.astimezone(LOCAL):%m-%d %H:%M}" if photo else "未上传"
