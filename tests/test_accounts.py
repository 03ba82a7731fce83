"""An account of ours out of use keeps nothing that waits; and whose word its number is."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from db.models import BankAccount, StatementFile, StatementLine
from db.money import Money
from payments.bank import accounts, imports, quarantine
from payments.errors import Conflict
from payments.matching import Target
from payments.reconciling import reconciliation
from payments.reconciling.parts import Decided, Part
from tests.desk import ADMIN
from tests.test_imports import BAD_ROW, CAPITEC, MARCH, account, take

__all__ = ["account"]


def decided(line_id: int, *parts: Part) -> Decided:
    return Decided(line_id, parts, "", {}, why="Not ours to follow.")


def set_apart(sessions, now) -> list[int]:
    """Every line, by one match each; returns the matches."""
    with sessions.begin() as session:
        lines = session.scalars(select(StatementLine).where(StatementLine.state == "open")).all()
        return [
            reconciliation.accept(session, ADMIN, decided(one.id, Part(Target.ASIDE, one.amount)), now=now)
            for one in lines
        ]


def retire(sessions, account, now) -> None:
    with sessions.begin() as session:
        accounts.retire(session, ADMIN, account, now=now)


def repair(sessions, row_id, now) -> int:
    with sessions.begin() as session:
        return quarantine.repair(
            session, ADMIN, row_id, on=date(2026, 3, 13), amount=Money(50_00), description="EFT X",
            why="The bank confirmed it by phone.", now=now,
        )  # fmt: skip


def test_rows_that_could_not_be_read_are_decided_before_their_account_goes(sessions, account, now):
    take(sessions, account, BAD_ROW, now)
    set_apart(sessions, now)
    with pytest.raises(Conflict, match=r"1 of the rows of its files could not be read, and wait"):
        retire(sessions, account, now)
    with sessions.begin() as session:
        (row,) = quarantine.waiting_rows(session, ADMIN)
        quarantine.set_aside(session, ADMIN, row.id, "A line of the bank's own.", now=now)
    retire(sessions, account, now)


def test_a_row_is_not_repaired_into_an_account_out_of_use(sessions, account, now):
    """It was taken out of use by a release that did not count such rows."""
    take(sessions, account, BAD_ROW, now)
    with sessions.begin() as session:
        (row,) = quarantine.waiting_rows(session, ADMIN)
        session.get_one(BankAccount, account).retired_at = now
    with pytest.raises(Conflict, match=r"out of use, and this would wait in it. Use it again"):
        repair(sessions, row.id, now)
    with sessions.begin() as session:
        accounts.use_again(session, ADMIN, account, now=now)
    assert repair(sessions, row.id, now)


def test_a_match_of_an_account_out_of_use_is_undone_once_it_is_in_use_again(sessions, account, now):
    file = take(sessions, account, MARCH, now).file.id
    first, *_ = set_apart(sessions, now)
    retire(sessions, account, now)

    def undo() -> None:
        with sessions.begin() as session:
            reconciliation.undo(session, ADMIN, first, "It was somebody's.", now=now)

    with pytest.raises(Conflict, match=r"out of use, and this would wait in it. Use it again"):
        undo()
    with sessions.begin() as session:
        accounts.use_again(session, ADMIN, account, now=now)
    undo()
    set_apart(sessions, now)
    retire(sessions, account, now)
    with sessions.begin() as session:  # what goes with its import waits nowhere
        lines = session.scalars(select(StatementLine.id)).all()
        reconciliation.undo_all(session, ADMIN, lines, "Another account's.", now=now)
        imports.undo(session, ADMIN, file, "Another account's.", now=now)


def as_before(sessions, file: int) -> None:
    """A file that came in when the number that it says was not kept with it."""
    with sessions.begin() as session:
        kept = session.get_one(StatementFile, file)
        kept.named = {"rows": kept.named["rows"]}


def undo(sessions, file: int, now) -> str:
    """Takes an import back; returns the number that its account has then."""
    with sessions.begin() as session:
        imports.undo(session, ADMIN, file, "It was the wrong account.", now=now)
        return session.get_one(BankAccount, session.get_one(StatementFile, file).account_id).number


def test_what_files_of_before_say_is_read_where_they_are_kept(sessions, account, now):
    with sessions.begin() as session:
        nameless = accounts.create(session, ADMIN, name="New", now=now + timedelta(hours=1)).id
    taught = take(sessions, nameless, CAPITEC, now, name="c.csv").file.id
    as_before(sessions, taught)
    with sessions.begin() as session, pytest.raises(Conflict, match=r"says 1051000001. Undo import 1 first"):
        accounts.change(session, ADMIN, nameless, name="New", number="62888", now=now)
    assert undo(sessions, taught, now) == ""


def test_a_number_that_an_account_was_made_with_stays_when_files_of_before_go(sessions, account, now):
    with sessions.begin() as session:
        typed = accounts.create(
            session, ADMIN, name="Typed", number="1051000001", now=now + timedelta(hours=1)
        ).id  # fmt: skip
    said = take(sessions, typed, CAPITEC, now, name="c.csv").file.id
    as_before(sessions, said)
    assert undo(sessions, said, now) == "1051000001"


def test_a_number_that_a_person_typed_after_a_file_said_it_is_theirs(sessions, account, now):
    with sessions.begin() as session:
        nameless = accounts.create(session, ADMIN, name="New", now=now).id
    taught = take(sessions, nameless, CAPITEC, now, name="c.csv").file.id
    silent = take(sessions, nameless, MARCH, now, name="m.csv").file.id
    assert undo(sessions, taught, now) == "1051000001"
    with sessions.begin() as session:
        for number in ("", "1051000001"):
            accounts.change(session, ADMIN, nameless, name="New", number=number, now=now)
    assert undo(sessions, silent, now) == "1051000001"
