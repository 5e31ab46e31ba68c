"""Which commands a node understands."""

import json

import pytest

from worker.media.commands import Command, parse
from worker.media.room import Refused

OFFER = {"id": "1", "verb": "offer", "call": "S-1", "side": "witness", "epoch": 2, "sdp": "v=0"}


def test_an_offer_is_read() -> None:
    assert parse(json.dumps(OFFER)) == Command("1", "offer", "S-1", "witness", 2, "v=0")


def test_hanging_up_needs_no_side() -> None:
    assert parse(json.dumps({"id": "1", "verb": "hang_up", "call": "S-1", "side": None})).verb == "hang_up"


@pytest.mark.parametrize(
    "change",
    [{"verb": "shout"}, {"call": "../../etc"}, {"call": ""}, {"side": "visitor"}, {"side": ""}, {"epoch": "soon"}],
)
def test_anything_else_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(Refused, match="bad_command"):
        parse(json.dumps(OFFER | change))


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"offer"', "{}"])
def test_what_is_no_command_at_all_is_refused(body: str) -> None:
    with pytest.raises(Refused, match="bad_command"):
        parse(body)
