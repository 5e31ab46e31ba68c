"""协议: immutable versions, who read which, who signed which."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from console.cases.models import Case
from console.certificates.models import Certificate
from console.db import Base


class Purpose(StrEnum):
    READ = "read"
    SIGN = "sign"
    UNDERTAKING = "undertaking"
    PRIVACY = "privacy"
    NOTICE = "notice"


PURPOSE_TITLES = {
    Purpose.READ: "必读协议",
    Purpose.SIGN: "签署协议",
    Purpose.UNDERTAKING: "数字证书安全责任书",
    Purpose.PRIVACY: "隐私政策",
    Purpose.NOTICE: "适当性告知",
}


class Agreement(Base):
    """``businesses`` empty: for all. ``code`` is stable over versions."""

    __tablename__ = "agreements"
    id: Mapped[int] = mapped_column(primary_key=True)
    broker_id: Mapped[int] = mapped_column(ForeignKey("brokers.id"))
    code: Mapped[str] = mapped_column(String(40))
    title: Mapped[str] = mapped_column(String(80))
    purpose: Mapped[Purpose]
    businesses: Mapped[list[str]] = mapped_column(default=list)
    position: Mapped[int] = mapped_column(default=0)
    versions: Mapped[list[AgreementVersion]] = relationship(
        back_populates="agreement", order_by="AgreementVersion.number"
    )
    __table_args__ = (UniqueConstraint("broker_id", "code"),)

    def __str__(self) -> str:
        return self.title


class AgreementVersion(Base):
    """The text as it was imported. Never changed after publishing; ``sha256`` is that of ``html``, the bytes people read and sign."""

    __tablename__ = "agreement_versions"
    id: Mapped[int] = mapped_column(primary_key=True)
    agreement_id: Mapped[int] = mapped_column(ForeignKey("agreements.id"))
    number: Mapped[int]
    html: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    source: Mapped[bytes] = mapped_column(LargeBinary)
    source_name: Mapped[str] = mapped_column(String(120))
    published_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]
    by: Mapped[str] = mapped_column(String(40))
    agreement: Mapped[Agreement] = relationship(back_populates="versions")
    __table_args__ = (
        UniqueConstraint("agreement_id", "number"),
        Index(
            "uq_agreement_versions_live",
            "agreement_id",
            unique=True,
            sqlite_where=text("retired_at IS NULL"),
            postgresql_where=text("retired_at IS NULL"),
        ),
    )


class Reading(Base):
    """Reading proof of one version for one case (A3). ``finished_at`` only when the end was reached and the dwell was plausible."""

    __tablename__ = "readings"
    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("agreement_versions.id"))
    sha256: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    dwell_ms: Mapped[int] = mapped_column(default=0)
    pages_seen: Mapped[list[str]] = mapped_column(default=list)
    pages: Mapped[int] = mapped_column(default=1)
    case: Mapped[Case] = relationship()
    version: Mapped[AgreementVersion] = relationship()
    __table_args__ = (UniqueConstraint("case_id", "version_id"),)


class Signature(Base):
    """One version signed for one case by one certificate. ``signed_bytes`` is exactly what the key signed (see signing.py)."""

    __tablename__ = "signatures"
    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("agreement_versions.id"))
    certificate_id: Mapped[int] = mapped_column(ForeignKey("certificates.id"))
    nonce: Mapped[str] = mapped_column(String(43), unique=True)
    signed_bytes: Mapped[bytes] = mapped_column(LargeBinary)
    signature: Mapped[bytes | None] = mapped_column(LargeBinary)
    offered_at: Mapped[datetime]
    signed_at: Mapped[datetime | None]
    superseded_at: Mapped[datetime | None]
    case: Mapped[Case] = relationship()
    version: Mapped[AgreementVersion] = relationship()
    certificate: Mapped[Certificate] = relationship()


class NoticeAnswer(Base):
    """适当性告知 shown and answered: text version, dwell and choice are evidence (P6)."""

    __tablename__ = "notice_answers"
    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("agreement_versions.id"))
    which: Mapped[str] = mapped_column(String(10))  # first | second
    moment: Mapped[str] = mapped_column(String(20))
    choice: Mapped[str] = mapped_column(String(20))  # insist | give_up | choose_again
    dwell_ms: Mapped[int]
    at: Mapped[datetime]
    context: Mapped[dict[str, Any]] = mapped_column(default=dict)
    version: Mapped[AgreementVersion] = relationship()
