"""What an admin settles for an event's payers on its page: terms, reminders, who the organiser is."""

from datetime import time

from payments.access.people import Role
from payments.asking import reminders
from payments.asking.reminders import Plan
from payments.payers.payer_words import Language
from payments.selling import organisers, terms
from payments.selling.organisers import Organiser
from payments.selling.terms import Terms
from payments.watching.alerts import QuietHours
from tests.test_pages import all_html, desk

__all__ = ["desk"]


def save(at, what):
    next(one for one in at.button if one.label == f"Save the {what}").click().run()
    assert not at.exception
    return at


def test_what_an_admin_settles_is_kept(desk):
    desk.sign_in(Role.ADMIN)
    at = desk.open("pages/admin/events.py")
    at.button(key="change_devconf").click().run()
    at.selectbox(key="terms_expiry").select(14)
    at.selectbox(key="terms_language").select(Language.ZULU)
    assert "isiZulu: no speaker has read it yet" in at.selectbox(key="terms_language").options
    assert save(at, "terms").success[0].value == "The terms are saved."
    at.pills(key="reminder_days").set_value([-7, 1])
    at.time_input(key="reminder_from").set_value(time(20))
    assert save(at, "reminders").success[0].value == "The reminders are saved."
    at.text_input(key="organiser_name").set_value("Example Events NPC")
    at.text_input(key="organiser_vat").set_value("12")
    assert "ten digits" in save(at, "organiser").error[0].value
    at.text_input(key="organiser_vat").set_value("4123456789")
    at.text_area(key="organiser_address").set_value("12 Long Street")
    assert save(at, "organiser").success[0].value == r"The organiser is saved\."
    with desk.sessions.read() as session:
        assert terms.of(session, 1) == Terms(14, Language.ZULU)
        assert reminders.plan_of(session, 1) == Plan((-7, 1), QuietHours(time(20), time(8)))
        assert organisers.of(session, 1) == Organiser("Example Events NPC", "12 Long Street", "4123456789")


def test_an_admin_has_the_texts_of_a_language_signed(desk):
    desk.sign_in(Role.ADMIN)
    at = desk.open("pages/admin/settings.py")
    assert "Kukhokhiwe. Siyabonga!" in all_html(at)
    at.text_input(key="speaker_zu").set_value("Nomvula Dube")
    next(
        one for one in at.button if one.label == "They stand by these texts" and "zu" in one.form_id
    ).click().run()
    assert not at.exception
    assert "Nomvula Dube read these texts" in all_html(at)
