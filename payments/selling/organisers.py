"""Who an event's money is paid to, as receipts and bills show them, and whether they are VAT registered."""

import re
from dataclasses import asdict, dataclass, fields
from datetime import datetime

from sqlalchemy.orm import Session

from db.models import Organiser as Row
from payments.access.people import Action, Person, check, proven
from payments.books import audit
from payments.errors import InvalidInput
from payments.live import tallies
from payments.privacy import clean, clean_line
from payments.selling.events import event_row
from payments.watching import standstill

#: A South African VAT number is ten digits, the first a 4 (SARS).
_VAT_NUMBER = re.compile("4[0-9]{9}", re.ASCII)


@dataclass(frozen=True)
class Organiser:
    name: str = ""
    address: str = ""
    vat_number: str = ""
    registration: str = ""  # a company's, as 2019/123456/08
    contact: str = ""  # where questions about a bill go
    supplier_number: str = ""  # as buyers know them: of the Central Supplier Database, or a university's


def of(session: Session, event_id: int) -> Organiser:
    row = session.get(Row, event_id)
    return (
        Organiser(**{one.name: getattr(row, one.name) for one in fields(Organiser)}) if row else Organiser()
    )


def save(session: Session, person: Person, event_code: str, wanted: Organiser, *, now: datetime) -> None:
    """Say who the organiser is; receipts and invoices from now on show it, beside the bank account.

    Raises NotAllowed, NotFound, ProveAgain, InvalidInput.
    """
    standstill.refuse(session)
    event = event_row(session, person, event_code)
    check(person, Action.MANAGE_EVENTS, event.id)
    proven(person, now=now)
    wanted, was = _checked(wanted), of(session, event.id)
    if wanted == was:
        return
    row = session.get(Row, event.id) or Row(event_id=event.id)
    for name, value in asdict(wanted).items():
        setattr(row, name, value)
    row.changed_at = now
    session.add(row)
    audit.record(
        session, person, "change_organiser", event.code, now=now, event_id=event.id,
        was=asdict(was), became=asdict(wanted),
    )  # fmt: skip
    tallies.bump(session, event.id)


def _checked(wanted: Organiser) -> Organiser:
    name = _line(wanted.name, "The organiser's name", 120)
    address = clean(wanted.address, field="The address", longest=300)
    vat_number = checked_vat_number(wanted.vat_number)
    if vat_number and not (name and address):
        raise InvalidInput("A tax invoice shows name and address: give both with the VAT number.")
    return Organiser(
        name, address, vat_number,
        registration=_line(wanted.registration, "The registration number", 40),
        contact=_line(wanted.contact, "The contact", 120),
        supplier_number=_line(wanted.supplier_number, "The supplier number", 40),
    )  # fmt: skip


def checked_vat_number(text: str) -> str:
    """Its ten digits, or "" for none. Raises InvalidInput."""
    vat_number = "".join(text.split())
    if vat_number and not _VAT_NUMBER.fullmatch(vat_number):
        raise InvalidInput("A VAT number is ten digits, the first of them a 4. Leave it empty without one.")
    return vat_number


def _line(text: str, field: str, longest: int) -> str:
    return clean_line(text, field=field, longest=longest)
