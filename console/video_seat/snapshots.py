"""抓拍: the kinds of picture that a witness takes of the investor's side, and which of those taken proves an item."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

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
CHOSEN = "chosen"  # of a picture's facts: when the witness chose it as a proof


@dataclass(frozen=True)
class Needs:
    """The pictures without which an item is not in order: one of ``kinds``, or with ``every`` one of each. False when none."""

    kinds: frozenset[Kind] = frozenset()
    every: bool = False

    def __bool__(self) -> bool:
        return bool(self.kinds)

    @property
    def shots(self) -> list[Shot]:
        return [shot for shot in SHOTS if shot.kind in self.kinds]

    @property
    def groups(self) -> list[frozenset[Kind]]:
        """One picture of each group is needed."""
        if self.every:
            return [frozenset({shot.kind}) for shot in self.shots]
        return [self.kinds] if self.kinds else []

    def of(self, taken: Iterable[Evidence]) -> list[Evidence]:
        return [picture for picture in taken if picture.kind in self.kinds]

    def lacking(self, taken: list[Evidence]) -> list[Shot]:
        """What could still be taken, for every group that has none."""
        there = {picture.kind for picture in taken}
        open_groups = [group for group in self.groups if not group & there]
        return [shot for shot in SHOTS if any(shot.kind in group for group in open_groups)]

    def proofs(self, taken: list[Evidence], chosen: Evidence | None = None) -> list[Evidence]:
        """That of each group which was taken or chosen last; ``chosen`` goes before."""
        found = []
        for group in self.groups:
            own = chosen if chosen is not None and chosen.kind in group else latest(_in(group, taken))
            found += [own] if own is not None else []
        return found

    def improved(self, held: list[Evidence], taken: list[Evidence]) -> list[Evidence]:
        """``held``, each that cannot be read exchanged for the latest of its group that can."""
        found = []
        for group in self.groups:
            own = latest(_in(group, held))
            other = latest([picture for picture in _in(group, taken) if own is None or not picture.warnings])
            better = own is None or (own.warnings and other is not None)
            found += [each for each in [other if better else own] if each is not None]
        return found


def _in(group: frozenset[Kind], pictures: list[Evidence]) -> list[Evidence]:
    return [picture for picture in pictures if picture.kind in group]


def to_retake(taken: list[Evidence]) -> list[Evidence]:
    """The last of each kind, when it carries a warning. ``taken``: oldest first."""
    last = {picture.kind: picture for picture in taken}
    return [picture for picture in last.values() if picture.warnings]


def latest(pictures: list[Evidence]) -> Evidence | None:
    """The one that proves: what the witness took or chose last. Nobody but them sees whether it shows what it should."""
    return max(pictures, key=lambda picture: (_touched(picture), picture.id), default=None)


def _touched(picture: Evidence) -> datetime:
    chosen = picture.facts.get(CHOSEN)
    return datetime.fromisoformat(chosen) if chosen else picture.kept_at
