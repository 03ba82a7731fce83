"""The book in the database answers as the one in memory does, on both databases."""

import sqlite3
from datetime import UTC, date, datetime, timedelta
from string import ascii_uppercase

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.event import listen

from db import filed
from db.models import Event, PaperPart, PaperRow, PaperSeries, Payment, PaymentQuote, Standing
from db.money import Money
from db.session import Sessions
from payments.dates import business_day
from payments.matching import Line, MemoryBook, Obligation, names, propose
from payments.matching.book import NameKey
from payments.reconciling.book import _NAMED, SqlBook
from payments.references import ALPHABET, with_check

NOW = datetime(2026, 3, 10, 8, 0, tzinfo=UTC)
PEOPLE = (
    ("222222", "Thandeka Mokoena", "open", 1500_00, 0),
    ("333333", "Sipho Mokoena", "open", 1500_00, 0),
    ("444444", "Lerato van der Merwe", "part_paid", 1500_00, 500_00),
    ("555555", "Zanele Khumalo", "paid", 1500_00, 1500_00),
    ("666666", "Johan Botha", "expired", 950_00, 0),
    ("777777", "Priya Naidoo", "waived", 950_00, 0),
)


def reference(body: str) -> str:
    return with_check("DC26", body, demo=False)


@pytest.fixture
def books(sessions: Sessions):
    """The same payments in the database and in memory."""
    with sessions.begin() as session:
        event = Event(
            code="DC26", name="DevConf", starts_on=date(2026, 4, 1), ends_on=date(2026, 4, 2),
            reference_prefix="DC26", state="open", currency="ZAR", created_at=NOW,
        )  # fmt: skip
        session.add(event)
        session.flush()
        for number, (body, name, status, amount, received) in enumerate(PEOPLE):
            session.add(
                Payment(
                    reference=reference(body), event_id=event.id, mode="live", status=status,
                    amount_minor=amount, amount_currency="ZAR", received_minor=received, payer_name=name,
                    payer_email=f"payer{number}@example.org", payer_phone=f"+2782555000{number}",
                    created_by="test", created_at=NOW, updated_at=NOW, search_text=name.lower(),
                )
            )  # fmt: skip
            if not session.get(Standing, (event.id, status, "ZAR")):
                session.add(Standing(event_id=event.id, status=status, currency="ZAR", count=0, sum_minor=0))
                session.flush()
            standing = session.get(Standing, (event.id, status, "ZAR"))
            standing.count += 1
        session.flush()
        made = session.scalars(select(Payment.id).order_by(Payment.id)).all()
        for at in (0, 3):  # one that is payable, and one that was paid
            session.add(
                PaymentQuote(
                    payment_id=made[at], quoted_minor=100_00, quoted_currency="USD", rate_micro=15_000_000,
                    rate_source="test", rate_at=NOW, charged_minor=1500_00,
                )
            )  # fmt: skip
        session.add(PaperSeries(id=3, key="name devconf", begun_at=NOW))
        session.flush()
        paper = PaperRow(
            series_id=3, kind="invoice", number=7, label="INV-3-000007", key="k", event_id=event.id,
            total_minor=2, total_currency="ZAR", vat_minor=0, issued_on=NOW.date(), issued_at=NOW,
            issued_by="test", body={}, sha256="0" * 64,
        )  # fmt: skip
        session.add(paper)
        session.flush()
        numbers = session.scalars(select(Payment.id).order_by(Payment.id)).all()
        session.add_all(PaperPart(paper_id=paper.id, payment_id=numbers[at], amount_minor=1) for at in (1, 3))
        session.flush()
    with sessions.read() as session:
        rows = session.query(Payment).order_by(Payment.id).all()
        memory = MemoryBook(
            Obligation(
                row.id, row.reference, str(row.event_id), row.amount, row.received, row.payer_name,
                business_day(row.created_at), row.payer_phone, row.payer_email,
                payable=row.status in ("open", "part_paid", "expired"),
                quoted=row.quote.quoted if row.quote else None,
            )
            for row in rows
        )  # fmt: skip
        memory.put_paper("INV-3-000007", [rows[1].id, rows[3].id])
        yield SqlBook(session), memory


def ids(found):
    return {key: sorted(one.id for one in some) for key, some in found.items() if some}


def test_both_know_the_same_heads_and_how_much_is_payable(books):
    sql, memory = books
    assert set(sql.heads()) == set(memory.heads()) == {"DC26"}
    assert sql.payable_count() == memory.payable_count() == 4


def test_both_find_references_whatever_their_status(books):
    sql, memory = books
    asked = [*(reference(body) for body, *_ in PEOPLE), reference("ZZZZZZ")]
    assert sql.by_references(asked) == memory.by_references(asked)
    assert len(sql.by_references(asked)) == len(PEOPLE)


def test_both_know_what_is_lacking_of_those_that_are_payable(books):
    sql, memory = books
    asked = [*(reference(body) for body, *_ in PEOPLE), reference("ZZZZZZ")]
    payable = {name: one for name, one in sql.by_references(asked).items() if one.payable}
    assert sql.owed(asked) == memory.owed(asked)
    assert sql.owed(asked) == {name: (one.id, one.outstanding) for name, one in payable.items()}
    assert len(payable) == 4


def test_both_find_what_an_invoice_is_for_paid_or_not(books):
    sql, memory = books
    asked = ["INV-3-000007", "INV-3-000008", "PRO-3-000007"]
    assert sql.by_papers(asked) == memory.by_papers(asked)
    assert [one.payable for one in sql.by_papers(asked)["INV-3-000007"]] == [True, False]
    assert sql.by_papers([]) == {}


@pytest.mark.parametrize(
    "question, asked",
    [
        pytest.param("by_beginnings", ["DC26_22", "DC26_555", "DC26_Z"], id="beginnings"),
        pytest.param(
            "by_amount_and_name",
            [
                NameKey(minor, name, initial)
                for minor, name in (
                    (1500_00, "MOKOENA"),
                    (1000_00, "MERWE"),
                    (1500_00, "KHUMALO"),
                    (950_00, "BOTHA"),
                    (1, "BOTHA"),
                )
                for initial in ("T", "S", "L", "X", "", None)
            ],
            id="amount and name",
        ),
        pytest.param(
            "by_contacts",
            ["payer0@example.org", "+27825550004", "payer5@example.org", "nobody@example.org"],
            id="contacts",
        ),
    ],
)
def test_both_find_what_is_payable(books, question, asked):
    sql, memory = books
    found = ids(getattr(sql, question)(asked))
    assert found == ids(getattr(memory, question)(asked))
    assert found


def test_both_list_what_is_payable_under_a_head(books):
    sql, memory = books
    assert sorted(sql.payable_under("DC26")) == sorted(memory.payable_under("DC26"))
    assert len(sql.payable_under("DC26")) == 4


def test_both_know_what_was_quoted_in_another_currency(books):
    sql, memory = books
    assert list(sql.quoted()) == [one for one in memory.quoted() if one.payable]
    assert [(one.name, one.quoted) for one in sql.quoted()] == [("Thandeka Mokoena", Money(100_00, "USD"))]
    (named,) = sql.by_amount_and_name([NameKey(1500_00, "MOKOENA", None)]).values()
    assert {one.name: one.quoted for one in named} == {
        "Sipho Mokoena": None, "Thandeka Mokoena": Money(100_00, "USD"),
    }  # fmt: skip


def test_quotes_are_looked_up_and_payments_not_read_through(books, sessions):
    """A million payments of which few were quoted: those few, each by its id."""
    sql, _ = books
    asked = []
    listen(sessions.engine, "before_cursor_execute", lambda *call: asked.append(call[2:4]))
    sql.quoted()
    (statement, values), *_ = asked
    with sessions.read() as session:
        connection = session.connection()
        if connection.dialect.name == "sqlite":
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
            assert [line for line in plan if "SCAN" in line] == ["SCAN payment_quotes"]
        else:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            plan = [row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", values)]
            assert not [line for line in plan if "Seq Scan on payments" in line]


def test_matching_proposes_the_same_from_both(books):
    sql, memory = books
    day = business_day(NOW) + timedelta(days=2)
    line = Line(1, day, Money(1500_00), "CAPITEC T MOKOENA", "")
    damaged = reference("333333").replace("_", "")
    lines = [
        line,
        line._replace(id=2, reference=damaged[:-1]),
        line._replace(id=3, description="EFT", reference=reference("666666"), amount=Money(950_00)),
        line._replace(id=4, description="EFT L VAN DER MERWE", amount=Money(1000_00)),
    ]
    told = propose(lines, sql)
    assert told == propose(lines, memory)
    assert [one.safe for one in told] == [True, True, True, True]


def test_of_many_namesakes_the_newest_are_read(books, sessions):
    """More than fifty of one name and price tell nothing of who is meant."""
    with sessions.begin() as session:
        like = session.scalars(select(Payment).order_by(Payment.id)).first()
        told = {column.key: getattr(like, column.key) for column in Payment.__table__.columns}
        made = [told | {"id": None, "reference": reference(f"22222{at}")} for at in ALPHABET[1:]]
        made += [told | {"id": None, "reference": reference(f"33333{at}")} for at in ALPHABET[2:]]
        session.add_all(Payment(**{key: one[key] for key in one if key != "id"}) for one in made)
    with sessions.read() as session:
        asked = NameKey(1500_00, "MOKOENA", None)
        found = SqlBook(session).by_amount_and_name([asked])[asked]
        newest = session.scalars(select(Payment.id).order_by(Payment.id.desc()).limit(50)).all()
    assert [one.id for one in found] == newest


@pytest.mark.parametrize("by_initial", [True, False])
def test_names_are_looked_up_in_the_index_that_a_migration_made(books, sessions, by_initial):
    """Asked in other words than the index is made with, it is no use, and nothing else would tell."""
    with sessions.read() as session:
        connection = session.connection()
        sqlite = connection.dialect.name == "sqlite"
        asked = text(f"EXPLAIN {'QUERY PLAN ' * sqlite}{_NAMED[connection.dialect.name, by_initial]}")
        if sqlite:
            plan = [row[3] for row in connection.execute(asked, {"keys": '[[1, "x", "y"]]'})]
        else:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            told = {"rests": [1], "surnames": ["x"], "initials": ["y"]}
            plan = [row[0] for row in connection.execute(asked, told)]
    assert [line for line in plan if "ix_payments_rest_name" in line]
    assert not [line for line in plan if "SCAN p " in line or "Seq Scan on payments" in line]
    looked_up = "\n".join(plan).partition("ix_payments_rest_name")[2]
    # SQLite tells how many of the index' three are looked up, PostgreSQL in which words.
    asked_for = looked_up.count("<expr>=?") if sqlite else 1 + looked_up.count("CASE")
    assert asked_for == 2 + by_initial


def test_words_that_say_nothing_are_the_same_in_the_index_and_in_python():
    """Who is filed by one of them would not be looked for under the name that follows it."""
    assert {word.upper() for word in filed.SAYING_NOTHING} == names._SAYING_NOTHING


PIECES = [*"abzTM0é'-. (&", "mr ", "Student ", "de "]


@given(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), st.sampled_from(["", " ", "-"]))
def test_who_is_filed_by_a_letter_has_a_first_name_that_begins_so(beginning, between):
    name = f"{beginning}{between}Thabo Mokoena"
    assert names.initial(name) in ("", names.words(name)[0][0])


@pytest.mark.parametrize(
    "name, initial",
    [
        ("Thandeka Mokoena", "T"), ("t. Mokoena", "T"), ("THANDEKA  VAN DER Mokoena", "T"),
        ("T-bo Mokoena", "T"),
        ("Mokoena", ""), ("Mr Thabo Mokoena", ""), ("DR. T Mokoena", ""), ("Miss T Mokoena", ""),
        ("Van Mokoena", ""), ("Édouard Mokoena", ""), ("4Life Mokoena", ""), ("'t Mokoena", ""),
        ("Missy Mokoena", "M"), ("Deon Mokoena", "D"), ("Zoë Mokoena", ""), ("Student Thabo Mokoena", ""),
        ("B2B Thabo Mokoena", ""), ("D'e Thabo Mokoena", ""), ("Dé Thabo Mokoena", ""), ("(T) Mokoena", ""),
    ],
)  # fmt: skip
def test_both_file_a_payer_under_the_same_first_letter(books, sessions, name, initial):
    """Where it takes a closer look to tell, it stands under none, and is always asked for."""
    _, memory = books
    paying = next(one for one in memory.by_references([reference("222222")]).values() if one.payable)
    with sessions.begin() as session:
        session.get_one(Payment, paying.id).payer_name = name
    with sessions.read() as session:
        filed = [
            letter
            for letter in ("", *ascii_uppercase)
            for key in [NameKey(paying.outstanding.minor, "MOKOENA", letter)]
            if paying.id in ids(SqlBook(session).by_amount_and_name([key])).get(key, ())
        ]
    assert filed == [initial]
    assert names.initial(name) == initial


@pytest.mark.parametrize(
    "name",
    [
        "Ravi Müller", "Elise Naudé", "Pieter Böhmer", "Inês Conceição", "Tshepo Rašeka", "Liam O'Connor",
        "Naledi Nkosi-Dlamini", "Anneke van der Merwe", "Cher", "D'Urban-N'Daba", "Mokoena",
    ],
)  # fmt: skip
def test_both_file_a_payer_under_the_surname_that_a_bank_writes(books, sessions, name):
    """MULLER of a statement had found nobody of the database, and Müller of the memory that scores are of."""
    _, memory = books
    paying = next(one for one in memory.by_references([reference("222222")]).values() if one.payable)
    with sessions.begin() as session:
        session.get_one(Payment, paying.id).payer_name = name
    key = NameKey(paying.outstanding.minor, names.surname(name), None)
    with sessions.read() as session:
        assert paying.id in ids(SqlBook(session).by_amount_and_name([key])).get(key, ())


def test_a_desk_is_read_by_the_sqlite_that_python_brings():
    """Whoever looks at a copy has an older one than the desk, which may say "malformed database schema"."""
    with sqlite3.connect(":memory:") as base:
        base.execute("CREATE TABLE payments (amount_minor, received_minor, payer_name)")
        base.execute(f"CREATE INDEX filed ON payments ({filed.REST}, {filed.SURNAME}, ({filed.INITIAL}))")


def test_names_with_quotation_marks_and_letters_of_elsewhere_are_asked_about_alike(books):
    sql, memory = books
    surnames = ('O"BRIEN', "MÜLLER", "MOKOENA", "{A,B}")
    keys = [NameKey(1500_00, name, initial) for name in surnames for initial in (None, '"', "Ü", "{")]
    found = sql.by_amount_and_name(keys)
    assert ids(found) == ids(memory.by_amount_and_name(keys))
    assert [len(some) for some in found.values() if some] == [2]
