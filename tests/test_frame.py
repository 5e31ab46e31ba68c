"""What the frame promises to every page: no inline script or style, faults that lead to their fields, progress in plain words."""

import re
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from flask import Flask, render_template_string
from flask_wtf import CSRFProtect, FlaskForm
from wtforms import BooleanField, PasswordField, RadioField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired

from console.assets import ROOT

TEMPLATES = ROOT / "templates"
COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
INLINE = re.compile(r"\sstyle=|\son[a-z]+=\"|<style|<script(?![^>]*\bsrc=)|javascript:", re.IGNORECASE)
IMPORTS = "{% import '_macros/forms.html' as forms %}{% import '_macros/parts.html' as parts %}"


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_no_page_has_what_the_content_security_policy_forbids(path):
    assert not INLINE.findall(COMMENT.sub("", path.read_text(encoding="utf-8")))


class Profile(FlaskForm):
    name = StringField("姓名", [InputRequired("请输入姓名。")], description="与身份证一致")
    secret = PasswordField("证书密码", [InputRequired("请输入密码。")])
    kind = RadioField(
        "账户类型", [InputRequired("请选择账户类型。")], choices=[SelectChoice("p", "个人"), SelectChoice("o", "机构")]
    )
    agree = BooleanField("我已阅读", [InputRequired("请先阅读。")])


@pytest.fixture
def request_context() -> Iterator[None]:
    app = Flask("frame", template_folder=str(TEMPLATES))
    app.config.update(SECRET_KEY="x", WTF_I18N_ENABLED=False)
    CSRFProtect(app)
    app.add_template_filter(lambda at, fmt: at.strftime(fmt), "local_time")
    app.add_template_filter(lambda seconds: f"{seconds // 60:02d}:{seconds % 60:02d}", "mmss")
    with app.test_request_context(method="POST"):
        yield


def render(source: str, **context: object) -> str:
    return render_template_string(IMPORTS + source, **context)


@pytest.mark.usefixtures("request_context")
def test_the_error_summary_leads_to_every_faulty_field():
    form = Profile(meta={"csrf": False})
    form.validate()
    html = render("{{ forms.errors(form) }}{% for f in form %}{{ forms.field(f) }}{% endfor %}", form=form)
    targets = re.findall(r'href="#([^"]+)"', html)
    assert targets == ["name", "secret", "kind", "agree"]
    assert all(f'id="{target}"' in html for target in targets)
    assert "有 4 处需要修改" in html


@pytest.mark.usefixtures("request_context")
def test_a_faulty_field_is_described_by_its_error_and_its_hint():
    form = Profile(meta={"csrf": False})
    form.validate()
    html = render("{{ forms.field(form.name) }}", form=form)
    assert 'aria-invalid="true"' in html
    assert 'aria-describedby="name-error name-hint"' in html
    assert 'id="name-error"' in html
    assert 'id="name-hint"' in html


@pytest.mark.usefixtures("request_context")
def test_faults_may_also_be_a_dictionary_of_texts():
    html = render("{{ forms.errors({'number': '卡号不对。', 'bank': ''}) }}")
    assert "有 1 处需要修改" in html
    assert '<a href="#number">卡号不对。</a>' in html
    assert render("{{ forms.errors({}) }}") == ""


@pytest.mark.usefixtures("request_context")
def test_what_people_typed_is_escaped():
    html = render(
        "{{ forms.text('a', '甲', value) }}{{ parts.masked(value) }}{{ parts.note(value) }}", value='"><script>'
    )
    assert "<script>" not in html


@pytest.mark.usefixtures("request_context")
def test_a_masked_value_without_an_address_has_no_eye():
    assert "<button" not in render("{{ parts.masked('138****8000') }}")
    assert 'data-reveal-url="/r"' in render("{{ parts.masked('138****8000', '/r', '手机号') }}")


@pytest.mark.usefixtures("request_context")
@pytest.mark.parametrize(
    ("marks", "overview", "words"),
    [
        (["done", "now", ""], False, "<b>第 2 步</b>，共 3 步　银行卡"),
        (["redo", "done", "again"], True, "<b>需要重做 1 步</b>，共 3 步"),
        (["done", "done", "done"], False, "<b>3 步全部完成</b>"),
    ],
)
def test_progress_says_where_one_is(marks, overview, words):
    progress = SimpleNamespace(index=2, total=3, title="银行卡", marks=marks)
    assert words in render("{{ parts.progress(p, overview) }}", p=progress, overview=overview)
