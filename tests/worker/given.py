"""A photo as the portal keeps it, waiting for its job."""

import io
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from console import db
from console.evidence import service
from console.evidence.models import Evidence, Kind, State
from tests import world


def given_photo(image: bytes, kind: Kind = Kind.ID_FRONT, at: datetime = world.AT) -> int:
    """Its evidence id."""
    with db.transaction() as session:
        case = world.given_case(session)
        photo = service.keep(
            session,
            case,
            kind,
            io.BytesIO(image),
            world.stamp(f"investor:{case.investor_id}", at),
            media_type="image/jpeg",
            state=State.PROCESSING,
        )
        return photo.id


def photo(evidence_id: int) -> Evidence:
    """As it is now."""
    with db.reading() as session:
        return session.get_one(Evidence, evidence_id)


def variants(evidence_id: int) -> list[str]:
    with db.reading() as session:
        return sorted(
            made.variant.value for made in session.scalars(select(Evidence).where(Evidence.of_id == evidence_id))
        )


def files_in(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.is_file())
