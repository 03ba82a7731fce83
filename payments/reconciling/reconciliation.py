"""What bank lines are for: proposed, accepted, refused and undone; a matched line is money its payments got.

Nothing is changed by an amount alone, and a tie stays one until a person decides. Whatever is accepted can
be undone; both stay in the history. Where a line and payments change together, the line is held first and
the payments after it, by id.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.many import some_at_once
from db.models import (
    LineException,
    Match,
    MatchPart,
    MatchRefusal,
    Payment,
    Receipt,
    StatementLine,
)
from db.money import Money
from payments import holding, lifecycle
from payments.access.people import Action, Person, check
from payments.bank import accounts
from payments.bank.overlaps import MATCHED, OPEN
from payments.books import audit
from payments.deciding import cases
from payments.deciding.cases import Decision
from payments.errors import Conflict, InvalidInput, NotFound
from payments.finding import search_text
from payments.lifecycle import Kind, Method, Review, Source
from payments.live import tallies
from payments.lump_sums import banked
from payments.matching import Target, Way
from payments.money_back import refund_books, reversals
from payments.payers import places
from payments.privacy import reason
from payments.reconciling import parts, rests, surplus
from payments.reconciling.parts import Decided, Part, locked_line, taken_back, vouched, what_waits
from payments.sign_off import closed_days

AUTO, PERSON = "auto", "person"
BY_ITSELF = "Paydesk"
#: Receipts of matched lines are called so, with the match and the part.
BANK_LINE = "match-"


# -- accepting ----------------------------------------------------------------------------------------


def accept(session: Session, person: Person, decided: Decided, *, now: datetime) -> int:
    """A person's word for what a line is; returns the match.

    Raises Conflict (the line or a payment is not as it was), InvalidInput (parts that do not add up, more
    written off than one person may: see ``two_people.ask_write_off``), NotFound, NotAllowed.
    """
    check(person, Action.RECONCILE)
    if decided.way == Way.FOREIGN:
        _check_foreign(session, decided)
    match = write(session, decided, how=PERSON, by=person.name, source=Source.DESK, now=now)
    audit.record(
        session, person, "accept_match", f"line {decided.line_id}", now=now, match=match.id,
        way=decided.way, parts=[_told(part) for part in decided.parts], why=decided.why,
    )  # fmt: skip
    return match.id


def _check_foreign(session: Session, decided: Decided) -> None:
    """What banks abroad kept has no limit of its own: it is the desk's finding, and never a person's word."""
    suggested = session.scalar(
        select(LineException.suggestion).where(
            LineException.line_id == decided.line_id, LineException.closed_at.is_(None)
        )
    )
    off = sum(part.written_off.minor for part in decided.parts if part.written_off)
    found = suggested is not None and suggested.get("way") == Way.FOREIGN
    if off > 0 and not (found and suggested is not None and suggested.get("short_minor") == off):
        raise InvalidInput(
            "Bank charges from abroad are let off only as they were found. Write it off instead."
        )


def write(
    session: Session,
    decided: Decided,
    *,
    how: str,
    by: str,
    source: Source,
    now: datetime,
    two: bool = False,
) -> Match:
    """Write a match and move what it is for; everything is looked at before anything is changed. ``two``: two
    people decided it, so that there is no limit to what is written off."""
    line = locked_line(session, decided.line_id)
    if line.state != OPEN:
        raise Conflict(_not_open(session, line))
    payments = locked_payments(session, decided.parts)
    decided = replace(decided, parts=tuple(_asvouched(session, part) for part in decided.parts))
    parts.check(session, line, decided, payments, two=two)
    match = Match(
        line_id=line.id, how=how, way=decided.way, rule=decided.rule, by=by, why=decided.why,
        evidence=dict(decided.evidence), at=now, booked_on=closed_days.booked_on(session, line),
    )  # fmt: skip
    session.add(match)
    session.flush()
    act: dict[str, Any] = {"now": now, "source": source, "actor": by}
    for number, part in enumerate(decided.parts, 1):
        _take(session, match, line, part, payments, f"{BANK_LINE}{match.id}-{number}", act)
    for part in decided.parts:
        if part.line_id is not None:
            _take_back(session, match, line, part.line_id, act)
    if decided.way == Way.REFUND:
        given = [(part.payment_id, part.amount.minor) for part in decided.parts if part.payment_id]
        refund_books.made(session, match, line, given, act)
    line.state = MATCHED
    _close_exception(session, line.id, by, now)
    session.flush()
    for payment in payments.values():  # it is found by what the bank says, too
        payment.search_text = search_text.of(payment)
    tallies.bump(session)
    return match


def _not_open(session: Session, line: StatementLine) -> str:
    match = standing_match(session, line.id)
    if match is None:
        return "The file that told of this line was undone."
    return f"This line is matched already, by {match.by}. Undo that match first."


def standing_match(session: Session, line_id: int) -> Match | None:
    return session.scalar(select(Match).where(Match.line_id == line_id, Match.undone_at.is_(None)))


def _asvouched(session: Session, part: Part) -> Part:
    """Surplus of a payment that people marked as paid with just this much is that money, come at last."""
    if part.target is Target.SURPLUS and part.payment_id and vouched(session, part.payment_id, part.amount):
        return replace(part, target=Target.PAYMENT)
    return part


def locked_payments(session: Session, parts: Iterable[Part]) -> dict[int, Payment]:
    ids = sorted({part.payment_id for part in parts if part.payment_id is not None})
    return {payment_id: holding.payment(session, payment_id) for payment_id in ids}


def _take(
    session: Session,
    match: Match,
    line: StatementLine,
    part: Part,
    payments: Mapping[int, Payment],
    reference: str,
    act: dict[str, Any],
) -> None:
    """Write one part, and the money it brings to a payment."""
    row = MatchPart(
        match_id=match.id,
        target="bag" if part.target is Target.BATCH else str(part.target),
        amount_minor=part.amount.minor,
        amount_currency=part.amount.currency,
        payment_id=part.payment_id,
        written_off_minor=part.written_off.minor if part.written_off else 0,
        bag_id=part.bag_id,
        other_line_id=part.line_id,
        payout_id=part.payout_id,
        card_batch_id=part.card_batch_id,
    )
    if part.payout_id is not None:
        banked.note(session, part.payout_id, line.on, Kind.BANKED, act)
    if part.payment_id is not None:
        payment = payments[part.payment_id]
        _note(session, payment, match, line, row, act)
        if part.target is Target.PAYMENT:
            payment.written_off_minor += row.written_off_minor
            shown = None if part.written_off else vouched(session, payment.id, part.amount)
            said = act | {"place": places.said_by(session, payment, f"{line.description} {line.reference}")}
            row.receipt_id = shown.id if shown else _receive(session, payment, part.amount, reference, said)
    session.add(row)


def _receive(session: Session, payment: Payment, amount: Money, reference: str, act: dict[str, Any]) -> int:
    lifecycle.receive(session, payment, kind=Method.EFT, source_reference=reference, amount=amount, **act)
    by_reference = select(Receipt.id).where(Receipt.kind == Method.EFT, Receipt.source_reference == reference)
    return session.scalars(by_reference).one()


def _note(
    session: Session,
    payment: Payment,
    match: Match,
    line: StatementLine,
    row: MatchPart,
    act: dict[str, Any],
) -> None:
    lifecycle.note(
        session, payment, Kind.MATCHED, **act, match=match.id, line=line.id, on=line.on.isoformat(),
        way=match.way, rule=match.rule, for_it=row.target, amount_minor=row.amount_minor,
        currency=row.amount_currency, written_off_minor=row.written_off_minor, why=match.why,
    )  # fmt: skip


# -- money taken back ---------------------------------------------------------------------------------


def _take_back(
    session: Session, match: Match, line: StatementLine, other_id: int, act: dict[str, Any]
) -> None:
    """The money of an earlier line went back: whatever it paid waits again."""
    other = locked_line(session, other_id)
    earlier = standing_match(session, other_id)
    if earlier is None:  # nobody had matched it: the two lines cancel out, and neither is for anything
        pair = Match(
            line_id=other.id, how=match.how, way=match.way, rule=match.rule, by=match.by,
            why=match.why, evidence=match.evidence, at=match.at,
            booked_on=closed_days.booked_on(session, other),
        )  # fmt: skip
        session.add(pair)
        session.flush()
        session.add(
            MatchPart(
                match_id=pair.id, target="line", amount_minor=other.amount_minor,
                amount_currency=other.amount_currency, other_line_id=line.id,
            )
        )  # fmt: skip
        other.state = MATCHED
        _close_exception(session, other.id, match.by, act["now"])
        return
    _close_exception(session, other.id, match.by, act["now"])
    _give_back(session, earlier, f"The bank took it back on {line.on:%-d %b %Y}.", act)
    sent_back = f"The bank sent it back on {line.on:%-d %b %Y}."
    refund_books.not_made(session, earlier, sent_back, act, by_bank=True)
    moved = surplus.go_with_line(session, earlier, f"The bank took it back on {line.on:%-d %b %Y}.", act)
    for payment_id in sorted({*_paid_by(earlier), *moved}):
        payment = holding.payment(session, payment_id)
        lifecycle.flag(
            session, payment, Review.BANK_TOOK_IT_BACK, **act, line=line.id, on=line.on.isoformat()
        )


def _paid_by(match: Match) -> list[int]:
    return sorted({part.payment_id for part in match.parts if part.payment_id and part.receipt_id})


def _give_back(
    session: Session, match: Match, why: str, act: dict[str, Any], *, keep_vouched: bool = False
) -> None:
    """Reverse what a match brought to its payments. What two people vouched for was here before it, and
    only goes when the bank takes it back."""
    paid = sorted((part for part in match.parts if part.receipt_id), key=lambda part: part.payment_id or 0)
    for part in paid:
        assert part.payment_id is not None
        assert part.receipt_id is not None
        payment = holding.payment(session, part.payment_id)
        receipt = session.get_one(Receipt, part.receipt_id)
        if keep_vouched and receipt.source_reference.startswith(parts.VOUCHED):
            continue
        payment.written_off_minor -= part.written_off_minor
        reversals.reverse(session, payment, receipt, why, **act)
        _heal(session, payment, act)


def _heal(session: Session, payment: Payment, act: dict[str, Any]) -> None:
    """What was odd about money that is gone need not be decided any more."""
    if payment.received_minor > payment.owed_minor:
        return
    for reason_ in (Review.OVERPAID, Review.PAID_LATE):
        case = cases.find_open(session, payment.id, cases.Reason(reason_))
        if case is not None:
            lifecycle.close_case(session, case, Decision.HEALED, "The money went back.", **act)


# -- undoing, refusing --------------------------------------------------------------------------------


def undo(
    session: Session,
    person: Person,
    match_id: int,
    why: str,
    *,
    now: datetime,
    with_its_night: bool = False,
    going: Collection[int] = (),
) -> int:
    """Take a match back, with the money it brought; the line waits again, for a person. Returns the line.
    ``with_its_night``: whoever asks takes back all that its payout is written down as one with. ``going``:
    lines that their import takes away, so that they wait nowhere.

    Raises Conflict (undone before, its line was taken back, its money was refunded, its day is signed off,
    its account is out of use, it is of a night that goes together), InvalidInput, NotFound.
    """
    check(person, Action.RECONCILE)
    why = reason(why)
    match = session.get(Match, match_id)
    if match is None:
        raise NotFound("There is no such match.")
    line = locked_line(session, match.line_id)
    session.refresh(match)
    if match.undone_at is not None:
        raise Conflict(f"{match.undone_by} undid this match already.")
    if (later := taken_back(session, line.id)) is not None and not _cancels(match, later):
        took = session.get_one(StatementLine, later.line_id)
        raise Conflict(f"The bank took this line back, by {took.about}; undo that match first.")
    if not with_its_night:
        banked.refuse_alone(session, line.id)
    act: dict[str, Any] = {"now": now, "source": Source.DESK, "actor": person.name}
    _undo_one(session, match, line, why, act, going)
    for part in match.parts:
        if part.other_line_id is not None:
            _undo_other(session, part.other_line_id, line, why, act, going)
    audit.record(session, person, "undo_match", f"line {line.id}", now=now, match=match.id, why=why)
    tallies.bump(session)
    return line.id


def undo_all(session: Session, person: Person, line_ids: Iterable[int], why: str, *, now: datetime) -> None:
    """Take back whatever these lines are matched with, before their import goes: the newest match first, what
    took a line back before what that line pays. Raises what ``undo`` raises, with the line to blame.

    Their account is held first: whoever matches a line of it has that line by then, or waits with nothing.
    """
    check(person, Action.RECONCILE)
    lines = list(line_ids)
    for account_id in _accounts_of(session, lines):
        accounts.row(session, account_id, lock=True)
    while found := _matches_of(session, lines):  # the line that was taken back has a new one then
        for match in found:
            session.refresh(match)
            if match.undone_at is not None:  # together with another
                continue
            try:
                undo(session, person, match.id, why, now=now, going=lines)
            except Conflict as error:
                line = session.get_one(StatementLine, match.line_id)
                raise Conflict(f"Of {line.about}: {error}") from error


def _accounts_of(session: Session, line_ids: list[int]) -> list[int]:
    of_lines = select(StatementLine.account_id).distinct()
    return sorted(
        {
            account_id
            for some in some_at_once(line_ids)
            for account_id in session.scalars(of_lines.where(StatementLine.id.in_(some)))
        }
    )


def _matches_of(session: Session, line_ids: list[int]) -> list[Match]:
    standing = select(Match).where(Match.undone_at.is_(None))
    found = [
        match
        for some in some_at_once(line_ids)
        for match in session.scalars(standing.where(Match.line_id.in_(some)))
    ]
    return sorted(found, key=lambda match: match.id, reverse=True)


def _cancels(match: Match, later: Match) -> bool:
    """Two lines that only cancel each other out: undoing either undoes both."""
    return any(part.other_line_id == later.line_id for part in match.parts)


def _undo_one(
    session: Session,
    match: Match,
    line: StatementLine,
    why: str,
    act: dict[str, Any],
    going: Collection[int],
) -> None:
    if line.id not in going:
        accounts.refuse_out_of_use(session, line.account_id)
    closed_days.refuse_change(session, line.account_id, closed_days.day_of_match(match, line))
    surplus.refuse_undo(session, match)
    waited = _close_exception(session, line.id, act["actor"], act["now"])  # what came too much
    match.undone_at, match.undone_by, match.undone_why = act["now"], act["actor"], why
    line.state, line.by_hand = OPEN, True
    session.flush()
    _give_back(session, match, why, act, keep_vouched=True)
    refund_books.not_made(session, match, why, act, by_bank=False)
    for payment_id in sorted({part.payment_id for part in match.parts if part.payment_id}):
        payment = holding.payment(session, payment_id)
        _note_undone(session, payment, line, why, act, match=match.id)
        payment.search_text = search_text.of(payment)
    for payout_id in sorted({part.payout_id for part in match.parts if part.payout_id}):
        banked.note(session, payout_id, line.on, Kind.UNBANKED, act, why=why)
    suggestion = dict(match.evidence)  # what spoke for it still does
    row = LineException(
        line_id=line.id, reason="undone", suggestion=suggestion, opened_at=act["now"], note=""
    )  # fmt: skip
    rests.handed_on(waited, row)
    session.add(row)
    session.flush()


def _undo_other(
    session: Session,
    other_id: int,
    line: StatementLine,
    why: str,
    act: dict[str, Any],
    going: Collection[int],
) -> None:
    """The line that was taken back stands again: alone, or with what it had paid before."""
    other = locked_line(session, other_id)
    match = standing_match(session, other_id)
    if match is None:
        return
    if any(part.other_line_id == line.id for part in match.parts):
        _undo_one(session, match, other, why, act, going)
        return
    closed_days.refuse_change(session, other.account_id, closed_days.day_of_match(match, other))
    parts = tuple(part_of(part) for part in match.parts)
    decided = Decided(other.id, parts, match.way, match.evidence, match.rule, match.why or why)
    whole = not surplus.of_match(session, match)
    surplus.end_with_match(session, match, other, why, act)
    waited = rests.like_of(session, match)
    match.undone_at, match.undone_by, match.undone_why = act["now"], act["actor"], why
    other.state = OPEN
    session.flush()
    again = write(session, decided, how=match.how, by=match.by, source=act["source"], now=act["now"])
    if waited is not None:
        rests.stand_again(session, again, waited, whole=whole, now=act["now"])
    for payment_id in _paid_by(match):
        case = cases.find_open(session, payment_id, cases.Reason.BANK_TOOK_IT_BACK)
        if case is not None:
            lifecycle.close_case(session, case, Decision.HEALED, "The bank did not take it back.", **act)


def part_of(row: MatchPart) -> Part:
    """A part as it was decided."""
    target = Target.BATCH if row.target == "bag" else Target(row.target)
    off = Money(row.written_off_minor, row.amount_currency) if row.written_off_minor else None
    return Part(
        target, row.amount, row.payment_id, off, row.bag_id, row.other_line_id, row.payout_id,
        row.card_batch_id,
    )  # fmt: skip


def refuse(
    session: Session, person: Person, line_id: int, payment_id: int, why: str, *, now: datetime
) -> None:
    """This line is not for this payment; it is not proposed again. Raises NotFound, NotAllowed."""
    check(person, Action.RECONCILE)
    line = locked_line(session, line_id)
    payment = holding.payment(session, payment_id)
    known = select(MatchRefusal.id).where(
        MatchRefusal.line_id == line_id, MatchRefusal.payment_id == payment_id
    )
    if session.scalar(known) is not None:
        return
    session.add(MatchRefusal(line_id=line_id, payment_id=payment_id, why=why.strip(), at=now, by=person.name))
    line.by_hand = True
    act: dict[str, Any] = {"now": now, "source": Source.DESK, "actor": person.name}
    _note_undone(session, payment, line, why.strip(), act)
    audit.record(
        session, person, "refuse_match", f"line {line_id}", now=now, payment=payment.reference, why=why
    )
    tallies.bump(session)


def _note_undone(
    session: Session, payment: Payment, line: StatementLine, why: str, act: dict[str, Any], **more: Any
) -> None:
    lifecycle.note(
        session, payment, Kind.UNMATCHED, **act, line=line.id, on=line.on.isoformat(), why=why, **more
    )


def _close_exception(session: Session, line_id: int, by: str, now: datetime) -> LineException | None:
    row = what_waits(session, line_id)
    if row is not None:
        row.closed_at, row.closed_by = now, by
    return row


def _told(part: Part) -> dict[str, Any]:
    told = {"for": str(part.target), "minor": part.amount.minor, "payment": part.payment_id}
    return told | ({"written_off": part.written_off.minor} if part.written_off else {})
