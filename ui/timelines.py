"""What happened, day by day: to one payment, and at the desk."""

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import words
from payments import dates
from payments.books.audit_book import EntryView
from payments.lifecycle import Status
from payments.timeline import TimelineView
from ui.components import component
from ui.pieces import clock


def timeline(entries: Sequence[TimelineView], *, key: str) -> None:
    """The newest day first, within a day in order of what happened last."""
    newest_first = reversed(entries)
    days = [
        {"day": dates.say_days(day, day), "entries": [_happening(entry) for entry in group]}
        for day, group in groupby(newest_first, key=lambda entry: dates.business_day(entry.at))
    ]
    component("timeline")(key=key, data={"days": days})


def record(entries: Sequence[EntryView], *, key: str) -> None:
    """Entries of the audit, by day; they come newest first."""
    days = [
        {"day": dates.say_days(day, day), "entries": [_entry(entry) for entry in group]}
        for day, group in groupby(entries, key=lambda entry: dates.business_day(entry.at))
    ]
    component("timeline")(key=key, data={"days": days})


def _entry(entry: EntryView) -> dict[str, Any]:
    told = {"entry": entry.id, "event": entry.event or None, **entry.detail}
    return {
        "at": clock(entry.at),
        "title": f"{words.action(entry.action)} · {entry.subject}",
        "who": entry.actor,
        "icon": "link" if entry.chained else "link_off",
        "tone": "gray",
        "detail": "\n".join(
            f"{name.replace('_', ' ')}: {value}" for name, value in told.items() if value is not None
        ),
        "raw": None,
    }


def _happening(entry: TimelineView) -> dict[str, Any]:
    icon, tone = words.KIND.get(entry.kind, ("circle", "gray"))
    if entry.kind == "status" and entry.detail.get("became") in tuple(Status):
        look = words.STATUS[Status(entry.detail["became"])]
        icon, tone = look.icon, look.tone
    detail = "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in entry.detail.items())
    return {
        "at": clock(entry.at),
        "title": entry.title,
        "who": f"{entry.actor}, {words.SOURCE.get(entry.source, entry.source)}",
        "icon": icon,
        "tone": tone,
        "detail": detail or None,
        "raw": _readable(entry.raw) if entry.raw else None,
    }


def _readable(raw: str) -> str:
    """JSON with line breaks; anything else as it came."""
    try:
        return json.dumps(json.loads(raw), indent=2, ensure_ascii=False)
    except ValueError:
        return raw
