"""Prices: an event's early and late prices, extras and discount codes, and what holds now."""

from datetime import date
from typing import Any

import pandas
import streamlit as st

import bootstrap
import ui
from db.money import Money
from payments import dates
from payments.access.people import Action
from payments.errors import InvalidInput, quoted
from payments.selling import events, on_sale, price_book
from payments.selling.events import EventView, State
from payments.selling.exchange import FOREIGN
from payments.selling.price_book import Code, ExtraPrice, Period, PriceBook, QuoteLine, Sold
from payments.typed import amount_typed

person = ui.require(Action.RECORD)
app = bootstrap.app()
HUNDRED = 100


def choose_event(known: list[EventView]) -> EventView:
    by_code = {event.code: event for event in known}
    code = st.selectbox(
        "Event", list(by_code), format_func=lambda code: by_code[code].name, key="prices_event",
        persist_state="session",
    )  # fmt: skip
    return by_code[code]


# -- what holds now -----------------------------------------------------------------------------------


def now_on_sale(event: EventView) -> None:
    with app.sessions.read() as session:
        found = on_sale.offers(session, person, event.code, now=app.now())
    ui.plain("What it costs now", "title")
    told = {}
    for one in found.categories:
        left = "" if one.seats_left is None else f", {one.seats_left} left"
        ends = f", until {dates.say_days(one.until, one.until)}" if one.until else ""
        abroad = f", or {' or '.join(map(str, one.quoted))}" if one.quoted else ""
        told[one.name] = f"{one.price}{f' · {one.period}' if one.period else ''}{ends}{left}{abroad}"
    for extra in found.extras:
        told[extra.name] = f"{extra.price}{'' if extra.seats_left is None else f', {extra.seats_left} left'}"
    ui.facts(told)
    for one in found.categories:
        if one.passed:
            ui.plain(f"{one.name}: {' '.join(one.passed)}", "faint")


# -- the book -----------------------------------------------------------------------------------------


def edit(event: EventView, book: PriceBook, sold: Sold) -> None:
    with st.form("prices", border=False):
        ui.plain("Early and other prices", "title")
        ui.plain(
            "The first that still holds is the one: until its last day in South Africa, or its last seat. "
            "After them the category costs what its event says.",
            "faint",
        )
        periods = period_editor(event, book, sold)
        ui.plain("Extras", "title")
        extras = extra_editor(event, book, sold)
        ui.plain("Discount codes", "title")
        codes = code_editor(event, book, sold)
        ui.plain("Prices in other currencies", "title")
        ui.plain(
            "What a category is advertised at abroad. It is charged in rand, at the rate of the day.", "faint"
        )
        quotes = quote_editor(event, book)
        sent = st.form_submit_button("Save the prices", type="primary", icon=":material/check:")
    if sent:
        with ui.error_boundary():
            save(
                event,
                PriceBook(
                    read_periods(event, periods),
                    read_extras(event, extras),
                    read_codes(event, codes),
                    read_quotes(quotes),
                ),
            )


def period_editor(event: EventView, book: PriceBook, sold: Sold) -> pandas.DataFrame:
    kept = [
        (one.category, one.name, one.price.decimal, one.until, one.seats, count)
        for one, count in zip(book.periods, sold.periods, strict=True)
    ]
    return editor(
        "periods", event, kept, ["category", "name", "price", "until", "seats", "sold"],
        {
            "category": st.column_config.SelectboxColumn(
                "Category", options=[line.name for line in event.categories if line.active], required=True
            ),
            "name": st.column_config.TextColumn("Called", required=True, max_chars=120),
            "price": PRICE,
            "until": st.column_config.DateColumn("Last day", format="DD/MM/YYYY"),
            "seats": SEATS,
            "sold": st.column_config.NumberColumn("Sold", disabled=True),
        },
        "Early and other prices: category, name, price, last day, seats, sold",
    )  # fmt: skip


def extra_editor(event: EventView, book: PriceBook, sold: Sold) -> pandas.DataFrame:
    kept = [
        (one.name, one.price.decimal, one.seats, one.active, count)
        for one, count in zip(book.extras, sold.extras, strict=True)
    ]
    return editor(
        "extras", event, kept, ["name", "price", "seats", "active", "sold"],
        {
            "name": st.column_config.TextColumn("For what", required=True, max_chars=120),
            "price": PRICE,
            "seats": SEATS,
            "active": ON_SALE,
            "sold": st.column_config.NumberColumn("Sold", disabled=True),
        },
        "Extras: for what, price, seats, on sale, sold",
    )  # fmt: skip


def code_editor(event: EventView, book: PriceBook, sold: Sold) -> pandas.DataFrame:
    kept = [
        (one.code, off_text(one), one.since, one.until, one.most, one.active, count)
        for one, count in zip(book.codes, sold.codes, strict=True)
    ]
    return editor(
        "codes", event, kept, ["code", "off", "since", "until", "most", "active", "sold"],
        {
            "code": st.column_config.TextColumn("Code", required=True, max_chars=40),
            "off": st.column_config.TextColumn("Takes off", required=True, help="Like 10 % or 150.00"),
            "since": st.column_config.DateColumn("First day", format="DD/MM/YYYY"),
            "until": st.column_config.DateColumn("Last day", format="DD/MM/YYYY"),
            "most": st.column_config.NumberColumn("Uses at most", min_value=1, step=1),
            "active": ON_SALE,
            "sold": st.column_config.NumberColumn("Used", disabled=True),
        },
        "Discount codes: code, what it takes off, first day, last day, uses, in use, used",
    )  # fmt: skip


def quote_editor(event: EventView, book: PriceBook) -> pandas.DataFrame:
    kept = [(one.category, one.price.currency, one.price.decimal) for one in book.quotes]
    return editor(
        "quotes", event, kept, ["category", "currency", "price"],
        {
            "category": st.column_config.SelectboxColumn(
                "Category", options=[line.name for line in event.categories if line.active], required=True
            ),
            "currency": st.column_config.SelectboxColumn("Currency", options=list(FOREIGN), required=True),
            "price": PRICE,
        },
        "Prices in other currencies: category, currency, price",
    )  # fmt: skip


PRICE = st.column_config.TextColumn("Price", required=True, help="Like 150 or 1 500.00")
SEATS = st.column_config.NumberColumn("Seats", min_value=1, step=1, help="Empty: any number")
ON_SALE = st.column_config.CheckboxColumn("On sale", default=True)
#: How each column is kept in the table: a day and a number may be missing.
KINDS: dict[str, Any] = {
    "until": "datetime64[ns]", "since": "datetime64[ns]", "seats": "Int64", "most": "Int64", "sold": "Int64",
    "active": bool,
}  # fmt: skip


def editor(
    name: str,
    event: EventView,
    kept: list[tuple[Any, ...]],
    columns: list[str],
    looks: dict[str, Any],
    alt: str,
) -> pandas.DataFrame:
    turn = st.session_state.setdefault("prices_turn", 0)
    frame = pandas.DataFrame(kept, columns=columns).astype({one: KINDS.get(one, str) for one in columns})
    return st.data_editor(
        frame, num_rows="dynamic", hide_index=True, key=f"{name}_{event.code}_{turn}", column_config=looks,
        placeholder="", alt=alt,
    )  # fmt: skip


# -- as it was written --------------------------------------------------------------------------------


def read_periods(event: EventView, frame: pandas.DataFrame) -> tuple[Period, ...]:
    return tuple(
        Period(
            text(line["category"]), text(line["name"]), price(line["price"], event.currency),
            day(line["until"]), count(line["seats"]),
        )
        for line in frame.to_dict("records")
    )  # fmt: skip


def read_extras(event: EventView, frame: pandas.DataFrame) -> tuple[ExtraPrice, ...]:
    return tuple(
        ExtraPrice(
            text(line["name"]),
            price(line["price"], event.currency),
            count(line["seats"]),
            bool(line["active"]),
        )
        for line in frame.to_dict("records")
    )


def read_codes(event: EventView, frame: pandas.DataFrame) -> tuple[Code, ...]:
    return tuple(
        Code(
            text(line["code"]), *off(text(line["off"]), event.currency), day(line["since"]),
            day(line["until"]), count(line["most"]), bool(line["active"]),
        )
        for line in frame.to_dict("records")
    )  # fmt: skip


def read_quotes(frame: pandas.DataFrame) -> tuple[QuoteLine, ...]:
    return tuple(
        QuoteLine(text(line["category"]), price(line["price"], text(line["currency"]) or FOREIGN[0]))
        for line in frame.to_dict("records")
    )


def off(said: str, currency: str) -> tuple[int, Money | None]:
    """``10 %`` or ``12.5%`` in hundredths of a percent, or an amount."""
    if not said.endswith("%"):
        return 0, price(said, currency)
    try:
        return Money.parse(said.removesuffix("%").strip(), currency).minor, None  # two decimals, exactly
    except ValueError as error:
        raise InvalidInput(f"{quoted(said)} is no percentage. Write it like 10 % or 12.5 %.") from error


def off_text(code: Code) -> str:
    if code.off is not None:
        return code.off.decimal
    whole, part = divmod(code.percent_bp, HUNDRED)
    return f"{whole}.{part:02d}".rstrip("0").rstrip(".") + " %" if part else f"{whole} %"


def text(value: Any) -> str:
    return "" if missing(value) else str(value).strip()


def day(value: Any) -> date | None:
    return None if missing(value) else pandas.Timestamp(value).date()


def count(value: Any) -> int | None:
    return None if missing(value) else int(value)


def missing(value: Any) -> bool:
    return value is None or bool(pandas.isna(value)) or value in ("None", "nan")


def price(value: Any, currency: str) -> Money:
    return amount_typed(text(value), currency)


def save(event: EventView, wanted: PriceBook) -> None:
    app.sessions.run(lambda session: price_book.save(session, person, event.code, wanted, now=app.now()))
    st.session_state.prices_saved = event.name
    st.session_state.prices_turn += 1
    st.rerun()


# -- the page -----------------------------------------------------------------------------------------

st.title("Prices", anchor=False)
with app.sessions.read() as session:
    known = [one for one in events.list_events(session, person) if one.state is not State.CLOSED]
if saved := st.session_state.pop("prices_saved", None):
    st.success(f"The prices of {ui.escape(saved)} are saved.", icon=":material/check:")
if not known:
    ui.empty_state("No event has prices to change", "An admin creates one under Events.", "sell")
else:
    with ui.error_boundary():
        event = choose_event(events.nearest_first(known, now=app.now()))
        with app.sessions.read() as session:
            book, sold = price_book.of(session, person, event.code)
        if not event.categories:
            ui.plain("Its event has no price list yet: an admin fills it in under Events.", "faint")
        with st.container(border=True):
            now_on_sale(event)
        edit(event, book, sold)
ui.exchange_rates(person)
