"""Everything that is held on one payer, as a file for them: JSON for machines, a page to read, their proofs.

It tells of nobody else: names of people of the desk are left out, and a paper or bank line that is for others
too is named without what it says.
"""

import hashlib
import html
import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, Table, or_, select
from sqlalchemy.orm import Session, aliased

from db.models import MatchPart, PaperPart, Payment, PersonRow, Proof, SurplusMove
from payments import dates
from payments.access.people import Person, proven
from payments.at_the_door import claims
from payments.errors import CannotOpen
from payments.keeping.keyring import KeyRing
from payments.personal_data import personal, subject_requests, subjects
from payments.personal_data.subject_requests import Kind
from payments.personal_data.subjects import Names, Theirs, rows_of, table
from payments.sheets.back import File

#: Our own numbers, hashes and secrets: they tell a person nothing.
_NEVER = ("sha256", "digest", "hash", "sealed", "token", "mac", "key", "search_text", "evidence", "look")
_DESK = "somebody at the desk"
#: Tables of facts about their money beside those with personal columns.
_BESIDE = ("links", "receipts", "payment_lines")
_SHARED = "(for others too, and therefore left out)"


def take(session: Session, person: Person, request_id: int, keys: KeyRing, *, now: datetime) -> File:
    """The file for a request to see what is held; with it the request is done, and the audit tells who took
    it. Taken again later it is made again. Raises NotFound, NotAllowed, ProveAgain, Conflict."""
    proven(person, now=now)
    request = subject_requests.get(session, person, request_id)
    payments = subject_requests.payments_of(session, person, request_id)
    held = collect(session, payments)
    proofs = list(_proofs(session, payments, keys))
    data = _packed(held, proofs, now)
    outcome = {
        "payments": len(payments),
        "rows": sum(len(rows) for rows in held.values()),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    if request.state == subject_requests.OPEN and request.kind is Kind.EXPORT:
        subject_requests.finish(session, person, request_id, outcome, now=now)
    else:
        subject_requests.taken_again(session, person, request_id, outcome, now=now)
    return File(f"your-data-{request_id}.zip", "application/zip", data)


Row = Mapping[str, Any]


def collect(session: Session, payments: Sequence[Payment]) -> dict[str, list[Row]]:
    """What is held, by table: every column that tells of them or their money."""
    theirs: Theirs = ([one.id for one in payments], [one.reference for one in payments])
    staff = Names(session.scalars(select(PersonRow.name)).all(), _DESK)
    emails = Names(session.scalars(select(PersonRow.email)).all(), _DESK)
    told: dict[str, list[Row]] = {}
    for name in (*subjects.held_tables(), *_BESIDE):
        rows = list(_rows(session, name, theirs))
        if rows and name != "payments":  # who pays may have a colleague's name
            rows = [emails.without(staff.without(row)) for row in rows]
        if rows:
            told[name] = rows
    return told


def _rows(session: Session, name: str, theirs: Theirs) -> Iterator[Row]:
    of = table(name)
    columns = [column for column in of.columns if _is_shown(of, column.name)]
    keys = list(of.primary_key.columns)
    shared = _shared(session, name, theirs)
    held = list(personal.of(name))
    found = session.execute(select(*keys, *columns).where(rows_of(name, theirs)).order_by(*keys))
    for row in found:
        told = {column.name: _plain(value) for column, value in zip(columns, row[len(keys) :], strict=True)}
        if row[0] in shared:
            told |= {column: _SHARED for column in held if column in told}
        yield {column: value for column, value in told.items() if value not in (None, "", b"")}


def _is_shown(of: Table, column: str) -> bool:
    if column in personal.staff(of.name) or any(part in column for part in _NEVER):
        return False
    held = personal.of(of.name).get(column)
    if held is not None:
        return not held.withheld
    return not (column.endswith("_id") or column == "id")


def _shared(session: Session, name: str, theirs: Theirs) -> frozenset[int]:
    """Rows of this table that are for payments of others as well."""
    if name == "papers":
        mixed = select(PaperPart.paper_id).where(PaperPart.payment_id.not_in(theirs[0]))
        return frozenset(session.scalars(mixed.where(_with_a_part("paper_parts", "paper_id", theirs))))
    if name == "surplus_moves":
        return frozenset(session.scalars(_moves_of_others_too(theirs)))
    if name in ("statement_lines", "matches", "exceptions"):
        matches = table("matches")
        mixed_match = select(MatchPart.match_id).where(
            MatchPart.payment_id.is_not(None), MatchPart.payment_id.not_in(theirs[0]),
            _with_a_part("match_parts", "match_id", theirs),
        )  # fmt: skip
        key = {"statement_lines": matches.c.line_id, "matches": matches.c.id}.get(name)
        if key is None:
            exceptions = table("exceptions")
            lines = select(matches.c.line_id).where(matches.c.id.in_(mixed_match))
            return frozenset(session.scalars(select(exceptions.c.id).where(exceptions.c.line_id.in_(lines))))
        return frozenset(session.scalars(select(key).where(matches.c.id.in_(mixed_match))))
    return frozenset()


def _moves_of_others_too(theirs: Theirs) -> Select[int]:
    """Why one person's money pays another's payment may tell of either."""
    parts = aliased(MatchPart)
    of_line = select(parts.payment_id).where(parts.match_id == MatchPart.match_id)
    brought_by_others = or_(
        MatchPart.payment_id.not_in(theirs[0]),
        MatchPart.payment_id.is_(None) & of_line.where(parts.payment_id.not_in(theirs[0])).exists(),
    )
    moves = select(SurplusMove.id).join(MatchPart, MatchPart.id == SurplusMove.part_id)
    return moves.where(or_(SurplusMove.payment_id.not_in(theirs[0]), brought_by_others))


def _with_a_part(name: str, column: str, theirs: Theirs) -> Any:
    """Parts of what has a part for them."""
    of = table(name)
    return of.c[column].in_(select(of.c[column]).where(of.c.payment_id.in_(theirs[0])))


def _plain(value: Any) -> Any:
    if isinstance(value, date):  # or a moment
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value


def _proofs(session: Session, payments: Sequence[Payment], keys: KeyRing) -> Iterator[tuple[str, bytes]]:
    query = select(Proof).where(Proof.payment_id.in_([one.id for one in payments])).order_by(Proof.id)
    for row in session.scalars(query):
        if row.sealed:
            ending = {"jpeg": "jpg"}.get(row.kind, row.kind)
            try:
                yield f"proofs/{row.id}.{ending}", claims.opened(row, keys)
            except CannotOpen as error:
                yield f"proofs/{row.id}.txt", str(error).encode()


def _packed(held: Mapping[str, Sequence[Row]], proofs: Sequence[tuple[str, bytes]], now: datetime) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as pack:
        told = json.dumps(held, ensure_ascii=False, indent=1, default=str)
        pack.writestr("data.json", told)
        pack.writestr("data.html", _page(held, now))
        for name, data in proofs:
            pack.writestr(name, data)
    return out.getvalue()


_STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}td{padding:.1em .8em .1em 0;"
)
_STYLE += "vertical-align:top;overflow-wrap:anywhere}td:first-child{white-space:nowrap;color:#555}"
_STYLE += "table{margin:0 0 1em;border-top:1px solid #ccc;width:100%}"


def _page(held: Mapping[str, Sequence[Row]], now: datetime) -> str:
    """The same to read. Everything is text: nothing of it is markup."""
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>What is held on you</title>',
        f"<style>{_STYLE}</style><h1>What is held on you</h1><p>Made {dates.say_moment(now)}. "
        "The same stands in data.json, and the pictures you sent in the folder proofs. Names of people who "
        "work here are left out.",
    ]
    for name, rows in held.items():
        parts.append(f"<h2>{html.escape(_title(name))} ({len(rows)})</h2>")
        parts += [_table(row) for row in rows]
    return "".join(parts)


def _table(row: Row) -> str:
    cells = "".join(
        f"<tr><td>{html.escape(_title(name))}</td><td>{html.escape(_said(name, value))}</td></tr>"
        for name, value in row.items()
    )
    return f"<table>{cells}</table>"


def _said(name: str, value: Any) -> str:
    if name.endswith("_minor") and isinstance(value, int):
        return str(Decimal(value).scaleb(-2))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _title(name: str) -> str:
    return name.removesuffix("_minor").replace("_", " ").capitalize()
