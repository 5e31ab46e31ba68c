"""个人基本资料 (app manual, 2.3): what the broker has on record, shown and never edited; a blank required field leads to 适当性评估."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from console import masking
from console.businesses.suitability import INVESTOR_CLASS_TITLES, RISK_GRADE_TITLES
from console.cases.models import Case
from console.people.models import Investor
from console.stamp import Stamp

from . import Handed, NotYet, Said

KEY = "profile"
INCOMPLETE = "带 * 的资料不完整：{}。请先完成适当性评估，补全资料后再增开交易编码。"


@dataclass(frozen=True)
class Field:
    """``value`` in clear, ``masked`` as a screen shows it; ``required``: marked * by the manual's rule."""

    key: str
    title: str
    value: str
    masked: str
    required: bool = True

    @property
    def blank(self) -> bool:
        return self.required and not self.value.strip()


def fields(investor: Investor) -> list[Field]:
    def field(key: str, title: str, value: object, mask: Callable[[str], str] = str, *, required: bool = True) -> Field:
        text = "" if value is None else str(value)
        return Field(key, title, text, mask(text) if text else "", required)

    grade = investor.risk_grade
    return [
        field("name", "姓名", investor.name, masking.masked_name),
        field("gender", "性别", investor.gender),
        field("born_on", "出生日期", investor.born_on),
        field("nation", "民族", investor.nation),
        field("id_no", "身份证号码", investor.id_no, masking.masked_id),
        field("id_valid", "证件有效期", _validity(investor)),
        field("id_issuer", "签发机关", investor.id_issuer),
        field("address", "联系地址", investor.address, masking.masked_address),
        field("postcode", "邮政编码", investor.postcode),
        field("phone", "手机号", investor.phone, masking.masked_phone),
        field("email", "电子邮箱", investor.email, _masked_email, required=False),
        field("education", "学历", investor.education),
        field("occupation", "职业", investor.occupation),
        field("investor_class", "投资者类别", INVESTOR_CLASS_TITLES[investor.investor_class]),
        field("risk_grade", "风险等级", f"{grade.value} {RISK_GRADE_TITLES[grade]}" if grade else None),
    ]


def show(session: Session, case: Case) -> dict[str, Any]:
    shown = fields(case.investor)
    return {"fields": shown, "blank": [f.title for f in shown if f.blank], "broker": case.investor.broker}


def submit(session: Session, case: Case, form: Mapping[str, str], mark: Stamp) -> Handed:
    shown = fields(case.investor)
    blank = [f.title for f in shown if f.blank]
    if blank:
        raise NotYet({"profile": INCOMPLETE.format("、".join(blank))})
    return Handed({f.key: f.value for f in shown})


def facts(session: Session, case: Case) -> dict[str, Any]:
    """``confirmed``: what the investor saw and confirmed; ``changed``: keys that the broker's record has otherwise since."""
    confirmed = case.data_of(KEY) or {}
    shown = fields(case.investor)
    return {"fields": shown, "changed": {f.key for f in shown if f.key in confirmed and confirmed[f.key] != f.value}}


def said(case: Case, content: Any) -> list[Said]:
    return [Said(f.title, str(content.get(f.key) or "")) for f in fields(case.investor)]


def _validity(investor: Investor) -> str | None:
    if investor.id_valid_from is None:
        return None
    return f"{investor.id_valid_from} 至 {investor.id_valid_until or '长期'}"


def _masked_email(value: str) -> str:
    name, _, host = value.partition("@")
    return f"{name[:1]}***@{host}" if host else "***"
