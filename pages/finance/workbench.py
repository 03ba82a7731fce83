"""Reconcile: bank lines beside the payments they may be for; one key accepts, and all of it can be undone."""

from collections.abc import Iterable, Sequence
from typing import Any

import streamlit as st

import bootstrap
import ui
import words
from db.money import sums
from payments.access.people import Action, Person
from payments.at_the_door import card_watch
from payments.bank import accounts
from payments.deciding.attention import Age
from payments.matching import Target, Way
from payments.reconciling import evenings, exceptions
from payments.reconciling.exceptions import Candidate, ExceptionView, Summary
from payments.reconciling.proposing import Reason
from ui import line_deeds
from ui.line_drawer import line_drawer
from words import bank as bank_words

person = ui.require(Action.SEE_BANK)
app = bootstrap.app()
SURPLUS = "Surplus"
WORDS = {told.word: reason for reason, told in bank_words.EXCEPTION.items()}
SHOWN = 50


# -- what is asked for --------------------------------------------------------------------------------


def reason_pills(told: Summary) -> str | None:
    """Their labels tell counts; the address, written by hand, keeps the reason whatever its count."""
    asked = st.query_params.get("reason")
    shown = [word for word, reason in WORDS.items() if reason in told.by_reason or word == asked]
    options = [*shown, ui.MATCHED, SURPLUS]
    st.session_state.reason = asked if asked in options else None

    def label(word: str) -> str:
        there = told.by_reason.get(WORDS[word]) if word in WORDS else None
        return f"{word} · {words.number(there.count)}" if there else word

    return st.pills(
        "Why it waits", options, key="reason", format_func=label, on_change=reason_chosen,
        label_visibility="collapsed",
    )  # fmt: skip


def reason_chosen() -> None:
    if chosen_reason := st.session_state.reason:
        st.query_params["reason"] = chosen_reason
    else:
        st.query_params.pop("reason", None)


def age_pills(told: Summary) -> Age | None:
    """How long lines wait by the bank's date, and how much money is in it."""

    def label(age: Age) -> str:
        there = told.by_age[age]
        worth = f" · {words.sums(there.at_risk)}" if there.at_risk else ""
        return f"{age}: {words.number(there.count)}{worth}"

    return st.pills("Age", list(Age), key="line_age", format_func=label, label_visibility="collapsed")


def head(here: Person, told: Summary) -> None:
    whole, unasked = told.whole, told.unasked
    if whole.count:
        at_risk = words.sums(whole.at_risk)
        ui.plain(f"{words.count(whole.count, 'line waits', 'lines wait')} · {at_risk} at risk", "title")
    if here.may(Action.RECONCILE) and whole.count:
        with st.container(horizontal=True, vertical_alignment="center"):
            first = unasked.count > 0
            st.button(
                "Propose matches", key="propose", icon=":material/auto_awesome:", on_click=line_deeds.propose,
                type="primary" if first else "secondary",
            )  # fmt: skip
            if first:
                some = words.count(unasked.count, "line", "lines")
                ui.plain(f"{some} of them, {words.sums(unasked.at_risk)}, not asked about yet.", "faint")


# -- the lines ----------------------------------------------------------------------------------------


def row(here: Person, view: ExceptionView) -> dict[str, Any]:
    may = here.may(Action.RECONCILE)
    told = bank_words.EXCEPTION[view.reason]
    parts: list[str | None] = [f"{view.on:%-d %b %Y}", view.account]
    parts.append(f"owner {view.owner}" if view.owner else None)
    parts.append(f"the rest of {view.line_amount}" if view.part_id else None)
    if view.due_on:
        parts.append(f"{'overdue since' if view.overdue else 'due'} {view.due_on:%-d %b %Y}")
    deeds = [["Accept", "accept", "a", ""]] if may and view.parts and _plain(view) else []
    doors = [["Find what is in it", "payouts", "p", "other"]] if view.reason is Reason.PAYOUT else []
    more = "Pay another, give back, assign" if view.part_id else "Split, set aside, assign"
    said, asked = st.session_state.get("line_said", {}), bank_words.asked_of_two(view)
    return {
        "id": str(view.line_id),
        "amount": str(view.amount),
        "out": view.amount.minor < 0,
        "text": view.text or "No text",
        "standing": " · ".join(part for part in parts if part),
        "reason": {"word": told.word, "icon": "flag", "tone": "orange"},
        "asked": {"word": asked, "icon": "how_to_reg", "tone": "violet"} if asked else None,
        "remedy": bank_words.remedy(view),
        "note": view.note,
        "overdue": view.overdue,
        "candidates": [
            candidate(view, one, str(nth) if may else "") for nth, one in enumerate(view.candidates[:4], 1)
        ],
        "deeds": [*deeds, *doors, [more if may else "Look", "more", "o", "other"]],
        "may": may and bool(deeds),
        "said": said.get(view.line_id),
    }


def _plain(view: ExceptionView) -> bool:
    """Accepting needs no words: nothing of it is set apart or let off."""
    if view.way == Way.REFUND:
        return True  # set apart, and for a refund that is known
    plain = (Target.PAYMENT, Target.LINE, Target.BATCH, Target.CARD, Target.PAYOUT)
    return all(part.target in plain for part in view.parts)


def candidate(view: ExceptionView, one: Candidate, key: str) -> dict[str, Any]:
    rest = view.part_id is not None
    whole = key and one.gives is not None and (rest or one.gives == view.amount)
    waits = f"waits for {one.rest} of {one.amount}" if one.payable else f"is {one.status.replace('_', ' ')}"
    return {
        "payer": one.payer,
        "reference": one.reference,
        "told": f"{one.event} · {waits}",
        "signs": [{"agrees": sign.agrees, "says": sign.says} for sign in one.signs],
        "deed": f"take:{one.payment_id}" if whole and (rest or len(view.candidates) > 1) else None,
        "word": "This one",
        "key": key,
    }


def told(line_id: int, what: str) -> None:
    """A row's key or button; for callbacks."""
    st.session_state.line_said = {}
    match what.partition(":"):
        case ("accept", _, _):
            accept_as_suggested(line_id)
        case ("take", _, payment_id):
            take(line_id, ui.id_in(payment_id))
        case ("choose", _, _):
            choose([line_id])
        case ("leave", _, _):
            st.session_state.lines_chosen = [one for one in chosen() if one != line_id]
        case ("payouts", _, _):
            st.session_state.to_payouts = True
        case _:
            st.query_params["line"] = str(line_id)


def chosen() -> list[int]:
    return st.session_state.setdefault("lines_chosen", [])


def choose(ids: Iterable[int]) -> None:
    st.session_state.lines_chosen = list(dict.fromkeys([*chosen(), *ids]))


def choose_none() -> None:
    st.session_state.lines_chosen = []


# -- what is accepted ---------------------------------------------------------------------------------


def looked_up(line_id: int) -> ExceptionView | None:
    with ui.error_boundary(say=line_deeds.tell_bad), app.sessions.read() as session:
        return exceptions.get(session, ui.require(Action.RECONCILE), line_id, now=app.now())
    return None


def accept_as_suggested(line_id: int) -> None:
    if (view := looked_up(line_id)) is None:
        return
    if fault := line_deeds.accept(view, view.parts, view.way):
        st.session_state.line_said = {line_id: fault}
    else:
        line_deeds.tell(f"Accepted: {view.amount}, {view.text}.")


def take(line_id: int, payment_id: int) -> None:
    if (view := looked_up(line_id)) is None:
        return
    one = next((each for each in view.candidates if each.payment_id == payment_id), None)
    if one is None or one.gives is None:
        line_deeds.tell("What was suggested has changed. Propose again.", bad=True)
        return
    if fault := line_deeds.pay(view, one, one.gives):
        st.session_state.line_said = {line_id: fault}
    else:
        line_deeds.tell(f"Accepted: {one.gives} for {one.payer}, {one.reference}.")


def accept_chosen() -> None:
    """Each by itself: what becomes of one is told in its row and changes nothing for the others."""
    done, faults = 0, {}
    for line_id in chosen():
        if (view := looked_up(line_id)) is None:
            continue
        none = "Open it: say what becomes of the rest." if view.part_id else "Nothing is suggested for it."
        fault = line_deeds.accept(view, view.parts, view.way) if view.parts else none
        if fault:
            faults[line_id] = fault
        else:
            done += 1
    st.session_state.line_said, st.session_state.lines_chosen = faults, list(faults)
    left = (
        f" {words.count(len(faults), 'line was', 'lines were')} not: see why beside each." if faults else ""
    )
    line_deeds.tell(f"{words.count(done, 'line was', 'lines were')} accepted.{left}", bad=bool(faults))


def chosen_bar(views: Sequence[ExceptionView]) -> None:
    place = st.empty()
    some = [view for view in views if view.line_id in chosen()]
    if not some:
        return
    total = words.sums(sums(view.amount for view in some))
    with place.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{words.count(len(some), 'line', 'lines')} chosen** · {ui.escape(total)}")
        st.button(
            "Accept what is suggested", key="accept_chosen", type="primary", icon=":material/done_all:",
            on_click=accept_chosen,
        )  # fmt: skip
        st.button("Choose none", key="choose_no_lines", type="tertiary", on_click=choose_none)


# -- the page -----------------------------------------------------------------------------------------


@ui.error_boundary()
def page(here: Person) -> None:
    with app.sessions.read() as session:
        reason, age = WORDS.get(st.query_params.get("reason", "")), st.session_state.get("line_age")
        told_of = exceptions.summary(session, here, now=app.now(), reason=reason, age=age)
        there = accounts.list_accounts(session, here)
    head(here, told_of)
    wanted = reason_pills(told_of)
    if wanted == ui.MATCHED:
        ui.matches(here, line_deeds.undo)
        return
    if wanted == SURPLUS:
        ui.surplus_list(here)
        return
    age = age_pills(told_of) if told_of.total.count else None
    with app.sessions.read() as session:
        ui.evenings(evenings.list_evenings(session, here, now=app.now()), evenings.TARGET_DAYS)
        ui.waiting_slips(card_watch.waiting(session, here))
        views = exceptions.queue(
            session, here, now=app.now(), reason=WORDS.get(wanted or ""), age=age, limit=SHOWN
        )
    more = f"{SHOWN}+" if len(views) == SHOWN else ""
    st.session_state.lines_walk = ui.Walk([str(view.line_id) for view in views], of=more)
    chosen_bar(views)
    if views:
        ui.lines_list(
            [row(here, view) for view in views], key="lines", label="Bank lines that wait", chosen=chosen(),
            tell=told,
        )  # fmt: skip
        if len(views) == SHOWN:
            ui.plain(f"The oldest {SHOWN} are shown; others follow as these are dealt with.", "faint")
    elif not there:
        ui.empty_state(
            "No bank account yet", "Add one and import its statement under Statements.", "account_balance"
        )
    elif told_of.total.count:
        waits = words.count(told_of.total.count, "other line waits", "other lines wait")
        ui.empty_state("None of these", f"{waits}. Take the reason or the age off above.", "search_off")
    elif told_of.unasked.count:
        ui.empty_state(
            "Nobody asked about these lines yet", "Propose matches, above, says what they may be for.",
            "auto_awesome",
        )  # fmt: skip
    else:
        ui.empty_state("Nothing waits", "Import the next statement under Statements.", "task_alt")


if st.session_state.pop("to_payouts", False):  # a row's key is a callback, which cannot turn the page
    st.switch_page("pages/finance/payouts.py")
st.title("Reconcile", anchor=False)
line_deeds.last_done()
ui.outcome()
page(person)
if opened := st.query_params.get("line"):
    line_drawer(opened)
