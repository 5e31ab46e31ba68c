"""报送: the outbox to the counter system, one row an approved case, and every try."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from console.cases.models import Case
from console.db import Base
from console.people.models import Branch
from console.vault import EncryptedJSON


class DeliveryState(StrEnum):
    WAITING = "waiting"
    ACCEPTED = "accepted"
    DONE = "done"
    REFUSED = "refused"


DELIVERY_TITLES = {
    DeliveryState.WAITING: "待报送",
    DeliveryState.ACCEPTED: "柜台处理中",
    DeliveryState.DONE: "已办妥",
    DeliveryState.REFUSED: "柜台退回",
}
UNSETTLED_SQL = "state IN ('waiting', 'accepted')"


class Delivery(Base):
    """What one approved case asks of the counter system. ``key``: the same at every try, so that it is carried out once.

    ``next_try_at``: None when nothing more is to be asked. ``lease_until``: a worker is asking. ``said``: the last trouble in words.
    """

    __tablename__ = "deliveries"
    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), unique=True)
    branch_id: Mapped[int] = mapped_column(ForeignKey("branches.id"))
    key: Mapped[str] = mapped_column(String(32), unique=True)
    state: Mapped[DeliveryState] = mapped_column(default=DeliveryState.WAITING)
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    said: Mapped[str] = mapped_column(String(200), default="")
    answer: Mapped[Any] = mapped_column(EncryptedJSON("delivery.answer"), nullable=True)
    opened_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    case: Mapped[Case] = relationship()
    branch: Mapped[Branch] = relationship()
    attempts: Mapped[list[DeliveryTry]] = relationship(back_populates="delivery", order_by="DeliveryTry.id")
    __table_args__ = (
        Index(
            "ix_deliveries_due",
            "next_try_at",
            sqlite_where=text(UNSETTLED_SQL),
            postgresql_where=text(UNSETTLED_SQL),
        ),
        Index("ix_deliveries_branch", "branch_id", "state", "id"),
    )


class DeliveryTry(Base):
    """One time that the counter system was asked, or answered by itself. ``outcome``: a Result, or ``away``."""

    __tablename__ = "delivery_tries"
    id: Mapped[int] = mapped_column(primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("deliveries.id"), index=True)
    at: Mapped[datetime]
    took_ms: Mapped[int] = mapped_column(default=0)
    outcome: Mapped[str] = mapped_column(String(20))
    said: Mapped[str] = mapped_column(String(200), default="")
    delivery: Mapped[Delivery] = relationship(back_populates="attempts")
