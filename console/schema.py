"""What the database itself refuses, whoever asks: trails are insert-only, makers are not checkers, published questions stay,
marketing staff witnesses nothing.

Used by the migrations and nowhere else; tests run the migration.
"""

INSERT_ONLY = ("case_events", "staff_events")


def statements(dialect: str) -> list[str]:
    """The triggers, as SQL of ``sqlite`` or ``postgresql``."""
    return _sqlite() if dialect == "sqlite" else _postgresql()


def insert_only(table: str, dialect: str) -> list[str]:
    """Another table of which no row ever changes."""
    return _insert_only_sqlite(table) if dialect == "sqlite" else _insert_only_postgresql(table)


def published_questions(dialect: str) -> list[str]:
    """A published question never changes: it is what somebody was asked."""
    published = "EXISTS (SELECT 1 FROM question_versions v WHERE v.id = {}.version_id AND v.published_at IS NOT NULL)"
    rows = {"insert": "NEW", "update": "OLD", "delete": "OLD"}
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER questions_published_{verb} BEFORE {verb} ON questions WHEN {published.format(row)}"
            " BEGIN SELECT RAISE(ABORT, 'a published question never changes'); END"
            for verb, row in rows.items()
        ]
    made = [
        f"CREATE FUNCTION refuse_published_{verb}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF {published.format(row)}"
        " THEN RAISE EXCEPTION 'a published question never changes' USING ERRCODE = 'check_violation'; END IF;"
        f" RETURN {'OLD' if verb == 'delete' else 'NEW'}; END $$"
        for verb, row in rows.items()
    ]
    return made + [
        f"CREATE TRIGGER questions_published_{verb} BEFORE {verb} ON questions"
        f" FOR EACH ROW EXECUTE FUNCTION refuse_published_{verb}()"
        for verb in rows
    ]


def _sqlite() -> list[str]:
    refuse = [made for table in INSERT_ONLY for made in _insert_only_sqlite(table)]
    same = (
        "NEW.reviewer_person IS NOT NULL AND EXISTS (SELECT 1 FROM video_sessions v"
        " WHERE v.case_id = NEW.case_id AND v.witness_person = NEW.reviewer_person)"
    )
    four_eyes = [
        f"CREATE TRIGGER review_tasks_four_eyes_{verb} BEFORE {verb} ON review_tasks WHEN {same}"
        " BEGIN SELECT RAISE(ABORT, 'maker is checker'); END"
        for verb in ("insert", "update")
    ]
    return refuse + four_eyes


def _postgresql() -> list[str]:
    made = [
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION '% is insert-only', TG_TABLE_NAME; END $$",
        "CREATE FUNCTION refuse_maker_as_checker() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.reviewer_person IS NOT NULL AND EXISTS (SELECT 1 FROM video_sessions v"
        " WHERE v.case_id = NEW.case_id AND v.witness_person = NEW.reviewer_person)"
        " THEN RAISE EXCEPTION 'maker is checker' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER review_tasks_four_eyes BEFORE INSERT OR UPDATE ON review_tasks"
        " FOR EACH ROW EXECUTE FUNCTION refuse_maker_as_checker()",
    ]
    return made + [each for table in INSERT_ONLY for each in _insert_only_postgresql(table)]


def _insert_only_sqlite(table: str) -> list[str]:
    return [
        f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{table} is insert-only'); END"
        for verb in ("update", "delete")
    ]


def _insert_only_postgresql(table: str) -> list[str]:
    return [
        f"CREATE TRIGGER {table}_insert_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ]


MARKETING = "EXISTS (SELECT 1 FROM staff s WHERE s.id = NEW.{} AND s.marketing)"
MAKERS = {  # what a hand-over makes of four eyes: whoever had the call is a maker, whoever reviewed the case takes over none of it
    "review_tasks": "NEW.reviewer_person IS NOT NULL AND EXISTS (SELECT 1 FROM take_overs t JOIN video_sessions v ON v.id = t.session_id"
    " WHERE v.case_id = NEW.case_id AND t.from_person = NEW.reviewer_person)",
    "take_overs": "EXISTS (SELECT 1 FROM review_tasks r JOIN video_sessions v ON v.case_id = r.case_id"
    " WHERE v.id = NEW.session_id AND r.decided_at IS NOT NULL AND r.reviewer_person = NEW.to_person)",
}


def witnesses(dialect: str) -> list[str]:
    """Marketing staff never has a call nor a seat that may get one; four eyes are counted over hand-overs too."""
    rules = [
        (f"{table}_four_eyes_handed", table, "INSERT OR UPDATE", when, "maker is checker")
        for table, when in MAKERS.items()
    ]
    rules += [
        (
            "video_sessions_marketing",
            "video_sessions",
            "INSERT OR UPDATE OF witness_id",
            MARKETING.format("witness_id"),
            "marketing",
        ),
        (
            "seats_marketing",
            "seats",
            "INSERT OR UPDATE OF state",
            f"NEW.state IN ('online', 'in_call') AND {MARKETING.format('staff_id')}",
            "marketing",
        ),
    ]
    return [statement for rule in rules for statement in _refusing(dialect, *rule)]


OWN_WORK = (  # a second reviewer has had no part in the case
    "NEW.reviewer_person IS NOT NULL AND (NEW.reviewer_person = NEW.first_person"
    " OR EXISTS (SELECT 1 FROM review_tasks r WHERE r.case_id = NEW.case_id AND r.decision IS NOT NULL"
    " AND r.reviewer_person = NEW.reviewer_person)"
    " OR EXISTS (SELECT 1 FROM video_sessions v WHERE v.case_id = NEW.case_id AND v.witness_person = NEW.reviewer_person)"
    " OR EXISTS (SELECT 1 FROM take_overs t JOIN video_sessions v ON v.id = t.session_id"
    " WHERE v.case_id = NEW.case_id AND t.from_person = NEW.reviewer_person))"
)


def second_looks(dialect: str) -> list[str]:
    """Whoever looks a second time had no part in the case; what was said then stays."""
    return [
        *_refusing(dialect, "second_looks_four_eyes", "second_looks", "INSERT OR UPDATE", OWN_WORK, "maker is checker"),
        *_refusing(
            dialect,
            "second_looks_kept",
            "second_looks",
            "UPDATE",
            "OLD.decided_at IS NOT NULL",
            "a second look is decided once",
        ),
    ]


def _refusing(dialect: str, name: str, table: str, verbs: str, when: str, why: str) -> list[str]:
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {name}_{verb.split()[0].lower()} BEFORE {verb} ON {table} WHEN {when}"
            f" BEGIN SELECT RAISE(ABORT, '{why}'); END"
            for verb in verbs.split(" OR ")
        ]
    return [
        f"CREATE FUNCTION refuse_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF {when}"
        f" THEN RAISE EXCEPTION '{why}' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$",
        f"CREATE TRIGGER {name} BEFORE {verbs} ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_{name}()",
    ]
