"""The screen that is turned to a payer at the door: the code, the amount, the name, and what came of it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st

import bootstrap
from payments.access.people import Action
from payments.asking import links
from payments.asking.links import LinkView
from payments.finding import search
from payments.finding.search import PaymentDetail
from payments.lifecycle import SETTLED, Status
from payments.payers import payer_words
from payments.payers.payer_words import Text
from payments.selling import terms
from ui.components import component
from ui.here import error_boundary, require
from ui.pieces import qr_picture

#: What stands on it in the desk's own language: whoever holds the phone reads that.
_WORDS = {"open": "Show the code to the payer", "back": "Back", "next": "Next payer"}
_SAYS = {"waiting": Text.SCAN, "failed": Text.FAILED, "paid": Text.PAID}


@st.fragment(run_every="2s")
@error_boundary()
def payer_screen(reference: str, place: int = 0, *, key: str, then: Callable[[], None]) -> None:
    """A button that opens it, and the screen, which looks every two seconds. ``then``: the next payer."""
    here = require(Action.ISSUE_LINK, active=False)
    if st.session_state.pop(f"{key}_next", None) == reference:
        then()
        st.rerun()
    with bootstrap.app().sessions.read() as session:
        detail = search.get(session, here, reference)
        link = links.current(session, here, reference, place) if detail.links else None
        language = terms.of(session, detail.event_id).language
    row = detail.row
    if link is None or link.url is None:
        return
    if not (row.status in SETTLED or link.is_paid or link.fits):
        return  # some of it is here: whoever scanned this would pay too much
    component("payer")(key=key, data=_shown(detail, link, language), on_next_change=partial(_next, key))


def _next(key: str) -> None:
    st.session_state[f"{key}_next"] = st.session_state[key].next


def _shown(detail: PaymentDetail, link: LinkView, language: payer_words.Language) -> dict[str, Any]:
    paid = link.status in SETTLED or link.is_paid
    state = "paid" if paid else "failed" if link.status is Status.FAILED else "waiting"
    row, whole = detail.row, not (link.place or link.part)
    return {
        "reference": row.reference,
        "state": state,
        "amount": str(row.received if paid and whole else link.amount),
        "quoted": detail.quoted.sum if detail.quoted and link.amount == row.amount else "",
        "name": row.payer_name,
        "event": row.event_name,
        "says": payer_words.say(language, _SAYS[state]),
        "lang": language.value,
        "demo": bootstrap.app().settings.demo,
        "picture": qr_picture(link.url or ""),
        "about": f"The code to scan, for {link.amount}",
        "words": _WORDS,
    }
