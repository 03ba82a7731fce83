"""My shift: opened with a float, counted blind, closed by a numbered report; and what I took today."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

import bootstrap
import ui
import words
from db.money import Money
from payments import dates
from payments.access.people import Action
from payments.at_the_door import cash_up, door, my_day, shifts, till_rows
from payments.at_the_door.cash_up import CashUp, ReportView
from payments.at_the_door.door import Taken
from payments.at_the_door.shifts import Move, ShiftView
from payments.at_the_door.till_rows import Asked, Which
from payments.lifecycle import Method
from payments.live.figures import Summed
from payments.selling import events
from payments.selling.events import EventView, State
from payments.typed import amount_typed
from ui import charts
from ui.charts import Leading, Metric
from ui.till_rows import asked_in, doors, leading, rows_view

person = ui.require(Action.TAKE_MONEY)
app = bootstrap.app()
#: Receipts shown at once; all of them are in the report and under Payments.
SHOWN = 30
#: A line of a ledger: what it is, its words, its tone, and what it leads to.
Line = tuple[str, str, str, Leading | None]
#: What the first till of an event is called, unless somebody says otherwise.
FIRST_TILL = "Main door"


def money(text: str, currency: str, *, nothing: bool = False) -> Money:
    """What was typed, in the till's currency; with ``nothing`` an empty field is none."""
    if nothing and not text.strip():
        return Money(0, currency)
    return amount_typed(text, currency)


def form_key(form: str) -> str:
    """Drawn when a form is first shown, and again once it was sent: twice the same is once."""
    return str(st.session_state.setdefault(f"shift_key_{form}", secrets.token_urlsafe(16)))


def sent(form: str, told: str) -> None:
    st.session_state.pop(f"shift_key_{form}", None)
    st.toast(told, icon=":material/check:")
    st.rerun()


# -- opening ----------------------------------------------------------------------------------------


def choose_till(code: str, held: Mapping[str, str]) -> str:
    """A till by its name, and who is at it. Before there is any, a list would offer nothing to choose."""
    if not held:
        return st.text_input("Till", FIRST_TILL, key=f"shift_first_till_{code}") or ""
    till = st.selectbox(
        "Till",
        list(held),
        format_func=lambda name: f"{name} · {held[name]} is there" if held.get(name) else name,
        index=next((nth for nth, name in enumerate(held) if not held[name]), None),
        placeholder="Side door",
        accept_new_options=True,
        key=f"shift_till_{code}",
        help="Choose one, or type the name of a new one.",
    )
    return till or ""


def open_form(open_events: list[EventView]) -> None:
    by_code = {event.code: event for event in open_events}
    code = st.selectbox(
        "Event", list(by_code), format_func=lambda code: by_code[code].name, key="shift_event"
    )
    with app.sessions.read() as session:
        tills = shifts.tills(session, person, code)
    held = {till.name: till.held_by for till in tills}
    with st.form("open", border=False):
        till = choose_till(code, held)
        typed = st.text_input(
            "Float: what is in the drawer now", key="shift_float", placeholder="500.00, or empty for nothing"
        )
        opened = st.form_submit_button(
            "Open the shift", type="primary", icon=":material/lock_open:", width="stretch"
        )
    if opened:
        float_ = money(typed or "", by_code[code].currency, nothing=True)
        app.sessions.run(
            lambda session: shifts.open_shift(session, person, code, till, float_, now=app.now())
        )
        sent("open", "The shift is open.")


# -- the open shift ---------------------------------------------------------------------------------


def shift_line(shift: ShiftView) -> None:
    ui.facts(
        {
            "Till": f"{shift.till}, {shift.event_name}",
            "Since": ui.moment(shift.opened_at),
            "Float": str(shift.float),
            "Receipts": words.number(shift.receipts),
        }
    )


def cash_without_a_payer(shift: ShiftView) -> None:
    kind = st.segmented_control(
        "What happens",
        list(words.MOVE),
        format_func=words.MOVE.__getitem__,
        default=Move.DROP,
        required=True,
        key="shift_move",
    )
    with st.form("move", border=False, clear_on_submit=False):
        typed = st.text_input("Amount in rand", key="shift_move_amount", placeholder="1 000")
        bag = st.text_input("Bag number", key="shift_bag") if kind is Move.DROP else ""
        why = st.text_input("What for", key="shift_why") if kind is not Move.DROP else ""
        written = st.form_submit_button("Write it down", icon=":material/edit_note:", width="stretch")
    if written:
        app.sessions.run(lambda session: shifts.move_cash(
                session, person, shift.id, kind, money(typed or "", shift.float.currency),
                key=form_key("move"), now=app.now(), bag_number=bag or "", why=why or "",
            ))  # fmt: skip
        for field in ("move_amount", "bag", "why"):
            st.session_state.pop(f"shift_{field}", None)
        sent("move", "Written down.")


def receipts(shift: ShiftView, *, blind: bool) -> None:
    """``blind``: without what they were for, which added up is what a count is to be held against."""
    with app.sessions.read() as session:
        roll = door.roll(session, person, shift.id, last=SHOWN)
    st.subheader("Receipts", anchor=False)
    if not roll:
        ui.empty_state("Nothing taken yet", "Cash and slips taken under Take a payment show here.", "receipt")
    if roll and blind:
        st.caption("Their amounts are told again once the drawer is counted, or the count is folded away.")
    for taken in roll:
        receipt_line(taken, shift, blind=blind)
    if len(roll) == SHOWN < shift.receipts:
        st.caption(f"The last {SHOWN} of {shift.receipts}; once it is counted, its figures list all of them.")


def receipt_line(taken: Taken, shift: ShiftView, *, blind: bool) -> None:
    with st.container(border=True, key=f"receipt_{taken.id}"):
        left, right = st.columns([3, 2])
        with left:
            of = "" if blind else f" · {taken.amount} · {words.METHOD[taken.method]}"
            ui.plain(f"{taken.number:06d}{of}", "title")
            ui.plain(f"{taken.payer_name} · {ui.moment(taken.at)} · {taken.reference}", "faint")
            if taken.reverses:
                ui.plain(f"corrects {taken.reverses:06d}: {taken.why}", "faint")
            if taken.reversed_by:
                ui.plain(f"corrected by {taken.reversed_by:06d}", "faint")
        open_still = shift.counted_at is None and not taken.reverses and not taken.reversed_by
        if open_still and not blind:
            with right.popover("Correct", icon=":material/undo:", width="stretch"), ui.error_boundary():
                correction(taken, shift)


def correction(taken: Taken, shift: ShiftView) -> None:
    st.caption(
        f"{taken.amount} goes back to the payer, under a number of its own; the payment is owed again. "
        f"Nothing is deleted."
    )
    with st.form(f"correct_{taken.id}", border=False):
        why = st.text_input("What was wrong", placeholder="Typed for the wrong person")
        agreed = st.form_submit_button("Give it back", type="primary", width="stretch")
    if agreed:
        form = f"correct-{taken.id}"
        app.sessions.run(
            lambda session: door.correct(
                session, person, taken.id, why or "", shift_id=shift.id, key=form_key(form), now=app.now()
            )
        )
        sent(form, f"{taken.number:06d} is corrected.")


# -- counting and closing ---------------------------------------------------------------------------


def count_form(shift: ShiftView, machines: Sequence[str]) -> None:
    st.caption("Count first. What should be there is told once you have written down what is.")
    with st.form("count", border=False):
        pieces: dict[int, int] = {}
        for nth in range(0, len(cash_up.DENOMINATIONS), 2):  # in pairs, so that a phone keeps their order
            for column, each in zip(st.columns(2), cash_up.DENOMINATIONS[nth : nth + 2], strict=False):
                label = str(Money(each, shift.float.currency)).removesuffix(".00")
                typed = column.number_input(
                    label, min_value=0, max_value=cash_up.MOST_PIECES, step=1, value=0, key=f"count_{each}"
                )
                pieces[each] = int(typed)
        totals = {
            name: st.text_input(f"Total of {name or 'the card machine'}", key=f"count_machine_{name}")
            for name in machines
        }
        done = st.form_submit_button(
            "This is what I counted", type="primary", icon=":material/calculate:", width="stretch"
        )
    if done:
        currency = shift.float.currency
        counted = {name: money(typed or "", currency, nothing=True) for name, typed in totals.items()}
        app.sessions.run(
            lambda session: cash_up.count(session, person, shift.id, pieces, now=app.now(), machines=counted)
        )
        st.session_state.pop("shift_again", None)
        st.rerun()


def compared(found: CashUp, shift: ShiftView) -> None:
    rows = rows_of(shift.id)
    lines = [line("Float", found.float), line("Cash taken", found.sales, rows(Which.CASH, found.sales))]
    if found.corrections:
        lines.append(line("Given back", found.corrections, rows(Which.GIVEN_BACK, found.corrections)))
    lines += [move_told(move.kind, move.amount) for move in found.moves]
    lines += [
        line("Should be there", found.expected, tone="sum"),
        line("Counted", found.counted),
        variance("Cash", found.variance),
    ]
    for machine in found.machines:
        slips = rows(Which.CARD, machine.recorded, machine.name)
        lines += machine_told(machine.name, machine.recorded, machine.counted, slips)
    charts.draw(charts.ledger(lines), live="compared")
    if rest := ui.no_coin(found.expected):
        ui.plain(f"No count makes {found.expected} to the cent: {rest} Say so of the difference.", "faint")


def rows_of(shift_id: int) -> Callable[..., Leading]:
    """Of a counted shift: a figure of it as the door to its receipts."""
    with app.sessions.read() as session:
        counts = till_rows.of_report(session, person, shift_id)

    def rows(which: Which, amount: Money, machine: str = "") -> Leading:
        count = counts.get((which, machine), 0)
        return leading(Summed(count, {amount.currency: amount}), Asked(which, shift_id, machine=machine))

    return rows


def line(label: str, amount: Money, rows: Leading | None = None, *, tone: str = "") -> Line:
    told = f"{label} ({words.number(rows.count)})" if rows and rows.count else label
    return told, str(amount), tone, rows


def machine_told(named: str, recorded: Money, counted: Money, slips: Leading) -> list[Line]:
    name = named or "Card machine"
    return [
        line(f"{name}: slips", recorded, slips, tone="sum"),
        line(f"{name}: its own total", counted),
        variance(name, counted - recorded),
    ]


def variance(name: str, difference: Money) -> Line:
    if not difference:
        return line(f"{name} agrees", difference, tone="sum")
    return line(f"{name} {'over' if difference.minor > 0 else 'short'}", difference, tone="sum bad")


def close_form(shift: ShiftView, found: CashUp) -> None:
    compared(found, shift)
    with st.form("close", border=False):
        why = (
            ""
            if found.agrees
            else st.text_area("What do you know of the difference?", key="close_why", height=80)
        )
        taker = st.text_input("Who takes over the money (optional)", key="close_taker")
        closed = st.form_submit_button(
            "Close the shift", type="primary", icon=":material/lock:", width="stretch"
        )
    if closed:
        app.sessions.run(
            lambda session: cash_up.close(
                session, person, shift.id, now=app.now(), why=why or "", handed_to=taker or ""
            )
        )
        st.session_state.shift_report = shift.id
        sent("close", "The shift is closed.")
    if st.button("Count again", icon=":material/refresh:", width="stretch"):
        st.session_state.shift_again = True
        st.rerun()


def counting(shift: ShiftView) -> None:
    with app.sessions.read() as session:
        found = cash_up.counted(session, person, shift.id)
        machines = cash_up.machines(session, person, shift.id)
    if found is None or st.session_state.get("shift_again"):
        count_form(shift, machines)
    else:
        close_form(shift, found)


# -- what was closed, and the day -------------------------------------------------------------------


def report(view: ReportView, shift: ShiftView) -> None:
    told, currency, rows = view.told, str(view.told["currency"]), rows_of(shift.id)

    def said(field: str) -> Money:
        return Money(int(told[field]), currency)

    ui.facts(
        {
            "Report": f"{view.till} Z{view.number:04d}, {view.event_name}",
            "Shift": f"{told['person']}, closed {ui.moment(view.at)} by {view.by}",
            "Handed to": str(told["handed_to"]),
            "Difference": str(told["why"]),
        }
    )
    sales, back = said("cash_sales_minor"), said("cash_corrections_minor")
    lines = [
        numbers_told(told, rows(Which.RECEIPTS, all_taken(told))),
        line("Float", said("float_minor")),
        line("Cash taken", sales, rows(Which.CASH, sales)),
        line("Given back", back, rows(Which.GIVEN_BACK, back)),
        *(move_told(Move(each["kind"]), Money(int(each["minor"]), currency)) for each in told["moves"]),
        line("Should be there", said("expected_minor"), tone="sum"),
        line("Counted", said("counted_minor")),
        variance("Cash", said("variance_minor")),
    ]
    for each in told["machines"]:
        recorded, counted = (Money(int(each[name]), currency) for name in ("recorded_minor", "counted_minor"))
        slips = rows(Which.CARD, recorded, each["name"])
        lines += machine_told(each["name"], recorded, counted, slips)
    charts.draw(charts.ledger(lines), live=f"report_{shift.id}")
    seal = "as it was signed" if view.genuine else "NOT as it was signed: tell an admin"
    ui.plain(f"SHA-256 {view.sha256} · {seal}", "faint")


def all_taken(told: Mapping[str, Any]) -> Money:
    """What all receipts of a report come to, cash and slips."""
    slips = sum(int(each["recorded_minor"]) for each in told["machines"])
    cash = int(told["cash_sales_minor"]) + int(told["cash_corrections_minor"])
    return Money(cash + slips, str(told["currency"]))


def numbers_told(told: Mapping[str, Any], rows: Leading) -> Line:
    """How many receipts, as it was signed, with their first and last number."""
    numbers = told["receipts"]
    if not numbers["count"]:
        return "Receipts", "none", "", None
    which = f"Receipts {numbers['first']:06d} to {numbers['last']:06d}"
    return which, words.number(numbers["count"]), "", rows


def move_told(kind: Move, amount: Money) -> Line:
    return line(words.MOVE[kind], kind.signed(amount))


def past_shifts() -> None:
    with app.sessions.read() as session:
        closed = [shift for shift in shifts.latest(session, person, count=20) if shift.closed_at]
        reports = {shift.id: cash_up.report(session, person, shift.id) for shift in closed}
    if not closed:
        return
    st.subheader("Closed shifts", anchor=False)
    for shift in closed:
        label = ui.escape(f"{shift.person_name} · {shift.till} · {ui.moment(shift.closed_at)}")
        with st.expander(label, expanded=st.session_state.get("shift_report") == shift.id):
            if (view := reports[shift.id]) is not None:
                report(view, shift)


def taken_today() -> None:
    today = dates.business_day(app.now())
    with app.sessions.read() as session:
        day = my_day.of(session, person, dates.day_span(today))
    st.subheader("I took today", anchor=False)
    paid = leading(day.paid, Asked(Which.PAID_LINKS, day=today))
    made = leading(Summed(day.issued, day.paid.sums), Asked(Which.LINKS, day=today))
    metrics = [
        Metric(
            "By link", "link", words.sums(day.paid.sums), paid,
            note=f"{words.number(day.paid.count)} paid of",
            beside=(words.count(day.issued, "link", "links"), made),
        ),
    ]  # fmt: skip
    for way, icon, which in (
        (Method.CASH, "payments", Which.CASH),
        (Method.CARD_SLIP, "credit_card", Which.CARD),
    ):
        figure = leading(day.till.get(way, Summed(0, {})), Asked(which, day=today))
        note = words.count(figure.count, "receipt", "receipts") if figure.count else ""
        metrics.append(Metric(words.METHOD[way], icon, words.sums(figure.sums), figure, note=note))
    charts.draw(charts.metrics(metrics), live="my_day")
    if day.uncounted:
        waiting = leading(Summed(day.uncounted, {}), Asked(Which.UNCOUNTED, day=today))
        told = words.count(day.uncounted, "receipt is", "receipts are")
        why = "not in this yet: cash and slips are told once the drawer is counted."
        charts.draw(f'<p class="pd-caption">{charts.link(waiting, told)} {why}</p>', live="uncounted")


def open_shift(shift: ShiftView) -> None:
    blind = False
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True), ui.error_boundary():
        shift_line(shift)
        if shift.counted_at is None:
            st.page_link("pages/door/take.py", label="Take a payment", icon=":material/qr_code_2:")
            with st.expander("Cash without a payer", icon=":material/move_item:"), ui.error_boundary():
                cash_without_a_payer(shift)
            count = st.expander(
                "Count and close", icon=":material/calculate:", key="shift_count", on_change="rerun"
            )
            blind = bool(count.open)
            with count, ui.error_boundary():
                counting(shift)
        else:
            st.subheader("Close the shift", anchor=False)
            counting(shift)
    with right, ui.error_boundary():
        receipts(shift, blind=blind)


def my_shift() -> None:
    with app.sessions.read() as session:
        mine = shifts.mine(session, person)
        there = events.list_events(session, person, states=(State.OPEN,))
    open_events = events.nearest_first(there, now=app.now())
    if mine is not None:
        open_shift(mine)
    elif open_events:
        with st.container(border=True, width=560), ui.error_boundary():
            ui.plain(
                "A shift is for cash and card slips, which are counted at its end. Links need none.", "faint"
            )
            open_form(open_events)
    else:
        ui.empty_state("No event takes payments now", "An admin opens one under Events.", "event_busy")
    with ui.error_boundary():
        taken_today()
        past_shifts()


st.title("My shift", anchor=False)
doors()
if (asked := asked_in(st.query_params)) is None:
    my_shift()
else:
    with ui.error_boundary():
        rows_view(asked)
