"""Brokers, branches, staff and investors, and what the broker already holds about an investor."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from console.businesses.suitability import InvestorClass, RiskGrade
from console.chain import Chained
from console.db import Base
from console.local_time import local_day
from console.vault import EncryptedText


class Broker(Base):
    """期货公司. ``broker_no`` is the number an investor types (期货公司编号)."""

    __tablename__ = "brokers"
    id: Mapped[int] = mapped_column(primary_key=True)
    broker_no: Mapped[str] = mapped_column(String(16), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    phone: Mapped[str] = mapped_column(String(40), default="")
    branches: Mapped[list[Branch]] = relationship(back_populates="broker", order_by="Branch.id")

    def __str__(self) -> str:
        return self.name


class Branch(Base):
    """营业部. Service hours are local (Asia/Shanghai) minutes of the day, every working day.

    ``call_grace`` (seconds) and ``after_drop`` (resume or restart): what holds for calls that break, where this branch differs from
    the house (console/config.py); see console/video_seat/line.py, holding.
    """

    __tablename__ = "branches"
    id: Mapped[int] = mapped_column(primary_key=True)
    broker_id: Mapped[int] = mapped_column(ForeignKey("brokers.id"))
    code: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(80))
    address: Mapped[str] = mapped_column(String(200), default="")
    phone: Mapped[str] = mapped_column(String(40), default="")
    opens_at: Mapped[str] = mapped_column(String(5), default="08:30")
    closes_at: Mapped[str] = mapped_column(String(5), default="16:30")
    call_grace: Mapped[int | None]
    after_drop: Mapped[str | None] = mapped_column(String(10))
    broker: Mapped[Broker] = relationship(back_populates="branches")
    __table_args__ = (UniqueConstraint("broker_id", "code"),)

    def __str__(self) -> str:
        return self.name


class Role(StrEnum):
    WITNESS = "witness"
    REVIEWER = "reviewer"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"


ROLE_TITLES = {Role.WITNESS: "认证人员", Role.REVIEWER: "复核人员", Role.SUPERVISOR: "班长", Role.ADMIN: "管理员"}


class Staff(Base):
    """One account of a member of staff. Two accounts of one person share ``person_index``: four eyes are counted by person."""

    __tablename__ = "staff"
    id: Mapped[int] = mapped_column(primary_key=True)
    broker_id: Mapped[int] = mapped_column(ForeignKey("brokers.id"))
    username: Mapped[str] = mapped_column(String(40), unique=True)
    name: Mapped[str] = mapped_column(String(40))
    password_hash: Mapped[str] = mapped_column(String(200))
    roles: Mapped[list[str]] = mapped_column(default=list)
    head_office: Mapped[bool] = mapped_column(default=False)
    licence_no: Mapped[str | None] = mapped_column(String(20))
    licence_until: Mapped[date | None]
    marketing: Mapped[bool] = mapped_column(default=False, server_default=false())  # 营销人员: never witnesses
    id_no: Mapped[str | None] = mapped_column(EncryptedText("staff.id_no"))
    person_index: Mapped[str | None] = mapped_column(String(32), index=True)
    active: Mapped[bool] = mapped_column(default=True)
    broker: Mapped[Broker] = relationship()
    branches: Mapped[list[Branch]] = relationship(secondary="staff_branches", order_by="Branch.id")

    @property
    def person(self) -> str:
        """Who this is as a person, whatever the account."""
        return self.person_index or f"staff:{self.id}"

    def licence_days(self, at: datetime) -> int | None:
        """Days until 执业资格证号 ends, 0 on its last (local) day, negative afterwards; None: none is recorded."""
        if not self.licence_no or self.licence_until is None:
            return None
        return (self.licence_until - local_day(at)).days

    def has_role(self, *roles: Role) -> bool:
        return any(role.value in self.roles for role in roles)

    def serves(self, branch_id: int) -> bool:
        return self.head_office or any(branch.id == branch_id for branch in self.branches)

    def __str__(self) -> str:
        return self.name


class StaffBranch(Base):
    __tablename__ = "staff_branches"
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    branch_id: Mapped[int] = mapped_column(ForeignKey("branches.id"), primary_key=True)


class SignIn(Base):
    """One signed-in browser. The cookie holds only ``token``; ending the row ends the session everywhere, sockets included."""

    __tablename__ = "sign_ins"
    id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(String(43), unique=True)
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    investor_id: Mapped[int | None] = mapped_column(ForeignKey("investors.id"))
    started_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    address: Mapped[str] = mapped_column(String(45), default="")
    staff: Mapped[Staff | None] = relationship()
    investor: Mapped[Investor | None] = relationship()


class SignInTry(Base):
    """A try to sign in as staff that has not succeeded. ``name_index``: people type passwords into the wrong field."""

    __tablename__ = "sign_in_tries"
    id: Mapped[int] = mapped_column(primary_key=True)
    name_index: Mapped[str] = mapped_column(String(32))
    address: Mapped[str] = mapped_column(String(45), default="")
    at: Mapped[datetime]
    __table_args__ = (Index("ix_sign_in_tries_address", "address", "at"),)


class StaffEvent(Chained, Base):
    """留痕 outside any case: sign-ins, seat states, register changes, disclosures. One hash chain a member of staff."""

    __tablename__ = "staff_events"
    sealed_fields: ClassVar = ("staff_id", "action", "subject", "detail", "by", "address", "at")
    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    action: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(80), default="")
    detail: Mapped[str] = mapped_column(String(400), default="")
    by: Mapped[str] = mapped_column(String(40))
    address: Mapped[str] = mapped_column(String(45), default="")
    at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("staff_id", "seq"),)


class Investor(Base):
    """投资者 with the data the broker already holds; profile fields are shown, never edited, in the portal (app manual 2.3).

    ``referrer_id``: who of the staff brought this client (开发人员), and is not independent of them.
    """

    __tablename__ = "investors"
    id: Mapped[int] = mapped_column(primary_key=True)
    broker_id: Mapped[int] = mapped_column(ForeignKey("brokers.id"))
    branch_id: Mapped[int] = mapped_column(ForeignKey("branches.id"))
    client_no: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(EncryptedText("investor.name"))
    id_no: Mapped[str] = mapped_column(EncryptedText("investor.id_no"))
    id_no_index: Mapped[str] = mapped_column(String(32))
    phone: Mapped[str] = mapped_column(EncryptedText("investor.phone"))
    phone_index: Mapped[str] = mapped_column(String(32))
    id_valid_from: Mapped[date | None]
    id_valid_until: Mapped[date | None]  # None: 长期
    id_issuer: Mapped[str | None] = mapped_column(String(80))
    gender: Mapped[str | None] = mapped_column(String(4))
    born_on: Mapped[date | None]
    nation: Mapped[str | None] = mapped_column(String(20))
    address: Mapped[str | None] = mapped_column(EncryptedText("investor.address"))
    postcode: Mapped[str | None] = mapped_column(String(10))
    email: Mapped[str | None] = mapped_column(EncryptedText("investor.email"))
    education: Mapped[str | None] = mapped_column(String(20))
    occupation: Mapped[str | None] = mapped_column(String(40))
    risk_grade: Mapped[RiskGrade | None]
    investor_class: Mapped[InvestorClass] = mapped_column(default=InvestorClass.ORDINARY)
    referrer_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    broker: Mapped[Broker] = relationship()
    branch: Mapped[Branch] = relationship()
    referrer: Mapped[Staff | None] = relationship()
    trading_codes: Mapped[list[TradingCode]] = relationship(back_populates="investor", order_by="TradingCode.id")
    bank_cards: Mapped[list[BankCard]] = relationship(back_populates="investor", order_by="BankCard.id")
    __table_args__ = (
        UniqueConstraint("broker_id", "client_no"),
        UniqueConstraint("broker_id", "id_no_index"),
        UniqueConstraint("broker_id", "phone_index"),
    )


class TradingCode(Base):
    """交易编码 already granted at an exchange."""

    __tablename__ = "trading_codes"
    id: Mapped[int] = mapped_column(primary_key=True)
    investor_id: Mapped[int] = mapped_column(ForeignKey("investors.id"))
    exchange: Mapped[str] = mapped_column(String(10))
    code: Mapped[str] = mapped_column(String(20))
    investor: Mapped[Investor] = relationship(back_populates="trading_codes")
    __table_args__ = (UniqueConstraint("investor_id", "exchange"),)


class BankCard(Base):
    """结算账户 that the broker holds. A card that was replaced stays, with ``ended_at``."""

    __tablename__ = "bank_cards"
    id: Mapped[int] = mapped_column(primary_key=True)
    investor_id: Mapped[int] = mapped_column(ForeignKey("investors.id"), index=True)
    bank: Mapped[str] = mapped_column(String(40))
    number: Mapped[str] = mapped_column(EncryptedText("bank_card.number"))
    number_index: Mapped[str] = mapped_column(String(32))
    ended_at: Mapped[datetime | None]
    investor: Mapped[Investor] = relationship(back_populates="bank_cards")
    __table_args__ = (
        Index(
            "uq_bank_cards_live",
            "investor_id",
            "number_index",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )


class Captcha(Base):
    """One picture to read. It burns on any try, right or wrong."""

    __tablename__ = "captchas"
    id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(String(43), unique=True)
    answer_index: Mapped[str] = mapped_column(String(32))
    answer: Mapped[str] = mapped_column(EncryptedText("captcha.answer"))
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SmsCode(Base):
    """A code sent to a phone for one purpose; it ends by use, by age, or after too many wrong tries."""

    __tablename__ = "sms_codes"
    id: Mapped[int] = mapped_column(primary_key=True)
    phone_index: Mapped[str] = mapped_column(String(32), index=True)
    address: Mapped[str] = mapped_column(String(45), default="", index=True)
    code_index: Mapped[str] = mapped_column(String(32))
    purpose: Mapped[str] = mapped_column(String(20))
    sent_at: Mapped[datetime]
    tries: Mapped[int] = mapped_column(default=0)
    used_at: Mapped[datetime | None]


class OutgoingSms(Base):
    """What the development SMS adapter kept instead of sending."""

    __tablename__ = "outgoing_sms"
    id: Mapped[int] = mapped_column(primary_key=True)
    phone: Mapped[str] = mapped_column(EncryptedText("outgoing_sms.phone"))
    text: Mapped[str] = mapped_column(EncryptedText("outgoing_sms.text"))
    at: Mapped[datetime]


class Counter(Base):
    """The last number given in a series (受理单号, 排队号)."""

    __tablename__ = "counters"
    series: Mapped[str] = mapped_column(String(60), primary_key=True)
    last: Mapped[int] = mapped_column(default=0)
