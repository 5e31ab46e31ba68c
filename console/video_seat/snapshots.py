"""抓拍: the kinds of picture that a witness takes of the investor's side, and which of those taken proves an item."""

from collections.abc import Iterable
from dataclasses import dataclass

from console.evidence.models import Evidence, Kind


@dataclass(frozen=True)
class Shot:
    """One kind of snapshot: the word on its button, and its key on the seat's page."""

    kind: Kind
    title: str
    key: str


SHOTS = (
    Shot(Kind.SNAPSHOT_FACE, "人脸", "F"),
    Shot(Kind.SNAPSHOT_ID, "手持证件", "D"),
    Shot(Kind.SNAPSHOT_ID_FRONT, "正面", "Z"),
    Shot(Kind.SNAPSHOT_ID_BACK, "反面", "C"),
    Shot(Kind.SNAPSHOT_FULL, "整幅", "G"),
)
SNAPSHOTS = tuple(shot.kind for shot in SHOTS)


def shots_for(kinds: Iterable[Kind]) -> list[Shot]:
    """What can be taken for an item that is proved by one of ``kinds``."""
    wanted = set(kinds)
    return [shot for shot in SHOTS if shot.kind in wanted]


def to_retake(taken: list[Evidence]) -> list[Evidence]:
    """The last of each kind, when it carries a warning. ``taken``: oldest first."""
    last = {picture.kind: picture for picture in taken}
    return [picture for picture in last.values() if picture.warnings]


def best(taken: list[Evidence]) -> Evidence | None:
    """The one that proves: the latest that can be read, else the latest. ``taken``: oldest first."""
    clear = [picture for picture in taken if not picture.warnings]
    return next(reversed(clear or taken), None)
