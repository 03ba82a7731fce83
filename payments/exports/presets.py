"""Layouts under a name: each person's own, and those that others of their role share with them."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from db.models import ExportPreset, PersonRow
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound, quoted
from payments.exports.layout import CONFERENCE, REGISTRATIONS, Layout, from_plain, to_plain
from payments.finding.found import NEWEST
from payments.privacy import clean_line

_LONGEST_NAME = 60


@dataclass(frozen=True)
class Preset:
    id: int
    name: str
    layout: Layout
    shared: bool
    owner: str
    own: bool


#: Everybody's: the files of the earlier system that people still use.
PROFILES = (
    Preset(-1, "Registrations, as before", Layout(columns=REGISTRATIONS), True, "Paydesk", False),
    Preset(-2, "One conference, as before", Layout(columns=CONFERENCE), True, "Paydesk", False),
)


def list_presets(session: Session, person: Person) -> list[Preset]:
    """By name, one's own first."""
    check(person, Action.EXPORT)
    query = (
        select(ExportPreset, PersonRow.name)
        .join(PersonRow, PersonRow.id == ExportPreset.person_id)
        .where(or_(ExportPreset.person_id == person.id, ExportPreset.role == str(person.role)))
    )
    found = [
        Preset(
            row.id, row.name, from_plain(row.layout), row.role is not None, owner, row.person_id == person.id
        )
        for row, owner in session.execute(query)
    ]
    return sorted(found, key=lambda preset: (not preset.own, preset.name.casefold(), preset.id))


def named(session: Session, person: Person, name: str) -> Preset:
    """Raises NotFound."""
    for preset in (*list_presets(session, person), *PROFILES):
        if preset.name == name:
            return preset
    raise NotFound(
        f"There is no preset {quoted(name)} for {person.name}. A preset is kept in the export dialog."
    )


def save(session: Session, person: Person, name: str, layout: Layout, *, shared: bool, now: datetime) -> None:
    """Keep a layout; one of the same name of this person is replaced. Raises InvalidInput, Conflict."""
    check(person, Action.EXPORT)
    if not person.id:
        raise Conflict("A preset belongs to a person. Say who: --as EMAIL.")
    kept = clean_line(name, field="The name", longest=_LONGEST_NAME)
    if not kept:
        raise InvalidInput("Give the preset a name.")
    same = select(ExportPreset).where(ExportPreset.person_id == person.id, ExportPreset.name == kept)
    row = session.scalar(same) or ExportPreset(person_id=person.id, name=kept)
    layout = replace(layout, sort=NEWEST)
    row.layout, row.role, row.changed_at = dict(to_plain(layout)), str(person.role) if shared else None, now
    session.add(row)
    audit.record(session, person, "save_export_preset", kept, now=now, layout=row.layout, shared=shared)


def forget(session: Session, person: Person, name: str, *, now: datetime) -> None:
    """Take one of one's own away. Raises NotFound."""
    check(person, Action.EXPORT)
    gone = delete(ExportPreset).where(ExportPreset.person_id == person.id, ExportPreset.name == name)
    if not session.execute(gone).rowcount:  # type: ignore[attr-defined]
        raise NotFound(f"You have no preset {quoted(name)}.")
    audit.record(session, person, "forget_export_preset", name, now=now)
