"""The links of one payment in the drawer: another one, the old ones, money that came late."""

from functools import partial

import streamlit as st

import bootstrap
import words
from payments.access.people import Action, Person
from payments.asking import late, reissue
from payments.finding.search import LinkDetail, PaymentDetail
from payments.lifecycle import NEVER_MADE, SETTLED
from ui.here import error_boundary, require
from ui.pieces import escape, facts, moment, plain
from ui.walk import turn_to


def newest(detail: PaymentDetail) -> LinkDetail | None:
    """The link a payer should use; a refused one only when there is no other."""
    made = [link for link in detail.links if link.state not in NEVER_MADE] or [*detail.links]
    for_all = [link for link in made if not link.place] or made
    return for_all[-1] if for_all else None


def new_link(detail: PaymentDetail) -> None:
    """A popover that gives the payment another link, where it may have one."""
    at = newest(detail)
    if at is None or at.state == "asked" or reissue.obstacle(detail.row.status) is not None:
        return
    with st.popover("New link", icon=":material/add_link:"):
        plain(
            "The gateway is asked first whether the old link was paid. It stays payable: money on it counts "
            "for this payment and is told as late.",
            "faint",
        )
        with st.form("drawer_reissue", border=False):
            why = st.text_area("Why is another link needed?", key="drawer_reissue_text", max_chars=1000)
            if st.form_submit_button("Make a new link", type="primary", shortcut="Mod+Enter"):
                with error_boundary(), st.spinner("The gateway is asked, then makes the link …"):
                    st.session_state.drawer_said = _reissue(detail, at, why)
                    st.rerun(scope="fragment")


def _reissue(detail: PaymentDetail, at: LinkDetail, why: str) -> str:
    app = bootstrap.app()
    view = reissue.reissue(
        app.sessions, app.gateways, require(Action.ISSUE_LINK), detail.row.reference, why,
        replaces=at.wire_reference, addresses=app.settings.addresses, now=app.now(),
    )  # fmt: skip
    return f"The new link is ready, for {view.amount}. Share it; the old one is still watched."


def old_links(detail: PaymentDetail) -> None:
    """Every link but the one to use, the newest first, each with what is known of it."""
    at = newest(detail)
    old = [link for link in reversed(detail.links) if link is not at]
    if not old:
        return
    with st.expander(words.count(len(old), "other link", "other links"), icon=":material/history:"):
        facts({link.wire_reference: _told(link) for link in old})


def _told(link: LinkDetail) -> str:
    whose = f" for place {link.place}" if link.place else ""
    made = f"{link.amount}{whose}, {moment(link.requested_at)}"
    if link.state in NEVER_MADE:
        return f"{made}: the gateway made no link"
    if link.state == "paid":
        return f"{made}: paid"
    asked = f"asked {moment(link.asked_at)}" if link.asked_at else "not asked yet"
    said = f", it said {link.answer_word}" if link.answer_word else ""
    return f"{made}: can still be paid and is watched; {asked}{said}"


def came_late(here: Person, detail: PaymentDetail) -> None:
    """Money that came late is offered to a payment of the same person that still waits."""
    if detail.row.status not in SETTLED:
        return
    with bootstrap.app().sessions.read() as session:
        offered = late.offered_to(session, here, detail.row.reference)
    if not offered:
        return
    with st.container(border=True):
        plain("Perhaps it was meant for", "title")
        for one in offered:
            st.button(
                escape(f"{one.payer_name} · {one.amount} · {words.STATUS[one.status].word}, by {one.by}"),
                key=f"drawer_meant_{one.reference}",
                icon=":material/arrow_forward:",
                on_click=partial(turn_to, one.reference),
                width="stretch",
            )
        plain("Decide under Needs attention that this money pays for it, and say which one.", "faint")
