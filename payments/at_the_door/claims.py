"""Claims: a payer says they paid by EFT. Their word, with or without a proof, moves no money.

*Claimed* becomes paid by the gateway, a till's receipt, a bank line, or two people (``two_people``): by
nothing else. Links go on being asked about as if nothing had been said.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session

from db.models import Claim, ClaimDrop, Payment, Proof
from db.money import LARGEST_MINOR, Money
from payments import dates, lifecycle, obligations
from payments.access.people import Action, Person, check
from payments.at_the_door import eft
from payments.books import audit
from payments.deciding.attention import reason_given
from payments.deciding.cases import Reason
from payments.errors import Conflict, InvalidInput, NotFound
from payments.keeping.keyring import KeyRing
from payments.lifecycle import SETTLED, Kind, Source, Status
from payments.privacy import clean_line
from payments.proofs import files, suspicion
from payments.proofs.files import Prepared
from payments.proofs.suspicion import Finding

#: Nobody says today that they paid longer ago than this.
LONGEST_AGO = timedelta(days=400)
MOST_PROOFS = 10
#: So many of the newest pictures are compared with a new one by what they look like.
_COMPARED = 5_000
_PLACE = "proofs.sealed.{id}"


@dataclass(frozen=True)
class ClaimDraft:
    """What a payer says. ``key`` is drawn when the form is first shown: sent twice it is one claim."""

    key: str
    reference: str
    amount: Money
    paid_on: date
    bank_reference: str = ""


@dataclass(frozen=True)
class Suspicion:
    """A finding, and the other payment it is about: its reference, "" for one of another event."""

    finding: Finding
    other: str | None = None


@dataclass(frozen=True)
class ProofView:
    id: int
    kind: str
    size_bytes: int
    findings: tuple[Suspicion, ...]
    at: datetime
    by: str


@dataclass(frozen=True)
class ClaimView:
    """``due_on``: by then a bank would have brought it. ``dropped``: who stopped believing it, and why."""

    id: int
    amount: Money
    paid_on: date
    bank_reference: str
    due_on: date
    overdue: bool
    findings: tuple[Suspicion, ...]
    proofs: tuple[ProofView, ...]
    at: datetime
    by: str
    dropped: str | None


@dataclass(frozen=True)
class ProofFile:
    """A proof to be saved."""

    name: str
    media_type: str
    data: bytes


def record(
    session: Session,
    person: Person,
    draft: ClaimDraft,
    proof: Prepared | None,
    keys: KeyRing,
    *,
    now: datetime,
) -> int:
    """Write down what a payer says, and return the claim's id. Nothing counts as paid by it.

    Raises InvalidInput, NotFound, NotAllowed, CannotOpen (no key to keep a proof with), Conflict.
    """
    payment = obligations.held(session, person, Action.TAKE_MONEY, draft.reference)
    known = session.scalar(select(Claim).where(Claim.key == draft.key))
    if known is not None:
        return _same(known, payment, draft)
    bank_reference = _checked(payment, draft, now)
    claim = Claim(
        payment_id=payment.id, key=draft.key, amount_minor=draft.amount.minor,
        amount_currency=draft.amount.currency, paid_on=draft.paid_on, bank_reference=bank_reference,
        folded_reference=_folded(bank_reference), at=now, by=person.name,
    )  # fmt: skip
    session.add(claim)
    session.flush()
    lifecycle.note(
        session, payment, Kind.CLAIM, now=now, source=Source.DESK, actor=person.name, step="claimed",
        claim=claim.id, amount_minor=draft.amount.minor, currency=draft.amount.currency,
        paid_on=draft.paid_on.isoformat(), bank_reference=bank_reference,
    )  # fmt: skip
    if Status.CLAIMED in lifecycle.TRANSITIONS[Status(payment.status)]:
        lifecycle.advance(session, payment, Status.CLAIMED, now=now, source=Source.DESK, actor=person.name)
    audit.record(
        session, person, "record_claim", payment.reference, now=now, event_id=payment.event_id,
        claim=claim.id, amount_minor=draft.amount.minor, paid_on=draft.paid_on.isoformat(),
    )  # fmt: skip
    if proof is not None:
        keep_proof(session, person, payment, proof, keys, claim=claim, now=now)
    elif used := [each.finding for each in _reference_used(session, person, claim)]:
        _doubt(session, payment, claim, used, now)
    return claim.id


def drop(session: Session, person: Person, claim_id: int, why: str, *, now: datetime) -> None:
    """Stop believing a claim: with the last one gone the payment is simply waited for again.

    Raises NotFound, NotAllowed, InvalidInput, Conflict.
    """
    reason = reason_given(why)
    claim = _claim(session, person, claim_id)
    payment = obligations.held(session, person, Action.TAKE_MONEY, claim.payment.reference)
    if _dropped(session, claim.id) is not None:
        raise Conflict("Nobody believes this claim any more already.")
    session.add(ClaimDrop(claim_id=claim.id, why=reason, at=now, by=person.name))
    session.flush()
    lifecycle.note(
        session, payment, Kind.CLAIM, now=now, source=Source.DESK, actor=person.name, step="dropped",
        claim=claim.id, why=reason,
    )  # fmt: skip
    if payment.status == Status.CLAIMED and not stands(session, payment.id):
        lifecycle.advance(session, payment, Status.OPEN, now=now, source=Source.DESK, actor=person.name)
    audit.record(
        session, person, "drop_claim", payment.reference, now=now, event_id=payment.event_id,
        claim=claim.id, why=reason,
    )  # fmt: skip


# -- proofs -----------------------------------------------------------------------------------------


def keep_proof(
    session: Session,
    person: Person,
    payment: Payment,
    proof: Prepared,
    keys: KeyRing,
    *,
    claim: Claim | None = None,
    now: datetime,
) -> int:
    """Encrypt a proof and keep it, with what is odd about it. The payment's row is held."""
    check(person, Action.TAKE_MONEY, payment.event_id)
    held = session.scalars(select(Proof.id).where(Proof.payment_id == payment.id)).all()
    if len(held) >= MOST_PROOFS:
        raise Conflict(f"{payment.reference} has {MOST_PROOFS} proofs already; more tell nothing new.")
    findings = list(_odd(session, payment, proof, claim)) if claim is not None else []
    row = Proof(
        payment_id=payment.id, claim_id=claim.id if claim else None, kind=proof.kind, sha256=proof.sha256,
        pixels_sha256=proof.pixels_sha256, look=proof.look, size_bytes=len(proof.kept),
        findings=[[finding, other] for finding, other in findings], sealed=b"", at=now, by=person.name,
    )  # fmt: skip
    session.add(row)
    session.flush()
    row.sealed = keys.seal(proof.kept, _PLACE.format(id=row.id))
    session.flush()
    lifecycle.note(
        session, payment, Kind.CLAIM, now=now, source=Source.DESK, actor=person.name, step="proof",
        proof=row.id, sha256=proof.sha256,
    )  # fmt: skip
    audit.record(
        session, person, "keep_proof", payment.reference, now=now, event_id=payment.event_id,
        proof=row.id, sha256=proof.sha256,
    )  # fmt: skip
    if claim is not None:
        odd = [finding for finding, _ in findings]
        odd += [each.finding for each in _reference_used(session, person, claim)]
        if odd:
            _doubt(session, payment, claim, odd, now)
    return row.id


def open_proof(session: Session, person: Person, proof_id: int, keys: KeyRing, *, now: datetime) -> ProofFile:
    """Decrypt a proof for somebody who may see it; the audit tells who did.

    Raises NotFound, also for another event's; NotAllowed; CannotOpen.
    """
    row = session.get(Proof, proof_id)
    payment = session.get_one(Payment, row.payment_id) if row else None
    if row is None or payment is None or not person.may(Action.SEE, payment.event_id):
        raise NotFound("There is no such proof here.")
    check(person, Action.SEE_PROOFS, payment.event_id)
    if not row.sealed:
        raise NotFound("This proof was erased: what it was for, and that it was here, stays on the timeline.")
    data = opened(row, keys)
    audit.record(
        session, person, "open_proof", payment.reference, now=now, event_id=payment.event_id, proof=row.id
    )
    kinds = {"jpeg": ("jpg", "image/jpeg"), "pdf": ("pdf", "application/pdf")}
    ending, media_type = kinds[row.kind]
    return ProofFile(f"proof-{payment.reference}-{row.id}.{ending}", media_type, data)


def opened(row: Proof, keys: KeyRing) -> bytes:
    """A proof as it was kept. Raises CannotOpen."""
    return keys.open(row.sealed, _PLACE.format(id=row.id))


# -- looking ----------------------------------------------------------------------------------------


def of_payment(session: Session, person: Person, reference: str, *, now: datetime) -> tuple[ClaimView, ...]:
    """What the payer of this payment said, the newest first. Raises NotFound."""
    payment = obligations.seen(session, person, reference)
    rows = select(Claim).where(Claim.payment_id == payment.id).order_by(Claim.id.desc())
    return tuple(_view(session, person, claim, now) for claim in session.scalars(rows))


def stands(session: Session, payment_id: int) -> bool:
    """Whether a claim of this payment is still believed."""
    return (
        session.scalar(select(Claim.id).where(Claim.payment_id == payment_id, _BELIEVED).limit(1)) is not None
    )


def overdue(session: Session, *, now: datetime) -> Iterator[tuple[int, int, date]]:
    """Payment, claim and the day it was due of what is claimed, and not here though a bank had time."""
    today = dates.business_day(now)
    waits = (
        select(Claim.payment_id, Claim.id, Claim.paid_on)
        .join(Payment, Payment.id == Claim.payment_id)
        .where(Payment.status == Status.CLAIMED, _BELIEVED, Claim.paid_on < today)
        .order_by(Claim.id)
    )
    for payment_id, claim_id, paid_on in session.execute(waits):
        if (due := due_on(paid_on)) < today:
            yield payment_id, claim_id, due


def due_on(paid_on: date) -> date:
    """The last day on which a bank brings what was sent on this one."""
    return dates.next_bank_day(paid_on, eft.BANK_DAYS)


# -- inside -----------------------------------------------------------------------------------------

_BELIEVED = ~exists().where(ClaimDrop.claim_id == Claim.id)


def _same(known: Claim, payment: Payment, draft: ClaimDraft) -> int:
    if (known.payment_id, known.amount, known.paid_on) != (payment.id, draft.amount, draft.paid_on):
        raise Conflict("This form was sent before, with something else in it. Start it again.")
    return known.id


def _checked(payment: Payment, draft: ClaimDraft, now: datetime) -> str:
    """The bank reference, cleaned, of a draft that can be."""
    if payment.status in SETTLED | {Status.WAIVED}:
        raise Conflict(
            f"{payment.reference} is {payment.status.replace('_', ' ')}; there is nothing to claim."
        )
    if draft.amount.currency != payment.amount_currency:
        raise InvalidInput(f"This payment is in {payment.amount_currency}.")
    if not 1 <= draft.amount.minor <= LARGEST_MINOR:
        raise InvalidInput("How much do they say they paid? More than nothing.")
    today = dates.business_day(now)
    if not today - LONGEST_AGO <= draft.paid_on <= today:
        raise InvalidInput("On which day was it paid? Today or before, within the last year.")
    if not draft.key or len(draft.key) > 43:
        raise InvalidInput("Start the form again.")
    return clean_line(draft.bank_reference, field="The bank reference", longest=60)


def _folded(text: str) -> str:
    return re.sub(r"[^0-9A-Z]", "", text.upper())


def _claim(session: Session, person: Person, claim_id: int) -> Claim:
    claim = session.get(Claim, claim_id)
    if claim is None or not person.may(Action.SEE, claim.payment.event_id):
        raise NotFound("There is no such claim here.")
    return claim


def _odd(
    session: Session, payment: Payment, proof: Prepared, claim: Claim
) -> Iterator[tuple[Finding, int | None]]:
    """What is odd about a proof, with the other payment's id where it is about one."""
    elsewhere = Proof.payment_id != payment.id
    same = or_(Proof.sha256 == proof.sha256, Proof.pixels_sha256 == proof.pixels_sha256)
    used = session.scalar(select(Proof.payment_id).where(elsewhere, same).order_by(Proof.id).limit(1))
    if used is not None:
        yield Finding.ALREADY_USED, used
    elif proof.look is not None:
        looks = select(Proof.payment_id, Proof.look).where(elsewhere, Proof.look.is_not(None))
        for other, look in session.execute(looks.order_by(Proof.id.desc()).limit(_COMPARED)):
            if look and files.unlike(look, proof.look) <= suspicion.ALIKE:
                yield Finding.LOOKS_ALIKE, other
                break
    if proof.told is not None:
        accounts = [suspicion.Account(a.holder, a.number) for a in eft.accounts_of(session, payment.event_id)]
        for finding in suspicion.of_text(proof.told, claim.amount, claim.paid_on, accounts):
            yield finding, None


def _reference_used(session: Session, person: Person, claim: Claim) -> tuple[Suspicion, ...]:
    """Another payment that was claimed with the same bank reference."""
    if not claim.folded_reference:
        return ()
    same = and_(Claim.folded_reference == claim.folded_reference, Claim.payment_id != claim.payment_id)
    other = session.scalar(select(Claim.payment_id).where(same, _BELIEVED).order_by(Claim.id).limit(1))
    return () if other is None else (_suspicion(session, person, Finding.REFERENCE_USED, other),)


def _doubt(session: Session, payment: Payment, claim: Claim, odd: list[Finding], now: datetime) -> None:
    told = ", ".join(sorted({finding.replace("_", " ") for finding in odd}))
    lifecycle.open_case(
        session, payment, Reason.DOUBTFUL_CLAIM, now=now, source=Source.DESK, actor="Paydesk",
        claim=claim.id, findings=told,
    )  # fmt: skip


def _suspicion(session: Session, person: Person, finding: Finding, payment_id: int | None) -> Suspicion:
    other = session.get(Payment, payment_id) if payment_id is not None else None
    if other is None:
        return Suspicion(finding)
    return Suspicion(finding, other.reference if person.may(Action.SEE, other.event_id) else "")


def _dropped(session: Session, claim_id: int) -> ClaimDrop | None:
    return session.scalar(select(ClaimDrop).where(ClaimDrop.claim_id == claim_id))


def _view(session: Session, person: Person, claim: Claim, now: datetime) -> ClaimView:
    proofs = session.scalars(select(Proof).where(Proof.claim_id == claim.id).order_by(Proof.id))
    gone, due = _dropped(session, claim.id), due_on(claim.paid_on)
    waits = claim.payment.status == Status.CLAIMED and gone is None
    return ClaimView(
        id=claim.id,
        amount=claim.amount,
        paid_on=claim.paid_on,
        bank_reference=claim.bank_reference,
        due_on=due,
        overdue=waits and due < dates.business_day(now),
        findings=_reference_used(session, person, claim),
        proofs=tuple(_proof_view(session, person, proof) for proof in proofs),
        at=claim.at,
        by=claim.by,
        dropped=f"{gone.by}: {gone.why}" if gone else None,
    )


def _proof_view(session: Session, person: Person, row: Proof) -> ProofView:
    findings = tuple(_suspicion(session, person, Finding(name), other) for name, other in row.findings)
    return ProofView(row.id, row.kind, row.size_bytes, findings, row.at, row.by)
