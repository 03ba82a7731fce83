"""Everything that happened to one payment, in order, each told in a sentence."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from db.models import InboxEvent, Payment, TimelineEntry, UnverifiedEvent
from db.money import Money
from payments import dates
from payments.deciding.cases import Decision
from payments.lifecycle import Kind

#: What a message that nobody proved is told as; it is no entry of the timeline and never moved money.
UNVERIFIED = "unverified"
#: More claims about one link than this tell nothing new: anybody on the internet can make them.
MOST_UNVERIFIED = 50
#: What only serves to look something up, or is shown apart.
_NOT_SHOWN = {"raw", "inbox", "mail", "receipt", "received_minor"}


@dataclass(frozen=True)
class TimelineView:
    """``title`` is a whole sentence; ``detail`` plain values to list under it; ``raw`` the body as received.

    ``id`` is unique within one payment's timeline.
    """

    id: str
    at: datetime
    kind: str
    source: str
    actor: str
    title: str
    detail: dict[str, Any]
    raw: str | None


def entries(session: Session, payment: Payment) -> tuple[TimelineView, ...]:
    """Oldest first: what stands on the timeline, with gateway events' own bodies; events that wait to be
    acted on, or that a person ignored; and messages nobody proved that claim one of the payment's links."""
    own = session.scalars(
        select(TimelineEntry).where(TimelineEntry.payment_id == payment.id).order_by(TimelineEntry.id)
    ).all()
    bodies = _bodies(session, own)
    told = [_entry(entry, bodies) for entry in own]
    told += [_waiting(event) for event in _unhandled(session, payment) if event.id not in bodies]
    told += [_unproved(event) for event in _unverified(session, payment)]
    return tuple(sorted(told, key=lambda entry: entry.at))


# -- what there is ----------------------------------------------------------------------------------


def _bodies(session: Session, own: Iterable[TimelineEntry]) -> dict[int, str]:
    ids = [entry.detail["inbox"] for entry in own if "inbox" in entry.detail]
    found = session.execute(select(InboxEvent.id, InboxEvent.body).where(InboxEvent.id.in_(ids)))
    return {event_id: _text(body) for event_id, body in found}


def _unhandled(session: Session, payment: Payment) -> Iterable[InboxEvent]:
    """Events that name the payment and that nothing acted on: few, and indexed as such, each kind apart."""
    named = or_(
        InboxEvent.payment_id == payment.id,
        InboxEvent.gateway_reference.in_(_gateway_references(payment)),
        InboxEvent.reference.in_([link.wire_reference for link in payment.links]),
    )
    for which in (InboxEvent.handled_at.is_(None), InboxEvent.ignored_by.is_not(None)):
        yield from session.scalars(select(InboxEvent).where(which, named))


def _unverified(session: Session, payment: Payment) -> Iterable[UnverifiedEvent]:
    claiming = select(UnverifiedEvent).where(
        UnverifiedEvent.gateway_reference.in_(_gateway_references(payment))
    )
    return session.scalars(claiming.order_by(UnverifiedEvent.id.desc()).limit(MOST_UNVERIFIED))


def _gateway_references(payment: Payment) -> list[str]:
    return [link.gateway_reference for link in payment.links if link.gateway_reference]


# -- how it is told ---------------------------------------------------------------------------------


def title(kind: Kind, detail: Mapping[str, Any], actor: str) -> str:
    """The sentence an entry is told in."""
    return _TITLES[kind](detail, actor)


def _entry(entry: TimelineEntry, bodies: Mapping[int, str]) -> TimelineView:
    detail = entry.detail
    raw = detail.get("raw") or bodies.get(detail.get("inbox", 0))
    return TimelineView(
        id=f"entry-{entry.id}",
        at=entry.at,
        kind=entry.kind,
        source=entry.source,
        actor=entry.actor,
        title=title(Kind(entry.kind), detail, entry.actor),
        detail={name: value for name, value in detail.items() if name not in _NOT_SHOWN},
        raw=raw,
    )


def _waiting(event: InboxEvent) -> TimelineView:
    gateway = _GATEWAYS.get(event.gateway, event.gateway)
    ignored = event.ignored_by and f"{event.ignored_by} decided that nothing acts on it"
    return TimelineView(
        id=f"inbox-{event.id}",
        at=event.received_at,
        kind=Kind.EVENT,
        source="webhook",
        actor=gateway,
        title=f"{_said(gateway, event.word)}; {ignored or 'it was not acted on yet'}.",
        detail=_without_none(
            code=event.code, attempts=event.attempts, last_error=event.last_error, why=event.ignored_why
        ),
        raw=_text(event.body),
    )


def _unproved(event: UnverifiedEvent) -> TimelineView:
    return TimelineView(
        id=f"unverified-{event.id}",
        at=event.received_at,
        kind=UNVERIFIED,
        source="webhook",
        actor="Unknown sender",
        title="Somebody not proved to be the gateway sent a message about this link. It changed nothing.",
        detail={"reason": event.reason, "address": event.address, "seen_count": event.seen_count},
        raw=_text(event.body),
    )


def _answer(detail: Mapping[str, Any], actor: str) -> str:
    return f"{actor} was asked and answered {detail['word']}." if detail.get("word") else f"{actor} answered."


def _event(detail: Mapping[str, Any], actor: str) -> str:
    return f"{_said(actor, detail.get('word'))}."


def _receipt(detail: Mapping[str, Any], actor: str) -> str:
    amount = Money(detail["amount_minor"], detail["currency"])
    return f"{amount} received by {_words(detail['how'])}, on the word of {actor}."


def _reversal(detail: Mapping[str, Any], actor: str) -> str:
    amount = Money(detail["amount_minor"], detail["currency"])
    return f"{actor} took back {amount} received by {_words(detail['how'])}: {detail['why']}"


def _approval(detail: Mapping[str, Any], actor: str) -> str:
    amount = f", {Money(detail['amount_minor'], detail['currency'])}" if "amount_minor" in detail else ""
    return f"{actor} {_APPROVAL[detail['step']]}: {_words(detail['what'])}{amount}."


def _matched(detail: Mapping[str, Any], actor: str) -> str:
    amount = Money(detail["amount_minor"], detail["currency"])
    off = Money(detail.get("written_off_minor", 0), detail["currency"])
    rest = f"; {off} was written off" if off else ""
    return (
        f"{actor} found a bank line of {_day(detail['on'])} to be for it, {amount} by {detail['way']}{rest}."
    )


def _unmatched(detail: Mapping[str, Any], actor: str) -> str:
    what = "is not for it" if "match" not in detail else "is not for it after all"
    why = detail["why"] or "no reason given"
    return f"{actor} said that the bank line of {_day(detail['on'])} {what}: {why}"


def _surplus(detail: Mapping[str, Any], actor: str) -> str:
    amount, other = Money(detail["amount_minor"], detail["currency"]), detail.get("other", "")
    line = f"the bank line of {_day(detail['on'])}"
    match detail["step"]:
        case "give_back":
            return f"{actor} has {amount}, surplus on {line}, given back: {detail['why']}"
        case "keep":
            return f"{actor} keeps {amount}, surplus on {line}, for who paid: {detail['why']}"
        case "ask_again":
            return f"{actor} lets {amount}, surplus on {line}, wait for a decision again: {detail['why']}"
        case "came":
            return f"{actor} paid it with {amount}, surplus of {other} on {line}: {detail['why']}"
        case "went":
            return f"{actor} moved {amount}, surplus on {line}, to {other}: {detail['why']}"
        case _:
            return f"{actor} took {amount}, surplus on {line}, back from {other}: {detail['why']}"


def _settled(detail: Mapping[str, Any], actor: str) -> str:
    gross = Money(detail["gross_minor"], detail["currency"])
    fee = detail["fee_minor"] + detail["vat_minor"]
    less = f" less {Money(fee, detail['currency'])} fee" if fee else ""
    return f"The gateway paid it out in payout {detail['payout']}: {gross}{less}."


def _claim(detail: Mapping[str, Any], actor: str) -> str:
    match detail["step"]:
        case "claimed":
            amount = Money(detail["amount_minor"], detail["currency"])
            on = _day(detail["paid_on"])
            return f"The payer says they paid {amount} by EFT on {on}; {actor} wrote it down."
        case "proof":
            return f"{actor} added a proof of payment."
        case _:
            return f"{actor} no longer believes what the payer said: {detail['why']}"


def _refund(detail: Mapping[str, Any], actor: str) -> str:
    amount = Money(detail["amount_minor"], detail["currency"])
    return f"{amount} given back by {_words(detail['how'])} on {_day(detail['on'])}, on the word of {actor}."


#: How each step of a refund by EFT is told.
_REFUND_ORDER: Mapping[str, str] = {
    "ready": "{amount} is to be given back by EFT, decided {actor}.",
    "in_run": "{actor} put the refund of {amount} into run {run}.",
    "called_back": "{actor} called run {run} back: the refund of {amount} waits. {why}",
    "sent": "{actor} sent the refund of {amount} to the bank, with run {run}.",
    "unmatched": "The refund of {amount} is not known to be made after all. {why}",
    "returned": "The refund of {amount} came back. {why} It is owed to the payer again.",
    "withdrawn": "{actor} withdrew the refund of {amount}. {why}",
}


def _refund_order(detail: Mapping[str, Any], actor: str) -> str:
    amount = Money(detail["amount_minor"], detail["currency"])
    more = {"run": detail.get("run", ""), "why": detail.get("why", "")}
    return _REFUND_ORDER[detail["step"]].format(amount=amount, actor=actor, **more).strip()


#: How each step of a dispute is told.
_DISPUTE: Mapping[str, str] = {
    "recorded": "The payer disputes {amount} at their bank: {said}. {actor} recorded case {case}, "
    "to be answered by {answer_by}.",
    "sent": "{actor} sent evidence in dispute {case}: {why}",
    "won": "Dispute {case} is won, {amount} stays, said {actor}: {why}",
    "lost": "Dispute {case} is lost, {amount} goes back, said {actor}: {why}",
    "accepted": "{actor} accepted dispute {case}, {amount} goes back: {why}",
    "booked": "What dispute {case} took is written down, decided {actor}.",
}


def _dispute(detail: Mapping[str, Any], actor: str) -> str:
    more = {name: detail.get(name, "") for name in ("why", "case", "answer_by")}
    amount, said = Money(detail["amount_minor"], detail["currency"]), _words(detail.get("said", ""))
    return _DISPUTE[detail["step"]].format(amount=amount, actor=actor, said=said, **more)


def _amount(detail: Mapping[str, Any], actor: str) -> str:
    """``of`` stands on the payment that a change made, ``other`` on the one that was changed."""
    minor, why = detail["amount_minor"], detail["why"]
    amount = Money(abs(minor), detail["currency"])
    match detail["what"]:
        case "replaced" if "of" in detail:
            return f"{actor} had it take the place of {detail['of']}: {why}"
        case "replaced":
            return f"{actor} had {detail['other']} ask for {amount} in its place: {why}"
        case "asked" if "of" in detail:
            return f"{actor} asked for {amount} more than {detail['of']} was for: {why}"
        case "asked":
            return f"{actor} had {detail['other']} ask for {amount} more: {why}"
        case "credited" if minor < 0:
            return f"{actor} took back a credit of {amount}: {why}"
        case "credited":
            return f"{amount} is owed back to the payer as a credit, decided {actor}: {why}"
        case _:
            return f"{actor} agreed upon another choice of the same sum: {why}"


def _status(detail: Mapping[str, Any], actor: str) -> str:
    return f"The payment went from {_words(detail['was'])} to {_words(detail['became'])}."


def _created(detail: Mapping[str, Any], actor: str) -> str:
    priced = f": {detail['priced']}" if detail.get("priced") else ""
    quoted = f", quoted as {detail['quoted']}" if detail.get("quoted") else ""
    return f"{actor} asked for {Money(detail['amount_minor'], detail['currency'])}{priced}{quoted}."


def _shared(detail: Mapping[str, Any], actor: str) -> str:
    return f"{actor} shared the {detail.get('what', 'link')} by {_words(detail['how'])}."


def _link_asked(detail: Mapping[str, Any], actor: str) -> str:
    if "replaces" in detail:
        return f"{actor} had the gateway asked for another payment link: {detail['why']}"
    return f"{actor} had the gateway asked for a payment link."


def _mail(detail: Mapping[str, Any], actor: str) -> str:
    return f"Mail “{detail['subject']}”: {detail['what']}."


def _notified(detail: Mapping[str, Any], actor: str) -> str:
    """``told`` is ``payment.paid`` and the like."""
    what = _words(detail["told"].removeprefix("payment."))
    match detail["step"]:
        case "queued":
            return f"The system that registered it is to be told: {what}."
        case "delivered":
            return f"The system that registered it was told: {what}."
        case _:
            return f"The system that registered it could not be told: {what}; {detail['why']}"


def _paper(detail: Mapping[str, Any], actor: str) -> str:
    what = f"{detail['title']} {detail['label']}"
    if detail["step"] == "handed out":
        return f"{actor} made a PDF of {what}{', as a copy' if detail['copy'] else ''}."
    why = f" {detail['why']}" if detail.get("why") else ""
    money = Money(detail["amount_minor"], detail["currency"])
    return f"{actor} issued {what} to {detail['to']}: {money}.{why}"


def _note(detail: Mapping[str, Any], actor: str) -> str:
    return f"{actor} noted: {detail['text']}" if "text" in detail else f"{actor} left a note."


def _admitted(detail: Mapping[str, Any], actor: str) -> str:
    against = f" against {detail['light']}: {detail['why']}" if detail.get("why") else "."
    return f"{actor} let {detail.get('name', 'them')} in{against}"


def _not_admitted(detail: Mapping[str, Any], actor: str) -> str:
    who = f"{detail['name']} was" if detail.get("name") else "they were"
    return f"{actor} took back that {who} let in."


def _flagged(detail: Mapping[str, Any], actor: str) -> str:
    if detail["reason"] == "paid_late" and "newer" in detail:
        return (
            f"Money came on {detail['link']}, which {detail['newer']} had replaced: it counts, and is late."
        )
    if "reopened" in detail:
        return f"{actor} put it back on the queue: {_words(detail['reason'])}."
    return f"A person must look: {_words(detail['reason'])}."


def _assigned(detail: Mapping[str, Any], actor: str) -> str:
    whose = f"made it {detail['owner']}'s to decide" if detail.get("owner") else "made it nobody's to decide"
    due = f", due {detail['due']}" if detail.get("due") else ""
    return f"{actor} {whose}: {_words(detail['reason'])}{due}."


def _unflagged(detail: Mapping[str, Any], actor: str) -> str:
    about = _words(detail.get("reason", "it"))
    if detail.get("decision") == Decision.HEALED:
        return f"No person need decide any more: {about}."
    return f"{actor} decided: {about}, {_words(detail.get('decision', 'settled'))}."


#: Every kind has its sentence; a test holds the two together.
_TITLES: Mapping[Kind, Callable[[Mapping[str, Any], str], str]] = {
    Kind.CREATED: _created,
    Kind.LINK_ASKED: _link_asked,
    Kind.LINK_OPEN: lambda detail, actor: "The payment link is ready.",
    Kind.LINK_REFUSED: lambda detail, actor: "The gateway made no payment link.",
    Kind.OUTCOME_UNKNOWN: lambda detail, actor: "The gateway did not say whether it made the link.",
    Kind.LINK_MISSING: lambda detail, actor: "The gateway knows no link of this reference.",
    Kind.SHARED: _shared,
    Kind.RETURNED: lambda detail, actor: f"The payer came back to the {_words(detail['page'])} page.",
    Kind.EVENT: _event,
    Kind.ASKED: lambda detail, actor: f"{actor} had the gateway asked again.",
    Kind.ANSWER: _answer,
    Kind.RECEIPT: _receipt,
    Kind.STATUS: _status,
    Kind.AMOUNT: _amount,
    Kind.FLAGGED: _flagged,
    Kind.ASSIGNED: _assigned,
    Kind.UNFLAGGED: _unflagged,
    Kind.REVERSAL: _reversal,
    Kind.APPROVAL: _approval,
    Kind.MATCHED: _matched,
    Kind.UNMATCHED: _unmatched,
    Kind.SURPLUS: _surplus,
    Kind.SETTLED: _settled,
    Kind.UNSETTLED: lambda detail, actor: (
        f"{actor} took it out of payout {detail['payout']}: {detail['why']}"
    ),
    Kind.BANKED: lambda detail, actor: (
        f"Its payout {detail['payout']} stands on the bank's statement of {_day(detail['on'])}."
    ),
    Kind.UNBANKED: lambda detail, actor: (
        f"{actor} took payout {detail['payout']} off the bank's line of {_day(detail['on'])}: {detail['why']}"
    ),
    Kind.CLAIM: _claim,
    Kind.REFUND: _refund,
    Kind.REFUND_ORDER: _refund_order,
    Kind.DISPUTE: _dispute,
    Kind.MOVED: lambda detail, actor: f"{actor} moved it from {detail['was']} to {detail['became']}.",
    Kind.MAIL: _mail,
    Kind.NOTE: _note,
    Kind.ADMITTED: _admitted,
    Kind.NOT_ADMITTED: _not_admitted,
    Kind.NOTIFIED: _notified,
    Kind.PAPER: _paper,
    Kind.DETAILS: lambda detail, actor: f"{actor} wrote down the payer's {detail['changed']}.",
    Kind.RENAMED: lambda detail, actor: f"{detail['name']} comes instead of {detail['was']}, said {actor}.",
}

#: How each step of a request is told.
_APPROVAL: Mapping[str, str] = {
    "asked": "asked for a second person's approval",
    "approved": "approved what was asked for",
    "refused": "refused what was asked for",
    "withdrawn": "took back what they had asked for",
}
_GATEWAYS = {"ikhokha": "iKhokha"}


def _said(actor: str, word: str | None) -> str:
    return f"{actor} sent {word}" if word else f"{actor} sent a message"


def _words(value: str) -> str:
    return re.sub(r"\beft\b", "EFT", str(value).replace("_", " "))


def _day(value: str) -> str:
    """A day as it is kept, ``2026-11-27``, for people."""
    day = date.fromisoformat(value)
    return dates.say_days(day, day)


def _without_none(**detail: Any) -> dict[str, Any]:
    return {name: value for name, value in detail.items() if value is not None}


def _text(body: bytes) -> str:
    return body.decode("utf-8", "backslashreplace")
