"""Make the dossier of a case: its line in the trail first, then the archive. The same for the page and the command line."""

import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from console.adapters.ca import authority
from console.cases.models import Case
from console.cases.trail import Happening, note
from console.config import Settings
from console.db import reading, transaction
from console.problem import NotThere
from console.stamp import Stamp

from .archive import archive
from .contents import dossier_of
from .sealing import seal_of


def say_made(case: Case, stamp: Stamp, reason: str) -> None:
    """Said before it is made: who gets half of it got it too."""
    note(case, Happening.DOSSIER_MADE, stamp, why=reason)


def pieces_of(session: Session, case: Case, settings: Settings, stamp: Stamp) -> Iterator[bytes]:
    """The ZIP. Rows are read now, files while it is consumed. Needs an application context now."""
    made = dossier_of(session, case, authority(settings), stamp.by, stamp.at)
    return archive(made.items, made.about, seal_of(settings), stamp.at)


def write_dossier(settings: Settings, case_no: str, target: Path, reason: str) -> str:
    """Whole or not at all; returns the fingerprint of the key that signed it. Raises NotThere."""
    mark = Stamp("system:dossier", datetime.now(UTC))
    with transaction() as session:
        case = session.scalar(select(Case).where(Case.case_no == case_no))
        if case is None:
            raise NotThere
        say_made(case, mark, reason)
    with reading() as session:
        case = session.scalars(select(Case).where(Case.case_no == case_no)).one()
        pieces = pieces_of(session, case, settings, mark)
    draft = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("wb") as file:
            for piece in pieces:
                file.write(piece)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
    return seal_of(settings).fingerprint
