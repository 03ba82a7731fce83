"""Closing: days and months of a bank account that people signed off, what the nightly draft said, and the
papers that were made of them."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from db.models.bank import BankAccount
from db.models.base import Base, row_id

_LOCKS = text("state IN ('signed', 'approved', 'reopening')")


class SignOff(Base):
    """A day or a month of an account, signed by one person. While it is signed, approved or asked to be
    reopened, triggers lock its rows. ``figures`` is the draft as it was signed, ``digest`` its hash."""

    __tablename__ = "sign_offs"
    id: Mapped[int] = row_id()
    account_id: Mapped[int] = mapped_column(ForeignKey("bank_accounts.id"))
    period: Mapped[str] = mapped_column(String(5))
    first_on: Mapped[date] = mapped_column(Date)
    last_on: Mapped[date] = mapped_column(Date)
    state: Mapped[str] = mapped_column(String(9))
    figures: Mapped[dict[str, Any]]
    digest: Mapped[str] = mapped_column(String(64))
    note: Mapped[str] = mapped_column(Text)
    signed_at: Mapped[datetime]
    signer_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    signer_name: Mapped[str]
    approved_at: Mapped[datetime | None]
    approver_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    approver_name: Mapped[str | None]
    reopen_why: Mapped[str | None]
    reopen_asker_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    reopen_asker_name: Mapped[str | None]
    reopened_at: Mapped[datetime | None]
    reopener_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    reopener_name: Mapped[str | None]
    account: Mapped[BankAccount] = relationship()
    __table_args__ = (
        CheckConstraint("period IN ('day', 'month')", name="period"),
        CheckConstraint("first_on <= last_on AND (period = 'month' OR first_on = last_on)", name="span"),
        CheckConstraint(
            "state IN ('signed', 'refused', 'approved', 'reopening', 'reopened')", name="state"
        ),
        CheckConstraint("approver_id IS NULL OR approver_id <> signer_id", name="second_person"),
        CheckConstraint("reopener_id IS NULL OR reopener_id <> reopen_asker_id", name="second_to_reopen"),
        CheckConstraint(
            "state NOT IN ('approved', 'reopening', 'reopened') OR approver_id IS NOT NULL", name="approved"
        ),
        CheckConstraint(
            "state NOT IN ('reopening', 'reopened') OR (reopen_asker_id IS NOT NULL AND reopen_why <> '')",
            name="reopening",
        ),
        CheckConstraint("(state = 'reopened') = (reopener_id IS NOT NULL)", name="reopened"),
        Index(
            "uq_sign_offs_standing", "account_id", "period", "first_on", unique=True, sqlite_where=_LOCKS,
            postgresql_where=_LOCKS,
        ),
        Index(None, "account_id", "last_on"),
    )  # fmt: skip


class SignOffStep(Base):
    """What somebody did about a sign-off. Rows are only ever added."""

    __tablename__ = "sign_off_steps"
    id: Mapped[int] = row_id()
    sign_off_id: Mapped[int] = mapped_column(ForeignKey("sign_offs.id"), index=True)
    step: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime]
    by: Mapped[str]
    why: Mapped[str] = mapped_column(Text)


class DayDraft(Base):
    """What the worker found of a day that is over and not signed, the last time it drew it up."""

    __tablename__ = "day_drafts"
    account_id: Mapped[int] = mapped_column(ForeignKey("bank_accounts.id"), primary_key=True)
    on: Mapped[date] = mapped_column(Date, primary_key=True)
    made_at: Mapped[datetime]
    figures: Mapped[dict[str, Any]]
    blockers: Mapped[int]


class ClosingPaper(Base):
    """A reconciliation statement or a journal that was handed out, known by its bytes. Only ever added."""

    __tablename__ = "closing_papers"
    id: Mapped[int] = row_id()
    reference: Mapped[str] = mapped_column(String(24), unique=True)
    kind: Mapped[str] = mapped_column(String(9))
    account_id: Mapped[int] = mapped_column(ForeignKey("bank_accounts.id"))
    first_on: Mapped[date] = mapped_column(Date)
    last_on: Mapped[date] = mapped_column(Date)
    file_name: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    at: Mapped[datetime]
    by: Mapped[str]
    account: Mapped[BankAccount] = relationship()
    __table_args__ = (CheckConstraint("kind IN ('statement', 'journal')", name="kind"),)
