"""What somebody gets by mail, as they choose it on their own page."""

import streamlit as st

import bootstrap
from payments.access import choices
from payments.access.choices import Mail
from payments.access.people import Action, Person
from payments.selling import events
from ui.here import error_boundary, require
from ui.pieces import escape, plain


def mail_form(person: Person) -> None:
    app = bootstrap.app()
    with app.sessions.read() as session:
        chosen = choices.mail(session, person.id)
        names = {one.id: one.name for one in events.list_events(session, person)}
    st.subheader("Mail", anchor=False)
    if not app.settings.mail_url:
        plain("This desk sends no mail: MAIL_URL is not set.", "faint")
    with st.form("mail"):
        morning = st.toggle(
            "Every morning at seven, what waits for me", chosen.morning,
            help="Cases, bank lines, late payouts, claims, requests and signed days, as far as they are "
            "yours to see, in a few lines without a payer's name. Where nothing waits there is no mail.",
        )  # fmt: skip
        asked = chosen.requests
        if person.may(Action.APPROVE):
            asked = st.toggle("At once, when a request or a signed day waits for my decision", asked)
        answers = st.toggle("At once, when my own is approved, refused or runs out", chosen.answers)
        about = st.multiselect(
            "Of which events", names, [one for one in names if one in chosen.events],
            format_func=lambda one: escape(names[one]), placeholder="All that I see",
            help="What waits and requests. Bank lines and payouts are of all events, and only told with all.",
        )  # fmt: skip
        if st.form_submit_button("Save", icon=":material/save:"):
            _save(Mail(morning, asked, answers, frozenset(about)))


def _save(wanted: Mail) -> None:
    app = bootstrap.app()
    with error_boundary():
        here = require(Action.SEE)
        app.sessions.run(lambda session: choices.choose_mail(session, here, wanted))
        st.toast("Your choice is kept.", icon=":material/check:")
