"""The gateway's own files: settlement lines, by a mapping of their columns.

The gateway publishes no format, so nothing is known by name: somebody says once what the columns mean.
Rows in = lines + rows that could not be read + named ones, as with a bank's statement. On each line
gross − fee − VAT = net, to the cent; a row that says otherwise is one that could not be read.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from enum import StrEnum
from typing import Any, Self

from payments.errors import InvalidInput, StatementFormatError, UnknownLayout, quoted
from payments.statements import amounts, days, kinds, workbook
from payments.statements.draft import evidence, masked
from payments.statements.layouts import fold, fold_row
from payments.statements.statement import MAX_LINES
from payments.statements.tables import Row, Table, decode, is_blank, shown_name, tables


class LineKind(StrEnum):
    CAPTURE = "capture"
    REFUND = "refund"
    CHARGEBACK = "chargeback"
    DEDUCTION = "deduction"  # a SIM card, a subscription, a cash advance
    PAYOUT_FEE = "payout_fee"
    ROLLUP = "rollup"  # a whole day, as the gateway sums it up
    UNREAD = "unread"


class FileKind(StrEnum):
    SETTLEMENT = "settlement"  # line by line
    ROLLUP = "rollup"  # day by day


@dataclass(frozen=True, slots=True)
class FileLine:
    """One row. Money signed as it moves the payout: gross − fee − VAT = net. ``told_net`` as the row says."""

    row: int
    kind: LineKind
    on: date | None
    reference: str
    method: str  # of ``tariff.METHODS``, or "" where the file does not tell
    gross: int
    fee: int
    vat: int
    payout: str  # the gateway's number for the payout, "" where it gives none
    paid_on: date | None
    raw: str
    reason: str = ""  # why it could not be read
    less: int = 0  # of a roll-up: what was taken off besides fees

    @property
    def net(self) -> int:
        return self.gross - self.fee - self.vat - self.less


@dataclass(frozen=True, slots=True)
class Named:
    row: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class GatewayFile:
    """``rows`` = ``lines`` (those that could not be read among them) + ``named``."""

    name: str
    kind: FileKind
    lines: tuple[FileLine, ...]
    named: tuple[Named, ...]
    rows: int

    @property
    def unread(self) -> tuple[FileLine, ...]:
        return tuple(line for line in self.lines if line.kind is LineKind.UNREAD)


_PLACES = ("on", "gross", "fee", "vat", "net", "reference", "method", "kind", "payout", "paid_on")


@dataclass(frozen=True, slots=True)
class PayoutMapping:
    """Columns are counted from 0. ``fee_with_vat``: the fee's column holds the VAT on it as well; then
    ``vat_bp`` tells them apart. ``heading`` must stand in the file as it did when the mapping was made."""

    name: str
    heading: tuple[str, ...]
    on: int
    gross: int
    reference: int
    fee: int | None = None
    vat: int | None = None
    net: int | None = None
    method: int | None = None
    kind: int | None = None
    payout: int | None = None
    paid_on: int | None = None
    fee_with_vat: bool = False
    vat_bp: int = 1500
    date_order: str | None = None

    def __post_init__(self) -> None:
        places = [place for place in (getattr(self, one) for one in _PLACES) if place is not None]
        checks = (
            (not self.heading, "it needs the heading row"),
            (any(type(one) is not int or not 0 <= one < 200 for one in places), "a column is no column"),
            (len(set(places)) != len(places), "a column is used twice"),
            (self.fee is None and self.net is None, "it needs a column of fees, or one of what is left"),
            (self.fee is None and self.vat is not None, "VAT goes with a column of fees"),
            (self.date_order not in (None, *days.ORDERS), "dates are dmy, mdy or ymd"),
            (not 0 <= self.vat_bp < 10_000, "VAT is from 0 to under 100 %"),
        )
        if wrong := [sentence for fault, sentence in checks if fault]:
            raise InvalidInput(f"The mapping {quoted(self.name)} cannot be used: {wrong[0]}.")

    def to_json(self) -> dict[str, Any]:
        return {key: list(one) if isinstance(one, tuple) else one for key, one in asdict(self).items()}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Raises ``InvalidInput`` for keys it cannot have."""
        known = {one.name for one in fields(cls)}
        if set(told) - known or not {"name", "heading", "on", "gross", "reference"} <= set(told):
            raise InvalidInput(f"A mapping of a payout file is a JSON object of {sorted(known)}.")
        values: dict[str, Any] = {
            key: tuple(one) if isinstance(one, list) else one for key, one in told.items()
        }
        return cls(**values)


#: What a heading's words mean, the surest first. A suggestion only: a person says what the columns are.
_WORDS: tuple[tuple[str, str], ...] = (
    ("paid_on", r"paid (on|out)|payout date|settle(d|ment) date|payment date"),
    ("payout", r"(payout|settlement|batch) ?(id|no|nr|number|ref\w*)?$"),
    ("on", r"(recon|trans\w*|sale|capture|trading)? ?date( time)?|datum"),
    ("vat", r"\bvat\b(?!.*incl)|btw"),
    ("net", r"\bnet\b|amount paid|you get|payout amount"),
    ("fee", r"fee|commission|charges?"),
    ("gross", r"gross|^amount$|sales?( amount)?$|^total$"),
    ("reference", r"merchant ref|external|our ref|^ref(erence)?$|description|order"),
    ("method", r"method|card type|scheme|channel"),
    ("kind", r"^(transaction )?type$|^kind$|status"),
)


def suggest(heading: Sequence[str]) -> dict[str, int]:
    """Which columns the words of a heading row look like. What is missing nobody can tell."""
    found: dict[str, int] = {}
    for place, cell in enumerate(heading):
        words = fold(cell)
        for key, pattern in _WORDS:
            if key not in found and re.search(pattern, words):
                found[key] = place
                break
    return found


# -- a table ------------------------------------------------------------------------------------------


def read(
    name: str, data: bytes, mapping: PayoutMapping | None, *, date_order: str | None = None
) -> GatewayFile:
    """The lines of a settlement file. Raises ``StatementFormatError`` with the row for a file that is refused
    whole, and ``UnknownLayout``, with its first rows, when nobody said yet what its columns are."""
    file = shown_name(name)
    kinds.check_size(file, data)
    if kinds.check_bytes(file, name, data) == "workbook":
        found = [workbook.table(file, data)]
    else:
        found = tables(decode(file, data))
    if mapping is None:
        raise _unknown(file, found)
    for table in found:
        if (start := _start(table, mapping)) is not None:
            return _Reader(table, mapping, start, date_order or mapping.date_order).read()
    reason = f"It does not have the heading row that the mapping {quoted(mapping.name)} was made for."
    raise StatementFormatError(file, 1, reason)


def _unknown(file: str, found: Sequence[Table]) -> UnknownLayout:
    heads: list[list[Row]] = []
    for table in found:
        try:
            heads.append(table.head(20))
        except StatementFormatError:  # not with this separator
            heads.append([])
    rows = max(heads, key=lambda some: sum(len(cells) for _, cells in some))
    shown = tuple(tuple(map(masked, cells)) for _, cells in rows)
    reason = "Say what its columns are: the gateway publishes no format to know them by."
    return UnknownLayout(file, 1, reason, shown)


def _start(table: Table, mapping: PayoutMapping) -> int | None:
    wanted = fold_row(list(mapping.heading))
    try:
        return next((row for row, cells in table.head() if fold_row(cells) == wanted), None)
    except StatementFormatError:
        return None


class Fault(Exception):
    """A fault of one row; it never leaves the readers."""


_TOTAL = re.compile(r"(?:sub ?|grand )?totals?\b")
_KINDS = (
    (LineKind.PAYOUT_FEE, r"(payout|settlement|batch|transfer) fee"),
    (LineKind.CHARGEBACK, r"charge ?back|dispute"),
    (LineKind.REFUND, r"refund|reversal|reversed"),
    (LineKind.DEDUCTION, r"deduction|sim\b|subscription|advance|rental|adjustment|monthly fee"),
    (LineKind.CAPTURE, r"sale|payment|purchase|capture|transaction|pay ?link|success|paid|approved|settled"),
)
_METHODS = (
    ("international_card", r"international|foreign"),
    ("instant_eft", r"eft|ozow|pay ?shap|bank"),
    ("card", r"card|visa|master|amex|debit|credit"),
)


class _Reader:
    def __init__(self, table: Table, mapping: PayoutMapping, start: int, order: str | None) -> None:
        self._table, self._mapping, self._start, self._order = table, mapping, start, order

    def read(self) -> GatewayFile:
        order = self._order or self._proved_order()
        lines: list[FileLine] = []
        named: list[Named] = []
        rows = 0
        for number, cells in self._table.rows():
            if is_blank(cells):
                continue
            rows += 1
            if number <= self._start:
                named.append(Named(number, "heading" if number == self._start else "above", evidence(cells)))
            elif _TOTAL.match(fold(next(cell for cell in cells if cell.strip()))):
                self._check_total(number, cells, lines)
                named.append(Named(number, "total", evidence(cells)))
            else:
                lines.append(self._line(number, cells, order))
        if len(lines) > MAX_LINES:
            raise StatementFormatError(self._table.file, None, f"It has more than {MAX_LINES:,} lines.")
        if not lines:
            raise StatementFormatError(self._table.file, None, "There is no line below its heading.")
        return GatewayFile(self._table.file, FileKind.SETTLEMENT, tuple(lines), tuple(named), rows)

    def _proved_order(self) -> str:
        places = [place for place in (self._mapping.on, self._mapping.paid_on) if place is not None]
        told = (
            (number, _cell(cells, place))
            for number, cells in self._table.rows()
            if number > self._start
            for place in places
        )
        try:
            return days.order_of(told)
        except days.OrderUnknown as error:
            raise StatementFormatError(
                self._table.file, error.row, f"The order of its dates is not known: {error.reason}."
            ) from error

    def _check_total(self, number: int, cells: list[str], lines: Sequence[FileLine]) -> None:
        """A total of gross that is not what the rows say: one of them is missing or was misread."""
        text = _cell(cells, self._mapping.gross)
        if not text or any(line.kind is LineKind.UNREAD for line in lines):
            return
        try:
            told = amounts.read(text).minor
        except ValueError:
            return
        gross = sum(line.gross for line in lines)
        if told != gross:
            raise StatementFormatError(
                self._table.file, number, f"Its total says {rand(told)}, and its rows come to {rand(gross)}."
            )

    def _line(self, number: int, cells: list[str], order: str) -> FileLine:
        told: dict[str, Any] = {
            "row": number, "reference": masked(_cell(cells, self._mapping.reference)),
            "payout": masked(_cell(cells, self._mapping.payout)), "raw": evidence(cells),
        }  # fmt: skip
        try:
            return FileLine(**told, **self._read(cells, order))
        except Fault as fault:
            nothing: dict[str, Any] = {
                "on": None,
                "method": "",
                "gross": 0,
                "fee": 0,
                "vat": 0,
                "paid_on": None,
            }
            return FileLine(kind=LineKind.UNREAD, reason=str(fault), **told, **nothing)

    def _read(self, cells: list[str], order: str) -> dict[str, Any]:
        mapping = self._mapping
        gross = self._amount(cells, mapping.gross, "amount")
        kind = self._kind(cells, gross)
        if kind not in (LineKind.CAPTURE, LineKind.PAYOUT_FEE):
            gross = -abs(gross)
        fee, vat = self._fees(cells, gross, kind)
        if kind is LineKind.PAYOUT_FEE and gross:
            gross, fee, vat = 0, *apart(abs(gross), mapping.vat_bp)
        return {
            "kind": kind, "gross": gross, "fee": fee, "vat": vat, "method": self._method(cells),
            "on": self._day(cells, mapping.on, order),
            "paid_on": self._day(cells, mapping.paid_on, order) if _cell(cells, mapping.paid_on) else None,
        }  # fmt: skip

    def _kind(self, cells: list[str], gross: int) -> LineKind:
        words = fold(_cell(cells, self._mapping.kind))
        if not words:
            if gross <= 0:
                raise Fault("It is no money taken, and does not say what else it is.")
            return LineKind.CAPTURE
        kind = next((kind for kind, pattern in _KINDS if re.search(pattern, words)), None)
        if kind is None:
            raise Fault(f"What “{masked(words)}” is, is not known.")
        if kind is LineKind.CAPTURE and gross <= 0:
            raise Fault("It is called a sale, and its amount is none.")
        return kind

    def _fees(self, cells: list[str], gross: int, kind: LineKind) -> tuple[int, int]:
        """Fee and VAT, signed so that gross − fee − VAT is what is left; where that is told, it must be."""
        mapping = self._mapping
        fee = abs(self._amount(cells, mapping.fee, "fee")) if _cell(cells, mapping.fee) else 0
        vat = abs(self._amount(cells, mapping.vat, "VAT")) if _cell(cells, mapping.vat) else 0
        if mapping.fee_with_vat and mapping.vat is None:
            fee, vat = apart(fee, mapping.vat_bp)
        elif mapping.fee_with_vat:
            fee -= vat
        if not _cell(cells, mapping.net):
            if mapping.fee is None:
                raise Fault("It says neither a fee nor what is left.")
            return fee, vat
        net = self._amount(cells, mapping.net, "net")
        if kind is not LineKind.CAPTURE:
            net = -abs(net)
        if mapping.fee is None:
            return apart(gross - net, mapping.vat_bp)
        for sign in (1, -1):
            if gross - sign * (fee + vat) == net:
                return sign * fee, sign * vat
        left = rand(gross - fee - vat)
        raise Fault(f"Amount less fee and VAT is {left}, and it says {rand(net)}.")

    def _method(self, cells: list[str]) -> str:
        words = fold(_cell(cells, self._mapping.method))
        return next((name for name, pattern in _METHODS if re.search(pattern, words)), "")

    def _amount(self, cells: list[str], place: int | None, what: str) -> int:
        text = _cell(cells, place)
        try:
            amount = amounts.read(text)
        except ValueError:
            raise Fault(f"The {what} {quoted(masked(text))} cannot be read.") from None
        if amount.currency not in (None, "ZAR"):
            raise StatementFormatError(
                self._table.file, None, f"It is in {amount.currency}; the gateway pays out in rand."
            )
        return amount.minor

    def _day(self, cells: list[str], place: int | None, order: str) -> date:
        text = _cell(cells, place)
        try:
            return days.read(text, order)
        except ValueError:
            raise Fault(f"The date {quoted(masked(text))} cannot be read.") from None


def _cell(cells: Sequence[str], place: int | None) -> str:
    return cells[place].strip() if place is not None and place < len(cells) else ""


def apart(total: int, vat_bp: int) -> tuple[int, int]:
    """Fee and VAT of a sum of both, half up on the fee; the two always make the sum."""
    fee = (2 * total * 10_000 + (10_000 + vat_bp)) // (2 * (10_000 + vat_bp))
    return fee, total - fee


def rand(minor: int) -> str:
    sign = "-" if minor < 0 else ""
    return f"{sign}R{abs(minor) // 100}.{abs(minor) % 100:02d}"


def by_payout(lines: Sequence[FileLine]) -> Iterator[tuple[str, list[FileLine]]]:
    """The lines of each payout, by a key that is its own: the gateway's number, else the day it was paid on,
    else the trading day. Rows that could not be read belong to none."""
    groups: dict[str, list[FileLine]] = {}
    for line in lines:
        if line.kind is LineKind.UNREAD:
            continue
        assert line.on is not None
        day = f"paid:{line.paid_on}" if line.paid_on else f"day:{line.on}"
        groups.setdefault(f"number:{line.payout}" if line.payout else day, []).append(line)
    yield from groups.items()


def sums_of(lines: Iterable[FileLine]) -> dict[str, Any]:
    """What a payout's lines come to, by kind. The payout's own fee is None when no row tells it."""
    sums: dict[str, Any] = {
        "gross_minor": 0, "fee_minor": 0, "vat_minor": 0, "less_minor": 0, "payout_fee_minor": None,
    }  # fmt: skip
    for line in lines:
        if line.kind in (LineKind.CAPTURE, LineKind.ROLLUP):
            sums["gross_minor"] += line.gross
            sums["fee_minor"] += line.fee
            sums["vat_minor"] += line.vat
            sums["less_minor"] += line.less
            if line.kind is LineKind.ROLLUP:
                sums["payout_fee_minor"] = 0  # the gateway's own sums hold it already
        elif line.kind is LineKind.PAYOUT_FEE:
            sums["payout_fee_minor"] = (sums["payout_fee_minor"] or 0) + line.fee + line.vat
        else:
            sums["less_minor"] -= line.net
    return sums


def net_of(sums: Mapping[str, Any]) -> int:
    """What sums of a payout leave for the bank."""
    off = sum(sums[name] for name in ("fee_minor", "vat_minor", "payout_fee_minor", "less_minor"))
    return int(sums["gross_minor"] - off + sums.get("difference_minor", 0))
