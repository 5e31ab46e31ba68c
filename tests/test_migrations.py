import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from console import migrate, models
from console.config import Settings
from console.db import Base

pytestmark = pytest.mark.databases("sqlite", "postgresql")

__all__ = ["models"]


def test_the_migrations_lead_to_exactly_the_tables_of_the_models(house: Settings) -> None:
    engine = create_engine(house.database_url)
    with engine.connect() as connection:
        differences = compare_metadata(
            MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata
        )
    engine.dispose()
    assert differences == []


def test_migrating_twice_changes_nothing(house: Settings) -> None:
    migrate.upgrade(house)
    assert migrate.is_current(house)
