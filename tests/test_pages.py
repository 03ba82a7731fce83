"""The pages as people of each role meet them, and what payers' words can do to them: nothing."""

import html
import json
import re
import shutil
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import bootstrap
import environment
import ui.claims
import ui.here
import words
from db.session import Sessions, open_engine
from payments import lifecycle
from payments.access import people, signin, signin_links, staff
from payments.access.people import POLICY, Action, Role
from payments.deciding.cases import Decision, Reason
from payments.errors import Conflict
from payments.finding import search
from payments.hearing import inbox
from payments.hearing.replay import View
from payments.lifecycle import Effect, Kind, Method, Review, Source, Status
from payments.live.funnel import Outcome
from payments.live.stages import Stage
from payments.money_back import disputes
from payments.proofs.suspicion import Finding
from payments.reconciling import proposing
from payments.second_person import approvals
from payments.timeline import UNVERIFIED
from tests.canaries import plant
from tests.desk import ADMIN, FakeGateway, issue, make_event
from tests.samples import make_payment
from words import approvals as approval_words
from words import bank as bank_words
from words import filters as filter_words

ROOT = Path(__file__).parent.parent
PAGES = {
    "pages/monitor/live.py": Action.SEE,
    "pages/monitor/payments.py": Action.SEE,
    "pages/monitor/attention.py": Action.SEE,
    "pages/monitor/approvals.py": Action.SEE_APPROVALS,
    "pages/monitor/inbox.py": Action.SEE_INBOX,
    "pages/finance/workbench.py": Action.SEE_BANK,
    "pages/finance/statements.py": Action.SEE_BANK,
    "pages/finance/closing.py": Action.SEE_BANK,
    "pages/finance/payouts.py": Action.SEE_BANK,
    "pages/finance/rules.py": Action.SEE_BANK,
    "pages/finance/memory.py": Action.SEE_BANK,
    "pages/finance/refunds.py": Action.RECONCILE,
    "pages/finance/disputes.py": Action.RECORD,
    "pages/finance/registrations.py": Action.RECORD,
    "pages/finance/prices.py": Action.RECORD,
    "pages/finance/reports.py": Action.EXPORT,
    "pages/finance/schedules.py": Action.SCHEDULE,
    "pages/finance/exports.py": Action.EXPORT,
    "pages/finance/legacy.py": Action.SEE_BANK,
    "pages/door/take.py": Action.ISSUE_LINK,
    "pages/door/board.py": Action.TAKE_MONEY,
    "pages/door/sheet.py": Action.ISSUE_LINK,
    "pages/door/shift.py": Action.TAKE_MONEY,
    "pages/admin/events.py": Action.MANAGE_EVENTS,
    "pages/admin/people.py": Action.MANAGE_PEOPLE,
    "pages/admin/systems.py": Action.MANAGE_EVENTS,
    "pages/admin/audit.py": Action.SEE_AUDIT,
    "pages/admin/privacy.py": Action.HANDLE_PRIVACY,
    "pages/admin/health.py": Action.MANAGE_SETTINGS,
    "pages/admin/settings.py": Action.MANAGE_SETTINGS,
    "pages/you/account.py": Action.SEE,
    "pages/you/guide.py": Action.SEE,
}


@dataclass
class Desk:
    """A desk in this process; ``cookie`` is whoever looks at it."""

    sessions: Sessions
    gateway: FakeGateway
    now: object
    cookie: str | None = None

    def sign_in(self, role: Role, events: list[int] | None = None) -> None:
        with self.sessions.begin() as session:
            person = staff.create_person(
                session, people.SYSTEM, name=f"{role} person", email=f"{role}@example.org", role=role,
                events=events, now=self.now,
            )  # fmt: skip
            link = signin_links.make_sign_in_link(session, people.SYSTEM, person.id, now=self.now)
        visitor = signin.Visitor("127.0.0.1")
        token = signin_links.sign_in_by_link(self.sessions, link, visitor=visitor, now=self.now)
        self.cookie = plant("a cookie", token)

    def open(self, page: str, /, **query: str) -> AppTest:
        """The page within the dashboard, as a browser would come to it."""
        at = AppTest.from_file(str(ROOT / "dashboard.py"), default_timeout=30)
        at.query_params.update(query)
        return at.switch_page(str(ROOT / page)).run()


@pytest.fixture
def desk(sqlite_template, tmp_path, now, monkeypatch):
    path = tmp_path / "desk.db"
    shutil.copyfile(sqlite_template, path)
    engine = open_engine(f"sqlite:///{path}")
    settings = environment.read_settings({"IKHOKHA_APP_ID": "demo", "DATA_DIR": str(tmp_path)}, None)
    one = Desk(Sessions(engine), FakeGateway(), now)
    app = bootstrap.App(settings, one.sessions, {"ikhokha": one.gateway}, lambda: now)
    monkeypatch.setattr(bootstrap, "app", lambda: app)
    monkeypatch.setattr(ui.here, "cookie", lambda name: one.cookie)
    monkeypatch.chdir(ROOT)
    st.cache_data.clear()
    st.cache_resource.clear()
    with one.sessions.begin() as session:
        make_event(session, now=now)
    yield one
    engine.dispose()


# -- who sees what ----------------------------------------------------------------------------------


def a_large_payment(desk) -> None:
    """Money and moments to be told, on several pages."""
    with desk.sessions.begin() as session:
        event = make_event(session, "grand", now=desk.now)
        payment = make_payment(session, event, now=desk.now, amount_minor=98_765_432)
        lifecycle.receive(
            session, payment, kind="cash", source_reference="s1", amount=payment.amount, now=desk.now,
            source=Source.DESK, actor="Thandi",
        )  # fmt: skip


#: Not en-ZA, where a person reads: a comma between thousands, none at all, R apart from its digits; days as
#: machines or Americans write them; hours of twelve.
FOREIGN = re.compile(
    r"R\s?[0-9]{1,3},[0-9]{3}|R[0-9]{4}|R\s+[0-9]|\b20[0-9]{2}-[01][0-9]-[0-3][0-9]\b"
    r"|\b[0-9]{1,2}/[0-9]{1,2}/20[0-9]{2}\b|\b[0-9]{1,2}:[0-9]{2} [AaPp]\.?[Mm]"
    r"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* [0-9]{1,2}, 20[0-9]{2}"
)


def foreign(at: AppTest) -> list[str]:
    """What a page says otherwise than people here write it."""
    texts = [
        str(one.value)
        for kind in (
            "markdown",
            "caption",
            "subheader",
            "title",
            "metric",
            "info",
            "warning",
            "success",
            "error",
        )
        for one in getattr(at, kind)
    ]
    labels = [one.label for kind in ("button", "selectbox", "checkbox", "radio") for one in getattr(at, kind)]
    seen = re.sub(r"(?s)<style.*?</style>|<code.*?</code>|[A-Za-z-]+=\"[^\"]*\"", " ", all_html(at))
    return [found[0] for text in (*texts, *labels, seen) for found in FOREIGN.finditer(text)]


@pytest.mark.parametrize(
    ("text", "is_foreign"),
    [
        ("R 1,500.00", True), ("R1500.00", True), ("R1,500.00", True), ("11/23/2026", True),
        ("2026-11-23", True), ("Nov 23, 2026", True), ("3:05 PM", True),
        ("R1\N{NO-BREAK SPACE}500.00", False),
        ("23 Nov 2026, 15:05", False), ("R150.00", False),
    ],
)  # fmt: skip
def test_what_is_not_written_as_people_here_write_is_seen(text, is_foreign):
    assert bool(FOREIGN.search(text)) is is_foreign


@pytest.mark.parametrize("role", list(Role))
def test_each_role_gets_its_pages_and_no_others(desk, role):
    a_large_payment(desk)
    desk.sign_in(role)
    otherwise = {}
    for page, action in PAGES.items():
        if role in POLICY[action]:
            at = desk.open(page)
            assert not at.exception, page
            assert len(at.title) == 1, page
            otherwise[page] = foreign(at)
            assert "Something broke on our side" not in all_html(at), page
        else:
            direct = AppTest.from_file(str(ROOT / page), default_timeout=30).run()
            assert not direct.title, page
            assert "not for your role" in all_html(direct), page
    assert {page: found for page, found in otherwise.items() if found} == {}


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_gets_a_way_to_sign_in_and_nothing_else(desk, page):
    with desk.sessions.begin() as session:
        make_event(session, "secretconf", now=desk.now)
    at = AppTest.from_file(str(ROOT / page), default_timeout=30).run()
    assert 'href="/signin"' in all_html(at)
    assert not at.title
    assert "secret" not in "".join(everything(at)).lower()


def test_a_session_that_ends_is_felt_by_the_open_page(desk):
    desk.sign_in(Role.ADMIN)
    at = desk.open("pages/monitor/payments.py")
    with desk.sessions.begin() as session:
        signin.sign_out(session, desk.cookie, now=desk.now)
    at.run()
    assert not at.title
    assert "not signed in" in all_html(at)


def test_an_organiser_sees_nothing_of_another_event(desk):
    with desk.sessions.begin() as session:
        mine = make_event(session, "minefest", now=desk.now).id
    other = issue(desk.sessions, desk.gateway, now=desk.now, payer_name="Secret Sipho")
    desk.sign_in(Role.ORGANISER, [mine])
    for page in (
        "pages/monitor/live.py",
        "pages/monitor/payments.py",
        "pages/monitor/attention.py",
        "pages/door/take.py",
        "pages/door/shift.py",
    ):
        shown = "".join(everything(desk.open(page)))
        assert "Secret" not in shown, page
        assert "Devconf" not in shown, page
    at = desk.open("pages/monitor/payments.py", payment=other.reference)
    assert "There is no payment" in at.error[0].value
    assert "Secret" not in "".join(everything(at))


# -- a second person --------------------------------------------------------------------------------


def test_a_request_waits_for_another_person_and_never_for_whoever_asked(desk):
    """The count stands in the menu of who may decide; whoever asked finds no button to approve."""
    desk.sign_in(Role.FINANCE)
    with desk.sessions.begin() as session:
        farai = people.system_person(session, "finance@example.org")
        staff.create_person(
            session, people.SYSTEM, name="Second", email="second@example.org", role=Role.ADMIN, events=None,
            now=desk.now,
        )  # fmt: skip
        wanted = approvals.Ask(approvals.What.EXPORT_PERSONAL, "EXP_1", {"rows": 20_000}, None)
        approvals.ask(session, farai, wanted, "The auditors want it", now=desk.now)
    at = desk.open("pages/monitor/approvals.py")
    assert "approve_1" not in {button.key for button in at.button}
    desk.sign_in(Role.ADMIN)
    at = desk.open("pages/monitor/approvals.py")
    assert "20000" in all_html(at)
    at.button(key="approve_1").click().run()
    assert not at.exception
    assert at.success[0].value == ui.escape("Approved.")
    with desk.sessions.read() as session:
        standing = approvals.standing(session, farai, wanted, now=desk.now)
    assert standing.state is approvals.State.APPROVED
    assert standing.decider == "admin person"


# -- payers' words ----------------------------------------------------------------------------------

_TRICKS = (
    "![evil](http://evil.example/p.png)", "[evil](http://evil.example)", "**evil**", "__evil__", "`evil`",
    "~~evil~~", "<b>evil</b>", "<img src=x onerror=evil()>", "<script>evil()</script>", "</script>evil",
    "# evil", "> evil", "- evil", "1. evil", "| evil | x |", ":evil:", ":material/evil:", ":red[evil]",
    ":red-badge[evil]", "$evil$", "$$evil$$", "http://evil.example", "www.evil.example", "evil@evil.example",
    "evil -> evil", "=HYPERLINK(\"evil\")", "+evil", "@evil", "{{evil}}", "{evil}", "%evil%", "\\evil\\",
    "evil'; DROP TABLE payments;--", "\"evil\"", "'evil'", "&lt;evil&gt;", "&#60;evil&#62;", "evil\u202egnp",
    "evil\u2066x\u2069", "<!--evil-->", "<style>evil</style>", "<a href=javascript:evil()>x</a>",
    "[evil]: http://evil.example", "[^evil]", "***evil***", "___\nevil", "===\nevil", "\tevil", "    evil",
    "evil  \nevil", "<svg/onload=evil()>", "![][evil]", "<evil@evil.example>", "https://evil.example/?a=b&c=d",
    ":smile: evil", ":streamlit: evil", ":small[evil]", ":rainbow[evil]", "\\[evil\\]", "evil\u00a0**x**",
)  # fmt: skip
#: What our own HTML is made of. Anything else came from somebody's name.
_OURS = {
    "a", "br", "caption", "dd", "div", "dl", "dt", "h3", "img", "li", "ol", "p", "section", "span", "strong",
    "style", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


def test_there_are_sixty_tricks():
    assert len(set(_TRICKS)) == 60


@pytest.fixture
def tricked(desk):
    """A desk with a payment of each hostile name; their references."""
    desk.sign_in(Role.ADMIN)
    return [issue(desk.sessions, desk.gateway, now=desk.now, payer_name=name).reference for name in _TRICKS]


def test_no_payers_name_becomes_markdown_or_html_on_the_lists(desk, tricked):
    for page in ("pages/monitor/live.py", "pages/monitor/payments.py", "pages/door/take.py"):
        harmless(desk.open(page))


def test_no_payers_name_becomes_markdown_or_html_in_the_drawer(desk, tricked):
    at = desk.open("pages/monitor/payments.py")
    for reference in tricked:
        at.query_params["payment"] = reference
        at.run()
        assert reference in all_html(at)
        harmless(at)


def test_no_payers_name_becomes_markdown_or_html_beside_the_code(desk, tricked):
    at = desk.open("pages/door/take.py")
    for reference in tricked:
        at.session_state["take_open"] = reference
        at.run()
        assert reference in all_html(at)
        harmless(at)


def harmless(at: AppTest) -> None:
    """Only HTML of ours, with the name escaped, and what sets text as text, may hold it."""
    assert not at.exception
    for node in at._tree:
        proto = getattr(node, "proto", None)
        if node.type == "html":
            assert tags(proto.body) <= _OURS, proto.body
        elif proto is not None and node.type not in ("bidi_component", "code"):
            shown = type(proto).FromString(proto.SerializeToString())
            if node.type == "text_input":
                shown.ClearField("default")  # what stands in a field is text
            assert "evil" not in str(shown), node


def tags(text: str) -> set[str]:
    found: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.add(tag)
            assert not any(name.startswith("on") for name, _ in attrs)

    Reader().feed(text)
    return found


def everything(at: AppTest) -> list[str]:
    return [str(node.proto) for node in at._tree if getattr(node, "proto", None) is not None]


def component(at: AppTest, name: str) -> list[dict[str, Any]]:
    """What each component of this name was given to show."""
    protos = [node.proto for node in at._tree if node.type == "bidi_component"]
    return [json.loads(proto.json) for proto in protos if proto.component_name == f"paydesk.{name}"]


def all_html(at: AppTest) -> str:
    return html.unescape("".join(node.proto.body for node in at._tree if node.type == "html"))


@pytest.mark.parametrize("trick", _TRICKS)
def test_a_sentence_that_quotes_somebody_stays_a_sentence(trick):
    shown = ui.escape(trick)
    bare = re.sub(r"\\.", "", shown)
    assert not re.search(r"[`*_\[\]<>#~$|!:]", bare)
    assert not re.search(r"(?i)www\\\.|:\\?/|[a-z]\\?@", shown)


def test_an_error_of_ours_is_a_sentence_and_a_bug_is_a_number(desk):
    def page():
        import ui
        from payments.errors import Conflict

        with ui.error_boundary():
            raise Conflict("Taken by **Thandi**.")
        with ui.error_boundary():
            raise KeyError("secret")

    at = AppTest.from_function(page).run()
    assert at.error[0].value == "Taken by \\*\\*Thandi\\*\\*\\."
    assert "support the number" in at.error[1].value
    assert "secret" not in at.error[1].value
    assert issubclass(Conflict, Exception)


def test_a_step_that_breaks_leaves_its_page_and_is_told_at_its_top(desk):
    """A callback that raises ends the run before the page is drawn: *Approve* had left an empty one."""

    def page():
        import streamlit as st
        from sqlalchemy.exc import OperationalError

        import ui

        def broken(session, me, error, *, now):
            raise error

        ui.outcome()
        st.button("Bug", on_click=ui.act, args=("Approved.", broken, KeyError("secret")))
        away = OperationalError("select", {}, Exception("gone"))
        st.button("Away", on_click=ui.act, args=("Approved.", broken, away))

    desk.sign_in(Role.FINANCE)
    at = AppTest.from_function(page).run()
    for button, says in zip((0, 1), ("support the number", "database"), strict=True):
        at.button[button].click().run()
        assert not at.exception
        assert says in at.error[0].value
        assert not at.success


# -- taking a payment -------------------------------------------------------------------------------


def test_a_form_holds_one_reference_however_often_it_is_drawn(desk):
    desk.sign_in(Role.ORGANISER)
    at = desk.open("pages/door/take.py")
    drawn = at.session_state["take_draft"]
    at.run()
    at.run()
    assert at.session_state["take_draft"] == drawn


def test_a_link_is_made_from_the_form_and_shown(desk):
    desk.sign_in(Role.ORGANISER)
    at = desk.open("pages/door/take.py")
    reference = at.session_state["take_draft"][1]
    at.text_input(key="take_who").set_value("Zanele M.")
    at.button[0].click().run()
    assert not at.error
    assert reference in all_html(at)
    with desk.sessions.read() as session:
        assert search.get(session, ADMIN, reference).row.payer_name == "Zanele M."


def test_what_is_wrong_with_the_form_is_a_sentence_and_makes_no_link(desk):
    desk.sign_in(Role.ORGANISER)
    at = desk.open("pages/door/take.py")
    at.pills[0].set_value(0).run()
    at.text_input(key="take_who").set_value("Zanele M.")
    at.text_input(key="take_amount").set_value("1,5")
    at.button[0].click().run()
    assert "is not an amount" in at.error[0].value
    assert desk.gateway.requests == []


# -- words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "told, ours",
    [
        pytest.param(words.STATUS, Status, id="status"),
        pytest.param(words.STAGE, Stage, id="stage"),
        pytest.param(words.OUTCOME, Outcome, id="outcome"),
        pytest.param(words.METHOD, Method, id="method"),
        pytest.param(words.REVIEW, Review, id="review"),
        pytest.param(words.ROLE, Role, id="role"),
        pytest.param(bank_words.EXCEPTION, proposing.Reason, id="exception"),
        pytest.param(words.SOURCE, Source, id="source"),
        pytest.param(words.KIND, {*Kind, UNVERIFIED}, id="timeline"),
        pytest.param(words.VIEW, View, id="inbox"),
        pytest.param(words.CASE, Reason, id="reason"),
        pytest.param(words.DECISION, Decision, id="decision"),
        pytest.param(bank_words.DISPUTE, disputes.State, id="dispute"),
        pytest.param(bank_words.DISPUTED, disputes.Why, id="reason of a dispute"),
        pytest.param(approval_words.ASKED, approvals.What, id="what is asked for"),
        pytest.param(ui.claims.FINDING, Finding, id="finding"),
        pytest.param(approval_words.APPROVAL, approvals.State, id="request"),
        pytest.param(
            words.EFFECT,
            {"", *Effect, inbox.UNCONFIRMED, inbox.UNMATCHED, inbox.UNREADABLE, inbox.IGNORED},
            id="effect",
        ),
    ],
)
def test_every_word_of_ours_has_one_for_people(told, ours):
    assert set(told) == set(ours)


def test_every_status_is_in_exactly_one_group():
    grouped = [status for group in filter_words.GROUPS.values() for status in group]
    assert sorted(grouped) == sorted(Status)


def test_no_two_statuses_look_alike_without_their_colour():
    looks = [(look.word, look.icon) for look in words.STATUS.values()]
    assert len(set(looks)) == len(Status)
