"""A file of payments for a bank: ISO 20022 pain.001.001.09, or CSV in the columns that the bank wants. Pure.

The schema is ISO's own (www.iso20022.org, pain.001.001.09). South African accounts have no IBAN: the account
stands as another identification, and its branch as a member of the clearing system ZANCC (ISO's external
code list of clearing system identifications).
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from lxml import etree

from db.money import Money
from payments.errors import InvalidInput, quoted
from payments.exports.csv_file import line

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
#: What an account is, by the word our forms use; the codes are ISO's external cash account types.
KINDS = {"cheque": "CACC", "savings": "SVGS", "transmission": "TRAN"}
#: Characters that every bank takes in a name or a reference (the SWIFT set).
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-?:().,'+ ")


@dataclass(frozen=True)
class Account:
    """An account at a South African bank. ``number`` and ``branch_code`` are digits."""

    holder: str
    bank: str
    number: str
    branch_code: str
    kind: str = "cheque"

    @property
    def masked(self) -> str:
        """What may be shown of it."""
        return f"{self.bank} …{self.number[-4:]}"


@dataclass(frozen=True)
class Credit:
    """One payment of the file. ``reference`` is on both statements, and unique in the file."""

    reference: str
    amount: Money
    to: Account


@dataclass(frozen=True)
class Batch:
    """What goes to the bank at once. ``name`` is unique for ever: the bank knows a repetition by it."""

    name: str
    made_at: datetime
    pay_on: date
    payer: Account
    credits: tuple[Credit, ...]

    @property
    def sum(self) -> Money:
        return sum((one.amount for one in self.credits), Money(0))


# -- ISO 20022 ----------------------------------------------------------------------------------------


def pain_001(batch: Batch) -> bytes:
    """The batch as XML. Each payment is booked by itself, so that each has its line on the statement."""
    root = etree.Element(f"{{{NAMESPACE}}}Document", nsmap={None: NAMESPACE})
    whole = _in(root, "CstmrCdtTrfInitn")
    head = _in(whole, "GrpHdr")
    _in(head, "MsgId", batch.name)
    _in(head, "CreDtTm", batch.made_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    _in(head, "NbOfTxs", str(len(batch.credits)))
    _in(head, "CtrlSum", batch.sum.decimal)
    _in(_in(head, "InitgPty"), "Nm", plain(batch.payer.holder, 70))
    block = _in(whole, "PmtInf")
    _in(block, "PmtInfId", batch.name)
    _in(block, "PmtMtd", "TRF")
    _in(block, "BtchBookg", "false")
    _in(block, "NbOfTxs", str(len(batch.credits)))
    _in(block, "CtrlSum", batch.sum.decimal)
    _in(_in(block, "ReqdExctnDt"), "Dt", batch.pay_on.isoformat())
    _in(_in(block, "Dbtr"), "Nm", plain(batch.payer.holder, 70))
    _account(_in(block, "DbtrAcct"), batch.payer)
    _branch(_in(block, "DbtrAgt"), batch.payer)
    for one in batch.credits:
        _credit(block, one)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True))


def _credit(block: etree._Element, one: Credit) -> None:
    found = _in(block, "CdtTrfTxInf")
    _in(_in(found, "PmtId"), "EndToEndId", one.reference)
    amount = _in(_in(found, "Amt"), "InstdAmt", one.amount.decimal)
    amount.set("Ccy", one.amount.currency)
    _branch(_in(found, "CdtrAgt"), one.to)
    _in(_in(found, "Cdtr"), "Nm", plain(one.to.holder, 70))
    _account(_in(found, "CdtrAcct"), one.to)
    _in(_in(found, "RmtInf"), "Ustrd", one.reference)


def _account(place: etree._Element, account: Account) -> None:
    _in(_in(_in(place, "Id"), "Othr"), "Id", account.number)
    _in(_in(place, "Tp"), "Cd", KINDS[account.kind])


def _branch(place: etree._Element, account: Account) -> None:
    bank = _in(place, "FinInstnId")
    member = _in(bank, "ClrSysMmbId")
    _in(_in(member, "ClrSysId"), "Cd", "ZANCC")
    _in(member, "MmbId", account.branch_code)
    if account.bank:
        _in(bank, "Nm", plain(account.bank, 70))


def _in(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    child = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    if text is not None:
        child.text = text
    return child


def plain(text: str, longest: int) -> str:
    """Without accents and without what a bank may refuse: Thandéka is Thandeka."""
    letters = unicodedata.normalize("NFKD", text)
    kept = "".join(one if one in _PLAIN else " " for one in letters if not unicodedata.combining(one))
    return " ".join(kept.split())[:longest].strip() or "-"


# -- CSV ------------------------------------------------------------------------------------------------


class Field(StrEnum):
    """What a column of the bank's file can hold."""

    HOLDER = "holder"
    BANK = "bank"
    BRANCH_CODE = "branch code"
    NUMBER = "account number"
    KIND = "account type"
    AMOUNT = "amount"  # 1234.56
    CENTS = "amount in cents"
    REFERENCE = "reference"
    PAY_ON = "date"  # 2026-11-27
    FROM = "our account"
    EMPTY = "empty"


@dataclass(frozen=True)
class Layout:
    """A bank's columns in order, each a heading and what it holds."""

    columns: tuple[tuple[str, Field], ...]
    separator: str = ","
    with_headings: bool = True

    def check(self) -> None:
        """Raises InvalidInput for columns that no bank could pay by."""
        held = {field for _, field in self.columns}
        needed = {Field.NUMBER, Field.BRANCH_CODE, Field.REFERENCE}
        if lacking := needed - held:
            raise InvalidInput(f"The bank cannot pay without {', '.join(sorted(lacking))}: add the columns.")
        if not held & {Field.AMOUNT, Field.CENTS}:
            raise InvalidInput("The bank cannot pay without an amount: add the column.")
        if self.separator not in (",", ";", "\t"):
            raise InvalidInput("Columns are separated by a comma, a semicolon or a tab.")

    @classmethod
    def read(cls, text: str, separator: str = ",", *, with_headings: bool = True) -> "Layout":
        """From one line a column, ``Heading = what it holds``. Raises InvalidInput."""
        columns = []
        for said in filter(None, (row.strip() for row in text.splitlines())):
            heading, _, field = said.rpartition("=")
            if field.strip().lower() not in set(Field):
                raise InvalidInput(f"{quoted(said)}: a column holds one of {', '.join(Field)}.")
            columns.append((heading.strip(), Field(field.strip().lower())))
        layout = cls(tuple(columns), separator, with_headings)
        layout.check()
        return layout

    @property
    def told(self) -> str:
        return "\n".join(f"{heading} = {field}" for heading, field in self.columns)


#: Where nobody has said what the bank wants.
USUAL = Layout(
    (
        ("Beneficiary name", Field.HOLDER), ("Account number", Field.NUMBER),
        ("Branch code", Field.BRANCH_CODE),
        ("Account type", Field.KIND), ("Amount", Field.AMOUNT), ("Reference", Field.REFERENCE),
    )
)  # fmt: skip


def sample(layout: Layout, now: datetime) -> str:
    """How a file of this layout looks, with invented payees and refunds."""
    ours = Account("Invented Events", "Invented Bank", "62000000001", "250655")
    refunds = (
        Credit(
            "RF-SAMPLE-1", Money(125_000), Account("Thandi Nkosi", "Invented Bank", "0012345678", "051001")
        ),
        Credit(
            "RF-SAMPLE-2",
            Money(45_050),
            Account("Pieter Botha", "Other Bank", "4070000000", "632005", "savings"),
        ),
    )
    return as_csv(Batch("SAMPLE", now, now.date(), ours, refunds), layout).decode()


def as_csv(batch: Batch, layout: Layout) -> bytes:
    """UTF-8 without a mark, as banks read it; a cell is never a formula."""
    rows: list[Sequence[str]] = [[heading for heading, _ in layout.columns]] if layout.with_headings else []
    rows += [_cells(batch, one, layout) for one in batch.credits]
    return "".join(line(list(cells), layout.separator) for cells in rows).encode()


def _cells(batch: Batch, one: Credit, layout: Layout) -> list[str]:
    held: Mapping[Field, str] = {
        Field.HOLDER: plain(one.to.holder, 70), Field.BANK: plain(one.to.bank, 60),
        Field.BRANCH_CODE: one.to.branch_code, Field.NUMBER: one.to.number, Field.KIND: one.to.kind,
        Field.AMOUNT: one.amount.decimal, Field.CENTS: str(one.amount.minor), Field.REFERENCE: one.reference,
        Field.PAY_ON: batch.pay_on.isoformat(), Field.FROM: batch.payer.number, Field.EMPTY: "",
    }  # fmt: skip
    return [held[field] for _, field in layout.columns]
