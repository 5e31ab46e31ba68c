"""What a case asks of the counter system, and how the broker's own records follow what was carried out."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from console import vault
from console.adapters.counter import Answer
from console.businesses.steps import Record
from console.cases.models import Case
from console.people.models import BankCard, TradingCode
from console.stamp import Stamp

CODE = re.compile(r"[0-9A-Za-z]{1,20}")


class AnswerIncomplete(ValueError):
    """The counter system says it is done, but not with what. The text is for staff."""


def order_of(session: Session, case: Case, key: str) -> dict[str, Any]:
    """The order as console/adapters/counter.py describes it; personal data in clear: it is for the wire alone."""
    approved = case.done[case.path[-1].key]
    order: dict[str, Any] = {
        "key": key,
        "case_no": case.case_no,
        "business": case.business_code,
        "client_no": case.investor.client_no,
        "branch": case.branch.code,
        "approved_at": approved.done_at.isoformat(),
    }
    for record, entered in _settled(case):
        order[record.value] = WANTED[record](case, entered)
    return order


def carry_out(session: Session, case: Case, answer: Answer, stamp: Stamp) -> dict[str, int]:
    """Make the broker's records what the counter system now holds; again: nothing more changes. How many rows, by record.

    Raises AnswerIncomplete before anything changes.
    """
    entered = _settled(case)
    for record, content in entered:
        missing = [name for name in _exchanges(content) if not CODE.fullmatch(answer.trading_codes.get(name, ""))]
        if record is Record.TRADING_CODES and missing:
            raise AnswerIncomplete(f"柜台系统的回复缺少交易编码：{'、'.join(missing)}")
    return {record.value: CARRIED[record](session, case, content, answer, stamp) for record, content in entered}


def _settled(case: Case) -> list[tuple[Record, Any]]:
    """The records that this case changes, with what was entered."""
    entered = [(step.settles, case.data_of(step.key)) for step in case.path]
    return [(record, content) for record, content in entered if record and content is not None]


def _exchanges(content: Mapping[str, Any]) -> list[str]:
    return list(content.get("chosen", ()))


def _codes_wanted(case: Case, content: Mapping[str, Any]) -> list[str]:
    return _exchanges(content)


def _codes_granted(session: Session, case: Case, content: Mapping[str, Any], answer: Answer, stamp: Stamp) -> int:
    held = {row.exchange: row for row in case.investor.trading_codes}
    changed = 0
    for exchange in _exchanges(content):
        code = answer.trading_codes[exchange]
        if exchange not in held:
            case.investor.trading_codes.append(TradingCode(exchange=exchange, code=code))
            changed += 1
        elif held[exchange].code != code:  # granted at the counter meanwhile: what it says now is the record
            held[exchange].code = code
            changed += 1
    return changed


def _accounts_wanted(case: Case, content: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    cards, live = content.get("cards", []), _live(case)
    numbers, held = {card["number"] for card in cards}, {card.number for card in live}
    return {
        "add": [{"bank": card["bank"], "number": card["number"]} for card in cards if card["number"] not in held],
        "end": [{"bank": card.bank, "number": card.number} for card in live if card.number not in numbers],
    }


def _accounts_changed(session: Session, case: Case, content: Mapping[str, Any], answer: Answer, stamp: Stamp) -> int:
    wanted = _accounts_wanted(case, content)
    ended = {account["number"] for account in wanted["end"]}
    for card in _live(case):
        if card.number in ended:
            card.ended_at = stamp.at
    session.flush()
    for account in wanted["add"]:
        index = vault.current().index(account["number"], "bank_card.number")
        case.investor.bank_cards.append(BankCard(bank=account["bank"], number=account["number"], number_index=index))
    return len(wanted["add"]) + len(ended)


def _live(case: Case) -> list[BankCard]:
    return [card for card in case.investor.bank_cards if card.ended_at is None]


WANTED: dict[Record, Callable[[Case, Any], Any]] = {
    Record.TRADING_CODES: _codes_wanted,
    Record.SETTLEMENT_ACCOUNTS: _accounts_wanted,
}
CARRIED: dict[Record, Callable[[Session, Case, Any, Answer, Stamp], int]] = {
    Record.TRADING_CODES: _codes_granted,
    Record.SETTLEMENT_ACCOUNTS: _accounts_changed,
}
