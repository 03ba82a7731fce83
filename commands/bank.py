"""Commands about the bank: accounts, statements in and out again, what lines are for."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.orm import Session

from bootstrap import App
from commands import AsEmail, AsJson, acting, answer, asking, command_line, console, open_desk, samples
from commands.statements import bytes_of, mapping_of, next_step
from db.models import Payment
from db.money import Money
from payments import references
from payments.access.people import Person
from payments.bank import accounts, imports
from payments.books import audit
from payments.errors import InvalidInput, NotFound, quoted
from payments.matching import Target
from payments.reconciling import exceptions, proposing, reconciliation
from payments.reconciling.parts import Decided, Part
from payments.typed import amount_typed
from words import bank as bank_words

_SHOWN = 50
_PART = re.compile(r"(?P<reference>[^=]+)(?:=(?P<amount>.+))?")


def acting_as(app: App, session: Session, email: str | None, command: str, about: str) -> Person:
    """Who moves money; that a command did it is written down beside."""
    person = acting(session, app.settings, email)
    audit.record(session, command_line(), command, about, now=app.now(), acting_as=person.email)
    return person


def account(
    name: Annotated[str, typer.Argument(help="What colleagues call it.")],
    number: Annotated[str, typer.Option(help="Its number; else the first file that says one.")] = "",
    bank: Annotated[str, typer.Option(help="The bank's name.")] = "",
    currency: Annotated[str, typer.Option(help="What it is held in.")] = "ZAR",
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Add a bank account, to import its statements into."""
    app = open_desk()
    with app.sessions.begin() as session:
        person = acting_as(app, session, as_email, "command_account", name)
        made = accounts.create(
            session, person, name=name, number=number, bank=bank, currency=currency, now=app.now()
        )
    told = {"id": made.id, "name": made.name, "number": made.number, "currency": made.currency}
    answer(told, as_json, lambda: console.print(f"{made.told} is there, as account {made.id}.", markup=False))


def import_statement(
    file: Annotated[Path, typer.Argument(help="A bank statement.")],
    account_name: Annotated[
        str, typer.Option("--account", help="The account's name, its number at the bank, or its number here.")
    ] = "",
    date_order: Annotated[
        str | None, typer.Option(help="What 03/04/2026 means when no row proves it: dmy, mdy or ymd.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="A JSON file that says what the columns are; it is remembered.")
    ] = None,
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Import a bank statement, whole or not at all. The same file twice adds nothing. What its lines are for
    is asked by `propose`; the page does so by itself."""
    app = open_desk()
    data, chosen = bytes_of(file), mapping_of(mapping) if mapping else None
    with next_step(), app.sessions.begin() as session:
        person = acting_as(app, session, as_email, "command_import", file.name)
        into = _account_of(session, person, account_name, file.name, data, date_order)
        came = imports.import_file(
            session, person, into.id, file.name, data, now=app.now(), mapping=chosen, date_order=date_order
        )
        if chosen:
            accounts.remember(session, person, into.id, chosen, now=app.now())
    told = _file_told(came.file) | {"new": came.new, "already": came.already, "again": came.again}
    answer(told, as_json, lambda: _show_import(came))


def _account_of(
    session: Session, person: Person, name: str, file: str, data: bytes, date_order: str | None
) -> accounts.AccountView:
    """The account that was named, that the file names, or the only one there is."""
    if name:
        return accounts.by_name(session, person, name)
    there = accounts.list_accounts(session, person)
    if len(there) == 1:
        return there[0]
    statement, _ = imports.read(session, person, None, file, data, date_order=date_order)
    if (found := accounts.find(session, statement.account)) is not None:
        return found
    names = ", ".join(each.name for each in there) or "none yet: `manage.py bank-account NAME` makes one"
    raise InvalidInput(f"Say with --account which account {file} is of. There are: {names}.")


def undo_import(
    number: Annotated[int, typer.Argument(help="The import's number.")],
    why: Annotated[str, typer.Option(help="For whoever reads it later.")],
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Take an import back, whole. What is matched of it must be undone first, and is listed."""
    app = open_desk()
    with app.sessions.begin() as session:
        person = acting_as(app, session, as_email, "command_undo_import", str(number))
        gone = imports.undo(session, person, number, why, now=app.now())
    answer({"file": number, "lines": gone}, as_json, lambda: console.print(f"{gone} lines are gone."))


def propose(as_email: AsEmail = None, as_json: AsJson = False) -> None:
    """Ask what every open line is for; what is safe is accepted, the rest waits for a person."""
    app = open_desk()
    with app.sessions.begin() as session:
        person = acting_as(app, session, as_email, "command_propose", "bank lines")
    run = proposing.propose(app.sessions, person, now=app.now())
    told = {
        "lines": run.lines,
        "accepted": dict(run.accepted),
        "accepted_minor": dict(run.accepted_minor),
        "waiting": dict(run.waiting),
        "rests": run.rests,
    }
    answer(told, as_json, lambda: _show_run(run))


def accept(
    line: Annotated[int, typer.Argument(help="The line's number, as `exceptions` lists it.")],
    payment: Annotated[
        list[str] | None,
        typer.Option(help="REFERENCE or REFERENCE=AMOUNT; several split the line. None: as suggested."),
    ] = None,
    aside: Annotated[bool, typer.Option(help="What is left is for no payment; say --why.")] = False,
    surplus: Annotated[
        bool, typer.Option(help="What is left is too much, and stands with the first payment; say --why.")
    ] = False,
    why: Annotated[str, typer.Option(help="For whoever reads it later.")] = "",
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Say what a bank line is for, or take what is suggested."""
    if surplus and (aside or not payment):
        raise InvalidInput("--surplus needs a payment to stand with, and goes without --aside.")
    app = open_desk()
    with app.sessions.begin() as session:
        person = acting_as(app, session, as_email, "command_accept", f"line {line}")
        view = exceptions.get(session, person, line, now=app.now())
        if view.part_id is not None:
            raise InvalidInput(
                f"Line {line} paid what was owed, and {view.amount} is left. Say what becomes of it: "
                f"`surplus move {view.part_id} --to REFERENCE` or `surplus decide {view.part_id}`."
            )
        rest = Target.SURPLUS if surplus else Target.ASIDE if aside else None
        parts = _parts(session, view, payment or (), rest) if payment or rest else view.parts
        if not parts:
            raise InvalidInput(f"Nothing is suggested for line {line}. Name its payments with --payment.")
        way = view.way if not payment and not rest else "by hand"
        decided = Decided(line, parts, way, view.suggestion, view.suggestion.get("rule", ""), why)
        match = reconciliation.accept(session, person, decided, now=app.now())
    answer({"line": line, "match": match}, as_json, lambda: console.print(f"Match {match} stands."))


def _parts(
    session: Session, view: exceptions.ExceptionView, given: list[str] | tuple[()], rest_is: Target | None
) -> tuple[Part, ...]:
    parts, left = [], view.amount
    for text in given:
        told = _PART.fullmatch(text)
        assert told
        payment = payment_of(session, told["reference"])
        rest = Money(payment.owed_minor - payment.received_minor, payment.amount_currency)
        amount = min(left, rest, key=lambda one: one.minor)
        if told["amount"]:
            amount = amount_typed(told["amount"], rest.currency)
        parts.append(Part(Target.PAYMENT, amount, payment.id))
        left = left - amount
    if left and rest_is is Target.SURPLUS:
        parts.append(Part(rest_is, left, parts[0].payment_id))
    elif left and rest_is:
        parts.append(Part(rest_is, left))
    return tuple(parts)


def payment_of(session: Session, text: str) -> Payment:
    found = session.scalar(select(Payment).where(Payment.reference.in_(references.readings(text))))
    if found is None:
        raise NotFound(f"There is no payment {quoted(text)}.")
    return found


def undo(
    match: Annotated[int, typer.Argument(help="The match's number.")],
    why: Annotated[str, typer.Option(help="For whoever reads it later.")],
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Take a match back, with the money it brought to payments; its line waits again."""
    app = open_desk()
    with app.sessions.begin() as session:
        person = acting_as(app, session, as_email, "command_undo", f"match {match}")
        line = reconciliation.undo(session, person, match, why, now=app.now())
    answer({"match": match, "line": line}, as_json, lambda: console.print(f"Line {line} waits again."))


def list_exceptions(as_email: AsEmail = None, as_json: AsJson = False) -> None:
    """Bank lines that wait for a person, the oldest first, and how much money they are."""
    app = open_desk()
    with app.sessions.read() as session:
        person = asking(session, as_email)
        told = exceptions.summary(session, person, now=app.now())
        rows = exceptions.queue(session, person, now=app.now(), limit=100_000 if as_json else _SHOWN)
    out = {
        "count": told.total.count,
        "at_risk": {currency: money.minor for currency, money in told.total.at_risk.items()},
        "unasked": told.unasked.count,
        "by_age": {age: one.count for age, one in told.by_age.items()},
        "rows": [_exception_told(row) for row in rows],
    }
    answer(out, as_json, lambda: _show_exceptions(told, rows))


def sample_statements(as_json: AsJson = False) -> None:
    """Write statements to try a demo desk with: its open payments, as a bank would show them paid."""
    written = [str(path) for path in samples.write(open_desk())]
    answer({"files": written}, as_json, lambda: console.print("\n".join(written), markup=False))


# -- as it is told ------------------------------------------------------------------------------------


def _file_told(file: imports.FileView) -> dict[str, Any]:
    return {
        "file": file.id,
        "account": file.account,
        "layout": file.layout,
        "sha256": file.sha256,
        "rows": file.rows,
        "lines": file.lines,
        "quarantined": file.quarantined,
        "headers_and_footers": file.named,
    }


def _exception_told(row: exceptions.ExceptionView) -> dict[str, Any]:
    return {
        "line": row.line_id,
        "reason": row.reason,
        "surplus": row.part_id,
        "line_minor": row.line_amount.minor,
        "date": row.on.isoformat(),
        "amount_minor": row.amount.minor,
        "currency": row.amount.currency,
        "description": row.description,
        "reference": row.reference,
        "account": row.account,
        "way": row.way,
        "tie": row.tie,
        "candidates": [
            {
                "payment": one.reference,
                "payer": one.payer,
                "rest_minor": one.rest.minor,
                "evidence": [
                    {"kind": sign.kind, "agrees": sign.agrees, "says": sign.says} for sign in one.signs
                ],
            }
            for one in row.candidates
        ],
        "owner": row.owner,
        "due_on": row.due_on.isoformat() if row.due_on else None,
    }


def _show_import(came: imports.Imported) -> None:
    file = came.file
    if came.again:
        console.print(f"{file.name} is here already, as import {file.id}. Nothing was added.", markup=False)
        return
    console.print(
        f"Import {file.id}, {file.layout}, into {file.account}: {came.new} new lines, {came.already} that "
        f"were here, {file.quarantined} rows that could not be read and wait for a person.",
        markup=False,
    )
    if came.new:
        console.print("Nobody asked yet what its new lines are for: `manage.py propose` does.", markup=False)


def _show_run(run: proposing.Run) -> None:
    total = sum(run.accepted.values())
    console.print(f"{run.lines} lines were asked about, {total} accepted by themselves.")
    if run.rests:
        console.print(f"  {run.rests} of these brought more than is owed: the rest waits.")
    for reason, count in run.waiting.most_common():
        console.print(f"  {count} wait: {bank_words.EXCEPTION[proposing.Reason(reason)].word}", markup=False)


def _show_exceptions(told: exceptions.Summary, rows: list[exceptions.ExceptionView]) -> None:
    table = Table("Line", "Date", "Amount", "Why it waits", "What the bank says", box=None, pad_edge=False)
    for row in rows:
        cells = (str(row.line_id), row.on.isoformat(), str(row.amount), bank_words.EXCEPTION[row.reason].word)
        table.add_row(*cells, row.text.replace("[", r"\["))
    console.print(table)
    sums = ", ".join(map(str, told.total.at_risk.values())) or "nothing"
    more = f" {told.unasked.count} more are not asked about yet: propose." if told.unasked.count else ""
    console.print(f"{told.total.count} lines wait, {sums} at risk; {len(rows)} shown.{more}")
