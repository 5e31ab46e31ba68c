"""The world of tests/world.py, built once for each kind of database and put back for every test."""

import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from console import db
from console.config import Settings

MASTER_KEY = secrets.token_bytes(32)  # of every house of this process: what one encrypted the next can read
KEEP = """DO $$ DECLARE it record; BEGIN
    CREATE SCHEMA kept;
    CREATE TABLE kept."every sequence" AS SELECT sequencename AS name, last_value AS last FROM pg_sequences
        WHERE schemaname = 'public' AND last_value IS NOT NULL;
    FOR it IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        EXECUTE format('CREATE TABLE kept.%I AS TABLE public.%I', it.tablename, it.tablename);
    END LOOP; END $$"""
KEPT = """SELECT to_regnamespace('kept') IS NOT NULL"""
PUT_BACK = """DO $$ DECLARE it record; BEGIN
    SET LOCAL session_replication_role = replica;
    FOR it IN SELECT tablename FROM pg_tables WHERE schemaname = 'kept' AND tablename <> 'every sequence' LOOP
        EXECUTE format('INSERT INTO public.%I SELECT * FROM kept.%I', it.tablename, it.tablename);
    END LOOP;
    PERFORM setval(('public.' || name)::regclass, last) FROM kept."every sequence"; END $$"""

_folder = tempfile.TemporaryDirectory(prefix="wd-world-")


def give_key(settings: Settings) -> None:
    """Before the house opens."""
    settings.master_key_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings.master_key_path.write_bytes(MASTER_KEY)
    settings.master_key_path.chmod(0o600)


def furnish(url: str, build: Callable[[], None]) -> None:
    """``build`` fills the empty open database at ``url`` the first time; later times it gets the same rows again."""
    if url.startswith("sqlite"):
        _sqlite(Path(url.removeprefix("sqlite:///")), url, build)
    else:
        _postgres(build)


def _sqlite(file: Path, url: str, build: Callable[[], None]) -> None:
    kept = Path(_folder.name) / "world.db"
    if not kept.exists():
        build()
        with sqlite3.connect(file) as connection:
            connection.execute("VACUUM INTO ?", (str(kept),))
        connection.close()
        return
    db.close()
    for old in file.parent.glob(f"{file.name}*"):
        old.unlink()
    shutil.copy(kept, file)
    db.connect(url)


def _postgres(build: Callable[[], None]) -> None:
    with db.transaction() as session:
        if session.scalar(text(KEPT)):
            session.execute(text(PUT_BACK))
            return
    build()
    with db.transaction() as session:
        session.execute(text(KEEP))
