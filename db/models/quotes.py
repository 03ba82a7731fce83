"""Other currencies: rates of exchange, prices, and payments that were quoted in one and charged in rand."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, composite, mapped_column

from db.models.base import Base, row_id
from db.money import LARGEST_MINOR, Money
from db.types import RowId

#: R1 000 for one unit, in millionths. No currency the desk can hold is near it.
LARGEST_RATE_MICRO = 1_000_000_000
#: Whole cents, half a cent up. Whole numbers in a database divide to the whole below.
_CHARGED = "charged_minor = (quoted_minor * rate_micro + 500000) / 1000000"


class ExchangeRate(Base):
    """What one unit of a currency is in rand from a moment on, as somebody entered it. Only ever added."""

    __tablename__ = "exchange_rates"
    id: Mapped[int] = row_id()
    currency: Mapped[str] = mapped_column(String(3))
    rate_micro: Mapped[int] = mapped_column(BigInteger)  # rand for one unit, in millionths
    source: Mapped[str]
    holds_from: Mapped[datetime]
    entered_by: Mapped[str]
    entered_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("currency <> 'ZAR'", name="currency"),
        CheckConstraint(f"rate_micro BETWEEN 1 AND {LARGEST_RATE_MICRO}", name="rate"),
        CheckConstraint("source <> ''", name="source"),
        Index(None, "currency", "holds_from"),
    )


class QuotePrice(Base):
    """What a category costs in another currency, as it is advertised there; it is charged in rand."""

    __tablename__ = "quote_prices"
    category_id: Mapped[int] = mapped_column(
        RowId, ForeignKey("categories.id"), primary_key=True, autoincrement=False
    )
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    price_minor: Mapped[int] = mapped_column(BigInteger)
    price: Mapped[Money] = composite("price_minor", "currency")
    __table_args__ = (
        CheckConstraint("currency <> 'ZAR'", name="currency"),
        CheckConstraint(f"price_minor BETWEEN 1 AND {LARGEST_MINOR}", name="price"),
    )


class PaymentQuote(Base):
    """What a payment was quoted as, by which rate, and what that came to. Only ever added.

    It is never added up with anything: what is owed, counted and reported is the payment's own amount.
    """

    __tablename__ = "payment_quotes"
    payment_id: Mapped[int] = mapped_column(
        RowId, ForeignKey("payments.id"), primary_key=True, autoincrement=False
    )
    quoted_minor: Mapped[int] = mapped_column(BigInteger)
    quoted_currency: Mapped[str] = mapped_column(String(3))
    quoted: Mapped[Money] = composite("quoted_minor", "quoted_currency")
    rate_micro: Mapped[int] = mapped_column(BigInteger)
    rate_source: Mapped[str]
    rate_at: Mapped[datetime]
    charged_minor: Mapped[int] = mapped_column(BigInteger)  # in rand, when it was quoted
    __table_args__ = (
        CheckConstraint("quoted_currency <> 'ZAR'", name="currency"),
        CheckConstraint(f"quoted_minor BETWEEN 1 AND {LARGEST_MINOR}", name="quoted"),
        CheckConstraint(f"rate_micro BETWEEN 1 AND {LARGEST_RATE_MICRO}", name="rate"),
        CheckConstraint("rate_source <> ''", name="source"),
        CheckConstraint(_CHARGED, name="charged"),
    )
