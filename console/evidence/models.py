"""Evidence: every photo, snapshot, recording and signed document of a case."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from console.cases.models import Case
from console.db import Base
from console.vault import EncryptedJSON


class Kind(StrEnum):
    ID_FRONT = "id_front"
    ID_BACK = "id_back"
    SIGNATURE = "signature"
    BANK_CARD = "bank_card"
    SCORE_REPORT = "score_report"
    SNAPSHOT_FACE = "snapshot_face"
    SNAPSHOT_ID = "snapshot_id"
    SNAPSHOT_ID_FRONT = "snapshot_id_front"
    SNAPSHOT_ID_BACK = "snapshot_id_back"
    SNAPSHOT_FULL = "snapshot_full"
    RECORDING = "recording"


KIND_TITLES = {
    Kind.ID_FRONT: "身份证正面",
    Kind.ID_BACK: "身份证反面",
    Kind.SIGNATURE: "签名照",
    Kind.BANK_CARD: "银行卡",
    Kind.SCORE_REPORT: "成绩报告单",
    Kind.SNAPSHOT_FACE: "人脸",
    Kind.SNAPSHOT_ID: "手持证件",
    Kind.SNAPSHOT_ID_FRONT: "证件正面",
    Kind.SNAPSHOT_ID_BACK: "证件反面",
    Kind.SNAPSHOT_FULL: "整幅",
    Kind.RECORDING: "双录",
}
WARNING_TITLES = {
    "over_crop": "切边过度，有缺角",
    "low_contrast": "边缘对比低，请核对切边",
    "blurred": "模糊",
    "glare": "反光",
}


class Variant(StrEnum):
    """A photo is kept as uploaded; the others are made from it by a job. ``upright`` is the whole photo, as a clean JPEG.

    ``view``: of a recording, the film of the whole call to look at, both sides beside each other; it can be made again at any time.
    """

    ORIGINAL = "original"
    UPRIGHT = "upright"
    CROPPED = "cropped"
    THUMB = "thumb"
    VIEW = "view"


class State(StrEnum):
    PROCESSING = "processing"
    READY = "ready"
    REFUSED = "refused"


class Evidence(Base):
    """One encrypted file. ``public_id`` is its name in URLs; ``sha256`` is that of the clear bytes. ``reading``: what the machine read
    on the photo of a card, by field (worker/ocr.py); None: it was not read.
    """

    __tablename__ = "evidence"
    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(String(32), unique=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    kind: Mapped[Kind]
    variant: Mapped[Variant] = mapped_column(default=Variant.ORIGINAL)
    of_id: Mapped[int | None] = mapped_column(ForeignKey("evidence.id"), index=True)
    state: Mapped[State] = mapped_column(default=State.READY)
    problem: Mapped[str | None] = mapped_column(String(40))
    warnings: Mapped[list[str]] = mapped_column(default=list)
    media_type: Mapped[str] = mapped_column(String(60))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    path: Mapped[str] = mapped_column(String(120))
    width: Mapped[int | None]
    height: Mapped[int | None]
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    reading: Mapped[Any] = mapped_column(EncryptedJSON("evidence.reading"), nullable=True)
    by: Mapped[str] = mapped_column(String(40))
    kept_at: Mapped[datetime]
    superseded_at: Mapped[datetime | None]
    case: Mapped[Case] = relationship()
    of: Mapped[Evidence | None] = relationship(remote_side=[id], back_populates="variants")
    variants: Mapped[list[Evidence]] = relationship(back_populates="of")
    __table_args__ = (Index("ix_evidence_case_kind", "case_id", "kind"),)

    def variant_of(self, variant: Variant) -> Evidence | None:
        return next((made for made in self.variants if made.variant is variant and made.superseded_at is None), None)

    @property
    def shown(self) -> Evidence:
        """What people look at: the crop when there is one, else the whole photo, else the file itself."""
        return self.variant_of(Variant.CROPPED) or self.variant_of(Variant.UPRIGHT) or self
