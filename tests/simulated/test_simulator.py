"""The pretend gateway speaks the documented contract, and goes wrong only when told to."""

import json
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from payments.errors import GatewayRefused, GatewayUnavailable, InvalidInput, NotFound, OutcomeUnknown
from payments.gateways import Answer
from payments.gateways.ikhokha import IKhokha, sign
from simulator.gateway import BASE_PATH
from simulator.ledger import Ledger, SimulatedLink, new_link_id
from simulator.server import Running
from simulator.switches import CHOICES, NULLABLE, Switches
from tests.fault_server import FaultServer, reply
from tests.simulated.helpers import CONFIG, NOW, PAGES, client, draw_reference, token, until, wanted
from tests.test_ikhokha import sample

# -- the contract -------------------------------------------------------------------------------------


def signed(
    simulator: Running, path: str, body: bytes = b"", secret: str = "demo_secret"
) -> requests.Response:
    signature = sign(f"{BASE_PATH}/{path.partition('?')[0]}", body, secret)
    return requests.request(
        "POST" if body else "GET",
        f"{simulator.base_url}/{path}",
        data=body or None,
        headers={"IK-APPID": "demo", "IK-SIGN": signature},
        timeout=5,
    )


def test_answers_have_exactly_the_keys_of_the_samples(simulator: Running) -> None:
    body = sample("01") | {"externalTransactionID": draw_reference()}
    with FaultServer(reply(200)) as hook:
        body["urls"] = body["urls"] | {"callbackUrl": f"{hook.origin}/hook"}
        created = signed(simulator, "payment", json.dumps(body, separators=(",", ":")).encode()).json()
        assert created.keys() == sample("04").keys()
        simulator.act(created["paylinkID"], "pay")
        until(lambda: len(hook.seen) == 1)
    assert json.loads(hook.seen[0].body).keys() == sample("08").keys()
    status = signed(simulator, f"getStatus/{created['paylinkID']}").json()
    assert status.keys() == sample("16").keys()
    history = signed(simulator, "payments/history?startDate=2026-11-23&endDate=2026-11-23").json()
    assert all(entry.keys() == sample("16").keys() for entry in history)
    assert signed(simulator, "getStatus/nosuchlink").json().keys() == sample("19").keys()


def test_both_official_samples_are_accepted(simulator: Running) -> None:
    for number in ("01", "02"):
        body = json.dumps(sample(number), separators=(",", ":")).encode()
        assert signed(simulator, "payment", body).json()["responseCode"] == "00"


def test_a_link_lives_from_unpaid_over_failed_to_paid(simulator: Running, gateway: IKhokha) -> None:
    reference = draw_reference()
    issued = gateway.issue(wanted(reference))
    assert issued.url == f"{simulator.origin}/{issued.gateway_reference}"
    assert len(issued.gateway_reference) == 15
    first = gateway.status_by_reference(reference)
    assert first is not None
    assert (first.answer, first.amount_minor, first.created_at) == (Answer.OPEN, 15000, NOW)
    simulator.act(issued.gateway_reference, "fail")
    assert gateway.status(issued.gateway_reference).answer is Answer.ATTEMPT_FAILED
    simulator.act(issued.gateway_reference, "pay-eft")
    assert gateway.status(issued.gateway_reference).answer is Answer.PAID
    (truth,) = [one for one in simulator.links() if one["paylinkID"] == issued.gateway_reference]
    assert (truth["method"], truth["attempts"], truth["paid_at"]) == ("instant_eft", 2, NOW.isoformat())


@pytest.mark.parametrize("act", ["pay", "pay-eft", "fail", "cancel"])
def test_a_paid_link_stays_paid(act: str, simulator: Running, gateway: IKhokha, link: str) -> None:
    simulator.act(link, "pay")
    answer = requests.post(f"{simulator.origin}/_sim/{link}/{act}", headers=token(), timeout=5)
    assert answer.status_code == 409
    assert gateway.status(link).answer is Answer.PAID


def test_cancelling_changes_nothing(simulator: Running, gateway: IKhokha, link: str) -> None:
    simulator.act(link, "cancel")
    assert gateway.status(link).word == "UNPAID"


def test_an_unknown_reference_is_unknown(simulator: Running, gateway: IKhokha) -> None:
    assert gateway.status_by_reference(draw_reference()) is None
    simulator.switch(unknown_reference_status=400)
    assert gateway.status_by_reference(draw_reference()) is None


@pytest.mark.parametrize("changes", [{"secret_key": "wrong"}, {"app_id": "test"}])
def test_who_does_not_sign_right_hears_nothing(
    simulator: Running, link: str, changes: dict[str, str]
) -> None:
    with pytest.raises(GatewayRefused, match="IK-001"):
        client(simulator, **changes).status(link)
    with pytest.raises(GatewayRefused, match="IK-001"):
        client(simulator, **changes).issue(wanted(draw_reference()))


def test_a_bad_signature_is_answered_as_documented(simulator: Running) -> None:
    answer = signed(simulator, "getStatus/abc", secret="wrong")
    assert (answer.status_code, answer.json()) == (401, sample("19"))
    simulator.switch(bad_signature_status=400)
    assert signed(simulator, "getStatus/abc", secret="wrong").status_code == 400


@pytest.mark.parametrize(
    "verify, compact, spaced", [("canonical", 200, 401), ("raw", 200, 200), ("either", 200, 200)]
)
def test_the_signature_is_checked_over_the_body_read_and_written_again(
    simulator: Running, verify: str, compact: int, spaced: int
) -> None:
    simulator.switch(verify=verify)
    body = sample("01")
    assert (
        signed(simulator, "payment", json.dumps(body, separators=(",", ":")).encode()).status_code == compact
    )
    assert signed(simulator, "payment", json.dumps(body, indent=1).encode()).status_code == spaced


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": "200"},
        {"amount": 2.5},
        {"amount": 0},
        {"amount": None},
        {"currency": "USD"},
        {"mode": "test"},
        {"entityID": ""},
        {"requesterUrl": None},
        {"externalTransactionID": "x" * 51},
        {"urls": None},
        {"urls": {"callbackUrl": "https://example.com"}},
        {"urls": sample("01")["urls"] | {"callbackUrl": "example.com/callback"}},
    ],
    ids=str,
)
def test_a_create_with_a_wrong_field_is_refused(simulator: Running, changes: dict[str, Any]) -> None:
    simulator.switch(verify="raw")
    body = json.dumps(sample("01") | changes, separators=(",", ":")).encode()
    answer = signed(simulator, "payment", body)
    assert (answer.status_code, answer.json().keys()) == (400, sample("19").keys())


def test_history_lists_the_days_asked_for(simulator: Running, gateway: IKhokha, link: str) -> None:
    day = NOW.date()
    assert link in {status.gateway_reference for status in gateway.history(day, day)}
    assert gateway.history(day - timedelta(days=2), day - timedelta(days=1)) == []
    for key in ("payments", "data", "transactions", "content"):
        simulator.switch(history_under=key)
        assert link in {status.gateway_reference for status in gateway.history(day, day)}
    with pytest.raises(GatewayRefused):
        raise_for(signed(simulator, "payments/history?startDate=soon&endDate=2026-01-01"))


def raise_for(answer: requests.Response) -> None:
    if not answer.ok:
        raise GatewayRefused(str(answer.status_code), answer.text)


# -- the switches -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault, error, made",
    [
        ("ok", None, True),
        ("code-99", GatewayRefused, False),
        ("400", GatewayRefused, False),
        ("403", GatewayRefused, False),
        ("429", GatewayRefused, False),
        ("500", OutcomeUnknown, False),
        ("500-after", OutcomeUnknown, True),
        ("html", OutcomeUnknown, False),
        ("slow", OutcomeUnknown, True),
        ("drop-before", OutcomeUnknown, False),
        ("drop-after", OutcomeUnknown, True),
    ],
)
def test_each_fault_of_a_create(
    fault: str, error: type[Exception] | None, made: bool, simulator: Running, gateway: IKhokha
) -> None:
    reference = draw_reference()
    simulator.switch(create=fault, slow_s=2)
    if error is None:
        gateway.issue(wanted(reference))
    else:
        with pytest.raises(error):
            gateway.issue(wanted(reference))
    if fault == "slow":
        assert gateway.status_by_reference(reference) is None
        until(lambda: gateway.status_by_reference(reference) is not None)
    assert (gateway.status_by_reference(reference) is not None) == made


def test_every_fault_of_a_create_is_tried_above() -> None:
    (marks,) = [mark for mark in test_each_fault_of_a_create.pytestmark if mark.name == "parametrize"]
    assert {fault for fault, *_ in marks.args[1]} == set(CHOICES["create"])


@pytest.mark.parametrize(
    "fault, error",
    [
        ("403", GatewayRefused),
        ("429", GatewayUnavailable),
        ("500", GatewayUnavailable),
        ("html", GatewayUnavailable),
        ("slow", GatewayUnavailable),
        ("drop", GatewayUnavailable),
    ],
)
def test_each_fault_of_a_status(
    fault: str, error: type[Exception], simulator: Running, gateway: IKhokha, link: str
) -> None:
    simulator.switch(status=fault, slow_s=2)
    with pytest.raises(error):
        gateway.status(link)


def test_a_status_may_lie_about_word_and_amount(simulator: Running, gateway: IKhokha, link: str) -> None:
    simulator.switch(status_word="betaald", amount_off_by=-1)
    status = gateway.status(link)
    assert (status.word, status.answer, status.amount_minor) == ("betaald", Answer.UNCLEAR, 14999)


@pytest.mark.parametrize(
    "changes",
    [
        [],
        {"creat": "ok"},
        {"create": "sometimes"},
        {"create": None},
        {"slow_s": "2"},
        {"slow_s": True},
        {"slow_s": 10_000},
        {"webhook_wrong_app_id": 1},
        {"status_word": 5},
    ],
    ids=str,
)
def test_a_switch_that_cannot_be_is_refused(changes: Any, simulator: Running) -> None:
    answer = requests.post(f"{simulator.origin}/_sim/switches", json=changes, headers=token(), timeout=5)
    assert answer.status_code == 400
    assert simulator.reset() == simulator.switch()


def test_every_choice_belongs_to_a_switch_and_holds_its_default() -> None:
    names = {field.name for field in fields(Switches)}
    assert set(CHOICES) | set(NULLABLE) <= names
    assert all(getattr(Switches(), name) in choices for name, choices in CHOICES.items())


# -- the ledger ---------------------------------------------------------------------------------------


def test_a_simulator_started_twice_knows_its_links(tmp_path: Path) -> None:
    config = replace(CONFIG, state_file=tmp_path / "new" / "links.jsonl")
    reference = draw_reference()
    with Running(config) as first:
        link_id = client(first).issue(wanted(reference)).gateway_reference
        first.act(link_id, "pay")
    with Running(config) as second:
        status = client(second).status_by_reference(reference)
        assert status is not None
        assert (status.gateway_reference, status.answer) == (link_id, Answer.PAID)
        assert second.links()[0]["paid_at"] == NOW.isoformat()


def test_a_seeded_ledger_is_what_the_simulator_serves(tmp_path: Path) -> None:
    seeded = [seeded_link(f"REG_{number}") for number in range(2_000)]
    with Ledger(tmp_path / "links.jsonl") as ledger:
        for link in seeded:
            ledger.add(link)
    with Ledger(tmp_path / "links.jsonl") as ledger:
        assert ledger.all() == seeded
        assert ledger.find_by_reference("REG_7") == seeded[7]


def test_the_newest_link_of_a_reference_is_found(tmp_path: Path) -> None:
    with Ledger() as ledger:
        older, newer = ledger.add(seeded_link("REG_1")), ledger.add(seeded_link("REG_1"))
        ledger.change(older.link_id, status="PAID")
        assert ledger.find_by_reference("REG_1") == newer
        with pytest.raises(NotFound):
            ledger.get("nosuchlink")


def test_a_file_that_is_no_ledger_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "links.jsonl"
    with Ledger(file) as ledger:
        ledger.add(seeded_link("REG_1"))
    file.write_text(file.read_text() + '{"link_id": "torn')
    with pytest.raises(InvalidInput, match="Line 2"):
        Ledger(file)


def seeded_link(reference: str) -> SimulatedLink:
    return SimulatedLink(
        new_link_id(), reference, 100, "é", NOW, PAGES, PAGES, PAGES, PAGES, "PAID", "card", NOW, 1
    )
