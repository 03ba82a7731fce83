"""Two hosts on one PostgreSQL, one of them cut off and killed under fifty messages a second.

Nothing that was acknowledged is lost, another worker works within the lease, and only its holder commits.
"""

import itertools
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from db.migrate import migrate
from db.models import InboxEvent
from db.session import Sessions, open_engine
from tests import hosts, postgres
from tests.hook import ENVIRON, event, read_reply, request, signed, wait_until
from tests.hosts import Host

WEBHOOK, WORKER, STUCK = ("webhook.py",), ("manage.py", "worker"), ("-m", "tests.stuck", "stuck")
PORT = 8000
#: Messages a second, and over how many senders.
RATE, SENDERS = 50, 10
#: Replaced so soon after its death or its being cut off, says the requirement.
REPLACED_S = 30

#: Every sign of life of a worker, with the token it had and the host that wrote it.
SIGNS = """
CREATE TABLE signs (nth BIGSERIAL, at TIMESTAMPTZ DEFAULT clock_timestamp(), token BIGINT, host TEXT);
CREATE FUNCTION sign() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO signs (token, host) SELECT token, host(inet_client_addr()) FROM leases WHERE name = 'worker';
  RETURN NULL; END $$;
CREATE TRIGGER signed AFTER INSERT OR UPDATE ON meta FOR EACH ROW WHEN (NEW.key = 'worker_seen')
  EXECUTE FUNCTION sign();
"""


@dataclass
class Gateway:
    """Sends each message until some host has acknowledged it, as nginx and the gateway together do."""

    hosts: list[Host]
    acknowledged: list[tuple[float, str, bytes]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self._threads = [threading.Thread(target=self._send, args=(nth,)) for nth in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()

    def since(self, moment: float) -> set[str]:
        """The hosts that have acknowledged anything since."""
        return {address for at, address, _ in list(self.acknowledged) if at > moment}

    def _send(self, sender: int) -> None:
        began = time.monotonic()
        for nth in itertools.count():
            if self._stop.wait(max(0.0, began + nth * SENDERS / RATE - time.monotonic())):
                return
            body = event(link=f"hosts-{sender}-{nth}")
            for host in itertools.cycle(self.hosts if (sender + nth) % 2 else self.hosts[::-1]):
                if self._stop.is_set():
                    return
                if self._post(host.address, body):
                    self.acknowledged.append((time.monotonic(), host.address, body))
                    break

    def takes(self, host: Host, body: bytes) -> bool:
        """Whether this host acknowledges a message now."""
        return self._post(host.address, body)

    def _post(self, address: str, body: bytes) -> bool:
        try:
            with socket.create_connection((address, PORT), timeout=2) as connection:
                connection.sendall(request(body, signed(body) | {"Connection": "close"}))
                return read_reply(connection).status == 200
        except OSError:
            return False


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[tuple[Engine, list[Host]]]:
    """A database on our address, and two hosts that work with it."""
    if not hosts.possible():
        pytest.skip("hosts of their own take root, and the programs ip and unshare")
    with (
        hosts.network(tmp_path, ("one", "two")) as (ours, both),
        postgres.machine(durable=True, listen=ours) as server,
    ):
        engine = open_engine(server.url)
        migrate(engine)
        with engine.begin() as connection:
            connection.execute(text(SIGNS))
        yield engine, both
        engine.dispose()


def environ_of(host: Host, ours: str, lease_s: int) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | ENVIRON | {
        "DATABASE_URL": f"postgresql+psycopg://postgres@{ours}/postgres",
        "DATA_DIR": str(host.folder / "data"),
        "BIND_ADDRESS": host.address,
        "WEBHOOK_PORT": str(PORT),
        "WORKER_LEASE_S": str(lease_s),
    }  # fmt: skip


def works(engine: Engine, token: int) -> str | None:
    """The host whose worker has written under this token of the lease."""
    with engine.connect() as connection:
        asked = text("SELECT host FROM signs WHERE token = :token LIMIT 1")
        return connection.scalar(asked, {"token": token})


def replaced_s(engine: Engine, token: int, began: float) -> float:
    wait_until(lambda: works(engine, token), seconds=4 * REPLACED_S)
    return time.monotonic() - began


def cut_off(database: Engine, gateway: Gateway, holder: Host, other: Host, token: int) -> float:
    """The lease's holder is cut off until another has worked for a moment; after how many seconds it did."""
    log = holder.log(WORKER)
    told, began = log.read_text().count("has taken over"), time.monotonic()
    holder.cut()
    took = replaced_s(database, token, began)
    assert works(database, token) == other.address
    wait_until(lambda: gateway.since(time.monotonic() - 1) == {other.address}, seconds=REPLACED_S)
    wait_until(lambda: gateway.takes(other, event(link="stuck")), seconds=REPLACED_S)
    holder.mend()
    back = time.monotonic()
    wait_until(lambda: log.read_text().count("has taken over") > told, seconds=120)
    wait_until(lambda: holder.address in gateway.since(back), seconds=120)
    return took


def died(database: Engine, holder: Host, token: int) -> float:
    began = time.monotonic()
    holder.die()
    return replaced_s(database, token, began)


@pytest.mark.allow_hosts(["127.0.0.1", "10.0.0.0/8"])
@pytest.mark.timeout(600)
def test_a_host_that_is_cut_off_and_one_that_dies_lose_nothing_and_write_nothing(
    engine, pytestconfig, capsys
):
    """A lease of four seconds; by `make chaos` of fifteen, and cut off five times. The first to be cut off
    stands in the middle of a transaction, and what it holds is soon free for the others."""
    database, both = engine
    chaos = pytestconfig.getoption("--chaos")
    ours = both[0].address.rpartition(".")[0] + ".1"
    environs = [environ_of(host, ours, 15 if chaos else 4) for host in both]
    for host, environ in zip(both, environs, strict=True):
        host.start(environ, *WEBHOOK)
        host.start(environ, *WORKER)
    gateway = Gateway(both)
    wait_until(lambda: all(gateway.takes(host, event(link=host.name)) for host in both), seconds=240)
    wait_until(lambda: works(database, 1), seconds=240)
    holder, _ = in_turn(database, both, 1)
    holder.start(environs[both.index(holder)], *STUCK)
    wait_until(lambda: "holds" in holder.log(STUCK).read_text(), seconds=240)
    gateway.start()
    took = []
    try:
        for token in range(2, 7 if chaos else 3):
            holder, other = in_turn(database, both, token - 1)
            took.append(f"cut off {cut_off(database, gateway, holder, other, token):.1f} s")
        holder, _ = in_turn(database, both, token)
        took.append(f"killed {died(database, holder, token + 1):.1f} s")
    finally:
        gateway.stop()
    with capsys.disabled():
        print(f"\n{len(gateway.acknowledged)} acknowledged; replaced after: {', '.join(took)}")
    check_nothing_was_lost(database, gateway)
    check_only_the_holder_wrote(database)


def in_turn(database: Engine, both: list[Host], token: int) -> list[Host]:
    """Who works under this token, then the other."""
    return sorted(both, key=lambda host: host.address != works(database, token))


def check_nothing_was_lost(database: Engine, gateway: Gateway) -> None:
    with Sessions(database).read() as session:
        kept = set(session.scalars(select(InboxEvent.body)))
    acknowledged = {body for _, _, body in gateway.acknowledged}
    assert len(acknowledged) > RATE
    assert acknowledged <= kept


def check_only_the_holder_wrote(database: Engine) -> None:
    """Under each token one host; and none under an old one once there was a new one."""
    with database.connect() as connection:
        signs = connection.execute(text("SELECT token, host FROM signs ORDER BY nth")).all()
    tokens = [sign.token for sign in signs]
    assert tokens == sorted(tokens)
    assert all(len({sign.host for sign in signs if sign.token == token}) == 1 for token in set(tokens))
