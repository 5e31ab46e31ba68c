"""数字证书 that investors hold. The private key never leaves the investor's device."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from console.db import Base
from console.people.models import Investor


class Certificate(Base):
    """X.509 v3 (RFC 5280), DER. ``serial`` in upper-case hex; ``device`` is the name the browser gave itself."""

    __tablename__ = "certificates"
    id: Mapped[int] = mapped_column(primary_key=True)
    investor_id: Mapped[int] = mapped_column(ForeignKey("investors.id"), index=True)
    case_id: Mapped[int | None] = mapped_column(ForeignKey("cases.id"), index=True)
    serial: Mapped[str] = mapped_column(String(40), unique=True)
    der: Mapped[bytes] = mapped_column(LargeBinary)
    key_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    device: Mapped[str] = mapped_column(String(80), default="")
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_why: Mapped[str | None] = mapped_column(String(40))
    investor: Mapped[Investor] = relationship()
