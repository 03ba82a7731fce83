"""The gateway's files come in: each payout with what is in it, whole or not at all; each file can be undone.

A capture that a file names settles its payment: which payout it is in, what it cost, and how it was paid. A
row that names none of ours stays in its payout, which is money, and says so.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from db.models import Payout, PayoutFile, PayoutLine
from db.models import PayoutMapping as KeptMapping
from db.money import Money
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import Conflict, NotFound, StatementFormatError, UnknownLayout
from payments.finding import pasts
from payments.lifecycle import Source
from payments.live import tallies
from payments.lump_sums import banked, confirming, fees, went_back
from payments.lump_sums.captures import STANDS, UNDONE, Capture, as_rolled_up, find_captures, settle, unsettle
from payments.payouts import files as reading
from payments.payouts import rollup
from payments.payouts.files import FileLine, GatewayFile, LineKind, PayoutMapping, by_payout, net_of, sums_of
from payments.privacy import clean, mask_card_bytes, reason
from payments.statements.tables import shown_name
from payments.watching import standstill

WAITS, ASIDE = "waits", "aside"
BY_FILE = "file"


@dataclass(frozen=True)
class Imported:
    """What came of a file; ``again``: it was here. ``known`` payouts were here by another file."""

    file_id: int
    payouts: int
    captures: int
    strangers: int  # captures that are none of our payments
    unread: int
    known: int
    again: bool = False


# -- reading ------------------------------------------------------------------------------------------


def read(
    session: Session,
    person: Person,
    name: str,
    data: bytes,
    *,
    mapping: PayoutMapping | None = None,
    date_order: str | None = None,
) -> tuple[GatewayFile, PayoutMapping | None]:
    """What a file says, by this mapping or one that was remembered. Raises StatementFormatError, and
    UnknownLayout when none fits."""
    check(person, Action.SEE_BANK)
    if mapping is not None:
        return reading.read(name, data, mapping, date_order=date_order), mapping
    try:
        return reading.read(name, data, None), None
    except UnknownLayout:
        for known in mappings(session, person):
            try:
                return reading.read(name, data, known, date_order=date_order), known
            except StatementFormatError as error:
                if "heading row" not in error.reason:
                    raise
        raise


def read_text(text: str, *, date_order: str | None = None) -> GatewayFile:
    """A daily statement that somebody pasted. Raises StatementFormatError."""
    return rollup.read_rollup(text, date_order=date_order)


def mappings(session: Session, person: Person) -> list[PayoutMapping]:
    """The newest first."""
    check(person, Action.SEE_BANK)
    kept = session.scalars(select(KeptMapping).order_by(KeptMapping.made_at.desc(), KeptMapping.id.desc()))
    return [PayoutMapping.from_json(one.mapping) for one in kept]


def remember(session: Session, person: Person, mapping: PayoutMapping, *, now: datetime) -> None:
    """Keep a mapping under its name; one of the same name is replaced."""
    check(person, Action.RECONCILE)
    kept = session.scalar(select(KeptMapping).where(KeptMapping.name == mapping.name))
    if kept is None:
        kept = KeptMapping(name=clean(mapping.name, field="The mapping's name", longest=80))
        session.add(kept)
    kept.mapping, kept.made_at, kept.made_by = mapping.to_json(), now, person.name
    session.flush()
    audit.record(session, person, "remember_payout_mapping", mapping.name, now=now, columns=mapping.to_json())


# -- importing ----------------------------------------------------------------------------------------


def import_file(
    session: Session,
    person: Person,
    told: GatewayFile,
    data: bytes,
    *,
    now: datetime,
    mapping: PayoutMapping | None = None,
) -> Imported:
    """Take in what was read of these bytes, whole. The same bytes twice add nothing.

    Raises Conflict when a capture is in another payout already, or a payout is here with other sums.
    """
    check(person, Action.RECONCILE)
    standstill.refuse(session)
    sha256 = hashlib.sha256(data).hexdigest()
    standing = select(PayoutFile.id).where(PayoutFile.sha256 == sha256, PayoutFile.undone_at.is_(None))
    if (known := session.scalar(standing)) is not None:
        return Imported(known, 0, 0, 0, 0, 0, again=True)
    file = PayoutFile(
        kind=told.kind, name=shown_name(told.name)[:120], sha256=sha256,
        data=data if data.startswith(b"PK") else mask_card_bytes(data),
        mapping=mapping.to_json() if mapping else None, rows=told.rows,
        named={"rows": [{"row": one.row, "is": one.name, "text": one.text} for one in told.named]},
        imported_at=now, imported_by=person.name,
    )  # fmt: skip
    session.add(file)
    session.flush()
    counts = _Taker(session, person, file, now).take(told)
    audit.record(
        session, person, "import_payouts", file.name, now=now, file=file.id, sha256=sha256, rows=file.rows,
        payouts=counts.payouts, captures=counts.captures, unread=counts.unread,
    )  # fmt: skip
    tallies.bump(session)
    return counts


class _Taker:
    """Writes one file's payouts and lines."""

    def __init__(self, session: Session, person: Person, file: PayoutFile, now: datetime) -> None:
        self._session, self._person, self._file, self._now = session, person, file, now
        self._tariff = fees.tariff(session)
        self._named: list[dict[str, Any]] = list(file.named["rows"])
        self._captures: dict[int, Capture | str] = {}
        self._elsewhere: dict[int, int] = {}
        self._settled: list[tuple[PayoutLine, int]] = []
        self._back: list[PayoutLine] = []

    def take(self, told: GatewayFile) -> Imported:
        for line in told.unread:
            self._add(line, None, WAITS)
        self._captures, self._elsewhere = find_captures(self._session, told.lines)
        made = known = 0
        for key, lines in by_payout(told.lines):
            if self._is_here(key, lines):
                known += 1
            else:
                self._payout(key, lines)
                made += 1
        self._session.flush()
        went_back.tie(self._session, self._back)
        settle(self._session, self._settled, self._act())
        self._file.named = {"rows": self._named}
        strangers = sum(
            isinstance(self._captures.get(line.row), str)
            for line in told.lines
            if line.kind is LineKind.CAPTURE
        )
        return Imported(self._file.id, made, len(self._settled), strangers, len(told.unread), known)

    def _act(self) -> dict[str, Any]:
        return {"now": self._now, "source": Source.DESK, "actor": self._person.name}

    def _is_here(self, key: str, lines: Sequence[FileLine]) -> bool:
        """The same payout by another file: named, so that no row is lost. Raises Conflict for other sums."""
        here = self._here(key, lines)
        if here is None:
            return self._confirms(lines)
        gross = sum(line.gross for line in lines if line.kind in (LineKind.CAPTURE, LineKind.ROLLUP))
        if here.gross_minor != gross:
            had, says = Money(here.gross_minor, here.currency), Money(gross, here.currency)
            raise Conflict(
                f"Row {lines[0].row}: payout {here.id} of these days is here with {had} gross, and the file "
                f"says {says}. Undo the import that brought it, if this file is right."
            )
        if not here.explained and lines[0].kind is not LineKind.ROLLUP:
            return self._explain(here, lines)
        self._named += [
            {"row": line.row, "is": f"here already, in payout {here.id}", "text": line.raw} for line in lines
        ]
        return True

    def _here(self, key: str, lines: Sequence[FileLine]) -> Payout | None:
        standing = select(Payout).where(Payout.undone_at.is_(None))
        if (same := self._session.scalar(standing.where(Payout.key == key))) is not None:
            return same
        days = [line.on for line in lines if line.on]
        if lines[0].kind is LineKind.ROLLUP:  # told by its captures already?
            self._refuse_of_a_night(lines[0].row, days[0])
            query = standing.where(Payout.first_on == days[0], Payout.last_on == days[0])
            return self._session.scalar(query.where(Payout.gross_minor == lines[0].gross).limit(1))
        if len(set(days)) == 1:  # its day's roll-up, which nothing has explained yet
            query = standing.where(Payout.key == f"day:{days[0]}", Payout.explained == "")
            return self._session.scalar(query)
        return None

    def _refuse_of_a_night(self, row: int, day: date) -> None:
        """Of a day that is told with others of its night alone, nobody knows yet what its own sums are."""
        covering = select(Payout).where(
            Payout.undone_at.is_(None), Payout.first_on <= day, Payout.last_on >= day
        )
        for payout in self._session.scalars(covering):
            if len(night := banked.night_of(payout)) > 1:
                raise Conflict(
                    f"Row {row}: payouts {', '.join(map(str, night))} are written down as one, since nobody "
                    f"knew which of their lines brought {day:%-d %b %Y}. Take them back first; this tells it."
                )

    def _confirms(self, lines: Sequence[FileLine]) -> bool:
        """What the bank's line was explained by, told by the gateway as well: the explanation is right."""
        payout = confirming.confirmed(self._session, lines, self._captures, self._elsewhere, self._tariff)
        if payout is None:
            return False
        self._session.refresh(payout, with_for_update=True)
        if payout.undone_at is not None:
            raise Conflict(f"Payout {payout.id} was taken back just now. Import the file again.")
        confirming.add(payout, self._file)
        says = f"here already, in payout {payout.id}, which it confirms"
        self._named += [{"row": line.row, "is": says, "text": line.raw} for line in lines]
        return True

    def _explain(self, here: Payout, lines: Sequence[FileLine]) -> bool:
        """A roll-up's captures, told by a file at last: they must come to what the roll-up says."""
        self._session.refresh(here, with_for_update=True)
        if here.explained or here.undone_at is not None:
            raise Conflict(
                f"Row {lines[0].row}: payout {here.id} was explained or undone just now. Look at it on "
                "Payouts, then import the file again."
            )
        sums = sums_of(lines)
        rest = sums["gross_minor"] - sums["fee_minor"] - sums["vat_minor"] - sums["less_minor"]
        if sums["payout_fee_minor"] is None:
            sums["payout_fee_minor"] = rest - here.net_minor
        most = self._tariff.payout_fee(here.last_on or self._now.date()).total_minor
        if not 0 <= sums["payout_fee_minor"] <= most or rest - sums["payout_fee_minor"] != here.net_minor:
            net = Money(here.net_minor, here.currency)
            raise Conflict(
                f"Row {lines[0].row}: the roll-up of this day says {net} was paid, and these rows come to "
                f"{Money(rest, here.currency)} before the payout's own fee."
            )
        pasts.payout(self._session, here, self._now)
        for name, minor in sums.items():
            setattr(here, name, minor)
        here.explained = BY_FILE
        for line in lines:
            self._add(line, here, STANDS)
        return True

    def _payout(self, key: str, lines: Sequence[FileLine]) -> None:
        sums, days = sums_of(lines), [line.on for line in lines if line.on]
        told = sums["payout_fee_minor"] is not None
        if not told:
            sums["payout_fee_minor"] = self._tariff.payout_fee(max(days)).total_minor
        rolled = lines[0].kind is LineKind.ROLLUP
        captured = [line.on for line in lines if line.on and line.kind in (LineKind.CAPTURE, LineKind.ROLLUP)]
        payout = Payout(
            key=key[:80], source=self._file.kind, file_id=self._file.id, first_on=min(captured or days),
            last_on=max(captured or days), paid_on=next((one.paid_on for one in lines if one.paid_on), None),
            currency="ZAR", difference_minor=0, net_minor=net_of(sums), payout_fee_told=told or rolled,
            explained="" if rolled else BY_FILE, explanation=None, made_at=self._now,
            made_by=self._person.name, **sums,
        )  # fmt: skip
        self._session.add(payout)
        self._session.flush()
        for line in lines:
            self._add(line, payout, STANDS)

    def _add(self, line: FileLine, payout: Payout | None, state: str) -> None:
        found = self._captures.get(line.row) if line.kind is LineKind.CAPTURE else None
        capture = found if isinstance(found, Capture) else None
        if capture and (other := self._elsewhere.get(capture.receipt_id)):
            raise Conflict(
                f"Row {line.row}: {line.reference} is in payout {other} already. Undo that one first, if "
                "this file is right."
            )
        row = PayoutLine(
            file_id=self._file.id, payout_id=payout.id if payout else None, row=line.row, kind=line.kind,
            on=line.on, reference=line.reference, method=line.method, gross_minor=line.gross,
            fee_minor=line.fee, vat_minor=line.vat, raw=line.raw, state=state,
            reason=found if isinstance(found, str) else line.reason,
            payment_id=capture.payment_id if capture else None,
            receipt_id=capture.receipt_id if capture else None, made_at=self._now,
        )  # fmt: skip
        self._session.add(row)
        self._back += [row] if line.kind in went_back.KINDS else []
        if capture and payout:
            self._settled.append((row, payout.id))


# -- undoing ------------------------------------------------------------------------------------------


def undo(session: Session, person: Person, file_id: int, why: str, *, now: datetime) -> int:
    """Take an import back, whole; returns how many payouts went.

    Raises Conflict while a payout of it stands on a line of the bank or another file tells what is in it, or
    when it was undone before.
    """
    check(person, Action.RECONCILE)
    why = reason(why)
    file = session.scalar(select(PayoutFile).where(PayoutFile.id == file_id).with_for_update())
    if file is None:
        raise NotFound("There is no such import.")
    if file.undone_at is not None:
        raise Conflict(f"{file.name} was undone already, by {file.undone_by}.")
    confirms = confirming.held(session, file_id)
    payouts = _payouts_of(session, file_id)
    on_bank = select(Payout.id).where(Payout.id.in_([one.id for one in payouts]), banked.tied())
    if tied := list(session.scalars(on_bank)):
        told = ", ".join(map(str, tied))
        raise Conflict(f"On the bank's statement already: payout {told}. Undo those matches first.")
    _refuse_told(session, [one for one in payouts if one.file_id == file_id])
    act: dict[str, Any] = {"now": now, "source": Source.DESK, "actor": person.name}
    for payout in payouts:
        unsettle(session, payout, why, act)
        if payout.file_id == file_id:
            payout.undone_at, payout.undone_by, payout.undone_why = now, person.name, why
        else:  # a roll-up of another file, which this one had explained
            as_rolled_up(session, payout, now)
    confirming.forget(confirms, file_id)
    unread = update(PayoutLine).where(PayoutLine.file_id == file_id, PayoutLine.state == WAITS)
    session.execute(unread.values(state=UNDONE))
    file.undone_at, file.undone_by, file.undone_why = now, person.name, why
    session.flush()
    audit.record(
        session, person, "undo_payouts", file.name, now=now, file=file.id, payouts=len(payouts), why=why
    )
    tallies.bump(session)
    return len(payouts)


def _refuse_told(session: Session, payouts: Sequence[Payout]) -> None:
    """Raises Conflict: the rows of the file that tells what is in a roll-up would be in no payout, and the
    same file would not be taken in again."""
    query = (
        select(PayoutLine.payout_id, PayoutFile.name)
        .join(PayoutFile, PayoutFile.id == PayoutLine.file_id)
        .where(PayoutLine.payout_id.in_([one.id for one in payouts]), PayoutLine.state == STANDS)
        .where(PayoutLine.file_id.not_in([one.file_id for one in payouts]))
        .order_by(PayoutLine.id)
        .limit(1)
    )
    for number, name in session.execute(query):
        raise Conflict(f"{name} tells what is in payout {number}. Undo that import first.")


def _payouts_of(session: Session, file_id: int) -> Sequence[Payout]:
    """Those that it told of, held before their payments, as whoever ties one to a line of the bank does."""
    told_here = select(PayoutLine.payout_id).where(PayoutLine.file_id == file_id)
    query = select(Payout).where(Payout.undone_at.is_(None), Payout.id.in_(told_here)).order_by(Payout.id)
    return session.scalars(query.with_for_update().execution_options(populate_existing=True)).all()


def set_aside(session: Session, person: Person, line_id: int, why: str, *, now: datetime) -> None:
    """A row that could not be read is nothing to follow. Raises Conflict, NotFound, InvalidInput."""
    check(person, Action.RECONCILE)
    why = reason(why)
    row = session.scalar(select(PayoutLine).where(PayoutLine.id == line_id).with_for_update())
    if row is None or row.kind != LineKind.UNREAD:
        raise NotFound("There is no such row.")
    if row.state != WAITS:
        raise Conflict("Somebody decided about this row already, or its import was undone.")
    row.state, row.decided_at, row.decided_by, row.decided_why = ASIDE, now, person.name, why
    session.flush()
    audit.record(session, person, "payout_row_aside", f"row {row.row}", now=now, line=row.id, why=why)
    tallies.bump(session)


# -- what came in -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FileView:
    """``rows`` = ``lines`` + ``named``; ``waiting`` of the lines could not be read and wait."""

    id: int
    kind: str
    name: str
    rows: int
    lines: int
    named: int
    waiting: int
    payouts: int
    imported_at: datetime
    imported_by: str
    undone_at: datetime | None
    undone_by: str | None
    undone_why: str | None


@dataclass(frozen=True)
class UnreadRow:
    id: int
    file: str
    row: int
    reason: str
    raw: str


def files(session: Session, person: Person) -> list[FileView]:
    """The newest import first, undone ones too."""
    check(person, Action.SEE_BANK)
    lines = select(func.count()).where(PayoutLine.file_id == PayoutFile.id)
    inside = select(func.count(PayoutLine.payout_id.distinct())).where(PayoutLine.file_id == PayoutFile.id)
    query = select(
        PayoutFile,
        lines.scalar_subquery(),
        lines.where(PayoutLine.state == WAITS).scalar_subquery(),
        inside.scalar_subquery(),
    )
    return [
        FileView(
            file.id, file.kind, file.name, file.rows, count, len(file.named["rows"]), waiting, payouts,
            file.imported_at, file.imported_by, file.undone_at, file.undone_by, file.undone_why,
        )
        for file, count, waiting, payouts in session.execute(query.order_by(PayoutFile.id.desc()).limit(200))
    ]  # fmt: skip


def unread(session: Session, person: Person) -> list[UnreadRow]:
    """Rows that could not be read and that nobody decided about."""
    check(person, Action.SEE_BANK)
    query = (
        select(PayoutLine, PayoutFile.name)
        .join(PayoutFile, PayoutFile.id == PayoutLine.file_id)
        .where(PayoutLine.state == WAITS)
        .order_by(PayoutLine.id)
        .limit(200)
    )
    return [UnreadRow(row.id, name, row.row, row.reason, row.raw) for row, name in session.execute(query)]
