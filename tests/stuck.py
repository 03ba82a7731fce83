"""A process that keeps a message and stands still before it commits; for a host to be cut off."""

import sys
import time

from bootstrap import build, utc_now
from payments.hearing import inbox
from payments.hearing.inbox import Message
from tests.hook import PATH, event


def main(link: str) -> None:
    with build().sessions.begin() as session:
        inbox.accept(session, Message("ikhokha", PATH, {}, event(link=link), utc_now()), None)
        print("holds", flush=True)
        time.sleep(600)


if __name__ == "__main__":
    main(sys.argv[1])
