"""Commands about closing: how far a day or month is, and its signature, approval and reopening."""

from collections.abc import Callable
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer
from sqlalchemy.orm import Session

from bootstrap import App
from commands import AsEmail, AsJson, acting, answer, asking, command_line, console, open_desk
from payments.access.people import Person
from payments.bank import accounts
from payments.books import audit
from payments.errors import Conflict, InvalidInput
from payments.sign_off import closing, sign_offs
from payments.sign_off.closing import Draft
from payments.sign_off.sign_offs import Period, SignOffView
from words import bank as bank_words


class Deed(StrEnum):
    """What to do about a day or month; the last four take --why or a second person."""

    LOOK = "look"
    SIGN = "sign"
    APPROVE = "approve"
    REFUSE = "refuse"
    REOPEN = "reopen"
    ALLOW_REOPEN = "allow-reopen"
    KEEP_CLOSED = "keep-closed"


def sign_off(
    day: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="A day; with --month any of it.")],
    deed: Annotated[Deed, typer.Argument(help="What to do.")] = Deed.LOOK,
    account_name: Annotated[str, typer.Option("--account", help="Name or number of the account.")] = "",
    month: Annotated[bool, typer.Option(help="The whole month.")] = False,
    why: Annotated[str, typer.Option(help="For whoever reads it later; a note when signing.")] = "",
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Look at a day or month of an account, sign it, approve it, or reopen it. Each takes another person."""
    app, on = open_desk(), day.date()
    period = Period.MONTH if month else Period.DAY
    if deed is Deed.LOOK:
        with app.sessions.read() as session:
            person = asking(session, as_email)
            told = _told(session, person, _account(session, person, account_name).id, period, on, app)
    else:
        with app.sessions.begin() as session:
            person = acting(session, app.settings, as_email)
            audit.record(
                session, command_line(), f"command_{deed}", on.isoformat(), now=app.now(),
                acting_as=person.email,
            )  # fmt: skip
            account_id = _account(session, person, account_name).id
            _do(session, person, account_id, period, on, deed, why, app)
            told = _told(session, person, account_id, period, on, app)
    answer(told, as_json, lambda: _show(told))


def _account(session: Session, person: Person, name: str) -> accounts.AccountView:
    if name:
        return accounts.by_name(session, person, name)
    there = accounts.list_accounts(session, person)
    if len(there) == 1:
        return there[0]
    names = ", ".join(each.name for each in there) or "none yet: `manage.py bank-account NAME` makes one"
    raise InvalidInput(f"Say with --account which account. There are: {names}.")


_DEEDS: dict[Deed, tuple[Callable[..., SignOffView], bool]] = {
    Deed.APPROVE: (sign_offs.approve, False),
    Deed.REFUSE: (sign_offs.refuse, True),
    Deed.REOPEN: (sign_offs.ask_reopen, True),
    Deed.ALLOW_REOPEN: (sign_offs.reopen, False),
    Deed.KEEP_CLOSED: (sign_offs.keep_closed, True),
}


def _do(
    session: Session,
    person: Person,
    account_id: int,
    period: Period,
    on: date,
    deed: Deed,
    why: str,
    app: App,
) -> None:
    if deed is Deed.SIGN:
        one = _draft(session, person, account_id, period, on, app)
        sign_offs.sign(session, person, account_id, period, on, one.digest, why, now=app.now())
        return
    view = sign_offs.standing(session, person, account_id, period, on)
    if view is None:
        raise Conflict(f"{on:%-d %b %Y} is not signed, so there is nothing to {deed.replace('-', ' ')}.")
    function, with_why = _DEEDS[deed]
    function(session, person, view.id, *([why] if with_why else []), now=app.now())


def _draft(session: Session, person: Person, account_id: int, period: Period, on: date, app: App) -> Draft:
    look = closing.draft if period is Period.DAY else sign_offs.month_draft
    return look(session, person, account_id, on, now=app.now())


def _told(
    session: Session, person: Person, account_id: int, period: Period, on: date, app: App
) -> dict[str, Any]:
    one = _draft(session, person, account_id, period, on, app)
    view = sign_offs.standing(session, person, account_id, period, on)
    kept = closing.to_plain(one)
    pieces = closing.pieces_to_plain(view.figures if view else one.figures)
    return {
        "period": str(period),
        "first_on": one.first_on.isoformat(),
        "last_on": one.last_on.isoformat(),
        "state": str(view.state) if view else "ready" if one.ready else "draft",
        "currency": kept["currency"],
        "opening_minor": kept["opening"],
        "closing_minor": kept["closing"],
        **{name: {"count": count, "minor": minor} for name, (count, minor) in pieces.items()},
        "in_the_way": [] if view else [each.sentence for each in one.blockers],
        "signer": view.signer if view else None,
        "approver": view.approver if view else None,
        "digest": view.digest if view else one.digest,
    }


def _show(told: dict[str, Any]) -> None:
    word = {each.value: look.word for each, look in bank_words.DAY.items()}[told["state"]]
    console.print(f"{told['first_on']} – {told['last_on']}: {word}", markup=False)
    for name in ("matched", "explained", "waiting", "lines"):
        piece = told[name]
        console.print(f"  {name}: {piece['count']}, {piece['minor']} minor units of {told['currency']}")
    for sentence in told["in_the_way"]:
        console.print(f"  {sentence}", markup=False)
