"""Damaged statement files at the database's door: whole or not at all, whatever befalls them on the way."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.exc import OperationalError

from db.models import (
    AuditEntry,
    BankAccount,
    LineSighting,
    QuarantinedRow,
    StatementFile,
    StatementLine,
)
from db.session import Sessions, open_engine
from payments import statements
from payments.bank import accounts, bank_books, imports
from payments.errors import PaymentsError, StatementFormatError
from payments.statements import Mapping
from tests.desk import ADMIN
from tests.statements.corpus import SAMPLES, Mutation, Sample, drawn
from tests.test_statements import SAME

TABLES = (AuditEntry, StatementFile, StatementLine, LineSighting, QuarantinedRow)
#: Lines, a row that nobody can read, and a heading: an import of it writes into every table.
MIXED = """Date,Description,Amount,Balance
2026-03-02,EFT T MOKOENA,1500.00,11500.00
2026-03-13,EFT X,fifty,
"""


@pytest.fixture(scope="module")
def desk(shared_database_url) -> Iterator[Sessions]:
    engine = open_engine(shared_database_url)
    yield Sessions(engine)
    engine.dispose()


def new_account(sessions: Sessions, name: str, now, currency: str = "ZAR") -> int:
    with sessions.begin() as session:
        return accounts.create(session, ADMIN, name=name, currency=currency, now=now).id


def standing(sessions: Sessions, account: int) -> tuple[object, ...]:
    """What the database holds, as far as an import could change it."""
    with sessions.read() as session:
        number = session.scalar(select(BankAccount.number).where(BankAccount.id == account))
        return number, *(session.scalar(select(func.count()).select_from(table)) for table in TABLES)


def broken(sessions: Sessions) -> list[str]:
    with sessions.read() as session:
        return [*bank_books.files(session), *bank_books.lines(session)]


def take(
    sessions: Sessions, account: int, mutation: Mutation, sample: Sample, now
) -> imports.Imported | PaymentsError:
    """As the page does it: looked at first, asked about its dates, then taken in; or why it was refused.

    Any other exception fails the test.
    """
    try:
        return _take(sessions, account, mutation, sample.mapping, None, now)
    except StatementFormatError as error:
        if " can be " not in error.reason:
            return error
    except PaymentsError as error:
        return error
    try:
        return _take(sessions, account, mutation, sample.mapping, "dmy", now)
    except PaymentsError as error:
        return error


def _take(
    sessions: Sessions, account: int, mutation: Mutation, known: Mapping | None, order: str | None, now
) -> imports.Imported:
    data = mutation.data
    with sessions.read() as session:
        statement, mapping = imports.read(
            session, ADMIN, account, mutation.file, data, mapping=known, date_order=order
        )
        shown = imports.look(session, ADMIN, account, statement, data, mapping)
    with sessions.begin() as session:
        came = imports.import_file(
            session, ADMIN, account, mutation.file, data, now=now, mapping=mapping, date_order=order,
            statement=statement,
        )  # fmt: skip
    assert came.again or came.new == len(shown.new), "what was shown is what came in"
    assert came.again or came.new + came.already == len(statement.lines)
    return came


@pytest.mark.timeout(1_800)  # --mutations 5000
def test_a_damaged_file_comes_in_whole_or_not_at_all(desk, now, pytestconfig):
    dice, taken, refused = random.Random(2026), 0, 0
    for sample, damaged in drawn(pytestconfig.getoption("--mutations"), dice):
        if not damaged:
            continue
        currency = "USD" if "dollars" in sample.name else "ZAR"
        account = new_account(desk, sample.name, now, currency)
        whole = Mutation("as it is", sample.path.name, sample.data, True)
        for mutation in (whole, *damaged):
            before = standing(desk, account)
            came = take(desk, account, mutation, sample, now)
            after = standing(desk, account)
            if isinstance(came, PaymentsError) or came.again:
                refused += isinstance(came, PaymentsError)
                assert after == before, f"{sample.name}, {mutation.name}: something of it stayed"
                continue
            taken += 1
            file = came.file
            assert file.rows == file.lines + file.quarantined + file.named, mutation.name
            grew = [now_there - was for was, now_there in zip(before[1:], after[1:], strict=True)]
            assert grew[1:] == [1, grew[2], file.lines, file.quarantined], mutation.name
            assert 0 <= grew[2] <= came.new, "a line that was gone comes back and is no new row"
            if dice.random() < 0.2:
                with desk.begin() as session:
                    imports.undo(session, ADMIN, file.id, "It was the wrong file.", now=now)
    assert taken > 50
    assert refused > 50
    assert broken(desk) == []


def test_an_import_that_fails_at_any_statement_leaves_nothing(desk, now):
    """Each statement to the database in turn is the last one it answers."""
    account = new_account(desk, "Failing", now)
    clean, asked, fails_at = standing(desk, account), 0, 0

    def fail(*_: object) -> None:
        nonlocal asked
        asked += 1
        if asked == fails_at:
            raise OperationalError("INSERT", {}, Exception("disk I/O error"))

    def attempt() -> imports.Imported:
        with desk.begin() as session:
            return imports.import_file(session, ADMIN, account, "march.csv", MIXED.encode(), now=now)

    event.listen(desk.engine, "before_cursor_execute", fail)
    try:
        for fails_at in range(1, 200):
            asked = 0
            try:
                came = attempt()
            except OperationalError:
                asked, fails_at = 0, 0
                assert standing(desk, account) == clean
            else:
                break
    finally:
        event.remove(desk.engine, "before_cursor_execute", fail)
    assert asked > 10
    assert (came.new, came.file.waiting) == (1, 1)


def test_the_same_statement_in_every_format_adds_its_lines_once(desk, now):
    account = new_account(desk, "Every format", now)
    came = []
    for name in SAME:
        path = SAMPLES / name
        statement = statements.read(path.name, path.read_bytes())
        one_account = replace(statement, account="62000012345")  # the samples are of several
        with desk.begin() as session:
            came.append(
                imports.import_file(
                    session, ADMIN, account, path.name, path.read_bytes(), now=now, statement=one_account
                )
            )
    assert came[0].new == came[0].file.lines > 5
    assert [(one.new, one.already, one.again) for one in came[1:]] == [(0, came[0].new, False)] * len(
        came[1:]
    )
    assert broken(desk) == []
