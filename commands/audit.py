"""The command that looks through the audit: is each entry as it was written, and none gone?"""

from typing import Any

import typer

from commands import AsJson, answer, aside, command_line, console, open_desk, utc
from payments.books import audit_book
from payments.books.chain import Verdict


def verify_audit(as_json: AsJson = False) -> None:
    """Go through every entry of the audit; exit 1, naming the first that was changed, added or taken away."""
    app = open_desk()
    with aside.status("Reading every entry …"):
        verdict = audit_book.verify(app.sessions, command_line())
    answer(_told(verdict), as_json, lambda: _show(verdict))
    if verdict.broken is not None:
        raise typer.Exit(1)


def _told(verdict: Verdict) -> dict[str, Any]:
    anchor, broken = verdict.anchor, verdict.broken
    return {
        "whole": broken is None,
        "entries": verdict.entries,
        "before_the_chain": verdict.early,
        "last": verdict.last,
        "mac": verdict.mac,
        "anchor": {"entry": anchor.entry, "mac": anchor.mac, "at": utc(anchor.at)} if anchor else None,
        "broken": {"entry": broken.entry, "reason": broken.sentence} if broken else None,
    }


def _show(verdict: Verdict) -> None:
    if verdict.broken is not None:
        console.print(f"Entry {verdict.broken.entry} {verdict.broken.sentence}", markup=False)
        console.print(f"{verdict.entries} entries before it are as they were written.")
        return
    console.print(f"All {verdict.entries} entries are as they were written, each after the one before.")
    if verdict.early:
        console.print(f"The first {verdict.early} are from before the chain, and bound as one.")
    if verdict.anchor is None:
        console.print("No anchor stands outside the database yet: the worker writes one every hour.")
