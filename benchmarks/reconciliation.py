"""How fast is matching? 100,000 lines against 1,000,000 payments that stay in the database; one JSON line.

Beside it, in the same run: one SQL join and one dataframe join of the references that can be read exactly,
which is what one would write first and does the easiest four fifths; and the *limit*, the same by the driver
alone, with the sums of settlements added up. ``docs/matching.md`` has the figures.
"""

import argparse
import json
import math
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

sys.path[0] = str(Path(__file__).parent.parent)

from sqlalchemy import Connection, text

from benchmarks._reconcile import CONTENDERS
from db.migrate import migrate
from db.session import open_engine
from payments.matching.names import plain
from payments.references import ALPHABET, with_check
from simulator.crowd import FIRST_NAMES
from simulator.families import surnames
from simulator.settlements import fee_minor

ROOT = Path(__file__).parent.parent
PRICES, SHARES = (1500_00, 950_00, 2500_00, 450_00), (62, 13, 13, 12)
#: Of a hundred lines, how many are of each kind.
KINDS = {"exact": 55, "embedded": 25, "damaged": 5, "no reference": 8, "settlement": 1, "noise": 6}
FIRST_DAY = datetime(2026, 1, 1, 8, 0, tzinfo=UTC)
#: Payments for each line, and how many lines there are at most. One in ten is still to be paid besides those
#: the lines are for.
PER_LINE, MOST_LINES = 10, 100_000


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    options = _options()
    sizes = (10_000, 100_000) if options.quick else (10_000, 100_000, 1_000_000)
    sizes += (10_000_000,) if options.large else ()
    runs = {}
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="paydesk-bench-") as folder:
            runs[str(size)] = _run(Path(folder), size)
    first, last = runs[str(sizes[0])], runs[str(sizes[-1])]
    growth = math.log(last["ours"]["cpu_seconds"] / max(0.01, first["ours"]["cpu_seconds"]))
    told = {
        "bench": "reconciliation",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} × {platform.processor() or platform.machine()}",
        "load_before": round(os.getloadavg()[0], 1),
        "payments": runs,
        "exponent": round(growth / math.log(sizes[-1] / sizes[0]), 2),
    }
    print(json.dumps(told))
    sys.exit(any(run["ours"]["wrong"] for run in runs.values()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="up to 100,000 payments")
    parser.add_argument("--large", action="store_true", help="10,000,000 payments too: an hour, 10 GB")
    return parser.parse_args()


def _run(folder: Path, size: int) -> dict[str, Any]:
    url, lines = f"sqlite:///{folder}/bench.db", folder / "lines.jsonl"
    truth = _fill(url, lines, size)
    found: dict[str, Any] = {"lines": len(truth)}
    for name in CONTENDERS:
        command = [sys.executable, "-m", "benchmarks._reconcile", name, url, str(lines)]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, timeout=900)
        told = json.loads(done.stdout)
        closed = {int(line): payment for line, payment in told.pop("found").items()}
        right = {line for line, payment in closed.items() if truth[line].payment == payment}
        told["wrong"] = len(closed) - len(right)
        told["recall"] = _by_kind(truth, right)
        found[name] = told
    for other in ("limit", "sql_join", "dataframe_join"):
        found[f"ours_over_{other}"] = round(found["ours"]["cpu_seconds"] / found[other]["cpu_seconds"], 2)
    return found


def _by_kind(truth: dict[int, "Truth"], right: set[int]) -> dict[str, float]:
    """Of lines without a reference, apart, also those whose payer is the only one of that name to owe that
    price: of two, nothing but the date could tell which it is, and the date never speaks for a payment."""
    of_kind: dict[str, list[int]] = defaultdict(list)
    for line, one in truth.items():
        of_kind[one.kind].append(line)
        if one.kind == "no reference" and not one.namesake:
            of_kind["no reference, no namesake"].append(line)
    return {
        kind: round(len(right & set(some)) / len(some), 4)
        for kind, some in of_kind.items()
        if kind != "noise"
    }


# -- the data ------------------------------------------------------------------------------------------


class Truth(NamedTuple):
    """What a line is, whom it is for, and whether another of the payer's name owes the same."""

    kind: str
    payment: int | None
    namesake: bool


def _fill(url: str, path: Path, size: int) -> dict[int, Truth]:
    """A desk with so many payments and a file of lines for some; returns what each is, for whom."""
    dice = random.Random(size)
    engine = open_engine(url)
    migrate(engine)
    with engine.begin() as connection:
        for (trigger,) in connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'payments'"
        ).all():  # what keeps the search index costs minutes here and is not measured
            connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
        connection.exec_driver_sql(
            "INSERT INTO events (id, code, name, starts_on, ends_on, state, currency, reference_prefix,"
            " created_at) VALUES (1, 'DC26', 'DevConf', '2026-06-01', '2026-06-03', 'open', 'ZAR', 'DC26',"
            " '2026-01-01 00:00:00.000000')"
        )
        open_ones, captured = [], []
        for batch in _batches(dice, size):
            connection.exec_driver_sql(_INSERT, batch)
            open_ones += [row for row in batch if row[2] == "open"]
            captured += [row for row in batch if row[0] % 10 == 1]  # paid, all of them
        connection.exec_driver_sql(
            "INSERT INTO standings (event_id, status, currency, count, sum_minor)"
            " VALUES (1, 'open', 'ZAR', ?, 0)",
            (len(open_ones),),
        )
        count = min(MOST_LINES, size // PER_LINE)
        kinds = dice.choices(list(KINDS), list(KINDS.values()), k=count)
        payouts = list(_settled(dice, connection, captured, kinds.count("settlement")))
        connection.execute(text("ANALYZE"))
    engine.dispose()
    return _lines(dice, path, open_ones, kinds, payouts)


_INSERT = (
    "INSERT INTO payments (id, reference, status, amount_minor, received_minor, payer_name, created_at,"
    " event_id, mode, amount_currency, refunded_minor, payer_email, payer_phone, note, version, created_by,"
    " updated_at, search_text) VALUES (?, ?, ?, ?, ?, ?, ?, 1, 'live', 'ZAR', 0, '', '', '', 0, 'bench',"
    " '2026-01-01 00:00:00.000000', '')"
)


def _batches(dice: random.Random, size: int) -> Iterator[list[tuple[Any, ...]]]:
    """Payments in the order of a hundred days; every fifth is still to be paid."""
    lasts = [one for one in surnames() if " " not in one]
    bodies: set[str] = set()
    rows: list[tuple[Any, ...]] = []
    for number in range(1, size + 1):
        while (body := "".join(dice.choices(ALPHABET, k=6))) in bodies:
            pass
        bodies.add(body)
        minor = dice.choices(PRICES, SHARES)[0]
        status = "open" if number % 5 == 0 else "paid"
        created = FIRST_DAY + timedelta(days=100 * number // size)
        name = f"{dice.choice(FIRST_NAMES)} {dice.choice(lasts)}{dice.choice(_ENDS)}"
        rows.append(
            (
                number, with_check("DC26", body, demo=False), status, minor, 0 if status == "open" else minor,
                name, f"{created:%Y-%m-%d %H:%M:%S.%f}",
            )
        )  # fmt: skip
        if len(rows) == 20_000 or number == size:
            yield rows
            rows = []


#: Surnames of a whole country: the simulator's, each in a score of forms.
_ENDS = ("", "a", "e", "i", "o", "ana", "ela", "isa", "ula", "wa", "nga", "mba", "dze", "zi", "tho", "khe")


def _settled(
    dice: random.Random, connection: Connection, captured: list[tuple[Any, ...]], count: int
) -> Iterator[tuple[int, int, date]]:
    """So many payouts of a settlement file, of up to a hundred captures each: number, net and trading day."""
    most = len(captured) // max(1, count)
    for number in range(1, count + 1):
        start = (number - 1) * most
        inside = captured[start : start + dice.randrange(most // 2, most)]
        day = inside[0][6][:10]
        rows = [
            (number, day, minor, *fee_minor(minor, dice.choice(("card", "instant_eft"))), payment)
            for payment, _, _, minor, *_ in inside
        ]
        gross, fee, vat = (sum(row[column] for row in rows) for column in (2, 3, 4))
        net = gross - fee - vat
        connection.exec_driver_sql(_PAYOUT, (number, f"P{number}", day, day, gross, fee, vat, net))
        connection.exec_driver_sql(_PAYOUT_LINE, rows)
        yield number, net, date.fromisoformat(day)


_PAYOUT = (
    "INSERT INTO payouts (id, key, source, first_on, last_on, currency, gross_minor, fee_minor, vat_minor,"
    " payout_fee_minor, less_minor, difference_minor, net_minor, payout_fee_told, explained, made_at,"
    " made_by) VALUES (?, ?, 'settlement', ?, ?, 'ZAR', ?, ?, ?, 0, 0, 0, ?, 1, 'file',"
    " '2026-01-01 00:00:00.000000', 'bench')"
)
_PAYOUT_LINE = (
    'INSERT INTO payout_lines (payout_id, "row", kind, "on", reference, method, gross_minor, fee_minor,'
    " vat_minor, raw, reason, state, payment_id) VALUES (?, 0, 'capture', ?, '', '', ?, ?, ?, '', '',"
    " 'stands', ?)"
)


def _lines(
    dice: random.Random,
    path: Path,
    owed: list[tuple[Any, ...]],
    kinds: list[str],
    payouts: list[tuple[int, int, date]],
) -> dict[int, Truth]:
    """``Truth.payment`` of a settlement's line is the number of its payout."""
    truth: dict[int, Truth] = {}
    owing = Counter((plain(name), minor) for _, _, _, minor, _, name, _ in owed)
    payers = dice.sample(owed, len(kinds))
    with path.open("w", encoding="utf-8") as file:
        for number, (kind, payer) in enumerate(zip(kinds, payers, strict=True), 1):
            payment, reference, _, minor, _, name, created = payer
            on = date.fromisoformat(created[:10]) + timedelta(days=dice.randrange(1, 6))
            words = _words(dice, kind, reference, name)
            namesake = owing[plain(name), minor] > 1
            if kind == "settlement":
                payment, minor, day = payouts.pop()
                on = day + timedelta(days=dice.randrange(1, 6))
            truth[number] = Truth(kind, None if kind == "noise" else payment, namesake)
            file.write(json.dumps([number, on.isoformat(), minor, words]) + "\n")
    return truth


def _words(dice: random.Random, kind: str, reference: str, name: str) -> str:
    first, _, last = name.partition(" ")
    bare = reference.replace("_", "")
    match kind:
        case "exact":
            return dice.choice((reference, bare))
        case "embedded":
            return dice.choice(("FNB APP PAYMENT FROM {}", "capitec {} conference", "INV/{}/26")).format(bare)
        case "damaged":
            place = dice.randrange(4, len(bare))
            other = dice.choice(ALPHABET.replace(bare[place], ""))
            return f"CAPITEC {first[0]} {last} {bare[:place]}{other}{bare[place + 1 :]}".upper()
        case "no reference":
            return f"ABSA BANK {first} {last}".upper()
        case "settlement":
            return "MAGTAPE CREDIT IKHOKHA PAYOUT"
        case _:
            return f"EFT {dice.choice(('KAROO VENUES CC', 'OFFICE RENT', 'INV 2231', 'SALARY', 'LOAN'))}"


if __name__ == "__main__":
    main()
