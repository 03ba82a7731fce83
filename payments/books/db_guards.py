"""What the database sees to by itself, and whether it still does: triggers, constraints, keys, whole pages.

What migrations made is looked for by its name, so that no hand in the database takes a guard away unseen.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Select,
    UniqueConstraint,
    exists,
    null,
    select,
    text,
)
from sqlalchemy.orm import Session

from db.models import Base

#: Rows named of each broken key; a hundred more tell nothing new.
ROWS_TOLD = 20
#: Tables that rows are only added to.
_ADD_ONLY = (
    "timeline", "audit", "reversals", "till_entries", "cash_moves", "drawer_counts", "z_reports",
    "card_batches", "line_sightings", "match_parts", "match_refusals", "match_rule_versions",
    "claims", "claim_drops", "refunds", "sign_off_steps", "closing_papers",
    "paper_series", "papers", "paper_parts", "paper_prints", "payment_lines",
    "amount_changes", "exchange_rates", "payment_quotes", "memory_drops",
)  # fmt: skip

#: A request stays as it was asked, and is decided once.
_MORE_TRIGGERS = (
    "approvals_as_asked", "approvals_no_delete", "sign_offs_as_asked", "sign_offs_no_delete",
    "paper_sequences_as_asked", "paper_sequences_no_delete",
    *(f"{table}_erased" for table in (
        "timeline", "match_refusals", "claims", "claim_drops", "refunds", "reversals", "till_entries",
        "papers", "statement_lines",
    )),
)  # fmt: skip
#: What is signed off is locked, table by table.
_LOCKED = {
    "statement_lines": ("insert", "update", "delete"),
    "matches": ("insert", "update", "delete"),
    "match_parts": ("insert",),
    "receipts": ("update", "delete"),
    "surplus_moves": ("insert", "update", "delete"),
}


def guards(session: Session) -> Iterator[str]:
    """What the database refuses by itself: triggers of what is only added, keys, checks, unique ones."""
    triggers, constraints = _there(session)
    if "statement_lines_as_said" not in triggers:
        yield "trigger statement_lines_as_said is missing"
    for table in _ADD_ONLY:
        wanted = (f"{table}_only_add",) if session.get_bind().dialect.name == "postgresql" else (
            f"{table}_no_update", f"{table}_no_delete",
        )  # fmt: skip
        yield from (f"trigger {name} is missing" for name in wanted if name not in triggers)
    yield from (f"trigger {name} is missing" for name in _MORE_TRIGGERS if name not in triggers)
    yield from (f"trigger {name} is missing" for name in _locks(session) if name not in triggers)
    kinds = (CheckConstraint, ForeignKeyConstraint, UniqueConstraint)
    for table_ in Base.metadata.sorted_tables:
        names = sorted(str(each.name) for each in table_.constraints if isinstance(each, kinds))
        yield from (f"constraint {name} is missing" for name in names if name not in constraints)


def _locks(session: Session) -> Iterator[str]:
    one = session.get_bind().dialect.name == "postgresql"
    for table, verbs in _LOCKED.items():
        yield from [f"{table}_locked"] if one else [f"{table}_{verb}_locked" for verb in verbs]


def _there(session: Session) -> tuple[set[str], set[str]]:
    if session.get_bind().dialect.name == "postgresql":
        live = text("SELECT tgname FROM pg_trigger WHERE tgenabled IN ('O', 'A') AND NOT tgisinternal")
        valid = text("SELECT conname FROM pg_constraint WHERE convalidated")
        return set(session.scalars(live)), set(session.scalars(valid))
    aborting = text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%RAISE(ABORT%'")
    tables = " ".join(session.scalars(text("SELECT sql FROM sqlite_master WHERE type = 'table'")))
    return set(session.scalars(aborting)), {word.strip('",') for word in tables.split()}


def orphans(session: Session) -> Iterator[str]:
    """Rows that point to others which are not there."""
    if session.get_bind().dialect.name == "sqlite":
        for table, row, parent, _ in session.execute(text("PRAGMA foreign_key_check")):
            yield f"{table} row {row} points to no row of {parent}"
        return
    for key, question in _questions_of_keys():
        for row in session.execute(question):
            told = ", ".join(map(str, row))
            yield f"{key.parent.table.name} row {told} points to no row of {key.column.table.name}"


@cache
def _questions_of_keys() -> list[tuple[ForeignKey, Select[Any]]]:
    """For each foreign key, which rows hold one that is not there. More than a hundred, always the same."""
    asked = []
    for table in Base.metadata.sorted_tables:
        for key in sorted(table.foreign_keys, key=str):
            parent = key.column.table.alias("parent")
            there = exists().where(parent.c[key.column.name] == key.parent)
            rows = select(*table.primary_key).where(key.parent.is_not(null()), ~there)
            asked.append((key, rows.limit(ROWS_TOLD)))
    return asked


def pages(session: Session) -> Iterator[str]:
    """SQLite reads every page, and every row against its checks; PostgreSQL tells of indexes given up."""
    if session.get_bind().dialect.name == "sqlite":
        yield from (line for line in session.scalars(text("PRAGMA quick_check")) if line != "ok")
        return
    given_up = text("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
    yield from (f"index {name} is not valid" for name in session.scalars(given_up))
