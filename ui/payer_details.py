"""The form for what becomes known of a payer later."""

import streamlit as st

import bootstrap
from payments.access.people import Action
from payments.payers import payer_details
from ui.here import error_boundary, require


def details_form(reference: str) -> str | None:
    """One line about the payer; returns what was kept, to be told."""
    with st.form(f"details_{reference}", border=False):
        said = st.text_input(
            "Name, e-mail or phone", key=f"details_said_{reference}", autocomplete="off",
            placeholder="082 123 4567",
        )  # fmt: skip
        if not st.form_submit_button("Keep it", icon=":material/contact_phone:", width="stretch"):
            return None
    app = bootstrap.app()
    kept = app.sessions.run(
        lambda session: payer_details.add(
            session, require(Action.ISSUE_LINK), reference, said or "", now=app.now()
        )
    )
    return f"Kept: {', '.join(kept)}."


def details_later(reference: str) -> None:
    """Folded away on the page that takes money."""
    with st.expander("Name, e-mail or phone", icon=":material/contact_phone:"), error_boundary():
        if (said := details_form(reference)) is not None:
            st.toast(said, icon=":material/check:")
            st.rerun()
