"""Another amount than was agreed: before money came another payment takes the place of the one there is;
after, the difference is asked for or credited (``agreed`` says which). No payment's own amount ever changes.

What waits is cancelled only once the gateway was asked; all of a change is written in one transaction.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import AmountChange, PaperPart, PaperRow, Payment, Registration
from db.money import Money
from db.session import Sessions
from payments import cancellation, holding, lifecycle, obligations, vat
from payments.access.people import SYSTEM, Action, Person, check
from payments.asking import links, sharing
from payments.asking.links import Addresses
from payments.books import audit
from payments.deciding.attention import reason_given
from payments.errors import Conflict
from payments.gateways import Gateway
from payments.lifecycle import CLOSED, Source, Status
from payments.money_back import crediting
from payments.obligations import Draft
from payments.papers import issuing, standing
from payments.papers.bodies import PaperKind
from payments.payers.places import PlaceDraft
from payments.selling import agreed, families, prices
from payments.selling.agreed import Deed, Step
from payments.selling.families import ASKED, REPLACED
from payments.selling.prices import Choice, Priced
from payments.watching import standstill

_AGREED = "agreed"
_CANCELS = (Deed.REPLACE, Deed.DROP)
#: Doors through which another system says what a registration costs: its word is one, and nobody is asked.
_SYSTEMS = (Source.API, Source.FILE)


@dataclass(frozen=True)
class Wanted:
    """``amount`` is what it costs in all from now on. ``draft``: the form of what takes its place, where that
    is known better than by the payment; its reference does not count. ``tell``: mail the payer a new link."""

    amount: Money
    why: str
    draft: Draft | None = None
    choice: Choice | None = None
    tell: bool = False


@dataclass(frozen=True)
class Changed:
    """``asks`` is the payment that asks for the amount, or for the difference; "": none."""

    steps: tuple[Step, ...]
    asks: str = ""


# -- the change ---------------------------------------------------------------------------------------


def foresee(
    session: Session, person: Person, reference: str, amount: Money, *, anew: bool = False
) -> tuple[Step, ...]:
    """What would be done; nothing is. Raises NotFound, NotAllowed, InvalidInput, Conflict."""
    payment = obligations.seen(session, person, reference)
    check(person, Action.ISSUE_LINK, payment.event_id)
    return agreed.plan(families.members(session, payment), amount, anew=anew)


def takes_two(steps: Iterable[Step]) -> bool:
    """Whether a person asks another for it: something is owed back."""
    return any(step.deed is Deed.CREDIT for step in steps)


def change(
    sessions: Sessions,
    gateways: Mapping[str, Gateway],
    person: Person,
    reference: str,
    wanted: Wanted,
    *,
    addresses: Addresses,
    now: datetime,
    source: Source = Source.DESK,
) -> Changed:
    """Have a payment cost ``wanted`` in all. The same again changes nothing.

    Raises InvalidInput, NotFound, NotAllowed, GatewayError (it could not be asked, or made no link), Conflict
    (money is under way or contested, it changed in this moment, or a person must ask a second one first).
    """
    wanted = replace(wanted, why=reason_given(wanted.why))
    with sessions.read() as session:
        standstill.refuse(session)
        steps = foresee(session, person, reference, wanted.amount, anew=wanted.choice is not None)
        payment = obligations.seen(session, person, reference)
        _one_may(payment, steps, source)
        statuses = {one.reference: one.status for one in families.members(session, payment)}
        if not steps and wanted.choice is None:
            return Changed(())
    for step in steps:
        if step.deed in _CANCELS and statuses[step.reference] != Status.CANCELLED:
            cancellation.ask_gateway(sessions, gateways, person, step.reference, now=now)

    def write(session: Session) -> tuple[Draft | None, str]:
        standstill.refuse(session)
        payment = obligations.seen(session, person, reference)
        return _write(session, payment, wanted, steps, _By(person, source, person.name, now))

    draft, known = sessions.run(write)
    if draft is None:
        return Changed(steps, known)
    links.issue(
        sessions, gateways["ikhokha"], draft, person=person, addresses=addresses, now=now, source=source
    )
    if wanted.tell and draft.payer_email:
        with sessions.begin() as session:
            sharing.mail(session, person, draft.reference, now=now)
    return Changed(steps, draft.reference)


def credited_alone(session: Session, payment: Payment, amount: Money) -> tuple[Step, ...]:
    """The credits that bring a payment to cost ``amount`` in all, for whoever asks a second person.

    Raises InvalidInput, Conflict: more than credits would be needed.
    """
    steps = agreed.plan(families.members(session, payment), amount)
    if not takes_two(steps):
        raise Conflict(f"{amount} leaves nothing to credit of {payment.reference}: change the amount itself.")
    if waits := next((step for step in steps if step.deed is not Deed.CREDIT), None):
        raise Conflict(f"{waits.reference} still asks for {waits.amount} more. Cancel that one first.")
    return steps


def credit(
    session: Session, person: Person, payment: Payment, wanted: Wanted, by_both: str, *, now: datetime
) -> tuple[Step, ...]:
    """Record what two people decided. The payment is held. Raises InvalidInput, Conflict."""
    check(person, Action.RECORD, payment.event_id)
    steps = credited_alone(session, payment, wanted.amount)
    _write(session, payment, wanted, steps, _By(person, Source.DESK, by_both, now))
    return steps


# -- inside -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _By:
    person: Person
    source: Source
    name: str
    now: datetime

    @property
    def act(self) -> dict[str, Any]:
        return {"now": self.now, "source": self.source, "actor": self.name}


def _one_may(payment: Payment, steps: Sequence[Step], source: Source) -> None:
    """Raises Conflict for what a person does not do alone, or not to a payment that somebody closed."""
    if source in _SYSTEMS:
        return
    if payment.status in CLOSED:
        raise Conflict(f"{payment.reference} is {payment.status}. Take it up again first.")
    if payment.origin == "legacy":
        raise Conflict(f"{payment.reference} is an earlier record: take a new payment for another amount.")
    if takes_two(steps):
        raise Conflict("What is owed back to a payer takes two people: ask a second person for the credit.")


def _write(
    session: Session, payment: Payment, wanted: Wanted, steps: Sequence[Step], by: _By
) -> tuple[Draft | None, str]:
    """All of a change. Returns the form of a new payment that needs its link, or the reference of what asks
    for the amount. Raises Conflict: it is not as it was when the steps were foreseen."""
    held = _hold(session, payment, credited=takes_two(steps))
    first = held[0]
    if steps and steps[0].deed is Deed.REPLACE and (known := _in_its_place(session, first)) is not None:
        if known.amount == wanted.amount:
            return None, known.reference
        raise Conflict(f"{first.reference} was replaced by {known.reference} in this moment. Look at that.")
    anew = wanted.choice is not None
    if agreed.plan(families.members_of(session, held), wanted.amount, anew=anew) != tuple(steps):
        stands = ", ".join(f"{one.reference} is {one.status.replace('_', ' ')}" for one in held)
        raise Conflict(f"It changed in this moment: {stands}. Look at it again.")
    wanted = replace(wanted, choice=wanted.choice or families.choice_of(session, payment))
    named = {one.reference: one for one in held}
    draft: Draft | None = None
    asks = ""
    for step in steps:
        match step.deed:
            case Deed.DROP | Deed.REPLACE:
                _cancelled(session, named[step.reference], wanted, by)
            case Deed.CREDIT | Deed.TAKE_BACK:
                _credited(session, named[step.reference], step, wanted, by)
            case Deed.ASK:
                pass
        if step.deed in (Deed.REPLACE, Deed.ASK):
            draft, asks = _asked(session, first, step, wanted, by)
    if not steps:
        nothing = Money(0, first.amount_currency)
        crediting.keep(
            session, first, nothing, wanted.why, kind=_AGREED, choice=families.plain(wanted.choice), **by.act
        )
    audit.record(
        session, by.person, "change_amount", first.reference, now=by.now, event_id=first.event_id,
        amount_minor=wanted.amount.minor, steps=agreed.told(steps), asks=asks, why=wanted.why,
    )  # fmt: skip
    return draft, asks


def _hold(session: Session, payment: Payment, *, credited: bool) -> list[Payment]:
    """The family, held in the order of their ids; with the payments that share an invoice with them."""
    ids = [one.id for one in families.whole(session, payment)]
    others = _billed_with(session, ids) if credited else ()
    rows = {one: holding.payment(session, one) for one in sorted({*ids, *others})}
    return [rows[one] for one in ids]


def _billed_with(session: Session, ids: Collection[int]) -> Iterable[int]:
    papers = select(PaperPart.paper_id).where(PaperPart.payment_id.in_(ids))
    return session.scalars(select(PaperPart.payment_id).where(PaperPart.paper_id.in_(papers)))


def _in_its_place(session: Session, payment: Payment) -> Payment | None:
    """What asks for its amount since it was cancelled; None when that was closed as well."""
    query = (
        select(Payment)
        .join(AmountChange, AmountChange.other_id == Payment.id)
        .where(AmountChange.payment_id == payment.id, AmountChange.kind == REPLACED)
    )
    return session.scalar(query.where(Payment.status.not_in(sorted(CLOSED))).limit(1))


def _cancelled(session: Session, payment: Payment, wanted: Wanted, by: _By) -> None:
    if payment.status != Status.CANCELLED:
        why = f"Another amount was asked for: {wanted.amount}. {wanted.why}"
        cancellation.close(session, by.person, payment, why, now=by.now, source=by.source)


def _asked(session: Session, first: Payment, step: Step, wanted: Wanted, by: _By) -> tuple[Draft | None, str]:
    """A payment of the amount, or of the difference, beside or in the place of the first. Its link is made
    once this is committed, where the gateway takes it."""
    whole = step.deed is Deed.REPLACE
    demo = first.mode == "demo"
    reference = obligations.draft_reference(session, by.person, first.event.code, demo=demo)
    like = wanted.draft or _like(session, first, step.amount)
    draft = replace(like, reference=reference) if whole else _difference(first, reference, step.amount)
    draft = obligations.checked(draft)
    new = obligations.create(session, first.event, draft, person=by.person, now=by.now, source=by.source)
    _register(session, first, new, by.now)
    crediting.keep(
        session, first, new.amount, wanted.why, kind=REPLACED if whole else ASKED, other=new,
        choice=families.plain(wanted.choice), **by.act,
    )  # fmt: skip
    by_eft = whole and not first.links and wanted.draft is None
    if by_eft or new.amount_currency != "ZAR":
        lifecycle.advance(session, new, Status.OPEN, **by.act, by="eft")
        return None, reference
    return replace(draft, amount=new.amount), reference


def _like(session: Session, first: Payment, amount: Money) -> Draft:
    """The form of a payment for another amount: the same payer, the same seats."""
    places = tuple(
        PlaceDraft(part, place.name)
        for part, place in zip(
            vat.share(amount, [place.amount_minor for place in first.places]), first.places, strict=True
        )
    )
    return Draft(
        "", first.event.code, amount, first.payer_name, first.payer_email, first.payer_phone,
        first.category_id, first.note, places, lines=_lines(prices.kept(session, first), amount),
    )  # fmt: skip


def _difference(first: Payment, reference: str, amount: Money) -> Draft:
    note = f"The difference of {first.reference}"
    return Draft(
        reference, first.event.code, amount, first.payer_name, first.payer_email, first.payer_phone,
        first.category_id, note,
    )  # fmt: skip


def _lines(lines: Sequence[Priced], amount: Money) -> tuple[Priced, ...]:
    """What a payment was priced as, for another amount: what is less is taken off each line, what is more
    stands on one of its own. The seats stay."""
    if not lines:
        return ()
    nothing = Money(0, amount.currency)
    more = amount - sum((line.amount for line in lines), nothing)
    if more.minor >= 0:
        return (*lines, Priced("Agreed afterwards", more, 1, nothing)) if more else tuple(lines)
    off = vat.share(-more, [line.amount.minor for line in lines])
    return tuple(
        replace(line, discount=line.discount + part, code=line.code or "agreement")
        for line, part in zip(lines, off, strict=True)
    )


def _register(session: Session, first: Payment, new: Payment, now: datetime) -> None:
    """The registration that another system knows the first one by is known by the new one as well."""
    row = session.scalar(select(Registration).where(Registration.reference == first.reference))
    if row is None:
        return
    same = select(Registration).where(
        Registration.event_id == row.event_id, Registration.registration_id == row.registration_id
    )
    newest = session.scalars(same.order_by(Registration.number.desc()).limit(1)).one()
    session.add(
        Registration(
            event_id=row.event_id, registration_id=row.registration_id, number=newest.number + 1,
            reference=new.reference, request_id=newest.request_id, return_url=newest.return_url,
            change=0, created_at=now,
        )
    )  # fmt: skip
    new.origin = "api"
    session.flush()


def _credited(session: Session, payment: Payment, step: Step, wanted: Wanted, by: _By) -> None:
    taken_back = step.deed is Deed.TAKE_BACK
    amount = -step.amount if taken_back else step.amount
    row = crediting.keep(session, payment, amount, wanted.why, choice=families.plain(wanted.choice), **by.act)
    if not taken_back:
        _credit_note(session, payment, row, by)
    crediting.seen_to(session, payment, **by.act)


def _credit_note(session: Session, payment: Payment, row: AmountChange, by: _By) -> None:
    """An invoice says no more than what the payment costs by now: the rest of it is credited."""
    (now_is,) = families.members_of(session, [payment])
    invoices = (
        select(PaperRow)
        .join(PaperPart, PaperPart.paper_id == PaperRow.id)
        .where(PaperPart.payment_id == payment.id, PaperRow.kind == PaperKind.INVOICE)
    )
    person = by.person if by.person.may(Action.RECORD, payment.event_id) else SYSTEM
    for invoice in session.scalars(invoices).all():
        over = standing.left_of(session, invoice).get(payment.id, 0) - now_is.keeps.minor
        if over > 0:
            amount = Money(over, payment.amount_currency)
            wanted = issuing.Credit(f"amount-{row.id}", invoice.id, row.why, amount, payment.reference)
            issuing.credit(session, person, wanted, now=by.now)
