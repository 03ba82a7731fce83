"""All that stands on a paper, as it is kept: a reprint shows what was issued, whoever was renamed since."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from db.money import Money
from payments.at_the_door.eft import Account, AccountKind
from payments.selling.organisers import Organiser
from payments.vat import Bill, Line


class PaperKind(StrEnum):
    QUOTATION = "quotation"
    PRO_FORMA = "pro_forma"
    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


@dataclass(frozen=True)
class BillTo:
    """Whom it is for: a person, or a company with what its finance office wants to read."""

    name: str
    address: str = ""
    vat_number: str = ""
    attention: str = ""
    po_number: str = ""
    email: str = ""


@dataclass(frozen=True)
class Body:
    """``until``: a quotation is good until, or the others are due on. ``credits`` is the number of the
    invoice that a credit note takes from, ``replaces`` those of abridged tax invoices it stands for."""

    kind: PaperKind
    title: str
    label: str
    issued_on: date
    until: date | None
    supplier: Organiser
    bank: Account | None
    bill_to: BillTo
    event: str
    references: tuple[str, ...]
    bill: Bill
    received: Money  # of it, on the day of issue
    credits: str = ""
    why: str = ""
    replaces: str = ""
    note: str = ""
    demo: bool = False

    @property
    def file_name(self) -> str:
        return f"{self.label}.pdf"

    def to_json(self) -> dict[str, Any]:
        told = asdict(self)
        told["issued_on"] = self.issued_on.isoformat()
        told["until"] = self.until.isoformat() if self.until else None
        told["kind"] = str(self.kind)
        if self.bank:
            told["bank"]["kind"] = str(self.bank.kind)
        return json.loads(json.dumps(told))


def title_of(kind: PaperKind, *, registered: bool) -> str:
    """The words that the VAT Act asks for: s. 20(4)(a) and 21(3)(a). Only who is registered says tax."""
    if kind is PaperKind.INVOICE:
        return "Tax invoice" if registered else "Invoice"
    return {
        PaperKind.QUOTATION: "Quotation",
        PaperKind.PRO_FORMA: "Pro-forma invoice",
        PaperKind.CREDIT_NOTE: "Credit note",
    }[kind]


def digest(told: dict[str, Any]) -> str:
    """The hash of a body as it is kept, the same on both databases."""
    plain = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(plain.encode()).hexdigest()


def read(told: dict[str, Any]) -> Body:
    """A body that was kept."""
    bill, bank = told["bill"], told["bank"]
    return Body(
        kind=PaperKind(told["kind"]),
        title=told["title"],
        label=told["label"],
        issued_on=date.fromisoformat(told["issued_on"]),
        until=date.fromisoformat(told["until"]) if told["until"] else None,
        supplier=Organiser(**told["supplier"]),
        bank=Account(**{**bank, "kind": AccountKind(bank["kind"])}) if bank else None,
        bill_to=BillTo(**told["bill_to"]),
        event=told["event"],
        references=tuple(told["references"]),
        bill=Bill(
            tuple(_line(line) for line in bill["lines"]),
            Money(**bill["net"]), Money(**bill["vat"]), Money(**bill["total"]), bill["rate_bp"],
        ),
        received=Money(**told["received"]),
        credits=told["credits"],
        why=told["why"],
        replaces=told["replaces"],
        note=told["note"],
        demo=told["demo"],
    )  # fmt: skip


def _line(told: dict[str, Any]) -> Line:
    money = {name: Money(**told[name]) for name in ("unit", "discount", "net", "vat", "gross")}
    return Line(what=told["what"], quantity=told["quantity"], **money)
