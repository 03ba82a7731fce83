"""Rules: what a line of the bank is, in your words; tried on a year of lines before they may act."""

from datetime import datetime, timedelta

import streamlit as st

import bootstrap
import ui
import words
from payments.access.people import Action, Person
from payments.bank import accounts
from payments.errors import InvalidInput
from payments.matching.rules import ENOUGH, State
from payments.reconciling import matched, rule_book
from payments.reconciling.matched import MatchView
from payments.reconciling.rule_book import RuleDraft, RuleView, Tried
from ui.rule_form import rule_form
from words import bank as bank_words

person = ui.require(Action.SEE_BANK)
app = bootstrap.app()
SHOWN = 10
NEW = "new"


def edit(which: str | int | None) -> None:
    """Open the form, with nothing left in it of what was written before."""
    st.session_state.rule_edit, st.session_state.rule_fault = which, None
    for key in [key for key in st.session_state if str(key).startswith("rule_form")]:
        del st.session_state[key]


# -- writing ------------------------------------------------------------------------------------------


def editor(which: str | int, views: list[RuleView]) -> None:
    view = next((one for one in views if one.id == which), None)
    with st.container(border=True):
        st.subheader(f"Another version of {view.rule.name}" if view else "A new rule", anchor=False)
        with app.sessions.read() as session:
            names = [one.name for one in accounts.list_accounts(session, person)]
        draft = rule_form(f"rule_form_{which}", rule_book.copy_of(view) if view else None, names)
        if draft is not None:
            live_count(draft)
        refused, fault = st.session_state.get("rule_fault") or (None, "")
        if fault and refused == draft:  # of a draft that was put right since, nothing is wrong
            ui.problem(fault)
        with st.container(horizontal=True):
            st.button(
                "Save it", type="primary", icon=":material/save:", key="rule_save", disabled=draft is None,
                on_click=save, args=(draft, view.id if view else None),
            )  # fmt: skip
            st.button("Cancel", key="rule_leave", on_click=edit, args=(None,))


def live_count(draft: RuleDraft) -> None:
    try:
        with app.sessions.read() as session:
            told(rule_book.try_out(session, person, draft, now=app.now()))
    except InvalidInput as error:
        ui.problem(str(error))


def told(tried: Tried) -> None:
    """Would it have been right? Each line where people did otherwise stands below."""
    good = tried.test.may_go_live
    state = "good" if good else "bad" if tried.test.disagreed or tried.test.examples else "poor"
    remedy = " ".join(tried.test.examples) or (
        "People did otherwise with these:" if tried.test.disagreed else "It may be right; few lines judge it."
    )
    ui.checks([(state, tried.says, "Nothing speaks against it." if good else remedy)])
    for one in tried.test.disagreed[:SHOWN]:
        ui.plain(
            f"{one.line.on:%-d %b %Y} · {one.line.amount} · {one.line.text.strip()} · people said: "
            f"{bank_words.SAYS.get(one.says, 'something else') if one.says else 'something else'}",
            "faint",
        )
    if len(tried.test.disagreed) > SHOWN:
        ui.plain(f"And {words.number(len(tried.test.disagreed) - SHOWN)} more.", "faint")
    first_fits(tried)


def first_fits(tried: Tried) -> None:
    """Which lines they are, the newest first, and what became of each."""
    if not tried.first:
        return
    with app.sessions.read() as session:
        found = matched.list_matches(
            session, person, line_ids=[line.id for line in tried.first], limit=len(tried.first), standing=True
        )
    became = {match.line_id: match for match in found}
    some = len(tried.first)
    ui.plain(f"The newest {some} of {words.number(tried.fits)}:" if tried.fits > some else "It would match:")
    for line in tried.first:
        what = became_of(became[line.id]) if line.id in became else "not matched"
        ui.plain(f"{line.on:%-d %b %Y} · {line.amount} · {line.text.strip()} · {what}", "faint")


def became_of(match: MatchView) -> str:
    parts = ", ".join(
        f"{part.payer}, {part.reference}" if part.reference else bank_words.PART.get(part.target, part.target)
        for part in match.parts
    )
    return f"{bank_words.WHOSE[match.whose].word.lower()} for {parts}"


def save(draft: RuleDraft, rule_id: int | None) -> None:
    """What keeps it from being saved is told beside the button."""
    here = ui.require(Action.RECONCILE)
    fault = ui.fault_of(
        lambda: app.sessions.run(
            lambda session: rule_book.save(session, here, draft, now=app.now(), rule_id=rule_id)
        )
    )
    st.session_state.rule_fault = fault and (draft, fault)
    if fault:
        return
    ui.tell(f"{draft.name} is kept, and off. Start its shadow to see whether it is right.")
    edit(None)


# -- the list -----------------------------------------------------------------------------------------


def listed(here: Person, view: RuleView) -> None:
    rule = view.rule
    look = bank_words.RULE_STATE[rule.state]
    with st.container(border=True, key=f"rule_{view.id or rule.name.replace(' ', '_')}"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            ui.plain(f"{rule.order} · {rule.name}", "title")
            st.badge(look.word, icon=f":material/{look.icon}:", color=look.tone)  # type: ignore[arg-type]
        says = f"{bank_words.SAYS[rule.says]}{f': {rule.value}' if rule.value else ''}."
        if view.id is None:
            ui.plain(f"{bank_words.STANDARD_RULE[rule.name]}, {says}")
            example = rule.must[0].text.strip()
            ui.plain(f"Every desk has it. It only says how money came. Such as: {example}", "faint")
            return
        ui.plain(f"When {bank_words.condition(rule.condition)}, {says}")
        since = f" since {ui.moment(view.since)}, by {view.by}" if view.since else ""
        ui.plain(f"Version {rule.version}, {look.word.lower()}{since}. {view.why}", "faint")
        if until := watched(view):
            ui.plain(
                f"It does nothing until {ui.moment(until)}; then it may go live, and does by itself once "
                f"{ENOUGH} lines prove it.",
                "faint",
            )
        if here.may(Action.RECONCILE):
            deeds(view)


def watched(view: RuleView) -> datetime | None:
    """Until when it must stay in the shadow; None where it need not any more."""
    if view.rule.state is not State.SHADOW or view.since is None:
        return None
    until = view.since + timedelta(days=view.shadow_days)
    return until if app.now() < until else None


def deeds(view: RuleView) -> None:
    state, number = view.rule.state, view.id
    with st.container(horizontal=True):
        st.button("Edit", key=f"rule_edit_{number}", icon=":material/edit:", on_click=edit, args=(number,))
        st.button(
            "Try it on the last year", key=f"rule_try_{number}", icon=":material/science:", on_click=try_it,
            args=(view,),
        )  # fmt: skip
        if state is State.OFF:
            with st.popover("Start its shadow", icon=":material/visibility:"):
                days = st.number_input("Days", 1, 365, view.shadow_days, key=f"rule_days_{number}")
                st.button("Start", key=f"rule_shadow_{number}", on_click=shadow, args=(number, int(days)))
        else:
            with st.popover("Switch it off", icon=":material/power_settings_new:"):
                why = st.text_input("Why", key=f"rule_why_{number}", max_chars=500)
                st.button("Switch off", key=f"rule_off_{number}", on_click=off, args=(number, why))
        if state is State.SHADOW and not watched(view):
            st.button(
                "Go live", key=f"rule_live_{number}", icon=":material/bolt:", on_click=live, args=(number,)
            )
    if st.session_state.get("rule_tried", (None, None))[0] == number:
        told(st.session_state.rule_tried[1])


def try_it(view: RuleView) -> None:
    def step(here: Person) -> None:
        with app.sessions.read() as session:
            tried = rule_book.try_out(session, here, rule_book.copy_of(view), now=app.now())
        st.session_state.rule_tried = (view.id, tried)

    ui.attempt(step)


def shadow(number: int, days: int) -> None:
    def step(here: Person) -> None:
        tried = app.sessions.run(
            lambda session: rule_book.start_shadow(session, here, number, days=days, now=app.now())
        )
        ui.tell(f"In the shadow for {words.count(days, 'day', 'days')}. {tried.says}")

    ui.attempt(step)


def live(number: int) -> None:
    def step(here: Person) -> None:
        tried = app.sessions.run(lambda session: rule_book.go_live(session, here, number, now=app.now()))
        ui.tell(f"It acts from now on. {tried.says}")

    ui.attempt(step)


def off(number: int, why: str) -> None:
    ui.act("It is off; what it matched stays.", rule_book.switch_off, number, why)


st.title("Rules", anchor=False)
ui.outcome()
with ui.error_boundary():
    ui.plain(
        "A rule says what a line is. What people decided, and a reference that is exact, outrank it; the "
        "amount alone never decides. A new one is first watched in the shadow, where it does nothing. After "
        f"its days there it goes live by itself, when people agreed with it in 99.5 % of {ENOUGH} lines or "
        "more. A live one with which they agree in less switches itself off, or goes back into the shadow "
        f"where fewer than {ENOUGH} lines judge it.",
        "faint",
    )
    with app.sessions.read() as session:
        found = rule_book.rules(session, person)
    opened = st.session_state.get("rule_edit")
    if opened is not None and person.may(Action.RECONCILE):
        editor(opened, found)
    elif person.may(Action.RECONCILE):
        st.button(
            "New rule", type="primary", icon=":material/add:", key="rule_new", on_click=edit, args=(NEW,)
        )
    for one in found:
        listed(person, one)
