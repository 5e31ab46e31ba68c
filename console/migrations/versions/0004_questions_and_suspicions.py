"""Questions as versioned data, what a call asked and found, suspicions for the supervisor.

Revision ID: 0004
Revises: 0003
"""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from alembic import op

from console import schema

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SEEDS = Path(__file__).parents[2] / "seeds"
STEP = 10


def upgrade() -> None:
    _registers()
    _calls()
    _suspicions()
    op.add_column("evidence", sa.Column("reading", sa.LargeBinary(), nullable=True))
    op.add_column("tickets", sa.Column("not_person", sa.String(length=40), nullable=True))
    for statement in schema.published_questions(op.get_bind().dialect.name):
        op.execute(statement)
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM brokers")):
        _fill()


def _registers() -> None:
    op.create_table(
        "question_sets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("business_code", sa.String(length=40), nullable=False),
        sa.Column("title", sa.String(length=60), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_question_sets")),
        sa.UniqueConstraint("business_code", name=op.f("uq_question_sets_business_code")),
    )
    op.create_table(
        "question_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("set_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("draw", sa.Integer(), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("published_by", sa.String(length=40), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["set_id"], ["question_sets.id"], name=op.f("fk_question_versions_set_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_question_versions")),
        sa.UniqueConstraint("set_id", "number", name=op.f("uq_question_versions_set_id_number")),
    )
    op.create_table(
        "questions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("drawn", sa.Boolean(), nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("title", sa.String(length=60), nullable=False),
        sa.Column("say", sa.String(length=300), nullable=False),
        sa.Column("cue", sa.String(length=120), nullable=False),
        sa.Column("expects", sa.String(length=200), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("field", sa.String(length=20), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("frame", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["question_versions.id"], name=op.f("fk_questions_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_questions")),
        sa.UniqueConstraint("version_id", "key", name=op.f("uq_questions_version_id_key")),
    )
    op.create_table(
        "short_reasons",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("use", sa.String(length=40), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("title", sa.String(length=60), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_short_reasons")),
        sa.UniqueConstraint("use", "code", name=op.f("uq_short_reasons_use_code")),
    )


def _calls() -> None:
    op.add_column("video_sessions", sa.Column("grounds", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("video_sessions", sa.Column("script_seed", sa.String(length=32), nullable=False, server_default=""))
    # one statement that SQLite takes as well: it adds no constraint afterwards
    op.execute(
        "ALTER TABLE video_sessions ADD COLUMN script_id INTEGER"
        " CONSTRAINT fk_video_sessions_script_id REFERENCES question_versions (id)"
    )
    op.create_table(
        "asked_questions",
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("question_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["video_sessions.id"], name=op.f("fk_asked_questions_session_id")),
        sa.ForeignKeyConstraint(["question_id"], ["questions.id"], name=op.f("fk_asked_questions_question_id")),
        sa.PrimaryKeyConstraint("session_id", "position", name=op.f("pk_asked_questions")),
    )
    op.add_column("check_marks", sa.Column("reason", sa.String(length=60), nullable=False, server_default=""))
    op.add_column("check_marks", sa.Column("words", sa.LargeBinary(), nullable=True))


def _suspicions() -> None:
    op.create_table(
        "suspicions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("branch_id", sa.Integer(), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=True),
        sa.Column("raised_by", sa.Integer(), nullable=False),
        sa.Column("raised_person", sa.String(length=40), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=40), nullable=True),
        sa.Column("decision_words", sa.LargeBinary(), nullable=True),
        sa.Column("decided_by", sa.Integer(), nullable=True),
        sa.Column("decided_person", sa.String(length=40), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "decided_person IS NULL OR decided_person <> raised_person", name=op.f("ck_suspicions_four_eyes")
        ),
        sa.ForeignKeyConstraint(["session_id"], ["video_sessions.id"], name=op.f("fk_suspicions_session_id")),
        sa.ForeignKeyConstraint(["branch_id"], ["branches.id"], name=op.f("fk_suspicions_branch_id")),
        sa.ForeignKeyConstraint(["raised_by"], ["staff.id"], name=op.f("fk_suspicions_raised_by")),
        sa.ForeignKeyConstraint(["decided_by"], ["staff.id"], name=op.f("fk_suspicions_decided_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suspicions")),
        sa.UniqueConstraint("session_id", name=op.f("uq_suspicions_session_id")),
    )
    op.create_index(
        "ix_suspicions_open",
        "suspicions",
        ["branch_id", "raised_at"],
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )


# --- an instance that was at work before: the first versions, and its calls bound to what they had asked


def _fill() -> None:
    bind, now = op.get_bind(), datetime.now(UTC)
    tables = sa.MetaData()
    names = ("question_sets", "question_versions", "questions", "short_reasons")
    tables.reflect(bind, only=names)
    sets, versions, questions, short = (tables.tables[name] for name in names)
    told = tomllib.loads((SEEDS / "questions.toml").read_text("utf-8"))
    titles = {"add_trading_code": "增开交易编码", "change_settlement_account": "修改结算账户"}
    for code, title in titles.items():
        own = told["business"][code]
        set_id = _added(sets, business_code=code, title=f"{title}话术")
        version_id = _added(versions, set_id=set_id, number=1, draw=own["draw"], published_by="")
        fixed = [_row(q, place + (place >= own["at"]), drawn=False) for place, q in enumerate(told["fixed"], 1)]
        rows = fixed + [_row(q, own["at"], drawn=True) for q in own["pool"]]
        known = [{name: row[name] for name in row if name in questions.c} for row in rows]  # the seeds have grown since
        bind.execute(sa.insert(questions), [{"version_id": version_id, **row} for row in known])
        published = {"effective_from": told["effective_from"], "published_at": now, "published_by": "system:migrate"}
        bind.execute(sa.update(versions).where(versions.c.id == version_id).values(**published))
        _bind_calls(code, version_id, [row["key"] for row in rows if not row["drawn"] or row["key"] == "knows_risks"])
    reasons = tomllib.loads((SEEDS / "short_reasons.toml").read_text("utf-8"))
    rows = [
        {"use": use, "position": n, "active": True, **each} for use in reasons for n, each in enumerate(reasons[use], 1)
    ]
    bind.execute(sa.insert(short), rows)


def _added(table: sa.Table, **values: object) -> int:
    return int(op.get_bind().execute(sa.insert(table).values(**values).returning(table.c.id)).scalar_one())


def _row(told: dict, place: int, *, drawn: bool) -> dict:  # type: ignore[type-arg]
    blank = {"required": True, "expects": "", "step": "", "field": "", "kinds": [], "frame": False}
    return {**blank, **told, "position": place * STEP, "drawn": drawn}


def _bind_calls(code: str, version_id: int, keys: list[str]) -> None:
    """The nine items that every call asked before there were versions, in their order."""
    bind = op.get_bind()
    bind.execute(
        sa.text(
            "INSERT INTO asked_questions (session_id, position, question_id)"
            " SELECT v.id, (SELECT count(*) FROM questions p WHERE p.version_id = q.version_id AND p.key IN :keys"
            " AND p.position <= q.position), q.id"
            " FROM video_sessions v JOIN cases c ON c.id = v.case_id CROSS JOIN questions q"
            " WHERE c.business_code = :code AND q.version_id = :version AND q.key IN :keys"
        ).bindparams(sa.bindparam("keys", expanding=True)),
        {"keys": keys, "code": code, "version": version_id},
    )
    bind.execute(
        sa.text(
            "UPDATE video_sessions SET script_id = :version WHERE case_id IN (SELECT id FROM cases WHERE business_code = :code)"
        ),
        {"version": version_id, "code": code},
    )


def downgrade() -> None:
    raise RuntimeError("the questions of a call and their answers are kept as long as the law asks")
