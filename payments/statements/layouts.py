"""The tables that are known by their heading rows. A new bank is five lines here and a sample beside it.

Where each layout was described stands in ``docs/statements.md`` and beside its samples.
"""

import re
from dataclasses import dataclass

from payments.statements import days
from payments.statements.tables import Row

_AFRIKAANS = {
    "datum": "date", "waardedatum": "value date", "transaksiedatum": "transaction date",
    "boekingsdatum": "posting date", "effektiewe datum": "effective date",
    "bedrag": "amount", "beskrywing": "description", "verwysing": "reference", "saldo": "balance",
    "debiet": "debit", "debiete": "debits", "krediet": "credit", "krediete": "credits",
    "fooi": "fee", "fooie": "fees", "diensfooi": "service fee",
    "geld in": "money in", "geld uit": "money out",
    "rekening": "account", "tipe": "type", "tyd": "time", "dag": "day", "tjeknommer": "cheque number",
    "kategorie": "category", "staatnommer": "statement number",
}  # fmt: skip


def fold(cell: str) -> str:
    """A heading cell or label as it is compared: case, spaces, a unit and a colon aside; in English."""
    plain = " ".join(cell.replace("\ufeff", "").split()).lower()
    plain = re.sub(r"\s*\((?:r|zar)\)$", "", plain).rstrip(" :*.")
    return _AFRIKAANS.get(plain, plain)


def fold_row(cells: list[str]) -> tuple[str, ...]:
    """A heading row, folded, without the empty cells of a trailing separator."""
    folded = [fold(cell) for cell in cells]
    while folded and not folded[-1]:
        folded.pop()
    return tuple(folded)


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a table keeps what, counted from 0. Amounts stand signed in one column, or in two."""

    date: int
    description: tuple[int, ...]
    reference: tuple[int, ...] = ()
    amount: int | None = None
    money_in: int | None = None
    money_out: int | None = None
    #: Cr or Dr in a column of its own.
    mark: int | None = None
    fee: int | None = None
    balance: int | None = None
    account: int | None = None
    currency: int | None = None
    status: int | None = None

    @property
    def numbers(self) -> tuple[int, ...]:
        places = (self.amount, self.money_in, self.money_out, self.fee, self.balance)
        return tuple(place for place in places if place is not None)


@dataclass(frozen=True, slots=True)
class Layout:
    """A table with, or after certain labels without, a heading row. ``width`` is how many cells a row has."""

    name: str
    columns: Columns
    width: int
    heading: tuple[str, ...] = ()
    #: What must stand at the start of a row above it.
    above: str = ""
    #: A fee in its own column comes on top of the amount (else it is charged apart); the balance may differ.
    fees_on_top: bool = False
    #: Descriptions of rows without an amount that only tell something.
    notes: tuple[str, ...] = ()
    date_order: str | None = None
    decimal: str | None = None
    currency: str = "ZAR"
    account: str = ""
    #: The file writes money out as positive.
    flipped: bool = False

    def start(self, rows: list[Row]) -> int | None:
        """The row the lines begin after, or None if this is not its layout."""
        above = not self.above
        for number, cells in rows:
            folded = fold_row(cells)
            if self.heading and folded == self.heading and above:
                return number
            above = above or (bool(folded) and folded[0].startswith(self.above))
            if not self.heading and above and folded and days.looks_like(cells[0]):
                return number - 1 if len(cells) >= self.width and not days.looks_like(cells[1]) else None
        return None


def _layout(name: str, heading: str, **columns: str) -> Layout:
    """A layout whose columns are named by their headings: ``reference="type+description 2"`` joins two."""
    names = tuple(part.strip() for part in heading.split(","))
    places: dict[str, object] = {}
    for key, said in columns.items():
        found = tuple(names.index(part) for part in said.split("+"))
        places[key] = found if key in ("description", "reference") else found[0]
    return Layout(name, Columns(**places), len(names), names, fees_on_top=name in _FEES_ON_TOP)  # type: ignore[arg-type]


#: Their balance moves by amount and fee together; elsewhere the fee is a line of its own on another day.
_FEES_ON_TOP = ("capitec-business", "capitec")
_CAPITEC_APP = (
    "nr,account,posting date,transaction date,description,original description,parent category,category,"
    "money in,money out,fee,balance"
)
_DISCOVERY = {
    "date": "value date",
    "amount": "amount",
    "status": "type",
    "reference": "beneficiary or cardholder",
}

LAYOUTS = (
    _layout(
        "fnb-history", "date,service fee,amount,description,reference,balance,cheque number",
        date="date", amount="amount", fee="service fee", description="description", reference="reference",
        balance="balance",
    ),
    _layout(
        "fnb-download", "date,amount,balance,description",
        date="date", amount="amount", balance="balance", description="description",
    ),
    _layout(
        "fnb-recreated", "effective date,description,reference,service fee,debit / credit,amount,balance",
        date="effective date", amount="amount", mark="debit / credit", fee="service fee",
        description="description", reference="reference", balance="balance",
    ),
    _layout(
        "standard-bank",
        "date,value date,statement number,description,amount,balance,type,originator reference,"
        "customer reference",
        date="date", amount="amount", description="description",
        reference="originator reference+customer reference", balance="balance",
    ),
    _layout(
        "absa", "date,description,amount,balance",
        date="date", description="description", amount="amount", balance="balance",
    ),
    Layout(
        "nedbank", Columns(date=0, description=(1,), amount=2, balance=3), width=4,
        above="statement enquiry", notes=("vat ",),
    ),
    _layout(
        "capitec-business", "account,date,description,reference,amount,fees,balance",
        account="account", date="date", description="description", reference="reference", amount="amount",
        fee="fees", balance="balance",
    ),
    _layout(
        "capitec", _CAPITEC_APP,
        account="account", date="posting date", description="description", reference="original description",
        money_in="money in", money_out="money out", fee="fee", balance="balance",
    ),
    _layout(
        "investec", "transaction date,posting date,description,debits,credits,balance",
        date="posting date", description="description", money_out="debits", money_in="credits",
        balance="balance",
    ),
    _layout(
        "bank-zero", "date,day,time,type,description 1,description 2,fee,amount,balance,has attachments",
        date="date", description="type+description 1", reference="description 2", amount="amount", fee="fee",
        balance="balance",
    ),
    _layout(
        "discovery", "value date,value time,type,description,beneficiary or cardholder,amount",
        description="description", **_DISCOVERY,
    ),
    _layout(
        "discovery",
        "value date,value time,account nickname,type,transaction description,beneficiary or cardholder,"
        "amount,category,subcategory,note",
        description="transaction description", **_DISCOVERY,
    ),
)  # fmt: skip
