"""What the machine reads on ID photos: by its place on the card, and only what can be right."""

import pytest

from console import db
from console.evidence.models import Kind
from tests import pictures
from tests.worker.given import given_photo, photo
from tests.world import id_number
from worker import ocr
from worker.documents import process_photo
from worker.lettering import LetteringFailed, Line, read
from worker.ocr import fields, read_card
from worker.robots.pictures import PLAIN, id_front
from worker.robots.pictures import bank_card as robots_card

NUMBER = id_number("33010219891008441")
FRONT = [
    Line("公民身份号码", 0.15, 0.886),
    Line(f"{NUMBER[:6]} {NUMBER[6:14]} {NUMBER[14:]}", 0.52, 0.893),
    Line("出生 1989年10月8日", 0.23, 0.407),
    Line("民族汉", 0.36, 0.279),
    Line("性别男", 0.13, 0.279),
    Line("601室", 0.22, 0.614),
    Line("住址 杭州市滨江区江南大道 338 号 2 幢 ", 0.29, 0.538),
    Line("许砚青", 0.2, 0.15),
    Line("姓名", 0.08, 0.152),
    Line("样例", 0.82, 0.6),
]


def test_the_front_is_read_by_the_places_of_its_lines_in_whatever_order_they_come() -> None:
    assert fields(Kind.ID_FRONT, reversed(FRONT)) == {
        "name": "许砚青",
        "birth": "男　1989-10-08",
        "address": "杭州市滨江区江南大道 338 号 2 幢 601室",
        "id_no": NUMBER,
    }


@pytest.mark.parametrize(
    ("read", "name"),
    [("☑许砚青", "许砚青"), ("许 砚青.", "许砚青"), ("阿依努尔•买买提", "阿依努尔·买买提"), ("A1-", ""), ("·", "")],
)
def test_a_stray_mark_is_no_part_of_a_name(read: str, name: str) -> None:
    assert fields(Kind.ID_FRONT, [Line(f"姓名 {read}", 0.2, 0.15)]).get("name", "") == name


CARD = "6225880123453459"


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        (["招商银行", "6225 8801 2345 3459", "借记卡 DEBIT"], CARD),
        (["6225-8801-2345-3459"], CARD),
        (["6225 8801 2345 3458"], None),
        (["6225 8801 2345 3459", "6222020000000001234"], CARD),
        (["6225 8801 2345 3459", "4242 4242 4242 4242"], None),
        (["VALID THRU 12/30"], None),
    ],
)
def test_a_card_number_is_said_only_when_its_check_digit_is_right_and_there_is_one(
    lines: list[str], number: str | None
) -> None:
    assert fields(Kind.BANK_CARD, [Line(text, 0.5, 0.5) for text in lines]).get("number") == number


def test_a_bank_card_is_read_right_by_the_real_engine(world) -> None:
    on_a_table = PLAIN.but(size=(1000, 750), tilt=6)
    kept = given_photo(robots_card("招商银行", CARD, on_a_table), Kind.BANK_CARD)
    process_photo(kept)
    read_card(kept)
    assert photo(kept).reading == {"number": CARD}


@pytest.mark.parametrize(
    ("lines", "validity"),
    [
        (["居民身份证", "有效期限", "2016.12.03-2036.12.03"], "2016-12-03 至 2036-12-03"),
        (["有效期限 2016.12.03-长期"], "2016-12-03 至 长期"),
        (["2016.13.03-2036.12.03"], None),
        (["有效期限", "2016.12.03"], None),
        ([], None),
    ],
)
def test_the_back_gives_the_validity_as_the_facts_write_it_or_nothing(lines: list[str], validity: str | None) -> None:
    told = fields(Kind.ID_BACK, [Line(text, 0.5, 0.5 + 0.1 * n) for n, text in enumerate(lines)])
    assert told.get("validity") == validity


@pytest.mark.parametrize(
    "number", [NUMBER[:-1], NUMBER[:-1] + ("1" if NUMBER[-1] == "0" else "0"), id_number("33010219891308441")]
)
def test_a_number_that_cannot_be_right_is_not_said(number: str) -> None:
    assert "id_no" not in fields(Kind.ID_FRONT, [Line(number, 0.5, 0.89)])


def test_a_photo_is_read_right_by_the_real_engine_in_its_confined_process(world) -> None:
    on_a_table = PLAIN.but(size=(1000, 750), tilt=6)
    kept = given_photo(id_front("许砚青", "男", "汉", "1989-10-08", pictures.PERSON[4], NUMBER, on_a_table))
    process_photo(kept)
    read_card(kept)
    told = photo(kept).reading
    assert (told["name"], told["id_no"], told["birth"]) == ("许砚青", NUMBER, "男　1989-10-08")
    assert told["address"].replace(" ", "") == "杭州市滨江区江南大道338号2幢601室"
    with db.reading() as session:
        (sealed,) = session.connection().exec_driver_sql("SELECT reading FROM evidence WHERE reading IS NOT NULL").one()
    assert "许砚青".encode() not in bytes(sealed)


class Engine:
    """Stands at the door of the confined process and counts who comes."""

    def __init__(self, lines: list[Line]):
        self.lines, self.came = lines, 0

    def __call__(self, jpeg: bytes) -> list[Line]:
        self.came += 1
        return self.lines


def test_a_card_is_read_once_and_what_is_no_cut_card_never(world, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(FRONT)
    monkeypatch.setattr(ocr, "read", engine)
    kept = given_photo(pictures.id_front(PLAIN.but(size=(1000, 750))))
    read_card(kept)
    assert engine.came == 0, "it is still being processed"
    process_photo(kept)
    read_card(kept)
    read_card(kept)
    assert engine.came == 1 and photo(kept).reading["name"] == "许砚青"
    signature = given_photo(pictures.signature(PLAIN.but(size=(1000, 750))), Kind.SIGNATURE)
    process_photo(signature)
    read_card(signature)
    assert engine.came == 1 and photo(signature).reading is None


def test_what_is_no_picture_breaks_the_process_alone_and_says_so() -> None:
    with pytest.raises(LetteringFailed):
        read(b"no picture")
