"""What the gateway's files say went back: which refund a row is, and which no other payout may be less by.

A row is tied to its refund where its reference and its amount leave one alone. Where they leave several, or
the refund was not written down when the file came, any refund of the payment that the row names may be it:
no explanation takes one of them off until the row is tied.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from db.many import some_at_once
from db.models import Dispute, Link, Payment, PayoutLine, Refund
from db.money import Money
from payments.errors import Conflict
from payments.lifecycle import Method
from payments.lump_sums.captures import STANDS, references_in
from payments.payouts.files import FileLine, LineKind
from payments.references import readings

#: Rows of a file that may be a refund of ours: a dispute that was lost is one as well.
KINDS = (LineKind.REFUND, LineKind.CHARGEBACK)


class Row(NamedTuple):
    """What a row of a file says."""

    kind: str
    reference: str
    minor: int  # positive, as it is taken off

    @property
    def words(self) -> set[str]:
        cells = references_in(self.reference)
        return cells | {one for word in cells for one in readings(word)}


def row_of(line: FileLine | PayoutLine) -> Row:
    gross = line.gross_minor if isinstance(line, PayoutLine) else line.gross
    return Row(line.kind, line.reference, -gross)


class Known:
    """Some payments: what rows call them, what of them the gateway gave back, and which payout that is in."""

    def __init__(self, session: Session, payments: Iterable[int], *, hold: bool = False) -> None:
        self._names: dict[str, set[int]] = defaultdict(set)
        self._refunds: dict[int, list[Refund]] = defaultdict(list)
        self._disputed: dict[int, int] = {}  # by refund, what the gateway took for its dispute
        self.taken: dict[int, PayoutLine] = {}  # by refund
        for some in some_at_once(sorted(set(payments))):
            self._call(session, some)
            ours = select(Refund).where(Refund.payment_id.in_(some), Refund.method == Method.GATEWAY)
            ours = ours.order_by(Refund.id)
            for refund in session.scalars(ours.with_for_update(key_share=True) if hold else ours):
                self._refunds[refund.payment_id].append(refund)
        for some in some_at_once([one.id for rows in self._refunds.values() for one in rows]):
            lost = select(Dispute.refund_id, Dispute.amount_minor).where(Dispute.refund_id.in_(some))
            self._disputed |= {refund: minor for refund, minor in session.execute(lost) if refund}
            rows = select(PayoutLine).where(PayoutLine.refund_id.in_(some), PayoutLine.state == STANDS)
            self.taken |= {row.refund_id: row for row in session.scalars(rows) if row.refund_id}

    def _call(self, session: Session, some: Sequence[int]) -> None:
        for query in (
            select(Payment.id, Payment.reference).where(Payment.id.in_(some)),
            select(Link.payment_id, Link.wire_reference).where(Link.payment_id.in_(some)),
            select(Link.payment_id, Link.gateway_reference).where(Link.payment_id.in_(some)),
            select(Dispute.payment_id, Dispute.case_reference).where(Dispute.payment_id.in_(some)),
        ):
            for number, name in session.execute(query):
                self._names[name or ""].add(number)
        self._names.pop("", None)

    def names(self, row: Row) -> set[int]:
        """The payments that a row names."""
        return {number for word in row.words for number in self._names.get(word, ())}

    def of(self, row: Row) -> list[Refund]:
        """All that the gateway gave back of the payments that it names."""
        return [refund for number in sorted(self.names(row)) for refund in self._refunds[number]]

    def fitting(self, row: Row) -> list[Refund]:
        """Those that it may be by its amount; a chargeback is what was lost, which may be more."""
        return [
            one
            for one in self.of(row)
            if row.minor == self._disputed.get(one.id)
            or (row.kind == LineKind.REFUND and one.amount == Money(row.minor))
        ]

    def free(self, row: Row) -> list[Refund]:
        return [one for one in self.fitting(row) if one.id not in self.taken]


def named_by(session: Session, rows: Iterable[Row], *, hold: bool = False) -> Known:
    """The payments that rows name. ``hold``: nobody else takes a refund of theirs off until the transaction
    ends."""
    found: set[int] = set()
    for some in some_at_once(sorted({word for row in rows for word in row.words})):
        named = or_(Link.wire_reference.in_(some), Link.gateway_reference.in_(some))
        for query in (
            select(Payment.id).where(Payment.reference.in_(some)),
            select(Link.payment_id).where(named),
            select(Dispute.payment_id).where(Dispute.case_reference.in_(some)),
        ):
            found |= {*session.scalars(query)}
    return Known(session, found, hold=hold)


def tie(session: Session, lines: Iterable[PayoutLine]) -> None:
    """Say of rows that came in which refund each is. Raises Conflict as ``refusal`` says."""
    wanted = [line for line in lines if line.kind in KINDS and line.payout_id is not None]
    known = named_by(session, map(row_of, wanted), hold=True)
    for line in wanted:
        if (says := _refused(known, row_of(line), line.row)) is not None:
            raise Conflict(says)
        if len(free := known.free(row_of(line))) == 1:
            line.refund_id = free[0].id
            known.taken[free[0].id] = line
    session.flush()


def refusal(session: Session, lines: Iterable[FileLine]) -> str | None:
    """Why these rows would be refused: each refund that one may be was taken off a payout that was explained
    without a file."""
    wanted = [line for line in lines if line.kind in KINDS]
    known = named_by(session, map(row_of, wanted))
    said = (_refused(known, row_of(line), line.row) for line in wanted)
    return next((says for says in said if says is not None), None)


def _refused(known: Known, row: Row, number: int) -> str | None:
    taken = [known.taken.get(one.id) for one in known.fitting(row)]
    if not taken or None in taken:
        return None
    for line in taken:
        if line is not None and line.file_id is None:
            return (
                f"Row {number}: the refund of {row.reference} was taken off payout {line.payout_id} already, "
                "which was explained without a file. Take that payout back on its page, if this file is "
                "right."
            )
    return None


def are_those_of(session: Session, lines: Iterable[FileLine], payout_id: int) -> bool:
    """What rows name of ours is what a payout is less by, each row another refund of it. A row that names
    nothing of ours is no other."""
    rows = [row_of(line) for line in lines if line.kind in KINDS]
    known = named_by(session, rows)
    told: set[int] = set()
    for row in rows:
        if not known.names(row):
            continue
        mine = (one.id for one in known.fitting(row) if one.id in known.taken and one.id not in told)
        one = next((one for one in mine if known.taken[one].payout_id == payout_id), None)
        if one is None:
            return False
        told.add(one)
    return True


def tie_new(session: Session, refund: Refund) -> None:
    """A refund that is written down after the file that tells of it. Its payment is held."""
    known = Known(session, [refund.payment_id])
    rows = [line for line in session.scalars(_untied()) if known.free(row_of(line)) == [refund]]
    if len(rows) != 1:
        return
    held = select(PayoutLine).where(PayoutLine.id == rows[0].id).with_for_update()
    line = session.scalars(held.execution_options(populate_existing=True)).one()
    if line.state == STANDS and line.refund_id is None:
        line.refund_id = refund.id
        session.flush()


def taken_off(session: Session, refunds: Iterable[Refund]) -> set[int]:
    """What a payout is less by already, or may be by the word of a file that does not tell which it is."""
    if not (payments := {one.payment_id for one in refunds}):
        return set()  # most payouts take none off, and what waits to be tied is read whole
    known = Known(session, payments)
    off = {*known.taken}
    for line in session.scalars(_untied()):
        row = row_of(line)
        free = known.free(row)
        off |= {one.id for one in (free if len(free) == 1 else known.of(row))}
    return off


def _untied() -> Select[PayoutLine]:
    """Rows of files that stand and are no refund of ours yet: of other desks, and those that wait for one."""
    return select(PayoutLine).where(
        PayoutLine.kind.in_([str(kind) for kind in KINDS]), PayoutLine.state == STANDS,
        PayoutLine.refund_id.is_(None), PayoutLine.file_id.is_not(None),
    )  # fmt: skip
