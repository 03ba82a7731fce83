"""``make score SEEDS=1-20``: plays each seed's year and prints what matching got right, channel by channel.

``python -m benchmarks.score --help`` tells how prices and rates are given. Nothing is tested here: seconds
and shares are printed, and the exit code says only whether the run came to its end.
"""

import argparse
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, fields, replace
from functools import partial

from benchmarks.score.play import Options, score
from benchmarks.score.tally import Channel, Tally
from simulator.event_day import PRICES, Rates


def main() -> None:
    wanted = _options()
    options = Options(wanted.months, wanted.prices, wanted.rates, wanted.told)
    started, total = time.perf_counter(), Tally()
    with ProcessPoolExecutor(wanted.processes) as pool:
        played = pool.map(partial(score, options=options), wanted.seeds)
        for seed, tally in zip(wanted.seeds, played, strict=True):
            total.add(tally)
            print(f"\ryear {seed} played ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    took_s = time.perf_counter() - started
    if wanted.json:
        print(json.dumps(_told(total, wanted, took_s)))
        return
    _print_rates(wanted, options)
    _print_table(total)
    print(f"\n{len(wanted.seeds)} years in {took_s:.0f} s.")
    for slip in total.slips[: wanted.slips]:
        print("wrong:", slip)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], prog="benchmarks.score")
    parser.add_argument("--seeds", type=seeds, default=range(1, 21), help="1-20, or 3,7,11")
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument(
        "--prices", type=_prices, default=PRICES, help="in cents, the usual one first: 150000,95000"
    )
    parser.add_argument(
        "--rate", action="append", default=[], metavar="NAME=VALUE", help="any rate printed below"
    )
    parser.add_argument(
        "--told",
        choices=("nothing", "rollup", "methods"),
        default="nothing",
        help="what the gateway tells of a payout besides its sum: nothing, gross and fees, or methods too",
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--slips", type=int, default=0, help="print so many of the wrong ones")
    parser.add_argument("--json", action="store_true", help="one JSON line instead of the table")
    wanted = parser.parse_args()
    kinds = {field.name: type(getattr(Rates(), field.name)) for field in fields(Rates)}
    try:
        given = {name: kinds[name](value) for name, value in (one.split("=", 1) for one in wanted.rate)}
    except (KeyError, ValueError) as error:
        parser.error(f"no such rate, or no number: {error}. The rates are {', '.join(kinds)}.")
    wanted.rates = replace(Rates(), **given)
    return wanted


def seeds(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def _prices(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _print_rates(wanted: argparse.Namespace, options: Options) -> None:
    seeds = f"seeds {wanted.seeds[0]}–{wanted.seeds[-1]}, {options.months} months each"
    prices = ", ".join(str(minor) for minor in options.prices)
    print(f"{seeds}; of payouts the gateway tells {options.told}; prices {prices} cents")
    told = [f"{name} {value}" for name, value in asdict(options.rates).items()]
    for start in range(0, len(told), 6):
        print("  " + " · ".join(told[start : start + 6]))
    print()


def _print_table(total: Tally) -> None:
    heads = ("lines", 8), ("right", 8), ("wrong", 7), ("precision", 11), ("recall", 9), ("value closed", 14)
    print(f"{'channel':<10}" + "".join(f"{head:>{width}}" for head, width in heads))
    for name, channel in (*total.channels.items(), ("all", total.all)):
        print(
            f"{name:<10}{channel.lines:>8}{channel.right:>8}{channel.wrong:>7}"
            f"{_percent(channel.right, channel.right + channel.wrong):>11}"
            f"{_percent(channel.right, channel.lines):>9}"
            f"{_percent(channel.closed_minor, channel.value_minor):>14}"
        )
    print()
    print(f"references damaged {total.damaged}, healed {_percent(total.healed, total.damaged)}, "
          f"closed without a hand {_percent(total.healed_closed, total.damaged)}, "
          f"onto another's payment {total.healed_wrong}; absent {total.absent}")  # fmt: skip
    print(f"payouts explained by value {_percent(total.explained_minor, total.payouts_minor)}, "
          f"several explanations for {total.ambiguous}, "
          f"as one with others of their night {total.of_a_night}, "
          f"trading days right {_percent(total.right_days, total.channels['payout'].lines)}, "
          f"put right when late {total.corrected}")  # fmt: skip
    print(f"sum law: broken on {total.nights_out} of {total.nights} nights")
    print("ways: " + ", ".join(f"{way} {count}" for way, count in total.ways.most_common()))


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "–"


def _told(total: Tally, wanted: argparse.Namespace, took_s: float) -> dict[str, object]:
    def channel(one: Channel) -> dict[str, object]:
        return asdict(one)

    return {
        "bench": "score",
        "seeds": list(wanted.seeds),
        "months": wanted.months,
        "prices": wanted.prices,
        "rates": asdict(wanted.rates),
        "seconds": round(took_s, 1),
        "channels": {name: channel(one) for name, one in total.channels.items()}
        | {"all": channel(total.all)},
        "damaged": total.damaged,
        "healed": total.healed,
        "healed_closed": total.healed_closed,
        "healed_wrong": total.healed_wrong,
        "absent": total.absent,
        "payouts_explained_minor": total.explained_minor,
        "payouts_minor": total.payouts_minor,
        "payouts_ambiguous": total.ambiguous,
        "payouts_of_a_night": total.of_a_night,
        "nights": total.nights,
        "nights_out": total.nights_out,
    }


if __name__ == "__main__":
    sys.exit(main())
