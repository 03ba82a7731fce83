"""Signing in by OpenID Connect: what is believed, who that is here, and what claims give and take."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import oidc_provider_mock
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey
from playwright.sync_api import Browser, expect
from sqlalchemy import select

from db.models import AuditEntry, Event, PersonIdentity, PersonRow
from db.session import Sessions
from payments.access import identities, signin, staff
from payments.access.identities import Claims
from payments.access.oidc import Arrival, Going, Provider, Registered
from payments.access.people import SYSTEM, Person, Role
from payments.errors import Conflict, InvalidInput, NotAllowed
from payments.selling.events import EventDraft, save_event
from tests.served import Served, serving
from tests.test_signin import HOME, join

BACK = "http://127.0.0.1:8501/signin/outside/back"
KEY, OTHER_KEY = RSAKey.generate_key(2048), RSAKey.generate_key(2048)
GOING = Going.anew("/payments")


# -- a provider that can be bent ----------------------------------------------------------------------


@dataclass
class Bent:
    """A provider on loopback. What it says is what a test puts here."""

    issuer: str = ""
    described: dict[str, Any] = field(default_factory=dict)
    keys: Any = None
    token: Any = None
    token_status: int = 200
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def says(self, path: str) -> tuple[int, Any]:
        if path == "/token":
            return self.token_status, self.token
        if path == "/jwks":
            return 200, self.keys
        return 200, self.described

    def provider(self) -> Provider:
        return Provider(Registered("Example House", self.issuer, "desk", "shh"))

    def sends(self, now: datetime, key: Any = KEY, header: Any = None, **claims: Any) -> None:
        """A good ID token, but for what is given here; ``None`` leaves a claim out."""
        at = int(now.timestamp())
        good = {
            "iss": self.issuer, "aud": "desk", "sub": "t-1", "iat": at, "exp": at + 300, "nonce": GOING.nonce,
            "email": "thandi@example.org", "email_verified": True, "name": "Thandi Nkosi",
        }  # fmt: skip
        said = {name: value for name, value in (good | claims).items() if value is not None}
        algorithms = ["RS256", "HS256"]
        token = jwt.encode(header or {"alg": "RS256", "kid": KEY.kid}, said, key, algorithms=algorithms)
        self.token = {"access_token": "a", "token_type": "Bearer", "id_token": token}


@pytest.fixture
def bent() -> Iterator[Bent]:
    here = Bent()

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, said = here.says(urlsplit(self.path).path)
            self._answer(status, said)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            here.asked.append((self.headers.get("Authorization", ""), dict(parse_qsl(body))))
            self._answer(here.token_status, here.token)

        def _answer(self, status: int, said: Any) -> None:
            data = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Tests read nothing here."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    KEY.ensure_kid()
    here.issuer = f"http://127.0.0.1:{server.server_port}"
    paths = {"authorization_endpoint": "/go", "token_endpoint": "/token", "jwks_uri": "/jwks"}
    here.described = {"issuer": here.issuer} | {name: here.issuer + path for name, path in paths.items()}
    here.keys = KeySet([KEY]).as_dict(private=False)
    yield here
    server.shutdown()
    server.server_close()


def finish(bent: Bent, now: datetime, **answer: str) -> Arrival:
    return bent.provider().finish(BACK, GOING, {"state": GOING.state, "code": "c-1"} | answer, now=now)


def test_who_is_sent_there_carries_what_must_come_back(bent: Bent, now: datetime):
    url = urlsplit(bent.provider().begin(BACK, GOING, now=now))
    sent = {name: value for name, (value,) in parse_qs(url.query).items()}
    assert sent["code_challenge_method"] == "S256"
    assert (sent["state"], sent["nonce"], sent["redirect_uri"]) == (GOING.state, GOING.nonce, BACK)
    assert GOING.verifier not in url.query


def test_an_answer_that_fits_is_believed(bent: Bent, now: datetime):
    bent.sends(now, roles=["desk-admins"])
    arrival = finish(bent, now)
    assert (arrival.subject, arrival.proven_email) == ("t-1", "thandi@example.org")
    assert arrival.values("roles") == ("desk-admins",)
    ((authorization, form),) = bent.asked
    assert authorization.startswith("Basic ")
    assert (form["code"], form["code_verifier"], form["redirect_uri"]) == ("c-1", GOING.verifier, BACK)


NOT_BELIEVED: dict[str, dict[str, Any]] = {
    "another key": {"key": OTHER_KEY},
    "our own secret as the key": {"key": OctKey.import_key("shh" * 16), "header": {"alg": "HS256"}},
    "another issuer": {"iss": "https://elsewhere.example.org"},
    "another audience": {"aud": "another-desk"},
    "many audiences, for another": {"aud": ["desk", "another"], "azp": "another"},
    "another nonce": {"nonce": "planted"},
    "no nonce": {"nonce": None},
    "no subject": {"sub": None},
    "no end": {"exp": None},
}  # fmt: skip


@pytest.mark.parametrize("how", NOT_BELIEVED.values(), ids=NOT_BELIEVED)
def test_what_does_not_fit_is_not_believed(bent: Bent, now: datetime, how: dict[str, Any]):
    bent.sends(now, **how)
    with pytest.raises(NotAllowed):
        finish(bent, now)


def test_what_is_over_is_not_believed(bent: Bent, now: datetime):
    bent.sends(now - timedelta(minutes=10))
    with pytest.raises(NotAllowed):
        finish(bent, now)


def test_a_token_that_nobody_signed_is_not_believed(bent: Bent, now: datetime):
    bent.sends(now)
    head, body, _ = bent.token["id_token"].split(".")
    nothing = "eyJhbGciOiJub25lIn0"  # {"alg":"none"}
    for forged in (f"{nothing}.{body}.", f"{head}.{body}.", "", "x" * 100_000):
        bent.token["id_token"] = forged
        with pytest.raises(NotAllowed):
            finish(bent, now)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"state": "another"}, id="another state"),
        pytest.param({"state": ""}, id="no state"),
        pytest.param({"iss": "https://elsewhere.example.org"}, id="another provider's answer"),
    ],
)
def test_another_sign_in_does_not_end_in_this_one(bent: Bent, now: datetime, answer: dict[str, str]):
    bent.sends(now)
    with pytest.raises(NotAllowed, match="Begin again"):
        finish(bent, now, **answer)
    assert bent.asked == []


def test_no_from_the_provider_is_a_sentence(bent: Bent, now: datetime):
    with pytest.raises(NotAllowed, match="did not sign you in"):
        bent.provider().finish(BACK, GOING, {"state": GOING.state, "error": "access_denied"}, now=now)
    bent.token, bent.token_status = {"error": "invalid_grant"}, 400
    with pytest.raises(NotAllowed, match="did not confirm"):
        finish(bent, now)


SPOILED: dict[str, Callable[[Bent], object]] = {
    "it is not there": lambda bent: setattr(bent, "issuer", "http://127.0.0.1:1"),
    "it calls itself otherwise": lambda bent: bent.described.update(issuer="https://elsewhere.example.org"),
    "it has no keys": lambda bent: bent.described.pop("jwks_uri"),
    "no JSON": lambda bent: setattr(bent, "described", b"<html>"),
    "no object": lambda bent: setattr(bent, "described", []),
    "no ID token": lambda bent: setattr(bent, "token", {"access_token": "a", "token_type": "Bearer"}),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_a_provider_that_is_away_or_odd_is_told(bent: Bent, now: datetime, spoil: Callable[[Bent], object]):
    bent.sends(now)
    spoil(bent)
    with pytest.raises((Conflict, InvalidInput), match="Example House"):
        finish(bent, now)


def test_keys_that_changed_are_asked_for_again(bent: Bent, now: datetime):
    provider, answer = bent.provider(), {"state": GOING.state, "code": "c"}
    bent.sends(now)
    provider.finish(BACK, GOING, answer, now=now)
    OTHER_KEY.ensure_kid()
    bent.keys = KeySet([OTHER_KEY]).as_dict(private=False)
    bent.sends(now, key=OTHER_KEY, header={"alg": "RS256", "kid": OTHER_KEY.kid})
    assert provider.finish(BACK, GOING, answer, now=now).subject == "t-1"


# -- who that is here -----------------------------------------------------------------------------------

INVITED = Claims()
GROUPS = Claims(
    {"desk-admins": Role.ADMIN, "bursary": Role.FINANCE, "door": Role.ORGANISER}, "groups", "events"
)


def arrival(subject: str = "t-1", email: str = "thandi@example.org", **claims: Any) -> Arrival:
    said = {"email": email, "email_verified": True, "name": "Thandi Nkosi"} | claims
    return Arrival("https://house.example.org", subject, said)


def come_in(sessions: Sessions, who: Arrival, claims: Claims, now: datetime) -> Person:
    token = identities.come_in(sessions, who, claims, visitor=HOME, now=now)
    here = signin.who(sessions, token, now=now, active=False)
    assert here is not None
    return here.person


def actions(sessions: Sessions) -> list[str]:
    with sessions.read() as session:
        return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def test_whoever_was_invited_comes_in_by_their_address_and_then_by_their_name_there(sessions, now):
    invited = join(sessions, now)
    assert come_in(sessions, arrival(), INVITED, now) == invited
    renamed = arrival(email="thandi.nkosi@example.org")
    assert come_in(sessions, renamed, INVITED, now) == invited
    assert actions(sessions).count("link_identity") == 1


def test_coming_in_so_proves_no_more_than_a_password_does(sessions, now):
    join(sessions, now)
    assert come_in(sessions, arrival(), INVITED, now).proved_at is None


@pytest.mark.parametrize(
    "who",
    [
        pytest.param(arrival(email="stranger@example.org"), id="a stranger"),
        pytest.param(arrival(email_verified=False), id="an address that is not proven"),
        pytest.param(arrival(email_verified="true"), id="a word is no proof"),
        pytest.param(arrival(email=""), id="no address"),
        pytest.param(arrival(email="thandi@example.org\nx"), id="no address at all"),
    ],
)
def test_nobody_else_comes_in(sessions, now, who):
    join(sessions, now)
    with pytest.raises(NotAllowed):
        come_in(sessions, who, INVITED, now)
    assert actions(sessions)[-1] == "sign_in_refused"
    with sessions.read() as session:
        assert session.scalars(select(PersonIdentity)).all() == []


def test_an_address_that_was_given_to_somebody_else_is_not_them(sessions, now):
    join(sessions, now)
    come_in(sessions, arrival(), INVITED, now)
    with pytest.raises(NotAllowed, match="another sign-in before"):
        come_in(sessions, arrival("t-2"), INVITED, now)


def test_whoever_was_shut_out_stays_out(sessions, now):
    invited = join(sessions, now, role=Role.FINANCE)
    come_in(sessions, arrival(), INVITED, now)
    with sessions.begin() as session:
        staff.disable_person(session, SYSTEM, invited.id, now=now)
    with pytest.raises(NotAllowed, match="no access"):
        come_in(sessions, arrival(), INVITED, now)


# -- what claims give -----------------------------------------------------------------------------------


@pytest.fixture
def events(sessions: Sessions, now: datetime) -> dict[str, int]:
    with sessions.begin() as session:
        for code in ("jazz", "devconf"):
            draft = EventDraft(code, code.title(), now.date(), now.date())
            save_event(session, SYSTEM, draft, now=now)
        return {event.code: event.id for event in session.scalars(select(Event))}


@pytest.mark.parametrize(
    "said, role, codes",
    [
        pytest.param({"groups": ["door"], "events": ["jazz"]}, Role.ORGANISER, {"jazz"}, id="one event"),
        pytest.param({"groups": "staff bursary", "events": "all"}, Role.FINANCE, None, id="words"),
        pytest.param(
            {"groups": ["door", "desk-admins"], "events": ["jazz", "all"]}, Role.ADMIN, None,
            id="of two roles the first that is set",
        ),
        pytest.param(
            {"groups": ["door"], "events": ["jazz", "gone"]}, Role.ORGANISER, {"jazz"}, id="an event not here"
        ),
    ],
)  # fmt: skip
def test_claims_give_role_and_events(sessions, now, events, said, role, codes):
    here = come_in(sessions, arrival(**said), GROUPS, now)
    assert here.role is role
    assert here.events == (None if codes is None else {events[code] for code in codes})


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({}, id="no claims"),
        pytest.param({"groups": ["staff"], "events": "all"}, id="no role of ours"),
        pytest.param({"groups": ["door"]}, id="no event"),
        pytest.param({"groups": ["door"], "events": ["gone"]}, id="no event of ours"),
        pytest.param({"groups": {"door": True}, "events": "all"}, id="no list"),
        pytest.param({"groups": [["door"]], "events": "all"}, id="no words in it"),
    ],
)
def test_claims_that_give_nothing_let_nobody_in(sessions, now, events, said):
    with pytest.raises(NotAllowed, match="Your sign-in has no"):
        come_in(sessions, arrival(**said), GROUPS, now)
    with sessions.read() as session:
        assert session.scalars(select(PersonRow)).all() == []


def test_what_is_changed_there_is_changed_here_at_the_next_sign_in(sessions, now, events):
    first = identities.come_in(sessions, arrival(groups="door", events="jazz"), GROUPS, visitor=HOME, now=now)
    here = come_in(sessions, arrival(groups="bursary", events="all"), GROUPS, now)
    assert (here.role, here.events) == (Role.FINANCE, None)
    assert signin.who(sessions, first, now=now, active=False) is None, "what they were before ended"
    assert actions(sessions).count("change_person") == 1
    come_in(sessions, arrival(groups="bursary", events="all"), GROUPS, now)
    assert actions(sessions).count("change_person") == 1


def test_what_is_taken_away_there_ends_every_session_here(sessions, now, events):
    token = identities.come_in(sessions, arrival(groups="door", events="jazz"), GROUPS, visitor=HOME, now=now)
    with pytest.raises(NotAllowed):
        come_in(sessions, arrival(groups="staff"), GROUPS, now)
    assert signin.who(sessions, token, now=now, active=False) is None


def test_the_last_admin_stays_one(sessions, now, events):
    come_in(sessions, arrival(groups="desk-admins", events="all"), GROUPS, now)
    with pytest.raises(Conflict, match="last admin"):
        come_in(sessions, arrival(groups="door", events="jazz"), GROUPS, now)


# -- in a browser ---------------------------------------------------------------------------------------


@contextmanager
def house() -> Iterator[str]:
    """Somebody else's sign-in, whole: the provider that its makers ship for tests."""
    users = [
        oidc_provider_mock.User(sub="palesa", claims={
            "email": "palesa@example.org", "email_verified": True, "name": "Palesa Mokoena",
            "groups": ["bursary"],
        }),
        oidc_provider_mock.User(sub="stranger", claims={
            "email": "stranger@example.org", "email_verified": True, "name": "Stranger", "groups": [],
        }),
    ]  # fmt: skip
    with oidc_provider_mock.run_server_in_thread(user_claims=users) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("outside")
    with house() as issuer:
        settings = {
            "OIDC_ISSUER": issuer, "OIDC_NAME": "Example House", "OIDC_CLIENT_ID": "desk",
            "OIDC_CLIENT_SECRET": "shh", "OIDC_ROLES": "bursary=finance", "OIDC_ROLES_CLAIM": "groups",
        }  # fmt: skip
        with serving(folder, **settings) as served:
            yield served


@pytest.mark.browser
@pytest.mark.processes
def test_somebody_signs_in_by_another_house_and_a_stranger_does_not(desk: Served, browser: Browser):
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{desk.url}/guide")
        page.get_by_role("link", name="Sign in with Example House").click()
        page.get_by_role("button", name="palesa").click()
        expect(page).to_have_url(f"{desk.url}/guide", timeout=60_000)
        expect(page.get_by_text("Palesa Mokoena").first).to_be_visible(timeout=60_000)
        names = {cookie["name"] for cookie in context.cookies()}
        assert "paydesk" in names
        assert "paydesk-going" not in names
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{desk.url}/signin")
        page.get_by_role("link", name="Sign in with Example House").click()
        page.get_by_role("button", name="stranger").click()
        expect(page.get_by_role("alert")).to_contain_text("Your sign-in has no role for this desk")
        assert {cookie["name"] for cookie in context.cookies()} & {"paydesk", "paydesk-going"} == set()


@pytest.mark.processes
def test_an_answer_without_its_beginning_is_refused(desk: Served):
    for cookie in ({}, {"Cookie": "paydesk-going=bm9uc2Vuc2U="}, {"Cookie": "paydesk-going=%%%"}):
        answer = desk.ask("/signin/outside/back?code=c&state=s", headers=cookie)
        assert (answer.status_code, "paydesk=" in answer.headers.get("Set-Cookie", "")) == (400, False)


@pytest.mark.processes
def test_guesses_of_an_answer_are_slowed_down(desk: Served):
    begun = desk.ask("/signin/outside")
    assert begun.status_code == 303
    cookie = {"Cookie": begun.headers["Set-Cookie"].split(";")[0]}
    said = [desk.ask(f"/signin/outside/back?code={n}&state=s", headers=cookie).text for n in range(8)]
    assert "another sign-in" in said[0]
    assert "Too many attempts" in said[-1]


@pytest.mark.processes
def test_where_nobody_set_a_provider_there_is_none(tmp_path: Path):
    with serving(tmp_path) as served:
        assert "/signin/outside" not in served.ask("/signin").text
        assert served.ask("/signin/outside").status_code == 404
        assert served.ask("/signin/outside/back").status_code == 404
