"""The sending process for loads of a given pace: so many a second, whether or not earlier ones were answered.

``python -m benchmarks._pace`` reads the arguments of ``pace`` as JSON, one line for each load, and answers
each with one line. Every request has a connection of its own, as a gateway's has, and its time counts from
when it was due.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

import uvloop

from tests.hook import event, request, signed


def genuine(run: str, number: int, links: list[str]) -> bytes:
    """A message that no other of any run equals; of one of the links, or of one that nobody knows."""
    body = event(links[number % len(links)] if links else f"{run}-{number:07d}", note=f"{run}-{number}")
    return request(body, signed(body, Connection="close"))


def forged(run: str, number: int) -> bytes:
    body = event(f"{run}-bad-{number:07d}")
    return request(body, {"ik-appid": "demo", "ik-sign": f"{number:064x}", "Connection": "close"})


async def _one(port: int, raw: bytes, due: float) -> tuple[int, float]:
    """The status, 0 when there was none, and the seconds since it was due."""
    try:
        async with asyncio.timeout(30):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(raw)
            answer = await reader.read(65_536)
            writer.close()
        status = int(answer.split(b" ", 2)[1]) if answer else 0
    except (OSError, TimeoutError):
        status = 0
    return status, time.perf_counter() - due


async def _paced(port: int, raws: list[bytes], a_second: float, began: float) -> list[tuple[int, float]]:
    """``a_second`` 0: all at once."""
    sent = []
    for nth, raw in enumerate(raws):
        due = began + nth / a_second if a_second else began
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        sent.append(asyncio.create_task(_one(port, raw, due)))
    return await asyncio.gather(*sent)


async def pace(
    port: int, run: str, good: int, good_a_second: float, links: list[str], *,
    bad: int = 0, bad_a_second: float = 0, identical: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """So many genuine and so many forged messages, each at their pace."""
    numbers = [0] * good if identical else range(good)
    genuine_ones = [genuine(run, number, links) for number in numbers]
    forged_ones = [forged(run, number) for number in range(bad)]
    began = time.perf_counter() + 0.05
    answers, refused = await asyncio.gather(
        _paced(port, genuine_ones, good_a_second, began), _paced(port, forged_ones, bad_a_second, began)
    )
    times = sorted(seconds for _, seconds in answers)
    return {
        "took_s": round(time.perf_counter() - began, 2),
        "good": dict(Counter(status for status, _ in answers)),
        "bad": dict(Counter(status for status, _ in refused)),
        "p50_ms": round(times[len(times) // 2] * 1000, 1),
        "p99_ms": round(times[min(len(times) - 1, len(times) * 99 // 100)] * 1000, 1),
        "max_ms": round(times[-1] * 1000, 1),
        "acked": [
            f"{run}-{number}" for number, (status, _) in zip(numbers, answers, strict=True) if status == 200
        ],
    }


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(uvloop.run(pace(**json.loads(line)))), flush=True)
