"""A sheet of people to rows that can become payments, or say why they cannot.

Columns are known by their headings; what nobody knows is carried along and given back. Nothing is guessed:
a sheet whose columns could be meant in two ways is refused, and a row that is unclear says so.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice

from db.money import LARGEST_MINOR, Money
from payments.errors import InvalidInput, StatementFormatError, quoted
from payments.payers import contacts
from payments.payers.places import MOST as MOST_PEOPLE
from payments.payers.places import PlaceDraft
from payments.privacy import clean, clean_line, fold
from payments.selling.exchange import FOREIGN
from payments.statements import kinds, workbook
from payments.statements.tables import Table, decode, is_blank, shown_name, tables
from payments.typed import amount_typed

#: More at once is a file for the registration site's own connection, and minutes of waiting.
MOST_ROWS = 5_000
MOST_COLUMNS = 60
#: What we add when the sheet goes back; a sheet that comes again is read without it.
OURS = "paydesk"


class Column(StrEnum):
    ID = "id"
    NAME = "name"
    FIRST = "first name"
    LAST = "last name"
    EMAIL = "email"
    PHONE = "phone"
    CATEGORY = "category"
    AMOUNT = "amount"
    PEOPLE = "people"
    NOTE = "note"
    EXTRAS = "extras"
    CODE = "code"
    QUOTED = "quoted amount"
    QUOTE_CURRENCY = "quote currency"


_SAID = {
    Column.ID: "id, registration id, registration number, registration no, badge, badge number",
    Column.NAME: "name, full name, payer, payer name, attendee, delegate, participant, naam, volle naam",
    Column.FIRST: "first name, firstname, given name, voornaam",
    Column.LAST: "last name, lastname, surname, family name, van",
    Column.EMAIL: "email, e mail, email address, e mail address, mail, epos, e pos",
    Column.PHONE: "phone, phone number, cell, cellphone, cell number, mobile, mobile number, tel, telephone, "
    "whatsapp, whatsapp number, selfoon, telefoon",
    Column.CATEGORY: "category, ticket, ticket type, registration type, price name, kategorie",
    Column.AMOUNT: "amount, amount due, price, fee, total, bedrag, prys",
    Column.PEOPLE: "people, names, persons, attendees, delegates, participants, group members, "
    "number of people, mense",
    Column.NOTE: "note, notes, for, what for, description, nota",
    Column.EXTRAS: "extras, extra, workshops, ekstras",
    Column.CODE: "discount code, discount, promo code, voucher, kode",
    Column.QUOTED: "quoted amount, quoted, amount quoted, quote",
    Column.QUOTE_CURRENCY: "quote currency, quoted currency, currency quoted, currency of quote",
}
_KNOWN = {heading: column for column, said in _SAID.items() for heading in said.split(", ")}
#: Of a file of registrations; a sheet of links carries them along.
_BY_FILE_ALONE = (Column.EXTRAS, Column.CODE, Column.QUOTED, Column.QUOTE_CURRENCY)
_WORDS = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class PriceLine:
    """What a category's word in the sheet may mean."""

    id: int
    name: str
    price: Money
    fixed: bool = True  # else it is what holds today, and an amount that is said is judged when it is priced


@dataclass(frozen=True)
class Wanted:
    """What one row asks for. ``key`` says whether it was here before: by the sheet's own number when it has
    one, else by everything that counts. ``people``: by name, or empty, the several it is for."""

    name: str
    email: str
    phone: str
    amount: Money
    category_id: int | None
    note: str
    key: str
    people: tuple[str, ...] = ()
    own_id: str = ""  # the sheet's own number of it
    category: str = ""  # as the price list calls it
    extras: tuple[tuple[str, int], ...] = ()  # by name, with how many
    code: str = ""
    says_amount: bool = True  # else its amount is the price list's, or comes of what is quoted
    quoted: Money | None = None  # in another currency
    quote_in: str = ""  # a currency: what its category costs there

    @property
    def places(self) -> tuple[PlaceDraft, ...]:
        """Each of several people with their share of the amount, which ``_Reader`` saw to be whole cents."""
        if not self.people:
            return ()
        each = Money(self.amount.minor // len(self.people), self.amount.currency)
        return tuple(PlaceDraft(each, name) for name in self.people)


@dataclass(frozen=True)
class SheetRow:
    """``number`` is the row as a spreadsheet counts. Without ``wanted``, ``fault`` says what to mend."""

    number: int
    cells: tuple[str, ...]
    wanted: Wanted | None
    fault: str = ""


@dataclass(frozen=True)
class Sheet:
    file: str
    headings: tuple[str, ...]
    meant: Mapping[Column, str]  # by which heading
    rows: tuple[SheetRow, ...]


@dataclass(frozen=True)
class Opened:
    """A file's rows and headings before anybody said what they mean. ``kept`` are the places of headings that
    are not ours."""

    file: str
    headings: tuple[str, ...]
    kept: tuple[int, ...]
    rows: tuple[tuple[int, list[str]], ...]
    is_workbook: bool

    @property
    def named(self) -> tuple[tuple[int, str], ...]:
        return tuple((place, self.headings[place]) for place in self.kept)

    def guess(self) -> dict[Column, str]:
        """What headings say by themselves; of two that say the same, neither."""
        said: dict[Column, list[str]] = {}
        for _, heading in self.named:
            if column := _KNOWN.get(_folded(heading)):
                said.setdefault(column, []).append(heading)
        return {column: found[0] for column, found in said.items() if len(found) == 1}


def opened(name: str, data: bytes) -> Opened:
    """The table in a CSV or XLSX file. Raises InvalidInput for a file that is none, or too large."""
    try:
        file = shown_name(name)
        table = _table(file, name, data)
        rows = [(number, cells) for number, cells in table.rows() if not is_blank(cells)]
    except StatementFormatError as error:
        raise InvalidInput(str(error)) from error
    if len(rows) < 2:
        raise InvalidInput(f"{file} has no row below its headings.")
    if len(rows) - 1 > MOST_ROWS:
        raise InvalidInput(f"{file} has {len(rows) - 1} rows; at most {MOST_ROWS} at once. Split it.")
    headings = [" ".join(cell.split()) for cell in rows[0][1]]
    while headings and not headings[-1]:
        headings.pop()
    kept = [place for place, heading in enumerate(headings) if not _folded(heading).startswith(OURS)]
    return Opened(file, tuple(headings), tuple(kept), tuple(rows[1:]), table.encoding == "xlsx")


def read(name: str, data: bytes, prices: Iterable[PriceLine], currency: str) -> Sheet:
    """The sheet in a CSV or XLSX file. Raises InvalidInput for one that cannot be read as a whole."""
    there = opened(name, data)
    heard = [one for one in there.named if _KNOWN.get(_folded(one[1])) not in _BY_FILE_ALONE]
    places = _places(there.file, heard)
    sheet = understood(there, places, prices, currency)
    return replace(sheet, rows=tuple(_each_once(sheet.rows)))


def understood(
    there: Opened, places: Mapping[Column, int], prices: Iterable[PriceLine], currency: str
) -> Sheet:
    """Every row by what the columns at ``places`` mean."""
    reader = _Reader(places, {_folded(line.name): line for line in prices}, currency, there.is_workbook)
    found = [_row(reader, number, cells, there.kept, len(there.headings)) for number, cells in there.rows]
    return Sheet(
        there.file,
        tuple(heading for _, heading in there.named),
        {column: there.headings[place] for column, place in places.items()},
        tuple(found),
    )


def places_of(there: Opened, meant: Mapping[Column, str]) -> dict[Column, int]:
    """Where the columns stand that a person said the meaning of. Raises InvalidInput: a heading that is not
    there or is there twice, one column said to be two things, or nobody and nothing named."""
    found: dict[Column, int] = {}
    for column, heading in meant.items():
        standing = [place for place, one in there.named if one == heading]
        if len(standing) != 1:
            often = "more than once" if standing else "not"
            raise InvalidInput(f"{there.file}: the heading {quoted(heading)} is {often} there.")
        if standing[0] in found.values():
            raise InvalidInput(f"{there.file}: {quoted(heading)} cannot be two things at once.")
        found[column] = standing[0]
    _check_enough(there.file, found)
    return found


def _table(file: str, name: str, data: bytes) -> Table:
    """The table in a file: with the separator that tears its heading into most columns."""
    kinds.check_size(file, data)
    if kinds.check_bytes(file, name, data) == "workbook":
        return workbook.table(file, data)
    text = decode(file, data)
    kinds.of_text(file, name, text.text)
    return max(tables(text), key=_width)


def _width(table: Table) -> int:
    try:
        return max((len(cells) for _, cells in islice(table.rows(), 1)), default=0)
    except StatementFormatError:  # not with this separator
        return 0


def _folded(heading: str) -> str:
    return _WORDS.sub(" ", fold(heading)).strip()


def _places(file: str, headings: Sequence[tuple[int, str]]) -> dict[Column, int]:
    """Where each column stands. Raises InvalidInput for two that mean the same, or none that says who."""
    if len(headings) > MOST_COLUMNS:
        raise InvalidInput(f"{file} has {len(headings)} columns; at most {MOST_COLUMNS} are read.")
    found: dict[Column, int] = {}
    named = dict(headings)
    for place, heading in headings:
        column = _KNOWN.get(_folded(heading))
        if column is None:
            continue
        if column in found:
            raise InvalidInput(
                f"{file}: the columns {quoted(named[found[column]])} and {quoted(heading)} both say the "
                f"{column}. Rename the one that is not meant."
            )
        found[column] = place
    _check_enough(file, found)
    return found


def _check_enough(file: str, found: Mapping[Column, int]) -> None:
    if not found.keys() & {Column.NAME, Column.FIRST, Column.LAST, Column.EMAIL, Column.PHONE}:
        raise InvalidInput(
            f"{file}: no column says who pays. Name one name, email or phone, in the first row."
        )
    if not found.keys() & {Column.AMOUNT, Column.CATEGORY, Column.EXTRAS, Column.QUOTED}:
        raise InvalidInput(
            f"{file}: no column says how much. Name one amount, or category as the price list."
        )


@dataclass(frozen=True)
class _Reader:
    places: Mapping[Column, int]
    prices: Mapping[str, PriceLine]
    currency: str
    is_workbook: bool

    def cell(self, cells: Sequence[str], column: Column) -> str:
        place = self.places.get(column)
        return cells[place].strip() if place is not None and place < len(cells) else ""

    def wanted(self, cells: Sequence[str]) -> Wanted:
        """Raises InvalidInput with the first thing to mend."""
        email = contacts.email_address(self.cell(cells, Column.EMAIL))
        phone = contacts.phone_number(self.cell(cells, Column.PHONE))
        whole = self.cell(cells, Column.NAME) or " ".join(
            filter(None, (self.cell(cells, Column.FIRST), self.cell(cells, Column.LAST)))
        )
        name = clean_line(whole, field="The name", longest=120) or email or phone
        if not name:
            raise InvalidInput("It says nobody: give a name, an e-mail address or a phone number.")
        people = self._people(self.cell(cells, Column.PEOPLE))
        line = self._line(self.cell(cells, Column.CATEGORY))
        extras, code = self._extras(self.cell(cells, Column.EXTRAS)), self.cell(cells, Column.CODE)[:40]
        quote_in = self.cell(cells, Column.QUOTE_CURRENCY).upper()
        quoted = self._quoted(self.cell(cells, Column.QUOTED), quote_in, by_list=line is not None)
        later = bool(extras or code or quoted or quote_in)
        amount = self._amount(self.cell(cells, Column.AMOUNT), line, len(people) or 1, later)
        note = clean(self.cell(cells, Column.NOTE), field="The note", longest=1000)
        own = clean(self.cell(cells, Column.ID), field="The id", longest=80)
        counts = (name, email, phone, amount.minor, line.id if line else 0, note, *people)
        key = _key(("id", own) if own else counts)
        return Wanted(
            name, email, phone, amount, line.id if line else None, note, key, people,
            own, line.name if line else "", extras, code, bool(self.cell(cells, Column.AMOUNT)), quoted,
            "" if quoted else quote_in,
        )  # fmt: skip

    def _people(self, said: str) -> tuple[str, ...]:
        """By name, one a line or with a semicolon between, or how many; none for one person."""
        if re.fullmatch("[0-9]{1,4}", said):
            names, count = [], int(said)
        else:
            names = [" ".join(name.split()) for name in re.split("[;\n]", said) if name.strip()]
            count = len(names)
        if count > MOST_PEOPLE:
            raise InvalidInput(f"It is for {count} people; one payment is for {MOST_PEOPLE} at most.")
        if said and not count:
            raise InvalidInput(
                f"{quoted(said)} is nobody. Write their names, with ; between, or how many they are."
            )
        named = [clean(name, field="A name of its people", longest=120) for name in names] or [""] * count
        return tuple(named) if count > 1 else ()

    def _line(self, said: str) -> PriceLine | None:
        if not said:
            return None
        line = self.prices.get(_folded(said))
        if line is None:
            known = ", ".join(each.name for each in self.prices.values())
            raise InvalidInput(
                f"{quoted(said)} is not on the price list: {known}."
                if known
                else f"{quoted(said)}: the event has no price list."
            )
        return line

    def _extras(self, said: str) -> tuple[tuple[str, int], ...]:
        """By name with a semicolon between, each with how many: ``Workshop; Banquet x2``."""
        found = []
        for one in filter(None, (" ".join(one.split()) for one in re.split("[;\n]", said))):
            several = re.fullmatch("(.+?) ?[x×] ?([0-9]{1,3})", one)
            found.append((several[1], int(several[2])) if several else (one, 1))
        return tuple(found)

    def _quoted(self, said: str, currency: str, *, by_list: bool) -> Money | None:
        """An amount of another currency, which its own column says; with a category the list may say it."""
        if not said and (not currency or (by_list and currency in FOREIGN)):
            return None
        if not said or currency not in FOREIGN:
            raise InvalidInput(
                f"A quote is an amount, and a currency of {', '.join(FOREIGN)}: it says "
                f"{said or 'no amount'} and {currency or 'no currency'}."
            )
        quoted = self._money(said, currency)
        if not 1 <= quoted.minor <= LARGEST_MINOR:
            least, most = Money(1, quoted.currency), Money(LARGEST_MINOR, quoted.currency)
            raise InvalidInput(f"The quote must be between {least} and {most}.")
        return quoted

    def _money(self, said: str, currency: str) -> Money:
        if self.is_workbook and re.fullmatch(r"[0-9]+\.[0-9]", said):
            said += "0"  # a number's last zero is not kept in a workbook
        return amount_typed(said, currency)

    def _amount(self, said: str, line: PriceLine | None, people: int, more: bool) -> Money:
        """A price of the list is for each of the people; an amount is for all of them together. ``more``: it
        is for extras, or with a discount, as well, which is priced later."""
        if not said and more:
            return Money(1, self.currency)
        if not said:
            if line is None:
                raise InvalidInput("It says no amount.")
            return self._payable(line.price * people)
        amount = self._money(said, self.currency)
        if line and line.fixed and not more and line.price * people != amount:
            costs = f"{line.price} for each of {people}" if people > 1 else str(line.price)
            raise InvalidInput(f"It says {amount}, and {line.name} costs {costs}. Leave one of the two out.")
        if amount.minor % people:
            raise InvalidInput(
                f"{amount} does not divide among {people} people. Give each a row of their own."
            )
        return self._payable(amount)

    def _payable(self, amount: Money) -> Money:
        if not 1 <= amount.minor <= LARGEST_MINOR:
            raise InvalidInput(f"The amount must be between R0.01 and {Money(LARGEST_MINOR)}.")
        return amount


def _key(parts: Iterable[object]) -> str:
    return hashlib.sha256("\x1f".join(fold(str(part)) for part in parts).encode()).hexdigest()


def _row(reader: _Reader, number: int, cells: list[str], kept: Sequence[int], width: int) -> SheetRow:
    own = tuple(cells[place] if place < len(cells) else "" for place in kept)
    if any(cell.strip() for cell in cells[width:]):
        return SheetRow(number, own, None, "It has more cells than there are headings.")
    try:
        plain = tuple(clean(cell, field="A cell", longest=2_000) for cell in own)
    except InvalidInput as error:  # what may not be kept is not kept
        return SheetRow(number, tuple("" for _ in own), None, str(error))
    try:
        return SheetRow(number, plain, reader.wanted(cells))
    except InvalidInput as error:
        return SheetRow(number, plain, None, str(error))


def _each_once(rows: Iterable[SheetRow]) -> Iterable[SheetRow]:
    """A row that stands there twice is one payment only when somebody says that two are meant."""
    first: dict[str, int] = {}
    for row in rows:
        if row.wanted is None:
            yield row
        elif row.wanted.key in first:
            twin = first[row.wanted.key]
            why = f"It is the same as row {twin}. If both are meant, give each an id of its own."
            yield replace(row, wanted=None, fault=why)
        else:
            first[row.wanted.key] = row.number
            yield row
