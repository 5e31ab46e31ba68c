"""Bring the database to the newest schema (Alembic, without an ini file)."""

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from console.config import Settings

HERE = Path(__file__).parent / "migrations"


def configuration(url: str) -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(HERE))
    config.attributes["url"] = url
    return config


def upgrade(settings: Settings) -> None:
    """Safe to run again; creates the database file of SQLite."""
    if settings.database_url.startswith("sqlite:///"):
        Path(settings.database_url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    command.upgrade(configuration(settings.database_url), "head")


def is_current(settings: Settings) -> bool:
    engine = create_engine(settings.database_url)
    try:
        with engine.connect() as connection:
            at = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    return at == ScriptDirectory.from_config(configuration(settings.database_url)).get_current_head()
