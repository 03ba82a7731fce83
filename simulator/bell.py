"""The simulator's webhooks: signed, sent in the background, repeated until somebody answers."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from payments.gateways import strict_json
from payments.gateways.ikhokha import sign
from simulator.ledger import SimulatedLink
from simulator.switches import Switches

_TIMEOUT_S = (2, 5)


@dataclass(frozen=True)
class Ring:
    """One webhook sent. ``answer`` is the status it was answered with, None for no answer."""

    link_id: str
    word: str
    answer: int | None


class Bell:
    def __init__(self, app_id: str, secret_key: str, switches: Callable[[], Switches]) -> None:
        self._app_id = app_id
        self._secret_key = secret_key
        self._switches = switches
        self._at_work: set[asyncio.Task[None]] = set()
        self.rings: deque[Ring] = deque(maxlen=10_000)

    def ring(self, link: SimulatedLink, word: str, code: str) -> None:
        """Send a webhook soon; returns at once. Needs a running event loop."""
        switches = self._switches()
        if switches.webhook == "drop" or (switches.webhook_per == "link" and link.attempts > 1):
            return
        task = asyncio.create_task(self._deliver(link, word, code, switches))
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)

    async def stop(self) -> None:
        """Give up what is still waiting to be sent."""
        for task in tuple(self._at_work):
            task.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)

    async def _deliver(self, link: SimulatedLink, word: str, code: str, switches: Switches) -> None:
        await asyncio.sleep(switches.webhook_delay_s)
        for _ in range(switches.webhook_copies):
            await self._send(link, word, code, switches)
        if word == "SUCCESS" and switches.webhook_failure_after_success:
            await self._send(link, "FAILURE", "05", switches)

    async def _send(self, link: SimulatedLink, word: str, code: str, switches: Switches) -> None:
        body, headers = self._message(link, word, code, switches)
        for nth in range(1 + switches.webhook_retries):
            answer = await asyncio.to_thread(_post, link.callback_url, body, headers)
            self.rings.append(Ring(link.link_id, word, answer))
            if answer is not None and 200 <= answer < 300:
                return
            await asyncio.sleep(switches.webhook_retry_s * 2**nth)

    def _message(
        self, link: SimulatedLink, word: str, code: str, switches: Switches
    ) -> tuple[bytes, dict[str, str]]:
        event: dict[str, Any] = {
            "paylinkID": link.link_id,
            "status": word.lower() if switches.webhook_lower_case else word,
            "externalTransactionID": link.reference,
            "responseCode": code,
        }
        secret = self._secret_key + ("-wrong" if switches.webhook_wrong_signature else "")
        signature = sign(urlsplit(link.callback_url).path, strict_json.dumps(event), secret)
        if switches.webhook_text is not None:
            event["text"] = switches.webhook_text
        headers = {
            "Content-Type": "application/json",
            "ik-appid": "IKWRONG" if switches.webhook_wrong_app_id else self._app_id,
            "ik-sign": signature,
        }
        return strict_json.dumps(event).encode(), headers


def _post(url: str, body: bytes, headers: dict[str, str]) -> int | None:
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.post(url, data=body, headers=headers, timeout=_TIMEOUT_S, allow_redirects=False)
        except requests.RequestException:
            return None
        return answer.status_code
