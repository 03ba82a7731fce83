"""Signing in and out at the people's door, over real HTTP: who gets in, whose cookie it is, what follows."""

import re
from pathlib import Path

import pytest
import requests
from sqlalchemy import select
from websockets.exceptions import InvalidStatus

import bootstrap
import environment
from db.models import PersonSession
from payments.access import proving, staff
from payments.access.people import SYSTEM, Role
from tests.served import Served, serving
from tests.test_server_hostile import ADMIN, LEAVER, VIEWER, WITHOUT, admin, door, public

pytestmark = pytest.mark.processes
__all__ = ["admin", "door", "public"]

PASSWORD = "umbrella kettle fjord 1998"
TO_OUR_OWN = [
    "/",
    "/payments",
    "/payments?text=zanele&status=paid",
    "/payments?next=//evil.example",
    "/live#top",
]
ELSEWHERE = [
    "http://evil.example",
    "https:evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\r\nLocation: http://evil.example",
    "/%0d%0aSet-Cookie:x=y\r\nSet-Cookie: paydesk=planted",
    " //evil.example",
    "javascript:alert(1)",
    "/\u2028/evil.example",
    "/é",
    "evil.example",
    "",
    "?x",
    "/signin?next=/signin",
    "/signout",
    "/export?",
    "/media/x",
    "/" + "x" * 3000,
]


@pytest.mark.parametrize("wanted", TO_OUR_OWN)
def test_signing_in_leads_to_the_page_that_was_wanted(door: Served, admin: str, wanted: str):
    answer = door.ask("/signin", admin, params={"next": wanted})
    assert (answer.status_code, answer.headers["Location"]) == (303, wanted)


@pytest.mark.parametrize("wanted", ELSEWHERE, ids=lambda wanted: repr(wanted)[:40])
def test_signing_in_never_leads_elsewhere(door: Served, admin: str, wanted: str):
    answer = door.ask("/signin", admin, params={"next": wanted})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert "Set-Cookie" not in answer.headers
    form = door.ask("/signin", params={"next": wanted}).text
    assert 'name="next" value="/"' in form


def test_a_link_signs_in_once_and_looking_uses_nothing_up(door: Served):
    token = door.link(VIEWER)
    for _ in range(2):
        page = door.ask("/signin/link", params={"token": token})
        assert page.status_code == 200
        assert "Welcome, Vusi" in page.text
    answer = door.post("/signin/link", token=token)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    cookie = answer.cookies["paydesk"]
    assert door.ask("/", cookie).status_code == 200
    assert door.post("/signin/link", token=token).status_code == 404
    assert door.ask("/signin/link", params={"token": token}).status_code == 404
    assert token not in answer.text


@pytest.mark.parametrize("token", ["", "x", "\x00", "é", "<script>", "x" * 5000])
def test_a_link_that_never_was_leads_nowhere(door: Served, token: str):
    for answer in (door.ask("/signin/link", params={"token": token}), door.post("/signin/link", token=token)):
        assert answer.status_code == 404
        assert "This link does not work" in answer.text
        assert "<script>" not in answer.text
        assert "Set-Cookie" not in answer.headers


def test_the_cookie_is_for_this_browser_and_host_and_not_for_scripts(door: Served):
    said = door.post("/signin/link", token=door.link(VIEWER)).headers["Set-Cookie"]
    name, *attributes = said.split("; ")
    assert re.fullmatch(r"paydesk=[\w-]{43}", name)
    assert {attribute.lower() for attribute in attributes} == {"httponly", "path=/", "samesite=lax"}


def test_under_https_the_cookie_is_bound_to_the_host_and_the_browser_told_to_stay(public: Served):
    with public.app.sessions.begin() as session:
        staff.create_person(
            session, SYSTEM, name="Vusi", email=VIEWER, role=Role.VIEWER, events=None, now=public.app.now()
        )
    headers = {"Host": "desk.example.org", "Origin": "https://desk.example.org"}
    answer = public.ask("/signin/link", method="POST", data={"token": public.link(VIEWER)}, headers=headers)
    name, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert name.startswith("__Host-paydesk=")
    assert {attribute.lower() for attribute in attributes} == {"httponly", "path=/", "samesite=lax", "secure"}
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    token = name.partition("=")[2]
    assert public.ask("/", token, headers={"Host": "desk.example.org"}).status_code == 200
    plain = {"Host": "desk.example.org", "Cookie": f"paydesk={token}"}
    assert public.ask("/", headers=plain).status_code == 303


def test_the_first_admin_comes_by_a_link_and_there_is_one_only(public: Served):
    host = {"Host": "desk.example.org", "Origin": "https://desk.example.org"}
    token = public.link(None)
    form = {"token": token, "name": "Thandi Nkosi", "email": ADMIN, "password": "too short"}

    def post(**other: str) -> requests.Response:
        return public.ask("/signin/link", method="POST", headers=host, data=form | other)

    assert "The first admin" in public.ask(f"/signin/link?token={token}", headers=host).text
    refused = post()
    assert refused.status_code == 422
    assert 'value="Thandi Nkosi"' in refused.text
    assert "too short" not in refused.text
    made = post(password=PASSWORD)
    assert made.status_code == 303
    assert public.ask("/", made.cookies["__Host-paydesk"], headers=host).status_code == 200
    assert post(password=PASSWORD, email="second@example.org").status_code == 404
    in_again = public.ask("/signin", method="POST", headers=host, data={"email": ADMIN, "password": PASSWORD})
    assert in_again.status_code == 303


def test_signing_out_ends_the_session_and_takes_the_cookie(door: Served):
    token = door.come_in(VIEWER)
    assert "Sign out" in door.ask("/signout", token).text
    assert door.ask("/", token).status_code == 200
    answer = door.post("/signout", token)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/signin")
    assert 'paydesk=""' in answer.headers["Set-Cookie"]
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert door.ask("/", token).status_code == 303


def test_a_planted_cookie_is_not_signed_in_with(door: Served):
    answer = door.post("/signin/link", "planted", token=door.link(VIEWER))
    assert answer.cookies["paydesk"] != "planted"
    assert door.ask("/", "planted").status_code == 303


def test_the_cookie_of_a_proved_session_is_for_who_has_cookie_and_word(door: Served):
    app, token = door.app, door.come_in(ADMIN)
    word = proving.prove(app.sessions, token, "", app.keys, demo=True, now=app.now())
    for cookie, said in ((None, word), (token, ""), (token, "x"), ("x", word), (door.come_in(ADMIN), word)):
        refused = door.post("/signin/renewed", cookie, word=said)
        assert (refused.status_code, dict(refused.cookies)) == (401, {})
    fresh = door.post("/signin/renewed", token, word=word).cookies["paydesk"]
    assert door.ask("/", token).status_code == 303
    assert door.ask("/", fresh).status_code == 200
    with pytest.raises(InvalidStatus):
        door.socket(token)


def test_signing_in_again_ends_what_this_browser_had(door: Served):
    before = door.come_in(VIEWER)
    after = door.post("/signin/link", before, token=door.link(VIEWER)).cookies["paydesk"]
    assert door.ask("/", before).status_code == 303
    assert door.ask("/", after).status_code == 200


def test_a_password_of_ones_own_is_chosen_and_signs_in(door: Served):
    token = door.come_in(LEAVER)
    assert 'name="current"' not in door.ask("/password", token).text
    refused = door.post("/password", token, password="lebo lebo lebo lebo")
    assert refused.status_code == 422
    changed = door.post("/password", token, password=PASSWORD)
    assert changed.status_code == 303
    assert door.ask("/", token).status_code == 303
    assert 'name="current"' in door.ask("/password", changed.cookies["paydesk"]).text
    in_again = door.post("/signin", email=f" {LEAVER.upper()} ", password=PASSWORD, next="/payments")
    assert (in_again.status_code, in_again.headers["Location"]) == (303, "/payments")


def test_who_is_unknown_and_who_is_known_hear_the_same(door: Served):
    """Also who has no password, and an address that is none. NUL must not reach the database."""
    told = set()
    for email in ("nobody@example.org", VIEWER, "\x00", "'--", "<b>@x"):
        answer = door.post("/signin", email=email, password="not the password at all")
        assert answer.status_code == 401
        assert "<b>@x" not in answer.text
        told.add(re.sub(r'nonce[-="]+[\w-]+|(value|data-options)="[^"]*"', "", answer.text))
    assert len(told) == 1


def test_whoever_claims_another_address_is_seen_where_they_are(door: Served):
    """With no proxy of ours in front, X-Forwarded-For is only what a visitor says."""
    headers = {
        "Origin": door.url,
        "X-Forwarded-For": "6.6.6.6",
        "X-Real-IP": "6.6.6.6",
        "Forwarded": "for=6.6.6.6",
    }
    token = door.link(VIEWER)
    assert door.ask("/signin/link", method="POST", data={"token": token}, headers=headers).status_code == 303
    with door.app.sessions.read() as session:
        newest = select(PersonSession.address).order_by(PersonSession.id.desc()).limit(1)
        assert session.scalar(newest) == "127.0.0.1"


@pytest.mark.parametrize(
    "hops, forwarded, caller",
    [
        (0, ["6.6.6.6"], "10.0.0.1"),
        (1, [], "10.0.0.1"),
        (1, ["6.6.6.6, 41.1.1.1"], "41.1.1.1"),
        (1, ["6.6.6.6", "41.1.1.1"], "41.1.1.1"),
        (2, ["6.6.6.6, 41.1.1.1, 10.0.0.2"], "41.1.1.1"),
        (2, ["41.1.1.1"], "10.0.0.1"),
        (1, ["6.6.6.6, "], "10.0.0.1"),
    ],
)
def test_only_what_our_own_proxies_wrote_is_believed(hops: int, forwarded: list[str], caller: str):
    environ = {"IKHOKHA_APP_ID": "demo", "PROXY_HOPS": str(hops)}
    assert bootstrap.caller(environment.read_settings(environ, None), "10.0.0.1", forwarded) == caller


def test_what_is_no_passkey_lets_nobody_in_and_is_no_bug(tmp_path: Path):
    with serving(tmp_path) as alone:
        sealed = re.search(r'name="sealed" value="([^"]+)"', alone.ask("/signin").text)
        assert sealed is not None
        for ticket in (sealed[1], "", "x", "\u00e9"):
            for answer in ("", "{}", "\0", "[" * 4000, "x" * 15_000):
                refused = alone.post("/signin/passkey", sealed=ticket, answer=answer, next="//evil.example")
                assert refused.status_code == 401
                assert "paydesk" not in refused.cookies


def test_confirming_on_a_page_of_its_own_gives_another_cookie_and_leads_nowhere_else(door: Served):
    token = door.come_in(WITHOUT)
    assert 'value="/"' in door.ask("/confirm?next=//evil.example", token).text
    answer = door.post(
        "/confirm", token, next="//evil.example", password=PASSWORD
    )  # another test may set one
    assert answer.status_code == 303, answer.text
    assert answer.headers["Location"] == "/"
    fresh = answer.cookies["paydesk"]
    assert door.ask("/", token).status_code == 303
    assert door.ask("/passkeys", fresh).status_code == 200
    for path in ("/passkeys/add", "/passkeys/remove"):
        odd = door.post(path, fresh, id="9" * 30, sealed="x", answer="x", name="x" * 9000)
        assert odd.status_code == 422


def test_nothing_said_in_confidence_is_in_the_log(door: Served, admin: str):
    """Tokens and passwords."""
    log = Path(door.app.settings.data_dir / "server.log").read_text()
    assert PASSWORD not in log
    assert admin not in log
    assert "token=" not in log
