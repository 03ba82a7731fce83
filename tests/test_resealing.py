"""Another key: what an older one sealed is sealed anew while it is read, and the old one can go (R45)."""

import os
import signal
import subprocess
import sys
import time

import pytest
from sqlalchemy import func, select

from db.models import NotifyEndpoint, PayeeDetails, Proof, SecondFactor
from db.session import Sessions, open_engine
from payments.errors import CannotOpen
from payments.keeping import backups, keyring, resealing
from payments.keeping.backups import Place
from payments.keeping.keyring import KeyRing
from tests import desk, postgres
from tests.subject import planted

OLD, NEW = keyring.new_key("old"), keyring.new_key("new")
BEFORE, BOTH, AFTER = keyring.read(OLD), keyring.read(f"{NEW} {OLD}"), keyring.read(NEW)
TOOLS = postgres._WHEEL / "pginstall/bin"


@pytest.fixture
def sealed(sessions, now):
    """Something of each kind, sealed with the old key."""
    planted(sessions, desk.FakeGateway(), BEFORE, now=now)
    with sessions.begin() as session:
        details, endpoint = (
            session.scalars(select(PayeeDetails)).one(),
            session.scalars(select(NotifyEndpoint)).one(),
        )
        details.sealed = BEFORE.seal(b"account", f"payee_details.sealed.{details.id}")
        endpoint.sealed = BEFORE.seal(b"secret", f"notify_endpoints.sealed.{endpoint.id}")
        endpoint.previous_sealed = BEFORE.seal(b"before", f"notify_endpoints.sealed.{endpoint.id}")
        session.add(
            SecondFactor(
                person_id=1, sealed=BEFORE.seal(b"seed", "second_factors.sealed.1"), last_step=0, since=now
            )
        )
    return sessions


def opened(session, keys: KeyRing) -> set[bytes]:
    return {
        keys.open(value, one.about.format(number))
        for one in resealing.SEALED
        for number, value in session.execute(select(one.row, one.column).where(one.column.is_not(None)))
    }


PLAIN = {b"%PDF", b"account", b"secret", b"before", b"seed"}


def test_everything_opens_with_the_new_key_alone_afterwards(sealed):
    report = resealing.run(sealed, BOTH)
    assert sum(report.done.values()) == 5
    assert report.failed == ()
    with sealed.read() as session:
        assert opened(session, AFTER) == PLAIN
    assert resealing.run(sealed, BOTH).done == {}


def test_each_column_that_is_sealed_is_on_the_list():
    """A new one would keep the old key for ever."""
    from db.models import Base

    there = {
        (table.name, column.name) for table in Base.metadata.sorted_tables for column in table.columns
        if "sealed" in column.name
    }  # fmt: skip
    assert there == {(one.column.class_.__tablename__, one.column.key) for one in resealing.SEALED}


def test_what_an_old_key_is_still_needed_for_is_told(sealed, tmp_path, now):
    with sealed.read() as session:
        assert dict(resealing.told(session, BOTH, None)) == {
            "old": "1 proofs, 1 apps for codes, 1 bank details, 1 secrets of endpoints, "
            "1 secrets of endpoints before"
        }
    backups.make(sealed, Place(tmp_path / "backups", tmp_path / "work", BEFORE, TOOLS), now=now)
    resealing.run(sealed, BOTH)
    with sealed.read() as session:
        assert dict(resealing.told(session, BOTH, tmp_path / "backups")) == {"old": "1 backups"}
        assert dict(resealing.told(session, BOTH, None)) == {"old": ""}


def test_what_cannot_be_opened_is_named_and_the_rest_is_done(sealed):
    with sealed.begin() as session:
        proof = session.scalars(select(Proof)).one()
        proof.sealed = proof.sealed[:-1] + bytes([proof.sealed[-1] ^ 1])
    report = resealing.run(sealed, BOTH)
    assert sum(report.done.values()) == 4
    (why,) = report.failed
    assert why.startswith("proofs 1: This was changed")


def test_an_erased_proof_is_left_alone_and_no_key_is_said_so(sealed):
    with sealed.begin() as session:
        session.scalars(select(Proof)).one().sealed = b""
    report = resealing.run(sealed, BOTH)
    assert report.failed == ()
    assert "proofs" not in report.done
    with pytest.raises(CannotOpen, match="no key to encrypt"):
        resealing.run(sealed, KeyRing())


_RUN = """
import sys
from db.session import Sessions, open_engine
from payments.keeping import keyring, resealing
resealing.AT_ONCE = 2
resealing.run(Sessions(open_engine(sys.argv[1])), keyring.read(sys.argv[2]))
"""


@pytest.mark.processes
def test_killed_it_goes_on_and_nobody_failed_to_read_meanwhile(sealed, database_url, now):
    with sealed.begin() as session:
        first = session.scalars(select(Proof)).one()
        for _ in range(400):
            row = Proof(
                payment_id=first.payment_id, kind="pdf", sha256="a" * 64, size_bytes=4, findings=[],
                sealed=b"x", at=now, by="T",
            )  # fmt: skip
            session.add(row)
            session.flush()
            row.sealed = BEFORE.seal(b"%PDF", f"proofs.sealed.{row.id}")
    reader = Sessions(open_engine(database_url))
    process = subprocess.Popen([sys.executable, "-c", _RUN, database_url, f"{NEW} {OLD}"])
    until = time.monotonic() + 60
    while new_ones(reader) < 20 and process.poll() is None and time.monotonic() < until:
        with reader.read() as session:
            assert opened(session, BOTH) == PLAIN
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    killed_at = new_ones(reader)
    assert killed_at >= 20
    resealing.run(reader, BOTH)
    with reader.read() as session:
        assert opened(session, AFTER) == PLAIN
        assert session.scalar(select(func.count()).select_from(Proof)) == new_ones(reader) == 401
    reader.engine.dispose()


def new_ones(sessions) -> int:
    with sessions.read() as session:
        return resealing.by_key(session, BOTH)["new"].get("proofs", 0)
