"""银行卡照片上传 (web manual, 2.3): the cards on record, which may be deleted, and new ones with number, bank and photo."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from console.access import case_or_404, investor_only, stamp
from console.businesses.banks import BANKS, PREFIXES, bank_of, is_card_number
from console.cases import service as cases
from console.cases.models import Case
from console.db import reading, transaction
from console.evidence import service as evidence
from console.evidence.models import Kind, State
from console.masking import masked_card
from console.people.identity import plain
from console.portal import uploads
from console.portal.changing import at_work, naming_fields
from console.stamp import Stamp

from . import Handed, NotYet, Said

KEY = "bank_card"
MOST_CARDS = 5
MOST_PHOTOS = 10  # those of a card that was not added in the end count too
Card = dict[str, Any]  # key, bank, number, evidence (public id or None), known


def show(session: Session, case: Case) -> dict[str, Any]:
    return {
        "cards": [(card, _photo(session, case, card)) for card in _cards(session, case)],
        "taken_off": _taken_off(case, _cards(session, case)),
        "banks": BANKS,
        "prefixes": PREFIXES,
        "most": MOST_CARDS,
    }


def submit(session: Session, case: Case, form: Mapping[str, str], mark: Stamp) -> Handed:
    cards = _cards(session, case)
    errors: dict[str, str] = {}
    if not cards:
        errors["cards"] = "至少保留一张银行卡。请新增银行卡后再点下一步。"
    for card in cards:
        photo = _photo(session, case, card)
        if not card["known"] and (photo is None or not photo.counts):
            errors["cards"] = f"尾号 {card['number'][-4:]} 的银行卡照片还不能用。请等处理完成，或删除后重新新增。"
    if errors:
        raise NotYet(errors)
    return Handed({"cards": cards})


def facts(session: Session, case: Case) -> dict[str, Any]:
    cards = (case.data_of(KEY) or {}).get("cards", [])
    return {"cards": cards, "deleted": _taken_off(case, cards)}


def said(case: Case, content: Any) -> list[Said]:
    told = []
    for card in content.get("cards", []):
        title = f"银行卡 {masked_card(card['number'])}"
        told += [Said(title, card["bank"]), Said(f"{title} 照片", card["evidence"] or "", photo=True)]
    return told


def routes(bp: Blueprint) -> None:
    @bp.post("/case/<case_no>/bank_card/photo")
    @investor_only
    def upload_card(case_no: str) -> tuple[Response, int]:
        return uploads.receive(case_no, KEY, Kind.BANK_CARD, replaces=False, most=MOST_PHOTOS)

    @bp.get("/case/<case_no>/bank_card/state")
    @investor_only
    def card_state(case_no: str) -> Response:
        with reading() as session:
            case = case_or_404(session, case_no)
            photos = [uploads.shown(p, p.kind) for p in evidence.live(session, case, Kind.BANK_CARD)]
            told = zip(uploads.states(photos), photos, strict=True)
            return jsonify(
                photos=[{**state, "small": p.small, "said": "。".join(filter(None, p.said))} for state, p in told]
            )

    @bp.get("/case/<case_no>/bank_card/tiles")
    @investor_only
    def card_tiles(case_no: str) -> str:
        with reading() as session:
            case = case_or_404(session, case_no)
            return render_template("steps/bank_card/_cards.html", case=case, **show(session, case))

    @bp.post("/case/<case_no>/bank_card/add")
    @investor_only
    @naming_fields
    def add_card(case_no: str) -> tuple[Response, int]:
        mark = stamp()
        with transaction() as session:
            case = at_work(session, case_no, KEY, mark)
            cards = _cards(session, case)
            card = _new_card(session, case, request.form, cards)
            cases.save_draft(session, case, KEY, {"cards": [*cards, card]}, mark.at)
            return jsonify(key=card["key"]), 201

    @bp.post("/case/<case_no>/bank_card/remove")
    @investor_only
    def remove_card(case_no: str) -> Response:
        mark = stamp()
        with transaction() as session:
            case = at_work(session, case_no, KEY, mark)
            cards = _cards(session, case)
            card = next((card for card in cards if card["key"] == request.form.get("key")), None)
            if card is None:
                raise NotFound
            _drop_photo(session, case, card, mark)
            cases.save_draft(session, case, KEY, {"cards": [c for c in cards if c is not card]}, mark.at)
            return jsonify(removed=True)

    @bp.post("/case/<case_no>/bank_card/restore")
    @investor_only
    @naming_fields
    def restore_card(case_no: str) -> Response:
        """A card on record that was deleted by mistake is back; asked for twice, it is back once."""
        mark = stamp()
        with transaction() as session:
            case = at_work(session, case_no, KEY, mark)
            cards = _cards(session, case)
            card = next((card for card in _on_record(case) if card["key"] == request.form.get("key")), None)
            if card is None:
                raise NotFound
            if card in _taken_off(case, cards):
                _require_room(cards)
                cases.save_draft(session, case, KEY, {"cards": [*cards, card]}, mark.at)
            return jsonify(restored=True)


def _cards(session: Session, case: Case) -> list[Card]:
    """What the investor has put together so far; at first, what the broker has on record."""
    kept = cases.draft(session, case, KEY)
    return list(kept["cards"]) if kept else _on_record(case)


def _on_record(case: Case) -> list[Card]:
    return [
        {"key": f"known{card.id}", "bank": card.bank, "number": card.number, "evidence": None, "known": True}
        for card in case.investor.bank_cards
        if card.ended_at is None
    ]


def _taken_off(case: Case, cards: Sequence[Card]) -> list[Card]:
    """The cards on record that are not among ``cards``."""
    kept = {card["number"] for card in cards}
    return [card for card in _on_record(case) if card["number"] not in kept]


def _require_room(cards: Sequence[Card]) -> None:
    if len(cards) >= MOST_CARDS:
        raise NotYet({"": f"最多登记 {MOST_CARDS} 张银行卡，请先删除不需要的卡。"})


def _new_card(session: Session, case: Case, form: Mapping[str, str], cards: list[Card]) -> Card:
    """Raises NotYet, with every fault at once."""
    number, bank = plain(form.get("number")), form.get("bank", "")
    errors: dict[str, str] = {}
    _require_room(cards)
    if not is_card_number(number):
        errors["number"] = "银行卡号不正确。请对照卡面逐位核对，通常为 16 到 19 位数字。"
    elif any(card["number"] == number for card in cards):
        errors["number"] = "这张卡已经在列表里。"
    if (bank or bank_of(number)) not in BANKS:
        errors["bank"] = "请选择开户银行。"
    photo = next((p for p in evidence.live(session, case, Kind.BANK_CARD) if p.public_id == form.get("evidence")), None)
    if photo is None or any(card["evidence"] == photo.public_id for card in cards):
        errors["photo"] = "请上传这张银行卡的照片，卡号一面朝上。"
    elif photo.state is State.REFUSED:
        errors["photo"] = "。".join(uploads.shown(photo, photo.kind).said)
    if errors or photo is None:
        raise NotYet(errors)
    return {
        "key": secrets.token_hex(6),
        "bank": bank or bank_of(number),
        "number": number,
        "evidence": photo.public_id,
        "known": False,
    }


def _photo(session: Session, case: Case, card: Card) -> uploads.Shown | None:
    found = next((p for p in evidence.live(session, case, Kind.BANK_CARD) if p.public_id == card["evidence"]), None)
    return uploads.shown(found, Kind.BANK_CARD) if found else None


def _drop_photo(session: Session, case: Case, card: Card, mark: Stamp) -> None:
    for photo in evidence.live(session, case, Kind.BANK_CARD):
        if photo.public_id == card["evidence"]:
            uploads.remove(session, case, photo, mark)
