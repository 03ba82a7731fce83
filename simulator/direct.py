"""The gateway without the wire: the simulator's ledger as the desk asks it, so that a year is quick."""

import json
import random
import string
from datetime import UTC, date, datetime

from payments.errors import GatewayRefused, OutcomeUnknown
from payments.gateways import Answer, Gateway, IssuedLink, LinkRequest, LinkStatus
from payments.gateways.ikhokha import WORDS
from simulator.fates import Deed
from simulator.ledger import Ledger, SimulatedLink


class LedgerGateway:
    """The gateway as the desk knows it. Messages are proved and read by the real one's code."""

    name = "ikhokha"

    def __init__(self, ledger: Ledger, real: Gateway, pages: str, seed: int) -> None:
        self._ledger = ledger
        self.read_event, self.claimed_link = real.read_event, real.claimed_link
        self._pages = pages  # the address payers find the links' pages at
        self._dice = random.Random(seed)  # pretend ids, the same for the same seed
        self.now: datetime | None = None
        self.fault: Deed = Deed.ISSUE

    def draw_id(self) -> str:
        return "".join(self._dice.choices(string.ascii_lowercase + string.digits, k=15))

    def issue(self, request: LinkRequest) -> IssuedLink:
        if self.fault is Deed.ISSUE_REFUSED:
            raise GatewayRefused("99", "The payment link could not be created")
        if self.fault is Deed.ISSUE_DROPPED:
            raise OutcomeUnknown("The gateway hung up. The link may exist; it will be looked up.")
        assert self.now is not None
        link = self._ledger.add(
            SimulatedLink(
                link_id=self.draw_id(),
                reference=request.reference,
                amount_minor=request.amount.minor,
                description=request.description,
                created_at=self.now,
                callback_url=request.callback_url,
                success_url=request.success_url,
                failure_url=request.failure_url,
                cancel_url=request.cancel_url,
            )
        )
        if self.fault is Deed.ISSUE_LOST:
            raise OutcomeUnknown(
                "The gateway did not answer in time. The link may exist; it will be looked up."
            )
        return IssuedLink(link.link_id, f"{self._pages}/{link.link_id}")

    def status(self, gateway_reference: str) -> LinkStatus:
        return _told(self._ledger.get(gateway_reference))

    def status_by_reference(self, reference: str) -> LinkStatus | None:
        link = self._ledger.find_by_reference(reference)
        return _told(link) if link else None

    def history(self, first: date, last: date) -> list[LinkStatus]:
        return [_told(link) for link in self._ledger.between(first, last)]

    def told_time(self) -> datetime | None:
        return self.now


def _told(link: SimulatedLink) -> LinkStatus:
    """What the simulator answers over HTTP about this link."""
    created_at = link.created_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told = {
        "paylinkID": link.link_id,
        "status": link.status,
        "createdAt": created_at,
        "amount": link.amount_minor,
        "description": link.description,
    }
    return LinkStatus(
        gateway_reference=link.link_id,
        answer=WORDS.get(link.status, Answer.UNCLEAR),
        word=link.status,
        amount_minor=link.amount_minor,
        currency=None,
        reference=None,
        created_at=link.created_at,
        raw=json.dumps(told, ensure_ascii=False),
    )
