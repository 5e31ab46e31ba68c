"""Who may do what: every route × every kind of person × both branches. What is denied is one and the same 404 (TRUST 1).

A new route is written into ROUTES here; until it is, the first test fails.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_socketio.test_client import SocketIOTestClient
from PIL import Image
from werkzeug.routing import Rule

from console import access, live
from console.cases.models import Case
from console.config import Settings
from console.db import transaction
from console.evidence import service as evidence
from console.evidence.models import Kind
from console.people.models import Branch, Role, SignIn, Staff
from console.review.service import claim
from console.video_seat.models import VideoSession
from tests.review.given import case_in_review
from tests.world import staff_named, stamp

WITNESS, REVIEWER, SUPERVISOR, ADMIN = Role.WITNESS, Role.REVIEWER, Role.SUPERVISOR, Role.ADMIN
SEAT, COUNTER, EVERY_STAFF = {WITNESS, SUPERVISOR}, {REVIEWER, SUPERVISOR}, set(Role)
REGISTER_VIEWS = ("index_view", "create_view", "edit_view", "details_view", "delete_view", "action_view", "export")
REGISTER_VIEWS += ("ajax_lookup", "ajax_update")

ROUTES: dict[str, object] = {
    # anybody
    "static healthz desk.sign_in desk.enter": "public",
    "portal.entrance portal.broker portal.privacy portal.sign_in portal.enter portal.send_code portal.prove": "public",
    "portal.new_captcha portal.captcha_picture portal.captcha_sound portal.sms_outbox": "public",
    "counter.result": "public",  # signed by the counter system's key
    # whoever is signed in; the object decides
    "desk.evidence": "signed_in",
    # investors, their own cases
    "portal.my_business portal.sign_out portal.case portal.step portal.hand_in portal.submitted": "investor",
    "portal.task_list portal.abandon portal.join_queue portal.leave_queue portal.acknowledge portal.ask_urgent": "investor",
    "portal.decline": "investor",
    "portal.upload_photo portal.restore_photo portal.photos_state portal.photos_tiles": "investor",
    "portal.add_card portal.remove_card portal.restore_card portal.upload_card portal.card_state portal.card_tiles": "investor",
    "portal.appointment portal.book_appointment portal.change_appointment": "investor",
    "portal.cancel_appointment portal.appointment_file portal.hold_slot portal.release_slot": "investor",
    "portal.answer_notice portal.open_notice portal.remember_exchanges": "investor",
    "portal.upload_report portal.remove_report portal.reports_state portal.reports_tiles": "investor",
    "portal.online_test portal.mark_test": "investor",
    "portal.read_document portal.open_document portal.document_progress portal.finish_document": "investor",
    "portal.enrol_certificate portal.forget_certificate portal.offer_signing portal.answer_signing": "investor",
    # staff, by role
    "desk.home desk.sign_out": EVERY_STAFF,
    "desk.reveal": {WITNESS, REVIEWER, SUPERVISOR},
    "video_seat.seat video_seat.parts video_seat.answer_next video_seat.judge": SEAT,
    "video_seat.dispatch video_seat.dispatch_now video_seat.dispatch_waiting video_seat.answer_help": {SUPERVISOR},
    "video_seat.take_over video_seat.send_elsewhere": {SUPERVISOR},
    "video_seat.held video_seat.held_waiting video_seat.decide video_seat.decide_urgent": {SUPERVISOR},
    "board.page board.parts board.suggested": {SUPERVISOR, ADMIN},
    "review.tasks review.take_next review.case review.claim review.renew review.release": COUNTER,
    "review.approve review.reject review.chapters review.captions review.verified": COUNTER,
    "review.snooze review.wake review.export review.save_view review.rename_view review.delete_view": COUNTER,
    "review.assign": {SUPERVISOR},
    "counter.deliveries counter.waiting counter.again": COUNTER,
    "dossier.export": COUNTER,
    "quality.index": {REVIEWER, SUPERVISOR, ADMIN},
    "quality.waiting quality.look quality.claim quality.renew quality.release quality.approve quality.reject": COUNTER,
    "quality.compare": {SUPERVISOR},
    "quality.figures quality.export": {SUPERVISOR, ADMIN},
    "review.waive": {SUPERVISOR},
    "agreements.index agreements.publish": {ADMIN},
    "agreements.version": EVERY_STAFF,
    "admin.index admin.static": {ADMIN},
    " ".join(
        f"admin_{register}.{view}"
        for register in (
            "branches",
            "staff",
            "reasons",
            "scripts",
            "questions",
            "short_reasons",
            "agreements",
            "rosters",
            "overflow",
            "holidays",
        )
        for view in REGISTER_VIEWS
    ): {ADMIN},
}
AUDIENCE = {endpoint: who for endpoints, who in ROUTES.items() for endpoint in endpoints.split()}
OF_A_CASE = {"case_no", "public_id", "session_no"}  # arguments that name something of one case


@dataclass(frozen=True)
class Person:
    """``here``: the case of the matrix is this person's own, or of a branch that this person serves."""

    name: str
    kind: str
    roles: frozenset[Role]
    here: bool

    def may(self, endpoint: str, arguments: set[str]) -> bool:
        who = AUDIENCE[endpoint]
        if who == "public":
            return True
        if self.kind == "visitor":
            return False
        if arguments & OF_A_CASE and not self.here:
            return False
        if who == "signed_in":
            return True
        if isinstance(who, set):
            return self.kind == "staff" and bool(self.roles & who)
        return self.kind == who


def staff(name: str, role: Role, here: bool) -> Person:
    return Person(name, "staff", frozenset({role}), here)


PEOPLE = (
    Person("visitor", "visitor", frozenset(), False),
    Person("周晚晴", "investor", frozenset(), True),
    Person("许砚青", "investor", frozenset(), False),
    staff("luwenshan", WITNESS, True),
    staff("qinlang", REVIEWER, True),
    staff("fangyi", SUPERVISOR, True),
    staff("shadmin", ADMIN, True),
    staff("hangzhou", WITNESS, False),
    staff("hzreview", REVIEWER, False),
    staff("hzlead", SUPERVISOR, False),
    staff("hzadmin", ADMIN, False),
)


@pytest.fixture
def objects(world: Settings) -> dict[str, str]:
    """周晚晴's case in Shanghai with a photo and a call, and the staff that the world lacks; the arguments of addresses."""
    with transaction() as session:
        for username, role, code in (
            ("shadmin", ADMIN, "SH01"),
            ("hzlead", SUPERVISOR, "HZ01"),
            ("hzadmin", ADMIN, "HZ01"),
        ):
            branch = session.query(Branch).filter_by(code=code).one()
            session.add(
                Staff(
                    broker_id=branch.broker_id,
                    username=username,
                    name=username,
                    password_hash="x",
                    roles=[role.value],
                    branches=[branch],
                )
            )
        case = case_in_review(session, "周晚晴", at=datetime.now(UTC))
        photo = evidence.keep(session, case, Kind.ID_FRONT, BytesIO(picture()), stamp(), media_type="image/jpeg")
        call = session.query(VideoSession).one()
        return {
            "case_no": case.case_no,
            "public_id": photo.public_id,
            "session_no": call.session_no,
            "version_id": "1",
            "key": "photos",
            "kind": "id_front",
            "field": "phone",
            "verdict": "pass",
            "decision": "release",
            "request_id": "1",
            "view_id": "1",
            "ticket_id": "1",
            "names": "queue",
            "broker_no": "9090",
            "business": "change_settlement_account",
            "token": "x",
            "filename": "admin/js/helpers.js",
            "export_type": "csv",
            "version": "0",
            "submission": "1",
        }


@pytest.fixture
def client_of(app: Flask, objects, as_staff, as_investor) -> Callable[[Person], FlaskClient]:
    makers = {"visitor": lambda name: app.test_client(), "investor": as_investor, "staff": as_staff}
    return lambda person: makers[person.kind](person.name)


def picture() -> bytes:
    out = BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG")
    return out.getvalue()


def address(rule: Rule, objects: dict[str, str]) -> str:
    values = {name: objects[name] for name in rule.arguments}
    return rule.build(values, append_unknown=False)[1]  # type: ignore[index]


def methods(rule: Rule) -> list[str]:
    return sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})


def test_every_route_is_in_the_matrix_and_says_the_same_as_its_mark(app: Flask) -> None:
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    assert endpoints - AUDIENCE.keys() == set(), "say in ROUTES for whom these are"
    assert AUDIENCE.keys() - endpoints == set(), "these are gone"
    with app.app_context():
        for endpoint, who in AUDIENCE.items():
            mark = access.access_of(endpoint)
            assert mark is not None
            assert (set(mark.roles) if mark.kind == "staff" else mark.kind) == who, endpoint


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: f"{person.name}-{'here' if person.here else 'elsewhere'}")
def test_what_is_denied_is_the_same_404_as_what_does_not_exist(app: Flask, objects, client_of, person: Person) -> None:
    client = client_of(person)
    json = {"Accept": "application/json"}
    nowhere = client.get("/no-such-page", headers=json)
    assert nowhere.status_code == 404
    denied = 0
    for rule in app.url_map.iter_rules():
        if person.may(rule.endpoint, set(rule.arguments)):
            continue
        for method in methods(rule):
            answer = client.open(address(rule, objects), method=method, headers=json)
            assert (answer.status_code, answer.data) == (404, nowhere.data), f"{method} {rule.rule}"
            denied += 1
    assert denied > 20


def test_pages_are_there_for_those_they_are_for(app: Flask, objects, client_of) -> None:
    """The other half: a gate that denies everything would pass the test above."""
    opened = set()
    for person in PEOPLE:
        client = client_of(person)
        for rule in app.url_map.iter_rules():
            if "GET" not in methods(rule) or not person.may(rule.endpoint, set(rule.arguments)):
                continue
            with client.get(address(rule, objects)) as answer:
                if answer.status_code in (200, 302):
                    opened.add((person.name, rule.endpoint))
    for cell in (
        ("visitor", "portal.entrance"),
        ("visitor", "desk.sign_in"),
        ("周晚晴", "portal.case"),
        ("luwenshan", "video_seat.seat"),
        ("qinlang", "review.case"),
        ("fangyi", "review.case"),
        ("hzreview", "review.tasks"),
        ("shadmin", "admin_staff.index_view"),
        ("hzadmin", "agreements.index"),
    ):
        assert cell in opened


# --- sockets

NAMESPACES = {live.PORTAL: "investor", live.SEAT: SEAT, live.REVIEW: COUNTER, live.BOARD: {SUPERVISOR, ADMIN}}


def test_a_socket_opens_only_for_those_it_is_for(app: Flask, client_of) -> None:
    for person in PEOPLE:
        flask_client = client_of(person)
        for namespace, who in NAMESPACES.items():
            socket = live.socketio.test_client(app, namespace=namespace, flask_test_client=flask_client)
            wanted = bool(person.roles & who) if isinstance(who, set) else person.kind == who
            assert socket.is_connected(namespace) == wanted, (person.name, namespace)


def test_a_reviewers_socket_hears_of_the_own_branch_only(app: Flask, objects, as_staff) -> None:
    sockets = {
        name: live.socketio.test_client(app, namespace=live.REVIEW, flask_test_client=as_staff(name))
        for name in ("qinlang", "hzreview")
    }
    with transaction() as session:
        case, person = session.query(Case).one(), staff_named(session, "qinlang")
        claim(session, case, person, stamp(f"staff:{person.id}", datetime.now(UTC)))
    heard = {name: [each["name"] for each in socket.get_received(live.REVIEW)] for name, socket in sockets.items()}
    assert heard == {"qinlang": ["tasks"], "hzreview": []}


def test_an_investors_socket_does_not_open_for_somebody_elses_case(app: Flask, objects, as_investor) -> None:
    socket = live.socketio.test_client(
        app,
        namespace=live.PORTAL,
        flask_test_client=as_investor("许砚青"),
        auth={"case_no": objects["case_no"]},
    )
    assert not socket.is_connected(live.PORTAL)


def end_sign_in(username: str, change: str) -> None:
    with transaction() as session:
        person = staff_named(session, username)
        row = session.query(SignIn).filter_by(staff_id=person.id).one()
        if change == "signed out":
            row.ended_at = datetime.now(UTC)
        elif change == "role taken":
            person.roles = ["reviewer"]
        elif change == "stopped":
            person.active = False
        else:
            row.expires_at = datetime.now(UTC) - timedelta(seconds=1)


@pytest.mark.parametrize("change", ["signed out", "role taken", "stopped", "run out"])
def test_a_socket_event_after_the_sign_in_ended_is_refused_and_the_socket_closed(app: Flask, as_staff, change) -> None:
    """TRUST 10: checked at every event, not only when the socket was opened."""
    socket = live.socketio.test_client(app, namespace=live.SEAT, flask_test_client=as_staff("luwenshan"))
    assert socket.is_connected(live.SEAT)
    end_sign_in("luwenshan", change)
    answer = socket.emit("heartbeat", {"fence": 1}, namespace=live.SEAT, callback=True)
    assert answer["code"] == "signed_out"
    assert not socket.is_connected(live.SEAT)


def opened(app: Flask, client: FlaskClient, namespace: str) -> SocketIOTestClient:
    socket = live.socketio.test_client(app, namespace=namespace, flask_test_client=client)
    assert socket.is_connected(namespace)
    return socket


@pytest.mark.parametrize("change", ["signed out", "role taken", "stopped", "run out"])
def test_a_socket_that_only_listens_is_closed_when_its_sign_in_has_ended(app: Flask, as_staff, change) -> None:
    """TRUST 10: nothing is pushed to somebody who may not be there any more."""
    access.close_ended()  # those that other tests left open
    gone = opened(app, as_staff("luwenshan"), live.SEAT)
    stays = opened(app, as_staff("weiyinuo"), live.SEAT)
    assert access.close_ended() == 0
    end_sign_in("luwenshan", change)
    assert access.close_ended() == 1
    assert (gone.is_connected(live.SEAT), stays.is_connected(live.SEAT)) == (False, True)


@pytest.mark.parametrize("namespace", [live.REVIEW, live.PORTAL])
def test_signing_out_closes_the_sockets_of_this_sign_in_and_no_other(
    app: Flask, as_staff, as_investor, namespace
) -> None:
    def client() -> FlaskClient:
        return as_investor("周晚晴") if namespace == live.PORTAL else as_staff("qinlang")

    here, elsewhere = client(), client()
    mine, other = opened(app, here, namespace), opened(app, elsewhere, namespace)
    here.post("/sign-out" if namespace == live.PORTAL else "/desk/sign-out")
    assert (mine.is_connected(namespace), other.is_connected(namespace)) == (False, True)
