"""Payments by the caller's own registration id: what another system asks for, reads, and is told of.

The same registration again is the same payment: its reference is drawn before anything else is done, so that
neither a lost answer nor fifty requests at once make two. Another amount is ``amounts``' matter: before
anything was paid another payment takes its place, after that the difference is asked for or credited.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import ApiKey, ApiRequest, Event, Payment, Registration
from db.session import Sessions
from db.upsert import insert_once
from payments import cancellation, holding, lifecycle, obligations
from payments.access.people import Action, Person, check
from payments.asking import links, reissue
from payments.asking.links import Addresses
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotAllowed, OutcomeUnknown
from payments.gateways import Gateway
from payments.lifecycle import NEVER_MADE, Kind, Source, Status
from payments.obligations import Draft
from payments.payers import payer_details
from payments.registering import registered, registration_changes, registration_prices
from payments.registering.registered import Registered
from payments.registering.registration_changes import Becomes, Change
from payments.registering.registration_prices import Chosen, Cost
from payments.registering.registration_requests import Wanted, checked
from payments.selling import amounts, complimentary, families
from payments.selling.events import event_row
from payments.watching import standstill


class Outcome(StrEnum):
    CREATED = "created"
    CHANGED = "changed"  # another amount: another payment asks for it, or for the difference
    CREDITED = "credited"  # a lower one of what is paid: the rest is owed back
    KEPT = "kept"  # it was there, or its payer's details changed
    REPEATED = "repeated"  # this very request was acted on before
    UNKNOWN = "unknown"  # the gateway has not said whether it made the link: it is looked up


# -- asking for one ---------------------------------------------------------------------------------


def put(
    sessions: Sessions,
    gateways: Mapping[str, Gateway],
    person: Person,
    event_code: str,
    wanted: Wanted,
    idempotency_key: str,
    *,
    key_id: int,
    addresses: Addresses,
    demo: bool,
    now: datetime,
) -> tuple[Registered, Outcome]:
    """Create the payment of a registration, or bring it to what is wanted now.

    Raises InvalidInput, NotFound, NotAllowed, Conflict, GatewayRefused, GatewayUnavailable.
    """

    def take_up(session: Session) -> tuple[Wanted, _Step]:
        standstill.refuse(session)
        event = event_row(session, person, event_code)
        check(person, Action.ISSUE_LINK, event.id)
        asked, chosen = checked(session, event, wanted, demo=demo)
        return asked, _take_up(
            session, person, event, asked, chosen, idempotency_key, key_id, demo=demo, now=now
        )

    asked, step = sessions.run(take_up)
    if step.outcome is Outcome.REPEATED:
        return _read(sessions, person, step.reference), Outcome.REPEATED
    if asked.complimentary:
        return _wished(sessions, person, event_code, asked, step, now), step.outcome
    by: dict[str, Any] = {"person": person, "addresses": addresses, "now": now, "source": Source.API}
    reference, outcome = _done(sessions, gateways, event_code, asked, step, by)
    return _read(sessions, person, reference), outcome


def _wished(
    sessions: Sessions, person: Person, event_code: str, wanted: Wanted, step: "_Step", now: datetime
) -> Registered:
    """The payment without a link, until somebody of finance decides whether it is waived. Raises Conflict."""

    def wish(session: Session) -> None:
        standstill.refuse(session)
        event = event_row(session, person, event_code)
        known = session.scalar(select(Payment).where(Payment.reference == step.reference))
        if known is None:
            draft = obligations.checked(_draft(step.reference, event_code, wanted, step.cost))
            known = obligations.create(session, event, draft, person=person, now=now, source=Source.API)
        elif step.outcome is Outcome.CHANGED:
            raise Conflict(
                f"{known.reference} is for another amount: change that first, then ask to waive it."
            )
        payment = holding.payment(session, known.id)
        complimentary.wish(session, person, payment, wanted.complimentary, now=now, source=Source.API)

    sessions.run(wish)
    return _read(sessions, person, step.reference)


def bring(
    sessions: Sessions,
    gateways: Mapping[str, Gateway],
    person: Person,
    event_code: str,
    wanted: Wanted,
    *,
    addresses: Addresses,
    demo: bool,
    now: datetime,
) -> tuple[str, Change]:
    """The same for a row of a file: what it leaves empty stays as it is, and what was closed stays closed.

    Returns the payment's reference and what became of it. Raises as ``put`` does; Conflict also for what
    ``registration_changes`` refuses.
    """

    def take_up(session: Session) -> tuple[_Step, Change, Wanted]:
        standstill.refuse(session)
        event = event_row(session, person, event_code)
        check(person, Action.RECORD, event.id)
        asked, chosen = checked(session, event, wanted, demo=demo)
        return _as_brought(session, person, event, asked, chosen, demo=demo, now=now)

    step, change, asked = sessions.run(take_up)
    by: dict[str, Any] = {"person": person, "addresses": addresses, "now": now, "source": Source.FILE}
    reference, outcome = _done(sessions, gateways, event_code, asked, step, by)
    if outcome is Outcome.UNKNOWN:
        change = replace(change, told=f"{change.told} {UNHEARD}".strip())
    return reference, change


#: What is said of a link that the gateway may have made.
UNHEARD = "The gateway has not said yet whether it made the link: it is looked up by itself."


def _as_brought(
    session: Session,
    person: Person,
    event: Event,
    wanted: Wanted,
    chosen: Chosen,
    *,
    demo: bool,
    now: datetime,
) -> tuple["_Step", Change, Wanted]:
    kept = _reserve(session, person, event, wanted, demo=demo, now=now)
    payment = _held(session, kept)
    if payment is None:
        session.flush()
        cost = chosen.cost(session, event, None, now)
        return _Step(Outcome.CREATED, kept.reference, kept.id, None, cost), Change(Becomes.NEW), wanted
    wanted = replace(wanted, **registration_changes.told_by(payment, wanted))
    cost = registration_prices.cost_of_row(session, event, payment, chosen, now)
    family = families.members(session, payment)
    change = registration_changes.judge(payment, event.id, wanted, cost, family)
    if change.becomes is Becomes.REFUSED:
        raise Conflict(change.told)
    if cost.other:
        return _Step(Outcome.CHANGED, payment.reference, kept.id, None, cost), change, wanted
    _bring_up_to_date(session, person, payment, wanted, now, Source.FILE)
    return replace(_to_keep(payment, kept, None, cost), replaces=""), change, wanted


@dataclass(frozen=True)
class _Step:
    """What is to be done for a request, as it was found when it was written down."""

    outcome: Outcome
    reference: str
    registration: int
    request: int | None  # None: a file's
    cost: Cost
    wants_link: bool = False
    replaces: str = ""  # the wire reference of a link that a closed payment had


def _take_up(
    session: Session,
    person: Person,
    event: Event,
    wanted: Wanted,
    chosen: Chosen,
    idempotency_key: str,
    key_id: int,
    *,
    demo: bool,
    now: datetime,
) -> _Step:
    """Write the request down, once, and see what it means for the registration as it is."""
    key = session.get(ApiKey, key_id)
    if key is None or key.event_id != event.id:
        raise NotAllowed("This key is not for this event.")
    asked = {"key_id": key_id, "idempotency_key": idempotency_key, "digest": wanted.digest, "at": now}
    new = insert_once(session, ApiRequest, ApiRequest.id, asked)
    request = session.scalars(
        select(ApiRequest).where(ApiRequest.key_id == key_id, ApiRequest.idempotency_key == idempotency_key)
    ).one()
    if request.digest != wanted.digest:
        raise InvalidInput(
            "This Idempotency-Key stood for another request before. Send a new key with every new wish."
        )
    kept = _reserve(session, person, event, wanted, demo=demo, now=now)
    payment = _held(session, kept)
    if payment is not None:
        if not new and kept.request_id != request.id:  # a later request came since
            cost = Cost(payment.amount, None, None, as_priced=False, other=False)
            return _Step(Outcome.REPEATED, payment.reference, kept.id, request.id, cost)
        if payment.event_id != event.id:
            raise Conflict(f"{payment.reference} was moved to another event. Ask the organisers.")
    kept.request_id, kept.return_url = request.id, wanted.return_url
    session.flush()
    cost = chosen.cost(session, event, payment, now)
    if payment is None:
        return _Step(Outcome.CREATED, kept.reference, kept.id, request.id, cost)
    if not cost.other:
        _bring_up_to_date(session, person, payment, wanted, now, Source.API)
        if not wanted.complimentary:
            complimentary.not_any_more(session, payment, now=now, source=Source.API, actor=person.name)
        return _to_keep(payment, kept, request.id, cost)
    return _Step(Outcome.CHANGED, payment.reference, kept.id, request.id, cost)


def _held(session: Session, kept: Registration) -> Payment | None:
    """A registration's payment, as the whole stands with its differences, held with all of them: before its
    registration's row is touched, as ``tallies`` does when it commits."""
    known = session.scalar(select(Payment).where(Payment.reference == kept.reference))
    if known is None:
        return None
    families.hold(session, known)
    session.refresh(kept)
    return families.current(session, known)


def _to_keep(payment: Payment, kept: Registration, request: int | None, cost: Cost) -> _Step:
    """A payment of the amount that is wanted: it needs a link when it has none, or was closed."""
    made = [link for link in payment.links if link.state not in NEVER_MADE]
    closed = payment.status in (Status.EXPIRED, Status.CANCELLED)
    waits = (closed or payment.status in (Status.CREATED, Status.OPEN, Status.FAILED)) and not made
    replaces = made[-1].wire_reference if closed and made else ""
    own = replace(cost, amount=payment.amount)
    return _Step(Outcome.KEPT, payment.reference, kept.id, request, own, waits or bool(replaces), replaces)


def _reserve(
    session: Session, person: Person, event: Event, wanted: Wanted, *, demo: bool, now: datetime
) -> Registration:
    """The newest row of a registration; a new one has its reference from now on."""
    kept = _newest(session, event.id, wanted.registration_id)
    if kept is None:
        _add(session, person, event, wanted, 1, demo=demo, now=now)
        kept = _newest(session, event.id, wanted.registration_id)
        assert kept is not None
    return kept


def _add(
    session: Session, person: Person, event: Event, wanted: Wanted, number: int, *, demo: bool, now: datetime
) -> None:
    row = {
        "event_id": event.id, "registration_id": wanted.registration_id, "number": number,
        "reference": obligations.draft_reference(session, person, event.code, demo=demo),
        "return_url": wanted.return_url, "change": 0, "created_at": now,
    }  # fmt: skip
    insert_once(session, Registration, Registration.id, row)


def _bring_up_to_date(
    session: Session, person: Person, payment: Payment, wanted: Wanted, now: datetime, source: Source
) -> None:
    """Who pays, as the caller knows it now."""
    told = registration_changes.DETAILS
    changed = payer_details.keep(payment, {name: getattr(wanted, name) for name in told}, now=now)
    if not changed:
        return
    said = ", ".join(name.removeprefix("payer_") for name in changed)
    lifecycle.note(
        session, payment, Kind.NOTE, now=now, source=source, actor=person.name,
        text=f"The payer's {said} changed.",
    )  # fmt: skip
    audit.record(
        session, person, "change_payer", payment.reference, now=now, event_id=payment.event_id, changed=said
    )


def _done(
    sessions: Sessions,
    gateways: Mapping[str, Gateway],
    event_code: str,
    wanted: Wanted,
    step: _Step,
    by: dict[str, Any],
) -> tuple[str, Outcome]:
    """What the step asks of the gateway; returns the payment that counts from now on."""
    if step.outcome is Outcome.CHANGED:
        return _other_amount(sessions, gateways, event_code, wanted, step, by)
    if step.outcome is Outcome.KEPT and not step.wants_link:
        return step.reference, step.outcome
    draft = _draft(step.reference, event_code, wanted, step.cost)
    return step.reference, _linked(sessions, gateways, draft, step, by)


def _other_amount(
    sessions: Sessions,
    gateways: Mapping[str, Gateway],
    event_code: str,
    wanted: Wanted,
    step: _Step,
    by: dict[str, Any],
) -> tuple[str, Outcome]:
    """Have it cost what is wanted now; returns the payment that tells how the whole stands."""
    cost = step.cost
    draft, why = _draft("", event_code, wanted, cost), f"Another amount was asked for: {cost.amount}."
    asked = amounts.Wanted(cost.amount, why, draft, cost.choice)
    outcome = Outcome.KEPT
    try:
        done = amounts.change(sessions, gateways, reference=step.reference, wanted=asked, **by)
    except OutcomeUnknown:
        outcome = Outcome.UNKNOWN
    else:
        if done.asks:
            outcome = Outcome.CHANGED
        elif amounts.takes_two(done.steps):
            outcome = Outcome.CREDITED
    with sessions.read() as session:
        newest = _newest(
            session, session.get_one(Registration, step.registration).event_id, wanted.registration_id
        )
        assert newest is not None
        known = session.scalars(select(Payment).where(Payment.reference == newest.reference)).one()
        return families.current(session, known).reference, outcome


def _linked(
    sessions: Sessions,
    gateways: Mapping[str, Gateway],
    draft: Draft,
    step: _Step,
    by: dict[str, Any],
) -> Outcome:
    """Have the gateway asked for a link, the first or another one."""
    try:
        if step.replaces:
            why = "The registration was asked for again."
            reissue.reissue(
                sessions, gateways, by["person"], draft.reference, why, replaces=step.replaces,
                addresses=by["addresses"], now=by["now"], source=by["source"],
            )  # fmt: skip
        else:
            links.issue(sessions, gateways["ikhokha"], draft, **by)
    except OutcomeUnknown:
        return Outcome.UNKNOWN
    return step.outcome


def _draft(reference: str, event_code: str, wanted: Wanted, cost: Cost) -> Draft:
    note = f"Registration {wanted.registration_id}"
    if wanted.complimentary:
        note = complimentary.note_of(wanted.complimentary, note)
    return Draft(
        reference, event_code, cost.amount, wanted.payer_name, wanted.payer_email, wanted.payer_phone,
        cost.category_id, f"{note}\n{wanted.note}" if wanted.note else note, choice=cost.choice,
        as_priced=cost.as_priced, quoted=cost.quoted,
    )  # fmt: skip


# -- cancelling one ---------------------------------------------------------------------------


def cancel(
    sessions: Sessions,
    gateways: Mapping[str, Gateway],
    person: Person,
    reference: str,
    why: str,
    *,
    now: datetime,
) -> Registered:
    """Cancel a registered payment; one that is cancelled already stays so.

    Raises InvalidInput, NotFound, NotAllowed, GatewayError, Conflict (it has money).
    """
    with sessions.read() as session:
        standstill.refuse(session)
        _, payment = registered.row_of(session, person, reference)
        check(person, Action.ISSUE_LINK, payment.event_id)
        status = payment.status
    if status != Status.CANCELLED:
        cancellation.cancel(sessions, gateways, person, reference, why, now=now, source=Source.API)
    return _read(sessions, person, reference)


def _read(sessions: Sessions, person: Person, reference: str) -> Registered:
    with sessions.read() as session:
        return registered.get(session, person, reference)


def _newest(session: Session, event_id: int, registration_id: str) -> Registration | None:
    query = select(Registration).where(
        Registration.event_id == event_id, Registration.registration_id == registration_id
    )
    return session.scalars(query.order_by(Registration.number.desc()).limit(1)).first()
