"""What does nothing without its script cannot be pressed before it is there (js/ready.js): all templates, all modules."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from console.assets import ROOT
from console.db import transaction
from tests.world import given_case

JS, TEMPLATES = ROOT / "console" / "static" / "js", ROOT / "templates"
MODULES = {path.stem: path for path in (*JS.glob("*.js"), *JS.glob("pages/*.js"))}
MARK = "data-needs-script"
WIRED = (  # how a module names what it listens to
    r'\b(?:closest|matches|on)\(\s*"([^"]+)"',
    r'(?:querySelector(?:All)?|\$)\("([^"]+)"\)\??\.addEventListener',
    r'of [\w.]+\.querySelectorAll\("([^"]+)"\)\) \{?\s*\w+\.addEventListener',
)
VOID = {"input", "img", "br", "hr", "meta", "link", "col", "use", "path", "rect", "image", "source", "track"}


@dataclass(frozen=True)
class Control:
    """A button, field or link of a template, with the attributes that it has whatever the conditions around them say."""

    where: str
    tag: str
    always: tuple[tuple[str, str], ...]
    named: frozenset[str]  # all attributes, conditional ones too
    hidden: bool  # until a script shows it
    dialog: str | None  # the id of the dialog around it
    form_method: str

    @property
    def given(self) -> dict[str, str]:
        return dict(self.always)

    @property
    def waits(self) -> bool:
        return "disabled" in self.given

    def __str__(self) -> str:
        return f"{self.where}: <{self.tag} {' '.join(sorted(self.named))}>"


class Controls(HTMLParser):
    """Reads a template as if it were HTML: expressions are the letter x, what stands in a condition is only sometimes there."""

    def __init__(self, where: str):
        super().__init__()
        self.where, self.found, self.open = where, list[Control](), list[tuple[str, dict[str, str]]]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        always, depth = {}, 0
        for name, value in attrs:
            depth += (name == "jinja-if") - (name == "jinja-endif")
            if not depth and not name.startswith("jinja-"):
                always[name] = value or ""
        around = [given for _, given in self.open]
        if tag in ("button", "input", "select"):
            form = next((given for each, given in reversed(self.open) if each == "form"), {})
            dialog = next((given.get("id", "") for each, given in reversed(self.open) if each == "dialog"), None)
            named = frozenset(name for name, _ in attrs if not name.startswith("jinja-"))
            hidden = any("hidden" in given for given in (*around, always))
            self.found.append(
                Control(self.where, tag, tuple(always.items()), named, hidden, dialog, form.get("method", ""))
            )
        if tag not in VOID:
            self.open.append((tag, always))

    def handle_endtag(self, tag: str) -> None:
        if tag in [each for each, _ in self.open]:
            while self.open.pop()[0] != tag:
                pass


def as_html(template: str) -> str:
    text = re.sub(r"\{#.*?#\}", "", template, flags=re.DOTALL)
    text = re.sub(r"\{\{.*?\}\}", "x", text, flags=re.DOTALL)
    text = re.sub(r"\{%-?\s*(if|for)\b.*?%\}", " jinja-if ", text, flags=re.DOTALL)
    text = re.sub(r"\{%-?\s*end(if|for)\b.*?%\}", " jinja-endif ", text, flags=re.DOTALL)
    return re.sub(r"\{%.*?%\}", " ", text, flags=re.DOTALL)


def controls_in(template: str, where: str = "here") -> list[Control]:
    parser = Controls(where)
    parser.feed(as_html(template))
    return parser.found


@cache
def templates() -> dict[str, str]:
    return {str(path.relative_to(TEMPLATES)): path.read_text("utf-8") for path in sorted(TEMPLATES.rglob("*.html"))}


@cache
def controls() -> tuple[Control, ...]:
    return tuple(each for where, text in templates().items() for each in controls_in(text, where))


def opened_by_markup() -> set[str]:
    """The dialogs that a click opens as soon as boot.js is there, perhaps before the page's own module is."""
    return {name for text in templates().values() for name in re.findall(r'data-opens="#([\w-]+)"', text)}


def wired_attributes() -> set[str]:
    found = set()
    for path in MODULES.values():
        for pattern in WIRED:
            for selector in re.findall(pattern, path.read_text("utf-8")):
                found |= set(re.findall(r"\[(data-[\w-]+)", selector))
    return found - {"data-key"}  # a second way to press what has its own effect


def reachable_too_early(control: Control) -> bool:
    """Neither hidden until a script shows it nor in a dialog that only its own script opens."""
    if control.hidden or (control.dialog is not None and control.dialog not in opened_by_markup()):
        return False
    return control.dialog is None or not control.named & {"data-closes", "data-keys-toggle"}  # boot.js opened it


def without_effect(control: Control) -> bool:
    if control.tag == "button":
        return control.given.get("type") == "button" or control.form_method == "dialog"
    return bool(control.named & wired_attributes())


def test_whatever_does_nothing_without_its_script_is_rendered_disabled() -> None:
    early = [str(each) for each in controls() if without_effect(each) and reachable_too_early(each) and not each.waits]
    assert early == []
    assert len([each for each in controls() if MARK in each.named]) > 50, "the parser sees them"


@pytest.mark.parametrize(
    ("template", "too_early"),
    [
        ('<button type="button" data-x>', True),
        ('<button type="button" disabled data-x>', False),
        ('<button type="button"{% if a > b %} disabled{% endif %}>', True),
        ('<button type="submit">', False),
        ('<div hidden><button type="button"></button></div>', False),
        ('<div hidden></div><button type="button">', True),
        ('<input type="file" name="file">', False),
        ('<input type="file" data-upload>', True),
        ('<select data-branch>', True),
        ('<dialog id="nobody"><button type="button"></dialog>', False),
        ('<dialog id="note"><form method="dialog"><button type="submit"></form></dialog>', True),
        ('<dialog id="note"><button type="button" data-closes></dialog>', False),
    ],
)  # fmt: skip
def test_the_rule_sees_what_is_pressed_too_early(template: str, too_early: bool) -> None:
    (control,) = controls_in(template)
    assert (without_effect(control) and reachable_too_early(control) and not control.waits) is too_early


def test_a_form_that_asks_first_cannot_be_sent_before_it_can_ask() -> None:
    for where, text in templates().items():
        asking = len(re.findall(r'data-confirm="', text))
        held = [c for c in controls_in(text) if c.given.get("type") == "submit" and c.given.get(MARK) == "boot"]
        assert len(held) == asking, where


def test_every_mark_is_on_a_disabled_control_and_names_a_module_that_says_when_it_is_ready() -> None:
    for control in controls():
        if MARK in control.named:
            assert control.waits, control
    names = {name for text in templates().values() for name in re.findall(rf'{MARK}="([^"]*)"', text)}
    names -= {"the page's module"}  # said in a comment
    silent = [name for name in names if f'ready("{name}");' not in MODULES[name].read_text("utf-8")]
    assert silent == []


# --- what a browser gets


def imported_by(path: Path) -> Iterator[Path]:
    yield path
    for name in re.findall(r'from "(\.{1,2}/[\w./-]+)"', path.read_text("utf-8")):
        if "/vendor/" not in name:
            yield from imported_by((path.parent / name).resolve())


ADDRESSES = {
    "visitor": ["/desk/sign-in", "/b/9090/sign-in/change_settlement_account"],
    "luwenshan": ["/seat"],
    "qinlang": ["/review", "/review/{case}"],
    "admin": ["/admin/", "/admin/staff/new/", "/agreements"],
    "周晚晴": ["/my", "/case/{case}/photos"],
}


@pytest.mark.parametrize("who", ADDRESSES)
def test_a_page_loads_the_modules_its_marks_name_and_says_what_is_missing_without(
    app: Flask, as_staff, as_investor, who: str
) -> None:
    with transaction() as session:
        case_no = given_case(session).case_no
    client: FlaskClient = {"visitor": lambda _: app.test_client(), "周晚晴": as_investor}.get(who, as_staff)(who)
    for address in ADDRESSES[who]:
        answer = client.get(address.format(case=case_no), headers={"Accept": "text/html"}, follow_redirects=True)
        html = answer.get_data(as_text=True)
        assert answer.status_code == 200, address
        loaded = {
            each.stem
            for name in re.findall(r'<script type="module" src="/static/\w+/js/([\w/-]+\.js)', html)
            for each in imported_by(JS / name)
        }
        waiting = set(re.findall(rf'{MARK}="([^"]+)"', html))
        assert waiting, address
        assert waiting <= loaded, address
        assert "<noscript>" in html, address
