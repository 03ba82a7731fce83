"""The sending process: distinct signed messages over so many connections, for so many seconds.

``python -m benchmarks._load`` reads the arguments of ``load`` as JSON, one line for each load, and answers
each with one line: how many were acknowledged and how soon, and which: all up to ``last``, but ``not_acked``.
"""

import asyncio
import base64
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import uvloop

from tests.hook import event, request, signed

#: As many are made before the clock starts; an endpoint that takes them quicker has its turn cut short.
MOST_A_SECOND = 12_000
END_OF_HEAD = b"\r\n\r\n"


def link(run: str, number: int) -> str:
    """The payment link that a message speaks of: by it the message is found again. Fifteen small letters and
    digits, as the gateway's are: one of digits in a row would be looked at for a card number."""
    drawn = hashlib.blake2b(f"{run} {number}".encode(), digest_size=10).digest()
    return base64.b32hexencode(drawn)[:15].decode().lower()


def message(run: str, number: int) -> bytes:
    reference = f"GALA-{number:09d}"
    body = event(
        link(run, number),
        externalTransactionID=reference,
        text=f"Payment of R250.00 for {reference} received",
    )
    return request(body, signed(body, **{"User-Agent": "iK-Notify/1.0", "Accept": "*/*"}))


class Sender(asyncio.Protocol):
    """One connection: the next message goes out when the last one is answered."""

    def __init__(self, messages: Iterator[tuple[int, bytes]], until: float) -> None:
        self.acked: list[int] = []
        self.seconds: list[float] = []
        self.refused = 0
        self.done = asyncio.get_running_loop().create_future()
        self._messages = messages
        self._until = until
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport  # uvloop's is no asyncio.Transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(END_OF_HEAD)
        if not end or len(body) < _length(head):
            return
        now = time.perf_counter()
        if head.startswith(b"HTTP/1.1 200"):
            self.acked.append(self._number)
            self.seconds.append(now - self._sent)
        else:
            self.refused += 1
        if now < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.done.set_result(None)

    def _send(self) -> None:
        self._answer = b""
        self._number, raw = next(self._messages, (-1, b""))
        if not raw:
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(raw)


def _length(head: bytes) -> int:
    _, _, rest = head.partition(b"content-length: ")
    return int(rest.partition(b"\r\n")[0])


async def load(port: int, connections: int, seconds: float, run: str) -> dict[str, Any]:
    messages = [(number, message(run, number)) for number in range(int(MOST_A_SECOND * seconds))]
    started = time.perf_counter()
    loop, left, until = asyncio.get_running_loop(), iter(messages), started + seconds
    senders = [
        (await loop.create_connection(lambda: Sender(left, until), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    async with asyncio.timeout(seconds + 15):
        await asyncio.gather(*(sender.done for sender in senders))
    took_s = time.perf_counter() - started
    acked = {number for sender in senders for number in sender.acked}
    times = sorted(taken for sender in senders for taken in sender.seconds)
    return {
        "acks": len(acked),
        "acks_per_s": round(len(acked) / took_s),
        "p50_ms": round(times[len(times) // 2] * 1000, 2),
        "p99_ms": round(times[len(times) * 99 // 100] * 1000, 2),
        "refused": sum(sender.refused for sender in senders),
        "last": max(acked),
        "not_acked": sorted(set(range(max(acked))) - acked),
    }


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(uvloop.run(load(**json.loads(line)))), flush=True)
