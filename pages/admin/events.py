"""Events: what money is taken for, and their price lists."""

import pandas
import streamlit as st

import bootstrap
import ui
import words
from db.money import CURRENCIES
from payments import dates
from payments.access.people import Action
from payments.references import DEFAULT_PREFIX
from payments.selling import events
from payments.selling.events import EventDraft, EventView, Price, State
from payments.typed import amount_typed

person = ui.require(Action.MANAGE_EVENTS)
app = bootstrap.app()
STATE = {
    State.OPEN: words.Look("Open", "lock_open", "green"),
    State.DRAFT: words.Look("Draft", "edit_note", "gray"),
    State.CLOSED: words.Look("Closed", "lock", "orange"),
}
NEW = ""


def choose(code: str | None) -> None:
    st.session_state.event_open = code


def show(event: EventView) -> None:
    """One event as a card."""
    look = STATE[event.state]
    with st.container(border=True, height="stretch"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            ui.plain(event.name, "title")
            st.badge(look.word, icon=f":material/{look.icon}:", color=look.tone)
        ui.plain(
            f"{dates.say_days(event.starts_on, event.ends_on)} · {event.code} · {event.currency}", "faint"
        )
        active = [line for line in event.categories if line.active]
        ui.facts({line.name: str(line.price) for line in active})
        if not active:
            ui.plain("No price list: an amount is typed for each payment.", "faint")
        st.space("stretch")
        st.button(
            "Change", key=f"change_{event.code}", icon=":material/edit:", on_click=choose, args=(event.code,)
        )


# -- one event --------------------------------------------------------------------------------------


def edit(event: EventView | None) -> None:
    today = dates.business_day(app.now())
    st.button("All events", icon=":material/arrow_back:", type="tertiary", on_click=choose, args=(None,))
    st.subheader("Change the event" if event else "New event", anchor=False)
    with st.form("event"):
        left, right = st.columns([3, 1])
        name = left.text_input("Name", event.name if event else "", required=True)
        code = right.text_input(
            "Code",
            event.code if event else "",
            required=True,
            disabled=event is not None,
            placeholder="GALA-2027",
        )
        first, last, state, currency, prefix = st.columns(5)
        starts = first.date_input("First day", event.starts_on if event else today, format="DD/MM/YYYY")
        ends = last.date_input("Last day", event.ends_on if event else today, format="DD/MM/YYYY")
        states = list(STATE)
        chosen = state.selectbox(
            "State",
            states,
            index=states.index(event.state) if event else states.index(State.DRAFT),
            format_func=lambda one: STATE[one].word,
        )
        money = currency.selectbox(
            "Currency",
            CURRENCIES,
            index=CURRENCIES.index(event.currency) if event else 0,
            disabled=event is not None,
        )
        short = prefix.text_input(
            "Reference prefix",
            event.reference_prefix if event else DEFAULT_PREFIX,
            help="What payers quote: GALA_7K2MPQ4.",
        )
        ui.plain("Price list", "title")
        lines = price_editor(event)
        sent = st.form_submit_button("Save", type="primary", icon=":material/check:")
    if sent:
        draft = EventDraft(
            code=event.code if event else code,
            name=name,
            starts_on=starts,
            ends_on=ends,
            state=chosen,
            currency=event.currency if event else money,
            reference_prefix=short,
            categories=prices(lines, event.currency if event else money),
        )
        save(draft)


def price_editor(event: EventView | None) -> pandas.DataFrame:
    """The price list to write in: a name and a price a line, from the list as it is kept."""
    kept = [(line.name, line.price.decimal, line.active) for line in event.categories] if event else []
    return st.data_editor(
        pandas.DataFrame(kept, columns=["name", "price", "active"]).astype(
            {"name": str, "price": str, "active": bool}
        ),
        num_rows="dynamic",
        hide_index=True,
        key=f"prices_{event.code if event else NEW}",
        column_config={
            "name": st.column_config.TextColumn("For what", required=True, max_chars=120),
            "price": st.column_config.TextColumn("Price", required=True, help="Like 150 or 1 500.00"),
            "active": st.column_config.CheckboxColumn("On sale", default=True),
        },
        alt="Price list: for what, price, on sale",
    )


def prices(lines: pandas.DataFrame, currency: str) -> tuple[Price, ...]:
    return tuple(
        Price(str(line["name"] or ""), amount_typed(str(line["price"] or ""), currency), bool(line["active"]))
        for line in lines.to_dict("records")
    )


def save(draft: EventDraft) -> None:
    view = app.sessions.run(lambda session: events.save_event(session, person, draft, now=app.now()))
    st.session_state.event_saved = view.name
    choose(None)
    st.rerun()


# -- the page ---------------------------------------------------------------------------------------

opened = st.session_state.get("event_open")
with app.sessions.read() as session:
    known = events.list_events(session, person)
with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
    st.title("Events", anchor=False, width="content")
    if opened is None:
        st.button("New event", type="primary", icon=":material/add:", on_click=choose, args=(NEW,))
if saved := st.session_state.pop("event_saved", None):
    st.success(f"{ui.escape(saved)} is saved.", icon=":material/check:")
ui.outcome()
if opened is not None:
    with ui.error_boundary():
        chosen = next((event for event in known if event.code == opened), None)
        edit(chosen)
        if chosen is not None:
            ui.account_form(person, chosen)
            ui.terms_form(chosen)
            ui.reminder_form(chosen)
            ui.organiser_form(chosen)
elif known:
    with st.grid(3, min_column_width=300):
        for event in known:
            show(event)
else:
    ui.empty_state("No events yet", "Create the first one: a name, its days, and what it costs.", "event")
