"""Receipts as papers: who the organiser is, and which receipt was handed out when."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, row_id


class Organiser(Base):
    """Who an event's money is paid to, as it stands on receipts. ``vat_number`` "" is not registered."""

    __tablename__ = "organisers"
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), primary_key=True)
    name: Mapped[str]
    address: Mapped[str]
    vat_number: Mapped[str] = mapped_column(String(10))
    changed_at: Mapped[datetime]
    registration: Mapped[str] = mapped_column(Text, default="", server_default="")
    contact: Mapped[str] = mapped_column(Text, default="", server_default="")
    supplier_number: Mapped[str] = mapped_column(Text, default="", server_default="")


class ReceiptPrint(Base):
    """A receipt that was handed out as a paper: the first is the original. Only ever added."""

    __tablename__ = "receipt_prints"
    id: Mapped[int] = row_id()
    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipts.id"))
    mail_key: Mapped[str | None] = mapped_column(Text)  # the mail it went with; tried again it is the same
    at: Mapped[datetime]
    by: Mapped[str]
    __table_args__ = (UniqueConstraint("receipt_id", "mail_key"),)
