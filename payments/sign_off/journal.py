"""Journals for accounting packages: entries whose debits are their credits, and how each package reads them.

Amounts are whole minor units, a debit above nought and a credit below. An entry that does not balance cannot
be made. Three layouts are written, each as its vendor describes it:

- Xero, manual journals: https://help.xero.com/int/ManualJournalsImport (dates dd/mm/yyyy, one signed amount,
  at most 300 lines a file, a tracking category by name and option). Xero posts no manual journal to a bank
  account: name a clearing account where it asks for the bank.
- Sage Accounting, journals: https://help.sbc.sage.com/en-ca/accounting/importing/import-journals.html
  (headings by name, in any order; Debit and Credit apart; an analysis type of its own for the event). That
  page is Sage's Canadian one, dates month first; other countries' templates write theirs: choose the order.
- QuickBooks Online, journal entries: https://quickbooks.intuit.com/learn-support/en-au/help-article/
  import-export-files/import-journal-entries-quickbooks-online/L4tQBwbs7_AU_en_AU (Debits and Credits apart,
  accounts by name, Class for tracking; columns and the order of dates are confirmed at import).
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from payments.errors import InvalidInput

XERO_LINES = 300
#: What a line says that is tracked under no event.
NO_EVENT = "no event"


class Book(StrEnum):
    """An account of the ledger, by what it is for."""

    BANK = "bank"
    CLEARING = "clearing"  # what payers owe and the gateway holds
    FEES = "fees"
    VAT = "vat"
    CASH = "cash"  # in bags, on its way to the bank
    SURPLUS = "surplus"  # owed back to payers
    SUSPENSE = "suspense"  # nobody knows yet, or it is no payment of ours


class Package(StrEnum):
    XERO = "xero"
    SAGE = "sage"
    QUICKBOOKS = "quickbooks"


@dataclass(frozen=True)
class Posting:
    """``event`` is the code of the event it is tracked under, "" for none."""

    book: Book
    minor: int
    text: str
    event: str = ""


@dataclass(frozen=True)
class Entry:
    """Postings of one day that add up to nought. Raises ValueError when they do not, or there are none."""

    number: str
    on: date
    narration: str
    postings: tuple[Posting, ...]

    def __post_init__(self) -> None:
        if not self.postings or (off := sum(one.minor for one in self.postings)):
            raise ValueError(f"{self.number}: its debits and credits differ by {off if self.postings else 0}")


@dataclass(frozen=True)
class Chart:
    """What the package calls each account: a code for Xero and Sage, a name for QuickBooks."""

    names: Mapping[Book, str]
    tax: str = "No VAT"
    tracking: str = "Event"


@dataclass(frozen=True)
class Payout:
    """A payout as a line of the bank shows it. ``gross``, ``fee`` and ``vat`` of captures and what was taken
    off, ``less``, are by event; what is of none, or of nobody knows which, is under "". ``own_fee`` and
    ``own_vat`` are the payout's own. ``beside``, in the difference, is what another line of its night brought
    of it, or this of another's."""

    number: int
    net: int
    gross: Mapping[str, int]
    fee: Mapping[str, int]
    vat: Mapping[str, int]
    less: Mapping[str, int]
    difference: int
    own_fee: int = 0
    own_vat: int = 0
    beside: int = 0


def apportioned(minor: int, weights: Mapping[str, int]) -> dict[str, int]:
    """A sum in parts as the weights are, to the cent and always the same ones: what rounding leaves goes
    where most was cut off, of equals to the first by name. Without weights all of it is under ""."""
    heavy = {name: weight for name, weight in sorted(weights.items()) if weight > 0}
    whole = sum(heavy.values())
    if not whole:
        return {"": minor}
    sign = -1 if minor < 0 else 1
    parts = {name: abs(minor) * weight // whole for name, weight in heavy.items()}
    cut = sorted(heavy, key=lambda name: (-(abs(minor) * heavy[name] % whole), name))
    for name in cut[: abs(minor) - sum(parts.values())]:
        parts[name] += 1
    return {name: sign * part for name, part in parts.items()}


def payout_entry(one: Payout, number: str, on: date) -> Entry:
    """Bank, fees and VAT debited, the clearing account credited, by event. Refunds and chargebacks that the
    gateway kept back are debited to clearing, what nothing explains goes to suspense. The payout's own fee
    and what is in suspense are of no event, and say so."""
    text = f"Payout {one.number}"
    postings = [
        Posting(Book.BANK, one.net, text),
        *_by_event(Book.FEES, one.fee, f"{text}, fees"),
        Posting(Book.FEES, one.own_fee, f"{text}, its own fee, {NO_EVENT}"),
        *_by_event(Book.VAT, one.vat, f"{text}, VAT on fees"),
        Posting(Book.VAT, one.own_vat, f"{text}, VAT on its own fee, {NO_EVENT}"),
        *_by_event(Book.CLEARING, one.less, f"{text}, refunds and deductions"),
        Posting(Book.SUSPENSE, -one.difference - one.beside, f"{text}, not explained, {NO_EVENT}"),
        Posting(Book.SUSPENSE, one.beside, f"{text}, with other payouts of that night, {NO_EVENT}"),
        *_by_event(Book.CLEARING, {event: -minor for event, minor in one.gross.items()}, text),
    ]
    return Entry(number, on, f"Gateway payout {one.number}", _kept(postings))


def _by_event(book: Book, minor: Mapping[str, int], text: str) -> Iterator[Posting]:
    for event, part in sorted(minor.items()):
        yield Posting(book, part, f"{text}, {event or NO_EVENT}", event)


def summed(number: str, on: date, narration: str, postings: Iterable[Posting]) -> Entry | None:
    """One entry of many postings, one for each account, event and text; None when there is nothing."""
    sums: dict[tuple[Book, str, str], int] = defaultdict(int)
    for one in postings:
        sums[one.book, one.event, one.text] += one.minor
    kept = _kept(Posting(book, minor, text, event) for (book, event, text), minor in sorted(sums.items()))
    return Entry(number, on, narration, kept) if kept else None


def _kept(postings: Iterable[Posting]) -> tuple[Posting, ...]:
    return tuple(one for one in postings if one.minor)


# -- as each package reads it ---------------------------------------------------------------------------


def render(package: Package, entries: Sequence[Entry], chart: Chart, *, month_first: bool = False) -> bytes:
    """A CSV file of UTF-8. Raises InvalidInput: an account has no name, or the package takes no so long
    file."""
    missing = sorted(
        {one.book for entry in entries for one in entry.postings if not chart.names.get(one.book)}
    )
    if missing:
        raise InvalidInput(f"Say what the package calls these accounts: {', '.join(missing)}.")
    headings, rows = _LAYOUTS[package]
    written = [row for entry in entries for row in rows(entry, chart, month_first)]
    if package is Package.XERO and len(written) > XERO_LINES:
        raise InvalidInput(
            f"Xero takes {XERO_LINES} lines at once, and these are {len(written)}. Take fewer days."
        )
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([name.format(tracking=chart.tracking) for name in headings])
    writer.writerows(written)
    return out.getvalue().encode()


def _amount(minor: int) -> str:
    return str(Decimal(minor).scaleb(-2))


def _sides(minor: int) -> tuple[str, str]:
    return (_amount(minor), "") if minor > 0 else ("", _amount(-minor))


def _day(on: date, month_first: bool) -> str:
    return f"{on:%m/%d/%Y}" if month_first else f"{on:%d/%m/%Y}"


def _xero(entry: Entry, chart: Chart, _month_first: bool) -> Iterator[list[str]]:
    for one in entry.postings:
        tracked = [chart.tracking, one.event] if one.event else ["", ""]
        yield [
            f"{entry.narration} ({entry.number})", _day(entry.on, False), _safe(one.text),
            chart.names[one.book], chart.tax, _amount(one.minor), *tracked, "", "",
        ]  # fmt: skip


def _sage(entry: Entry, chart: Chart, month_first: bool) -> Iterator[list[str]]:
    for nth, one in enumerate(entry.postings):
        head = [entry.number, _day(entry.on, month_first), entry.narration] if nth == 0 else [
            entry.number, "", "",
        ]  # fmt: skip
        yield [
            *head, chart.names[one.book], _safe(one.text), one.event, *_sides(one.minor),
        ]  # fmt: skip


def _quickbooks(entry: Entry, chart: Chart, month_first: bool) -> Iterator[list[str]]:
    for one in entry.postings:
        yield [
            entry.number, _day(entry.on, month_first), chart.names[one.book], *_sides(one.minor),
            _safe(one.text), one.event,
        ]  # fmt: skip


def _safe(text: str) -> str:
    """No text of ours begins a formula in a spreadsheet."""
    return f"'{text}" if text[:1] in "=+-@" and text else text


_LAYOUTS = {
    Package.XERO: (
        ("*Narration", "*Date", "Description", "*AccountCode", "*TaxRate", "*Amount", "TrackingName1",
         "TrackingOption1", "TrackingName2", "TrackingOption2"), _xero,
    ),
    Package.SAGE: (
        ("Reference", "Date", "Description", "Ledger Account Number", "Details", "Analysis Type 1", "Debit",
         "Credit"), _sage,
    ),
    Package.QUICKBOOKS: (
        ("Journal No", "Journal Date", "Account Name", "Debits", "Credits", "Description", "Class"),
        _quickbooks,
    ),
}  # fmt: skip
