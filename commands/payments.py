"""Commands about payments: issue a link, look at one, find some."""

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from sqlalchemy.orm import Session

from commands import AsEmail, AsJson, acting, answer, asking, command_line, console, open_desk, utc
from payments import dates, obligations
from payments.access.people import Person
from payments.asking import links
from payments.books import audit
from payments.finding import grammar, search
from payments.finding.search import Filter, PaymentDetail, PaymentRow
from payments.lifecycle import Source
from payments.typed import amount_typed
from words import filters as filter_words


def link(
    event: Annotated[str, typer.Option(help="Code of the event, such as JOZI-TECH.")],
    amount: Annotated[str, typer.Option(help="What is to be paid, in rand: 150.00")],
    payer: Annotated[str, typer.Option(help="Name of whoever pays.")],
    email: Annotated[str, typer.Option(help="For the confirmation.")] = "",
    phone: Annotated[str, typer.Option(help="Such as 082 123 4567.")] = "",
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Issue a payment link and print where it can be paid."""
    app = open_desk()
    money = amount_typed(amount)
    with app.sessions.begin() as session:
        person = acting(session, app.settings, as_email)
        reference = obligations.draft_reference(session, person, event, demo=app.settings.demo)
        audit.record(
            session, command_line(), "command_link", reference, now=app.now(), acting_as=person.email
        )
    draft = obligations.Draft(reference, event, money, payer, payer_email=email, payer_phone=phone)
    view = links.issue(
        app.sessions, app.gateways["ikhokha"], draft, person=person,
        addresses=app.settings.addresses, now=app.now(), source=Source.CLI,
    )  # fmt: skip
    told = {
        "reference": view.reference,
        "status": str(view.status),
        "url": view.url,
        "gateway_reference": view.gateway_reference,
    }
    answer(told, as_json, lambda: console.print(f"{view.reference}: {view.amount}, {view.url}"))


def payment(
    reference: Annotated[str, typer.Argument(help="Its reference, in any spelling.")],
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Show one payment and everything that happened to it."""
    app = open_desk()
    with app.sessions.read() as session:
        detail = search.get(session, asking(session, as_email), reference)
    answer(_payment_told(detail), as_json, lambda: _show_payment(detail))


def find(
    query: Annotated[
        str,
        typer.Argument(
            help="A reference, name, e-mail, phone or amount; also status:paid event:devconf >1000 "
            "paid:last-week."
        ),
    ],
    limit: Annotated[int, typer.Option(min=1, max=search.LARGEST_PAGE, help="Rows at most.")] = 50,
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Find payments, the best fit first. Count and sums are of all that were found."""
    app = open_desk()
    with app.sessions.read() as session:
        person = asking(session, as_email)
        wanted = wanted_by(session, person, query, app.now())
        page = search.page(session, person, wanted, size=limit)
        totals = search.totals(session, person, wanted)
        culprits = [] if page.rows else search.explain_empty(session, person, wanted)
    told = {
        "count": totals.count,
        "sums": {currency: money.minor for currency, money in totals.sums.items()},
        "rows": [_row_told(row) for row in page.rows],
    }
    answer(told, as_json, lambda: _show_rows(page.rows, totals))
    if not as_json:
        for less in culprits:
            some = f"{min(less.count, search.COUNT_CAP)}{'+' if less.count > search.COUNT_CAP else ''}"
            console.print(f"{filter_words.less(less)}: {some}.", markup=False)


def wanted_by(session: Session, person: Person, query: str, now: datetime) -> Filter:
    """What somebody wrote, as the page of payments understands it."""
    return search.named(session, person, grammar.read(query, dates.business_day(now)))


# -- reading and writing ----------------------------------------------------------------------------


# -- JSON -------------------------------------------------------------------------------------------


def _payment_told(detail: PaymentDetail) -> dict[str, Any]:
    return _row_told(detail.row) | {
        "links": [
            {
                "wire_reference": link.wire_reference,
                "gateway": link.gateway,
                "gateway_reference": link.gateway_reference,
                "url": link.url,
                "state": link.state,
                "amount_minor": link.amount.minor,
                "requested_at": utc(link.requested_at),
                "asked_at": utc(link.asked_at),
            }
            for link in detail.links
        ],
        "timeline": [
            {
                "at": utc(entry.at),
                "kind": str(entry.kind),
                "source": entry.source,
                "actor": entry.actor,
                "title": entry.title,
                "detail": entry.detail,
            }
            for entry in detail.timeline
        ],
    }


def _row_told(row: PaymentRow) -> dict[str, Any]:
    return {
        "reference": row.reference,
        "status": str(row.status),
        "amount_minor": row.amount.minor,
        "received_minor": row.received.minor,
        "currency": row.amount.currency,
        "event": row.event_code,
        "category": row.category,
        "payer": {"name": row.payer_name, "email": row.payer_email, "phone": row.payer_phone},
        "method": row.method,
        "mode": row.mode,
        "review": str(row.review) if row.review else None,
        "gateway_reference": row.gateway_reference,
        "created_at": utc(row.created_at),
        "paid_at": utc(row.paid_at),
    }


# -- for people -------------------------------------------------------------------------------------


def _show_payment(detail: PaymentDetail) -> None:
    row = detail.row
    console.print(f"{row.reference}  {_word(row)}  {row.amount} of {row.payer_name}, {row.event_name}")
    if row.review:
        console.print(f"A person must look at it: {row.review.replace('_', ' ')}.")
    for entry in detail.timeline:
        console.print(f"  {dates.say_moment(entry.at):<20}  {entry.title}", markup=False)


def _show_rows(rows: tuple[PaymentRow, ...], totals: search.Totals) -> None:
    table = Table("Reference", "Status", "Amount", "Payer", "Event", "Made", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for row in rows:
        made = dates.say_moment(row.created_at)
        table.add_row(row.reference, _word(row), str(row.amount), row.payer_name, row.event_code, made)
    console.print(table)
    sums = ", ".join(map(str, totals.sums.values())) or "nothing"
    console.print(f"{totals.count} payments, {sums} in all; {len(rows)} shown.")


def _word(row: PaymentRow) -> str:
    return row.status.replace("_", " ")
