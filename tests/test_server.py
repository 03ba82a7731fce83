"""The ordinary life of the people's door: coming in and going, passwords, files, starting and ending.

Signing in is in ``test_server_signin.py``, what strangers and forgers try in ``test_server_hostile.py``.
"""

import base64
import hashlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import func, select

from db.models import Payment
from payments import lifecycle
from payments.access import people, staff
from payments.access.people import SYSTEM, Role
from payments.access.second_factor import RECOVERY_CODES
from payments.access.signin import SESSIONS_A_PERSON
from payments.at_the_door import claims
from payments.at_the_door.claims import ClaimDraft
from payments.bank import accounts, imports
from payments.dates import business_day
from payments.keeping import keyring
from payments.lifecycle import Source
from payments.papers import issuing
from payments.papers.bodies import BillTo, PaperKind
from payments.papers.issuing import Wanted
from payments.proofs.files import Prepared
from payments.selling import organisers
from payments.selling.organisers import Organiser
from payments.sign_off import closing_papers
from tests.desk import make_event
from tests.running import PROJECT
from tests.samples import make_payment
from tests.served import Served, run, serving
from tests.test_second_factor import STEP, shows

pytestmark = pytest.mark.processes

PASSWORD, ANOTHER = "drie olifante koop sjokolade", "vyf renosters dans saggies"
LIVE = {
    "IKHOKHA_APP_ID": "IK0123456789",
    "IKHOKHA_SECRET_KEY": "invented for this test",
    "IKHOKHA_WEBHOOK_URL": "https://pay.example.org/webhooks/ikhokha",
    "IKHOKHA_RETURN_URL": "https://pay.example.org/return",
    "MAIL_URL": "",
}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A desk of one event with three payments."""
    with serving(tmp_path_factory.mktemp("door")) as served:
        with served.app.sessions.begin() as session:
            event = make_event(session, now=served.app.now())
            for number in range(3):
                make_payment(session, event, now=served.app.now(), payer_name=f"Payer {number}")
        yield served


def person(served: Served, name: str, role: Role = Role.VIEWER, *, password: str = "") -> str:
    """The address of somebody new at this desk."""
    email = f"{name.lower()}@example.org"
    with served.app.sessions.begin() as session:
        staff.create_person(
            session, SYSTEM, name=name, email=email, role=role, events=None, now=served.app.now()
        )
    if password:
        served.post("/password", served.come_in(email), password=password)
    return email


# -- coming in and going ------------------------------------------------------------------------------


def test_whoever_has_to_sign_in_comes_back_to_where_they_were(door: Served) -> None:
    email = person(door, "Naledi", password=PASSWORD)
    sent = door.ask("/payments?text=van%20Wyk&status=paid").headers["Location"]
    wanted = "/payments?text=van%20Wyk&status=paid"
    assert sent == f"/signin?next={quote(wanted, safe='/')}"
    kept = re.search(r'name="next" value="([^"]+)"', door.ask(sent).text)
    assert kept is not None
    assert kept[1].replace("&amp;", "&") == wanted
    welcome = door.post("/signin", email=email, password=PASSWORD, next=wanted)
    assert (welcome.status_code, welcome.headers["Location"]) == (303, wanted)


def test_a_deep_link_into_a_fresh_desk_finds_its_page(tmp_path: Path) -> None:
    """Until the first visit Streamlit took ``pages/`` for its older scheme, and said "page not found"."""
    with serving(tmp_path) as served:
        email = person(served, "Thandi", Role.ADMIN)
        with served.socket(served.come_in(email)) as connection:
            said = run(connection, "payments")
    assert "page_not_found" not in said
    assert "You are not signed in" not in said


def test_the_first_page_is_opened_by_its_own_address_too(door: Served) -> None:
    """Streamlit knows it as ``/`` alone, and told whoever typed ``/live`` that there is no such page."""
    token = door.come_in(person(door, "Palesa"))
    sent = [door.ask(f"/live{query}", token) for query in ("", "?day=2026-11-02")]
    assert [(reply.status_code, reply.headers["Location"]) for reply in sent] == [
        (307, "/"),
        (307, "/?day=2026-11-02"),
    ]
    assert door.ask("/live").headers["Location"] == "/signin?next=/live"


def test_too_many_guesses_have_to_wait(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        email = person(served, "Thandi", Role.ADMIN, password=PASSWORD)
        statuses: list[int] = []
        while not statuses or (statuses[-1] == 401 and len(statuses) < 15):
            statuses.append(served.post("/signin", email=email, password="a guess").status_code)
        assert statuses[:5] == [401] * 5
        assert statuses[-1] == 429
        held = served.post("/signin", email=email, password=PASSWORD)
        assert held.status_code == 429
        assert re.search(r"Too many attempts\. Wait .*second", held.text)


def test_a_fourth_browser_signs_the_first_one_out(door: Served) -> None:
    email = person(door, "Kagiso")
    tokens = [door.come_in(email) for _ in range(SESSIONS_A_PERSON + 1)]
    assert [door.ask("/", token).status_code for token in tokens] == [303, 200, 200, 200]


# -- passwords ----------------------------------------------------------------------------------------


def test_a_password_is_changed_by_whoever_knows_the_current_one(door: Served) -> None:
    email = person(door, "Lindiwe", password=PASSWORD)
    here, elsewhere = door.come_in(email), door.come_in(email)
    refused = door.post("/password", here, current="a guess", password=ANOTHER)
    assert (refused.status_code, "current password does not fit" in refused.text) == (422, True)
    changed = door.post("/password", here, current=PASSWORD, password=ANOTHER)
    assert changed.status_code == 303
    assert door.ask("/", changed.cookies["paydesk"]).status_code == 200
    assert [door.ask("/", token).status_code for token in (here, elsewhere)] == [303, 303]
    assert door.post("/signin", email=email, password=PASSWORD).status_code == 401
    assert door.post("/signin", email=email, password=ANOTHER).status_code == 303


def test_in_live_mode_a_link_asks_for_a_password_and_an_admin_for_codes(tmp_path: Path) -> None:
    with serving(tmp_path, **LIVE, ENCRYPTION_KEYS=keyring.new_key("test")) as served:
        email = person(served, "Thandi", Role.ADMIN)
        link = served.link(email)
        assert "Choose a password" in served.ask(f"/signin/link?token={link}").text
        for password in ("", "too short"):
            refused = served.post("/signin/link", token=link, password=password)
            assert (refused.status_code, "15 to 128" in refused.text) == (422, True)
        welcome = served.post("/signin/link", token=link, password=PASSWORD)
        token = welcome.cookies["paydesk"]
        assert served.ask("/", token).status_code == 200
        assert served.post("/signin", email=email, password=PASSWORD).headers["Location"] == "/code-app"
        secret, token = _set_up_codes(served, token)
        assert served.post("/signin", email=email, password=PASSWORD).status_code == 401
        code = shows(secret, served.app.now() + STEP)
        welcome = served.post("/signin", email=email, password=PASSWORD, code=code)
        assert (welcome.status_code, welcome.headers["Location"]) == (303, "/")
        assert served.post("/signin", email=email, password=PASSWORD, code=code).status_code == 401


def _set_up_codes(served: Served, token: str) -> tuple[bytes, str]:
    """The secret an app has from now on, and the session it goes on in."""
    page = served.ask("/code-app", token).text
    offered, key = (
        re.search(pattern, page)[1]  # type: ignore[index]
        for pattern in (r'name="offer" value="([^"]+)"', r'class="key"[^>]*>([A-Z2-7 ]+)<')
    )
    secret = base64.b32decode(key.replace(" ", ""))
    code = shows(secret, served.app.now())
    for wrong in ({"current": "a guess", "code": code}, {"current": PASSWORD, "code": "12345"}):
        refused = served.post("/code-app", token, offer=offered, **wrong)
        assert (refused.status_code, offered != "" and key in refused.text) == (422, True)
    papers = served.post("/code-app", token, offer=offered, current=PASSWORD, code=code)
    assert len(re.findall(r"<li>[2-9A-Z]{4}(?:-[2-9A-Z]{4}){5}</li>", papers.text)) == RECOVERY_CODES
    assert papers.headers["Cache-Control"] == "no-store"
    assert served.ask("/", token).status_code == 303, "the session from before goes on"
    return secret, papers.cookies["paydesk"]


def test_what_the_first_admin_typed_is_kept_when_the_password_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        form = {"token": served.link(None), "name": "Thandi Nkosi", "email": "thandi@example.org"}
        refused = served.post("/signin/link", **form, password="short")
        assert refused.status_code == 422
        assert 'value="Thandi Nkosi"' in refused.text
        assert 'value="thandi@example.org"' in refused.text
        assert served.post("/signin/link", **form, password=PASSWORD).status_code == 303


# -- what the browser may run -------------------------------------------------------------------------


def test_streamlits_own_script_may_run_and_no_other(door: Served) -> None:
    page = door.ask("/", door.come_in(person(door, "Mpho")))
    scripts = re.findall(r"<script(?![^>]*src=)[^>]*>(.*?)</script>", page.text, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = re.findall(r"'sha256-([^']+)'", page.headers["Content-Security-Policy"])
    assert digests
    assert allowed == digests


# -- files --------------------------------------------------------------------------------------------


def test_a_receipt_is_a_file_for_who_may_hand_it_out_and_then_a_copy(door: Served) -> None:
    with door.app.sessions.begin() as session:
        payment = session.scalars(select(Payment).order_by(Payment.id)).first()
        assert payment is not None
        lifecycle.receive(
            session, payment, kind="cash", source_reference="t-1", amount=payment.amount,
            now=door.app.now(), source=Source.DESK, actor="Thandi",
        )  # fmt: skip
        number = payment.receipts[0].id
    address = f"/receipt/{number}"
    assert door.ask(address).status_code in (302, 303, 307)
    assert door.ask(address, door.come_in(person(door, "Looker"))).status_code == 403
    token = door.come_in(person(door, "Owner", Role.ORGANISER))
    assert door.ask(address, token, method="HEAD").status_code == 405
    first, second = (door.ask(address, token) for _ in range(2))
    assert first.content.startswith(b"%PDF-")
    assert first.headers["Cache-Control"] == "no-store"
    names = [reply.headers["Content-Disposition"] for reply in (first, second)]
    assert ["copy" in name for name in names] == [False, True]
    assert door.ask("/receipt/999999", token).status_code == 404


def test_an_invoice_is_a_file_for_who_may_hand_it_out_and_then_a_copy(door: Served) -> None:
    with door.app.sessions.begin() as session:
        payment = session.scalars(select(Payment).order_by(Payment.id)).first()
        assert payment is not None
        organisers.save(session, SYSTEM, payment.event.code, Organiser("Example Club"), now=door.app.now())
        wanted = Wanted("form", PaperKind.INVOICE, (payment.reference,), BillTo("Sipho"))
        address = f"/bill/{issuing.issue(session, SYSTEM, wanted, now=door.app.now())}"
    assert door.ask(address).status_code in (302, 303, 307)
    assert door.ask(address, door.come_in(person(door, "Onlooker"))).status_code == 403
    token = door.come_in(person(door, "Clerk", Role.ORGANISER))
    assert door.ask(address, token, method="HEAD").status_code == 405
    first, second = (door.ask(address, token) for _ in range(2))
    assert first.content.startswith(b"%PDF-")
    names = [reply.headers["Content-Disposition"] for reply in (first, second)]
    assert ["copy" in name for name in names] == [False, True]
    assert door.ask("/bill/999999", token).status_code == 404


def test_a_reconciliation_statement_is_a_file_for_who_sees_the_bank_and_is_known_again(door: Served) -> None:
    finance = person(door, "Closer", Role.FINANCE)
    with door.app.sessions.begin() as session:
        account = accounts.create(session, SYSTEM, name="Papers", now=door.app.now()).id
        rows = b"Date,Description,Amount,Balance\n2026-01-20,EFT,5.00,15.00\n"
        imports.import_file(session, SYSTEM, account, "a.csv", rows, now=door.app.now())
    address = f"/paper/statement/{account}/2026-01-20/2026-01-20"
    assert door.ask(address, door.come_in(person(door, "Gate", Role.ORGANISER))).status_code == 403
    token = door.come_in(finance)
    assert door.ask(address, token, method="HEAD").status_code == 405
    file = door.ask(address, token)
    assert file.content.startswith(b"%PDF-")
    with door.app.sessions.read() as session:
        (made,) = closing_papers.made(session, SYSTEM, account)
    assert made.sha256 == hashlib.sha256(file.content).hexdigest()
    for wrong, says in (
        (f"/paper/statement/{account}/2026-01-19/2026-01-19", 409),
        (f"/paper/journal/{account}/2026-01-20/2026-01-20", 409),
        ("/paper/statement/999/2026-01-20/2026-01-20", 404),
        (f"/paper/statement/{account}/soon/never", 404),
        (f"/paper/else/{account}/2026-01-20/2026-01-20", 404),
    ):
        assert door.ask(wrong, token).status_code == says, wrong


def test_a_report_is_a_file_for_who_may_export(door: Served) -> None:
    address = "/report/revenue.pdf?period=2026-03&basis=paid"
    viewer = door.come_in(person(door, "Bystander", Role.VIEWER))
    assert door.ask(address, viewer).status_code == 403
    token = door.come_in(person(door, "Reporter", Role.ORGANISER))
    assert door.ask(address, token, method="HEAD").status_code == 405
    file = door.ask(address, token)
    assert file.content.startswith(b"%PDF-")
    assert "revenue-paid-2026-03-01-to-2026-03-31" in file.headers["Content-Disposition"]
    for wrong, says in (
        ("/report/profit.pdf", 404),
        ("/report/revenue.docx", 404),
        ("/report/revenue.csv?basis=moon", 400),
        ("/report/revenue.csv?period=soon", 400),
        ("/report/takings.csv?event=none", 404),
        ("/report/transit.csv", 403),
    ):
        assert door.ask(wrong, token).status_code == says, wrong


def test_a_reader_who_leaves_frees_the_export(door: Served) -> None:
    """More of them than the database has connections for us."""
    token = door.come_in(person(door, "Zola", Role.FINANCE))
    with door.app.sessions.read() as session:
        count = session.scalar(select(func.count()).select_from(Payment))
    for _ in range(40):
        with socket.create_connection(("127.0.0.1", door.port)) as raw:
            asked = f"GET /export HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: paydesk={token}\r\n\r\n"
            raw.sendall(asked.encode())
    answer = door.ask("/export", token)
    assert (answer.status_code, answer.headers["X-Row-Count"]) == (200, str(count))
    assert len(answer.text.splitlines()) == count + 1


# -- starting and ending ------------------------------------------------------------------------------


def test_a_proof_is_saved_by_who_may_see_it_and_runs_nowhere(door: Served) -> None:
    """A PDF somebody brought could hold anything: it is never drawn within the desk."""
    app = door.app
    organiser = person(door, "Orla", Role.ORGANISER)
    with app.sessions.begin() as session:
        event = make_event(session, "proofs", now=app.now())
        payment = make_payment(session, event, now=app.now())
        by = people.system_person(session, organiser)
        draft = ClaimDraft("proof", payment.reference, payment.amount, business_day(app.now()))
        claims.record(
            session, by, draft, Prepared("pdf", b"%PDF-1.4 <script>", "0" * 64), app.keys, now=app.now()
        )
        (shown,) = claims.of_payment(session, by, payment.reference, now=app.now())
    address = f"/proof/{shown.proofs[0].id}"
    token = door.come_in(organiser)
    saved = door.ask(address, token)
    assert (saved.status_code, saved.content) == (200, b"%PDF-1.4 <script>")
    assert saved.headers["Content-Disposition"].startswith('attachment; filename="proof-')
    assert "sandbox" in saved.headers["Content-Security-Policy"]
    assert saved.headers["X-Content-Type-Options"] == "nosniff"
    assert saved.headers["Cache-Control"] == "no-store"
    stranger = door.ask(address)
    assert (stranger.status_code, b"PDF" in stranger.content) == (303, False)
    viewer = door.come_in(person(door, "Vera"))
    for who, path, status in (
        (viewer, address, 403), (token, "/proof/999", 404), (token, "/proof/1e9", 404),
        (token, "/proof/99999999999999999999", 404), (token, "/proof/-1", 404),
    ):  # fmt: skip
        assert door.ask(path, who).status_code == status, path
    assert door.ask(address, token, method="HEAD").status_code == 405


def test_a_database_without_our_tables_is_not_served(tmp_path: Path) -> None:
    environ = os.environ | {"IKHOKHA_APP_ID": "demo", "DATABASE_URL": f"sqlite:///{tmp_path}/old.db"}
    command = [sys.executable, "server.py"]
    ended = subprocess.run(command, cwd=PROJECT, env=environ, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "manage.py migrate" in ended.stderr
    assert "Traceback" not in ended.stderr
