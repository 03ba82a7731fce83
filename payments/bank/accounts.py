"""Our accounts at banks, and what the columns of their files mean where no layout knows them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import (
    AuditEntry,
    BankAccount,
    Event,
    EventAccount,
    QuarantinedRow,
    StatementFile,
    StatementLine,
    StatementMapping,
)
from db.money import CURRENCIES
from payments import statements
from payments.access.people import Action, Person, check
from payments.bank.overlaps import OPEN
from payments.books import audit
from payments.circles import without_looking_for_circles
from payments.errors import Conflict, InvalidInput, NotFound, StatementFormatError, quoted
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
        _is_typed(session, known)
    known.name, known.number = name, number
    session.flush()
    audit.record(
        session, person, "change_account", was["name"], now=now, was=was,
        became={"name": name, "number": number},
    )  # fmt: skip
    return view_of(known)


def retire(session: Session, person: Person, account_id: int, *, now: datetime) -> None:
    """No statement comes into it any more, and nothing is paid from it; what is here of it stays.

    Raises NotFound, NotAllowed; Conflict: its lines wait, or rows that could not be read, or payers are told
    it.
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
    if unread := _unread(session, known):
        raise Conflict(
            f"{unread} of the rows of its files could not be read, and wait. Say on Statements what they are "
            "first."
        )
    known.retired_at = now
    session.flush()
    audit.record(session, person, "retire_account", known.name, now=now, number=known.number)


def refuse_out_of_use(session: Session, account_id: int) -> None:
    """Raises Conflict: what would wait in this account now, no list offers to anybody."""
    known = row(session, account_id)
    if known.retired_at is not None:
        raise Conflict(
            f"{known.name} is out of use, and this would wait in it. Use it again first, under Statements."
        )


def _unread(session: Session, known: BankAccount) -> int:
    """Rows of its files that wait for somebody to say what they are."""
    rows = select(func.count()).select_from(QuarantinedRow)
    rows = rows.join(StatementFile, StatementFile.id == QuarantinedRow.file_id).where(
        StatementFile.account_id == known.id, StatementFile.undone_at.is_(None),
        QuarantinedRow.state == "waits",
    )  # fmt: skip
    return session.scalar(rows) or 0


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
    files = _files(session, account)
    if any(file.undone_at is None for file in files) or _told_for(session, account):
        return ""
    if not any(_taught(session, account, file) for file in files):
        return ""
    number, account.number = account.number, ""
    session.flush()
    return number


def _taught(session: Session, account: BankAccount, file: StatementFile) -> bool:
    """The account learned the number that it has from this file, and no person typed it since."""
    if file.named.get("typed_since") or not account.number:
        return False
    if "learned" in file.named:
        return bool(file.named["learned"]) and file.named["number"] == account.number
    # Files of before do not say so. Nobody changed a number then: one that it was not made with is theirs.
    made = select(AuditEntry.detail).where(
        AuditEntry.at == account.created_at, AuditEntry.action == "create_account"
    )
    was = [detail.get("number") for detail in session.scalars(made)]
    return was != [] and not any(was) and _said(file) == account.number


def _is_typed(session: Session, known: BankAccount) -> None:
    """What the account has from now on, a person said, be it once more what a file had said before."""
    for file in _files(session, known):
        file.named = {**file.named, "typed_since": True}


def _files(session: Session, account: BankAccount) -> Sequence[StatementFile]:
    files = select(StatementFile).where(StatementFile.account_id == account.id).order_by(StatementFile.id)
    return session.scalars(files).all()


@without_looking_for_circles()
def _said(file: StatementFile) -> str:
    """The number that a file says it is of. One that came in before that was kept is read anew, as it is."""
    if "number" in file.named:
        return str(file.named["number"])
    mapping = Mapping.from_json(file.mapping) if file.mapping else None
    try:
        read = statements.read(file.name, file.data, mapping=mapping, date_order=file.date_order or None)
    except StatementFormatError:  # a release that reads more strictly: it says nothing that this one knows
        return ""
    return digits(read.account)


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
    for file in _files(session, known):
        said = "" if file.undone_at is not None else _said(file)
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
