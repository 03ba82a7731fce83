"""Our accounts at banks, and what the columns of their files mean where no layout knows them."""

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import BankAccount, Event, EventAccount, StatementFile, StatementLine, StatementMapping
from db.money import CURRENCIES
from payments.access.people import Action, Person, check
from payments.bank.overlaps import OPEN
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound, quoted
from payments.privacy import clean_line
from payments.statements import Mapping


@dataclass(frozen=True)
class AccountView:
    """An account of ours. ``number`` is digits only, "" while nobody has said it."""

    id: int
    name: str
    bank: str
    number: str
    branch_code: str
    holder: str
    currency: str

    @property
    def told(self) -> str:
        """Its name, and the end of its number."""
        return f"{self.name} …{self.number[-4:]}" if self.number else self.name


def list_accounts(session: Session, person: Person) -> list[AccountView]:
    """Those in use, by name."""
    check(person, Action.SEE_BANK)
    rows = session.scalars(
        select(BankAccount).where(BankAccount.retired_at.is_(None)).order_by(BankAccount.name)
    )
    return [view_of(row) for row in rows]


def create(
    session: Session,
    person: Person,
    *,
    name: str,
    now: datetime,
    bank: str = "",
    number: str = "",
    branch_code: str = "",
    holder: str = "",
    currency: str = "ZAR",
) -> AccountView:
    """A new account. Raises InvalidInput, Conflict (the name or the number is taken), NotAllowed."""
    check(person, Action.RECONCILE)
    if currency not in CURRENCIES:
        raise InvalidInput(f"{quoted(currency)} is not a currency this desk can hold.")
    row = BankAccount(
        name=_text(name, "The name", 80),
        bank=_text(bank, "The bank", 60),
        number=digits(number),
        branch_code=digits(branch_code)[:12],
        holder=_text(holder, "The holder", 80),
        currency=currency,
        created_at=now,
        created_by=person.name,
    )
    _free(session, row.name, row.number)
    session.add(row)
    session.flush()
    audit.record(session, person, "create_account", row.name, now=now, bank=row.bank, number=row.number)
    return view_of(row)


def change(
    session: Session, person: Person, account_id: int, *, name: str, number: str, now: datetime
) -> AccountView:
    """Another name or number. Raises InvalidInput, NotFound, NotAllowed; Conflict: it is taken, a statement
    that stands says another number, or payers were told the one it has."""
    check(person, Action.RECONCILE)
    known = row(session, account_id, lock=True)
    name, number = _text(name, "The name", 80), digits(number)
    was = {"name": known.name, "number": known.number}
    if was == {"name": name, "number": number}:
        return view_of(known)
    _free(session, name, number, besides=known.id)
    if number != known.number:
        _may_have(session, known, number)
    known.name, known.number = name, number
    session.flush()
    audit.record(
        session, person, "change_account", was["name"], now=now, was=was,
        became={"name": name, "number": number},
    )  # fmt: skip
    return view_of(known)


def retire(session: Session, person: Person, account_id: int, *, now: datetime) -> None:
    """No statement comes into it any more, and nothing is paid from it; what is here of it stays.

    Raises NotFound, NotAllowed; Conflict: its lines wait, or payers are told it.
    """
    check(person, Action.RECONCILE)
    known = row(session, account_id, lock=True)
    if known.retired_at is not None:
        raise Conflict(f"{known.name} is out of use already.")
    if event := _told_for(session, known, active=True):
        raise Conflict(f"Payers of {event} are told {known.name}. Stop telling it under Events first.")
    waits = session.scalar(
        select(func.count()).where(StatementLine.account_id == known.id, StatementLine.state == OPEN)
    )
    if waits:
        raise Conflict(
            f"{waits} of the lines of {known.name} wait. Say on Reconcile what they are for first."
        )
    known.retired_at = now
    session.flush()
    audit.record(session, person, "retire_account", known.name, now=now, number=known.number)


def retired(session: Session, person: Person) -> list[AccountView]:
    """Those out of use, by name."""
    check(person, Action.SEE_BANK)
    rows = session.scalars(
        select(BankAccount).where(BankAccount.retired_at.is_not(None)).order_by(BankAccount.name)
    )
    return [view_of(one) for one in rows]


def use_again(session: Session, person: Person, account_id: int, *, now: datetime) -> None:
    """An account that was out of use. Raises NotFound, NotAllowed; Conflict: its number is another's now."""
    check(person, Action.RECONCILE)
    known = row(session, account_id, lock=True)
    if known.retired_at is None:
        raise Conflict(f"{known.name} is in use.")
    _free(session, known.name, known.number, besides=known.id)
    known.retired_at = None
    session.flush()
    audit.record(session, person, "use_account_again", known.name, now=now, number=known.number)


def forget_number(session: Session, account: BankAccount) -> str:
    """Once no import stands: a number that only a file said, and no person, is not known any more. Returns
    it. The caller holds the account."""
    files = select(StatementFile.named, StatementFile.undone_at).where(StatementFile.account_id == account.id)
    said = session.execute(files).all()
    learned = any(named.get("learned") and named["number"] == account.number for named, _ in said)
    stands = any(undone_at is None for _, undone_at in said)
    if not learned or stands or _told_for(session, account):
        return ""
    number, account.number = account.number, ""
    session.flush()
    return number


def _free(session: Session, name: str, number: str, *, besides: int = 0) -> None:
    """Raises InvalidInput, or Conflict where another account has the name or number."""
    if not name:
        raise InvalidInput("Give the account a name that colleagues know it by.")
    other = session.scalar(select(BankAccount).where(BankAccount.name == name, BankAccount.id != besides))
    if other is not None:
        gone = " It is out of use: use it again, or take another name." if other.retired_at else ""
        raise Conflict(f"There is an account called {name} already.{gone}")
    known = find(session, number)
    if known is not None and known.id != besides:
        raise Conflict(f"The account {number} is here already, as {known.name}.")


def _may_have(session: Session, known: BankAccount, number: str) -> None:
    """Raises Conflict where this account cannot have another number."""
    if event := _told_for(session, known):
        raise Conflict(
            f"Payers of {event} were told {known.number}. Another account for them takes two people, under "
            "Events; add it as an account of its own."
        )
    files = select(StatementFile).where(
        StatementFile.account_id == known.id, StatementFile.undone_at.is_(None)
    )
    for file in session.scalars(files.order_by(StatementFile.id)):
        said = file.named.get("number", "")
        if said and not same_number(said, number):
            raise Conflict(f"{file.name}, which is here, says {said}. Undo import {file.id} first.")


def _told_for(session: Session, account: BankAccount, *, active: bool = False) -> str | None:
    """An event whose payers were told this account, or still are."""
    wanted = select(Event.name).join(EventAccount, EventAccount.event_id == Event.id)
    wanted = wanted.where(EventAccount.account_id == account.id)
    return session.scalar((wanted.where(EventAccount.active) if active else wanted).limit(1))


def find(session: Session, number: str) -> AccountView | None:
    """The account with this number, however a file writes it."""
    if not (wanted := digits(number)):
        return None
    rows = session.scalars(
        select(BankAccount).where(BankAccount.number != "", BankAccount.retired_at.is_(None))
    )
    return next((view_of(row) for row in rows if same_number(row.number, wanted)), None)


def by_name(session: Session, person: Person, name: str) -> AccountView:
    """The account that somebody names: by its name, its number at the bank, or its number at this desk.
    Raises NotFound."""
    known = list_accounts(session, person)
    for account in known:
        if name.casefold() == account.name.casefold() or same_number(account.number, digits(name)):
            return account
    for account in known:  # after the names: an account may be called 2
        if name.strip() == str(account.id):
            return account
    there = ", ".join(f"{account.name} ({account.id})" for account in known) or "none yet"
    raise NotFound(f"No account is called {quoted(name)}. There are: {there}.")


def digits(text: str) -> str:
    return re.sub("[^0-9]", "", text)


def same_number(one: str, other: str) -> bool:
    """The same account: files lead numbers with zeros, or with the branch."""
    one, other = one.lstrip("0"), other.lstrip("0")
    shorter, longer = sorted((one, other), key=len)
    return bool(shorter) and (shorter == longer or (len(shorter) >= 8 and longer.endswith(shorter)))


def row(session: Session, account_id: int, *, lock: bool = False) -> BankAccount:
    """The account's row; with ``lock`` as it is on disk now, held until the transaction ends. Raises
    NotFound."""
    query = select(BankAccount).where(BankAccount.id == account_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    found = session.scalar(query)
    if found is None:
        raise NotFound("There is no such account.")
    return found


def view_of(row: BankAccount) -> AccountView:
    return AccountView(row.id, row.name, row.bank, row.number, row.branch_code, row.holder, row.currency)


# -- mappings -----------------------------------------------------------------------------------------


def mappings(session: Session, person: Person, account_id: int) -> list[Mapping]:
    """What is remembered of this account's files, the newest first."""
    check(person, Action.SEE_BANK)
    rows = session.scalars(
        select(StatementMapping)
        .where(StatementMapping.account_id == account_id)
        .order_by(StatementMapping.made_at.desc(), StatementMapping.id.desc())
    )
    return [Mapping.from_json(row.mapping) for row in rows]


def remember(session: Session, person: Person, account_id: int, mapping: Mapping, *, now: datetime) -> None:
    """Keep a mapping under its name; one of the same name is replaced."""
    check(person, Action.RECONCILE)
    account = row(session, account_id, lock=True)
    kept = session.scalar(
        select(StatementMapping).where(
            StatementMapping.account_id == account_id, StatementMapping.name == mapping.name
        )
    )
    if kept is None:
        kept = StatementMapping(account_id=account_id, name=_text(mapping.name, "The mapping's name", 80))
        session.add(kept)
    kept.mapping, kept.made_at, kept.made_by = mapping.to_json(), now, person.name
    session.flush()
    audit.record(
        session, person, "remember_mapping", account.name, now=now, mapping=mapping.name,
        columns=mapping.to_json(),
    )  # fmt: skip


def _text(text: str, field: str, longest: int) -> str:
    return clean_line(text, field=field, longest=longest)
