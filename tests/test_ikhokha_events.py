"""A message is the gateway's only when it is proved, and read only then."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.errors import InvalidInput, NotFromGateway
from payments.gateways import GatewayEvent
from payments.gateways.ikhokha import sign
from tests.test_ikhokha import SAMPLES, SECRET, VECTORS, client

PATH = "/hooks/ikhokha"
OLD_SECRET = "the-secret-before-this-one"
EVENT = {
    "paylinkID": "2zh1zj6y8xpb0g3",
    "status": "SUCCESS",
    "externalTransactionID": "ORD-1001",
    "responseCode": "00",
}
BODY = json.dumps(EVENT, separators=(",", ":")).encode()
GATEWAY = client(previous_secret_key=OLD_SECRET)


def headers(body: bytes = BODY, *, path: str = PATH, secret: str = SECRET) -> dict[str, str]:
    return {"ik-appid": "IKTEST", "ik-sign": sign(path, body, secret)}


def read(body: bytes, given_headers: dict[str, str] | None = None) -> GatewayEvent:
    return GATEWAY.read_event(PATH, headers(body) if given_headers is None else given_headers, body)


# -- proved -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["V9", "V9t"])
def test_the_known_webhooks_are_proved(name: str) -> None:
    (vector,) = [one for one in VECTORS if one["name"].split()[0] in (name, f"{name},")]
    event = GATEWAY.read_event(
        vector["path"], {"ik-appid": "IKTEST", "ik-sign": vector["ikSign"]}, vector["body"].encode()
    )
    assert event == GatewayEvent("2zh1zj6y8xpb0g3", "ORD-1001", "SUCCESS", "00")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(json.dumps(EVENT).encode(), id="spaces"),
        pytest.param(json.dumps(EVENT, indent=2).encode() + b"\n", id="pretty"),
        pytest.param(json.dumps(EVENT | {"text": "Paid"}).encode(), id="spaces and a text put in later"),
        pytest.param(json.dumps({"text": None} | EVENT).encode(), id="text first"),
        pytest.param(BODY.replace(b"O", b"\\u004f"), id="escaped letters"),
    ],
)
def test_a_body_written_differently_is_proved_by_what_it_says(body: bytes) -> None:
    assert read(body, headers(BODY)).reference == "ORD-1001"


def test_a_text_that_is_signed_is_proved_as_well() -> None:
    assert read(json.dumps(EVENT | {"text": "Paid"}).encode()).word == "SUCCESS"


def test_the_key_before_this_one_still_proves() -> None:
    assert read(BODY, headers(secret=OLD_SECRET)).word == "SUCCESS"
    with pytest.raises(NotFromGateway):
        client().read_event(PATH, headers(secret=OLD_SECRET), BODY)


@pytest.mark.parametrize("secret", ["", "  "])
def test_an_empty_key_is_a_closed_door(secret: str) -> None:
    closed = client(secret_key=secret)
    with pytest.raises(NotFromGateway):
        closed.read_event(PATH, headers(secret=secret), BODY)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(str.upper, id="upper case"),
        pytest.param(lambda text: f"  {text}\t", id="spaces around"),
    ],
)
def test_a_signature_may_be_trimmed_and_in_any_case(change: Any) -> None:
    sent = headers()
    assert read(BODY, sent | {"ik-sign": change(sent["ik-sign"])}).word == "SUCCESS"


# -- not proved ---------------------------------------------------------------------------------------

GOOD = headers()["ik-sign"]
_BAD_SIGNATURES = {
    "empty": "",
    "63": GOOD[:-1],
    "65": GOOD + "0",
    "base64": base64.b64encode(bytes.fromhex(GOOD)).decode(),
    "prefix": f"sha256={GOOD}",
    "twice, equal": f"{GOOD}, {GOOD}",
    "twice, different": f"{GOOD},{'0' * 64}",
    "NUL after": GOOD + "\0",
    "line after": GOOD + "\r\n",
    "space inside": f"{GOOD[:32]} {GOOD[32:]}",
    "8 KB": GOOD * 128,
    "100 KB": "a" * 100_000,
    "Latin-1": "é" * 64,
    "full-width digits": GOOD.translate({ord(str(digit)): 0xFF10 + digit for digit in range(10)}),
    "Cyrillic a c e": GOOD.translate(str.maketrans("ace", "асе")),
    "half a character": "\ud800" * 64,
    "of an empty body": sign(PATH, "", SECRET),
    "of another path": sign("/webhooks/other", BODY, SECRET),
    "of the path with a query": sign(f"{PATH}?x=1", BODY, SECRET),
    "of the path with a slash": sign(f"{PATH}/", BODY, SECRET),
    "without a path": sign("", BODY, SECRET),
    "of an escaped body": sign(PATH, BODY.replace(b'"', b'\\"'), SECRET),
    "of another key": sign(PATH, BODY, "another-secret"),
    "of an empty key": sign(PATH, BODY, ""),
    "of another status": sign(PATH, BODY.replace(b"SUCCESS", b"FAILURE"), SECRET),
}


@pytest.mark.parametrize("signature", [pytest.param(text, id=name) for name, text in _BAD_SIGNATURES.items()])
def test_any_other_signature_proves_nothing(signature: str) -> None:
    with pytest.raises(NotFromGateway):
        read(BODY, {"ik-appid": "IKTEST", "ik-sign": signature})


def _spoilt() -> Iterator[str]:
    """The right signature, spoilt at each of its places in each of these ways."""
    for place, digit in enumerate(GOOD):
        before, after = GOOD[:place], GOOD[place + 1 :]
        for instead in ("", digit * 2, "g", " ", ",", chr(ord("０") + int(digit, 16)), "\0"):
            yield before + instead + after
        yield before + f"{int(digit, 16) ^ 8:x}" + after
        yield GOOD[place:] + GOOD[:place] if place else GOOD[::-1]


def test_no_spoilt_signature_proves_and_each_is_a_refusal_not_an_error() -> None:
    spoilt = set(_spoilt())
    assert len(spoilt) > 500
    for signature in spoilt:
        with pytest.raises(NotFromGateway):
            read(BODY, {"ik-appid": "IKTEST", "ik-sign": signature})


class _Unlooked(str):
    """A text that may be matched whole and turned to bytes, and in no other way be compared."""

    def strip(self, *_: Any) -> "_Unlooked":
        return self

    def lower(self) -> "_Unlooked":
        return self

    def encode(self, *_: Any) -> bytes:
        return _UnlookedBytes(super().encode())

    def _looked(self, *_: Any) -> bool:
        raise AssertionError("a signature is compared in a time that tells where it differs")

    __eq__ = __ne__ = __lt__ = __gt__ = __contains__ = startswith = endswith = find = _looked  # type: ignore[assignment]
    __hash__ = str.__hash__


class _UnlookedBytes(bytes):
    __eq__ = __ne__ = __lt__ = __gt__ = __contains__ = startswith = endswith = find = _Unlooked._looked  # type: ignore[assignment]
    __hash__ = bytes.__hash__


@pytest.mark.parametrize("signature, proves", [(GOOD, True), (f"{int(GOOD, 16) ^ 1:064x}", False)])
def test_a_signature_is_compared_in_constant_time_only(signature: str, proves: bool) -> None:
    """By construction; how long comparing takes is told by ``benchmarks/signature.py``."""
    sent = {"ik-appid": "IKTEST", "ik-sign": _Unlooked(signature)}
    if proves:
        assert read(BODY, sent).word == "SUCCESS"
    else:
        with pytest.raises(NotFromGateway):
            read(BODY, sent)


def test_one_flipped_bit_proves_nothing() -> None:
    good = int(GOOD, 16)
    for place in range(256):
        with pytest.raises(NotFromGateway):
            read(BODY, {"ik-appid": "IKTEST", "ik-sign": f"{good ^ (1 << place):064x}"})


@pytest.mark.parametrize(
    "app_id", ["", "iktest", "IKTEST2", "IKTEST,IKTEST", "IKTES", "é", "\ud800", "IKTEST\0"]
)
def test_the_app_id_must_be_ours(app_id: str) -> None:
    with pytest.raises(NotFromGateway, match="ik-appid"):
        read(BODY, headers() | {"ik-appid": app_id})


@pytest.mark.parametrize("missing", ["ik-appid", "ik-sign"])
def test_both_headers_are_needed(missing: str) -> None:
    with pytest.raises(NotFromGateway, match=missing):
        read(BODY, {name: value for name, value in headers().items() if name != missing})


# -- proved, but unreadable ---------------------------------------------------------------------------

_UNREADABLE = {
    "empty": b"",
    "spaces": b"   ",
    "null": b"null",
    "true": b"true",
    "a number": b"0",
    "a word": b'"SUCCESS"',
    "a list": b"[]",
    "no fields": b"{}",
    "no link": b'{"status":"SUCCESS"}',
    "no status": b'{"paylinkID":"abc"}',
    "empty status": b'{"paylinkID":"abc","status":" "}',
    "link a number": b'{"paylinkID":5,"status":"SUCCESS"}',
    "link a path": b'{"paylinkID":"../etc","status":"SUCCESS"}',
    "other spelling": b'{"paylinkId":"abc","status":"SUCCESS"}',
    "a key twice": b'{"paylinkID":"abc","status":"SUCCESS","status":"FAILURE"}',
    "nine deep": b'{"paylinkID":"abc","status":"SUCCESS","a":' + b"[" * 8 + b"]" * 8 + b"}",
    "a thousand deep": b"[" * 1_000 + b"]" * 1_000,
    "100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "33 keys": json.dumps(EVENT | {str(number): 1 for number in range(29)}).encode(),
    "a long text": json.dumps(EVENT | {"text": "x" * 257}).encode(),
    "a long key": json.dumps(EVENT | {"x" * 257: 1}).encode(),
    "NaN": BODY[:-1] + b',"a":NaN}',
    "Infinity": BODY[:-1] + b',"a":-Infinity}',
    "a number of 5,000 digits": BODY[:-1] + b',"a":' + b"9" * 5_000 + b"}",
    "an exponent beyond reason": BODY[:-1] + b',"a":1e9999999999999999999}',
    "byte order mark": b"\xef\xbb\xbf" + BODY,
    "UTF-16": BODY.decode().encode("utf-16"),
    "Latin-1": BODY.replace(b"ORD", b"\xe9"),
    "overlong UTF-8": BODY.replace(b"ORD", b"\xc0\xaf"),
    "a raw lone surrogate": BODY.replace(b"ORD", b"\xed\xa0\x80"),
    "an escaped lone surrogate": BODY.replace(b"ORD", b"\\ud800"),
    "a raw NUL": BODY.replace(b"ORD", b"\0"),
    "an escaped NUL": BODY.replace(b"ORD", b"\\u0000"),
    "a control character": BODY.replace(b"ORD", b"\x07"),
    "a comment": BODY + b"// paid",
    "single quotes": BODY.replace(b'"', b"'"),
    "a comma too many": BODY[:-1] + b",}",
    "two documents": BODY + BODY,
    "JSON lines": BODY + b"\n" + BODY,
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in _UNREADABLE.items()])
def test_a_proved_message_that_cannot_be_read_says_so(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        read(body)


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in _UNREADABLE.items()])
def test_an_unproved_message_is_not_the_gateways_whatever_it_holds(body: bytes) -> None:
    with pytest.raises(NotFromGateway):
        read(body, headers(b"something else"))


def test_the_invented_envelope_is_unreadable() -> None:
    (path,) = SAMPLES.glob("12-*.json")
    with pytest.raises(InvalidInput):
        read(path.read_bytes())


# -- what is read -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*-webhook-[!I]*.json")), ids=lambda path: path.name)
def test_the_sample_webhooks_are_read(path: Path) -> None:
    body = json.loads(path.read_bytes())
    assert read(path.read_bytes()) == GatewayEvent(
        body["paylinkID"], body["externalTransactionID"], body["status"], body["responseCode"]
    )


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param({"amount": 1}, id="an amount"),
        pytest.param({"amount": 1.5}, id="an amount with a fraction"),
        pytest.param({"data": {"status": "FAILURE"}}, id="another status deeper"),
        pytest.param({"Status": "FAILURE"}, id="another spelling of status"),
        pytest.param({"<script>": "=cmd|' /C calc'!A0"}, id="a text that would be run"),
    ],
)
def test_what_else_a_message_holds_changes_nothing(extra: dict[str, Any]) -> None:
    assert read(json.dumps(EVENT | extra).encode()) == read(BODY)


def test_a_reference_and_a_code_need_not_be_there() -> None:
    event = read(b'{"paylinkID":"abc","status":"failure","responseCode":null}')
    assert event == GatewayEvent("abc", None, "failure", None)


def test_an_unproved_message_may_still_say_which_link_it_is_about() -> None:
    assert GATEWAY.claimed_link(BODY) == "2zh1zj6y8xpb0g3"


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in _UNREADABLE.items()])
def test_an_unreadable_message_is_about_no_link(body: bytes) -> None:
    assert GATEWAY.claimed_link(body) is None


@settings(max_examples=400)
@given(st.data())
def test_no_mutated_body_does_more_than_be_refused(data: st.DataObject) -> None:
    body = bytearray(BODY)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body)))
        cut = data.draw(st.integers(0, 8))
        body[place : place + cut] = data.draw(
            st.one_of(st.binary(max_size=8), st.sampled_from([b'"', b"{", b"[", b"\\", b"\\u0000", b"1e9"]))
        )
    try:
        event = read(bytes(body))
    except InvalidInput:
        return
    assert event.gateway_reference
    assert event.word.strip()
