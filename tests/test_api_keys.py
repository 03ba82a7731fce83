"""Keys of the API: whose payments one reaches, what it may do and how often, and who makes and revokes it."""

import json

import pytest

import api
from db.models import ApiKey, AuditEntry
from payments.access.people import Person, Role
from payments.errors import InvalidInput, NotAllowed
from payments.registering import api_keys
from payments.registering.api_keys import Scope
from tests import hook
from tests.desk import ADMIN, issue, make_event
from tests.test_api import BOTH, Client, desk, key_of, problem, quiet, rows, site

__all__ = ["desk", "quiet", "site"]


# -- whose it is ------------------------------------------------------------------------------------------


def test_a_key_of_one_event_reaches_nothing_of_another(desk, site, now):
    theirs = site.put().json()["reference"]
    other = Client(desk.port, key_of(desk, now, "gala"))
    nowhere = problem(other.get("/payments/DEMO_REG_2222222"), 404)
    assert problem(other.get(f"/payments/{theirs}"), 404) == nowhere.replace("DEMO_REG_2222222", theirs)
    assert problem(other.cancel(theirs), 404)
    assert other.get("/payments").json()["payments"] == []
    assert other.get("/payments", registration_id="2026-0417").json()["payments"] == []
    assert other.get("/event").json()["code"] == "gala"
    own = other.put()
    assert (own.status_code, own.json()["event"]) == (201, "gala")
    assert own.json()["reference"] != theirs


def test_what_the_desk_made_itself_is_not_the_apis_to_read(desk, site, now):
    made = issue(desk.sessions, desk.gateway, now=now)
    assert problem(site.get(f"/payments/{made.reference}"), 404)
    assert problem(site.cancel(made.reference), 404)
    assert site.get("/payments").json()["payments"] == []


def test_a_key_that_may_read_may_not_write(desk, site, now):
    reference = site.put().json()["reference"]
    reader = Client(desk.port, key_of(desk, now, scopes=[Scope.READ]))
    writer = Client(desk.port, key_of(desk, now, scopes=[Scope.WRITE]))
    assert reader.get(f"/payments/{reference}").status_code == 200
    assert "may not write" in problem(reader.put(key="x"), 403)
    assert "may not write" in problem(reader.cancel(reference), 403)
    assert "may not read" in problem(writer.get("/payments"), 403)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Authorization": ""}, id="none"),
        pytest.param({"Authorization": "Bearer pd_demo_abcdefghijkm_" + "x" * 43}, id="made up"),
        pytest.param({"Authorization": "Basic YTpi"}, id="another way"),
        pytest.param({"Authorization": "Bearer ключ".encode()}, id="no key at all"),
    ],
)
def test_without_a_key_nothing_is_told(quiet, headers):
    answer = quiet[1].ask("GET", "/event", headers=headers)
    problem(answer, 401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_with_another_secret_or_revoked_is_none(desk, site, now):
    assert site.get("/event").status_code == 200
    wrong = Client(desk.port, site.key[:-1] + ("a" if site.key[-1] != "a" else "b"))
    problem(wrong.get("/event"), 401)
    with desk.sessions.begin() as session:
        api_keys.revoke(session, ADMIN, 1, now=now)
    problem(site.get("/event"), 401)


def test_only_a_hash_of_a_key_is_kept(desk, site):
    secret = site.key.split("_", 3)[3]  # it may have another of these in it
    (row,) = rows(desk, ApiKey)
    assert secret not in str(vars(row))
    assert all(secret not in json.dumps(entry.detail) for entry in rows(desk, AuditEntry))


def test_every_call_is_audited_under_its_key(desk, site):
    reference = site.put().json()["reference"]
    site.get(f"/payments/{reference}")
    site.put({"nonsense": 1}, key="x")
    told = [(entry.actor, entry.action, entry.subject) for entry in rows(desk, AuditEntry)]
    called = [subject for actor, action, subject in told if action == "api_call"]
    assert called == [
        "POST /api/v1/payments", f"GET /api/v1/payments/{reference}", "POST /api/v1/payments",
    ]  # fmt: skip
    assert ("api:Registration site", "issue_link", reference) in told


def test_a_key_asks_so_often_and_no_more(desk, site, monkeypatch):
    monkeypatch.setattr(api, "CALLS_A_MINUTE", 3)
    with hook.serving(desk.sessions.engine.url.render_as_string(hide_password=False)) as other:
        client = Client(other.port, site.key)
        answers = [client.get("/event") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].headers["Retry-After"] == "60"


def test_who_has_no_good_key_is_heard_so_often_and_no_more(desk, site, monkeypatch):
    monkeypatch.setattr(api, "STRANGERS_A_MINUTE", 3)
    with hook.serving(desk.sessions.engine.url.render_as_string(hide_password=False)) as other:
        strangers = [Client(other.port, "pd_demo_made-up").get("/event").status_code for _ in range(5)]
    assert strangers == [401, 401, 401, 429, 429]


# -- keys, as people make them -------------------------------------------------------------------------


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_only_an_admin_makes_and_revokes_keys(sessions, now, role):
    with sessions.begin() as session:
        make_event(session, now=now)
        api_keys.make(session, ADMIN, "devconf", "Site", BOTH, demo=True, now=now)
    person = Person(7, "Somebody", "somebody@example.org", role, None)
    with sessions.begin() as session:
        with pytest.raises(NotAllowed):
            api_keys.make(session, person, "devconf", "Site", BOTH, demo=True, now=now)
        with pytest.raises(NotAllowed):
            api_keys.revoke(session, person, 1, now=now)
        with pytest.raises(NotAllowed):
            api_keys.list_keys(session, person)


@pytest.mark.parametrize("name, scopes", [("", BOTH), ("Site", ())], ids=["no name", "no scope"])
def test_a_key_half_told_is_refused(sessions, now, name, scopes):
    with sessions.begin() as session:
        make_event(session, now=now)
        with pytest.raises(InvalidInput):
            api_keys.make(session, ADMIN, "devconf", name, scopes, demo=True, now=now)
