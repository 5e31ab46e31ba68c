"""Keep and find evidence. Photos of one kind replace each other; what was replaced stays on disk and in the database."""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from sqlalchemy import ColumnElement, and_, event, or_, select
from sqlalchemy.orm import Session

from console import runtime
from console.cases.models import Case
from console.cases.trail import Happening, note
from console.db import AS_OF
from console.db import Session as OurSession
from console.stamp import Stamp
from console.vault import VaultError

from . import film, store
from .models import Evidence, Kind, State, Variant


@dataclass
class Sealed:
    """A file that lies in the store already and waits for its row; ``claimed``: a row was added for it."""

    kept: store.Kept
    claimed: bool = False


@contextmanager
def sealed(source: BinaryIO) -> Iterator[Sealed]:
    """Hash, encrypt and write ``source`` before a transaction is opened: nobody waits for the database meanwhile.

    What was not given to ``keep`` by the end is thrown away; what a killed process leaves behind, the sweep.
    """
    made = Sealed(runtime.offload(store.current().keep, source))
    try:
        yield made
    finally:
        if not made.claimed:
            store.current().throw_away(made.kept.path)


def keep(
    session: Session,
    case: Case,
    kind: Kind,
    source: BinaryIO | Sealed,
    stamp: Stamp,
    *,
    media_type: str,
    variant: Variant = Variant.ORIGINAL,
    of: Evidence | None = None,
    state: State = State.READY,
    width: int | None = None,
    height: int | None = None,
    facts: dict[str, Any] | None = None,
    replaces: bool = False,
) -> Evidence:
    """Add the row of what was sealed (or seal it now: only what is small). ``replaces`` supersedes the live evidence of the same
    kind and variant.

    What fails before its commit takes the file along.
    """
    if isinstance(source, Sealed):
        kept, source.claimed = source.kept, True
    else:
        kept = store.current().keep(source)
    session.info.setdefault("files", []).append(kept.path)
    if replaces:
        for old in live(session, case, kind):
            supersede(old, stamp)
    evidence = Evidence(
        public_id=secrets.token_hex(16),
        case_id=case.id,
        kind=kind,
        variant=variant,
        of_id=of.id if of else None,
        state=state,
        media_type=media_type,
        size=kept.size,
        sha256=kept.sha256,
        path=kept.path,
        width=width,
        height=height,
        facts=facts or {},
        by=stamp.by,
        kept_at=stamp.at,
    )
    session.add(evidence)
    session.flush()
    return evidence


@event.listens_for(OurSession, "before_commit")
def _files_stay(session: Session) -> None:
    """Whatever becomes of the commit: a file too many harms nobody, one that a row waits for is a loss."""
    if not session.in_nested_transaction():
        session.info.pop("files", None)


@event.listens_for(OurSession, "after_rollback")
def _files_go(session: Session) -> None:
    if not session.in_nested_transaction():
        for path in session.info.pop("files", ()):
            store.current().throw_away(path)


def throw_away(refused: Evidence) -> None:
    """The file of a photo that was refused: its row says what came and why it was not kept. Safe to call twice."""
    if refused.state is not State.REFUSED:
        raise ValueError(f"evidence {refused.public_id} is {refused.state}")
    store.current().throw_away(refused.path)


def strays(session: Session, folder: int, before: datetime) -> list[str]:
    """Files in a folder of the store, older than ``before``, that no row names: their process ended before its commit."""
    lying = store.current().lying_since(folder, before)
    named = set(session.scalars(select(Evidence.path).where(Evidence.path.in_(lying)))) if lying else set()
    return [path for path in lying if path not in named]


def is_outdated(piece: Evidence) -> bool:
    """A film to look at that was made again: its row stays, its file goes some time later. What it was made of is the evidence."""
    return piece.variant is Variant.VIEW and piece.superseded_at is not None


def outdated(session: Session, folder: int, before: datetime) -> list[str]:
    """Files in a folder of the store that are films to look at, made again before then."""
    lying = store.current().lying_since(folder, before)
    films = select(Evidence.path).where(
        Evidence.path.in_(lying), Evidence.variant == Variant.VIEW, Evidence.superseded_at < before
    )
    return list(session.scalars(films)) if lying else []


def supersede(evidence: Evidence, stamp: Stamp) -> None:
    evidence.superseded_at = stamp.at
    for made in evidence.variants:
        made.superseded_at = made.superseded_at or stamp.at


def live(session: Session, case: Case, *kinds: Kind) -> list[Evidence]:
    """Originals of these kinds (all when none given) that count now, or counted AS_OF; oldest first."""
    counts: ColumnElement[bool] = Evidence.superseded_at.is_(None)
    if at := session.info.get(AS_OF):
        counts = and_(Evidence.kept_at <= at, or_(counts, Evidence.superseded_at > at))
    query = select(Evidence).where(Evidence.case_id == case.id, Evidence.of_id.is_(None), counts)
    if kinds:
        query = query.where(Evidence.kind.in_(kinds))
    return list(session.scalars(query.order_by(Evidence.id)))


def photo(session: Session, case: Case, kind: Kind) -> Evidence | None:
    """The one live photo of a kind of which there is one a case."""
    found = live(session, case, kind)
    return found[-1] if found else None


def note_kept(case: Case, evidence: Evidence, stamp: Stamp, what: Happening = Happening.PHOTO_KEPT) -> None:
    told = {"evidence": evidence.public_id, "kind": evidence.kind.value, "sha256": evidence.sha256}
    chain = film.Chain.of(evidence.facts)
    note(case, what, stamp, **told, **({"chain": chain.head} if chain else {}))


def clear_bytes(evidence: Evidence) -> bytes:
    return store.current().read_all(evidence.path, evidence.size)


def damage_of(recording: Evidence) -> film.Damage | None:
    """Which seconds of a recording are not what was sealed; None for what has no chain. Raises FileNotFoundError."""
    chain = film.Chain.of(recording.facts)
    if chain is None:
        return None
    files, path, size = store.current(), recording.path, recording.size
    if not (files.root / path).exists():
        raise FileNotFoundError(path)
    return film.damage(
        chain, size, recording.sha256, lambda start, length: b"".join(files.read(path, size, start, length))
    )


def damaged(evidence: Iterable[Evidence]) -> Iterable[tuple[Evidence, str]]:
    """Every piece whose bytes are not what was kept, with why. Of what was refused no bytes are kept, nor for long of what is outdated."""
    for piece in evidence:
        if piece.state is State.REFUSED:
            continue
        try:
            found = damage_of(piece)
            if found:
                yield piece, found.words
            elif found is None and store.current().fingerprint(piece.path, piece.size) != piece.sha256:
                yield piece, "the bytes differ from what was kept"
        except FileNotFoundError:
            if not is_outdated(piece):
                yield piece, "the file is missing"
        except (VaultError, OSError) as error:
            yield piece, str(error)
