"""What the gateway answered about a link, acted on.

Only this turns a gateway's word into money, and only when link, reference, currency and amount fit.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from db.models import Link, Payment
from db.money import Money
from payments import holding, lifecycle
from payments.finding import search_text
from payments.gateways import Answer, LinkStatus
from payments.lifecycle import NEVER_MADE, Effect, Kind, Method, Review, Source, Status
from payments.live import stages
from payments.live.stages import Stage
from payments.payers import places
from payments.privacy import mask_card_numbers


def apply(
    session: Session,
    link_id: int,
    status: LinkStatus,
    *,
    now: datetime,
    source: Source,
    actor: str = "iKhokha",
    code: str | None = None,
) -> Effect:
    """Act on what the gateway said of a link when it was asked; its saying the same again changes nothing.

    ``code`` is why an attempt failed, as its message told.
    """
    status = replace(status, word=mask_card_numbers(status.word), raw=mask_card_numbers(status.raw))
    link = holding.link(session, link_id)
    payment = link.payment
    first_time = (link.answer, link.answer_word) != (status.answer, status.word)
    link.asked_at, link.answer, link.answer_word = now, status.answer, status.word
    if first_time and link.state != "paid":
        lifecycle.note(
            session, payment, Kind.ANSWER, now=now, source=source, actor=actor,
            word=status.word, gateway_reference=status.gateway_reference, raw=status.raw,
        )  # fmt: skip
    by: dict[str, Any] = {"now": now, "source": source, "actor": actor}
    if link.state == "paid":
        link.next_ask_at = None  # somebody who saw it unpaid may have asked for another look
        return _after_paid(session, payment, status, by)
    if reason := _misfit(link, status):
        both = _both(reason, link, status)
        lifecycle.flag(session, payment, reason, **by, word=status.word, raw=status.raw, **both)
        return Effect.FLAGGED
    if link.gateway_reference is None or link.state in ("asked", "missing"):
        anew = link.state == "asked" and payment.status in (Status.EXPIRED, Status.CANCELLED)
        link.gateway_reference, link.state = status.gateway_reference, "open"
        payment.search_text = search_text.of(payment)
        stages.came_to(session, payment, Stage.ISSUED, now=now)
        unpaid = status.answer is Answer.OPEN
        if payment.status == Status.CREATED or (unpaid and (payment.status == Status.FAILED or anew)):
            lifecycle.advance(session, payment, Status.OPEN, **by)
    match status.answer:
        case Answer.PAID:
            return _take(session, payment, link, by)
        case Answer.ATTEMPT_FAILED:
            stages.came_to(session, payment, Stage.ATTEMPTED, now=now)
            return _fail(session, link, by, first_time, status.word, stages.failure_of(code))
        case Answer.UNCLEAR:
            lifecycle.flag(session, payment, Review.UNCLEAR_STATUS, **by, word=status.word, raw=status.raw)
            return Effect.FLAGGED
        case Answer.OPEN:
            return Effect.NOTHING


def _take(session: Session, payment: Payment, link: Link, by: dict[str, Any]) -> Effect:
    link.state, link.next_ask_at = "paid", None
    assert link.gateway_reference
    stages.came_to(session, payment, Stage.PAID, now=by["now"])
    effect = lifecycle.receive(
        session,
        payment,
        kind=Method.GATEWAY,
        source_reference=link.gateway_reference,
        amount=link.amount,
        link=link,
        place=link.place,
        **by,
    )
    newer = _successor(payment, link)
    if newer is not None and payment.review != Review.OVERPAID:
        lifecycle.flag(
            session, payment, Review.PAID_LATE, **by,
            link=link.wire_reference, newer=newer.wire_reference,
        )  # fmt: skip
    return effect


def _successor(payment: Payment, link: Link) -> Link | None:
    """The newest link that took this one's place. The gateway's page of an old link stays payable."""
    made = (one for one in payment.links if one.id > link.id and one.state not in NEVER_MADE)
    later = (one for one in made if not places.are_beside(one, link))
    return max(later, key=lambda one: one.id, default=None)


def _fail(
    session: Session, link: Link, by: dict[str, Any], first_time: bool, word: str, failure: str
) -> Effect:
    """The message may come after the poll that found the failure: what it tells of the reason is kept.

    That one of several people could not pay is told on their own link; the others' payment has not failed.
    """
    payment = link.payment
    if link.place:
        return Effect.NOTHING
    if first_time or failure != stages.NO_CODE:
        stages.failed_for(session, payment, failure, now=by["now"])
    if not first_time or payment.status not in (Status.CREATED, Status.OPEN):
        return Effect.NOTHING
    lifecycle.advance(session, payment, Status.FAILED, **by, word=word)
    return Effect.FAILED


def _after_paid(session: Session, payment: Payment, status: LinkStatus, by: dict[str, Any]) -> Effect:
    """A paid link stays paid; that the gateway now says otherwise is for a person to judge."""
    if status.answer is Answer.PAID:
        return Effect.NOTHING
    lifecycle.flag(session, payment, Review.GATEWAY_TOOK_IT_BACK, **by, word=status.word, raw=status.raw)
    return Effect.FLAGGED


def _misfit(link: Link, status: LinkStatus) -> Review | None:
    """Why an answer cannot be about this link. An answer that claims no money needs no amount."""
    if link.gateway_reference not in (None, status.gateway_reference):
        return Review.REFERENCE_MISMATCH
    if status.reference not in (None, link.wire_reference):
        return Review.REFERENCE_MISMATCH
    if status.currency not in (None, link.amount_currency):
        return Review.CURRENCY_MISMATCH
    if status.answer is Answer.PAID and status.amount_minor != link.amount_minor:
        return Review.AMOUNT_MISMATCH
    return None


def _both(reason: Review, link: Link, status: LinkStatus) -> dict[str, Any]:
    """What we asked, and what the gateway tells in its place, as a person compares them."""
    if reason is Review.REFERENCE_MISMATCH:
        ours, theirs = link.wire_reference, status.reference
        if (known := link.gateway_reference or status.gateway_reference) != status.gateway_reference:
            ours, theirs = known, status.gateway_reference
        return {"asked": ours, "told": mask_card_numbers(theirs or "none")}
    if reason is Review.CURRENCY_MISMATCH:
        return {"asked": str(link.amount), "told": status.currency or "no currency"}
    minor = status.amount_minor
    told = "no amount" if minor is None else str(Money(minor, link.amount_currency))
    return {"asked": str(link.amount), "told": told}
