"""The watch over the network sees what it is there for: each way out, with a transaction open and without."""

import smtplib
from collections.abc import Callable

import pytest
from sqlalchemy import text

from payments.errors import GatewayUnavailable
from payments.gateways.transport import Limits, Transport
from payments.telling import egress
from tests import network
from tests.desk import FakeGateway

NOWHERE = "http://127.0.0.1:1"


def ask() -> None:
    Transport(
        NOWHERE, Limits(1, 1, 1, 100), sleep=lambda _: None, jitter=lambda: 0.0, monotonic=lambda: 0.0
    ).get("/", {})


def tell() -> None:
    egress.post(NOWHERE, {}, b"", loopback=True)


def mail() -> None:
    smtplib.SMTP("127.0.0.1", 1, timeout=1)


def issue() -> None:
    FakeGateway().status("link")


WAYS: list[tuple[Callable[[], None], type[Exception]]] = [
    (ask, GatewayUnavailable), (tell, egress.NotSent), (mail, OSError), (issue, KeyError),
]  # fmt: skip


@pytest.mark.parametrize("way, fails", WAYS, ids=["gateway's client", "other systems", "mail", "pretended"])
def test_each_way_out_is_closed_while_a_transaction_is_open(sessions, way, fails):
    with pytest.raises(fails):
        way()
    for door in (sessions.begin, sessions.read):
        with door() as session:
            session.execute(text("SELECT 1"))
            with pytest.raises(AssertionError, match="a transaction is open"):
                way()
        assert len(network.caught()) == 1
    with pytest.raises(fails):  # and open again after it
        way()
    assert network.caught() == []
