"""在线测试 (app manual, 2.4): ten questions on futures for those who have no 成绩报告单. Data and counting, nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass

PASS_MARK = 80
POINTS = 10  # a question


@dataclass(frozen=True)
class Question:
    """``answer``: the index of the right one of ``options``."""

    key: str
    text: str
    options: tuple[str, ...]
    answer: int

    @property
    def choices(self) -> list[tuple[str, str]]:
        """What a form offers: the index as text, and the option."""
        return [(str(place), option) for place, option in enumerate(self.options)]


QUESTIONS = (
    Question(
        "margin",
        "期货交易的保证金制度意味着什么？",
        ("亏损以保证金为限", "盈利和亏损都会被放大", "没有亏损的可能", "必须全额付款"),
        1,
    ),
    Question(
        "mark_to_market",
        "当日无负债结算是指什么？",
        ("每月结算一次盈亏", "到期才结算盈亏", "每个交易日收市后按结算价结算盈亏", "平仓才结算盈亏"),
        2,
    ),
    Question(
        "margin_call",
        "保证金不足，又没有在规定时间内追加，会怎样？",
        ("持仓可能被强行平仓", "交易所代为垫付", "持仓自动延期", "没有影响"),
        0,
    ),
    Question(
        "price_limit",
        "某合约触及涨跌停板时，下面哪种说法对？",
        ("交易立即结束", "可能难以按意愿平仓", "保证金自动减少", "亏损不再扩大"),
        1,
    ),
    Question(
        "index_futures",
        "股指期货合约到期时怎样交割？",
        ("交付一篮子股票", "自动换成下月合约", "以现金交割", "由经纪公司回购"),
        2,
    ),
    Question(
        "crude_oil",
        "原油期货的价格会受哪些因素影响？",
        ("只受国内供需影响", "国际供需、汇率和地缘政治等", "只受季节影响", "只受交易所规定影响"),
        1,
    ),
    Question(
        "short",
        "预计价格下跌时，投资者可以怎样交易期货？",
        ("只能空仓等待", "先卖出开仓，再买入平仓", "借入现货卖出", "申请延期交割"),
        1,
    ),
    Question(
        "leverage",
        "保证金比例为 10%，价格朝不利方向变动 5%，投入的保证金大约亏损多少？",
        ("5%", "10%", "25%", "50%"),
        3,
    ),
    Question(
        "password",
        "别人提出代您操作账户并保证收益，应当怎样做？",
        ("把交易密码告诉对方", "先让对方试做几天", "拒绝，并向期货公司核实", "签一份私下协议"),
        2,
    ),
    Question(
        "last_day",
        "个人投资者持有实物交割的合约，临近交割月应当怎样做？",
        ("按规定在限期前平仓", "一直持有到最后交易日", "等待交易所通知收货", "申请减少保证金"),
        0,
    ),
)


def score(answers: Mapping[str, str]) -> int:
    """Points, 0 to 100. ``answers``: question key to the index of the chosen option, as text."""
    return sum(POINTS for question in QUESTIONS if answers.get(question.key) == str(question.answer))


def passed(points: int) -> bool:
    return points >= PASS_MARK
