"""What a file holds and looks like: columns and their order, format, separator, clock, first and last lines.

A layout is chosen by a person, kept as a preset, written beside each export, and travels in an address.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any

from payments.dates import SAST, Span
from payments.errors import InvalidInput, quoted
from payments.finding import found


class Format(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"


class Separator(StrEnum):
    """Excel with South African settings splits at the semicolon."""

    COMMA = "comma"
    SEMICOLON = "semicolon"
    TAB = "tab"
    PIPE = "pipe"


class Zone(StrEnum):
    SAST = "sast"
    UTC = "utc"


class Kind(StrEnum):
    """What a cell is. ``TEXT`` comes from outside; else only a phone number starts like a formula."""

    TEXT = "text"
    PHONE = "phone"
    WORD = "word"
    MONEY = "money"
    COUNT = "count"
    SAST = "sast"
    UTC = "utc"
    ZONE = "zone"


MEDIA_TYPES: Mapping[Format, str] = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
SIGNS: Mapping[Separator, str] = {
    Separator.COMMA: ",",
    Separator.SEMICOLON: ";",
    Separator.TAB: "\t",
    Separator.PIPE: "|",
}
ZONES: Mapping[Zone, tuple[str, tzinfo]] = {
    Zone.SAST: ("SAST (UTC+02:00)", SAST),
    Zone.UTC: ("UTC", UTC),
}


@dataclass(frozen=True)
class Column:
    kind: Kind
    personal: bool = False


COLUMNS: Mapping[str, Column] = {
    "reference": Column(Kind.TEXT),
    "event": Column(Kind.TEXT),
    "event_name": Column(Kind.TEXT),
    "category": Column(Kind.TEXT),
    "payer": Column(Kind.TEXT, personal=True),
    "email": Column(Kind.TEXT, personal=True),
    "phone": Column(Kind.PHONE, personal=True),
    "amount": Column(Kind.MONEY),
    "received": Column(Kind.MONEY),
    "currency": Column(Kind.WORD),
    "payment_status": Column(Kind.WORD),
    "payment_method": Column(Kind.WORD),
    "payment_id": Column(Kind.TEXT),
    "transaction_reference": Column(Kind.TEXT),
    "payment_date": Column(Kind.ZONE),
    "created_sast": Column(Kind.SAST),
    "created_utc": Column(Kind.UTC),
    "paid_sast": Column(Kind.SAST),
    "paid_utc": Column(Kind.UTC),
    "mode": Column(Kind.WORD),
    "review": Column(Kind.WORD),
    "note": Column(Kind.TEXT, personal=True),
    "created": Column(Kind.ZONE),
    "refunded": Column(Kind.MONEY),
    "origin": Column(Kind.WORD),
    "people": Column(Kind.COUNT),
    "people_names": Column(Kind.TEXT, personal=True),
    # words and no money: what was quoted is never added up
    "quoted_amount": Column(Kind.WORD),
    "quoted_currency": Column(Kind.WORD),
    "exchange_rate": Column(Kind.WORD),
    "rate_source": Column(Kind.TEXT),
    "rate_date": Column(Kind.ZONE),
    # headings of the earlier system, as it wrote them: ``profiles`` says what they hold
    "Submission Date": Column(Kind.ZONE),
    "Full Name": Column(Kind.TEXT, personal=True),
    "Email": Column(Kind.TEXT, personal=True),
    "Conference Name": Column(Kind.TEXT),
    "Conference Code": Column(Kind.TEXT),
    "Conference Year": Column(Kind.TEXT),
    "Institution": Column(Kind.TEXT, personal=True),
    "Registration Type": Column(Kind.TEXT),
    "Registration Period": Column(Kind.TEXT),
    "Workshop": Column(Kind.WORD),
    "Banquet": Column(Kind.WORD),
    "Extra Paper": Column(Kind.WORD),
    "Total Amount": Column(Kind.MONEY),
    "Payment Status": Column(Kind.WORD),
    "Payment Info": Column(Kind.TEXT, personal=True),
    "Registration ID": Column(Kind.TEXT),
    "Registration Date": Column(Kind.ZONE),
    "Conference": Column(Kind.TEXT),
}
#: What a file has always held; the columns after these are there to be chosen.
DEFAULT_COLUMNS = tuple(COLUMNS)[: tuple(COLUMNS).index("note") + 1]
#: The files of the earlier system that people still use, in the order of its headings. The first has behind
#: them the columns of payments that it lacked.
REGISTRATIONS = (
    "Submission Date", "Full Name", "Email", "Conference Name", "Conference Code", "Conference Year",
    "Institution", "Registration Type", "Registration Period", "Workshop", "Banquet", "Extra Paper",
    "Total Amount", "Payment Status", "Payment Info", "payment_method", "payment_id",
    "transaction_reference", "payment_date", "payment_status", "currency",
)  # fmt: skip
CONFERENCE = (
    "Registration ID", "Full Name", "Email", "Institution", "Registration Type", "Payment Status",
    "Total Amount", "Registration Date", "Conference",
)  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """``opening`` and ``ending`` put what the file is into its first lines, and its count and sums into its
    last; an XLSX file always has both, on a sheet of their own and as its totals."""

    format: Format = Format.CSV
    columns: tuple[str, ...] = DEFAULT_COLUMNS
    separator: Separator = Separator.COMMA
    bom: bool = True
    zone: Zone = Zone.SAST
    opening: bool = False
    ending: bool = False
    sort: str = found.NEWEST  # that of the list it is taken from; no preset holds it

    def __post_init__(self) -> None:
        if not self.columns:
            raise InvalidInput("Choose at least one column for the file.")
        if len(set(self.columns)) != len(self.columns):
            raise InvalidInput("A column is named twice. Name each once.")
        if unknown := [name for name in self.columns if name not in COLUMNS]:
            raise InvalidInput(f"There is no column {quoted(unknown[0])}. There are: {', '.join(COLUMNS)}.")
        found.check_sort(self.sort)


#: The names a layout has in an address.
NAMES = tuple(field.name for field in fields(Layout))
_SWITCHES = ("bom", "opening", "ending")
_UNREADABLE = (
    "This address asks for a file of a kind that is not made here. Open the payments and export again."
)


def personal(columns: Iterable[str]) -> tuple[str, ...]:
    """Those that tell of a person: whoever takes many rows of them will one day need a second person."""
    return tuple(name for name in columns if COLUMNS[name].personal)


def to_plain(layout: Layout) -> dict[str, str]:
    """Words only, for an address or a JSON column; what is as usual is left out."""
    usual = Layout()
    told = {name: getattr(layout, name) for name in NAMES if getattr(layout, name) != getattr(usual, name)}
    return {name: _said(value) for name, value in told.items()}


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def from_plain(told: Mapping[str, str]) -> Layout:
    """The layout these words mean. Raises InvalidInput."""
    values: dict[str, Any] = dict(told)
    try:
        if "columns" in values:
            values["columns"] = tuple(values["columns"].split(","))
        for name in _SWITCHES:
            if name in values:
                values[name] = {"yes": True, "no": False}[values[name]]
        for name, kind in (("format", Format), ("separator", Separator), ("zone", Zone)):
            if name in values:
                values[name] = kind(values[name])
        return Layout(**values)
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(_UNREADABLE) from error


def take_from(pairs: Sequence[tuple[str, str]]) -> tuple[Layout, list[tuple[str, str]]]:
    """The layout in an address, and what else stands there. Raises InvalidInput."""
    ours = [(name, value) for name, value in pairs if name in NAMES]
    if len(dict(ours)) != len(ours):
        raise InvalidInput(_UNREADABLE)
    return from_plain(dict(ours)), [pair for pair in pairs if pair[0] not in NAMES]


# -- names and first lines ---------------------------------------------------------------------------


def file_name(
    layout: Layout,
    spans: Mapping[str, Span],
    now: datetime,
    reference: str,
    event_name: str = "",
    *,
    as_of: datetime | None = None,
) -> str:
    """``payments-paid-2026-11-01-to-2026-11-30-2026-12-01-0815-SAST-EXP_7K2MPQ4.csv``: date basis,
    bounds, and when it was made by which clock.

    A file of the earlier system is called as it called them; ``event_name``: the one event it is of. What
    stood at another moment, ``as_of``, always says so.
    """
    zone = ZONES[layout.zone][1]
    stood = [f"as-of-{as_of.astimezone(zone):%Y-%m-%d-%H%M}"] if as_of else []
    if layout.columns == REGISTRATIONS:
        return "_".join(["registrations", *stood, _day(now, zone)]) + f".{layout.format}"
    if layout.columns == CONFERENCE:
        plain = re.sub(r"[^A-Za-z0-9 ._-]+", "", event_name).strip(" .") or "all"
        return "_".join([plain, "registrations", *stood]) + f".{layout.format}"
    bounds = [f"{basis}-{_day(span.start, zone)}-to-{_last_day(span, zone)}" for basis, span in spans.items()]
    made = f"{now.astimezone(zone):%Y-%m-%d-%H%M}-{layout.zone.upper()}"
    return "-".join(["payments", *bounds, *stood, made, reference]) + f".{layout.format}"


def about(
    layout: Layout,
    spans: Mapping[str, Span],
    now: datetime,
    reference: str,
    *,
    asked: str,
    as_of: datetime | None = None,
) -> list[tuple[str, str]]:
    """What the first lines say: names and values. ``asked``: which payments these are; no word that was
    searched for stands here."""
    name, zone = ZONES[layout.zone]
    bounds = [
        (f"{basis} from, before", f"{_moment(span.start, zone)}, {_moment(span.end, zone)}")
        for basis, span in spans.items()
    ]
    stood = [("as it stood on", f"{_moment(as_of, zone)}, names as today")] if as_of else []
    made = ("made", _moment(now, zone))
    dates = bounds or [("dates", "all")]
    return [("export", reference), made, ("filter", asked), *stood, *dates, ("time zone", name)]


def _day(moment: datetime, zone: tzinfo) -> str:
    return moment.astimezone(zone).date().isoformat()


def _last_day(span: Span, zone: tzinfo) -> str:
    """The last day that belongs to a span, whose end does not."""
    return _day(max(span.start, span.end - timedelta(microseconds=1)), zone)


def _moment(moment: datetime, zone: tzinfo) -> str:
    return moment.astimezone(zone).isoformat(" ", "seconds")[:19]
