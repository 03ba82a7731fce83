"""The one folded text a payment is found by: kept on its row, searched by ``search``."""

import re
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import object_session

from db.models import Match, MatchPart, Payment, StatementLine
from payments.privacy import fold
from payments.references import spoken

#: How ``papers.numbering`` calls a paper, folded: inv-1-000042, demo-quo-2-000007.
_PAPER = re.compile(r"(?:demo-)?(?:inv|quo|pro|crn)-\d+-\d{6,}")


def of(payment: Payment, people: Iterable[str] | None = None) -> str:
    """All that somebody may know of a payment, folded, a field a line. ``people``: of one not yet written."""
    if people is None:
        people = [place.name for place in payment.places] if payment.place_count else ()
    return folded(
        payment.reference,
        payment.payer_name,
        payment.payer_email,
        payment.payer_phone,
        payment.note,
        [(link.wire_reference, link.gateway_reference) for link in payment.links],
        [*people, *_old(payment), *_banked(payment), *_papers(payment)],
    )


def with_paper(payment: Payment, label: str) -> str:
    """The same, with the number of a paper that was issued for it."""
    return folded_lines([*payment.search_text.split("\n"), label])


def _papers(payment: Payment) -> Iterable[str]:
    """Numbers of papers stay in the text once they are there: a paper is never taken back, and nothing is
    looked up where many payments are written."""
    return [line for line in (payment.search_text or "").split("\n") if _PAPER.fullmatch(line)]


def _old(payment: Payment) -> Iterable[str]:
    """What the earlier system called it. Looked up for its payments alone: others have none."""
    record = payment.legacy if payment.origin == "legacy" and payment.erased_at is None else None
    return [*record.texts["references"], *record.texts["extra"]] if record else []


def _banked(payment: Payment) -> Iterable[str]:
    """What the bank says of the lines that paid it. Looked up where money is here: others have none."""
    session = object_session(payment)
    if session is None or not payment.received_minor or payment.erased_at is not None:
        return []
    lines = (
        select(StatementLine.description, StatementLine.reference)
        .join(Match, Match.line_id == StatementLine.id)
        .join(MatchPart, MatchPart.match_id == Match.id)
        .where(MatchPart.payment_id == payment.id, Match.undone_at.is_(None))
        .order_by(StatementLine.id)
    )
    return [text for line in session.execute(lines) for text in line]


def folded(
    reference: str,
    name: str,
    email: str,
    phone: str,
    note: str,
    links: Iterable[tuple[str, str | None]],
    more: Iterable[str] = (),
) -> str:
    """A line break stands before and behind each field, so that its start and its end can be looked for."""
    links = list(links)
    parts = [reference, spoken(reference), name, email, phone, note]
    parts += [spoken(wire) for wire, _ in links]
    parts += [part for pair in links for part in pair if part]
    parts += more
    return folded_lines(parts)


def folded_lines(parts: Iterable[str]) -> str:
    lines = dict.fromkeys(fold(part) for part in parts if part)
    return "\n".join(("", *lines, ""))
