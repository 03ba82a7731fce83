"""What happened, day by day: to one payment, and at the desk."""

import json
import re
from collections.abc import Sequence
from datetime import date
from itertools import groupby
from typing import Any

import words
from payments import dates
from payments.books.audit_book import EntryView
from payments.lifecycle import Status
from payments.sign_off.sign_offs import Period
from payments.timeline import TimelineView
from ui.components import component
from ui.pieces import clock

#: A bank account, and the first day of what is signed off.
_SIGNED_OFF = re.compile(r"(.+), ([0-9]{4}-[0-9]{2}-[0-9]{2})")


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
        "title": f"{words.action(entry.action)} · {_subject(entry)}",
        "who": entry.actor,
        "icon": "link" if entry.chained else "link_off",
        "tone": "gray",
        "detail": "\n".join(
            f"{name.replace('_', ' ')}: {value}" for name, value in told.items() if value is not None
        ),
        "raw": None,
    }


def _subject(entry: EntryView) -> str:
    """As it is kept; the day of what was signed off, as people write it. What somebody typed stays."""
    told = _SIGNED_OFF.fullmatch(entry.subject)
    if told is None or not entry.action.startswith("sign_off_"):
        return entry.subject
    first = date.fromisoformat(told[2])
    month = entry.detail.get("period") == Period.MONTH
    return f"{told[1]}, {f'{first:%b %Y}' if month else dates.say_days(first, first)}"


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
