"""Payouts: what iKhokha pays out, what is in each payout, when the next is due, and what it all cost."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

import streamlit as st

import bootstrap
import ui
import words
from db.money import Money, sums
from payments import dates
from payments.access.people import Action, Person
from payments.lump_sums import differences, explained, explaining, fees, payout_list, payout_watch, tying
from payments.lump_sums.explaining import Unexplained
from payments.lump_sums.payout_list import PayoutDetail, PayoutRow
from payments.lump_sums.payout_watch import DayState, DayView, Short
from payments.lump_sums.tying import LineChoice
from payments.reconciling import reconciliation
from ui import charts
from ui.charts import Fall
from ui.differences import difference
from ui.lump_sums import lump_sums
from ui.payout_fees import payout_fees
from ui.payout_files import bring, imports_list, unread_rows
from words import bank as bank_words
from words.bank import day_told

person = ui.require(Action.SEE_BANK)
app = bootstrap.app()
PAYOUTS, EXPECTED, FEES, FILES = "Payouts", "Expected", "Fees", "Files"
PAGES = {"payments": "pages/monitor/payments.py", "payouts": "pages/finance/payouts.py"}
SHOWN = 6  # lines of the bank offered for one payout


def days_of(row: PayoutRow) -> str:
    return dates.say_days(row.first_on, row.last_on)


def total(amounts: Iterable[Money]) -> str:
    """What some amounts come to, currency by currency."""
    return words.sums(sums(amounts))


def days_told(one: DayView) -> str:
    """A trading day; or those that are known only together."""
    return day_told(one.day) if one.first == one.day else f"{day_told(one.first)} – {day_told(one.day)}"


# -- what matters now ---------------------------------------------------------------------------------


def headline(
    days: Sequence[DayView],
    rows: Sequence[PayoutRow],
    month: fees.FeesTold,
    lumps: Sequence[Unexplained],
    open_: Sequence[Short],
) -> None:
    waits = [one for one in days if one.state in (DayState.WAITS, DayState.ON_THE_WAY)]
    late = [one for one in days if one.state is DayState.LATE]
    due = min((one.latest_on for one in waits), default=None)
    short = [one.short for one in rows if one.short is not None]
    ui.cards(
        [
            ui.Card(
                "On its way", "local_shipping", total([one.least for one in waits]),
                note=f"at least, of {words.count(len(waits), 'day', 'days')}"
                + (f"; the next by {day_told(due)}" if due else ""),
            ),
            ui.Card(
                "Late", "event_busy", total([one.least for one in late]),
                note=words.count(len(late), "day", "days") + perhaps_here(late, lumps),
                better=False if late else None,
            ),
            ui.Card(
                "Short", "trending_down", total([*short, *(one.missing for one in open_)]),
                note=f"{words.count(len(short), 'payout', 'payouts')} of those listed"
                + (f", and {words.count(len(open_), 'line', 'lines')} of the bank" if open_ else ""),
            ),
            ui.Card(
                "Charged too much", "request_quote", str(month.overcharged),
                note=f"of {words.count(month.checked, 'payment', 'payments')} in 60 days",
            ),
        ]
    )  # fmt: skip


def perhaps_here(late: Sequence[DayView], lumps: Sequence[Unexplained]) -> str:
    """What is late may have come with sums that nobody has looked into."""
    if not late or not lumps:
        return ""
    told = words.count(len(lumps), "lump sum is", "lump sums are")
    return f"; perhaps it has come: {told} not explained, {total([one.amount for one in lumps])}"


# -- the list -----------------------------------------------------------------------------------------


def listed(here: Person, rows: Sequence[PayoutRow]) -> None:
    lump_sums(here)
    if not rows:
        ui.empty_state(
            "No payout yet",
            "Import a file of iKhokha's under Files, paste its daily statement there, or import the bank's "
            "statement: its payout lines are explained here.",
            "savings",
        )
        return
    charts.draw(
        charts.sheet(
            f"The newest {words.count(len(rows), 'payout', 'payouts')}; open one for what is in it",
            [
                "Trading day",
                "Payout",
                "Gross",
                "Fees with VAT",
                "Taken off",
                "Net",
                "Payments",
                "At the bank",
            ],
            [row_cells(row) for row in rows],
        ),
        live="payouts",
    )


def too_little(some: Iterable[Short]) -> None:
    """Lines of the bank that wait and are less than they must be, as the alarm tells of them, each with what
    may be behind it."""
    for one in some:
        known = one.difference.causes if one.difference else ()
        told = f"{one.says[:1].upper()}{one.says[1:]}." + ("" if known else f" {one.perhaps}")
        ui.checks([("bad", f"{one.missing} short on {one.on:%-d %b %Y}", told)])
        if one.difference is not None and known:
            difference(one.difference, key=f"line_{one.line_id}")


def row_cells(row: PayoutRow) -> list[charts.Cell | str]:
    paid = row.fee + row.vat + row.payout_fee
    inside = words.number(row.captures) if row.explained else "not known yet"
    if row.is_told_elsewhere:
        inside = f"with payout {row.night[0]}"
    strangers = f", {row.strangers} not ours" if row.strangers else ""
    bank = f"{row.banked_on.day} {row.banked_on:%b}" if row.banked_on else "not yet"
    return [
        days_of(row), (f"Payout {row.id}", f"/payouts?payout={row.id}"), str(row.gross), str(paid),
        str(row.less) if row.less else "–", str(row.net), f"{inside}{strangers}",
        f"{bank}, {row.short} short" if row.short else bank,
    ]  # fmt: skip


# -- one payout ---------------------------------------------------------------------------------------


def one_payout(here: Person, number: int) -> None:
    st.button(
        "All payouts", icon=":material/arrow_back:", on_click=st.query_params.pop, args=("payout", None)
    )
    with app.sessions.read() as session:
        detail = payout_list.detail(session, here, number)
    row = detail.row
    st.subheader(f"Payout {row.id}, {days_of(row)}", anchor=False)
    left, right = st.columns([2, 1])
    with left:
        charts.draw(
            charts.block(
                "From gross to net", charts.waterfall(falls(detail), alt="From gross sales to what was paid")
            ),
            live="falls",
        )
    with right:
        ui.facts(facts_of(detail))
        bank_check(row)
        tie_it(here, row)
    perhaps(here, row)
    inside(detail)
    take_back(here, row)


def falls(detail: PayoutDetail) -> list[Fall]:
    """gross → fees → VAT → payout fee → refunds, chargebacks, deductions → net, without what is nothing."""
    row = detail.row
    inside = f"{words.count(row.captures, 'payment', 'payments')}" if row.explained else "payments not known"
    reckoned = "by the tariff" if row.source == explained.BANK else ""
    steps = [Fall("Gross sales", row.gross, "whole", inside), Fall("Fees", row.fee, "off", reckoned)]
    steps.append(Fall("VAT on the fees", row.vat, "off", reckoned))
    told = "" if row.payout_fee_told else "by the tariff"
    steps.append(Fall("Fee of the payout", row.payout_fee, "off", told))
    parts = [(name, detail.off(kind)) for kind, name in bank_words.PAYOUT_LINE.items()]
    known = sum(amount.minor for _, amount in parts)
    parts.append(("Other deductions", Money(row.less.minor - known, row.less.currency)))
    steps += [Fall(name, amount, "off" if amount.minor > 0 else "back") for name, amount in parts]
    for name, amount in (
        (beside_said(row), -row.beside),
        ("Not explained" if row.unexplained else "Rounding", row.difference + row.beside),
    ):  # fmt: skip
        steps.append(Fall(name, amount, "back" if amount.minor > 0 else "off"))
    return [*(step for step in steps if step.amount), Fall("Paid out", row.net, "whole")]


def beside_said(row: PayoutRow) -> str:
    """Where the rest is of what lines of one night brought together."""
    if row.is_told_elsewhere:
        return f"Written down with payout {row.night[0]}"
    others = ", ".join(str(one) for one in row.night if one != row.id)
    return f"On the lines of payouts {others}" if len(row.night) > 2 else f"On the line of payout {others}"


def together_said(row: PayoutRow) -> str | None:
    others = [str(one) for one in row.night if one != row.id]
    if not others:
        return None
    return f"payout {' and '.join(others)}, of the same night: which line brought which is not known"


def facts_of(detail: PayoutDetail) -> dict[str, str | None]:
    row = detail.row
    told = bank_words.PAYOUT_SOURCE[row.source]
    as_good = detail.explanation.get("as_good", 1)
    return {
        "Told by": f"{told}: {detail.file}" if detail.file else told,
        "Captures known": bank_words.EXPLAINED[row.explained]
        + (f", one of {as_good} that were as good" if as_good > 1 else ""),
        "Confirmed by": " and ".join(detail.confirmed_by) or None,
        "Together with": together_said(row),
        "Why": detail.explanation.get("why"),
        "Due": dates.say_days(dates.next_bank_day(row.last_on), dates.next_bank_day(row.last_on, 3)),
        "Paid on": f"{row.paid_on:%-d %b %Y}" if row.paid_on else None,
        "Written down": f"{ui.moment(detail.made_at)} by {detail.made_by}",
    }


def bank_check(row: PayoutRow) -> None:
    if row.banked is None:
        ui.checks(
            [("poor", "Not on the bank's statement yet", f"The bank should show {row.net}. Import it.")]
        )
    elif row.short is not None:
        shows = f"The bank shows {row.banked} on {row.banked_on:%-d %b %Y}."
        asks = "Ask iKhokha where the rest is, with this payout's day and both amounts."
        ui.checks([("bad", f"{row.short} short", f"{shows} {asks}")])
    elif row.unexplained:
        shows = f"The bank shows {row.banked} on {row.banked_on:%-d %b %Y}."
        ui.checks(
            [
                (
                    "poor", f"{row.unexplained} of it is not explained",
                    f"{shows} Its payments and fees do not make that. Ask iKhokha what the rest is, then "
                    "take it back here and say so.",
                )
            ]
        )  # fmt: skip
    else:
        on = f"{row.banked_on:%-d %b %Y}"
        ui.checks([("good", "The bank shows it, to the cent", f"{row.banked} on {on}.")])


def perhaps(here: Person, row: PayoutRow) -> None:
    """What may be behind what this payout brought less or more than it should."""
    if row.banked is None:
        with app.sessions.read() as session:
            open_ = payout_watch.short(session, here)
        too_little(one for one in open_ if one.payout_id == row.id)
    elif off := row.banked - row.net if row.banked != row.net else row.unexplained:
        with app.sessions.read() as session:
            told = differences.of_payout(session, here, row.id, off)
        difference(told, key=f"payout_{row.id}")


def tie_it(here: Person, row: PayoutRow) -> None:
    """The bank's lines that may be it, for a person to say which."""
    if row.banked is not None or not here.may(Action.RECONCILE):
        return
    with app.sessions.read() as session:
        lines = tying.lines_for(session, here, row.id)
    if not lines:
        return
    with st.form(f"tie_{row.id}", border=False):
        choice = st.radio(
            "A line of the bank that may be it", range(len(lines[:SHOWN])), index=None,
            key=f"tie_line_{row.id}", format_func=lambda nth: ui.escape(line_said(lines[nth])),
        )  # fmt: skip
        why = st.text_input("Why it differs, if it does", max_chars=500, key=f"tie_why_{row.id}")
        if not st.form_submit_button("This is its line", icon=":material/link:"):
            return
        with ui.error_boundary():
            if choice is None:
                ui.problem("Choose the line first.")
                return
            me = ui.require(Action.RECONCILE)
            app.sessions.run(
                lambda session: tying.tie(session, me, row.id, lines[choice].line_id, now=app.now(), why=why)
            )
            ui.tell(f"Payout {row.id} stands on the bank's line, with your name.")
            st.rerun()


def line_said(one: LineChoice) -> str:
    off = (
        "to the cent" if not one.off else f"{one.off} beyond it" if one.off.minor > 0 else f"{-one.off} short"
    )
    return f"{one.on:%-d %b} · {one.amount} · {one.text} · {off}"


def inside(detail: PayoutDetail) -> None:
    if detail.held:
        rows = [
            [
                day_told(one.on),
                (one.reference, f"/payments?payment={one.reference}"),
                one.payer,
                str(one.amount),
            ]
            for one in detail.held
        ]
        title = f"{words.count(len(detail.held), 'capture', 'captures')} of these days not in any payout"
        charts.draw(charts.sheet(title, ["Day", "Reference", "Payer", "Amount"], rows), live="payout_held")
    if not detail.lines:
        return
    heads = ["Day", "What", "Reference", "Payer", "Method", "Gross", "Fee", "VAT", "Net", "Odd about it"]
    rows = [
        [
            day_told(one.on) if one.on else "–", bank_words.LINE_KIND[one.kind],
            (one.reference, f"/payments?payment={one.reference}" if one.is_ours else ""), one.payer or "–",
            bank_words.paid_by(one.method) if one.method else "–", str(one.gross),
            str(one.fee) if one.fee else "–", str(one.vat) if one.vat else "–",
            str(one.net) if one.fees_told else "–",
            one.reason or "–",
        ]
        for one in detail.lines
    ]  # fmt: skip
    charts.draw(charts.sheet("What is in it", heads, rows), live="payout_lines")
    if len(detail.lines) == payout_list.MOST_LINES:
        ui.plain(f"The first {words.number(payout_list.MOST_LINES)} rows.", "faint")


def take_back(here: Person, row: PayoutRow) -> None:
    """Undo what people may undo: the tie to the bank's line, then the explanation."""
    is_found = row.explained in (reconciliation.AUTO, reconciliation.PERSON)
    if not here.may(Action.RECONCILE) or (row.match_id is None and not is_found):
        return
    with st.expander("Take it back", icon=":material/undo:"), st.form(f"payout_back_{row.id}", border=False):
        what = "The line of the bank waits again" if row.match_id else "Its payments count as not paid out"
        ui.plain(f"{what}{', and its payments count as not paid out' if row.match_id and is_found else ''}.")
        if len(row.night) > 1:
            ui.plain(f"So it is with all of that night: payouts {', '.join(map(str, row.night))}.", "faint")
        why = st.text_input("Why", max_chars=500, key=f"payout_why_{row.id}")
        if not st.form_submit_button("Take it back"):
            return
        with ui.error_boundary():
            me = ui.require(Action.RECONCILE)
            app.sessions.run(lambda session: explained.take_back(session, me, row.id, why, now=app.now()))
            ui.tell("Taken back; both stay in the history.")
            st.query_params.pop("payout", None)
            st.rerun()


# -- what is expected ---------------------------------------------------------------------------------


def expected_days(days: Sequence[DayView]) -> None:
    if not days:
        ui.empty_state(
            "Nothing is on its way", "Days with payments by iKhokha's links show here until they are paid.",
            "local_shipping",
        )  # fmt: skip
        return
    rows = [
        [
            days_told(one), words.number(one.captures) if one.captures else "–", str(one.gross),
            str(one.least) if one.least == one.most else f"{one.least} – {one.most}", day_told(one.due_on),
            day_told(one.latest_on), (bank_words.PAYOUT_DAY[one.state], f"/payouts?payout={one.payout_id}")
            if one.payout_id else bank_words.PAYOUT_DAY[one.state],
        ]
        for one in days
    ]  # fmt: skip
    heads = ["Trading day", "Payments", "Gross", "Should bring", "Expected", "At the latest", "Now"]
    title = "South African bank days: weekends and public holidays bring nothing"
    charts.draw(charts.sheet(title, heads, rows), live="payout_days")
    ui.plain(
        "While nobody told how a payer paid, a day's money is a range. A day is late an hour after the "
        "bank's cut-off of its last day, 18:00; below R10 nothing is paid out. Days whose lines came "
        "together, with nothing to tell which is whose, are one row with the sums of all.",
        "faint",
    )


# -- the page -----------------------------------------------------------------------------------------


def page(here: Person) -> None:
    last = dates.business_day(app.now())
    first = (last - timedelta(days=60)).replace(day=1)
    with app.sessions.read() as session:
        days = payout_watch.days(session, here, now=app.now())
        rows = payout_list.listing(session, here)
        cost = fees.told(session, here, first, last)
        lumps = explaining.waiting(session, here)
        open_ = payout_watch.short(session, here)
    headline(days, rows, cost, lumps, open_)
    asked = st.query_params.get("show")
    chosen_part = st.segmented_control(
        "Which", [PAYOUTS, EXPECTED, FEES, FILES], required=True, key="payouts_which",
        default=asked if asked in (EXPECTED, FEES, FILES) else PAYOUTS, label_visibility="collapsed",
    )  # fmt: skip
    if chosen_part in (PAYOUTS, EXPECTED):
        too_little(open_)
    if chosen_part == EXPECTED:
        expected_days(days)
    elif chosen_part == FEES:
        payout_fees(here, cost, first, last)
    elif chosen_part == FILES:
        bring(here)
        unread_rows(here)
        imports_list(here)
    else:
        listed(here, rows)


st.title("Payouts", anchor=False)
ui.outcome()
with ui.error_boundary():
    if opened := ui.id_in(st.query_params.get("payout", "")):
        one_payout(person, opened)
    else:
        page(person)
charts.doors("payout_doors", charts.into(PAGES))
