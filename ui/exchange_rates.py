"""Rates of exchange on the page of prices: what holds now, a form for the next one, what was entered."""

from datetime import datetime, timedelta

import streamlit as st

import bootstrap
from db.money import Money
from payments import dates
from payments.access.people import Action, Person
from payments.errors import InvalidInput
from payments.selling import exchange, rates
from payments.selling.exchange import FOREIGN
from payments.selling.rates import Rate
from ui.here import error_boundary
from ui.pieces import escape, plain


def exchange_rates(person: Person) -> None:
    app = bootstrap.app()
    st.subheader("Exchange rates", anchor=False)
    plain(
        "Rand for one unit. A payment that is quoted in another currency is charged in rand by the newest "
        "rate that holds, for a week; what was quoted keeps its own.",
        "faint",
    )
    with app.sessions.read() as session:
        current = rates.current(session, now=app.now())
        entered = rates.history(session, person)
    for rate in current:
        told_now(rate, app.now())
    if not current:
        plain("No rate yet: payments are asked for in rand alone.", "faint")
    if said := st.session_state.pop("rate_said", None):
        st.success(escape(said), icon=":material/check:")
    if person.may(Action.SET_RATES):
        with st.expander("Enter a rate", icon=":material/currency_exchange:"), error_boundary():
            form(person, {rate.currency: rate for rate in reversed(entered)})
    else:
        plain(
            "Rates are for all events: somebody of finance who is here for all of them enters them.", "faint"
        )
    if entered:
        with st.expander("What was entered", icon=":material/history:"):
            history(entered)


def told_now(rate: Rate, now: datetime) -> None:
    if rate.is_old(now):
        age = f"{(now - rate.holds_from).days} days old, and nothing is quoted by it any more. Enter today's."
        st.warning(f"{escape(rate.text)}: {age}", icon=":material/schedule:")
    else:
        plain(rate.text, "name")


def form(person: Person, last: dict[str, Rate]) -> None:
    """Outside a form of Streamlit's, so that what is typed is read back before it is sent."""
    app = bootstrap.app()
    turn = st.session_state.setdefault("rate_turn", 0)
    left, middle, right = st.columns([1, 1, 2])
    currency = str(left.selectbox("Currency", FOREIGN, key=f"rate_currency_{turn}"))
    typed = middle.text_input(
        "Rand for one", key=f"rate_typed_{turn}", placeholder="18.45", autocomplete="off"
    )
    source = right.text_input(
        "Source", key=f"rate_source_{turn}", placeholder="SARB mid 25 Nov", max_chars=120, autocomplete="off"
    )
    since = holds_from(app.now(), turn)
    if not (typed or "").strip():
        return
    micro = read_back(currency, str(typed))
    sure = is_sure(last.get(currency), micro, f"{turn}_{currency}_{micro}")
    if st.button("Enter the rate", type="primary", icon=":material/check:", key=f"rate_enter_{turn}"):
        rate = app.sessions.run(
            lambda session: rates.enter(
                session, person, currency, micro, source or "", since, sure=sure, now=app.now()
            )
        )
        st.session_state.rate_said, st.session_state.rate_turn = f"{rate.text}.", turn + 1
        st.rerun()


def holds_from(now: datetime, turn: int) -> datetime:
    """The moment as the clock here has it; from now on, unless somebody says so."""
    here = now.astimezone(dates.SAST)
    picked = st.toggle("It holds from another moment than now", key=f"rate_other_{turn}")
    if not picked:
        return now
    on, at = st.columns(2)
    day = on.date_input(
        "From the day", here.date(), format="DD/MM/YYYY", key=f"rate_day_{turn}",
        min_value=(here - rates.HOLDS).date(), max_value=(here + rates.AHEAD).date(),
    )  # fmt: skip
    clock = at.time_input(
        "At", here.time().replace(second=0, microsecond=0), key=f"rate_at_{turn}", step=timedelta(minutes=5)
    )
    return datetime.combine(day, clock, dates.SAST)


def read_back(currency: str, typed: str) -> int:
    """What was typed as it is understood, with what it makes of a hundred. Raises InvalidInput."""
    try:
        micro = exchange.read(typed)
    except ValueError as error:
        raise InvalidInput(f"{error}.") from error
    hundred = Money(100_00, currency)
    plain(
        f"{hundred} is charged as {exchange.in_rand(hundred, micro)}: R{exchange.decimal(micro)} for one.",
        "name",
    )
    return micro


def is_sure(last: Rate | None, micro: int, key: str) -> bool:
    """A tick, where it is far from the last."""
    if last is None:
        return False
    away = rates.percent(last, micro)
    if not rates.far_from(last, micro):
        plain(f"The last was R{exchange.decimal(last.micro)}: {away} away.", "faint")
        return False
    st.warning(
        f"The last rate was R{exchange.decimal(last.micro)}, and this is R{exchange.decimal(micro)}: "
        f"{away} away.",
        icon=":material/warning:",
    )
    return st.checkbox(f"R{exchange.decimal(micro)} is meant", key=f"rate_sure_{key}")


def history(entered: tuple[Rate, ...]) -> None:
    st.dataframe(
        [
            {
                "Currency": rate.currency,
                "Rand for one": exchange.decimal(rate.micro),
                "Source": rate.source,
                "Holds from": dates.say_moment(rate.holds_from),
                "Entered by": rate.entered_by,
                "Entered": dates.say_moment(rate.entered_at),
            }
            for rate in entered
        ],
        hide_index=True, height="content" if len(entered) < 12 else 420,
    )  # fmt: skip
