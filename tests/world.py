"""A small broker to test in: two branches, one of everybody, three investors. Invented people; ID numbers pass their checksum."""

from datetime import UTC, date, datetime

from sqlalchemy.orm import Session

from console import vault
from console.businesses.suitability import InvestorClass, RiskGrade
from console.cases.models import Case, Reason
from console.cases.service import open_case
from console.people.demo import table
from console.people.models import BankCard, Branch, Broker, Investor, Role, Staff, TradingCode
from console.stamp import Stamp
from console.video_seat import script

AT = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)  # a Friday, 10:30 in Shanghai
PASSWORD = "correct-horse-9"


def id_number(first17: str) -> str:
    """With the check digit of GB 11643-1999."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return first17 + "10X98765432"[sum(int(d) * w for d, w in zip(first17, weights, strict=True)) % 11]


def stamp(by: str = "system:test", at: datetime = AT) -> Stamp:
    return Stamp(by=by, at=at)


def build(session: Session, password_hash: str) -> None:
    """Everybody's password is PASSWORD."""
    broker = Broker(broker_no="9090", name="澄明期货", phone="400-000-9090")
    lujiazui = Branch(broker=broker, code="SH01", name="上海陆家嘴营业部")
    qianjiang = Branch(broker=broker, code="HZ01", name="杭州钱江营业部")
    session.add_all([broker, lujiazui, qianjiang])
    session.flush()

    def staff(
        username: str,
        name: str,
        *roles: Role,
        branches: list[Branch],
        licence: str | None = None,
        id_no: str | None = None,
        head_office: bool = False,
    ) -> None:
        session.add(
            Staff(
                broker_id=broker.id,
                username=username,
                name=name,
                password_hash=password_hash,
                roles=[r.value for r in roles],
                branches=branches,
                licence_no=licence,
                licence_until=date(2027, 12, 31) if licence else None,
                head_office=head_office,
                id_no=id_no,
                person_index=vault.current().index(id_no, "person") if id_no else None,
            )
        )

    staff(
        "luwenshan",
        "陆文珊",
        Role.WITNESS,
        branches=[lujiazui],
        licence="F0300127",
        id_no=id_number("31010119900307001"),
    )
    staff(
        "weiyinuo",
        "韦一诺",
        Role.WITNESS,
        branches=[lujiazui],
        licence="F0300342",
        id_no=id_number("31010119910308002"),
    )
    staff(
        "hangzhou",
        "简明轩",
        Role.WITNESS,
        branches=[qianjiang],
        licence="F0300555",
        id_no=id_number("33010119920309003"),
    )
    staff("qinlang", "秦朗", Role.REVIEWER, branches=[lujiazui], id_no=id_number("31010119880101004"))
    staff("hzreview", "何知远", Role.REVIEWER, branches=[qianjiang], id_no=id_number("33010119870101005"))
    # the same person as 陆文珊, with a second account at the counter
    staff("luwenshan2", "陆文珊", Role.REVIEWER, branches=[lujiazui], id_no=id_number("31010119900307001"))
    staff(
        "fangyi", "方毅", Role.SUPERVISOR, branches=[lujiazui], licence="F0300001", id_no=id_number("31010119850101006")
    )
    staff("admin", "总部管理员", Role.ADMIN, branches=[], head_office=True)

    def investor(
        n: int,
        name: str,
        branch: Branch,
        grade: RiskGrade,
        *,
        born: str,
        codes: tuple[str, ...] = ("SHFE",),
        **changes: object,
    ) -> None:
        id_no, phone = id_number(f"310115{born}00{n}"), f"1380000800{n}"
        values: dict[str, object] = {
            "client_no": f"8001{n:04d}",
            "name": name,
            "id_no": id_no,
            "id_no_index": vault.current().index(id_no, "investor.id_no"),
            "phone": phone,
            "phone_index": vault.current().index(phone, "investor.phone"),
            "id_valid_from": date(2016, 12, 3),
            "id_valid_until": date(2036, 12, 3),
            "id_issuer": "上海市公安局浦东分局",
            "gender": "女",
            "born_on": date(int(born[:4]), int(born[4:6]), int(born[6:])),
            "nation": "汉",
            "address": f"上海市浦东新区世纪大道 105{n} 号 8 室",
            "postcode": "200120",
            "email": f"investor{n}@example.com",
            "education": "本科",
            "occupation": "企业职员",
            "risk_grade": grade,
            "investor_class": InvestorClass.ORDINARY,
        } | changes
        person = Investor(broker_id=broker.id, branch_id=branch.id, **values)
        person.trading_codes = [TradingCode(exchange=code, code=f"{n:08d}") for code in codes]
        number = f"62220200000000000{n:02d}"
        person.bank_cards = [
            BankCard(bank="中国工商银行", number=number, number_index=vault.current().index(number, "bank_card.number"))
        ]
        session.add(person)

    investor(1, "周晚晴", lujiazui, RiskGrade.C4, born="19940427")
    investor(2, "许砚青", lujiazui, RiskGrade.C3, born="19891008")
    investor(3, "闻子期", qianjiang, RiskGrade.C1, born="19920615")
    session.flush()
    for business, step, code, title, text in REASONS:
        session.add(
            Reason(
                business_code=business, step=step, code=code, title=title, investor_text=text, tip="请按提示重新提交。"
            )
        )
    script.take_in(session, table("questions"), stamp())
    script.take_in_reasons(session, table("short_reasons"))


REASONS = (
    ("change_settlement_account", "photos", "id_photo_blurred", "身份证照片模糊", "身份证照片不清晰，无法辨认。"),
    (
        "change_settlement_account",
        "bank_card",
        "card_mismatch",
        "银行卡号与照片不一致",
        "填写的卡号与银行卡照片不一致。",
    ),
    ("add_trading_code", "photos", "id_photo_blurred", "身份证照片模糊", "身份证照片不清晰，无法辨认。"),
    ("add_trading_code", "exchanges", "wrong_exchange", "交易所选择有误", "所选交易所与本人意愿不一致。"),
)


def investor_named(session: Session, name: str) -> Investor:
    return next(i for i in session.query(Investor) if i.name == name)


def staff_named(session: Session, username: str) -> Staff:
    return session.query(Staff).filter_by(username=username).one()


def given_case(
    session: Session, name: str = "周晚晴", business: str = "change_settlement_account", at: datetime = AT
) -> Case:
    person = investor_named(session, name)
    return open_case(session, person, business, stamp(f"investor:{person.id}", at))
