"""A little work, done by the release in whose folder it runs: a link is issued, told of and paid.

``python previous_work.py DATABASE_URL DATA_DIR`` prints the payment's reference. It speaks to the previous
release, not to the one that it lies in.
"""

import sys
from datetime import UTC, datetime

sys.path.insert(0, "")  # the folder it runs in, not the one it lies in

# ruff: noqa: I001 (rooms of the previous release, which are not here)
import bootstrap
from payments import inbox, people
from payments.gateways import Answer
from payments.inbox import Message
from payments.people import SYSTEM, Role
from tests.desk import FakeGateway, issue, make_event, payment_of


def main(url: str, data: str) -> None:
    environ = {"IKHOKHA_APP_ID": "demo", "DATA_DIR": data, "DATABASE_URL": url}
    sessions, now = bootstrap.build(bootstrap.read_settings(environ, None)).sessions, datetime.now(UTC)
    bootstrap.claim_mode(sessions, "demo")
    with sessions.begin() as session:
        make_event(session, now=now)
        people.create_person(
            session, SYSTEM, name="Thandi", email="thandi@example.org", role=Role.ADMIN, events=None, now=now
        )
    gateway = FakeGateway()
    link = issue(sessions, gateway, now=now)
    (gateway_reference,) = gateway.links
    event = gateway.read_event("/", {"ik-sign": "good"}, f"{gateway_reference} SUCCESS".encode())
    with sessions.begin() as session:
        event_id = inbox.accept(session, Message("ikhokha", "/", {}, b"{}", now), event)
    gateway.says(gateway_reference, Answer.PAID, "PAID")
    inbox.process(sessions, {"ikhokha": gateway}, event_id, now=now)
    with sessions.read() as session:
        assert payment_of(session, link.reference).status == "paid"
    print(link.reference)


if __name__ == "__main__":
    main(*sys.argv[1:])
