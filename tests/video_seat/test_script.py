"""话术: versions, the draw, and that what was asked never changes afterwards."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from console.businesses import BUSINESSES
from console.cases.models import CaseEvent
from console.cases.trail import Happening
from console.config import Settings
from console.migrate import configuration
from console.people.demo import table
from console.video_seat import script
from console.video_seat.models import Question, QuestionVersion
from console.video_seat.script import draw, in_force, items_of, new_draft, publish, state_of
from tests.video_seat.given import answered
from tests.world import AT, stamp

CODE = "change_settlement_account"
REST = "position, drawn, required, title, say, cue, expects, step, field, kinds, frame"
LATER = AT + timedelta(days=10)


def version(session: Session, at: datetime = AT) -> QuestionVersion:
    found = in_force(session, CODE, at)
    assert found is not None
    return found


# --- the draw


def pool(count: int) -> list[Question]:
    fixed = [Question(key=f"fixed{n}", position=n * 10, drawn=False) for n in range(3)]
    return fixed + [Question(key=f"pool{n}", position=15, drawn=True) for n in range(count)]


def keys(questions: list[Question]) -> list[str]:
    return [question.key for question in questions]


def test_the_same_seed_draws_the_same_questions_and_another_one_draws_others() -> None:
    assert keys(draw(pool(6), 2, "a1")) == keys(draw(pool(6), 2, "a1"))
    assert len({tuple(keys(draw(pool(6), 2, str(seed)))) for seed in range(200)}) == 30, "every pair in both orders"


def test_every_question_of_the_pool_is_drawn_equally_often() -> None:
    counted = Counter(
        key for seed in range(3000) for key in keys(draw(pool(6), 2, str(seed))) if key.startswith("pool")
    )
    assert len(counted) == 6
    assert all(abs(times - 1000) < 100 for times in counted.values()), counted


def test_fixed_questions_are_always_asked_in_their_order_and_drawn_ones_at_their_place() -> None:
    asked = keys(draw(pool(4), 2, "x"))
    assert [asked[0], asked[1], asked[4]] == ["fixed0", "fixed1", "fixed2"]
    assert {key[:4] for key in asked[2:4]} == {"pool"}


# --- versions


@pytest.mark.parametrize("code", BUSINESSES)
def test_every_business_has_questions_for_both_sides(session: Session, code: str) -> None:
    found = in_force(session, code, AT)
    assert found is not None and script.faults(found) == []
    assert found.draw == 2 and len([q for q in found.questions if q.drawn]) >= 5
    assert len([q for q in found.questions if not q.drawn]) == 8
    assert all(question.title and question.say and question.cue and question.expects for question in found.questions)


def test_a_new_version_counts_from_its_day_on_and_the_old_one_until_then(session: Session) -> None:
    old = version(session)
    draft = new_draft(session, CODE)
    assert keys(draft.questions) == keys(old.questions) and draft.number == 2
    assert version(session, LATER) is old, "a draft is asked by nobody"
    publish(draft, LATER, stamp())
    assert (version(session), version(session, LATER)) == (old, draft)
    assert (state_of(draft, AT), state_of(draft, LATER)) == (script.State.COMING, script.State.IN_FORCE)
    assert (state_of(old, AT), state_of(old, LATER)) == (script.State.IN_FORCE, script.State.REPLACED)


def test_a_retired_version_gives_way_to_the_one_before_it(session: Session) -> None:
    old, draft = version(session), new_draft(session, CODE)
    publish(draft, AT, stamp())
    assert version(session) is draft
    draft.retired_at = LATER
    assert version(session, LATER) is old and state_of(draft, LATER) == script.State.RETIRED


def test_what_cannot_be_asked_cannot_be_published(session: Session) -> None:
    draft = new_draft(session, CODE)
    draft.draw = 9
    draft.questions[0].say = "您好，{nobody}"
    draft.questions[1].step = "exchanges"
    draft.questions[2].kinds = ["recording"]
    draft.questions[3].kinds = ["snapshot_face"]
    assert len(script.faults(draft)) == 5


@pytest.mark.parametrize("verb", ["update", "delete", "insert"])
def test_the_database_refuses_to_change_a_published_question(session: Session, verb: str) -> None:
    own = version(session).id
    statement = {
        "update": "UPDATE questions SET say = 'x' WHERE version_id = :own",
        "delete": "DELETE FROM questions WHERE version_id = :own",
        "insert": f"INSERT INTO questions (version_id, key, {REST}) SELECT :own, 'late', {REST} FROM questions",
    }[verb]
    with pytest.raises(DBAPIError, match="a published question never changes"), session.begin_nested():
        session.execute(sa.text(statement), {"own": own})


# --- a call and its questions


def test_a_call_keeps_its_questions_seed_and_version_and_the_trail_says_them(session: Session) -> None:
    call = answered(session)
    assert call.script is version(session)
    asked = [item.key for item in items_of(call)]
    assert asked == keys(draw(call.script.questions, call.script.draw, call.script_seed)), "anybody can repeat the draw"
    line = session.query(CaseEvent).filter_by(case_id=call.case_id, action=Happening.CALL_STARTED).one()
    assert line.detail["questions"] == asked and line.detail["seed"] == call.script_seed
    publish(new_draft(session, CODE), AT - timedelta(days=1), stamp())
    assert [item.key for item in items_of(call)] == asked


def test_names_are_filled_in_where_the_question_asks_for_them(session: Session) -> None:
    call = answered(session)
    first = items_of(call)[0]
    assert "澄明期货" in first.say and "陆文珊" in first.say and "F0300127" in first.say
    assert any("修改结算账户" in item.title for item in items_of(call))


def test_without_questions_in_force_nobody_is_answered(session: Session) -> None:
    version(session).retired_at = AT
    with pytest.raises(script.NoScript):
        answered(session)


# --- an instance from before


def test_an_instance_from_before_gets_its_questions_and_its_calls_keep_theirs(tmp_path) -> None:
    settings = Settings.from_env({"CONSOLE_HOME": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/old.db"})
    command.upgrade(configuration(settings.database_url), "0003")
    engine = sa.create_engine(settings.database_url)
    now = datetime.now(UTC).replace(tzinfo=None)
    with engine.begin() as old:
        for statement in OLD:
            old.execute(sa.text(statement), {"now": now} if ":now" in statement else {})
    command.upgrade(configuration(settings.database_url), "0004")
    with engine.begin() as new:
        asked = new.execute(
            sa.text("SELECT q.key FROM asked_questions a JOIN questions q ON q.id = a.question_id ORDER BY a.position")
        )
        told = table("questions")
        fixed = [each["key"] for each in told["fixed"]]
        assert list(asked.scalars()) == [*fixed[:6], "knows_risks", *fixed[6:]]
        assert new.scalar(sa.text("SELECT script_id FROM video_sessions")) is not None
        assert new.scalar(sa.text("SELECT count(*) FROM short_reasons WHERE use IN ('sign', 'fault', 'field')")) == 17
    engine.dispose()


@pytest.mark.parametrize(
    ("use", "before", "after"),
    [("phrase", "0004", "0005"), ("question", "0009", "0010"), ("challenge", "0014", "0013")],
)
@pytest.mark.parametrize("kept", [0, 2, 99])
def test_an_instance_from_before_gets_the_words_on_offer_once(
    tmp_path, use: str, before: str, after: str, kept: int
) -> None:
    settings = Settings.from_env({"CONSOLE_HOME": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/old.db"})
    command.upgrade(configuration(settings.database_url), "0003")
    engine = sa.create_engine(settings.database_url)
    with engine.begin() as old:
        old.execute(sa.text(OLD[0]))
    command.upgrade(configuration(settings.database_url), before)
    told = {"use": use, "kept": kept}
    with engine.begin() as half:
        half.execute(sa.text("DELETE FROM short_reasons WHERE use = :use AND position > :kept"), told)
    command.upgrade(configuration(settings.database_url), after)
    with engine.begin() as new:
        there = new.execute(sa.text("SELECT code FROM short_reasons WHERE use = :use ORDER BY position"), {"use": use})
        assert list(there.scalars()) == [each["code"] for each in table("short_reasons")[use]]
    engine.dispose()


def test_an_instance_from_before_keeps_what_its_questions_need_and_what_proved_its_marks(tmp_path) -> None:
    settings = Settings.from_env({"CONSOLE_HOME": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/old.db"})
    command.upgrade(configuration(settings.database_url), "0003")
    engine = sa.create_engine(settings.database_url)
    now = {"now": datetime.now(UTC).replace(tzinfo=None)}
    with engine.begin() as old:
        for statement in (*OLD, *OLD_PROOF):
            old.execute(sa.text(statement), now if ":now" in statement else {})
    command.upgrade(configuration(settings.database_url), "0011")
    with engine.begin() as new:
        assert new.execute(sa.text("SELECT * FROM mark_snapshots")).all() == [(1, 7)]
        assert new.scalar(sa.text("SELECT count(*) FROM check_marks")) == 2
        assert set(new.execute(sa.text("SELECT every_kind FROM questions")).scalars()) == {0}
    engine.dispose()


OLD_PROOF = (
    "INSERT INTO evidence (id, public_id, case_id, kind, variant, state, warnings, media_type, size, sha256, path, facts, by, kept_at)"
    " VALUES (7, 'a', 1, 'snapshot_face', 'original', 'ready', '[]', 'image/png', 1, 'x', 'x', '{}', 'staff:1', :now)",
    "INSERT INTO check_marks (id, session_id, item, result, at, snapshot_id, by)"
    " VALUES (1, 1, 'same_person', 'ok', :now, 7, 'staff:1'), (2, 1, 'own_will', 'ok', :now, NULL, 'staff:1')",
)
OLD = (
    "INSERT INTO brokers (id, broker_no, name, phone) VALUES (1, '1', 'x', '')",
    "INSERT INTO branches (id, broker_id, code, name, address, phone, opens_at, closes_at)"
    " VALUES (1, 1, 'a', 'a', '', '', '08:30', '16:30')",
    "INSERT INTO investors (id, broker_id, branch_id, client_no, name, id_no, id_no_index, phone, phone_index,"
    " investor_class) VALUES (1, 1, 1, '1', x'00', x'00', 'a', x'00', 'a', 'ordinary')",
    "INSERT INTO staff (id, broker_id, username, name, password_hash, roles, head_office, active)"
    " VALUES (1, 1, 'a', 'a', 'x', '[]', 0, 1)",
    "INSERT INTO cases (id, case_no, business_code, investor_id, branch_id, status, known_facts, opened_at, version)"
    f" VALUES (1, '1', '{CODE}', 1, 1, 'with_investor', '{{}}', :now, 1)",
    "INSERT INTO tickets (id, ticket_no, case_id, branch_id, state, priority, rank, joined_at)"
    " VALUES (1, 'A001', 1, 1, 'answered', 'normal', 2, :now)",
    "INSERT INTO video_sessions (id, session_no, case_id, ticket_id, witness_id, witness_person, epoch, started_at,"
    " internal_note) VALUES (1, '1-1', 1, 1, 1, 'x', 1, :now, '')",
)
