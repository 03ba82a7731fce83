"""Terms: what an event settles with its payers. Who never set any has the usual ones."""

from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from db.models import EventTerms
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import InvalidInput
from payments.live import tallies
from payments.payers.payer_words import Language
from payments.selling.events import event_row
from payments.watching import standstill

#: The longest that a link may be waited for after its event.
LONGEST_DAYS = 365


@dataclass(frozen=True)
class Terms:
    """``expire_days``: so long after the event's last day unpaid links expire; None is never by itself.

    ``language`` is what its payers are spoken to in.
    """

    expire_days: int | None = 7
    language: Language = Language.ENGLISH

    def last_day(self, ends_on: date) -> date | None:
        """The last day on which an event that ends then still waits for a link."""
        return None if self.expire_days is None else ends_on + timedelta(days=self.expire_days)


def of(session: Session, event_id: int) -> Terms:
    row = session.get(EventTerms, event_id)
    return view(row) if row is not None else Terms()


def view(row: EventTerms) -> Terms:
    return Terms(expire_days=row.expire_days, language=Language(row.language))


def save(session: Session, person: Person, event_code: str, wanted: Terms, *, now: datetime) -> None:
    """Set an event's terms; the audit tells what they were. Raises NotAllowed, NotFound, InvalidInput."""
    standstill.refuse(session)
    event = event_row(session, person, event_code)
    check(person, Action.MANAGE_EVENTS, event.id)
    _check(wanted)
    was = of(session, event.id)
    if was == wanted:
        return
    row = session.get(EventTerms, event.id) or EventTerms(event_id=event.id)
    for name, value in asdict(wanted).items():
        setattr(row, name, value)
    row.changed_at = now
    session.add(row)
    before, after = asdict(was), asdict(wanted)
    changed = [name for name in after if after[name] != before[name]]
    audit.record(
        session, person, "change_terms", event.code, now=now, event_id=event.id,
        was={name: before[name] for name in changed}, became={name: after[name] for name in changed},
    )  # fmt: skip
    tallies.bump(session, event.id)


def _check(wanted: Terms) -> None:
    if wanted.expire_days is not None and not 0 <= wanted.expire_days <= LONGEST_DAYS:
        raise InvalidInput(f"Links expire 0 to {LONGEST_DAYS} days after the event, or never.")
