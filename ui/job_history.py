"""What the worker does by its own clock: each with its last run, and those before it as a strip."""

import html
from collections.abc import Mapping, Sequence
from math import log10

import streamlit as st

import words
from payments.job_log import Job, RunView
from ui.pieces import moment

#: As many of the last runs as a phone has room for beside each other.
_SHOWN = 24


def job_history(told: Mapping[Job, Sequence[RunView]]) -> None:
    drawn = "".join(_line(job, runs) for job, runs in told.items())
    st.html(f'<ul class="pd-jobs">{drawn}</ul>')


def _line(job: Job, runs: Sequence[RunView]) -> str:
    name, often = words.JOB[job]
    last = runs[-1] if runs else None
    return (
        f'<li><span><strong>{html.escape(name)}</strong> <span class="pd-often">{html.escape(often)}</span>'
        f"<br>{html.escape(_said(last) if last else 'Not yet.')}</span>{_strip(runs[-_SHOWN:])}</li>"
    )


def _said(run: RunView) -> str:
    became = f"failed: {run.fault}" if run.fault else f"{run.did}, in {_seconds(run.took_ms)}"
    return f"{moment(run.began_at)}: {became}"


def _strip(runs: Sequence[RunView]) -> str:
    """A bar a run, the higher the longer it took; what it says is told when a pointer rests on it."""
    if not runs:
        return ""
    failed = sum(bool(run.fault) for run in runs)
    label = f"{words.count(len(runs), 'run', 'runs')}, {failed} failed"
    bars = "".join(
        f'<span class="{"bad" if run.fault else "good"}" style="height:{_height(run.took_ms)}%" '
        f'title="{html.escape(_said(run))}"></span>'
        for run in runs
    )
    return f'<span class="pd-strip" role="img" aria-label="{label}">{bars}</span>'


def _height(took_ms: int) -> int:
    """In percent: a tenth of a second is low, ten minutes are the whole."""
    return min(100, 25 + round(20 * log10(max(1, took_ms / 100))))


def _seconds(took_ms: int) -> str:
    return f"{took_ms / 1000:.1f} s" if took_ms < 60_000 else f"{took_ms / 60_000:.0f} min"
