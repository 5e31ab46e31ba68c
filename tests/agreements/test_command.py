"""``console agreements import``: all the files or none, and what went wrong in words."""

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from console import db
from console.agreements.models import Agreement, AgreementVersion
from console.cli import main
from tests.agreements.given import text


@pytest.fixture
def run(world, monkeypatch):
    for name, value in world.environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments):
        return CliRunner().invoke(main, ["agreements", "import", *map(str, arguments)])

    return run


def imported() -> list[tuple[str, str, int]]:
    with db.reading() as session:
        found = session.scalars(select(AgreementVersion).order_by(AgreementVersion.id))
        return [(v.agreement.code, v.agreement.title, v.number) for v in found]


def test_several_files_take_their_names_and_headings(run, tmp_path) -> None:
    (tmp_path / "brokerage-contract.md").write_bytes(text("期货经纪合同"))
    (tmp_path / "risks.html").write_bytes("<h1>风险说明书</h1><p>正文</p>".encode("gbk"))
    done = run(tmp_path / "brokerage-contract.md", tmp_path / "risks.html", "--broker", "9090", "--purpose", "sign")
    assert done.exit_code == 0, done.output
    assert imported() == [("brokerage_contract", "期货经纪合同", 1), ("risks", "风险说明书", 1)]
    assert "brokerage_contract v1" in done.output


def test_one_bad_file_and_nothing_is_imported(run, tmp_path) -> None:
    (tmp_path / "good.md").write_bytes(text("好"))
    (tmp_path / "empty.md").write_bytes(b"")
    done = run(tmp_path / "good.md", tmp_path / "empty.md", "--broker", "9090", "--purpose", "sign")
    assert done.exit_code == 1
    assert "empty.md" in done.output and "nothing was imported" in done.output
    assert imported() == []


def test_a_code_and_title_are_for_one_file(run, tmp_path) -> None:
    (tmp_path / "a.md").write_bytes(text("甲"))
    (tmp_path / "b.md").write_bytes(text("乙"))
    named = run(tmp_path / "a.md", "--broker", "9090", "--purpose", "read", "--code", "rules", "--title", "规则")
    assert named.exit_code == 0 and imported() == [("rules", "规则", 1)]
    both = run(tmp_path / "a.md", tmp_path / "b.md", "--broker", "9090", "--purpose", "read", "--code", "rules")
    assert both.exit_code == 1 and "不能指定" in both.output


@pytest.mark.parametrize(
    ("changes", "said"),
    [(("--broker", "0000"), "0000"), (("--business", "open_a_bank"), "open_a_bank"), (("--code", "X!"), "代码")],
)
def test_what_cannot_be_is_said(run, tmp_path, changes, said) -> None:
    (tmp_path / "rules.md").write_bytes(text("规则"))
    done = run(tmp_path / "rules.md", "--broker", "9090", "--purpose", "read", *changes)
    assert done.exit_code == 1 and said in done.output
    assert imported() == []


def test_a_new_version_keeps_the_businesses_it_had(run, tmp_path) -> None:
    path = tmp_path / "rules.md"
    path.write_bytes(text("规则"))
    run(path, "--broker", "9090", "--purpose", "read", "--business", "add_trading_code")
    path.write_bytes(text("规则", 41))
    assert run(path, "--broker", "9090", "--purpose", "read").exit_code == 0
    assert imported() == [("rules", "规则", 1), ("rules", "规则", 2)]
    with db.reading() as session:
        assert session.scalars(select(Agreement)).one().businesses == ["add_trading_code"]
