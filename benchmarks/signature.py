"""Does the time of comparing a signature tell where it is wrong? One JSON line.

Signatures that are wrong at their first, middle or last digit take turns with one that fits: what the machine
does meanwhile strikes all of them. Compared digit by digit, a later fault would take longer.
"""

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

sys.path[0] = str(Path(__file__).parent.parent)

from payments.gateways import ikhokha

COMPARES, A_TURN = 100_000, 500


def main() -> None:
    right = ikhokha.sign("/webhooks/ikhokha", b"{}", "demo_secret")
    given = {"right": right} | {
        name: _wrong_at(right, at) for name, at in (("first", 0), ("middle", 32), ("last", 63))
    }
    turns: dict[str, list[int]] = {name: [] for name in given}
    for _ in range(COMPARES // A_TURN):
        for name, signature in given.items():
            turns[name].append(_took_ns(signature, right))
    told = {f"{name}_ns": round(median(taken) / A_TURN, 1) for name, taken in turns.items()}
    print(
        json.dumps(
            {
                "bench": "signature",
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "compares_each": COMPARES,
                **told,
                "last_over_first": round(told["last_ns"] / told["first_ns"], 3),
                "load": round(os.getloadavg()[0], 1),
            }
        )
    )


def _wrong_at(right: str, place: int) -> str:
    return f"{right[:place]}{int(right[place], 16) ^ 1:x}{right[place + 1 :]}"


def _took_ns(signature: str, right: str) -> int:
    began = time.perf_counter_ns()
    for _ in range(A_TURN):
        ikhokha._same(signature, right)
    return time.perf_counter_ns() - began


if __name__ == "__main__":
    main()
