"""Whose hand, when and from where: every act that changes something carries one."""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Stamp:
    """``by`` is ``staff:12``, ``investor:7`` or ``system:<job>``; ``at`` is an aware UTC time; ``address`` the peer's IP or ''."""

    by: str
    at: datetime
    address: str = ""

    @classmethod
    def of_system(cls, name: str) -> "Stamp":
        return cls(by=f"system:{name}", at=datetime.now(UTC))
