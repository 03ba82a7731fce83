"""Approvals: what somebody asked for and a second person decides upon."""

from collections.abc import Mapping
from datetime import datetime

import streamlit as st

import bootstrap
import ui
import words
from db.money import Money
from payments.access.people import Action, Role
from payments.second_person import approvals, two_people
from payments.second_person.approvals import ApprovalView, State, What
from payments.selling import events
from payments.sign_off import sign_offs
from payments.sign_off.sign_offs import Period
from words import approvals as approval_words
from words import bank as bank_words
from words import files as file_words

person = ui.require(Action.SEE_APPROVALS)
app = bootstrap.app()
OPEN, ENDED = "Open", "Ended"
#: Of what a request is bound to, what stands in another of its lines.
SAID_ELSEWHERE = ("amounts", "let_off")


def show(request: ApprovalView, names: dict[int, str]) -> None:
    """One request: what exactly, why, by whom, and what this person can do about it."""
    look = approval_words.APPROVAL[request.state]
    with st.container(border=True, key=f"approval_{request.id}"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            ui.plain(approval_words.ASKED[request.what][0], "title")
            st.badge(look.word, icon=f":material/{look.icon}:", color=look.tone)
        if request.amount is not None:
            ui.plain(str(request.amount), "amount")
        ui.facts(exactly(request, names))
        if (then := request.bound.get("account_then")) is not None:
            accounts(request.bound["account_now"], then)
        if proof := request.bound.get("proof"):
            ui.file_link(f"/proof/{proof}", "Save the proof")
        if request.decided_why:
            ui.plain(f"{request.decider}: {request.decided_why}")
        if request.is_payment:
            st.page_link(
                "pages/monitor/payments.py", label=f"Open {ui.escape(request.subject)}",
                icon=":material/receipt_long:", query_params={"payment": request.subject},
            )  # fmt: skip
        door_to_line(request)
        next_steps(request)


def exactly(request: ApprovalView, names: dict[int, str]) -> dict[str, str | None]:
    """All that the request is bound to: nothing that is approved stays unseen."""
    scope = request.scope
    names_of = approval_words.BOUND
    told = {
        names_of.get(name, name): told_value(request, name, value)
        for name, value in request.bound.items()
        if name not in SAID_ELSEWHERE and not isinstance(value, dict)  # accounts stand side by side
    }
    where = "All events" if scope is None else ", ".join(names.get(each, "another event") for each in scope)
    decided = f"{request.decider}, {ui.moment(request.ended_at)}" if request.decider else None
    return {
        "Of": request.subject,
        "Event": where,
        **told,
        "Why": request.why,
        "Asked by": f"{request.requester}, {ui.moment(request.asked_at)}",
        "Decided by": decided,
        "Good until": ui.moment(request.expires_at)
        if request.state in (State.WAITING, State.APPROVED)
        else None,
    }


def accounts(was: Mapping[str, str], then: Mapping[str, str]) -> None:
    """The account that payers were told as it was asked for, and the one that they would be told."""
    lines = [(word, was.get(part, ""), then[part]) for part, word in approval_words.ACCOUNT.items()]
    ui.side_by_side(("Payers were told", "Asked for"), lines)


def told_value(request: ApprovalView, name: str, value: object) -> str | None:
    """What is empty is left out; columns of a file are called as its reader will see them."""
    if name == "version":
        return f"the payment as it is now, after {words.count(int(str(value)), 'change', 'changes')}"
    if name == "for" and request.amount is not None:
        return done_with_line(request, request.amount.currency)
    if name == "left_over":
        return bank_words.PART[str(value)] if value else None
    if name == "agreed" and request.amount is not None:
        return str(Money.parse(str(value), request.amount.currency))
    if name == "role":
        return words.ROLE[Role(str(value))][0]
    if name == "until" and value:
        return ui.moment(datetime.fromisoformat(str(value)))
    if isinstance(value, list):
        called = file_words.COLUMN if name == "columns" else {}
        return ", ".join(called.get(str(each), str(each)) for each in value)
    return None if value is None or value == "" else str(value)


def done_with_line(request: ApprovalView, currency: str) -> str:
    """Which payment gets how much of the line, and what each is let off."""
    told = request.bound
    rows = zip(told["for"], told["amounts"], told["let_off"], strict=True)
    steps = []
    for reference, given, off in rows:
        let_off = Money.parse(off, currency)
        steps.append(f"{Money.parse(given, currency)} of the line for {reference}")
        if let_off:
            steps.append(f"write off {let_off} that {reference} still lacks")
    return "; ".join(steps)


def door_to_line(request: ApprovalView) -> None:
    """Where the line of the bank waits meanwhile."""
    if request.state not in (State.WAITING, State.APPROVED) or not person.may(Action.SEE_BANK):
        return
    if request.what is What.PAYOUT_DIFFERENCE:
        st.page_link("pages/finance/payouts.py", label="Open Payouts", icon=":material/savings:")
    if (line := request.bound.get("line")) is not None:
        st.page_link(
            "pages/finance/workbench.py", label="Open the bank line", icon=":material/account_balance:",
            query_params={"line": str(line)},
        )  # fmt: skip


def next_steps(request: ApprovalView) -> None:
    own = request.requester_id == person.id
    if approvals.may_decide(person, request):
        with st.container(horizontal=True, gap="small"):
            st.button(
                "Approve", type="primary", icon=":material/check:", key=f"approve_{request.id}",
                on_click=ui.act, args=("Approved.", two_people.approve, request.id),
            )  # fmt: skip
            with st.popover("Refuse", icon=":material/block:"):
                refusal(request)
    elif own and request.state is State.WAITING:
        ui.plain("You asked for this: another person of finance, or an admin, decides.", "faint")
    if own and request.state in (State.WAITING, State.APPROVED):
        st.button(
            "Take it back", icon=":material/undo:", key=f"withdraw_{request.id}",
            on_click=ui.act, args=("Taken back.", approvals.withdraw, request.id),
        )  # fmt: skip


def refusal(request: ApprovalView) -> None:
    with st.form(f"refuse_{request.id}", border=False):
        why = st.text_area(
            f"Why not? {ui.escape(request.requester)} reads it.",
            key=f"refuse_why_{request.id}",
            max_chars=1000,
        )
        if st.form_submit_button("Refuse", type="primary", shortcut="Mod+Enter"):
            with ui.error_boundary():
                app.sessions.run(
                    lambda session: approvals.refuse(session, person, request.id, why, now=app.now())
                )
                ui.tell("Refused.")
                st.rerun()


def listed(requests: tuple[ApprovalView, ...], names: dict[int, str]) -> None:
    mine = [each for each in requests if approvals.may_decide(person, each)]
    for request in (*mine, *(each for each in requests if each not in mine)):
        show(request, names)


def sign_offs_waiting() -> bool:
    """Days and months that somebody else signed or asked to reopen; they are decided where they are shown."""
    with app.sessions.read() as session:
        waiting = sign_offs.waiting_for(session, person)
    for view in waiting:
        with st.container(border=True, key=f"sign_off_{view.id}"):
            look = bank_words.SIGN_OFF[view.state]
            with st.container(
                horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
            ):
                ui.plain(f"{view.told}, {view.account}", "title")
                st.badge(look.word, icon=f":material/{look.icon}:", color=look.tone)
            asked = view.reopen_asker or view.signer
            ui.facts({"By": asked, "Why": view.reopen_why or view.note or None})
            on = "month" if view.period is Period.MONTH else "day"
            query = {"account": str(view.account_id), on: view.first_on.isoformat()}
            st.page_link(
                "pages/finance/closing.py", label="Look at it and decide", icon=":material/lock:",
                query_params=query,
            )  # fmt: skip
    return bool(waiting)


st.title("Approvals", anchor=False)
ui.outcome()
chosen = st.segmented_control(
    "Which", [OPEN, ENDED], default=OPEN, required=True, key="approvals_which", label_visibility="collapsed"
)
with app.sessions.read() as session:
    names = {event.id: event.name for event in events.list_events(session, person)}
    look = approvals.open_requests if chosen == OPEN else approvals.ended
    found = look(session, person, now=app.now())
signed = sign_offs_waiting() if chosen == OPEN else False
if found:
    listed(found, names)
elif signed:
    pass
elif chosen == OPEN:
    ui.empty_state(
        "Nothing waits for a second person",
        "Marking as paid without the bank's word, waivers, refunds, larger write-offs, people who come in or "
        "may do more, keys, and the bank account that payers are told are asked for where they arise. They "
        "wait here until somebody else decides, and so do days that are signed.",
        "how_to_reg",
    )
else:
    ui.empty_state("Nothing was decided yet", "Requests stay here with who decided, and why.", "how_to_reg")
