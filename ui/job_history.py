"""What the worker does by its own clock: each with its last run, and those before it as a strip."""

from collections.abc import Mapping, Sequence
from math import log10

import words
from payments.working.job_log import Job, RunView
from ui.pieces import Strip, moment, strips

#: As many of the last runs as a phone has room for beside each other.
_SHOWN = 24


def job_history(told: Mapping[Job, Sequence[RunView]]) -> None:
    strips(_strip(job, runs) for job, runs in told.items())


def _strip(job: Job, runs: Sequence[RunView]) -> Strip:
    name, often = words.JOB[job]
    shown = runs[-_SHOWN:]
    failed = sum(bool(run.fault) for run in shown)
    return Strip(
        name, often, _said(runs[-1]) if runs else "Not yet.",
        f"{words.count(len(shown), 'run', 'runs')}, {failed} failed",
        [(not run.fault, _height(run.took_ms), _said(run)) for run in shown],
    )  # fmt: skip


def _said(run: RunView) -> str:
    became = f"failed: {run.fault}" if run.fault else f"{run.did}, in {_seconds(run.took_ms)}"
    return f"{moment(run.began_at)}: {became}"


def _height(took_ms: int) -> int:
    """In percent: a tenth of a second is low, ten minutes are the whole."""
    return min(100, 25 + round(20 * log10(max(1, took_ms / 100))))


def _seconds(took_ms: int) -> str:
    return f"{took_ms / 1000:.1f} s" if took_ms < 60_000 else f"{took_ms / 60_000:.0f} min"
