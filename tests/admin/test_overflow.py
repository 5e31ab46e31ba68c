"""溢出规则 in the registers: between two branches that one keeps, once, and never to itself."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from console import db
from console.people.models import Branch
from console.queues.models import OverflowRule


def rule(minutes: object = 10, **changed: object) -> dict[str, object]:
    with db.reading() as session:
        ids = {branch.code: branch.id for branch in session.scalars(select(Branch))}
    given = {"branch_id": ids["SH01"], "to_branch_id": ids["HZ01"], "after_minutes": minutes, "active": "y"}
    return given | {name: ids[code] for name, code in changed.items()}


def rules() -> list[tuple[int, bool]]:
    with db.reading() as session:
        return [(each.after_minutes, each.active) for each in session.scalars(select(OverflowRule))]


def test_head_office_makes_changes_and_switches_off_a_rule(as_staff: Callable[[str], FlaskClient]) -> None:
    admin = as_staff("admin")
    assert admin.post("/admin/overflow/new/", data=rule()).status_code == 302
    assert rules() == [(10, True)]
    assert "杭州钱江营业部" in admin.get("/admin/overflow/").text
    off = {name: value for name, value in rule(15).items() if name != "active"}
    assert admin.post("/admin/overflow/edit/?id=1", data=off).status_code == 302
    assert rules() == [(15, False)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"to_branch_id": "SH01"}, "支援营业部须是另一个营业部"),
        ({"minutes": 0}, "1 到 240 分钟"),
        ({"minutes": "x"}, "分钟"),
    ],
)
def test_a_wrong_rule_is_refused_at_the_form(
    as_staff: Callable[[str], FlaskClient], wrong: dict[str, object], said: str
) -> None:
    refused = as_staff("admin").post("/admin/overflow/new/", data=rule(**wrong))
    assert refused.status_code == 200 and said in refused.text
    assert rules() == []


def test_two_branches_have_one_rule(as_staff: Callable[[str], FlaskClient]) -> None:
    admin = as_staff("admin")
    admin.post("/admin/overflow/new/", data=rule())
    assert "已有一条规则" in admin.post("/admin/overflow/new/", data=rule(20)).text
    assert rules() == [(10, True)]
