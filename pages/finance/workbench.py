"""Reconcile: bank lines beside the payments they may be for; one key accepts, and all of it can be undone."""

from collections.abc import Iterable, Sequence
from typing import Any

import streamlit as st

import bootstrap
import ui
import words
from db.money import Money
from payments import accounts, card_watch, evenings, exceptions, proposing, reconciliation, two_people
from payments.attention import Age
from payments.errors import PaymentsError
from payments.exceptions import Candidate, ExceptionView, Summary
from payments.matching import Target, Way
from payments.parts import WRITE_OFF_LIMIT, Decided, Part
from payments.people import Action, Person
from payments.proposing import Reason
from words import bank as bank_words

person = ui.require(Action.SEE_BANK)
app = bootstrap.app()
MATCHED, SURPLUS = "Matched", "Surplus"
WORDS = {told.word: reason for reason, told in bank_words.EXCEPTION.items()}
SHOWN = 50
AT_ONCE = "Undone right after, by whoever had accepted it."
BY_HAND = "by hand"


# -- what is asked for --------------------------------------------------------------------------------


def reason_pills(told: Summary) -> str | None:
    """Their labels tell counts; the address, written by hand, keeps the reason whatever its count."""
    asked = st.query_params.get("reason")
    shown = [word for word, reason in WORDS.items() if reason in told.by_reason or word == asked]
    options = [*shown, MATCHED, SURPLUS]
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


def head(here: Person, told: Summary, unasked: int) -> None:
    if told.total.count:
        at_risk = words.sums(told.total.at_risk)
        ui.plain(f"{words.count(told.total.count, 'line waits', 'lines wait')} · {at_risk} at risk", "title")
    if here.may(Action.RECONCILE) and (told.total.count or unasked):
        with st.container(horizontal=True, vertical_alignment="center"):
            first = unasked > 0
            st.button(
                "Propose matches", key="propose", icon=":material/auto_awesome:", on_click=ask_all,
                type="primary" if first else "secondary",
            )  # fmt: skip
            if unasked:
                ui.plain(f"{words.count(unasked, 'line', 'lines')} not asked about yet.", "faint")


def ask_all() -> None:
    try:
        run = proposing.propose(app.sessions, ui.require(Action.RECONCILE), now=app.now())
    except PaymentsError as error:
        tell(str(error), bad=True)
        return
    accepted, waiting = sum(run.accepted.values()), sum(run.waiting.values())
    tell(
        f"{words.count(run.lines, 'line was', 'lines were')} asked about: {accepted} accepted by "
        f"themselves, {waiting} wait for a person."
    )


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
    said = st.session_state.get("line_said", {})
    return {
        "id": str(view.line_id),
        "amount": str(view.amount),
        "out": view.amount.minor < 0,
        "text": view.text or "No text",
        "standing": " · ".join(part for part in parts if part),
        "reason": {"word": told.word, "icon": "flag", "tone": "orange"},
        "remedy": remedy(view),
        "note": view.note,
        "overdue": view.overdue,
        "candidates": [
            candidate(view, one, str(nth) if may else "") for nth, one in enumerate(view.candidates[:4], 1)
        ],
        "deeds": [*deeds, *doors, [more if may else "Look", "more", "o", "other"]],
        "may": may and bool(deeds),
        "said": said.get(view.line_id),
    }


def remedy(view: ExceptionView) -> str:
    return bank_words.REST if view.part_id else bank_words.EXCEPTION[view.reason].remedy


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


# -- what is done -------------------------------------------------------------------------------------


def tell(sentence: str, *, bad: bool = False) -> None:
    st.session_state.bench_done = (sentence, bad)


def accept(view: ExceptionView, parts: Sequence[Part], way: str, why: str = "") -> str | None:
    """Write a match down; returns what kept it from being so."""
    rule = view.suggestion.get("rule", "") if way != BY_HAND else ""
    decided = Decided(view.line_id, tuple(parts), way, view.suggestion, rule, why)
    try:
        here = ui.require(Action.RECONCILE)
        match = app.sessions.run(lambda session: reconciliation.accept(session, here, decided, now=app.now()))
    except PaymentsError as error:
        return str(error)
    can_be_undone(match)
    return None


def can_be_undone(what: int | tuple[str, int]) -> None:
    """A match, or a move of what came too much: the last is undone first."""
    st.session_state.setdefault("bench_undo", []).append(what)


def looked_up(line_id: int) -> ExceptionView | None:
    try:
        with app.sessions.read() as session:
            return exceptions.get(session, ui.require(Action.RECONCILE), line_id, now=app.now())
    except PaymentsError as error:
        tell(str(error), bad=True)
        return None


def accept_as_suggested(line_id: int) -> None:
    if (view := looked_up(line_id)) is None:
        return
    if fault := accept(view, view.parts, view.way):
        st.session_state.line_said = {line_id: fault}
    else:
        tell(f"Accepted: {view.amount}, {view.text}.")


def take(line_id: int, payment_id: int) -> None:
    if (view := looked_up(line_id)) is None:
        return
    one = next((each for each in view.candidates if each.payment_id == payment_id), None)
    if one is None or one.gives is None:
        tell("What was suggested has changed. Propose again.", bad=True)
        return
    if fault := take_part(view, one, one.gives):
        st.session_state.line_said = {line_id: fault}
    else:
        tell(f"Accepted: {one.gives} for {one.payer}, {one.reference}.")


def take_part(view: ExceptionView, one: Candidate, gives: Money) -> str | None:
    if view.part_id is None:
        return accept(view, [Part(Target.PAYMENT, gives, one.payment_id)], view.way)
    moved = ui.pay_with_rest(view, one)
    if isinstance(moved, str):
        return moved
    can_be_undone(("move", moved))
    return None


def accept_chosen() -> None:
    """Each by itself: what becomes of one is told in its row and changes nothing for the others."""
    done, faults = 0, {}
    for line_id in chosen():
        if (view := looked_up(line_id)) is None:
            continue
        none = "Open it: say what becomes of the rest." if view.part_id else "Nothing is suggested for it."
        fault = accept(view, view.parts, view.way) if view.parts else none
        if fault:
            faults[line_id] = fault
        else:
            done += 1
    st.session_state.line_said, st.session_state.lines_chosen = faults, list(faults)
    left = (
        f" {words.count(len(faults), 'line was', 'lines were')} not: see why beside each." if faults else ""
    )
    tell(f"{words.count(done, 'line was', 'lines were')} accepted.{left}", bad=bool(faults))


def undo_last() -> None:
    stack = st.session_state.get("bench_undo", [])
    match stack.pop() if stack else None:
        case ("move", number):
            fault = ui.take_move_back(number, AT_ONCE)
            tell(fault or "Taken back: what came too much waits again.", bad=bool(fault))
        case int(number):
            undo(number, AT_ONCE)


def undo(match_id: int, why: str) -> None:
    try:
        app.sessions.run(
            lambda session: reconciliation.undo(
                session, ui.require(Action.RECONCILE), match_id, why, now=app.now()
            )
        )
        tell("Undone: the line waits again, and both stand in its history.")
    except PaymentsError as error:
        tell(str(error), bad=True)


def last_done() -> None:
    """What was done last, and the way back while somebody is still here."""
    said = st.session_state.pop("bench_done", None)
    with st.container(horizontal=True, vertical_alignment="center", key="bench_last"):
        if said:
            (st.warning if said[1] else st.success)(ui.escape(said[0]))
        if st.session_state.get("bench_undo"):
            st.button(
                "Undo", key="bench_undo_last", icon=":material/undo:", on_click=undo_last, shortcut="Mod+Z",
                help="Takes back what you accepted last.",
            )  # fmt: skip


def chosen_bar(views: Sequence[ExceptionView]) -> None:
    place = st.empty()
    some = [view for view in views if view.line_id in chosen()]
    if not some:
        return
    with place.container(border=True, horizontal=True, vertical_alignment="center"):
        total = words.sums({"ZAR": Money(sum(view.amount.minor for view in some))})
        st.markdown(f"**{words.count(len(some), 'line', 'lines')} chosen** · {ui.escape(total)}")
        st.button(
            "Accept what is suggested", key="accept_chosen", type="primary", icon=":material/done_all:",
            on_click=accept_chosen,
        )  # fmt: skip
        st.button("Choose none", key="choose_no_lines", type="tertiary", on_click=choose_none)


# -- one line -----------------------------------------------------------------------------------------


def close_line() -> None:
    st.query_params.pop("line", None)
    st.session_state.pop("split_with", None)


@st.dialog("Bank line", position="right", width="medium", on_dismiss=close_line)
@ui.error_boundary()
def drawer(number: str) -> None:
    here = ui.require(Action.SEE_BANK)
    with app.sessions.read() as session:
        view = exceptions.get(session, here, ui.id_in(number), now=app.now())
        owners = exceptions.owners(session, here, now=app.now())
        history = exceptions.matched(session, here, line_ids=[view.line_id])
    told = bank_words.EXCEPTION[view.reason]
    st.badge(told.word, icon=":material/flag:", color="orange")
    ui.plain(f"{view.amount} · {view.text}", "name")
    ui.plain(remedy(view))
    by = view.way if view.way != Way.NONE else None
    ui.facts({"Date": f"{view.on:%-d %b %Y}", "Account": view.account, "By": by})
    for sign in view.signs:
        ui.plain(f"{'For' if sign.agrees else 'Against'}: {sign.says}", "faint")
    if here.may(Action.RECONCILE):
        if view.part_id is None:
            split(here, view)
            refusals(view)
        else:
            ui.rest_of_line(here, view, rest_done)
        assignment(view, owners)
    for match in history:
        ui.match_told(match)


def rest_done(move: int | None) -> None:
    if move is not None:
        can_be_undone(("move", move))
    close_line()


def split(here: Person, view: ExceptionView) -> None:
    """What the line is for, in parts that add up; what is left over is set apart with a reason."""
    st.subheader("What it is for", anchor=False)
    likely = [] if view.candidates else ui.could_be(here, view)
    found = {one.payment_id: one for one in (*view.candidates, *likely)}
    text = st.text_input(
        "Find payments", key=f"find_{view.line_id}", placeholder="Name, reference, e-mail or amount"
    )
    if text:
        with app.sessions.read() as session:
            found |= {
                one.payment_id: one
                for one in exceptions.find_payments(session, here, text, view.amount)
                if one.payable
            }
    payable = [payment_id for payment_id, one in found.items() if one.payable]
    usual = [part.payment_id for part in view.parts if part.target is Target.PAYMENT]
    if text and not view.candidates and len(payable) == 1:
        usual = list(payable)
    if text:
        ui.plain(f"{words.count(len(payable), 'payment', 'payments')} can take money; choose below.", "faint")
    picked = st.multiselect(
        "Payments", payable, default=[one for one in usual if one in payable],
        format_func=lambda one: f"{found[one].payer} · {found[one].reference} · {found[one].rest}",
        key=f"picked_{view.line_id}_{text}", placeholder="None: all of it is set apart",
    )  # fmt: skip
    with st.form(f"split_{view.line_id}", border=False):
        left, amounts = view.amount, {}
        for payment_id in picked:
            one = found[payment_id]
            usual_amount = min(left, one.rest, key=lambda money: money.minor)
            amounts[payment_id] = st.text_input(
                f"For {ui.escape(one.payer)}, {ui.escape(one.reference)}", usual_amount.decimal,
                key=f"part_{view.line_id}_{payment_id}",
            )  # fmt: skip
            left = left - usual_amount
        rest = st.radio(
            "What is left over", ["Surplus: the payer's, to refund or to move", "No payment of ours"],
            key=f"rest_{view.line_id}",
        )  # fmt: skip
        off = st.checkbox(
            f"Write off what a payment still lacks; more than {WRITE_OFF_LIMIT} takes a second person",
            key=f"off_{view.line_id}",
        )
        why = st.text_input("Why", key=f"split_why_{view.line_id}", max_chars=500)
        if st.form_submit_button("Accept", type="primary", icon=":material/check:", shortcut="Mod+Enter"):
            with ui.error_boundary():
                surplus = Target.SURPLUS if rest.startswith("Surplus") else Target.ASIDE
                typed = list(ui.parts_typed(view, amounts, found, surplus, off=off))
                if fault := accept_typed(view, typed, why):
                    ui.problem(fault)
                else:
                    close_line()
                    st.rerun()


def accept_typed(view: ExceptionView, typed: list[Part], why: str) -> str | None:
    """Match the line, or ask a second person where more is written off than one may; returns what kept it."""
    if not any(each.written_off and each.written_off.minor > WRITE_OFF_LIMIT.minor for each in typed):
        if fault := accept(view, typed, BY_HAND, why):
            return fault
        tell(f"Accepted: {view.amount}, {view.text}.")
        return None
    try:
        here = ui.require(Action.RECONCILE)
        app.sessions.run(
            lambda session: two_people.ask_write_off(
                session, here, Decided(view.line_id, tuple(typed), BY_HAND, {}, why=why), now=app.now()
            )
        )
    except PaymentsError as error:
        return str(error)
    tell("Asked: a second person decides under Approvals. The line waits here until then.")
    return None


def refusals(view: ExceptionView) -> None:
    for one in view.candidates:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            ui.plain(f"{one.payer}, {one.reference}", "faint")
            st.button(
                "Not this one", key=f"refuse_{view.line_id}_{one.payment_id}", icon=":material/link_off:",
                on_click=refuse, args=(view.line_id, one.payment_id),
            )  # fmt: skip


def refuse(line_id: int, payment_id: int) -> None:
    try:
        here = ui.require(Action.RECONCILE)
        app.sessions.run(
            lambda session: reconciliation.refuse(
                session, here, line_id, payment_id, "Looked at by hand.", now=app.now()
            )
        )
        proposing.propose(app.sessions, here, now=app.now())
        tell("It is not proposed for this line again.")
    except PaymentsError as error:
        tell(str(error), bad=True)


def assignment(view: ExceptionView, owners: dict[int, str]) -> None:
    st.subheader("Whose it is", anchor=False)
    with st.form(f"assign_{view.line_id}", border=False):
        left, right = st.columns(2)
        ids = list(owners)
        owner = left.selectbox(
            "Owner", ids, index=ids.index(view.owner_id) if view.owner_id in ids else None,
            format_func=owners.__getitem__, placeholder="Nobody yet", key=f"line_owner_{view.line_id}",
        )  # fmt: skip
        due = right.date_input("Due on", view.due_on, format="DD/MM/YYYY", key=f"line_due_{view.line_id}")
        note = st.text_area(
            "Note; @name tells a colleague by mail",
            view.note,
            key=f"line_note_{view.line_id}",
            max_chars=1000,
        )
        if st.form_submit_button("Save", icon=":material/person_check:"):
            with ui.error_boundary():
                app.sessions.run(lambda session: exceptions.assign(
                        session, ui.require(Action.RECONCILE), view.line_id, owner_id=owner, due_on=due,
                        note=note, now=app.now(),
                    ))  # fmt: skip
                tell("Saved.")
                close_line()
                st.rerun()


# -- the page -----------------------------------------------------------------------------------------


@ui.error_boundary()
def page(here: Person) -> None:
    with app.sessions.read() as session:
        reason, age = WORDS.get(st.query_params.get("reason", "")), st.session_state.get("line_age")
        told_of = exceptions.summary(session, here, now=app.now(), reason=reason, age=age)
        unasked = exceptions.unasked(session, here)
        there = accounts.list_accounts(session, here)
    head(here, told_of, unasked)
    wanted = reason_pills(told_of)
    if wanted == MATCHED:
        ui.matches(here, undo)
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
    else:
        ui.empty_state("Nothing waits", "Import the next statement under Statements.", "task_alt")


if st.session_state.pop("to_payouts", False):  # a row's key is a callback, which cannot turn the page
    st.switch_page("pages/finance/payouts.py")
st.title("Reconcile", anchor=False)
last_done()
ui.outcome()
page(person)
if opened := st.query_params.get("line"):
    drawer(opened)
