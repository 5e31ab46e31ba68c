"""适当性: which exchanges and markets there are, and what an investor's grade asks for (app manual, 2.4).

Thresholds follow the manual: ordinary investors C1 and C2 get two notices on entering the page, C3 gets two when choosing financial or
crude oil. Notice texts are dated data in the agreements register; here are only the rules.
"""

from dataclasses import dataclass
from enum import StrEnum


class Market(StrEnum):
    COMMODITY = "commodity"
    FINANCIAL = "financial"
    CRUDE_OIL = "crude_oil"


MARKET_TITLES = {Market.COMMODITY: "商品", Market.FINANCIAL: "金融", Market.CRUDE_OIL: "原油"}


class RiskGrade(StrEnum):
    C1 = "C1"
    C2 = "C2"
    C3 = "C3"
    C4 = "C4"
    C5 = "C5"


class InvestorClass(StrEnum):
    ORDINARY = "ordinary"
    PROFESSIONAL = "professional"


INVESTOR_CLASS_TITLES = {InvestorClass.ORDINARY: "普通投资者", InvestorClass.PROFESSIONAL: "专业投资者"}


@dataclass(frozen=True)
class Exchange:
    code: str
    title: str
    short: str
    market: Market


EXCHANGES: dict[str, Exchange] = {
    e.code: e
    for e in (
        Exchange("SHFE", "上海期货交易所", "上期所", Market.COMMODITY),
        Exchange("DCE", "大连商品交易所", "大商所", Market.COMMODITY),
        Exchange("CZCE", "郑州商品交易所", "郑商所", Market.COMMODITY),
        Exchange("CFFEX", "中国金融期货交易所", "中金所", Market.FINANCIAL),
        Exchange("INE", "上海国际能源交易中心", "上期能源", Market.CRUDE_OIL),
    )
}
DEMANDING = frozenset({Market.FINANCIAL, Market.CRUDE_OIL})


class NoticeMoment(StrEnum):
    """When the two notices are shown."""

    ON_ENTRY = "on_entry"
    ON_CHOOSING = "on_choosing"


def notice_moment(grade: RiskGrade, investor_class: InvestorClass, chosen: set[str]) -> NoticeMoment | None:
    """Which pair of notices (first, second) this investor must answer, if any."""
    if investor_class is InvestorClass.PROFESSIONAL:
        return None
    if grade in (RiskGrade.C1, RiskGrade.C2):
        return NoticeMoment.ON_ENTRY
    if grade is RiskGrade.C3 and demanding(chosen):
        return NoticeMoment.ON_CHOOSING
    return None


def demanding(codes: set[str]) -> set[str]:
    """The financial and crude-oil exchanges among ``codes``."""
    return {code for code in codes if EXCHANGES[code].market in DEMANDING}


def is_first_demanding(chosen: set[str], held: set[str]) -> bool:
    """客户第一次开通金融或者原油户: then score reports, or the online test, are asked for."""
    return bool(demanding(chosen)) and not demanding(held)


RISK_GRADE_TITLES = {
    RiskGrade.C1: "保守型",
    RiskGrade.C2: "谨慎型",
    RiskGrade.C3: "稳健型",
    RiskGrade.C4: "积极型",
    RiskGrade.C5: "激进型",
}
REQUIRED_GRADE = {Market.COMMODITY: RiskGrade.C3, Market.FINANCIAL: RiskGrade.C4, Market.CRUDE_OIL: RiskGrade.C4}
NOTICE_CODES = {  # of the agreements that hold the texts of the first and the second notice
    NoticeMoment.ON_ENTRY: ("notice_low_first", "notice_low_second"),
    NoticeMoment.ON_CHOOSING: ("notice_c3_first", "notice_c3_second"),
}


class Choice(StrEnum):
    """What an investor may answer to a notice (app manual, 2.4)."""

    INSIST = "insist"
    GIVE_UP = "give_up"
    CHOOSE_AGAIN = "choose_again"


CHOICES = {
    NoticeMoment.ON_ENTRY: (Choice.INSIST, Choice.GIVE_UP),
    NoticeMoment.ON_CHOOSING: (Choice.INSIST, Choice.CHOOSE_AGAIN),
}


def above_grade(grade: RiskGrade, investor_class: InvestorClass, code: str) -> bool:
    """Whether the exchange's market asks for more than this ordinary investor's grade."""
    return investor_class is InvestorClass.ORDINARY and REQUIRED_GRADE[EXCHANGES[code].market] > grade
