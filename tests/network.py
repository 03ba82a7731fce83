"""No transaction is open while we wait for a machine that is not ours: what it holds, others wait for.

Whoever crosses the network says so here, in every test: the pretended gateways, and whatever speaks HTTP or
SMTP for real. A transaction of the same thread fails the test, also where the code caught the error.
"""

import http.client
import smtplib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import local
from typing import Any
from weakref import WeakSet

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.orm import Session, SessionTransaction


class _Here(local):
    def __init__(self) -> None:
        self.open: WeakSet[Session] = WeakSet()


_here = _Here()
#: What crossed the network within a transaction, as this test went on.
_caught: list[str] = []


def crosses(where: str) -> None:
    """Called as something is about to be sent."""
    if len(_here.open):
        _caught.append(where)
        raise AssertionError(f"a transaction is open while {where} is asked")


@contextmanager
def watched() -> Iterator[None]:
    """Everything is looked at meanwhile."""
    event.listen(Session, "after_begin", _begun)
    event.listen(Session, "after_transaction_end", _ended)
    with pytest.MonkeyPatch.context() as patch:
        for kind, name in ((http.client.HTTPConnection, "endheaders"), (smtplib.SMTP, "connect")):
            patch.setattr(kind, name, _looked_at(getattr(kind, name)))
        yield
    event.remove(Session, "after_begin", _begun)
    event.remove(Session, "after_transaction_end", _ended)


def caught() -> list[str]:
    """What was, since it was asked last."""
    found = _caught[:]
    _caught.clear()
    return found


def _looked_at(sends: Callable[..., Any]) -> Callable[..., Any]:
    def sent(connection: Any, *args: Any, **named: Any) -> Any:
        crosses(str(getattr(connection, "host", "") or "a mail server"))
        return sends(connection, *args, **named)

    return sent


def _begun(session: Session, _transaction: SessionTransaction, _connection: Connection) -> None:
    _here.open.add(session)


def _ended(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        _here.open.discard(session)
