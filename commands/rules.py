"""Commands about the rules that people write about bank lines: which there are, and how right each was."""

from typing import Annotated, Any

import typer
from rich.table import Table

from commands import AsEmail, AsJson, answer, asking, console, open_desk
from payments.errors import NotFound, quoted
from payments.matching.rule_json import condition_to_json
from payments.reconciling import rule_book
from payments.reconciling.rule_book import RuleView, Tried

app = typer.Typer(no_args_is_help=True, help="Rules about bank lines.")
_SHOWN = 20


@app.command("list")
def list_rules(as_email: AsEmail = None, as_json: AsJson = False) -> None:
    """All rules in the order they are asked, those that every desk begins with among them."""
    desk = open_desk()
    with desk.sessions.read() as session:
        views = rule_book.rules(session, asking(session, as_email))
    answer({"rules": [_told(view) for view in views]}, as_json, lambda: _show(views))


@app.command("back-test")
def back_test(
    name: Annotated[str, typer.Argument(help="The rule's name.")],
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """What a rule would have done with the lines of the last 12 months, and where people did otherwise."""
    desk = open_desk()
    with desk.sessions.read() as session:
        person = asking(session, as_email)
        views = rule_book.rules(session, person)
        view = next((one for one in views if one.rule.name.casefold() == name.casefold()), None)
        if view is None:
            raise NotFound(f"No rule is called {quoted(name)}. `manage.py rules list` shows which there are.")
        tried = rule_book.try_out(session, person, rule_book.copy_of(view), now=desk.now())
    out = {
        "rule": view.rule.name, "lines": tried.lines, "fits": tried.fits, "agreed": tried.test.agreed,
        "disagreed": [
            {"line": one.line.id, "date": one.line.on.isoformat(), "amount_minor": one.line.amount.minor,
             "text": one.line.text.strip()}
            for one in tried.test.disagreed
        ],
    }  # fmt: skip
    answer(out, as_json, lambda: _show_tried(tried))


def _told(view: RuleView) -> dict[str, Any]:
    rule = view.rule
    return {
        "name": rule.name,
        "order": rule.order,
        "state": rule.state,
        "version": rule.version,
        "says": rule.says,
        "value": rule.value,
        "condition": condition_to_json(rule.condition),
        "of_every_desk": view.id is None,
        "by": view.by,
        "why": view.why,
    }


def _show(views: list[RuleView]) -> None:
    table = Table("Place", "Rule", "State", "Says", "By", box=None, pad_edge=False)
    for view in views:
        rule = view.rule
        by = view.by or "every desk has it"
        cells = (str(rule.order), rule.label, str(rule.state), f"{rule.says} {rule.value}".strip(), by)
        table.add_row(*(cell.replace("[", r"\[") for cell in cells))
    console.print(table)


def _show_tried(tried: Tried) -> None:
    console.print(tried.says)
    for line in (one.line for one in tried.test.disagreed[:_SHOWN]):
        console.print(
            f"  line {line.id}: {line.amount} on {line.on:%-d %b %Y}, {line.text.strip()}", markup=False
        )
    if (more := len(tried.test.disagreed) - _SHOWN) > 0:
        console.print(f"  … and {more} more; --json lists all.")
