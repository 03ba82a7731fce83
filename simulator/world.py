"""The rules of the pretend world: who may speak to it, what a payer can do, what then happens."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from payments.errors import Conflict, InvalidInput
from simulator.bell import Bell
from simulator.ledger import Ledger, SimulatedLink
from simulator.switches import Switches

APP_IDS = ("demo", "test")


class Act(StrEnum):
    """What a payer can do on the page."""

    PAY = "pay"
    PAY_EFT = "pay-eft"
    FAIL = "fail"
    CANCEL = "cancel"


@dataclass(frozen=True)
class Config:
    """One simulated gateway. ``public_url`` is where payers reach its pages.

    ``control_token`` None lets anybody on this machine use ``/_sim`` without a token.
    """

    app_id: str
    secret_key: str = field(repr=False)
    public_url: str
    now: Callable[[], datetime]
    control_token: str | None = field(repr=False)
    state_file: Path | None = None
    merchant: str = "Paydesk Demo Events"
    return_after_s: int = 3  # how long the result page stands before the browser goes back
    switches: Switches = field(default_factory=Switches)

    def __post_init__(self) -> None:
        if self.app_id not in APP_IDS:
            raise InvalidInput("The simulator serves demo mode only: its app id is demo or test.")
        if self.control_token is not None and not self.control_token:
            raise InvalidInput("The simulator's control token is empty. Give one, or None to need none.")


class World:
    def __init__(self, config: Config) -> None:
        self.config = config
        self.ledger = Ledger(config.state_file)
        self.switches = config.switches
        self.bell = Bell(config.app_id, config.secret_key, lambda: self.switches)

    def act(self, link_id: str, act: Act) -> SimulatedLink:
        """Let the payer do something. Raises NotFound, or Conflict: a paid link cannot be paid again."""
        link = self.ledger.get(link_id)
        if link.paid:
            raise Conflict("This payment link has already been paid.")
        if act is Act.CANCEL:  # the payer walks away: nothing changes and no webhook is sent
            return link
        if act is Act.FAIL:
            link = self.ledger.change(link_id, status="FAILURE", attempts=link.attempts + 1)
            self.bell.ring(link, "FAILURE", "05")
            return link
        link = self.ledger.change(
            link_id,
            status="PAID",
            method="card" if act is Act.PAY else "instant_eft",
            paid_at=self.config.now(),
            attempts=link.attempts + 1,
        )
        self.bell.ring(link, "SUCCESS", "00")
        return link
