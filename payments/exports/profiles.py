"""The two files of the earlier system that people still use, as layouts: its headings, exactly in its order.

Fields that only its records have are empty for our own payments. A status is told in its words.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Integer, Text, case, cast, extract, func, literal_column, select

from db.models import Category, Event, LegacyRecord, Payment
from payments.exports.layout import CONFERENCE, REGISTRATIONS
from payments.lifecycle import CLOSED, PENDING, Status

#: How the earlier system called it; what it had no word for keeps its own.
_WORDS: Mapping[Status, str] = {
    **dict.fromkeys(PENDING, "pending"),
    Status.FAILED: "failed",
    **dict.fromkeys(CLOSED - {Status.WAIVED}, "failed"),
}


def _recorded(field: str) -> ColumnElement[Any]:
    """What its record says of a payment."""
    return _of_record(LegacyRecord.told[field].as_string())


def _of_record(value: Any) -> ColumnElement[Any]:
    query = select(value).where(LegacyRecord.payment_id == Payment.id).correlate(Payment)
    return query.scalar_subquery()


def _yes(field: str) -> ColumnElement[str]:
    """``Yes`` or ``No``; nothing where no record says it."""
    word = func.lower(func.coalesce(_recorded(field), ""))
    truth: ColumnElement[str] = literal_column("'Yes'")
    return case(
        (word == literal_column("''"), literal_column("''")),
        (word.in_([literal_column(f"'{one}'") for one in ("true", "1", "yes", "on")]), truth),
        else_=literal_column("'No'"),
    )


def _status() -> ColumnElement[str]:
    return case({str(one): word for one, word in _WORDS.items()}, value=Payment.status, else_=Payment.status)


def _kind() -> ColumnElement[Any]:
    """The category; else what its record calls it."""
    return func.coalesce(Category.name, _recorded("registration_type"), "")


_YEAR = cast(cast(extract("year", Event.starts_on), Integer), Text)
#: What each of its columns holds.
FIELDS: Mapping[str, Any] = {
    "Submission Date": Payment.created_at,
    "Full Name": Payment.payer_name,
    "Email": Payment.payer_email,
    "Conference Name": Event.name,
    "Conference Code": Event.code,
    "Conference Year": _YEAR,
    "Institution": _recorded("institution"),
    "Registration Type": _kind(),
    "Registration Period": _recorded("registration_period"),
    "Workshop": _yes("workshop"),
    "Banquet": _yes("banquet"),
    "Extra Paper": _yes("extra_paper"),
    "Total Amount": Payment.amount_minor,
    "Payment Status": _status(),
    "Payment Info": func.coalesce(_recorded("payment_notes"), Payment.reference),
    "Registration ID": func.coalesce(_of_record(LegacyRecord.key), Payment.reference),
    "Registration Date": Payment.created_at,
    "Conference": Event.name,
}
assert set(FIELDS) == {*REGISTRATIONS, *CONFERENCE} - {
    "payment_method", "payment_id", "transaction_reference", "payment_date", "payment_status", "currency",
}  # fmt: skip
