"""What a gateway is: four calls out, one message in, and the frozen types they speak.

A gateway's own words (PAID, SUCCESS, UNPAID …) stay in its module; everything above speaks ``Answer``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from db.money import Money


class Answer(StrEnum):
    """What a gateway's status word means for us."""

    PAID = "paid"
    OPEN = "open"
    ATTEMPT_FAILED = "attempt_failed"  # this attempt failed; the link stays payable
    UNCLEAR = "unclear"  # a word we do not know, or that only a person can judge


@dataclass(frozen=True)
class LinkRequest:
    """What we ask a gateway to make a page for."""

    reference: str  # our wire reference, unique for ever
    amount: Money
    description: str
    callback_url: str
    success_url: str
    failure_url: str
    cancel_url: str


@dataclass(frozen=True)
class IssuedLink:
    gateway_reference: str
    url: str


@dataclass(frozen=True)
class LinkStatus:
    """What the gateway says of one link, when asked."""

    gateway_reference: str
    answer: Answer
    word: str  # the gateway's own, as received
    amount_minor: int | None  # None when it is missing or is no whole number of cents: never guessed
    currency: str | None  # None when not told
    reference: str | None  # our reference, when told
    created_at: datetime | None
    raw: str  # the body as received, for the timeline


@dataclass(frozen=True)
class GatewayEvent:
    """One verified message. It is a doorbell: nothing in it moves money."""

    gateway_reference: str
    reference: str | None
    word: str
    code: str | None


class Gateway(Protocol):
    """``issue`` may raise any GatewayError; the questions GatewayUnavailable or GatewayRefused."""

    name: str

    def issue(self, request: LinkRequest) -> IssuedLink: ...

    def status(self, gateway_reference: str) -> LinkStatus: ...

    def status_by_reference(self, reference: str) -> LinkStatus | None:
        """The link made for our reference; None when the gateway knows none."""
        ...

    def history(self, first: date, last: date) -> list[LinkStatus]: ...

    def told_time(self) -> datetime | None:
        """What its clock said in the newest answer; None when it did not tell."""
        ...

    def read_event(self, path: str, headers: Mapping[str, str], body: bytes) -> GatewayEvent:
        """The event in a message that is proved to be the gateway's.

        Raises NotFromGateway when it is not proved, InvalidInput when it is but cannot be read.
        ``headers`` has lower-case names; one that came twice is joined by a comma, and so never verifies.
        """
        ...

    def claimed_link(self, body: bytes) -> str | None:
        """The link that an unproved message says it is about; None when it cannot be read.

        Worth a question to the gateway, and nothing more.
        """
        ...
