"""Papers: quotations, pro-forma invoices, invoices, credit notes. Numbered without a gap, never changed."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Integer,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, composite, mapped_column, relationship

from db.models.base import Base, row_id
from db.models.events import Event
from db.money import Money
from db.types import RowId


class PaperSeries(Base):
    """One who bills: their papers are numbered by themselves, whichever of their events they are for.
    ``key`` tells them apart: their VAT number, or without one their name."""

    __tablename__ = "paper_series"
    id: Mapped[int] = row_id()
    key: Mapped[str] = mapped_column(Text, unique=True)
    begun_at: Mapped[datetime]


class PaperSequence(Base):
    """The last number of a series for one kind of paper: it rises by one, with the paper that has it."""

    __tablename__ = "paper_sequences"
    series_id: Mapped[int] = mapped_column(RowId, ForeignKey("paper_series.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(11), primary_key=True)
    last_number: Mapped[int] = mapped_column(Integer)


class PaperRow(Base):
    """A paper as it was issued: ``body`` is all that stands on it, ``sha256`` its hash. Only ever added."""

    __tablename__ = "papers"
    id: Mapped[int] = row_id()
    series_id: Mapped[int] = mapped_column(ForeignKey("paper_series.id"))
    kind: Mapped[str] = mapped_column(String(11))
    number: Mapped[int] = mapped_column(Integer)
    label: Mapped[str] = mapped_column(String(32), unique=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)  # of the form: sent twice it is one paper
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), index=True)
    credits_id: Mapped[int | None] = mapped_column(ForeignKey("papers.id"), index=True)
    total_minor: Mapped[int] = mapped_column(BigInteger)
    total_currency: Mapped[str] = mapped_column(String(3))
    total: Mapped[Money] = composite("total_minor", "total_currency")
    vat_minor: Mapped[int] = mapped_column(BigInteger)
    issued_on: Mapped[date] = mapped_column(Date)
    issued_at: Mapped[datetime]
    issued_by: Mapped[str]
    body: Mapped[dict[str, Any]]
    sha256: Mapped[str] = mapped_column(String(64))
    event: Mapped[Event] = relationship()
    parts: Mapped[list["PaperPart"]] = relationship(order_by="PaperPart.payment_id", viewonly=True)
    __table_args__ = (
        UniqueConstraint("series_id", "kind", "number"),
        CheckConstraint("kind IN ('quotation', 'pro_forma', 'invoice', 'credit_note')", name="kind"),
        CheckConstraint("(kind = 'credit_note') = (credits_id IS NOT NULL)", name="credits"),
        CheckConstraint("total_minor >= 1 AND vat_minor BETWEEN 0 AND total_minor", name="total"),
        CheckConstraint("number >= 1", name="number"),
    )


class PaperPart(Base):
    """What of a paper is for one payment: together they are its total. Only ever added."""

    __tablename__ = "paper_parts"
    paper_id: Mapped[int] = mapped_column(RowId, ForeignKey("papers.id"), primary_key=True)
    payment_id: Mapped[int] = mapped_column(RowId, ForeignKey("payments.id"), primary_key=True, index=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    __table_args__ = (CheckConstraint("amount_minor >= 1", name="amount"),)


class PaperPrint(Base):
    """A paper that was handed out: the first is the original. Only ever added."""

    __tablename__ = "paper_prints"
    id: Mapped[int] = row_id()
    paper_id: Mapped[int] = mapped_column(ForeignKey("papers.id"), index=True)
    mail_key: Mapped[str | None] = mapped_column(Text)  # the mail it went with; tried again it is the same
    at: Mapped[datetime]
    by: Mapped[str]
    __table_args__ = (UniqueConstraint("paper_id", "mail_key"),)
