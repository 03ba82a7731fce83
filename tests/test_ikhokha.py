"""iKhokha on the wire: what we sign and send, what its answers mean, what we refuse to believe."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.money import Money
from payments.errors import GatewayRefused, GatewayUnavailable, InvalidInput, OutcomeUnknown
from payments.gateways import Answer, LinkRequest
from payments.gateways.ikhokha import WORDS, Config, IKhokha, sign
from tests.fault_server import (
    Behaviour,
    FaultServer,
    continue_storm,
    drip_body,
    drip_head,
    hang_up,
    html,
    reply,
    reset,
    silence,
    silence_after_head,
    truncated,
)

VECTORS = json.loads((Path(__file__).parent / "vectors/signature-vectors.json").read_text())
SAMPLES = Path(__file__).parent / "vectors/samples"
SECRET = "test-secret-DO-NOT-USE-0123456789"
LINK_ID = "2zh1zj6y8xpb0g3"


def sample(number: str) -> dict[str, Any]:
    (path,) = SAMPLES.glob(f"{number}-*.json")
    return json.loads(path.read_text())


def client(origin: str = "http://127.0.0.1:9", **changes: Any) -> IKhokha:
    settings = {
        "app_id": "IKTEST",
        "secret_key": SECRET,
        "base_url": f"{origin}/public-api/v1/api",
        "requester_url": "https://shop.example.org",
        "link_hosts": ("securepay.ikhokha.red",),
        "read_s": 1,
        "total_s": 2,
    }
    return IKhokha(Config(**settings | changes), sleep=lambda _: None)


def request(**changes: Any) -> LinkRequest:
    fields = {
        "reference": "TRANS789",
        "amount": Money(15000),
        "description": "Ubuntu Research Week",
        "callback_url": "https://pay.example.org/webhooks/ikhokha",
        "success_url": "https://pay.example.org/return/abc",
        "failure_url": "https://pay.example.org/failed/abc",
        "cancel_url": "https://pay.example.org/cancelled/abc",
    }
    return LinkRequest(**fields | changes)


def created(**changes: Any) -> dict[str, Any]:
    return sample("04") | changes


def status_answer(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in (sample("16") | changes).items() if value != "(missing)"}


# -- how long -----------------------------------------------------------------------------------------

#: What never ends, and after how many seconds it does.
ENDLESS = {silence: 10, silence_after_head: 10, drip_body: 15, drip_head: 15, continue_storm: 15}


def test_it_connects_in_three_seconds_reads_in_ten_and_ends_in_fifteen(so_often: Callable[..., int]) -> None:
    """By ``--chaos`` it really waits so long, on all that never ends at once."""
    assert (Config.connect_s, Config.read_s, Config.total_s) == (3, 10, 15)
    with ThreadPoolExecutor(len(ENDLESS)) as callers:
        waited = dict(zip(ENDLESS, callers.map(seconds_waited, list(ENDLESS) * so_often(0, 1)), strict=False))
    for behaviour, took in waited.items():
        assert ENDLESS[behaviour] - 0.5 < took < ENDLESS[behaviour] + 0.5, behaviour.__name__
    print({behaviour.__name__: round(took, 2) for behaviour, took in waited.items()})


def seconds_waited(behaviour: Behaviour) -> float:
    with FaultServer(behaviour) as server:
        began = time.monotonic()
        with pytest.raises(GatewayUnavailable):
            client(server.origin, read_s=Config.read_s, total_s=Config.total_s).status(LINK_ID)
        return time.monotonic() - began


# -- signing and sending ------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", [pytest.param(v, id=v["name"].split()[0]) for v in VECTORS])
def test_signatures_equal_the_known_vectors(vector: dict[str, str]) -> None:
    body = vector.get("signedBody", vector["body"])
    assert sign(vector["path"], body, vector["secret"]) == vector["ikSign"]
    assert sign(vector["path"], body.encode(), f" {vector['secret']}\n") == vector["ikSign"]


def test_a_create_signs_the_exact_text_it_sends() -> None:
    with FaultServer(reply(200, created())) as server:
        client(server.origin).issue(request(description="Café – 🎟 & more"))
        (sent,) = server.seen
    assert (sent.method, sent.target) == ("POST", "/public-api/v1/api/payment")
    assert sent.headers["ik-sign"] == sign("/public-api/v1/api/payment", sent.body, SECRET)
    assert sent.headers["ik-appid"] == "IKTEST"
    assert sent.headers["content-type"] == sent.headers["accept"] == "application/json"
    assert "Café – 🎟 & more".encode() in sent.body
    assert b": " not in sent.body


def test_a_create_has_the_documented_fields_in_the_documented_order() -> None:
    with FaultServer(reply(200, created())) as server:
        client(server.origin, entity_id="ENTITY").issue(request())
        body = json.loads(server.seen[0].body)
    official = sample("01")
    del official["externalEntityID"]  # optional: a tenant of ours, and we have none
    assert list(body) == list(official)
    assert list(body["urls"]) == list(official["urls"])
    assert (body["amount"], body["currency"], body["mode"]) == (15000, "ZAR", "live")
    assert (body["entityID"], body["paymentReference"]) == ("ENTITY", "TRANS789")


@pytest.mark.parametrize("sign_query", [False, True])
def test_the_query_is_signed_only_when_set(sign_query: bool) -> None:
    with FaultServer(reply(200, status_answer())) as server:
        client(server.origin, sign_query=sign_query).status_by_reference("ORD-1001")
        (sent,) = server.seen
    path, _, query = sent.target.partition("?")
    assert query == "externalReference=ORD-1001"
    assert sent.headers["ik-sign"] == sign(sent.target if sign_query else path, "", SECRET)


def test_history_asks_for_whole_days() -> None:
    with FaultServer(reply(200, [])) as server:
        assert client(server.origin).history(date(2026, 2, 1), date(2026, 2, 3)) == []
        assert server.seen[0].target.endswith("/payments/history?startDate=2026-02-01&endDate=2026-02-03")
        assert server.seen[0].headers["ik-sign"] == sign("/public-api/v1/api/payments/history", "", SECRET)


@given(st.text(max_size=300))
def test_a_description_reads_the_same_in_every_escape(text: str) -> None:
    body = client()._create(request(description=text))
    written = body["description"]
    assert not set(written) & {"'", '"', "\\", "\0"}
    assert len(written) <= 100
    assert json.dumps(written, ensure_ascii=False) == f'"{written}"'
    written.encode()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"amount": Money(100, "USD")}, id="not rand"),
        pytest.param({"amount": Money(0)}, id="nothing to pay"),
        pytest.param({"amount": Money(-5)}, id="less than nothing"),
        pytest.param({"reference": "R" * 51}, id="reference too long"),
        pytest.param({"reference": "REG 1"}, id="reference with a space"),
        pytest.param({"reference": ""}, id="no reference"),
        pytest.param({"callback_url": "http://pay.example.org/hook"}, id="callback not https"),
        pytest.param({"success_url": "https://you@pay.example.org/"}, id="somebody in the address"),
        pytest.param({"failure_url": "file:///etc/passwd"}, id="a file"),
        pytest.param({"cancel_url": "//pay.example.org/"}, id="no scheme"),
        pytest.param({"cancel_url": "https://pay.example.org/a b"}, id="a space"),
        pytest.param({"cancel_url": "https://pay.example.org\\@evil.example/"}, id="a backslash"),
        pytest.param({"cancel_url": "https://[::1/"}, id="half an address"),
    ],
)
def test_what_the_gateway_cannot_take_is_never_sent(changes: dict[str, Any]) -> None:
    with FaultServer(reply(200, created())) as server:
        with pytest.raises(InvalidInput):
            client(server.origin).issue(request(**changes))
        assert server.connections == 0


@pytest.mark.parametrize(
    "link_id",
    ["", "../x", "a/b", "a%2fb", "..%2f", "a?b", "a#b", "é", "x" * 65, "a b", "a\n", "ａ"],
)
def test_only_a_plain_link_id_enters_a_path(link_id: str) -> None:
    with FaultServer(reply(200, status_answer())) as server:
        with pytest.raises(InvalidInput):
            client(server.origin).status(link_id)
        assert server.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://api.ikhokha.com/public-api/v1/api",
        "ftp://api.ikhokha.com/",
        "file:///public-api",
        "//api.ikhokha.com/public-api",
        "https://key@api.ikhokha.com/public-api",
        "https://41.1.2.3/public-api",
        "https://[2001:db8::1]/public-api",
        "https://api.ikhokhá.com/public-api",
        "https://api.ikhokha.com/public-api/..%2fadmin",
        "https://api.ikhokha.com/public-api/../admin",
        "https://api.ikhokha.com/public-api?x=1",
        "https://api.ikhokha.com/public-api#x",
        "https://api.ikhokha.com:99999/public-api",
        "https://localhost.evil@127.0.0.1/",
        "https:///public-api",
        "",
    ],
)
def test_the_base_address_is_one_exact_origin(url: str) -> None:
    with pytest.raises(InvalidInput, match="IKHOKHA_BASE_URL"):
        client(base_url=url)


def test_the_real_base_address_is_accepted() -> None:
    client(base_url="https://api.ikhokha.com/public-api/v1/api")


def test_secrets_are_not_in_the_configs_text() -> None:
    config = client(previous_secret_key="the-one-before")._config
    assert SECRET not in repr(config)
    assert "the-one-before" not in repr(config)


# -- what a create may answer -------------------------------------------------------------------------


def test_a_created_link_is_its_id_and_its_page() -> None:
    with FaultServer(reply(200, created())) as server:
        issued = client(server.origin).issue(request())
    assert issued.gateway_reference == LINK_ID
    assert issued.url == f"https://securepay.ikhokha.red/{LINK_ID}"


_UNKNOWN = [
    *(
        pytest.param(reply(status, {"message": "?"}), id=str(status))
        for status in (301, 408, 409, 500, 502, 503)
    ),
    pytest.param(html(200), id="a web page"),
    pytest.param(html(504), id="504 web page"),
    pytest.param(hang_up, id="hung up"),
    pytest.param(reset, id="reset"),
    pytest.param(silence, id="silence"),
    pytest.param(truncated(json.dumps(created()).encode()), id="truncated"),
    pytest.param(reply(200, b""), id="empty"),
    pytest.param(reply(200, None), id="null"),
    pytest.param(reply(200, [created()]), id="array"),
    pytest.param(reply(200, b"\xef\xbb\xbf" + json.dumps(created()).encode()), id="byte order mark"),
    pytest.param(reply(200, json.dumps(created()).encode("utf-16")), id="UTF-16"),
    pytest.param(reply(200, b'{"responseCode":"00","responseCode":"99"}'), id="a key twice"),
    pytest.param(reply(200, created(responseCode=0)), id="code is a number"),
    pytest.param(reply(200, created(responseCode=None)), id="code is null"),
    pytest.param(reply(200, created(paylinkID=None)), id="no id"),
    pytest.param(reply(200, created(paylinkID="../x")), id="id is a path"),
    pytest.param(reply(200, created(paylinkUrl=None)), id="no page"),
    pytest.param(reply(200, created(externalTransactionID="OTHER")), id="another's reference"),
    *(
        pytest.param(reply(200, created(paylinkUrl=url)), id=url)
        for url in (
            f"http://securepay.ikhokha.red/{LINK_ID}",
            f"https://securepay.ikhokha.red.evil.example/{LINK_ID}",
            f"https://securepay.ikhokha.red@evil.example/{LINK_ID}",
            f"https://securepay.ikhokha.red:444/{LINK_ID}",
            f"https://evil.example\\@securepay.ikhokha.red/{LINK_ID}",
            "javascript:alert(1)",
            "//securepay.ikhokha.red/x",
        )
    ),
]


@pytest.mark.each_fault
@pytest.mark.parametrize("behaviour", _UNKNOWN)
def test_a_create_without_a_clear_answer_is_unknown_and_sent_once(behaviour: Behaviour) -> None:
    with FaultServer(behaviour) as server:
        with pytest.raises(OutcomeUnknown):
            client(server.origin).issue(request())
        assert [seen.method for seen in server.seen] == ["POST"]


@pytest.mark.each_fault
@pytest.mark.parametrize(
    "behaviour, code, text",
    [
        pytest.param(reply(401, sample("19")), "IK-001", "Token or Hash invalid", id="bad signature"),
        pytest.param(reply(400, b"Bad Request"), "400", "", id="400 that is no JSON"),
        pytest.param(html(403), "403", "", id="403 web page"),
        pytest.param(reply(404), "404", "", id="404 empty"),
        pytest.param(reply(422, {"error": {"amount": "too small"}}), "422", "amount: too small", id="422"),
        pytest.param(reply(429, {"message": "slow down"}), "429", "slow down", id="429"),
        pytest.param(reply(200, {"responseCode": "99", "message": "No"}), "99", "No", id="200 with code 99"),
        pytest.param(reply(200, created(responseCode="05")), "05", "", id="200 with code 05 and a link"),
    ],
)
def test_a_create_that_is_refused_tells_code_and_text(behaviour: Behaviour, code: str, text: str) -> None:
    with FaultServer(behaviour) as server:
        with pytest.raises(GatewayRefused) as refusal:
            client(server.origin).issue(request())
        assert len(server.seen) == 1
    assert (refusal.value.code, refusal.value.text) == (code, text)


@pytest.mark.each_fault
@pytest.mark.parametrize(
    "body, text",
    [
        ({"message": "a"}, "a"),
        ({"responseMessage": "a"}, "a"),
        ({"error": "a"}, "a"),
        ({"errors": ["a", "b"]}, "a; b"),
        ({"validationErrors": [{"field": "amount", "message": "low"}]}, "field: amount; message: low"),
        ({"details": {"amount": ["low", "odd"]}}, "amount: low; amount: odd"),
        ({"message": "a", "error": "a", "details": "b"}, "a; b"),
        ({"message": " a\n  b\u2028c "}, "a b c"),
        ({"message": ""}, ""),
        ({"message": 5}, ""),
        (["a", "b"], "a; b"),
        ({"message": "x" * 1000}, "x" * 300),
    ],
)
def test_the_text_of_a_refusal_is_found_wherever_it_stands(body: Any, text: str) -> None:
    with FaultServer(reply(400, body)) as server, pytest.raises(GatewayRefused) as refusal:
        client(server.origin).issue(request())
    assert refusal.value.text == text


# -- what a question may answer -----------------------------------------------------------------------

QUESTIONS: dict[str, Callable[[IKhokha], Any]] = {
    "status": lambda gateway: gateway.status(LINK_ID),
    "by reference": lambda gateway: gateway.status_by_reference("TRANS789"),
    "history": lambda gateway: gateway.history(date(2026, 2, 1), date(2026, 2, 2)),
}


@pytest.mark.each_fault
def test_a_status_is_read_whole() -> None:
    body = sample("16") | {"externalTransactionID": "TRANS789", "currency": "ZAR", "extra": {"a": [1]}}
    with FaultServer(reply(200, body)) as server:
        status = client(server.origin).status("d8z202zhpns1kl5")
        assert server.seen[0].target == "/public-api/v1/api/getStatus/d8z202zhpns1kl5"
    assert (status.gateway_reference, status.answer, status.word) == ("d8z202zhpns1kl5", Answer.PAID, "PAID")
    assert (status.amount_minor, status.currency, status.reference) == (100, "ZAR", "TRANS789")
    assert status.created_at == datetime(2024, 2, 20, 12, 0, 56, 235000, UTC)
    assert json.loads(status.raw) == body


@pytest.mark.each_fault
@pytest.mark.parametrize("question", [pytest.param(ask, id=name) for name, ask in QUESTIONS.items()])
@pytest.mark.parametrize(
    "behaviour",
    [
        *(pytest.param(reply(status), id=str(status)) for status in (302, 408, 429, 500, 502, 503, 504)),
        pytest.param(html(200), id="a web page"),
        pytest.param(hang_up, id="hung up"),
        pytest.param(reset, id="reset"),
        pytest.param(truncated(json.dumps(sample("16")).encode()), id="truncated"),
        pytest.param(reply(200, b""), id="empty"),
        pytest.param(reply(200, None), id="null"),
        pytest.param(reply(200, "PAID"), id="a word"),
        pytest.param(reply(200, [["PAID"]]), id="nested arrays"),
        pytest.param(reply(200, b'{"status":"PAID","status":"UNPAID"}'), id="a key twice"),
        pytest.param(reply(200, status_answer(status="(missing)")), id="no status"),
        pytest.param(reply(200, status_answer(status=None)), id="status null"),
        pytest.param(reply(200, status_answer(status=["PAID"])), id="status a list"),
        pytest.param(reply(200, status_answer(paylinkID="(missing)")), id="no link"),
        pytest.param(reply(200, status_answer(paylinkID=5)), id="link a number"),
        pytest.param(reply(200, status_answer(amount=10**30)), id="amount beyond reason"),
    ],
)
def test_a_question_without_a_clear_answer_is_no_answer(
    question: Callable[[IKhokha], Any], behaviour: Behaviour
) -> None:
    with FaultServer(behaviour) as server, pytest.raises(GatewayUnavailable):
        question(client(server.origin))


@pytest.mark.each_fault
@pytest.mark.parametrize("question", [pytest.param(ask, id=name) for name, ask in QUESTIONS.items()])
@pytest.mark.parametrize("status", [401, 403])
def test_a_question_may_be_refused(question: Callable[[IKhokha], Any], status: int) -> None:
    with FaultServer(reply(status, sample("19"))) as server, pytest.raises(GatewayRefused, match="IK-001"):
        question(client(server.origin))


_MEANINGS = {
    "PAID": Answer.PAID,
    "paid": Answer.PAID,
    " Paid ": Answer.PAID,
    **dict.fromkeys(("UNPAID", "PENDING", "processing", "CREATED"), Answer.OPEN),
    **dict.fromkeys(("FAILURE", "failed", "DECLINED", "ERROR", "REJECTED"), Answer.ATTEMPT_FAILED),
    **dict.fromkeys(("CANCELLED", "CANCELED", "CANCEL", "EXPIRED"), Answer.UNCLEAR),
    **dict.fromkeys(("REFUNDED", "PARTIALLY_REFUNDED", "REVERSED"), Answer.UNCLEAR),
    **dict.fromkeys(("SUCCESS", "SUCCESSFUL", "COMPLETED", "APPROVED"), Answer.UNCLEAR),
    **dict.fromkeys(("", "BETAALD", "PAID!", "paıd", "ＰＡＩＤ", "NOT PAID"), Answer.UNCLEAR),
}


@pytest.mark.each_fault
@pytest.mark.parametrize("word, meaning", _MEANINGS.items())
def test_only_the_word_paid_means_paid(word: str, meaning: Answer) -> None:
    with FaultServer(reply(200, status_answer(status=word))) as server:
        status = client(server.origin).status(LINK_ID)
    assert (status.answer, status.word) == (meaning, word)


def test_every_known_word_is_in_the_table_of_meanings() -> None:
    assert {word for word in _MEANINGS if word.strip().upper() in WORDS} >= {"PAID", "UNPAID", "FAILURE"}
    assert set(WORDS) <= {word.strip().upper() for word in _MEANINGS}


@pytest.mark.each_fault
@pytest.mark.parametrize(
    "text, minor",
    [
        ("100", 100),
        ("0", 0),
        ("-1", -1),
        (str(2**53 + 1), 2**53 + 1),
        ("100.0", None),
        ("100.00", None),
        ("1e2", None),
        ('"100"', None),
        ('"R1.00"', None),
        ("true", None),
        ("null", None),
        ("[100]", None),
    ],
)
def test_an_amount_is_whole_cents_or_unknown(text: str, minor: int | None) -> None:
    body = f'{{"paylinkID":"{LINK_ID}","status":"PAID","amount":{text}}}'.encode()
    with FaultServer(reply(200, body)) as server:
        assert client(server.origin).status(LINK_ID).amount_minor == minor


@pytest.mark.each_fault
def test_a_missing_amount_is_unknown() -> None:
    with FaultServer(reply(200, status_answer(amount="(missing)"))) as server:
        assert client(server.origin).status(LINK_ID).amount_minor is None


@pytest.mark.each_fault
@pytest.mark.parametrize("created_at", ["yesterday", "", None, 5, "2024-02-20T12:00:56", "(missing)"])
def test_a_moment_without_a_zone_is_no_moment(created_at: Any) -> None:
    with FaultServer(reply(200, status_answer(createdAt=created_at))) as server:
        assert client(server.origin).status(LINK_ID).created_at is None


@pytest.mark.each_fault
def test_a_reference_of_a_wrong_type_fits_nothing() -> None:
    with FaultServer(reply(200, status_answer(externalTransactionID=789, currency=["ZAR"]))) as server:
        status = client(server.origin).status(LINK_ID)
    assert (status.reference, status.currency) == ("789", "['ZAR']")


@pytest.mark.each_fault
@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(reply(404, {"responseCode": "IK-404", "message": "not found"}), id="404"),
        pytest.param(reply(404), id="404 empty"),
        pytest.param(reply(400, {"message": "unknown reference"}), id="400"),
        pytest.param(reply(400, b"unknown reference"), id="400 that is no JSON"),
    ],
)
def test_a_reference_the_gateway_does_not_know_is_none(behaviour: Behaviour) -> None:
    with FaultServer(behaviour) as server:
        assert client(server.origin).status_by_reference("TRANS789") is None


@pytest.mark.each_fault
@pytest.mark.parametrize(
    "behaviour, error",
    [
        pytest.param(html(404), GatewayUnavailable, id="404 of something in between"),
        pytest.param(html(400), GatewayUnavailable, id="400 of something in between"),
        pytest.param(reply(404, sample("19")), GatewayRefused, id="404 for a bad signature"),
        pytest.param(reply(400, sample("19")), GatewayRefused, id="400 for a bad signature"),
        pytest.param(reply(410), GatewayRefused, id="410"),
        pytest.param(reply(200, {"responseCode": "99"}), GatewayRefused, id="200 with code 99"),
    ],
)
def test_nothing_else_is_taken_for_an_unknown_reference(behaviour: Behaviour, error: type) -> None:
    with FaultServer(behaviour) as server, pytest.raises(error):
        client(server.origin).status_by_reference("TRANS789")


@pytest.mark.each_fault
@pytest.mark.parametrize("under", ["", "payments", "data", "transactions", "content"])
def test_a_history_is_a_list_wherever_it_stands(under: str) -> None:
    items = [sample("16") | {"method": "card"}, sample("17")]
    with FaultServer(reply(200, {under: items, "page": 1} if under else items)) as server:
        found = client(server.origin).history(date(2026, 2, 1), date(2026, 2, 2))
    assert [status.answer for status in found] == [Answer.PAID, Answer.ATTEMPT_FAILED]
    assert json.loads(found[0].raw) == items[0]


@pytest.mark.each_fault
@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"rows": []}, id="under an unknown key"),
        pytest.param({"data": {"rows": []}}, id="deeper"),
        pytest.param({"data": [], "payments": []}, id="two lists"),
        pytest.param([sample("16"), {"status": "PAID"}], id="one entry without a link"),
    ],
)
def test_a_history_that_cannot_be_read_whole_is_no_answer(body: Any) -> None:
    with FaultServer(reply(200, body)) as server, pytest.raises(GatewayUnavailable):
        client(server.origin).history(date(2026, 2, 1), date(2026, 2, 2))
