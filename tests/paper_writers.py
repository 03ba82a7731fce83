"""Writers of papers that a test kills: ``python -m tests.paper_writers URL HOW_MANY REFERENCE…``.

One process imports and forks them. It says their ids in a line; each writes quotations until it is killed.
"""

import os
import signal
import sys
from datetime import UTC, datetime
from itertools import count

from db.session import Sessions, open_engine
from payments.papers import issuing
from payments.papers.bodies import BillTo, PaperKind
from payments.papers.issuing import Wanted
from tests.desk import ADMIN


def write(url: str, references: list[str]) -> None:
    sessions = Sessions(open_engine(url))
    for nth in count():
        wanted = Wanted(
            f"{os.getpid()}-{nth}", PaperKind.QUOTATION, (references[nth % len(references)],), BillTo("Sipho")
        )
        with sessions.begin() as session:
            issuing.issue(session, ADMIN, wanted, now=datetime.now(UTC))


def main() -> None:
    url, how_many, *references = sys.argv[1:]
    children = []
    for nth in range(int(how_many)):
        if (pid := os.fork()) == 0:
            write(url, references[nth:] + references[:nth])
        children.append(pid)
    print(*children, flush=True)
    sys.stdin.read()  # until the test lets go
    for pid in children:
        os.kill(pid, signal.SIGKILL)  # not waited for before: the id is still theirs
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
