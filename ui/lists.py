"""Lists of what waits and what came: messages, cases, bank lines, lines of a file; all set as text."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import streamlit as st

import words
from payments.bank.imports import MatchedLine
from payments.hearing.replay import MessageRow
from ui.components import component
from ui.pieces import moment

MESSAGE_COLUMNS = {
    "when": "Received",
    "status": "What it led to",
    "payer": "Message",
    "event": "Payment",
    "reference": "Number",
}


def messages_list(rows: Iterable[MessageRow], *, key: str, pick: Callable[[str], None]) -> None:
    """Messages of the gateway as a table, on a phone as cards. ``pick`` is called with a message's number,
    which begins with ``u`` for one that was not proved."""

    def picked() -> None:
        number = st.session_state[key].picked
        if isinstance(number, str):
            pick(number)

    columns = [list(column) for column in MESSAGE_COLUMNS.items()]
    data = {"label": "Messages", "columns": columns, "rows": [_message(row) for row in rows], "bare": False}
    component("payments")(key=key, data=data, on_picked_change=picked)


def _message(row: MessageRow) -> dict[str, Any]:
    look = words.EFFECT[row.effect] if row.proved else words.NOT_PROVED
    seen = f"seen {words.count(row.seen_count, 'time', 'times')}" if row.seen_count > 1 else None
    return {
        "reference": f"{'' if row.proved else 'u'}{row.id}",
        "when": moment(row.received_at),
        "status": look.__dict__,
        "payer": row.word or ("–" if row.proved else row.why),
        "contact": row.gateway_reference,
        "event": row.reference or row.told_reference or "–",
        "category": seen,
    }


def cases_list(
    cases: Iterable[Mapping[str, Any]],
    *,
    key: str,
    label: str,
    chosen: Iterable[int],
    tell: Callable[[int, str], None],
) -> None:
    """What waits for a decision, a row a case. ``tell`` hears of which case, and what: ``open``, ``assign``,
    ``ask``, ``goes``, ``choose``, ``leave``, or ``decide:`` with the number of the decision from 0."""

    data = {"cases": list(cases), "label": label, "chosen": list(chosen)}
    _with_deeds("cases", key, data, tell)


def _with_deeds(name: str, key: str, data: dict[str, Any], tell: Callable[[int, str], None]) -> None:
    """A list whose deeds come in the order in which they were done, none twice and none left out.

    A message holds every deed that was not heard yet, as its number and what it is: see ``deeds.js``.
    """
    data["heard"], told = hears(key, tell)
    component(name)(key=key, data=data, on_told_change=told)


def hears(key: str, tell: Callable[[int, str], None]) -> tuple[int, Callable[[], None]]:
    """The number of the last deed that was heard of a list, and what is called once it tells others."""
    heard = f"{key}_heard"

    def told() -> None:
        for number, deed in _deeds(st.session_state[key].told):
            if number > st.session_state.get(heard, 0):
                st.session_state[heard] = number  # first: one that fails is not tried for ever
                row, _, what = deed.partition(":")
                tell(int(row), what)

    return st.session_state.get(heard, 0), told


_DEED = re.compile(r"[0-9]{1,18}:.*")


def _deeds(told: object) -> list[tuple[int, str]]:
    """What a browser says was done; what is none of our own is passed over."""
    if not isinstance(told, list):
        return []
    return [
        (number, deed)
        for number, deed in (pair for pair in told if isinstance(pair, list) and len(pair) == 2)
        if isinstance(number, int) and isinstance(deed, str) and _DEED.fullmatch(deed)
    ]


def preview_list(rows: Iterable[Any], *, key: str, label: str = "As it would be read") -> None:
    """Lines of a file as they are read: ``statements.Line`` or ``statements.PreviewRow``."""
    data = {
        "label": label,
        "columns": [["when", "Date"], ["amount", "Amount"], ["payer", "What the bank says"],
                    ["event", "Reference"], ["reference", "In the file"]],
        "rows": [_read_line(row) for row in rows],
        "bare": False,
    }  # fmt: skip
    if data["rows"]:
        component("payments")(key=key, data=data)


def going_list(rows: Iterable[MatchedLine], *, key: str) -> None:
    """Lines whose matches go, each with the payments that lose its money."""
    data = {
        "label": "What is matched, and goes",
        "columns": [["when", "Date"], ["amount", "Amount"], ["payer", "Whose money goes"],
                    ["event", "What the bank says"], ["reference", "Match"]],
        "rows": [
            {
                "reference": str(row.match_id),
                "told": f"Match {row.match_id}",
                "when": f"{row.on:%-d %b %Y}",
                "amount": str(row.amount),
                "payer": ", ".join(row.payments) or "no payment's",
                "contact": f"matched by {row.by}",
                "event": row.text or "–",
            }
            for row in rows
        ],
        "bare": False,
    }  # fmt: skip
    component("payments")(key=key, data=data)


def _read_line(row: Any) -> dict[str, Any]:
    errors = getattr(row, "errors", {})
    return {
        "reference": str(row.row),
        "told": f"Row {row.row}",
        "when": f"{row.date:%-d %b %Y}" if row.date else "cannot be read",
        "amount": str(row.amount) if row.amount is not None else "cannot be read",
        "payer": row.description or "–",
        "contact": "; ".join(f"{column}: {why}" for column, why in errors.items()) or None,
        "event": row.reference or "–",
    }


def lines_list(
    lines: Iterable[Mapping[str, Any]],
    *,
    key: str,
    label: str,
    chosen: Iterable[int],
    tell: Callable[[int, str], None],
) -> None:
    """Bank lines beside what they may be for. ``tell`` hears of which line, and what: ``open``, ``accept``,
    ``take:`` with a payment's id, ``choose``, ``leave``, ``more``."""

    data = {"lines": list(lines), "label": label, "chosen": list(chosen)}
    _with_deeds("lines", key, data, tell)
