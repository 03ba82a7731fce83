"""Commands about the gateway's payouts: files in and out, what is in a lump sum, its line of the bank."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from commands import AsEmail, AsJson, answer, asking, console, open_desk
from commands.bank import acting_as
from commands.statements import bytes_of
from db.money import Money
from payments.errors import InvalidInput, NotFound, quoted
from payments.lump_sums import explaining, payout_list, settlements, tying
from payments.lump_sums.explaining import Unexplained
from payments.lump_sums.payout_list import LineView, PayoutDetail, PayoutRow
from payments.payouts.files import PayoutMapping

app = typer.Typer(no_args_is_help=True, help="Payouts of the gateway.")
_SHOWN = 60


@app.command("list")
def list_payouts(as_email: AsEmail = None, as_json: AsJson = False) -> None:
    """Payouts that stand, the newest trading day first."""
    desk = open_desk()
    with desk.sessions.read() as session:
        rows = payout_list.listing(session, asking(session, as_email), limit=100_000 if as_json else _SHOWN)
    answer({"payouts": [_row_told(row) for row in rows]}, as_json, lambda: _show_rows(rows))


@app.command()
def show(
    number: Annotated[int, typer.Argument(help="The payout's number, as `list` shows it.")],
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """What is in a payout, what of its days is not, and which open lines of the bank it may be."""
    desk = open_desk()
    with desk.sessions.read() as session:
        person = asking(session, as_email)
        told = payout_list.detail(session, person, number)
        lines = [] if told.row.banked_on else tying.lines_for(session, person, number)
    out = _row_told(told.row) | {
        "lines": [_line_told(line) for line in told.lines],
        "held": [{"payment": one.reference, "amount_minor": one.amount.minor} for one in told.held],
        "may_be": [
            {"line": one.line_id, "date": one.on.isoformat(), "amount_minor": one.amount.minor,
             "off_minor": one.off.minor, "account": one.account}
            for one in lines
        ],
    }  # fmt: skip
    answer(out, as_json, lambda: _show_detail(told, lines))


@app.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(help="A settlement file of the gateway, or a daily statement as text.")
    ],
    mapping: Annotated[
        Path | None, typer.Option(help="A JSON file that says what the columns are; it is remembered.")
    ] = None,
    date_order: Annotated[
        str | None, typer.Option(help="What 03/04/2026 means when no row proves it: dmy, mdy or ymd.")
    ] = None,
    pasted: Annotated[
        bool, typer.Option(help="It is the text of a daily statement, as it was mailed.")
    ] = False,
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Import a file of the gateway, whole or not at all. The same file twice adds nothing."""
    desk = open_desk()
    data, chosen = bytes_of(file), _mapping(mapping) if mapping else None
    with desk.sessions.begin() as session:
        person = acting_as(desk, session, as_email, "command_import_payouts", file.name)
        if pasted:
            told = settlements.read_text(_text(file, data), date_order=date_order)
            used = None
        else:
            told, used = settlements.read(
                session, person, file.name, data, mapping=chosen, date_order=date_order
            )
        came = settlements.import_file(session, person, told, data, now=desk.now(), mapping=used)
        if chosen:
            settlements.remember(session, person, chosen, now=desk.now())
    out = {
        "file": came.file_id, "payouts": came.payouts, "captures": came.captures,
        "not_ours": came.strangers, "unread": came.unread, "known": came.known, "again": came.again,
    }  # fmt: skip
    answer(out, as_json, lambda: _show_import(came))


@app.command("undo-import")
def undo_import(
    number: Annotated[int, typer.Argument(help="The import's number.")],
    why: Annotated[str, typer.Option(help="For whoever reads it later.")],
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Take an import back, whole. A payout that stands on the bank's statement must be undone first."""
    desk = open_desk()
    with desk.sessions.begin() as session:
        person = acting_as(desk, session, as_email, "command_undo_payouts", str(number))
        gone = settlements.undo(session, person, number, why, now=desk.now())
    answer({"file": number, "payouts": gone}, as_json, lambda: console.print(f"{gone} payouts are gone."))


@app.command()
def explain(
    take: Annotated[
        str, typer.Option(help="KEY=N: it is the N-th explanation of this sum; both as they are listed.")
    ] = "",
    why: Annotated[str, typer.Option(help="Needed where nothing explains it to the cent.")] = "",
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Ask which captures make up each lump sum; what is sure is taken, the rest listed with all that fits."""
    desk = open_desk()
    with desk.sessions.begin() as session:
        person = acting_as(desk, session, as_email, "command_explain_payouts", take or "payouts")
    if take:
        with desk.sessions.read() as session:
            asked, nth = _chosen(explaining.explain(session, person), take)
        with desk.sessions.begin() as session:
            payout = explaining.accept(session, person, asked, nth, now=desk.now(), why=why)
        answer({"payout": payout}, as_json, lambda: console.print(f"It is payout {payout}."))
        return
    run = explaining.run(desk.sessions, person, now=desk.now())
    with desk.sessions.read() as session:
        left = explaining.explain(session, person)
    out = {
        "asked": run.asked, "explained": run.explained,
        "waiting": [_unexplained_told(one) for one in left],
    }  # fmt: skip
    answer(out, as_json, lambda: _show_waiting(run, left))


@app.command()
def tie(
    number: Annotated[int, typer.Argument(help="The payout's number.")],
    line: Annotated[int, typer.Argument(help="The bank line's number, as `show` lists it.")],
    why: Annotated[str, typer.Option(help="Needed where the line is not just the payout's net.")] = "",
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Say that a line of the bank is this payout."""
    desk = open_desk()
    with desk.sessions.begin() as session:
        person = acting_as(desk, session, as_email, "command_tie_payout", f"payout {number}")
        match = tying.tie(session, person, number, line, now=desk.now(), why=why)
    answer(
        {"payout": number, "line": line, "match": match}, as_json,
        lambda: console.print(f"Match {match} stands."),
    )  # fmt: skip


# -- what was given ---------------------------------------------------------------------------------------


def _mapping(file: Path) -> PayoutMapping:
    try:
        return PayoutMapping.from_json(json.loads(bytes_of(file)))
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"{file} is not a mapping of a settlement file in JSON: {error}.") from error


def _text(file: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} is no text in UTF-8.") from error


def _chosen(asked: list[Unexplained], take: str) -> tuple[Unexplained, int]:
    key, _, nth = take.rpartition("=")
    found = next((one for one in asked if one.key == key), None)
    if found is None or not nth.isdecimal() or not 1 <= int(nth) <= len(found.found):
        there = ", ".join(f"{one.key}=1…{len(one.found)}" for one in asked if one.found) or "nothing"
        raise NotFound(f"{quoted(take)} is no explanation that was found. There is: {there}.")
    return found, int(nth) - 1


# -- as it is told ----------------------------------------------------------------------------------------


def _row_told(row: PayoutRow) -> dict[str, Any]:
    return {
        "payout": row.id,
        "first_on": row.first_on.isoformat(),
        "last_on": row.last_on.isoformat(),
        "gross_minor": row.gross.minor,
        "fee_minor": row.fee.minor,
        "vat_minor": row.vat.minor,
        "payout_fee_minor": row.payout_fee.minor,
        "less_minor": row.less.minor,
        "difference_minor": row.difference.minor,
        "beside_minor": row.beside.minor,  # of the difference, what other payouts of its night tell
        "night": list(row.night),
        "net_minor": row.net.minor,
        "currency": row.net.currency,
        "explained": row.explained,
        "captures": row.captures,
        "together_with": [one for one in row.night if one != row.id],
        "not_ours": row.strangers,
        "banked_on": row.banked_on.isoformat() if row.banked_on else None,
        "banked_minor": row.banked.minor if row.banked is not None else None,
        "match": row.match_id,
    }


def _line_told(line: LineView) -> dict[str, Any]:
    return {
        "kind": line.kind, "date": line.on.isoformat() if line.on else None, "reference": line.reference,
        "ours": line.is_ours, "method": line.method, "gross_minor": line.gross.minor,
        "fee_minor": line.fee.minor, "vat_minor": line.vat.minor, "net_minor": line.net.minor,
    }  # fmt: skip


def _unexplained_told(one: Unexplained) -> dict[str, Any]:
    return {
        "key": one.key, "date": one.on.isoformat(), "amount_minor": one.amount.minor,
        "explanations": [
            {"number": nth, "says": each.says, "captures": len(each.captures),
             "difference_minor": each.difference.minor}
            for nth, each in enumerate(one.found, 1)
        ],
    }  # fmt: skip


def _show_rows(rows: list[PayoutRow]) -> None:
    table = Table("Payout", "Days", "Gross", "Fees", "Net", "On the statement", box=None, pad_edge=False)
    for row in rows:
        days = f"{row.first_on:%-d %b %Y}" + (
            "" if row.first_on == row.last_on else f" to {row.last_on:%-d %b}"
        )
        fees = str(Money(row.fee.minor + row.vat.minor + row.payout_fee.minor, row.fee.currency))
        banked = f"{row.banked_on:%-d %b %Y}" if row.banked_on else "not yet"
        banked += f", {row.short} short" if row.short else ""
        table.add_row(str(row.id), days, str(row.gross), fees, str(row.net), banked)
    console.print(table)
    console.print(f"{len(rows)} payouts shown.")


def _show_detail(told: PayoutDetail, lines: list[tying.LineChoice]) -> None:
    _show_rows([told.row])
    table = Table("What", "Reference", "Gross", "Fee", "Net", box=None, pad_edge=False)
    for line in told.lines:
        table.add_row(
            line.kind, line.reference.replace("[", r"\["), str(line.gross), str(line.fee), str(line.net)
        )
    console.print(table)
    for one in told.held:
        console.print(f"Not in it: {one.amount}, {one.reference}, of {one.on:%-d %b %Y}.", markup=False)
    for each in lines:
        off = f", {each.off} beside its net" if each.off else ""
        console.print(f"May be line {each.line_id}: {each.amount} on {each.on:%-d %b %Y}{off}.", markup=False)


def _show_import(came: settlements.Imported) -> None:
    if came.again:
        console.print(f"This file is here already, as import {came.file_id}. Nothing was added.")
        return
    console.print(
        f"Import {came.file_id}: {came.payouts} payouts with {came.captures} captures of ours, "
        f"{came.strangers} of others; {came.known} payouts were here, {came.unread} rows wait for a person."
    )


def _show_waiting(run: explaining.Run, left: list[Unexplained]) -> None:
    console.print(f"{run.asked} sums were asked about, {run.explained} explained by themselves.")
    for one in left:
        console.print(f"{one.key}: {one.amount} of {one.on:%-d %b %Y}", markup=False)
        for nth, each in enumerate(one.found, 1):
            console.print(f"  {nth}. {each.says}", markup=False)
