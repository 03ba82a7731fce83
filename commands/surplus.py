"""Commands about surplus of bank lines: where it stands, and what it pays, as under Surplus on Reconcile."""

from datetime import UTC
from typing import Annotated, Any

import typer
from rich.table import Table

from commands import AsEmail, AsJson, answer, asking, console, open_desk
from commands.bank import acting_as, payment_of
from payments.reconciling import rests, same_payer, surplus
from payments.reconciling.rests import Fate
from payments.reconciling.same_payer import Choice
from payments.reconciling.surplus import Surplus
from payments.typed import amount_typed

app = typer.Typer(no_args_is_help=True, help="What bank lines brought too much.")
_SHOWN, _ALL = 50, 100_000
_Part = Annotated[int, typer.Argument(help="The surplus' number, as `surplus list` has it.")]
_Why = Annotated[str, typer.Option(help="For whoever reads it later.")]


@app.command("list")
def list_surplus(as_email: AsEmail = None, as_json: AsJson = False) -> None:
    """Surplus that stands, what pays nothing yet first, with what it could pay and what it paid."""
    desk = open_desk()
    with desk.sessions.read() as session:
        person = asking(session, as_email)
        found = surplus.standing(session, person, limit=_ALL if as_json else _SHOWN)
        could = same_payer.choices(session, person, [one.part_id for one in found if one.free])
        rows = [(one, could.get(one.part_id, [])) for one in found]
    answer({"surplus": [_told(*row) for row in rows]}, as_json, lambda: _show(rows))


@app.command()
def move(
    number: _Part,
    to: Annotated[str, typer.Option(help="The reference of another payment of the same payer.")],
    why: _Why,
    amount: Annotated[str, typer.Option(help="How much. None: all that is left and owed.")] = "",
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Pay another payment of the same payer with surplus."""
    desk = open_desk()
    with desk.sessions.begin() as session:
        person = acting_as(desk, session, as_email, "command_surplus_move", f"surplus {number}")
        reference = payment_of(session, to).reference
        most = surplus.most(session, person, number, reference)
        moved = amount_typed(amount, most.currency) if amount else most
        made = surplus.move(session, person, number, reference, moved, why, now=desk.now())
    told = {
        "move": made, "surplus": number, "payment": reference, "amount_minor": moved.minor,
        "currency": moved.currency,
    }  # fmt: skip
    answer(
        told, as_json, lambda: console.print(f"{moved} pays {reference} by now: move {made}.", markup=False)
    )


@app.command("take-back")
def take_back(
    move: Annotated[int, typer.Argument(help="The move's number, as `surplus list` has it.")],
    why: _Why,
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Take a move back: its payment waits for its money again, and the line has its surplus."""
    desk = open_desk()
    with desk.sessions.begin() as session:
        person = acting_as(desk, session, as_email, "command_surplus_back", f"move {move}")
        surplus.undo(session, person, move, why, now=desk.now())
    answer({"move": move}, as_json, lambda: console.print(f"Move {move} is taken back."))


@app.command()
def decide(
    number: _Part,
    fate: Annotated[Fate, typer.Option("--fate", help="What becomes of it: give_back or keep.")],
    why: _Why,
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Say that a surplus that waits is given back, or kept for who paid; `wait` takes that back."""
    desk = open_desk()
    with desk.sessions.begin() as session:
        person = acting_as(desk, session, as_email, "command_surplus_decide", f"surplus {number}")
        rests.decide(session, person, number, fate, why, now=desk.now())
    told = {"surplus": number, "fate": fate}
    answer(told, as_json, lambda: console.print(f"Surplus {number} is decided, and waits no more."))


@app.command()
def wait(number: _Part, why: _Why, as_email: AsEmail = None, as_json: AsJson = False) -> None:
    """Take back what was decided of a surplus: it waits again."""
    desk = open_desk()
    with desk.sessions.begin() as session:
        person = acting_as(desk, session, as_email, "command_surplus_wait", f"surplus {number}")
        rests.undecide(session, person, number, why, now=desk.now())
    answer({"surplus": number}, as_json, lambda: console.print(f"Surplus {number} waits again."))


# -- as it is told ------------------------------------------------------------------------------------


def _told(one: Surplus, choices: list[Choice]) -> dict[str, Any]:
    return {
        "surplus": one.part_id,
        "line": one.line_id,
        "date": one.on.isoformat(),
        "text": one.text,
        "amount_minor": one.amount.minor,
        "left_minor": one.left.minor,
        "currency": one.amount.currency,
        "of": list(one.whose),
        "waits": one.waits,
        "decided_by": one.decided_by,
        "fate": one.fate,
        "could_pay": [{"payment": choice.reference, "owed_minor": choice.owed.minor} for choice in choices],
        "moves": [
            {
                "move": move.id, "payment": move.reference, "amount_minor": move.amount.minor, "by": move.by,
                "at": move.at.astimezone(UTC).isoformat(), "why": move.why,
            }
            for move in one.moves
        ],
    }  # fmt: skip


def _show(rows: list[tuple[Surplus, list[Choice]]]) -> None:
    table = Table("Surplus", "Date", "Too much", "Pays nothing", "Came with", "Could pay", "Moves", box=None)
    for one, choices in rows:
        moves = ", ".join(f"{move.id}: {move.amount} to {move.reference}" for move in one.moves)
        could = ", ".join(f"{choice.reference} ({choice.owed})" for choice in choices)
        table.add_row(
            str(one.part_id), one.on.isoformat(), str(one.amount), str(one.left), ", ".join(one.whose), could,
            moves,
        )  # fmt: skip
    console.print(table)
