"""Our accounts at banks, and what the columns of their files mean where no layout knows them."""

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import BankAccount, StatementMapping
from db.money import CURRENCIES
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound
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
        raise InvalidInput(f"{currency!r} is not a currency this desk can hold.")
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
    if not row.name:
        raise InvalidInput("Give the account a name that colleagues know it by.")
    if session.scalar(select(BankAccount.id).where(BankAccount.name == row.name)) is not None:
        raise Conflict(f"There is an account called {row.name} already.")
    if row.number and find(session, row.number) is not None:
        raise Conflict(f"The account {row.number} is here already.")
    session.add(row)
    session.flush()
    audit.record(session, person, "create_account", row.name, now=now, bank=row.bank, number=row.number)
    return view_of(row)


def find(session: Session, number: str) -> AccountView | None:
    """The account with this number, however a file writes it."""
    if not (wanted := digits(number)):
        return None
    rows = session.scalars(
        select(BankAccount).where(BankAccount.number != "", BankAccount.retired_at.is_(None))
    )
    return next((view_of(row) for row in rows if same_number(row.number, wanted)), None)


def by_name(session: Session, person: Person, name: str) -> AccountView:
    """The account that somebody names, by its name or its number. Raises NotFound."""
    known = list_accounts(session, person)
    for account in known:
        if name.casefold() == account.name.casefold() or same_number(account.number, digits(name)):
            return account
    there = ", ".join(account.name for account in known) or "none yet"
    raise NotFound(f"No account is called {name!r}. There are: {there}.")


def digits(text: str) -> str:
    return re.sub("[^0-9]", "", text)


def same_number(one: str, other: str) -> bool:
    """The same account: files lead numbers with zeros, or with the branch."""
    one, other = one.lstrip("0"), other.lstrip("0")
    shorter, longer = sorted((one, other), key=len)
    return bool(shorter) and (shorter == longer or (len(shorter) >= 8 and longer.endswith(shorter)))


def row(session: Session, account_id: int, *, lock: bool = False) -> BankAccount:
    """The account's row; with ``lock`` held until the transaction ends. Raises NotFound."""
    query = select(BankAccount).where(BankAccount.id == account_id)
    found = session.scalar(query.with_for_update() if lock else query)
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
