"""Who could have seen whose data: for a window of time, and an account, as the Regulator asks after a breach.

It reads the audit, where each unmasking, opened proof, export, file and mail stands; signing in from where is
beside it. Who only looked at a page with masked names is not in it.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import AuditEntry, Event, PersonRow, PersonSession
from payments import dates
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import InvalidInput
from payments.exports.cells import guard
from payments.sheets.back import File

#: What shows, takes away or sends personal data, and in whose words.
SHOWN = {
    "find_subject": "looked for a payer by name, address or number",
    "export_subject": "took all that is held on a payer",
    "correction_subject": "corrected a payer",
    "erasure_subject": "erased a payer",
    "open_proof": "opened a proof of payment",
    "open_bank_details": "had bank details shown whole",
    "export": "asked for a file of payments",
    "export_whole": "took a file of payments",
    "export_audit": "took entries of the audit",
    "take_report": "took a report",
    "take_evidence": "took an evidence pack",
    "take_refund_file": "took a file of refunds with account numbers",
    "take_sheet": "took a sheet of people back",
    "take_breach_list": "took such a list",
    "print_account": "took a statement of account",
    "print_receipt": "took a receipt",
    "print_paper": "took an invoice or quotation",
    "mail_paper": "had an invoice or quotation mailed",
    "mail_link": "had a payment link mailed",
    "resend_mail": "had a mail sent again",
    "send_report": "had a report mailed",
    "open_report": "opened a mailed report",
    "api_call": "asked by the API",
    "add_payer_details": "wrote down a payer's contact",
    "sign_in": "signed in",
    "sign_in_refused": "tried to sign in",
    "command_backup": "made a backup",
    "restore_backup": "put a backup back",
}


@dataclass(frozen=True)
class Window:
    """``account``: part of a name or address, "" for everybody; ``host``: an address people sign in from."""

    first: datetime
    last: datetime
    account: str = ""
    host: str = ""


@dataclass(frozen=True)
class Seen:
    at: datetime
    who: str
    what: str
    whom: str
    event: str
    host: str
    detail: str


def seen(session: Session, person: Person, window: Window) -> list[Seen]:
    """Everything of the window, the oldest first. Raises InvalidInput, NotAllowed."""
    check(person, Action.SEE_AUDIT)
    if window.first > window.last:
        raise InvalidInput("The window ends before it begins. Give the earlier moment first.")
    return list(_seen(session, window))


def _seen(session: Session, window: Window) -> Iterator[Seen]:
    hosts = _hosts(session, window)
    query = (
        select(AuditEntry, Event.code)
        .outerjoin(Event, Event.id == AuditEntry.event_id)
        .where(AuditEntry.at >= window.first, AuditEntry.at <= window.last)
        .where(AuditEntry.action.in_(SHOWN))
        .order_by(AuditEntry.id)
    )
    if window.account:
        query = query.where(AuditEntry.actor.icontains(window.account, autoescape=True))
    for row, code in session.execute(query.execution_options(yield_per=1_000)):
        told = ", ".join(f"{name}: {value}" for name, value in sorted(row.detail.items()))
        host = str(row.detail.get("address") or "")
        here = [host] if host else hosts.get(row.actor, [])
        if not window.host or window.host in here:
            yield Seen(row.at, row.actor, SHOWN[row.action], row.subject, code or "", " ".join(here), told)


def _hosts(session: Session, window: Window) -> dict[str, list[str]]:
    """From where each person was signed in within the window."""
    query = (
        select(PersonRow.name, PersonRow.email, PersonSession.address)
        .join(PersonRow, PersonRow.id == PersonSession.person_id)
        .where(PersonSession.created_at <= window.last, PersonSession.active_at >= window.first)
    )
    found: dict[str, list[str]] = {}
    for name, email, address in session.execute(query):
        for actor in (name, email, f"{name} <{email}>"):
            if address not in found.setdefault(actor, []):
                found[actor].append(address)
    return found


HEADS = ("When (UTC)", "Who", "What", "About whom or what", "Event", "From", "Told")


def take(session: Session, person: Person, window: Window, *, now: datetime) -> File:
    """The list as a CSV file; that it was taken stands in the audit as well."""
    rows = seen(session, person, window)
    data = _csv(rows)
    audit.record(
        session, person, "take_breach_list", "privacy", now=now, rows=len(rows),
        first=window.first.isoformat(), last=window.last.isoformat(), account=window.account,
        host=window.host,
    )  # fmt: skip
    return File(
        f"paydesk-access-{now.astimezone(dates.SAST):%Y-%m-%d-%H%M}.csv", "text/csv; charset=utf-8", data
    )


def _csv(rows: Sequence[Seen]) -> bytes:
    out = io.StringIO()
    write = csv.writer(out, quoting=csv.QUOTE_ALL)
    write.writerow(HEADS)
    for row in rows:
        at = row.at.isoformat(timespec="seconds")
        told = (at, row.who, row.what, row.whom, row.event, row.host, row.detail)
        write.writerow([guard(cell) for cell in told])
    return "\ufeff".encode() + out.getvalue().encode()
