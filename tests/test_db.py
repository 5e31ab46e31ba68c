import threading
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm.exc import StaleDataError

from console import db
from console.cases.models import Case, Status
from console.cases.service import abandon
from console.cases.trail import Told, case_moved
from console.config import Settings
from console.people.models import Broker, Counter
from console.people.numbers import next_number
from console.rows import change, put, write
from tests.world import AT, given_case, stamp

pytestmark = pytest.mark.databases("sqlite", "postgresql")


def test_two_writers_at_once_wait_for_each_other_and_lose_nothing(world: Settings) -> None:
    def count() -> None:
        for _ in range(25):
            with db.transaction() as session:
                next_number(session, "race")

    writers = [threading.Thread(target=count) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with db.reading() as session:
        assert session.get_one(Counter, "race").last == 100


def test_an_error_on_the_way_undoes_everything(world: Settings) -> None:
    with pytest.raises(RuntimeError), db.transaction() as session:
        session.add(Broker(broker_no="1", name="x"))
        session.flush()
        raise RuntimeError
    with db.reading() as session:
        assert session.scalar(select(Broker).where(Broker.broker_no == "1")) is None


def test_reading_sees_one_moment_even_while_others_write(house: Settings) -> None:
    with db.reading() as look:
        before = len(list(look.scalars(select(Broker))))
        with db.transaction() as session:
            session.add(Broker(broker_no="2", name="y"))
        assert len(list(look.scalars(select(Broker)))) == before


def test_a_row_that_somebody_else_changed_is_not_written(session: db.Session) -> None:
    case = given_case(session, "周晚晴")
    session.execute(update(Case).values(version=Case.version + 1).execution_options(synchronize_session=False))
    with pytest.raises(StaleDataError):
        put(case, status=Status.HELD)


def test_what_waits_for_a_flush_is_written_before_a_row_that_is_put(session: db.Session) -> None:
    case = given_case(session, "周晚晴")
    case.known_facts = {"holds_certificate": True}
    put(case, status=Status.HELD)
    session.expire(case)
    assert (case.known_facts, case.status) == ({"holds_certificate": True}, Status.HELD)
    case.ended_at = AT
    session.flush()  # the version that the session knows is the row's


def test_rows_of_several_tables_are_written_together_but_never_two_of_one(session: db.Session) -> None:
    case, other = given_case(session, "周晚晴"), given_case(session, "许砚青")
    investor = case.investor
    write(session, change(case, status=Status.HELD), change(investor, name="周晴"))
    session.expire_all()
    assert (case.status, case.version, investor.name) == (Status.HELD, 2, "周晴")
    with pytest.raises(ValueError, match="two rows"):
        write(session, change(case, status=Status.WITH_INVESTOR), change(other, status=Status.HELD))
    assert (case.status, other.status) == (Status.HELD, Status.WITH_INVESTOR)


def test_what_was_put_in_a_savepoint_is_undone_with_it(session: db.Session) -> None:
    case = given_case(session, "周晚晴")
    with pytest.raises(RuntimeError), session.begin_nested():
        put(case, status=Status.HELD)
        raise RuntimeError
    assert case.status is Status.WITH_INVESTOR


def test_a_look_at_postgresql_cannot_write(house: Settings, tmp_path: Path) -> None:
    if house.database_url.startswith("sqlite"):
        with db.reading() as look:
            look.add(Broker(broker_no="3", name="z"))
        with db.reading() as look:
            assert look.scalar(select(Broker)) is None
        return
    with pytest.raises(DBAPIError, match="read-only"), db.reading() as look:
        look.add(Broker(broker_no="3", name="z"))
        look.flush()


def test_an_error_of_the_database_does_not_tell_what_was_entered(world: Settings) -> None:
    with pytest.raises(IntegrityError) as refused, db.transaction() as session:
        session.add(Broker(broker_no="9090", name="周晚晴"))
    assert "INSERT INTO brokers" in str(refused.value)
    assert "周晚晴" not in str(refused.value)


def test_what_follows_a_commit_is_done_once_it_is_done_and_no_connection_is_held(world: Settings) -> None:
    """Sixty people at once, each holding one connection and waiting for a second, waited for ever."""
    held: list[int] = []
    heard: list[str] = []

    def listen(sender: object, *, told: Told) -> None:
        heard.append(told.action)
        held.append(db.engine(writes=True).pool.checkedout())  # type: ignore[attr-defined]

    with case_moved.connected_to(listen):
        with db.transaction() as session:
            case = given_case(session)
            assert not heard
        with pytest.raises(RuntimeError), db.transaction() as session:
            db.afterwards(session, lambda: heard.append("never"))
            raise RuntimeError
        with db.transaction() as session:
            abandon(session.get_one(Case, case.id), stamp())
    assert (heard, held) == (["open", "abandon"], [0, 0])


def test_a_cursor_tells_its_columns_when_it_is_asked(session: db.Session) -> None:
    connection = session.connection()
    for _ in range(2):
        found = connection.exec_driver_sql("SELECT 1 AS one, 'x' AS two")
        assert (list(found.keys()), found.one().two) == (["one", "two"], "x")
    cursor = connection.connection.cursor()
    cursor.execute("SELECT 1 AS one, 'x' AS two")
    assert [(column[0], len(column)) for column in cursor.description or ()] == [("one", 7), ("two", 7)]
    cursor.execute("UPDATE brokers SET name = name")
    assert cursor.description is None
