"""Thousands of broken messages, each correctly signed: all are kept, none breaks the door or the worker."""

import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from db.models import InboxEvent
from payments.errors import InvalidInput, NotFromGateway
from payments.hearing import inbox, intake
from payments.lifecycle import Effect
from tests import mutants
from tests.desk import issue, make_event
from tests.hook import read_reply, request, serving, signed
from tests.test_ikhokha_events import GATEWAY, PATH, headers

SENDERS = 4


def send_all(port: int, bodies: Sequence[bytes]) -> list[tuple[bytes, int]]:
    """On one connection, as long as the door keeps it."""
    told, connection = [], None
    for body in bodies:
        connection = connection or socket.create_connection(("127.0.0.1", port), timeout=30)
        connection.sendall(request(body, signed(body)))
        reply = read_reply(connection)
        told.append((body, reply.status))
        if reply.status == 0 or reply.headers.get("connection") == "close":
            connection.close()
            connection = None
    if connection:
        connection.close()
    return told


@pytest.mark.timeout(1_800)  # --bodies 10000
def test_whatever_is_signed_is_kept_and_breaks_nobody(database_url, now, pytestconfig, monkeypatch):
    monkeypatch.setattr(intake, "KEPT_A_LINK_AND_DAY", 1_000_000)  # all of them are about one link
    count = pytestconfig.getoption("--bodies")
    with serving(database_url, now) as hook:
        with hook.sessions.begin() as session:
            make_event(session, now=now)
        link = issue(hook.sessions, hook.gateway, now=now).gateway_reference
        bodies = list(mutants.mutants(2026, count, link))
        with ThreadPoolExecutor(SENDERS) as senders:
            parts = [bodies[nth::SENDERS] for nth in range(SENDERS)]
            told = [one for part in senders.map(send_all, [hook.port] * SENDERS, parts) for one in part]
        assert [body for body, status in told if status != 200] == []
        with hook.sessions.read() as session:
            assert session.scalar(select(func.count(InboxEvent.id))) == count
            readable = select(InboxEvent.id).where(InboxEvent.gateway_reference == link)
            waiting = list(session.scalars(readable.where(InboxEvent.handled_at.is_(None))))
            assert session.scalar(select(func.count()).select_from(readable.subquery())) > count // 50
        later = now + timedelta(minutes=5)
        for inbox_id in waiting:  # what the worker does with them; none of them is true
            assert inbox.process(hook.sessions, {"ikhokha": hook.gateway}, inbox_id, now=later) in set(Effect)


def test_whatever_is_read_is_an_event_or_one_of_two_errors():
    read = 0
    for body in mutants.mutants(7, 2_000, "link00000000001"):
        for signature in (headers(body), headers(b"other")):
            try:
                GATEWAY.read_event(PATH, signature, body)
                read += 1
            except (InvalidInput, NotFromGateway):
                continue
        GATEWAY.claimed_link(body)
    assert 100 < read < 2_000


def test_the_same_number_makes_the_same_mutants():
    assert list(mutants.mutants(1, 50, "a")) == list(mutants.mutants(1, 50, "a"))
