"""The API: a registration is one payment, whatever is sent how often; a key reaches its own event alone."""

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests
from sqlalchemy import select, text

from api.description import OPERATIONS, ROOT, describe
from api.schemas import SCHEMAS
from db.models import AmountChange, ApiKey, ApiRequest, Link, Payment, Registration
from db.session import Sessions, open_engine
from payments import holding, lifecycle
from payments.errors import GatewayRefused, GatewayUnavailable, OutcomeUnknown
from payments.gateways import Answer
from payments.hearing import sync
from payments.lifecycle import Source, Status
from payments.registering import api_keys, idempotency
from payments.registering.api_keys import Scope
from payments.telling import notifications
from payments.watching import standstill
from tests import hook
from tests.canaries import plant
from tests.desk import ADMIN, make_event, payment_of

WISH = {
    "registration_id": "2026-0417",
    "amount_minor": 150_000,
    "currency": "ZAR",
    "payer_name": "Thandi Nkosi",
    "payer_email": "thandi@example.org",
}
BOTH = (Scope.READ, Scope.WRITE)


class Client:
    """A caller with a key."""

    def __init__(self, port: int, key: str) -> None:
        self.root, self.key = f"http://127.0.0.1:{port}{ROOT}", key

    def ask(self, method: str, path: str, **other):
        headers = {"Authorization": f"Bearer {self.key}"} | other.pop("headers", {})
        return requests.request(method, self.root + path, headers=headers, timeout=30, **other)

    def get(self, path: str, **query: object):
        return self.ask("GET", path, params=query)

    def put(self, wish: object = None, key: str = "first", **more: object):
        body = (WISH | more) if wish is None else wish
        return self.ask("POST", "/payments", json=body, headers={"Idempotency-Key": key})

    def cancel(self, reference: str, reason: str = "Withdrew their paper"):
        return self.ask("POST", f"/payments/{reference}/cancel", json={"reason": reason})


@pytest.fixture
def desk(database_url, now):
    """The door on a desk with two events."""
    sessions = Sessions(open_engine(database_url))
    with sessions.begin() as session:
        make_event(session, now=now)
        make_event(session, "gala", now=now)
    with hook.serving(database_url, now) as served:
        yield served
    sessions.engine.dispose()


@pytest.fixture(scope="module")
def quiet(sqlite_template, tmp_path_factory, now):
    """A door that is only asked for what it refuses, and a caller with a key."""
    path = tmp_path_factory.mktemp("quiet") / "desk.db"
    shutil.copyfile(sqlite_template, path)
    with hook.serving(f"sqlite:///{path}", now) as served:
        with served.sessions.begin() as session:
            make_event(session, now=now)
        yield served, Client(served.port, key_of(served, now))


def key_of(desk, now, event="devconf", scopes=BOTH) -> str:
    with desk.sessions.begin() as session:
        made = api_keys.make(session, ADMIN, event, "Registration site", scopes, demo=True, now=now)
    return plant("a key of another system", made)


@pytest.fixture
def site(desk, now):
    return Client(desk.port, key_of(desk, now))


def rows(desk, table):
    with desk.sessions.read() as session:
        return list(session.scalars(select(table).order_by(table.id)))


def pay(desk, reference, now) -> None:
    """The gateway says that the newest link of a payment is paid."""
    with desk.sessions.read() as session:
        link = payment_of(session, reference).links[-1]
    desk.gateway.says(link.gateway_reference, Answer.PAID, "PAID")
    sync.ask(desk.sessions, {"ikhokha": desk.gateway}, link.id, now=now)


def problem(answer, status: int) -> str:
    """The sentence of a refusal."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == status
    return told["detail"]


# -- one registration, one payment ------------------------------------------------------------------


def test_one_call_gives_a_reference_a_link_and_a_token(desk, site):
    answer = site.put()
    assert answer.status_code == 201
    told = answer.json()
    assert set(told) == set(SCHEMAS["Payment"]["properties"])
    assert told["reference"].startswith("DEMO_REG_")
    assert told["link"].startswith("https://securepay.ikhokha.red/")
    assert told["status_url"].endswith(told["return_token"])
    assert (told["status"], told["complete"], told["amount_minor"]) == ("open", False, 150_000)
    with desk.sessions.read() as session:
        payment = payment_of(session, told["reference"])
        assert (payment.payer_name, payment.created_by) == ("Thandi Nkosi", "api:Registration site")
        assert "2026-0417" in payment.search_text, "people at the desk find it by the site's own id"


def test_the_same_request_again_is_the_same_payment(desk, site):
    first = site.put().json()
    again = site.put()
    other_key = site.put(key="second")
    assert (again.status_code, other_key.status_code) == (200, 200)
    assert first == again.json() == other_key.json()
    assert len(rows(desk, Payment)) == len(rows(desk, Link)) == len(desk.gateway.requests) == 1


@pytest.mark.parametrize("same_key", [True, False], ids=["one key", "fifty keys"])
def test_fifty_at_once_are_one_payment(desk, site, same_key):
    with ThreadPoolExecutor(50) as crowd:
        answers = list(crowd.map(lambda nth: site.put(key="one" if same_key else f"key-{nth}"), range(50)))
    assert sorted({answer.status_code for answer in answers}) == [200, 201]
    assert len({answer.json()["reference"] for answer in answers}) == 1
    assert len({answer.json()["link"] for answer in answers}) == 1
    assert len(rows(desk, Payment)) == len(desk.gateway.requests) == 1


def test_a_key_that_stood_for_something_else_is_refused(desk, site):
    site.put()
    assert "another request" in problem(site.put(amount_minor=99), 422)
    assert [payment.amount_minor for payment in rows(desk, Payment)] == [150_000]


def test_another_amount_before_it_was_paid_cancels_and_asks_anew(desk, site):
    first = site.put().json()
    second = site.put(key="second", amount_minor=99_000)
    assert second.status_code == 201
    told = second.json()
    assert (told["replaces"], told["amount_minor"]) == (first["reference"], 99_000)
    assert told["link"] != first["link"]
    assert site.get(f"/payments/{first['reference']}").json()["status"] == "cancelled"
    assert desk.gateway.asked, "the gateway said first that nothing was paid"


def test_an_earlier_request_that_comes_late_takes_nothing_back(site):
    site.put()
    second = site.put(key="second", amount_minor=99_000).json()
    late = site.put()
    assert (late.status_code, late.json()) == (200, second)


def test_more_after_it_was_paid_is_asked_for_by_a_payment_of_its_own(desk, site, now):
    first = site.put().json()
    pay(desk, first["reference"], now)
    more = site.put(key="second", amount_minor=170_000)
    told = more.json()
    assert (more.status_code, told["amount_minor"], told["difference_of"]) == (
        201,
        20_000,
        first["reference"],
    )
    assert (told["complete"], told["replaces"]) == (False, None)
    assert told["link"] not in (None, first["link"])
    for again in (site.put(key="second", amount_minor=170_000), site.put(key="third", amount_minor=170_000)):
        assert (again.status_code, again.json()) == (200, told)
    pay(desk, told["reference"], now)
    assert site.put(key="fourth", amount_minor=170_000).json()["complete"]
    assert site.get(f"/payments/{first['reference']}").json()["received_minor"] == 150_000
    found = site.get("/payments?registration_id=2026-0417").json()["payments"]
    assert {one["reference"] for one in found} == {first["reference"], told["reference"]}


def test_less_after_it_was_paid_is_credited_once_and_stays_complete(desk, site, now):
    first = site.put().json()
    pay(desk, first["reference"], now)
    for key in ("second", "second", "third"):
        less = site.put(key=key, amount_minor=99_000)
        told = less.json()
        assert (less.status_code, told["reference"], told["credited_minor"]) == (
            200,
            first["reference"],
            51_000,
        )
        assert (told["amount_minor"], told["complete"]) == (150_000, True)
    assert len(rows(desk, AmountChange)) == 1
    back = site.put(key="fourth", amount_minor=150_000).json()
    assert (back["reference"], back["credited_minor"], back["link"]) == (first["reference"], 0, None)
    assert len(rows(desk, Payment)) == 1, "what was owed back is not asked for"


def test_a_difference_that_is_not_wanted_after_all_is_cancelled(desk, site, now):
    first = site.put().json()
    pay(desk, first["reference"], now)
    more = site.put(key="second", amount_minor=170_000).json()
    other = site.put(key="third", amount_minor=160_000).json()
    assert (other["amount_minor"], other["difference_of"]) == (10_000, first["reference"])
    assert site.get(f"/payments/{more['reference']}").json()["status"] == "cancelled"
    none = site.put(key="fourth").json()
    assert (none["reference"], none["complete"]) == (first["reference"], True)
    assert site.get(f"/payments/{other['reference']}").json()["status"] == "cancelled"


def test_a_difference_whose_link_was_not_made_gets_it_by_the_same_request(desk, site, now):
    first = site.put().json()
    pay(desk, first["reference"], now)
    desk.gateway.failing = GatewayRefused("99", "no")
    problem(site.put(key="second", amount_minor=170_000), 502)
    desk.gateway.failing = None
    again = site.put(key="second", amount_minor=170_000).json()
    assert (again["amount_minor"], again["status"], bool(again["link"])) == (20_000, "open", True)
    assert len(rows(desk, Payment)) == 2


@pytest.mark.parametrize(
    ("status", "says"),
    [
        pytest.param(Status.DISPUTED, "is disputed", id="disputed"),
        pytest.param(Status.REFUNDED, "whole", id="back"),
    ],
)
def test_an_amount_that_cannot_change_is_refused_with_the_reason(desk, site, now, status, says):
    first = site.put().json()
    pay(desk, first["reference"], now)
    with desk.sessions.begin() as session:
        payment = payment_of(session, first["reference"])
        lifecycle.advance(session, payment, status, now=now, source=Source.DESK, actor="Thandi")
        payment.refunded_minor = payment.received_minor if status is Status.REFUNDED else 0
    assert says in problem(site.put(key="second", amount_minor=99_000), 409)


def test_money_that_is_on_the_way_stops_a_change_of_amount(desk, site):
    """Paid in the very moment: the question before the cancelling finds it."""
    first = site.put().json()
    with desk.sessions.read() as session:
        link = payment_of(session, first["reference"]).links[-1]
    desk.gateway.says(link.gateway_reference, Answer.PAID, "PAID")
    assert "paid" in problem(site.put(key="second", amount_minor=99_000), 409)
    assert len(rows(desk, Payment)) == 1


def test_who_pays_may_change_at_any_time(desk, site, now):
    first = site.put().json()
    pay(desk, first["reference"], now)
    assert site.put(key="second", payer_name="Sipho Dlamini").status_code == 200
    with desk.sessions.read() as session:
        payment = payment_of(session, first["reference"])
        assert (payment.payer_name, payment.status) == ("Sipho Dlamini", Status.PAID)
        assert "sipho dlamini" in payment.search_text


def test_a_cancelled_registration_that_comes_again_is_taken_up_again(site):
    first = site.put().json()
    assert site.cancel(first["reference"]).json()["status"] == "cancelled"
    again = site.put(key="second").json()
    assert (again["reference"], again["status"]) == (first["reference"], "open")
    assert again["link"] not in (None, first["link"])


# -- the gateway and its faults -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault, status",
    [
        pytest.param(GatewayRefused("99", "no"), 502, id="refused"),
        pytest.param(GatewayUnavailable("It is away."), 503, id="away"),
    ],
)
def test_a_gateway_that_made_no_link_is_asked_again_by_the_same_request(desk, site, fault, status):
    desk.gateway.failing = fault
    assert problem(site.put(), status)
    desk.gateway.failing = None
    again = site.put()
    assert (again.status_code, again.json()["status"]) == (200, "open")
    assert again.json()["link"]
    assert len(rows(desk, Payment)) == 1


def test_a_lost_answer_of_the_gateway_makes_no_second_link(desk, site, now):
    desk.gateway.loses_answers = OutcomeUnknown("Nothing came back.")
    first = site.put()
    assert (first.status_code, first.json()["link"]) == (202, None)
    desk.gateway.loses_answers = None
    assert site.put().json()["reference"] == first.json()["reference"]
    sync.step(desk.sessions, {"ikhokha": desk.gateway}, now=now + timedelta(minutes=2))
    assert site.put().json()["status"] == "open"
    assert len(desk.gateway.requests) == 1


def test_a_registration_cancelled_before_it_had_a_link_gets_one_when_it_comes_again(desk, site):
    desk.gateway.failing = GatewayRefused("99", "no")
    problem(site.put(), 502)
    desk.gateway.failing = None
    reference = rows(desk, Payment)[0].reference
    assert site.cancel(reference).json()["status"] == "cancelled"
    again = site.put(key="second").json()
    assert (again["reference"], again["status"]) == (reference, "open")
    assert again["link"]


def test_who_changes_a_payment_and_who_asks_for_it_again_wait_in_one_order(desk, site, now):
    """Once the API touched the registration first, and the worker last: each held the other."""
    reference = site.put().json()["reference"]
    if desk.sessions.engine.dialect.name != "postgresql":
        return  # there is one writer at a time

    def somebody_waits() -> bool:
        """Looked at anew: a transaction sees the others as they were when it first looked."""
        query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        with desk.sessions.read() as looking:
            return bool(looking.scalar(query))

    with ThreadPoolExecutor(1) as other:
        with desk.sessions.begin() as session:
            payment = holding.payment(session, payment_of(session, reference).id)
            by = {"now": now, "source": lifecycle.Source.DESK, "actor": "Thandi"}
            lifecycle.note(session, payment, lifecycle.Kind.NOTE, **by, text="Called.")
            session.flush()
            asked = other.submit(site.put, key="second", payer_name="Sipho Dlamini")
            hook.wait_until(somebody_waits)
        assert asked.result().status_code == 200


# -- reading on -----------------------------------------------------------------------------------------


def test_what_changed_is_listed_in_order_and_nothing_is_left_out(desk, site, now):
    references = [site.put(key=f"k{nth}", registration_id=f"r{nth}").json()["reference"] for nth in range(5)]
    first = site.get("/payments", limit=3).json()
    rest = site.get("/payments", limit=3, after=first["next"]).json()
    assert [one["reference"] for one in first["payments"] + rest["payments"]] == references
    assert (first["more"], rest["more"]) == (True, False)
    nothing = site.get("/payments", after=rest["next"]).json()
    assert nothing == {"payments": [], "next": rest["next"], "more": False}
    pay(desk, references[1], now)
    changed = site.get("/payments", after=rest["next"]).json()
    assert [(one["reference"], one["status"]) for one in changed["payments"]] == [(references[1], "paid")]
    assert [
        one["registration_id"] for one in site.get("/payments", registration_id="r3").json()["payments"]
    ] == ["r3"]


def test_changes_have_the_number_of_their_commit_not_of_their_beginning(sessions, now):
    """Two at once: who began first and commits last is read last, and so never missed."""
    with sessions.begin() as session:
        event = make_event(session, now=now)
        event_id = event.id
    for nth in (1, 2):
        with sessions.begin() as session:
            session.add(
                Registration(
                    event_id=event_id, registration_id=f"r{nth}", number=1, reference=f"DEMO_REG_{nth}",
                    return_url="", created_at=now,
                )
            )  # fmt: skip
            payment = Payment(
                reference=f"DEMO_REG_{nth}", event_id=event_id, mode="demo", status="created",
                amount_minor=100, amount_currency="ZAR", payer_name="Z", created_by="x", created_at=now,
                updated_at=now, search_text="", origin="api",
            )  # fmt: skip
            session.add(payment)
            session.flush()
            lifecycle.note(
                session, payment, lifecycle.Kind.NOTE, now=now, source=lifecycle.Source.DESK, actor="x"
            )
    with sessions.read() as session:
        numbers = list(session.scalars(select(Registration.change).order_by(Registration.id)))
    assert 0 < numbers[0] < numbers[1]


def test_reading_does_not_wait_for_those_who_wait_for_the_gateway(desk, site):
    """Five ask for links while the gateway keeps them waiting: one more than may wait at once."""
    reference = site.put(key="first").json()["reference"]
    answers, issue_ = threading.Event(), desk.gateway.issue

    def slowly(request):
        assert answers.wait(20)
        return issue_(request)

    desk.gateway.issue = slowly
    with ThreadPoolExecutor(5) as crowd:
        asked = [crowd.submit(site.put, key=f"k{nth}", registration_id=f"r{nth}") for nth in range(5)]
        read = site.get(f"/payments/{reference}")
        waiting = [one for one in asked if not one.done()]
        answers.set()
    assert read.status_code == 200
    assert len(waiting) == 5
    assert [one.result().status_code for one in asked] == [201] * 5


def test_while_the_desk_stands_still_the_api_only_reads(desk, site, now):
    reference = site.put().json()["reference"]
    with desk.sessions.begin() as session:
        standstill.begin(session, "The books do not add up.", now=now)
    assert site.get(f"/payments/{reference}").status_code == 200
    assert "read-only" in problem(site.put(key="x", registration_id="new"), 409)
    assert "read-only" in problem(site.cancel(reference), 409)


# -- what is refused, and how ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, says",
    [
        pytest.param({"amount_minor": 1500.5}, "whole number", id="a fraction"),
        pytest.param({"amount_minor": "150000"}, "whole number", id="a text"),
        pytest.param({"amount_minor": True}, "whole number", id="a truth"),
        pytest.param({"amount_minor": 0}, "1 or more", id="nothing"),
        pytest.param({"amount_minor": 10**15}, "or less", id="too much"),
        pytest.param({"currency": "XXX"}, "one of", id="a currency we do not know"),
        pytest.param({"currency": "USD"}, "priced in ZAR", id="not the event's currency"),
        pytest.param({"registration_id": "a b"}, "must fit", id="an id with a space"),
        pytest.param({"registration_id": "4111111111111111"}, "card number", id="a card number as id"),
        pytest.param({"payer_email": "thandi"}, "e-mail", id="half an address"),
        pytest.param({"payer_phone": "12"}, "phone", id="half a number"),
        pytest.param({"payer_name": "4111 1111 1111 1111"}, "card number", id="a card number as name"),
        pytest.param({"category": "Speaker"}, "Regular, Student", id="a category that is not there"),
        pytest.param({"return_url": "http://example.org/"}, "https", id="a page that can be read on its way"),
        pytest.param({"return_url": "javascript:alert(1)"}, "https", id="no page"),
        pytest.param({"colour": "red"}, "no such field", id="a field that is not there"),
    ],
)
def test_a_wish_that_cannot_be_used_is_refused_with_a_sentence(quiet, change, says):
    desk, site = quiet
    assert says in problem(site.put(key=says.replace(" ", "-"), **change), 422)
    assert rows(desk, Payment) == []


@pytest.mark.parametrize(
    "asked, status",
    [
        pytest.param({"data": "{", "headers": {"Content-Type": "application/json"}}, 400, id="no json"),
        pytest.param({"data": "{}", "headers": {"Content-Type": "text/plain"}}, 415, id="another type"),
        pytest.param(
            {"data": '"' + "x" * 20_000 + '"', "headers": {"Content-Type": "application/json"}},
            413,
            id="huge",
        ),
        pytest.param({"json": ["a"]}, 422, id="a list"),
    ],
)
def test_a_body_that_is_none_is_refused(quiet, asked, status):
    headers = {"Idempotency-Key": "k"} | asked.pop("headers", {})
    problem(quiet[1].ask("POST", "/payments", headers=headers, **asked), status)


@pytest.mark.parametrize(
    "path, status",
    [
        pytest.param("/payments?after=soon", 422, id="a cursor that is none"),
        pytest.param("/payments?limit=0", 422, id="none of them"),
        pytest.param("/payments?limit=9999999999", 422, id="all of them"),
        pytest.param("/payments?colour=red", 422, id="an unknown parameter"),
        pytest.param("/payments?limit=1&limit=2", 422, id="twice"),
        pytest.param("/payments/x", 422, id="no reference"),
        pytest.param("/nowhere", 404, id="nowhere"),
    ],
)
def test_an_address_that_is_none_is_refused(quiet, path, status):
    problem(quiet[1].ask("GET", path), status)


def test_another_method_is_told_which(quiet):
    answer = quiet[1].ask("DELETE", "/payments")
    problem(answer, 405)
    assert "GET" in answer.headers["Allow"] or "POST" in answer.headers["Allow"]


def test_a_request_without_its_key_of_repetition_is_refused(quiet):
    assert "Idempotency-Key" in problem(quiet[1].ask("POST", "/payments", json=WISH), 422)


# -- the description ------------------------------------------------------------------------------------


def test_the_description_is_served_to_anybody_and_names_every_operation(quiet):
    told = requests.get(f"{quiet[1].root}/openapi.json", timeout=10).json()
    assert told == json.loads(json.dumps(describe("http://127.0.0.1:8000")))
    ids = {one["operationId"] for path in told["paths"].values() for one in path.values()}
    assert ids == {operation.id for operation in OPERATIONS}
    assert set(told["webhooks"]) == set(notifications.KINDS)


def test_an_idempotency_key_is_forgotten_once_it_is_no_longer_kept(sessions, now):
    with sessions.begin() as session:
        make_event(session, now=now)
        api_keys.make(session, ADMIN, "devconf", "Site", BOTH, demo=True, now=now)
        key = session.scalars(select(ApiKey.id)).one()
        days = (89, 90, 91, 400)
        session.add_all(
            ApiRequest(key_id=key, idempotency_key=f"{ago}", digest="", at=now - timedelta(days=ago))
            for ago in days
        )
    assert idempotency.sweep(sessions, now=now) == 2
    with sessions.read() as session:
        left = session.scalars(select(ApiRequest.idempotency_key).order_by(ApiRequest.id))
        assert list(left) == ["89", "90"]
