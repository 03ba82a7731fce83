"""What the tests of the simulator share: one configuration, a client for it, links to ask for."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from db.money import Money
from payments.gateways import LinkRequest
from payments.gateways.ikhokha import Config as ClientConfig
from payments.gateways.ikhokha import IKhokha
from simulator.control import TOKEN_HEADER
from simulator.gateway import Config
from simulator.ledger import new_link_id
from simulator.server import Running

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
CONFIG = Config(
    app_id="demo",
    secret_key="demo_secret",
    public_url="",
    now=lambda: NOW,
    control_token="token-of-this-run",
    return_after_s=60,  # longer than any test looks at a result
)
PAGES = "https://pay.example.org"


def client(simulator: Running, **changes: Any) -> IKhokha:
    config = ClientConfig(
        app_id="demo",
        secret_key="demo_secret",
        base_url=simulator.base_url,
        requester_url=PAGES,
        link_hosts=(simulator.link_host,),
        read_s=1,
        total_s=2,
    )
    return IKhokha(replace(config, **changes), sleep=lambda _: None)


def draw_reference() -> str:
    return f"DEMO_REG_{new_link_id()}"


def wanted(reference: str, callback_url: str = "http://127.0.0.1:9/hook") -> LinkRequest:
    return LinkRequest(
        reference=reference,
        amount=Money(15000),
        description="Ubuntu Research Week",
        callback_url=callback_url,
        success_url=f"{PAGES}/success",
        failure_url=f"{PAGES}/failure",
        cancel_url=f"{PAGES}/cancel",
    )


def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def token(**more: str) -> dict[str, str]:
    return {TOKEN_HEADER: "token-of-this-run"} | more
