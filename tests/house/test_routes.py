"""What every route of the house must have, whoever adds it."""

from html.parser import HTMLParser

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from console import access, live
from console.app import POLICY
from console.db import reading, transaction
from tests.fixtures import signed_in
from tests.world import given_case, investor_named, staff_named


def rules(app: Flask) -> list[Rule]:
    return list(app.url_map.iter_rules())


def filled(rule: Rule) -> str:
    """An address that fits the rule; nothing needs to be there."""
    values = dict.fromkeys(rule.arguments, "1")
    return rule.build(values, append_unknown=False)[1]  # type: ignore[index]


def test_every_route_says_for_whom_it_is(app: Flask) -> None:
    with app.app_context():
        silent = [rule.rule for rule in rules(app) if access.access_of(rule.endpoint) is None]
    assert silent == []


def test_a_route_that_says_nothing_is_closed_to_everybody(fresh_app: Flask) -> None:
    fresh_app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    with reading() as session:
        people = [{"staff_id": staff_named(session, "admin").id}, {"investor_id": investor_named(session, "周晚晴").id}]
    for who in (None, *people):
        client = signed_in(fresh_app, **who) if who else fresh_app.test_client()
        assert client.get("/forgotten").status_code == 404


def test_a_blueprint_of_a_library_is_closed_unless_it_was_granted(app: Flask) -> None:
    with app.app_context():
        assert access.access_of("admin_staff.index_view") is not None
        app.extensions["granted_blueprints"].pop("admin_staff")
        assert access.access_of("admin_staff.index_view") is None


def test_every_socket_handler_says_for_whom_it_is(app: Flask) -> None:
    handlers = [
        (namespace, event, handler)
        for namespace, events in live.socketio.server.handlers.items()
        for event, handler in events.items()
    ]
    for name, namespace in live.socketio.server.namespace_handlers.items():
        handlers += [(name, word, getattr(namespace, word)) for word in dir(namespace) if word.startswith("on_")]
    assert handlers
    assert [(namespace, event) for namespace, event, handler in handlers if not hasattr(handler, "access")] == []


def test_every_changing_route_refuses_a_request_without_the_csrf_token(app: Flask, as_staff, as_investor) -> None:
    """Who the gate lets through gets 400: only the token keeps a foreign page from acting for them."""
    app.config["WTF_CSRF_ENABLED"] = True  # as in production
    people = [app.test_client(), *(as_staff(name) for name in ("luwenshan", "qinlang", "admin")), as_investor("周晚晴")]
    refused, changing = set(), set()
    for rule in rules(app):
        for method in (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}:
            changing.add((method, rule.endpoint))
            for client in people:
                answer = client.open(filled(rule), method=method, headers={"Accept": "application/json"})
                assert (answer.status_code, answer.json["code"]) in ((400, "csrf"), (404, "404")), (method, rule.rule)
                if answer.status_code == 400:
                    refused.add((method, rule.endpoint))
    assert changing - refused == SIGNED_BY_MACHINES, "each was tried by somebody who may use it"


SIGNED_BY_MACHINES = {("POST", "counter.result")}  # tests/counter/test_result.py has the signatures
# --- what a browser gets


class Inline(HTMLParser):
    """Finds what the content security policy forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "style" or (tag == "script" and not given.get("src")):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if name == "style" or name.startswith("on") or (value or "").lstrip().lower().startswith("javascript:"):
                self.found.append(f"<{tag} {name}>")
        for name in ("src", "href", "action"):
            if tag != "a" and (given.get(name) or "").startswith(("http:", "https:", "//")):
                self.found.append(f"<{tag} {name}> from elsewhere")


def forbidden_in(html: str) -> list[str]:
    parser = Inline()
    parser.feed(html)
    return parser.found


def test_the_parser_sees_what_is_forbidden() -> None:
    html = '<p style="x"><a onclick="x" href="JavaScript:x"><script>x</script><style></style><img src="https://x">'
    assert len(forbidden_in(html)) == 6


ADDRESSES = {
    "visitor": ["/", "/desk/sign-in", "/b/9090", "/dev/sms", "/nowhere"],
    "luwenshan": ["/seat", "/seat/parts/queue"],
    "qinlang": ["/review", "/review?view=done", "/review/{case}", "/nowhere"],
    "admin": ["/admin/", "/admin/staff/", "/admin/staff/new/", "/admin/staff/edit/?id=1", "/admin/branches/",
              "/admin/reasons/", "/admin/agreements/", "/agreements"],
    "周晚晴": ["/my", "/case/{case}/photos", "/case/{case}/progress"],
}  # fmt: skip


@pytest.mark.parametrize("who", ADDRESSES)
def test_every_page_has_the_policy_and_nothing_that_it_forbids(app: Flask, as_staff, as_investor, who: str) -> None:
    with transaction() as session:
        case_no = given_case(session).case_no
    makers = {"visitor": lambda _: app.test_client(), "周晚晴": as_investor}
    client: FlaskClient = makers.get(who, as_staff)(who)
    for address in ADDRESSES[who]:
        answer = client.get(address.format(case=case_no), headers={"Accept": "text/html"}, follow_redirects=True)
        assert answer.status_code == (404 if address == "/nowhere" else 200), address
        assert answer.content_type.startswith("text/html")
        policy = answer.headers["Content-Security-Policy"]
        assert policy == "; ".join(f"{name} {value}" for name, value in POLICY.items())
        assert "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert forbidden_in(answer.get_data(as_text=True)) == [], address
