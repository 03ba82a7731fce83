"""The people's door, in its own process, over real HTTP and real WebSockets: who gets in, and to what."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select
from websockets.exceptions import InvalidStatus

from db.models import AuditEntry, PersonSession
from payments.access import browsers, people, signin, staff
from payments.access.people import SYSTEM, Role
from tests.desk import make_event
from tests.running import PROJECT
from tests.samples import make_many
from tests.served import SOCKET, Served, run, serving

pytestmark = pytest.mark.processes

NAMES = ("thandi", "aisha", "vusi", "lebo", "nandi")
#: Whoever has no password must not be the one to whom another test gives one.
ADMIN, ORGANISER, VIEWER, LEAVER, WITHOUT = (f"{name}@example.org" for name in NAMES)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A desk of two events with payments of every kind, and five people."""
    with serving(tmp_path_factory.mktemp("door")) as served:
        furnish(served)
        yield served


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A desk with a public name, which nobody has opened yet."""
    with serving(tmp_path_factory.mktemp("public"), DASHBOARD_URL="https://desk.example.org") as served:
        yield served


def furnish(served: Served) -> None:
    now = served.app.now()
    with served.app.sessions.begin() as session:
        both = [make_event(session, code, now=now) for code in ("devconf", "gala")]
        make_many(session, both, now=now, count=60)
        for email, role, events in (
            (ADMIN, Role.ADMIN, None),
            (ORGANISER, Role.ORGANISER, [both[0].id]),
            (VIEWER, Role.VIEWER, None),
            (LEAVER, Role.FINANCE, None),
            (WITHOUT, Role.FINANCE, None),
        ):
            name = email.split("@")[0].title()
            staff.create_person(session, SYSTEM, name=name, email=email, role=role, events=events, now=now)


@pytest.fixture(scope="module")
def admin(door: Served) -> str:
    return door.come_in(ADMIN)


def audited(served: Served, action: str) -> list[AuditEntry]:
    with served.app.sessions.read() as session:
        entries = select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id)
        return list(session.scalars(entries))


# -- a stranger ---------------------------------------------------------------------------------------

PAGES = [path.stem for path in sorted((PROJECT / "pages").rglob("*.py"))]
PAGES += [
    str(path.relative_to(PROJECT / "pages").with_suffix("")) for path in (PROJECT / "pages").rglob("*.py")
]


def test_a_process_that_nobody_has_signed_in_to_shows_no_page(public: Served):
    """Streamlit runs a page by its address alone as long as no session has come past ``st.navigation``."""
    assert len(PAGES) >= 12
    host = {"Host": "desk.example.org"}
    for page in ("", *PAGES):
        answer = public.ask(f"/{page}", headers=host)
        assert (answer.status_code, answer.text) == (303, ""), page
        assert answer.headers["Location"] == f"/signin?next=/{page}"
    with pytest.raises(InvalidStatus) as refused:
        public.socket(None)
    assert refused.value.response.status_code == 403


def routes() -> list[tuple[str, list[str]]]:
    """Every path that the pinned Streamlit and we answer to, asked of the app in a process of its own."""
    program = """
import json, server
app = server.app._build_starlette_app()
print(json.dumps([[route.path, sorted(getattr(route, "methods", None) or [])] for route in app.routes]))
"""
    environ = {"PATH": "", "IKHOKHA_APP_ID": "demo"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, env=environ, capture_output=True, text=True, check=True
    )
    return [(path, methods) for path, methods in json.loads(done.stdout.splitlines()[-1])]


#: Shut for everybody.
SHUT = {"/_stcore/metrics", "/media/x"}
OPEN = {
    "/signin", "/signin/link", "/signin/forgot", "/signout", "/healthz", "/_stcore/health", "/shared",
    "/shared/file", "/signin/outside", "/signin/outside/back",
    "/signin/renewed", "/signin/passkey",
}  # fmt: skip


def test_a_cookie_that_was_revoked_opens_nothing_of_any_path(door: Served):
    token = door.come_in(LEAVER)
    with door.app.sessions.begin() as session:
        row = session.scalars(select(PersonSession).order_by(PersonSession.id.desc())).first()
        assert row is not None
        browsers.sign_out(session, SYSTEM, row.id, now=door.app.now())
    for path in {re.sub(r"\{[^}]*\}", "x", path) or "/" for path, _ in routes()} - OPEN:
        closed = 404 if path in SHUT else 303
        assert door.ask(path, token).status_code == closed, path
        answer = door.post(path, token)
        assert answer.status_code == (404 if closed == 404 else 401), path
    for path in (SOCKET, "/", "/media/x"):
        with pytest.raises(InvalidStatus):
            door.socket(token, path=path)


def test_whoever_is_in_opens_no_file_of_streamlits(door: Served, admin: str):
    """What a page gave one person, another would open by its address."""
    for path in ("/media", "/media/", "/media/0f1e2d3c.csv"):
        assert door.ask(path, admin).status_code == 404


def test_an_example_to_fill_in_is_for_whoever_is_in(door: Served, admin: str):
    given = door.ask("/example/people.csv", admin)
    assert given.headers["Content-Disposition"] == 'attachment; filename="people.csv"'
    assert given.text.startswith("id,name,email,phone,category,amount,people,note\r\n")
    assert door.ask("/example/other.csv", admin).status_code == 404


@pytest.mark.parametrize(
    ("address", "status"), [("2026-11-01/2026-11-30", 404), ("2026-13-01/2026-11-30", 404)]
)
def test_no_letter_is_drawn_up_where_there_is_nothing_to_claim(door: Served, admin: str, address, status):
    assert door.ask(f"/claim-letter/{address}.txt", admin).status_code == status


def test_a_stranger_gets_nothing_from_any_path_there_is(door: Served):
    found = routes()
    paths = {re.sub(r"\{[^}]*\}", "x", path) or "/" for path, _ in found}
    assert {SOCKET, "/export", "/_stcore/upload_file/x/x", "/media/x", "/_stcore/metrics"} <= paths
    assert paths >= OPEN
    for path in paths - OPEN | {
        "/index.html",
        "/static/js/index.js",
        "/favicon.png",
        "/_stcore/host-config",
    }:
        closed = 404 if path in SHUT else 303
        for method in ("GET", "HEAD"):
            assert door.ask(path, method=method).status_code == closed, (method, path)
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            answer = door.ask(path, method=method, headers={"Origin": door.url})
            assert answer.status_code == (404 if closed == 404 else 401), (method, path)


@pytest.mark.parametrize(
    "target",
    [
        "//signin",
        "/signin/",
        "/SIGNIN",
        "/signin;x",
        "/signin%2f",
        "/signin%00",
        "/signin/../payments",
        "/signin/..%2fpayments",
        "/healthz/../media/x.csv",
        "/healthz/%2e%2e/media/x.csv",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..\\..\\etc\\passwd",
        "/./export",
        "//export",
        "/export/",
        "/export?next=/signin",
        "/x?path=/signin",
        "http://127.0.0.1/export",
        "//evil.example/",
        "/\\evil.example",
        "/_stcore/stream",
        "/_stcore//stream",
        "/?q=\xff\xfe",
        "/\xff",
    ],
)
def test_no_spelling_of_an_address_opens_the_door(door: Served, target: str):
    answer = door.raw(f"GET {target} HTTP/1.1", "Host: 127.0.0.1")
    assert answer.status in (303, 400)
    if answer.status == 303:
        assert re.fullmatch(r"/signin\?next=/(?!/)[!-~]*", answer.headers["location"])
        assert "evil" not in answer.headers["location"].split("next=/")[1].split("/")[0] or target[1] != "/"


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "PROPFIND"])
@pytest.mark.parametrize("path", ["/signin", "/signin/link", "/signin/forgot", "/signout", "/healthz"])
def test_an_open_page_only_knows_its_own_verbs(door: Served, method: str, path: str):
    answer = door.ask(path, method=method, headers={"Origin": door.url})
    assert answer.status_code in ((200, 303, 404) if method == "HEAD" else (405,))
    assert answer.text == "" or method != "HEAD"
    assert "Paydesk" not in answer.text


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/_stcore/metrics/"])
def test_metrics_are_nobodys_business(door: Served, admin: str, path: str):
    assert door.ask(path, admin).status_code == 404


@pytest.mark.parametrize(
    "cookie",
    [
        "paydesk=",
        "paydesk=x",
        'paydesk="',
        "paydesk=\xff\xfe\x80",
        "paydesk=" + "x" * 7000,
        "paydesk=%00%0d%0a",
        "paydesk=a; paydesk=b; paydesk",
        "=paydesk",
        ";;;",
    ],
    ids=repr,
)
def test_an_odd_cookie_is_nobodys(door: Served, cookie: str):
    assert door.raw("GET / HTTP/1.1", "Host: 127.0.0.1", f"Cookie: {cookie[:7100]}").status == 303


def test_health_is_a_word(door: Served):
    answer = door.ask("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok")


# -- another host, another site -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "host, status",
    [
        ("127.0.0.1", 200),
        ("localhost:8501", 200),
        ("LOCALHOST", 200),
        ("[::1]:80", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("evil.example:80@127.0.0.1", 421),
        ("127.0.0.1:80:80", 421),
        ("", 421),
    ],
)
def test_the_desk_answers_to_its_own_names_only(door: Served, host: str, status: int):
    assert door.raw("GET /healthz HTTP/1.1", f"Host: {host}").status == status


def test_a_public_name_is_answered_too(public: Served):
    assert public.ask("/healthz", headers={"Host": "desk.example.org"}).status_code == 200
    assert public.ask("/healthz", headers={"Host": "www.desk.example.org"}).status_code == 421


@pytest.mark.parametrize(
    "headers, passes",
    [
        pytest.param({"Origin": "OWN"}, True, id="our own page"),
        pytest.param({"Sec-Fetch-Site": "same-origin"}, True, id="our own page, told the other way"),
        pytest.param({}, True, id="no browser, so nobody's cookie"),
        pytest.param({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, True, id="our own, privately"),
        pytest.param({"Origin": "http://evil.example"}, False, id="another site"),
        pytest.param({"Origin": "http://127.0.0.1:1"}, False, id="another port"),
        pytest.param({"Origin": "https://127.0.0.1"}, False, id="another scheme"),
        pytest.param({"Origin": "null"}, False, id="a page that hides who it is"),
        pytest.param({"Origin": "null", "Sec-Fetch-Site": "none"}, False, id="hidden, and says none"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, False, id="cross-site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, False, id="a neighbour under our domain"),
        pytest.param({"Origin": "OWN.evil.example"}, False, id="a name that begins like ours"),
        pytest.param({"Origin": ""}, False, id="an empty origin"),
    ],
)
def test_a_form_of_another_site_is_refused(door: Served, headers: dict[str, str], passes: bool):
    own = {name: value.replace("OWN", door.url) for name, value in headers.items()}
    answer = door.ask("/signout", method="POST", headers=own)
    assert answer.status_code == (303 if passes else 403)


@pytest.mark.parametrize(
    "origin", [None, "http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1"]
)
def test_a_socket_of_another_site_is_refused_even_with_a_cookie(door: Served, admin: str, origin: str | None):
    with pytest.raises(InvalidStatus) as refused:
        door.socket(admin, origin)
    assert refused.value.response.status_code == 403


def test_a_page_on_loopback_is_no_page_of_a_public_desk(public: Served):
    """What runs on a visitor's own machine is not us."""
    headers = {"Host": "desk.example.org", "Origin": public.url}
    assert public.ask("/signout", method="POST", headers=headers).status_code == 403
    headers["Origin"] = "https://desk.example.org"
    assert public.ask("/signout", method="POST", headers=headers).status_code == 303


@pytest.mark.parametrize("path", [SOCKET, "/signin", "/healthz", "/", "/media/x", "/_stcore/health"])
def test_no_socket_opens_without_a_session(door: Served, path: str):
    with pytest.raises(InvalidStatus) as refused:
        door.socket(None, path=path)
    assert refused.value.response.status_code == 403


# -- what is not a form -------------------------------------------------------------------------------


def test_a_large_body_is_refused_however_it_is_sent(door: Served):
    own = {"Origin": door.url, "Content-Type": "application/x-www-form-urlencoded"}
    whole = door.ask("/signin", method="POST", headers=own, data=b"email=" + b"x" * 20_000)
    pieces = door.ask("/signin", method="POST", headers=own, data=iter([b"email=", *[b"x" * 5000] * 4]))
    assert (whole.status_code, pieces.status_code) == (413, 413)


@pytest.mark.parametrize("length", ["x", "-1", "1e3", "5, 6", ""])
def test_a_length_that_is_none_is_a_bad_request(door: Served, length: str):
    answer = door.raw(
        "POST /signout HTTP/1.1", "Host: 127.0.0.1", f"Origin: {door.url}", f"Content-Length: {length}"
    )
    assert answer.status in ((400, 303) if length == "" else (400,))


@pytest.mark.parametrize(
    "body",
    [
        b"&" * 5000,
        b"a=1&" * 20,
        b"%",
        b"%ff=%fe",
        b"\xff\x00",
        b"token=%00",
        b'{"token": 1}',
        b"token=a&token=b",
    ],
)
def test_a_body_that_is_no_form_signs_nobody_in(door: Served, body: bytes):
    answer = door.ask("/signin/link", method="POST", headers={"Origin": door.url}, data=body)
    assert answer.status_code in (400, 404)
    assert "Set-Cookie" not in answer.headers


def test_a_flood_of_headers_hurts_nobody(door: Served):
    try:
        status = door.raw("GET / HTTP/1.1", "Host: 127.0.0.1", "X: " + "x" * 1_000_000).status
    except ConnectionError:
        status = 0
    assert status in (0, 303, 400, 431)
    assert door.ask("/healthz").ok


# -- what every answer says to the browser ------------------------------------------------------------

TWELVE = [
    "/", "/payments", "/signin", "/signin/link?token=x", "/signout", "/healthz", "/export", "/media/x.csv",
    "/_stcore/health", "/_stcore/host-config", "/_stcore/metrics", "/index.html", "/static/none.js",
    "/password", "/code-app", "/signin/forgot", "/passkeys", "/confirm",
]  # fmt: skip


@pytest.mark.parametrize("path", TWELVE)
@pytest.mark.parametrize("who", ["stranger", "admin"])
def test_every_answer_protects_its_reader(door: Served, admin: str, path: str, who: str):
    answer = door.ask(path, admin if who == "admin" else None)
    policy = answer.headers["Content-Security-Policy"]
    for part in ("frame-ancestors 'none'", "base-uri 'none'", "default-src '"):
        assert part in policy
    assert "unsafe-eval" not in policy
    assert not re.search(r"script-src[^;]*unsafe-inline", policy)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Strict-Transport-Security" not in answer.headers
    if not path.startswith(("/static", "/index", "/_stcore/h")):
        assert answer.headers["Cache-Control"].startswith("no-")


def test_the_sign_in_page_runs_our_script_for_passkeys_and_loads_nothing(door: Served):
    answer = door.ask("/signin")
    policy = answer.headers["Content-Security-Policy"]
    (nonce,) = re.findall(r"script-src 'nonce-([\w-]+)';", policy)
    assert re.findall(r"<script[^>]*>", answer.text) == [f'<script nonce="{nonce}">']
    assert policy.startswith(f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; ")
    assert not re.search(r'(src|href)="(?!data:|/signin)', answer.text)
    assert door.ask("/signin").headers["Content-Security-Policy"] != policy
    for other in ("/signin/forgot", "/signin/link?token=x"):
        answer = door.ask(other)
        assert "<script" not in answer.text
        assert "script-src" not in answer.headers["Content-Security-Policy"]


# -- what ends, ends at once --------------------------------------------------------------------------


def test_an_open_page_feels_the_end_of_its_session_at_its_next_run(door: Served):
    token = door.come_in(LEAVER)
    with door.socket(token) as connection:
        assert "Lebo" in run(connection)
        with door.app.sessions.begin() as session:
            person = people.system_person(session, LEAVER)
            staff.revoke_sessions(session, SYSTEM, person.id, now=door.app.now())
        said = run(connection)
    assert "You are not signed in" in said
    assert "Lebo" not in said
    assert door.ask("/", token).status_code == 303
    with pytest.raises(InvalidStatus):
        door.socket(token)


@pytest.mark.parametrize("page", ["people", "events", "settings"])
def test_a_page_that_is_not_for_a_role_is_not_run_by_its_address(door: Served, page: str):
    with door.socket(door.come_in(VIEWER)) as connection:
        said = run(connection, page)
    assert "page_not_found" in said
    assert ADMIN not in said


def test_a_session_that_rested_too_long_is_over(door: Served):
    token = door.come_in(VIEWER)
    rested = door.app.now() - signin.IDLE - timedelta(seconds=1)
    with door.app.sessions.begin() as session:
        row = session.scalars(select(PersonSession).order_by(PersonSession.id.desc())).first()
        assert row is not None
        row.active_at = rested
    assert door.ask("/", token).status_code == 303
