"""A client of Paydesk's API, small enough to take along.

    PAYDESK_KEY=pd_demo_… python examples/client.py 2026-0417 150000 "Thandi Nkosi"

asks for a payment of R1 500.00 for registration 2026-0417 and prints where to send its payer.
"""

import os
import sys
import uuid
from typing import Any

import requests


class Refused(Exception):
    """Paydesk said no; the message is its sentence. ``again``: the same request may be sent later."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.again = status, status in (429, 503)


class Paydesk:
    def __init__(self, url: str, key: str) -> None:
        self.url = f"{url.rstrip('/')}/api/v1"
        self.headers = {"Authorization": f"Bearer {key}"}

    def ask(self, registration_id: str, amount_minor: int, wish: str, **more: str) -> dict[str, Any]:
        """The payment of a registration. ``wish`` is drawn once for each wish, and kept with it: sent again
        after a lost answer, it is the same request."""
        body = {"registration_id": registration_id, "amount_minor": amount_minor, "currency": "ZAR", **more}
        return self._call("POST", "/payments", json=body, headers={"Idempotency-Key": wish})

    def payment(self, reference: str) -> dict[str, Any]:
        return self._call("GET", f"/payments/{reference}")

    def cancel(self, reference: str, reason: str) -> dict[str, Any]:
        return self._call("POST", f"/payments/{reference}/cancel", json={"reason": reason})

    def changes(self, after: str = "") -> tuple[list[dict[str, Any]], str]:
        """Every payment that changed since a cursor, and the cursor to keep for the next time."""
        found: list[dict[str, Any]] = []
        while True:
            page = self._call("GET", "/payments", params={"after": after} if after else {})
            found, after = found + page["payments"], page["next"]
            if not page["more"]:
                return found, after

    def _call(self, method: str, path: str, **other: Any) -> dict[str, Any]:
        headers = self.headers | other.pop("headers", {})
        answer = requests.request(method, self.url + path, headers=headers, timeout=30, **other)
        told: dict[str, Any] = answer.json()
        if not answer.ok:
            raise Refused(answer.status_code, told["detail"])
        return told


if __name__ == "__main__":
    desk = Paydesk(os.environ.get("PAYDESK_URL", "http://127.0.0.1:8000"), os.environ["PAYDESK_KEY"])
    own_id, amount, name = sys.argv[1:]
    print(desk.ask(own_id, int(amount), str(uuid.uuid4()), payer_name=name)["link"])
