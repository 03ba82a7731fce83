"""How an EFT payer pays: the event's bank account, the exact reference, and until when."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Event, EventAccount, Payment
from db.money import Money
from payments import dates, lifecycle, obligations, references
from payments.access import people
from payments.access.people import Action, Person, check, proven
from payments.bank import accounts
from payments.books import audit
from payments.errors import Conflict, InvalidInput, quoted
from payments.lifecycle import CLOSED, SETTLED, Kind, Source, Status
from payments.obligations import Draft
from payments.payers import places
from payments.privacy import clean_line, fold
from payments.selling.events import event_row
from payments.watching import standstill

#: Somebody who is asked today has so many days to pay,
DAYS_TO_PAY = 7
#: and an EFT takes so many bank days until it is on our account.
BANK_DAYS = 2
_NUMBER, _BRANCH = re.compile(r"[0-9]{6,13}", re.ASCII), re.compile(r"[0-9]{6}", re.ASCII)


class AccountKind(StrEnum):
    CHEQUE = "cheque"
    SAVINGS = "savings"


@dataclass(frozen=True)
class Account:
    """A bank account as payers must write it into their bank's app."""

    bank: str
    holder: str
    number: str
    branch_code: str
    kind: AccountKind = AccountKind.CHEQUE


@dataclass(frozen=True)
class Sheet:
    """What a payer needs. ``spoken`` is the reference without its underscore, which bank apps refuse.
    ``whom`` is who of several people it is for; else it is for all of them. ``due_on`` is None where no day
    can be kept any more; ``here_on``: by then an EFT of today is on our account."""

    reference: str
    spoken: str
    account: Account
    amount: Money
    due_on: date | None
    here_on: date
    payer_name: str
    event_name: str
    whom: str = ""

    @property
    def until(self) -> str:
        """Until when it is to be paid, as words that go on a sentence."""
        if self.due_on is not None:
            return f"until {dates.say_days(self.due_on, self.due_on)}"
        return f"at once (sent today it is here by {dates.say_days(self.here_on, self.here_on)})"

    @property
    def text(self) -> str:
        """The sheet in one message."""
        to = self.account
        of = f"{self.event_name}, {self.whom}" if self.whom else self.event_name
        return (
            f"{of}: please pay {self.amount} by EFT {self.until} to {to.holder}, {to.bank}, "
            f"account {to.number}, branch {to.branch_code}. Write exactly this as reference: {self.spoken}"
        )


def to_set(
    session: Session, person: Person, event_code: str, wanted: Account
) -> tuple[Event, Account | None, Account]:
    """The event, which account its payers are told now, and exactly which they would be told then.

    The event is held until the transaction ends: two changes of it come one after the other.
    Raises NotFound, NotAllowed, InvalidInput, Conflict.
    """
    event = event_row(session, person, event_code)
    check(person, Action.MANAGE_EVENTS, event.id)
    session.execute(select(Event.id).where(Event.id == event.id).with_for_update(key_share=True))
    row, known = _active(session, event.id), _checked(wanted)
    return event, _account(row) if row else None, _as_kept(session, known, event.currency)


def set_account(
    session: Session,
    person: Person,
    event_code: str,
    wanted: Account,
    *,
    now: datetime,
    approval: int | None = None,
) -> Account:
    """The account of an event from now on. Payers with an older sheet still pay into the one before.

    Raises NotFound, NotAllowed, InvalidInput, Conflict (it takes two people, and nobody else allowed it).
    """
    event, was, becomes = to_set(session, person, event_code, wanted)
    proven(person, now=now)
    if was == becomes:
        return becomes
    second = people.seconded(session, person, approval, now=now)
    _end(session, event.id)
    session.add(
        EventAccount(
            event_id=event.id, account_id=_bank_account(session, person, becomes, event.currency, now),
            kind=becomes.kind, active=True, created_at=now, created_by=person.name,
        )
    )  # fmt: skip
    session.flush()
    audit.record(
        session, person, "set_bank_account", event.code, now=now, event_id=event.id,
        was=told(was) if was else None, became=told(becomes), **second,
    )  # fmt: skip
    return becomes


def stop_account(session: Session, person: Person, event_code: str, *, now: datetime) -> None:
    """Tell an event's payers no account any more, at once: the one they are told is not to be paid into.

    Raises NotFound, NotAllowed, Conflict (there is none).
    """
    event = event_row(session, person, event_code)
    check(person, Action.MANAGE_EVENTS, event.id)
    proven(person, now=now)
    row = _active(session, event.id)
    if row is None:
        raise Conflict(f"Payers of {event.name} are told no account.")
    _end(session, event.id)
    audit.record(
        session, person, "stop_bank_account", event.code, now=now, event_id=event.id, was=told(_account(row))
    )


def account(session: Session, person: Person, event_code: str) -> Account | None:
    """Where the payers of an event pay by EFT; None while nobody said. Raises NotFound."""
    event = event_row(session, person, event_code)
    row = _active(session, event.id)
    return _account(row) if row else None


def ask(session: Session, person: Person, draft: Draft, *, now: datetime) -> str:
    """Ask somebody to pay by EFT, and return the reference: a payment without a link. The same draft again
    is the same payment. Raises InvalidInput, NotFound, NotAllowed, Conflict (the event has no account).
    """
    wanted = obligations.checked(draft)
    event = event_row(session, person, wanted.event_code)
    check(person, Action.ISSUE_LINK, event.id)
    known = session.scalar(select(Payment).where(Payment.reference == wanted.reference))
    if known is not None:
        obligations.same_intent(known, event, wanted)
        return known.reference
    if _active(session, event.id) is None:
        raise Conflict(f"{event.name} has no bank account yet. An admin adds it under Events.")
    payment = obligations.create(session, event, wanted, person=person, now=now, source=Source.DESK)
    lifecycle.advance(session, payment, Status.OPEN, now=now, source=Source.DESK, actor=person.name, by="eft")
    audit.record(
        session, person, "ask_by_eft", payment.reference, now=now, event_id=event.id,
        amount_minor=payment.amount_minor,
    )  # fmt: skip
    return payment.reference


def sheet(session: Session, person: Person, reference: str, place: int = 0, *, now: datetime) -> Sheet:
    """How to pay what is still owed of a payment, or of one of several people on it.

    Raises NotFound; Conflict: it has its money, is closed, or its event has no account.
    """
    payment = obligations.seen(session, person, reference)
    if payment.status in SETTLED | CLOSED:
        raise Conflict(f"{reference} is {payment.status.replace('_', ' ')}; nobody need pay it.")
    row = _active(session, payment.event_id)
    if row is None:
        raise Conflict(f"{payment.event.name} has no bank account yet. An admin adds it under Events.")
    amount, whom = Money(payment.owed_minor - payment.received_minor, payment.amount_currency), ""
    if place:
        one = places.one(session, payment, place)
        if not one.missing:
            raise Conflict(f"{one.name} is paid already.")
        amount, whom = one.missing, one.name
    today, due = dates.business_day(now), due_on(payment.event, payment.created_at)
    return Sheet(
        reference=references.of_place(payment.reference, place),
        spoken=references.of_place(references.spoken(payment.reference), place),
        account=_account(row),
        amount=amount,
        due_on=due if today <= due <= _latest(payment.event) else None,
        here_on=dates.next_bank_day(today, BANK_DAYS),
        payer_name=payment.payer_name,
        event_name=payment.event.name,
        whom=whom,
    )


def shared(
    session: Session, person: Person, reference: str, how: str, *, place: int = 0, now: datetime
) -> None:
    """The sheet was given to the payer: it stands on the timeline. Raises NotFound, NotAllowed, Conflict."""
    standstill.refuse(session)
    payment = obligations.held(session, person, Action.ISSUE_LINK, reference)
    lifecycle.note(
        session, payment, Kind.SHARED, now=now, source=Source.DESK, actor=person.name, how=how,
        what="bank details", **({"place": place} if place else {}),
    )  # fmt: skip


def due_on(event: Event, asked_at: datetime) -> date:
    """A week after it was asked for; before the event, with the days an EFT takes; never in the past."""
    asked = dates.business_day(asked_at)
    return max(asked, min(asked + timedelta(days=DAYS_TO_PAY), _latest(event)))


def accounts_of(session: Session, event_id: int) -> list[Account]:
    """Every account its payers may have been told, for other rooms."""
    rows = session.scalars(select(EventAccount).where(EventAccount.event_id == event_id))
    return [_account(row) for row in rows]


def told(account: Account) -> dict[str, str]:
    """In plain values, by what they are called here."""
    return {name: str(value) for name, value in vars(account).items()}


# -- inside -----------------------------------------------------------------------------------------


def _latest(event: Event) -> date:
    """The last day on which an EFT can be sent that is here when the event begins."""
    day = event.starts_on
    for _ in range(BANK_DAYS):
        day = _bank_day_before(day)
    return day


def _bank_day_before(day: date) -> date:
    day -= timedelta(days=1)
    while not dates.is_bank_day(day):
        day -= timedelta(days=1)
    return day


def _active(session: Session, event_id: int) -> EventAccount | None:
    return session.scalar(select(EventAccount).where(EventAccount.event_id == event_id, EventAccount.active))


def _end(session: Session, event_id: int) -> None:
    """The account that payers are told is told no more; it stays known as one of the event's."""
    if (row := _active(session, event_id)) is not None:
        row.active = False
        session.flush()


def _as_kept(session: Session, wanted: Account, currency: str) -> Account:
    """As payers would read it: an account of ours stands as it is kept here. Raises Conflict."""
    known = accounts.find(session, wanted.number)
    if known is None:
        return wanted
    if known.number.lstrip("0") != wanted.number.lstrip("0"):
        raise Conflict(
            f"{wanted.number} ends like the account {known.number} that is kept here. Write that number if "
            f"it is that account: two that end alike cannot be told apart in the bank's files."
        )
    if known.currency != currency:
        raise Conflict(f"{known.name} is in {known.currency}, and the event takes {currency}.")
    for name in ("bank", "holder", "branch_code"):
        kept, said = getattr(known, name), getattr(wanted, name)
        if kept and fold(kept) != fold(said):
            raise Conflict(
                f"The account {known.number} is kept here with {quoted(kept)}, not {quoted(said)}."
            )
    return Account(
        known.bank or wanted.bank, known.holder or wanted.holder, known.number,
        known.branch_code or wanted.branch_code, wanted.kind,
    )  # fmt: skip


def _bank_account(session: Session, person: Person, wanted: Account, currency: str, now: datetime) -> int:
    """The account of ours with this number, as its bank's statements are kept under; a new one is made.
    Raises Conflict where it got another number, or went out of use, in this moment."""
    known = accounts.find(session, wanted.number)
    if known is None:
        name = f"{wanted.bank} {wanted.number}"
        return accounts.create(
            session, person, name=name, bank=wanted.bank, number=wanted.number, holder=wanted.holder,
            branch_code=wanted.branch_code, currency=currency, now=now,
        ).id  # fmt: skip
    row = accounts.row(session, known.id, lock=True)
    if row.number != known.number or row.retired_at is not None:  # one person may, of what no payer was told
        raise Conflict(f"{row.name} was changed in this moment. Nothing was done: look at it again.")
    for name in ("bank", "holder", "branch_code"):
        setattr(row, name, getattr(row, name) or getattr(wanted, name))
    return row.id


def _checked(wanted: Account) -> Account:
    bank = _line(wanted.bank, "The bank", 60)
    holder = _line(wanted.holder, "The account holder", 80)
    number, branch = (re.sub(r"[\s-]", "", text) for text in (wanted.number, wanted.branch_code))
    if not _NUMBER.fullmatch(number):
        raise InvalidInput("The account number is 6 to 13 digits.")
    if not _BRANCH.fullmatch(branch):
        raise InvalidInput("The branch code is 6 digits, such as the bank's universal one.")
    return Account(bank, holder, number, branch, AccountKind(wanted.kind))


def _line(text: str, field: str, longest: int) -> str:
    plain = clean_line(text, field=field, longest=longest)
    if not plain:
        raise InvalidInput(f"{field} is missing.")
    return plain


def _account(row: EventAccount) -> Account:
    ours = row.account
    return Account(ours.bank, ours.holder, ours.number, ours.branch_code, AccountKind(row.kind))
