"""What the database does by itself, whatever the code above it forgets."""

from contextlib import ExitStack, closing
from pathlib import Path
from threading import Thread, Timer

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DatabaseError, IntegrityError

import db.sqlite
from db.models import Counter, InboxEvent, OutboxMail, Receipt
from db.session import DatabaseUnfit, Sessions, check_postgres, open_engine
from payments import lifecycle
from payments.gateways import Answer
from payments.hearing import sync
from payments.lifecycle import Source
from payments.telling import outbox
from tests.desk import FakeGateway, issue, make_event, payment_of
from tests.hook import PATH


@pytest.fixture
def paid(sessions, now) -> str:
    """The reference of a payment with a receipt and a mail."""
    gateway = FakeGateway()
    with sessions.begin() as session:
        make_event(session, now=now)
    view = issue(sessions, gateway, now=now)
    gateway.says("link00000000001", Answer.PAID, "PAID")
    sync.ask(sessions, {gateway.name: gateway}, 1, now=now)
    return view.reference


@pytest.mark.parametrize("table", [Receipt, OutboxMail])
def test_a_second_row_of_one_receipt_or_one_mail_is_refused(sessions, paid, table):
    with sessions.read() as session:
        row = dict(session.execute(select(table.__table__)).mappings().one())
    del row["id"]
    with pytest.raises(IntegrityError), sessions.begin() as session:
        session.execute(insert(table.__table__).values(row))


def test_a_second_row_of_one_message_is_refused(sessions, now):
    row = {
        "gateway": "ikhokha", "digest": b"d" * 32, "received_at": now, "path": PATH, "headers": {},
        "body": b"{}", "seen_count": 1, "last_seen_at": now, "attempts": 0,
    }  # fmt: skip
    with pytest.raises(IntegrityError), sessions.begin() as session:
        session.execute(insert(InboxEvent.__table__).values([row, row]))


def test_the_same_money_told_twice_is_one_receipt(sessions, paid, now):
    with sessions.begin() as session:
        payment = payment_of(session, paid)
        lifecycle.receive(
            session, payment, kind="gateway", source_reference="link00000000001", amount=payment.amount,
            now=now, source=Source.POLL, actor="iKhokha",
        )  # fmt: skip
        assert (payment.received_minor, len(payment.receipts)) == (15_000, 1)


def test_a_payment_owes_one_mail_however_often_it_is_settled(sessions, paid, now):
    with sessions.begin() as session:
        outbox.queue_receipt(session, payment_of(session, paid), now=now)
        assert session.scalars(select(OutboxMail.key)).all() == [f"receipt:{paid}"]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "pragma, value",
    [
        ("synchronous", 2),
        ("journal_mode", "wal"),
        ("foreign_keys", 1),
        ("recursive_triggers", 1),
        ("trusted_schema", 0),
    ],
)
def test_sqlite_syncs_each_commit_to_the_disk(sessions, pragma, value):
    """2 is FULL: less, and a power cut takes acknowledged messages with it. All hold on every connection."""
    with ExitStack() as stack:
        doors = [sessions.read, sessions.read, sessions.read, sessions.begin]
        for session in [stack.enter_context(door()) for door in doors]:
            assert session.scalar(text(f"PRAGMA {pragma}")) == value


def test_a_sqlite_that_damages_what_two_write_is_refused(tmp_path, monkeypatch):
    """Before 3.51.3; Python's own is passed over for the wheel's, and both may be too old."""
    monkeypatch.setattr(db.sqlite, "OLDEST", (99, 0, 0))
    with pytest.raises(DatabaseUnfit, match="can corrupt a database that two processes write; install"):
        open_engine(f"sqlite:///{tmp_path}/desk.db")


@pytest.mark.parametrize("kind", ["nfs4", "cifs"])
def test_a_file_on_another_machine_is_refused(tmp_path, monkeypatch, kind):
    mounts = f"/dev/sda / ext4 rw 0 0\nfar:/srv {tmp_path} {kind} rw 0 0\n"
    real = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda path, *how: mounts if path == Path("/proc/mounts") else real(path, *how)
    )
    with pytest.raises(DatabaseUnfit, match=f"is on {kind}: SQLite is not safe on a network filesystem"):
        open_engine(f"sqlite:///{tmp_path}/deeper/desk.db")


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)
def test_on_postgresql_who_waits_for_a_lock_or_stands_still_gives_up(database_url):
    engine = open_engine(database_url, busy_timeout_s=3, still_s=7)
    with engine.connect() as connection:
        limits = [
            connection.scalar(text(f"SHOW {name}"))
            for name in ("lock_timeout", "idle_in_transaction_session_timeout")
        ]
    engine.dispose()
    assert limits == ["3s", "7s"]


@pytest.mark.postgres
def test_a_postgresql_that_cannot_hold_every_name_is_refused(postgres_admin):
    """As its cluster makes them on a host without a locale."""
    with postgres_admin.connect() as connection:
        connection.execute(text("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0"))
    engine = open_engine(postgres_admin.url.set(database="ascii").render_as_string(hide_password=False))
    with pytest.raises(DatabaseUnfit, match=r"keeps text as SQL_ASCII.*--encoding UTF8"):
        check_postgres(engine)
    engine.dispose()
    with postgres_admin.connect() as connection:
        connection.execute(text("DROP DATABASE ascii"))


def test_what_is_read_to_be_written_is_not_changed_in_between(sessions: Sessions):
    """On PostgreSQL by a lock on the row, on SQLite because a writer begins as one. Each writer is a process
    of its own as far as taking turns goes."""
    troubles: list[BaseException] = []

    def add() -> None:
        own = Sessions(sessions.engine)
        try:
            for _ in range(25):
                with own.begin() as session:
                    query = select(Counter).where(Counter.name == "changes").with_for_update()
                    session.scalars(query).one().value += 1
        except Exception as error:  # noqa: BLE001 - the test looks at it
            troubles.append(error)

    threads = [Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with sessions.read() as session:
        assert (session.scalar(select(Counter.value)), troubles) == (100, [])


def test_who_opens_a_new_file_waits_for_who_fills_it(tmp_path):
    """Processes that start at once on a new desk: the first makes its tables meanwhile."""
    path = tmp_path / "new.db"
    first = db.sqlite.sqlite_module().connect(path, isolation_level=None, check_same_thread=False)
    first.execute("BEGIN IMMEDIATE")
    first.execute("CREATE TABLE filled (id INTEGER)")
    end = Timer(0.3, lambda: first.execute("COMMIT"))
    end.start()
    engine = open_engine(f"sqlite:///{path}")
    with engine.connect() as second:
        assert second.execute(text("SELECT count(*) FROM filled")).scalar_one() == 0
    end.join()
    first.close()
    engine.dispose()
    with pytest.raises(DatabaseError, match="locked"):
        _opened_impatiently(tmp_path / "another.db")


def _opened_impatiently(path: Path) -> None:
    with closing(db.sqlite.sqlite_module().connect(path, isolation_level=None)) as first:
        first.execute("BEGIN IMMEDIATE")
        open_engine(f"sqlite:///{path}", busy_timeout_s=0.1).connect()


def test_an_error_of_the_database_tells_no_values(sessions):
    asked = text("SELECT * FROM nowhere WHERE email = :email")
    with sessions.read() as session, pytest.raises(DatabaseError) as told:
        session.execute(asked, {"email": "zanele@example.org"})
    assert "zanele" not in str(told.value)
