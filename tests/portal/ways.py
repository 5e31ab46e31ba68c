"""What an investor does, in the words of the tests: get a code, sign in, upload, hand a step in."""

import io
import re
from datetime import UTC, date, datetime
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from console import db
from console.agreements.models import Purpose
from console.agreements.service import import_version
from console.cases.models import Case
from console.cases.service import open_case
from console.cases.transitions import finish_step
from console.evidence import service as evidence
from console.evidence.models import Kind, State, Variant
from console.people.models import Broker, Captcha, Investor, OutgoingSms
from console.stamp import Stamp
from tests import world
from tests.pictures import id_front

JSON = {"Accept": "application/json"}
BROKER = "9090"
ADD, CHANGE = "add_trading_code", "change_settlement_account"


def now() -> datetime:
    return datetime.now(UTC)


def stamp_of(investor_id: int) -> Stamp:
    return Stamp(by=f"investor:{investor_id}", at=now())


def publish(session: Session, code: str, purpose: Purpose, text: str = "这是全文。") -> None:
    broker = session.scalars(select(Broker)).one()
    import_version(
        session,
        broker,
        code=code,
        title=code,
        purpose=purpose,
        businesses=(),
        source=f"# {code}\n\n{text}\n".encode(),
        source_name=f"{code}.md",
        stamp=Stamp.of_system("test"),
    )


def publish_privacy() -> None:
    with db.transaction() as session:
        publish(session, "privacy_policy", Purpose.PRIVACY)


def publish_notices() -> None:
    with db.transaction() as session:
        for code in ("notice_low_first", "notice_low_second", "notice_c3_first", "notice_c3_second"):
            publish(session, code, Purpose.NOTICE)


# --- signing in


def read_captcha(client: FlaskClient) -> tuple[str, str]:
    """A fresh captcha's token and what a person reads on it."""
    token = client.post("/captcha", headers=JSON).get_json()["token"]
    with db.reading() as session:
        return token, session.scalars(select(Captcha).where(Captcha.token == token)).one().answer


def ask_code(client: FlaskClient, identity: str, business: str = ADD, **changes: str) -> TestResponse:
    token, answer = read_captcha(client)
    form = {"identity": identity, "account_type": "individual", "captcha_token": token, "captcha": answer} | changes
    return client.post(f"/b/{BROKER}/sign-in/{business}/code", data=form, headers=JSON)


def sms() -> list[OutgoingSms]:
    with db.reading() as session:
        return list(session.scalars(select(OutgoingSms).order_by(OutgoingSms.id)))


def last_code() -> str:
    found = re.search(r"验证码 (\d{6})", sms()[-1].text)
    assert found
    return found[1]


def enter(client: FlaskClient, identity: str, code: str, business: str = ADD, **changes: str) -> TestResponse:
    form = {"identity": identity, "account_type": "individual", "code": code, "privacy": "y", "devices": "ok"} | changes
    return client.post(f"/b/{BROKER}/sign-in/{business}", data=form)


def sign_in(client: FlaskClient, identity: str, business: str = ADD) -> TestResponse:
    assert ask_code(client, identity, business).status_code == 200
    return enter(client, identity, last_code(), business)


# --- cases and their steps


def case_of(name: str, business: str) -> str:
    with db.transaction() as session:
        person = world.investor_named(session, name)
        return open_case(session, person, business, stamp_of(person.id)).case_no


def change_investor(name: str, **values: Any) -> None:
    with db.transaction() as session:
        person = world.investor_named(session, name)
        for key, value in values.items():
            setattr(person, key, value)


def upload(client: FlaskClient, url: str, image: bytes | None = None, filename: str = "photo.jpg") -> TestResponse:
    body = {"photo": (io.BytesIO(id_front() if image is None else image), filename)}
    answer = client.post(url, data=body, headers=JSON, content_type="multipart/form-data")
    answer.request.environ["wsgi.input"].close()  # the test client puts a large body into a file and leaves it open
    return answer


def develop(
    public_id: str, *, crop: bool = True, warnings: list[str] | None = None, problem: str | None = None
) -> None:
    """What the job leaves behind, without its work."""
    with db.transaction() as session:
        photo = session.scalars(select(evidence.Evidence).where(evidence.Evidence.public_id == public_id)).one()
        if problem:
            photo.state, photo.problem = State.REFUSED, problem
            return
        for variant in (Variant.UPRIGHT, Variant.CROPPED, Variant.THUMB):
            evidence.keep(
                session,
                photo.case,
                photo.kind,
                io.BytesIO(b"jpeg " + variant.encode()),
                Stamp.of_system("documents"),
                media_type="image/jpeg",
                variant=variant,
                of=photo,
            )
        photo.state, photo.warnings = State.READY, warnings or []
        photo.facts = {**photo.facts, "crop_box": [[0, 0], [1, 0], [1, 1], [0, 1]] if crop else None}


def upload_all_photos(client: FlaskClient, case_no: str) -> None:
    for kind in (Kind.ID_FRONT, Kind.ID_BACK, Kind.SIGNATURE):
        answer = upload(client, f"/case/{case_no}/photos/{kind.value}")
        assert answer.status_code == 201, answer.get_json()
        develop(answer.get_json()["id"])


def hand_in(client: FlaskClient, case_no: str, key: str, **form: Any) -> TestResponse:
    return client.post(f"/case/{case_no}/{key}", data=form)


def photos_done(client: FlaskClient, case_no: str) -> None:
    upload_all_photos(client, case_no)
    assert hand_in(client, case_no, "photos").status_code == 302


def skip_to(case_no: str, key: str) -> None:
    """The case with everything before ``key`` finished, as if the investor had walked there."""
    with db.transaction() as session:
        case = session.scalars(select(Case).where(Case.case_no == case_no)).one()
        while (step := case.current_step) is not None and step.key != key:
            finish_step(case, step.key, stamp_of(case.investor_id))


def look(case_no: str) -> Case:
    """The case as it is now, with what tests look at loaded."""
    with db.reading() as session:
        case = session.scalars(select(Case).where(Case.case_no == case_no)).one()
        _ = (case.entries, case.events, case.rejections, case.investor.bank_cards, case.current_step)
        return case


def where(case_no: str) -> str | None:
    step = look(case_no).current_step
    return step.key if step else None


def phone_of(name: str) -> str:
    with db.reading() as session:
        return world.investor_named(session, name).phone


def id_no_of(name: str) -> str:
    with db.reading() as session:
        return world.investor_named(session, name).id_no


def expire_id(name: str) -> None:
    change_investor(name, id_valid_until=date(2020, 1, 1))


def investors() -> list[Investor]:
    with db.reading() as session:
        return list(session.scalars(select(Investor)))
