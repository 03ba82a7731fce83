"""Close: the days of a bank account, each as it can be signed; one signs, another approves, both reopen."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

import streamlit as st

import bootstrap
import ui
import words
from db.money import Money
from payments import dates
from payments.access.people import Action, Person
from payments.bank import accounts
from payments.bank.accounts import AccountView
from payments.bank.coverage import Cover, Told
from payments.reconciling import matched
from payments.reconciling.matched import PartView
from payments.sign_off import adjustments, closing, night_drafts, sign_offs
from payments.sign_off.closing import Draft, Figures
from payments.sign_off.sign_offs import Day, DayState, Period, SignOffView, State
from ui.month import Sign, Tile, month
from words import bank as bank_words

person = ui.require(Action.SEE_BANK)
app = bootstrap.app()
PAGE, SHOWN = "closing", 40
#: What a line that waits needs before its day can be signed is said by these pages.
DOORS = {
    "finance/workbench": ("Reconcile it", "join"),
    "finance/statements": ("Open Statements", "account_balance"),
    "finance/payouts": ("Open Payouts", "savings"),
    "finance/closing": ("Open the day", "event"),
}

WAITS = {
    State.SIGNED: "signed, waits for a second person",
    State.REOPENING: "to be reopened by a second person",
}
TOLD_BY_NONE = {
    Told.MISSING: "A statement of this day is missing.",
    Told.UNPROVEN: "No statement tells of this day, and no balances prove that nothing happened on it.",
    Told.NOT_YET: "No statement tells of this day yet.",
}


# -- which account, which month -----------------------------------------------------------------------


def account_chosen(there: Sequence[AccountView]) -> AccountView:
    by_id = {str(one.id): one for one in there}
    asked = st.query_params.get("account", "")
    if len(there) == 1:
        return there[0]
    options = list(by_id)
    picked = st.selectbox(
        "Account", options, format_func=lambda one: by_id[one].told, key="closing_account", width=340,
        index=options.index(asked) if asked in by_id else 0,
    )  # fmt: skip
    return by_id[picked]


def go(month: date) -> None:
    st.query_params["month"] = month.isoformat()
    st.query_params.pop("day", None)


def month_chosen(chosen: date | None) -> date:
    """The month on the strip, with the way to its neighbours."""
    today = dates.business_day(app.now())
    month = (chosen or dates.day_in(st.query_params.get("month", "")) or today).replace(day=1)
    with st.container(horizontal=True, vertical_alignment="center", key="closing_months"):
        before = (month - timedelta(days=1)).replace(day=1)
        after = sign_offs.month_of(month)[1] + timedelta(days=1)
        st.button(
            f"{before:%b %Y}", icon=":material/chevron_left:", on_click=go, args=(before,), key="before"
        )
        ui.plain(f"{month:%B %Y}", "title")
        if after <= today:
            st.button(
                f"{after:%b %Y}", icon=":material/chevron_right:", on_click=go, args=(after,), key="after"
            )
    return month


def tiles(account: AccountView, days: Sequence[Day], chosen: date | None) -> None:
    unknown = (Told.BEFORE, Told.NOT_YET)
    if all(day.state is DayState.QUIET and day.cover.told in unknown for day in days):
        ui.empty_state(
            "Nothing is booked in this month",
            "Import the account's statement under Statements, or look at another month.",
            "calendar_month",
        )
        return
    shown = [tile(account, day, chosen) for day in days]
    month(shown, f"The days of {days[0].on:%B %Y}", "closing_month")


def tile(account: AccountView, day: Day, chosen: date | None) -> Tile:
    quiet, lines = day.state is DayState.QUIET, day.figures.lines
    look = bank_words.UNBOOKED[day.cover.told] if quiet else bank_words.DAY[day.state]
    if quiet and day.on == dates.business_day(app.now()):
        look = bank_words.TODAY
    signs = []
    if waits := day.figures.waiting.count:
        signs.append(Sign("flag", words.count(waits, "line waits", "lines wait"), "Lines wait"))
    if day.cover.told is Told.TWICE:
        signs.append(Sign("content_copy", f"{len(day.cover.files)} statements", "Several statements"))
    return Tile(
        day.on, Sign(look.icon, look.word), look.tone,
        f"{words.count(lines.count, 'line', 'lines')} · {lines.amount}" if lines.count else "", signs,
        PAGE, (("account", str(account.id)), ("day", day.on.isoformat())), chosen=day.on == chosen,
    )  # fmt: skip


# -- a day, or a month --------------------------------------------------------------------------------


def figures_told(figures: Figures, one: Draft | None = None) -> None:
    """The classes of the lines and their sum, and what the bank says in the morning and evening."""
    rows = [
        (f"Matched · {words.number(figures.matched.count)}", str(figures.matched.amount), ""),
        (f"Explained · {words.number(figures.explained.count)}", str(figures.explained.amount), ""),
        (f"Waiting · {words.number(figures.waiting.count)}", str(figures.waiting.amount), ""),
        (f"All lines · {words.number(figures.lines.count)}", str(figures.lines.amount), "sum"),
    ]
    rests = [line for line in one.waiting if line.rest] if one is not None else []
    if rests:
        much = Money(sum(line.amount.minor for line in rests), rests[0].amount.currency)
        rows.append((f"Of what is matched, too much and open · {words.number(len(rests))}", str(much), ""))
    if figures.late_lines.count:
        count = words.number(figures.late_lines.count)
        rows.append((f"Of these came late, for earlier days · {count}", str(figures.late_lines.amount), ""))
    if figures.late_matches.count:
        count = words.number(figures.late_matches.count)
        rows.append((f"Decided for lines of earlier days · {count}", str(figures.late_matches.amount), ""))
    with st.container(width=600):
        ui.ledger(rows)
    if one is not None and one.balances.opening is not None and one.balances.closing is not None:
        ui.plain(
            f"The bank: {one.balances.opening} in the morning, {one.balances.closing} in the evening.",
            "faint",
        )


def blockers(one: Draft) -> None:
    """What is in the way, each with the page that helps."""
    for number, blocker in enumerate(one.blockers):
        with st.container(border=True, key=f"blocker_{number}"):
            ui.plain(blocker.sentence)
            if blocker.page is not None:
                label, icon = DOORS[blocker.page]
                st.page_link(
                    f"pages/{blocker.page}.py", label=label, icon=f":material/{icon}:",
                    query_params=dict(blocker.query),
                )  # fmt: skip


def decided(here: Person, account: AccountView, on: date) -> None:
    """What was decided of lines on this day, each with the payments it is for."""
    with app.sessions.read() as session:
        ids = closing.decided_lines(session, here, account.id, on)
        standing = matched.list_matches(session, here, line_ids=ids[:SHOWN], limit=SHOWN, standing=True)
    if not standing:
        return
    with (
        st.expander(f"What its lines are for · {words.number(len(ids))}", icon=":material/join:"),
        st.container(key="lines_decided"),
    ):
        for view in standing:
            ui.plain(
                f"{view.amount} · {view.text} · by {view.by}{f': {view.why}' if view.why else ''}", "faint"
            )
            for part in view.parts:
                part_told(part)
        if len(ids) > SHOWN:
            ui.plain(f"The newest {SHOWN} of {words.number(len(ids))}; Reconcile lists all.", "faint")


def part_told(part: PartView) -> None:
    if part.reference is None:
        ui.plain(f"{part.amount} for {bank_words.PART.get(part.target, part.target)}", "faint")
        return
    st.page_link(
        "pages/monitor/payments.py", label=ui.escape(f"{part.amount} · {part.payer} · {part.reference}"),
        query_params={"payment": part.reference},
    )  # fmt: skip


def waiting_lines(one: Draft) -> None:
    for line in one.waiting:
        if line.told:
            ui.plain(f"{line.much} · {line.text} · {line.owner}: {line.note}", "faint")


def told_by(cover: Cover) -> None:
    """Which statements tell of the day; what is missing, with the page where it is brought."""
    if cover.files:
        ui.plain(f"Told by {' and '.join(cover.files)}.", "faint")
        return
    if cover.told in TOLD_BY_NONE:
        with st.container(border=True, key="day_untold"):
            ui.plain(cover.why or TOLD_BY_NONE[cover.told])
            st.page_link(
                "pages/finance/statements.py", label="Open Statements", icon=":material/account_balance:"
            )


def day_section(here: Person, account: AccountView, on: date, cover: Cover | None) -> None:
    with app.sessions.read() as session:
        one = closing.draft(session, here, account.id, on, now=app.now())
        known = sign_offs.history(session, here, account.id, Period.DAY, on)
        night = night_drafts.last(session, here, account.id, on)
        late = adjustments.listed(session, here, account.id, on, on)
    standing = next((view for view in known if view.locks), None)
    st.subheader(f"{on:%A %-d %B %Y}", anchor=False)
    if cover is not None:
        told_by(cover)
    if standing is not None:
        figures_told(standing.figures)
        signed(here, standing)
        if standing.state is State.APPROVED:
            ui.closing_papers.journal(here, account.id, on, on)
    else:
        figures_told(one.figures, one)
        waiting_lines(one)
        blockers(one)
        if night is not None and night.figures != one.figures:
            ui.plain(f"Changed since the worker drew it up {ui.moment(night.made_at)}.", "faint")
        to_sign(here, one, Period.DAY)
    decided(here, account, on)
    for told in late:
        ui.plain(f"Belongs to {told.on:%-d %b %Y}: {told.amount} · {told.text} · {told.why}", "faint")
    past(known)


def month_section(here: Person, account: AccountView, month: date) -> None:
    with app.sessions.read() as session:
        one = sign_offs.month_draft(session, here, account.id, month, now=app.now())
        known = sign_offs.history(session, here, account.id, Period.MONTH, month)
    if not one.figures.lines.count and not known:
        return
    standing = next((view for view in known if view.locks), None)
    state = bank_words.SIGN_OFF[standing.state].word if standing else "not signed"
    with st.expander(f"The whole month · {state}", icon=":material/calendar_month:"):
        figures_told(standing.figures if standing else one.figures, None if standing else one)
        if standing is not None:
            signed(here, standing)
            if standing.state is State.APPROVED:
                ui.closing_papers.journal(here, account.id, standing.first_on, standing.last_on)
        else:
            for blocker in one.blockers:
                ui.plain(f"· {blocker.sentence}", "faint")
            to_sign(here, one, Period.MONTH)
        past(known)


# -- signing ------------------------------------------------------------------------------------------


def to_sign(here: Person, one: Draft, period: Period) -> None:
    if not one.ready or not here.may(Action.RECONCILE):
        return
    word = f"{one.first_on:%B %Y}" if period is Period.MONTH else f"{one.first_on:%-d %b %Y}"
    with st.form(f"sign_{period}_{one.first_on}", border=False):
        note = st.text_input("A note for whoever approves it, or nothing", max_chars=1000)
        if st.form_submit_button(f"Sign {word}", type="primary", icon=":material/draw:"):
            ui.act(
                f"{word} is signed. Another person approves it.", sign_offs.sign,
                one.account_id, period, one.first_on, one.digest, note,
            )  # fmt: skip
            st.rerun()


def signed(here: Person, view: SignOffView) -> None:
    """How far a sign-off is, and what this person can do about it."""
    look = bank_words.SIGN_OFF[view.state]
    st.badge(look.word, icon=f":material/{look.icon}:", color=look.tone)  # type: ignore[arg-type]
    ui.facts(
        {
            "Signed by": view.signer, "Note": view.note, "Approved by": view.approver,
            "To be reopened by": view.reopen_asker if view.state is State.REOPENING else None,
            "Why": view.reopen_why if view.state is State.REOPENING else None,
        }
    )  # fmt: skip
    if not here.may(Action.RECONCILE):
        return
    with st.container(horizontal=True, gap="small"):
        if view.state is State.SIGNED:
            second(view, sign_offs.approve, "Approve", "Approved, and locked.", own=here.id == view.signer_id)
            own = "Take it back" if here.id == view.signer_id else "Refuse"
            with_reason(view, sign_offs.refuse, own, "It is open again.", "undo")
        elif view.state is State.APPROVED:
            with_reason(
                view, sign_offs.ask_reopen, "Reopen", "Asked for. A second person reopens it.", "lock_open"
            )
        else:
            second(view, sign_offs.reopen, "Reopen it", "It is open.", own=here.id == view.reopen_asker_id)
            with_reason(view, sign_offs.keep_closed, "Keep it closed", "It stays closed.", "lock")


def second(view: SignOffView, function: Callable[..., object], word: str, said: str, *, own: bool) -> None:
    """A second person's part; never that of whoever did the first."""
    if own:
        ui.plain("This was yours: another person of finance, or an admin, decides.", "faint")
        return
    st.button(
        word, key=f"{word}_{view.id}", type="primary", icon=":material/check:", on_click=ui.act,
        args=(said, function, view.id),
    )  # fmt: skip


def with_reason(view: SignOffView, function: Callable[..., object], word: str, said: str, icon: str) -> None:
    with st.popover(word, icon=f":material/{icon}:"), st.form(f"{word}_{view.id}", border=False):
        why = st.text_area("Why, for whoever reads it later", key=f"{word}_why_{view.id}", max_chars=500)
        if st.form_submit_button(word, type="primary", shortcut="Mod+Enter"):
            ui.act(said, function, view.id, why)
            st.rerun()


def past(known: Sequence[SignOffView]) -> None:
    """Who did what about it, the newest first."""
    steps = [step for view in known for step in reversed(view.steps)]
    if steps:
        with st.expander("History", icon=":material/history:"):
            for step in steps:
                why = f": {step.why}" if step.why else ""
                ui.plain(f"{ui.moment(step.at)} · {step.by} · {step.step}{why}", "faint")


def waits_for_second(waiting: Sequence[SignOffView], names: int) -> None:
    """What was signed, or asked to be reopened, on any account."""
    if not waiting:
        return
    with st.container(key="lines_second"):
        for view in waiting:
            account = f"{view.account}, " if names > 1 else ""
            on = view.first_on.isoformat()
            query = {"account": str(view.account_id), "month" if view.period is Period.MONTH else "day": on}
            st.page_link(
                f"pages/finance/{PAGE}.py", label=ui.escape(f"{account}{view.told}: {WAITS[view.state]}"),
                icon=f":material/{bank_words.SIGN_OFF[view.state].icon}:", query_params=query,
            )  # fmt: skip


def page(here: Person) -> None:
    with app.sessions.read() as session:
        there = accounts.list_accounts(session, here)
        waiting = sign_offs.waiting(session, here)
    if not there:
        ui.empty_state(
            "No bank account yet", "Add one and import its statement under Statements.", "account_balance"
        )
        return
    # A link to the page that is open leaves the address as it was: the day it opens went with the next click.
    st.query_params.from_dict(st.query_params.to_dict())
    account = account_chosen(there)
    waits_for_second(waiting, len(there))
    chosen = dates.day_in(st.query_params.get("day", ""))
    month = month_chosen(chosen)
    with app.sessions.read() as session:
        days = sign_offs.strip(session, here, account.id, month, now=app.now())
    tiles(account, days, chosen)
    month_section(here, account, month)
    if chosen is not None:
        day_section(here, account, chosen, next((day.cover for day in days if day.on == chosen), None))
        ui.closing_papers.statement(here, account.id, chosen)
        ui.closing_papers.on_its_way(here, chosen)
        ui.closing_papers.papers(here, account.id)
    elif any(day.state is not DayState.QUIET for day in days):
        ui.plain("Choose a day to see what is in it, and to sign it.", "faint")


st.title("Close", anchor=False)
ui.outcome()
with ui.error_boundary():
    page(person)
