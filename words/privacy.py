"""Words about personal data: what people ask for, what is held, how long, and what becomes of it."""

from collections.abc import Iterable, Mapping
from typing import Any

from payments.personal_data import personal
from payments.personal_data.erasing import Fate
from payments.personal_data.personal import Term, Way
from payments.personal_data.retention import Terms
from payments.personal_data.subject_requests import Kind

KIND: Mapping[Kind, str] = {
    Kind.EXPORT: "See what is held",
    Kind.CORRECTION: "Correct it",
    Kind.ERASURE: "Have it erased",
}
#: Word, sign and colour.
STATE: Mapping[str, tuple[str, str, Any]] = {
    "open": ("Open", "schedule", "blue"),
    "late": ("Overdue", "alarm", "red"),
    "done": ("Done", "task_alt", "green"),
    "refused": ("Refused", "block", "gray"),
}
WAY: Mapping[Way, str] = {
    Way.PSEUDONYM: "becomes “Erased”",
    Way.BLANK: "is emptied",
    Way.SCRUB: "stays without name, address and number",
    Way.LAW: "stays as long as money must be accounted for",
    Way.EXPIRES: "goes by itself, soon after it was needed",
    Way.KEPT: "stays: it tells nobody who does not know the person already",
}
TERM: Mapping[Term, str] = {
    Term.CONTACT: "Until some months after the event",
    Term.MONEY: "As long as money must be accounted for",
    Term.MESSAGE: "Until some weeks after it was dealt with",
    Term.ACCESS: "Until some months after it was",
}


def fates(some: Iterable[Fate]) -> list[tuple[str, str]]:
    """What becomes of it, and of what, with its rows: ``Becomes “Erased”``, ``who pays (payments, 3)``."""
    told: dict[Way, list[str]] = {}
    for one in some:
        said = f"{one.held.what} ({one.held.table.replace('_', ' ')}, {one.rows})"
        told.setdefault(one.held.way, []).append(said)
    return [(_begun(WAY[way]), "; ".join(what) + ".") for way, what in told.items()]


def _begun(text: str) -> str:
    return text[:1].upper() + text[1:]


def outcome(told: Mapping[str, Any]) -> str:
    """``3 payments, 57 rows``."""
    return ", ".join(f"{told[name]} {name}" for name in ("payments", "rows") if name in told)


def terms(said: Terms) -> str:
    return (
        f"Names and contacts go {said.contact_months} months after the end of the event, messages and mails "
        f"{said.message_days} days after they were dealt with, searches {said.access_months} months after "
        f"they were; papers and the bank's lines tell of people for {said.money_years} years."
    )


def catalogue() -> Mapping[str, list[str]]:
    """All that is held, by how long."""
    told: dict[str, list[str]] = {TERM[term]: [] for term in Term}
    for held in (*personal.HELD, *personal.LOOSE):
        table = held.table.replace("_", " ")
        told[TERM[held.term]].append(f"{_begun(held.what)} ({table}): {WAY[held.way]}.")
    return told
