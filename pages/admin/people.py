"""People: who may come in, as what, for which events; and how they get in."""

from collections.abc import Callable

import streamlit as st

import bootstrap
import ui
import words
from payments import dates
from payments.access import invitations, people, signin_links, staff
from payments.access.people import Action, Person, Role
from payments.access.staff import PersonView
from payments.errors import Conflict
from payments.second_person import approvals, entrusting
from payments.second_person.approvals import ApprovalView, State, What
from payments.second_person.entrusting import Wanted
from payments.selling import events
from words import approvals as approval_words

person = ui.require(Action.MANAGE_PEOPLE)
app = bootstrap.app()
NEW = 0
ASKED = "Asked. Nothing changes until another person has approved it under Approvals."
TWO = (
    "That somebody comes in, or may do or reach more, takes two people: you ask, another approves. Taking "
    "away is done at once."
)
ALONE = (
    "You give access alone until a second person who may approve, an admin or somebody of finance for all "
    "events, has come in. It is written down so."
)


#: What is asked for on this page.
OF_PEOPLE = (What.ADD_PERSON, What.CHANGE_PERSON, What.ENABLE_PERSON, What.RESET_CODES, What.SIGN_IN_LINK)


def choose(person_id: int | None, seen: PersonView | None = None) -> None:
    """Open somebody as they are ``seen`` now: what is filled in stays while another admin changes them."""
    st.session_state.person_open, st.session_state.person_seen = person_id, seen


def waits(asked: list[ApprovalView]) -> None:
    """What was asked for and nobody has decided yet."""
    with st.container(border=True, key="people_waits"):
        for one in asked:
            deed = approval_words.ASKED[one.what][0]
            ui.plain(f"{deed}: {one.subject}. {one.requester} asked; another person decides.")
        st.page_link(
            "pages/monitor/approvals.py", label="See it under Approvals", icon=":material/how_to_reg:"
        )


def invite(one: PersonView) -> None:
    """A link that signs them in once. It is shown once: only its hash is kept."""

    def do(me: Person) -> None:
        token = app.sessions.run(
            lambda session: signin_links.make_sign_in_link(session, me, one.id, now=app.now())
        )
        st.session_state.person_link = (one.id, f"{app.settings.dashboard_url}/signin/link?token={token}")

    ui.attempt(do)


def asked_or_done(change: Callable[..., ApprovalView | None], done: str, *args: object) -> None:
    """Do it, or ask a second person where it takes two; ``outcome`` says which."""

    def do(me: Person) -> None:
        asked = app.sessions.run(lambda session: change(session, me, *args, now=app.now()))
        ui.tell(done if asked is None else ASKED)

    ui.attempt(do)


def with_reason(one: PersonView, key: str, label: str, icon: str, then: Callable[[str], None]) -> None:
    """A button that does it; where it takes two, the reason by which another person decides comes first."""
    if not two:
        st.button(label, key=f"{key}_{one.id}", icon=icon, on_click=then, args=("",))
        return
    with st.form(f"{key}_form_{one.id}", border=False):
        st.text_input(
            "Why? Another person decides by it.", key=f"{key}_why_{one.id}", max_chars=1000,
            autocomplete="off",
        )  # fmt: skip
        st.form_submit_button(
            label, icon=icon, key=f"{key}_{one.id}",
            on_click=lambda: then(st.session_state.get(f"{key}_why_{one.id}", "")),
        )  # fmt: skip


# -- the list ---------------------------------------------------------------------------------------


def card(one: PersonView) -> None:
    with st.container(border=True, height="stretch"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            ui.plain(one.name, "title")
            if one.disabled:
                st.badge("Disabled", icon=":material/block:", color="red")
            else:
                st.badge(
                    words.ROLE[one.role][0],
                    icon=":material/badge:",
                    color="green" if one.role is Role.ADMIN else "blue",
                )
        ui.plain(one.email, "faint")
        ui.facts(
            {
                "Events": "all" if one.events is None else ", ".join(one.events) or "none",
                "Signed in": f"in {words.count(one.sessions, 'place', 'places')}" if one.sessions else "no",
                "Last active": ui.moment(one.active_at) if one.active_at else None,
                "Access until": ui.moment(one.access_until) if one.access_until else None,
                "Code app": "set up" if one.has_codes else None,
                "Passkey": "set up" if one.has_passkeys else None,
                "Password": None if one.has_password else "none yet: send a sign-in link",
            }
        )
        if (link := st.session_state.get("person_link")) and link[0] == one.id:
            ui.plain(
                "Give them this link. It works once, within 15 minutes, and is not shown again.", "faint"
            )
            ui.copy(link[1], key=f"copy_link_{one.id}")
        st.space("stretch")
        actions(one)


def actions(one: PersonView) -> None:
    with st.container(horizontal=True):
        st.button(
            "Change", key=f"change_{one.id}", icon=":material/edit:", on_click=choose, args=(one.id, one)
        )
        if one.disabled:
            enabling(one)
            return
        with st.popover("Access", key=f"access_{one.id}", icon=":material/key:"):
            sign_in_link(one)
            if app.settings.mail_url:
                done = (
                    f"A way in is on its way to {one.email}.", invitations.invite, one.id,
                    app.settings.dashboard_url,
                )  # fmt: skip
                st.button(
                    "Mail them a link",
                    key=f"mail_{one.id}",
                    icon=":material/mail:",
                    on_click=ui.act,
                    args=done,
                )
            if one.sessions:
                done = (f"{one.name} is signed out everywhere.", staff.revoke_sessions, one.id)
                st.button(
                    "Sign out everywhere",
                    key=f"revoke_{one.id}",
                    icon=":material/logout:",
                    on_click=ui.act,
                    args=done,
                )
            if (one.has_codes or one.has_passkeys) and one.id != person.id:
                done = f"{one.name} comes in by a new link, and sets up password and phone anew."
                with_reason(
                    one, "codes", "Phone lost: reset codes and passkeys", ":material/phonelink_erase:",
                    lambda why: asked_or_done(entrusting.reset_codes, done, one.id, why),
                )  # fmt: skip
            done = (f"{one.name} is shut out.", staff.disable_person, one.id)
            st.button("Disable", key=f"disable_{one.id}", icon=":material/block:", on_click=ui.act, args=done)


def enabling(one: PersonView) -> None:
    done = f"{one.name} may sign in again."

    def enable(why: str) -> None:
        asked_or_done(entrusting.enable, done, one.id, why)

    if two:
        with st.popover("Enable", key=f"enabling_{one.id}", icon=":material/lock_open:"):
            with_reason(one, "enable", "Ask to enable", ":material/lock_open:", enable)
    else:
        with_reason(one, "enable", "Enable", ":material/lock_open:", enable)


def sign_in_link(one: PersonView) -> None:
    """Made at once for whoever has no way in yet; else it lets in as them, and takes two."""
    with app.sessions.read() as session:
        stands = entrusting.link_standing(session, person, one.id, now=app.now())
    if stands == "waiting":
        ui.plain("A sign-in link is asked for: another person decides under Approvals.", "faint")
    elif stands == "ask":
        with_reason(
            one, "link", "Ask for a sign-in link", ":material/link:",
            lambda why: asked_or_done(entrusting.ask_link, "", one.id, why),
        )  # fmt: skip
    else:
        st.button(
            "Make a sign-in link", key=f"link_{one.id}", icon=":material/link:", on_click=invite, args=(one,)
        )


# -- one person -------------------------------------------------------------------------------------


def edit(one: PersonView | None) -> None:
    with app.sessions.read() as session:
        known = {event.code: event for event in events.list_events(session, person)}
    st.button("All people", icon=":material/arrow_back:", type="tertiary", on_click=choose, args=(None,))
    st.subheader("Change a person" if one else "New person", anchor=False)
    every = st.toggle(
        "All events", value=one is not None and one.events is None, key=f"every_{one.id if one else NEW}"
    )
    with st.form("person"):
        left, right = st.columns(2)
        name = left.text_input("Name", one.name if one else "", required=True, autocomplete="off")
        email = right.text_input(
            "E-mail", one.email if one else "", type="email", required=True, disabled=one is not None,
            placeholder="sipho@example.org", autocomplete="off",
        )  # fmt: skip
        roles = list(Role)
        role = st.radio(
            "Role",
            roles,
            index=roles.index(one.role) if one else roles.index(Role.ORGANISER),
            format_func=lambda role: words.ROLE[role][0],
            captions=[words.ROLE[role][1] for role in roles],
        )
        codes = st.multiselect(
            "Events",
            list(known),
            default=[code for code in (one.events if one else None) or () if code in known],
            format_func=lambda code: known[code].name,
            disabled=every,
        )
        kept = dates.business_day(one.access_until) if one and one.access_until else None
        until = st.date_input("Access ends after (optional)", kept, format="DD/MM/YYYY")
        why = ""
        if two:
            why = st.text_input(
                "Why? Another person decides by it, wherever something is given.", max_chars=1000,
                autocomplete="off",
            )  # fmt: skip
        if one:
            ui.plain("Saving signs them out: they come back as what they are now.", "faint")
        sent = st.form_submit_button("Save", type="primary", icon=":material/check:")
    if sent:
        ids = None if every else frozenset(known[code].id for code in codes)
        wanted = Wanted(name, role, ids, dates.day_span(until).end if until else None)
        save(one, email, wanted, why or "")


def kept_of(one: PersonView | None) -> tuple[object, ...] | None:
    """What the form changes of somebody."""
    return (one.name, one.role, one.events, one.access_until, one.disabled) if one else None


def save(one: PersonView | None, email: str, wanted: Wanted, why: str) -> None:
    now_is = next((each for each in everybody if one and each.id == one.id), None)
    if kept_of(now_is) != kept_of(one):
        raise Conflict(
            f"{one.name if one else email} was changed by somebody else meanwhile, and nothing was saved. "
            f"Go back to all people: there they stand as they are now."
        )

    def do(me: Person) -> None:
        asked = app.sessions.run(
            lambda session: (
                entrusting.change(session, me, one.id, wanted, why, now=app.now())
                if one
                else entrusting.add(session, me, email, wanted, why, now=app.now())
            )
        )
        ui.tell(f"{wanted.name} is saved." if asked is None else ASKED)
        choose(None)

    ui.go(do)
    st.rerun()


# -- the page ---------------------------------------------------------------------------------------

opened = st.session_state.get("person_open")
with app.sessions.read() as session:
    everybody = staff.list_people(session, person, now=app.now())
    two = people.takes_two(session)
    requests = approvals.open_requests(session, person, now=app.now())
    asked = [one for one in requests if one.what in OF_PEOPLE and one.state is State.WAITING]
with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
    st.title("People", anchor=False, width="content")
    if opened is None:
        st.button("Add a person", type="primary", icon=":material/person_add:", on_click=choose, args=(NEW,))
ui.plain(TWO if two else ALONE, "faint")
ui.outcome()
if opened is not None:
    with ui.error_boundary():
        edit(st.session_state.person_seen)
else:
    if asked:
        waits(asked)
    with st.grid(3, min_column_width=300):
        for one in everybody:
            card(one)
st.session_state.pop("person_link", None)
