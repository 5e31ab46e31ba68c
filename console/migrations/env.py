"""How Alembic connects: by the URL that ``console.migrate`` hands over."""

from alembic import context
from sqlalchemy import create_engine

from console import models
from console.db import Base

__all__ = ["models"]


def run() -> None:
    engine = create_engine(context.config.attributes["url"])
    with engine.connect() as connection:
        context.configure(
            connection=connection, target_metadata=Base.metadata, render_as_batch=False, compare_type=True
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
