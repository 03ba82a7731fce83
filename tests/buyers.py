"""Buyers in processes of their own: ``python -m tests.buyers URL CATEGORY REFERENCE…``.

One process imports and forks a few, with several buyers each; all wait for each other, and then buy at once.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from multiprocessing import Barrier

from db.money import Money
from db.session import Sessions, open_engine
from payments import obligations
from payments.lifecycle import Source
from payments.obligations import Draft
from payments.selling.events import event_row
from payments.selling.prices import Choice
from tests.desk import ADMIN

PROCESSES = 4
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def buy(
    sessions: Sessions, reference: str, choice: Choice, agreed: Money | None, now: datetime = NOW
) -> None:
    """At the ``agreed`` price, or at whatever holds."""
    draft = Draft(
        reference, "devconf", agreed or Money(100), "Zanele Mokoena", choice=choice, as_priced=agreed is None
    )
    with sessions.begin() as session:
        event = event_row(session, ADMIN, "devconf")
        obligations.create(
            session, event, obligations.checked(draft), person=ADMIN, now=now, source=Source.API
        )


def buy_all(url: str, references: list[str], choice: Choice) -> None:
    sessions = Sessions(open_engine(url, busy_timeout_s=60))
    with ThreadPoolExecutor(len(references)) as many:
        list(many.map(lambda reference: buy(sessions, reference, choice, None), references))


def main() -> None:
    url, category, *references = sys.argv[1:]
    ready, children = Barrier(PROCESSES), []
    for nth in range(PROCESSES):
        if (pid := os.fork()) == 0:
            ready.wait(30)
            buy_all(url, references[nth::PROCESSES], Choice(int(category)))
            os._exit(0)
        children.append(pid)
    failed = [pid for pid in children if os.waitpid(pid, 0)[1]]
    sys.exit(len(failed))


if __name__ == "__main__":
    main()
