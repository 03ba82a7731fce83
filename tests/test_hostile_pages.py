"""One hostile word in each text that people or files may bring, on every page: nowhere more than text."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import String, cast, literal, select, update

from db.models import Base, Payment
from payments.access import people
from payments.access.people import Role
from payments.deciding import lookout
from payments.finding import views
from payments.finding.search import Filter
from payments.reconciling import rule_book
from payments.second_person import approvals
from tests.desk import issue
from tests.test_pages import PAGES, Desk, desk, everything, tags
from tests.test_payout_pages import There
from tests.test_rule_book import HIRE
from ui.pieces import escape

__all__ = ["desk"]
EVIL = (
    "![evil](http://evil.example/p.png) <script>evil()</script> <img src=x onerror=evil()> **evil** `evil` "
    ":red[evil] $evil$ [evil](javascript:evil()) =evil"
)
#: Free texts, by table: whoever writes them chose every letter.
TEXTS = {
    "events": ["name"], "categories": ["name"], "people": ["name"], "bank_accounts": ["name"],
    "payments": ["payer_name", "payer_email", "note", "created_by"],
    "statement_files": ["name"],
    "payout_files": ["name"], "payout_lines": ["reference", "reason", "raw"],
    "cases": ["note"], "saved_views": ["name"], "match_rules": ["name"],
    "payout_mappings": ["name"], "statement_mappings": ["name"],
}  # fmt: skip
#: What our own HTML is made of, on all pages.
OURS = {
    "a", "b", "br", "caption", "dd", "div", "dl", "dt", "em", "h2", "h3", "img", "li", "ol", "p", "path",
    "rect", "section", "span", "strong", "style", "svg", "table", "tbody", "td", "text", "th", "thead",
    "title", "tr", "ul", "g", "line", "circle",
}  # fmt: skip
#: Widgets whose choices and values are set as text; what stands over them is not.
AS_TEXT = {"selectbox", "multiselect", "text_input", "text_area"}
PLACES: dict[str, list[dict[str, str]]] = {
    "pages/finance/payouts.py": [{}, {"payout": "1"}],
    "pages/monitor/attention.py": [{}, {"case": "1"}],
}


@pytest.fixture
def evil(desk: Desk) -> Desk:
    """A desk on which something of everything waits, and each of its texts is hostile."""
    bench = There(desk)
    one = bench.paid()
    issue(desk.sessions, desk.gateway, now=desk.now, payer_name="Open")
    bench.bring(bench.row(one), "2026-11-20,Refund,WEBSHOP-1,,-100.00,,,,P1", "what is this")
    bench.bank(bench.net())
    bench.bank("70.00", what=EVIL)  # what a line says never changes
    bench.propose()
    desk.sign_in(Role.FINANCE)  # somebody who could approve
    desk.sign_in(Role.ADMIN)
    with desk.sessions.begin() as session:
        me = people.system_person(session, "admin@example.org")
        rule_book.save(session, me, HIRE, now=desk.now)
        views.save(session, me, "Mine", Filter(), now=desk.now)
        wanted = approvals.Ask(approvals.What.EXPORT_PERSONAL, "EXP_1", {"rows": 20_000}, None)
        approvals.ask(session, me, wanted, EVIL, now=desk.now)
        session.scalars(select(Payment).where(Payment.payer_name == "Open")).one().review = "overpaid"
    lookout.look(desk.sessions, now=desk.now + timedelta(days=1))
    with desk.sessions.begin() as session:
        for name, columns in TEXTS.items():
            table = Base.metadata.tables[name]
            numbered = literal(EVIL).concat(cast(table.c.id, String))  # some names are there once
            session.execute(update(table).values(dict.fromkeys(columns, numbered)))
    return desk


def test_no_text_of_anybody_becomes_markdown_or_html_on_any_page(evil: Desk):
    """Every page, as an admin: only what sets text as text may hold the word."""
    shown = set()
    for page in PAGES:
        for query in PLACES.get(page, [{}]):
            at = evil.open(page, **query)
            assert not at.exception, page
            shown |= {page} if "evil" in "".join(everything(at)) else set()
            for node in at._tree:
                proto = getattr(node, "proto", None)
                if node.type == "html":
                    assert tags(proto.body) <= OURS, (page, proto.body)
                elif node.type in AS_TEXT:
                    assert "evil" not in proto.label + proto.help, (page, node)
                elif node.type == "dataframe":  # its cells are drawn as text on a canvas
                    for column in json.loads(proto.columns or "{}").values():
                        assert "evil" not in f"{column.get('label')}{column.get('help')}", (page, column)
                    proto.arrow_data.Clear()
                    proto.ClearField("columns")
                    assert "evil" not in str(proto), (page, proto)
                elif proto is not None and node.type not in ("bidi_component", "code"):
                    told = str(proto).replace("\\\\", "\\").replace(escape(EVIL), "")
                    assert "evil" not in told, (page, told)
    assert len(shown) > 15
