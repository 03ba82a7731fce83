"""The filter over a list of payments: one box and a control for each condition.

Each control shows its part of the wish (``wish``) and changes only that part; the box takes any of them as
words.
"""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import streamlit as st

import bootstrap
import words
from payments import dates
from payments.access.people import Person
from payments.errors import InvalidInput
from payments.finding import filters, grammar, search, when
from payments.finding.search import Filter
from payments.lifecycle import Method, Status
from payments.live.stages import Stage
from payments.selling.exchange import FOREIGN
from ui import wish
from ui.chips import chips, event_names
from ui.pieces import plain
from ui.wish import hold, together
from words import filters as filter_words

ANY_DAY, OWN_DAYS = "Any day", "Days…"
DAYS = [ANY_DAY, *filter_words.PRESETS, OWN_DAYS]
STATE = st.session_state


def filter_bar(person: Person) -> Filter | None:
    """What is wished for; None after a sentence that says what of it cannot be read."""
    today = dates.business_day(bootstrap.app().now())
    wish.arrive(person, today)
    wanted: Filter = STATE.wanted.on_day(today)
    STATE.wanted = wanted
    names = event_names(person)
    shut = "" if STATE.get("filters_open") else "_shut"  # a phone's: where there is room, all is there
    left, right = st.columns([3, 2])
    with left.container(horizontal=True, gap="small"):
        _search_box(person, wanted, today)
        with st.container(key="filters_fold", width="content"):
            _fold(wanted)
    with right.container(horizontal=True, key=f"filters_rare{shut}"):
        _choose(
            "Events", "events", list(names), wanted, "All events", lambda code: names.get(code, code), True
        )
        with st.popover("More", icon=":material/tune:"):
            _rarer(person, wanted)
    with st.container(horizontal=True, gap="small", key=f"filters_bar{shut}"):
        _day_bar(wanted, today)
        _pills(wanted)
    chips(wanted, names)
    if wish.told_unread(wanted, today):
        return None
    wish.write_address(person, wanted)
    return wanted


def _change(**parts: Any) -> None:
    hold(replace(STATE.wanted, **parts))


def _in_order(statuses: set[Status]) -> tuple[Status, ...]:
    return tuple(status for status in Status if status in statuses)


def _search_box(person: Person, wanted: Filter, today: date) -> None:
    """Words stay in the box; conditions written among them move to their controls."""

    def typed() -> None:
        try:
            read = grammar.read(STATE.box, today)
            with bootstrap.app().sessions.read() as session:
                read = search.named(session, person, read)
        except InvalidInput as error:
            STATE.unread = (STATE.box, str(error))
            return
        hold(together(replace(STATE.wanted, text="", without=()), read))

    STATE.box = STATE.unread[0] if STATE.unread else grammar.write(filters.words_part(wanted))
    st.text_input(
        "Search",
        key="box",
        type="search",
        icon=":material/search:",
        placeholder="Name, e-mail, phone, reference, amount, or status:paid",
        label_visibility="collapsed",
        on_change=typed,
    )


def _fold(wanted: Filter) -> None:
    """On a phone the list comes first: one button opens what narrows it, and says how much does."""

    def turn() -> None:
        STATE.filters_open = not STATE.get("filters_open")

    count = len(filters.conditions(replace(wanted, text="", without=())))
    opened = STATE.get("filters_open")
    st.button(
        "Done" if opened else f"Filters · {count}" if count else "Filters", key="filters_turn",
        icon=":material/check:" if opened else ":material/filter_list:", on_click=turn,
    )  # fmt: skip


def _choose(
    label: str,
    field: str,
    options: list[Any],
    wanted: Filter,
    placeholder: str = "Any",
    told: Any = str,
    alone: bool = False,
) -> None:
    """Several values of one field; those that are wished for and unknown here can still be taken away."""
    now: tuple[Any, ...] = getattr(wanted, field)
    STATE[f"choose_{field}"] = list(now)
    st.multiselect(
        label,
        [*options, *(value for value in now if value not in options)],
        key=f"choose_{field}",
        format_func=told,
        placeholder=placeholder,
        label_visibility="collapsed" if alone else "visible",
        on_change=lambda: _change(**{field: tuple(STATE[f"choose_{field}"])}),
    )


def _day_bar(wanted: Filter, today: date) -> None:
    """Days of creation; those of payment or of the payout when only such are wished for."""
    field = _dated_field(wanted)
    span: dates.Span | None = getattr(wanted, field)
    presets = {choice: filter_words.days_of(choice, today) for choice in filter_words.PRESETS}
    STATE.days = next((choice for choice, days in presets.items() if span and days == span), None) or (
        OWN_DAYS if span or STATE.pop("own_days_next", False) else ANY_DAY
    )

    def chosen() -> None:
        if STATE.days != OWN_DAYS:
            _change(**{field: presets.get(STATE.days)})
        else:  # from here on they are these days, until others are chosen
            _change(**{field: when.still(span or presets["7 days"])})
            STATE.own_days_next = True

    st.segmented_control(
        "Days", DAYS, required=True, key="days", label_visibility="collapsed", on_change=chosen
    )
    if STATE.days == OWN_DAYS:
        _own_days(field, span, today)


def _dated_field(wanted: Filter) -> str:
    """What the bar of days is about: the first that is wished for, else what was chosen last."""
    asked = [name for name in filters.DAYS if getattr(wanted, name)]
    chosen: str = STATE.get("dated_field", filters.DAYS[0])
    return chosen if chosen in asked or not asked else asked[0]


def _own_days(field: str, span: dates.Span | None, today: date) -> None:
    first = dates.business_day(span.start) if span else today - timedelta(days=6)
    last = dates.business_day(span.end - timedelta(microseconds=1)) if span else today

    def picked() -> None:
        if STATE.own_days:
            _change(**{field: dates.day_span(min(STATE.own_days), max(STATE.own_days))})
        STATE.own_days_next = True

    STATE.own_days = (first, last)
    st.date_input(
        "From and to", key="own_days", format="DD/MM/YYYY", on_change=picked, width=260,
        label_visibility="collapsed",
    )  # fmt: skip


def _pills(wanted: Filter) -> None:
    """Groups of statuses, as people speak of them, and what needs a person."""
    whole = [name for name, group in filter_words.GROUPS.items() if set(group) <= set(wanted.statuses)]

    def grouped() -> None:
        rest = set(wanted.statuses) - {status for name in whole for status in filter_words.GROUPS[name]}
        chosen = {status for name in STATE.groups for status in filter_words.GROUPS[name]}
        _change(statuses=_in_order(rest | chosen))

    STATE.groups = whole
    STATE.troubles = [word for word, name in filter_words.TROUBLES.items() if getattr(wanted, name)]
    st.pills(
        "Status", list(filter_words.GROUPS), selection_mode="multi", key="groups",
        label_visibility="collapsed", on_change=grouped,
    )  # fmt: skip
    st.pills(
        "Needs a person", list(filter_words.TROUBLES), selection_mode="multi", key="troubles",
        label_visibility="collapsed",
        on_change=lambda: _change(
            **{name: word in STATE.troubles for word, name in filter_words.TROUBLES.items()}
        ),
    )  # fmt: skip


def _rarer(person: Person, wanted: Filter) -> None:
    """Everything else that can be wished for."""
    categories, organisers = _names(person.events, bootstrap.app().settings.mode, person)
    _choose("Exact status", "statuses", list(Status), wanted, told=lambda status: words.STATUS[status].word)
    _choose("Method", "methods", list(Method), wanted, told=words.method_word)
    _choose("Category", "categories", list(categories), wanted)
    _choose("Asked for by", "organisers", list(organisers), wanted)
    _choose("Its payer came to", "stages", list(Stage), wanted, told=lambda stage: words.STAGE[stage][0])
    _choose("Failed for", "failures", list(words.FAILURE), wanted, told=lambda why: words.failure(why)[0])
    _choose("Comes from", "origins", list(words.ORIGIN), wanted, told=lambda origin: words.ORIGIN[origin])
    _choose("Quoted in", "quoted", list(FOREIGN), wanted)
    _amount("Amount from", "amount_from", wanted)
    _amount("Amount up to", "amount_to", wanted)
    _dated(wanted)
    STATE.mode_box = (wanted.mode or "any").title()
    st.segmented_control(
        "Mode", ["Any", "Demo", "Live"], required=True, key="mode_box",
        on_change=lambda: _change(mode=None if STATE.mode_box == "Any" else STATE.mode_box.lower()),
    )  # fmt: skip
    _leave_out(wanted, categories, organisers)
    st.caption("As words, to type into the box or to send on:")
    st.code(grammar.write(filters.public_part(wanted)) or "everything", language=None, wrap_lines=True)


@st.cache_data(ttl=300, max_entries=64, show_spinner=False)
def _names(
    scope: frozenset[int] | None, mode: str, _person: Person
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of categories, and of those who asked for payments, as far as this person may see them."""
    with bootstrap.app().sessions.read() as session:
        return search.categories(session, _person), search.organisers(session, _person)


def _amount(label: str, field: str, wanted: Filter) -> None:
    now = getattr(wanted, field)

    def typed() -> None:
        text = STATE[f"box_{field}"]
        try:
            _change(**{field: grammar.amount(text) if text else None})
        except InvalidInput as error:
            STATE.unread = (grammar.write(filters.words_part(wanted)), str(error))

    STATE[f"box_{field}"] = grammar.amount_words(now) if now is not None else ""
    st.text_input(label, key=f"box_{field}", placeholder="150.00", on_change=typed)


def _dated(wanted: Filter) -> None:
    """Which day of a payment the bar of days is about; days that are chosen already move over."""
    field = _dated_field(wanted)

    def turned() -> None:
        STATE.dated_field = STATE.dated.lower()
        span = getattr(wanted, field)
        _change(**{field: None, STATE.dated_field: span or getattr(wanted, STATE.dated_field)})

    STATE.dated = field.title()
    st.segmented_control(
        "Days are those it was",
        [name.title() for name in filters.DAYS],
        required=True,
        key="dated",
        on_change=turned,
    )
    for told in filter_words.days_kept(wanted):
        plain(told, "faint")


def _leave_out(wanted: Filter, categories: tuple[str, ...], organisers: tuple[str, ...]) -> None:
    """One control for everything a payment must not be."""
    known: dict[str, list[Any]] = {
        "not_statuses": list(Status),
        "not_methods": list(Method),
        "not_events": [],
    }
    known |= {"not_categories": list(categories), "not_organisers": list(organisers)}
    known |= {
        "not_stages": list(Stage),
        "not_failures": list(words.FAILURE),
        "not_origins": list(words.ORIGIN),
        "not_quoted": list(FOREIGN),
    }
    now = [(field, value) for field in known for value in getattr(wanted, field)]
    options = [(field, value) for field, values in known.items() for value in values]

    def chosen() -> None:
        out = STATE.leave_out
        _change(**{field: tuple(value for name, value in out if name == field) for field in known})

    STATE.leave_out = now
    st.multiselect(
        "Leave out",
        [*options, *(one for one in now if one not in options)],
        key="leave_out",
        format_func=lambda one: filter_words.value_of(*one),
        placeholder="Nothing",
        on_change=chosen,
    )
