"""The gateways' door over real HTTP: what is kept, what is answered, and whether it is well."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from db.models import InboxEvent, Link, Payment, UnverifiedEvent
from payments.errors import NotKept
from payments.gateways import Answer, GatewayEvent
from payments.gateways.ikhokha import sign
from payments.hearing import inbox, intake
from payments.hearing.inbox import Message
from payments.hearing.intake import Intake
from tests.desk import issue, make_event, payment_of
from tests.hook import PATH, Hook, Reply, event, request, run_apart, serving, settings_for, signed, wait_until

LINK = "link00000000001"
GOOD = event()
SIGN = sign(PATH, GOOD, "demo_secret")


@pytest.fixture
def hook(database_url, now):
    with serving(database_url, now) as running:
        yield running


@pytest.fixture
def reference(hook, now):
    with hook.sessions.begin() as session:
        make_event(session, now=now)
    return issue(hook.sessions, hook.gateway, now=now).reference


def count(hook: Hook, table, *where) -> int:
    with hook.sessions.read() as session:
        return session.scalar(select(func.count(table.id)).where(*where)) or 0


def status_of(hook: Hook, reference: str) -> str:
    with hook.sessions.read() as session:
        return payment_of(session, reference).status


# -- what is kept, and what comes of it ---------------------------------------------------------------


def test_a_proved_event_is_kept_answered_and_asked_about(hook, reference):
    hook.gateway.says(LINK, Answer.PAID, "PAID")
    reply = hook.post(GOOD)
    assert (reply.status, reply.json) == (200, {"status": "kept"})
    wait_until(lambda: status_of(hook, reference) == "paid")
    wait_until(lambda: count(hook, InboxEvent, InboxEvent.handled_at.is_not(None)) == 1)


def test_a_forged_success_first_does_not_suppress_the_genuine_one(hook, reference):
    hook.gateway.says(LINK, Answer.PAID, "PAID")
    assert hook.post(GOOD, {"ik-appid": "demo", "ik-sign": "0" * 64}).status == 401
    assert (count(hook, UnverifiedEvent), count(hook, InboxEvent)) == (1, 0)
    assert status_of(hook, reference) == "open"
    assert hook.post(GOOD).status == 200
    wait_until(lambda: status_of(hook, reference) == "paid")
    assert (count(hook, UnverifiedEvent), count(hook, InboxEvent)) == (1, 1)


def test_a_hundred_at_once_of_one_message_are_one_row(hook):
    with ThreadPoolExecutor(100) as senders:
        statuses = list(senders.map(lambda _: hook.post(GOOD).status, range(100)))
    assert statuses == [200] * 100
    with hook.sessions.read() as session:
        assert session.scalars(select(InboxEvent.seen_count)).all() == [100]


def test_a_message_that_cannot_be_written_fails_alone(sessions, now):
    """It shares its transaction with nineteen others, which are kept all the same."""

    def message(nth: int) -> Message:
        return Message("ikhokha", PATH, {}, b"%d" % nth, now)

    async def accept_all(intake: Intake):
        words = ["SUCCESS"] * 10 + ["\ud800"] + ["SUCCESS"] * 9
        events = [GatewayEvent(LINK, None, word, "00") for word in words]
        waiting = [intake.accept(message(nth), event) for nth, event in enumerate(events)]
        answers = asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.sleep(0)
        intake.start()  # only now, so that all of them wait together
        try:
            return await answers
        finally:
            await asyncio.to_thread(intake.close)

    answers = run_apart(accept_all(Intake(sessions)))
    assert [nth for nth, answer in enumerate(answers) if isinstance(answer, NotKept)] == [10]
    with sessions.read() as session:
        assert session.scalar(select(func.count(InboxEvent.id))) == 19


def test_the_path_that_is_proved_is_the_public_one_whatever_a_proxy_makes_of_it(database_url, now):
    body = event()
    headers = {"ik-appid": "demo", "ik-sign": sign("/pay/hook", body, "demo_secret")}
    with serving(database_url, now, IKHOKHA_WEBHOOK_URL="https://pay.example.org/pay/hook") as hook:
        assert hook.post(body, headers | {"X-Forwarded-Prefix": "/other"}).status == 200
        assert hook.post(body, signed(body)).status == 401


def test_the_answer_to_a_bad_signature_can_be_set(database_url, now):
    with serving(database_url, now, IKHOKHA_BAD_SIGNATURE_STATUS="204") as hook:
        reply = hook.post(GOOD, {})
        assert (reply.status, reply.body) == (204, b"")
        assert count(hook, UnverifiedEvent) == 1


# -- heads ---------------------------------------------------------------------------------------------


def _flipped(bit: int) -> str:
    return f"{int(SIGN, 16) ^ (1 << bit):064x}"


_HEADS: dict[str, tuple[list[tuple[str, str]], int]] = {
    "genuine": ([("ik-sign", SIGN)], 200),
    "names in capitals": ([("IK-SIGN", SIGN)], 200),
    "digits in capitals": ([("ik-sign", SIGN.upper())], 200),
    "space around": ([("ik-sign", f"  {SIGN}  ")], 200),
    "tab around": ([("ik-sign", f"\t{SIGN}\t")], 200),
    "none": ([], 401),
    "empty": ([("ik-sign", "")], 401),
    "63 digits": ([("ik-sign", SIGN[:-1])], 401),
    "65 digits": ([("ik-sign", SIGN + "0")], 401),
    "prefixed": ([("ik-sign", f"sha256={SIGN}")], 401),
    "0x": ([("ik-sign", f"0x{SIGN[2:]}")], 401),
    "base64": ([("ik-sign", "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=")], 401),
    "twice the same": ([("ik-sign", SIGN), ("ik-sign", SIGN)], 401),
    "twice, good first": ([("ik-sign", SIGN), ("ik-sign", "0" * 64)], 401),
    "twice, good last": ([("ik-sign", "0" * 64), ("ik-sign", SIGN)], 401),
    "list": ([("ik-sign", f"{SIGN},{SIGN}")], 401),
    "quoted": ([("ik-sign", f'"{SIGN}"')], 401),
    "space inside": ([("ik-sign", f"{SIGN[:32]} {SIGN[32:]}")], 401),
    "underscores": ([("ik-sign", f"{SIGN[:32]}_{SIGN[33:]}")], 401),
    "latin-1": ([("ik-sign", SIGN[:-1] + "é")], 401),
    "no-break space around": ([("ik-sign", f"\xa0{SIGN}\xa0")], 401),
    "full-width digits": ([("ik-sign", "０９".encode().decode("latin-1") * 11)], 401),
    "cyrillic letters": ([("ik-sign", ("а" * 32).encode().decode("latin-1"))], 401),
    "8 KB": ([("ik-sign", "a" * 8_192)], 401),
    "60 KB": ([("ik-sign", "a" * 60_000)], 401),
    "of an empty body": ([("ik-sign", sign(PATH, b"", "demo_secret"))], 401),
    "of another path": ([("ik-sign", sign("/webhooks/other", GOOD, "demo_secret"))], 401),
    "of the path and a query": ([("ik-sign", sign(PATH + "?a=1", GOOD, "demo_secret"))], 401),
    "of the whole address": ([("ik-sign", sign(f"http://127.0.0.1:8000{PATH}", GOOD, "demo_secret"))], 401),
    "of no path": ([("ik-sign", sign("", GOOD, "demo_secret"))], 401),
    "of another body": ([("ik-sign", sign(PATH, event(word="FAILURE"), "demo_secret"))], 401),
    "of another's key": ([("ik-sign", sign(PATH, GOOD, "another_secret"))], 401),
    "of an empty key": ([("ik-sign", sign(PATH, GOOD, ""))], 401),
    "as Authorization": ([("authorization", SIGN)], 401),
    "as X-Signature": ([("x-signature", SIGN)], 401),
    "with underscore": ([("ik_sign", SIGN)], 401),
    "another app": ([("ik-sign", SIGN), ("ik-appid", "live")], 401),
    "app in capitals": ([("ik-sign", SIGN), ("ik-appid", "DEMO")], 401),
    "no app": ([("ik-sign", SIGN), ("ik-appid", "-")], 401),
    "empty app": ([("ik-sign", SIGN), ("ik-appid", "")], 401),
    "app twice": ([("ik-sign", SIGN), ("ik-appid", "demo"), ("ik-appid", "demo")], 401),
    "app not ascii": ([("ik-sign", SIGN), ("ik-appid", "démo")], 401),
    "another host": ([("ik-sign", SIGN), ("Host", "evil.example.org")], 200),
    "forwarded host and prefix": (
        [("ik-sign", SIGN), ("X-Forwarded-Host", "x"), ("X-Original-URL", "/y")],
        200,
    ),
    "charset": ([("ik-sign", SIGN), ("Content-Type", "application/json; charset=UTF-8")], 200),
    "charset quoted": ([("ik-sign", SIGN), ("Content-Type", 'Application/JSON;charset="utf-8"')], 200),
    "type missing": ([("ik-sign", SIGN), ("Content-Type", "-")], 415),
    "type empty": ([("ik-sign", SIGN), ("Content-Type", "")], 415),
    "text": ([("ik-sign", SIGN), ("Content-Type", "text/plain")], 415),
    "form": ([("ik-sign", SIGN), ("Content-Type", "application/x-www-form-urlencoded")], 415),
    "utf-16": ([("ik-sign", SIGN), ("Content-Type", "application/json; charset=utf-16")], 415),
    "json-ish": ([("ik-sign", SIGN), ("Content-Type", "application/json+x")], 415),
    "another parameter": ([("ik-sign", SIGN), ("Content-Type", "application/json; v=1")], 415),
    "type twice": (
        [("ik-sign", SIGN), ("Content-Type", "application/json"), ("Content-Type", "text/xml")],
        415,
    ),
    "gzip": ([("ik-sign", SIGN), ("Content-Encoding", "gzip")], 415),
    "identity": ([("ik-sign", SIGN), ("Content-Encoding", "identity")], 415),
    "cookie and credentials": ([("ik-sign", SIGN), ("Cookie", "a=b"), ("Authorization", "Basic x")], 200),
    "99 more": ([("ik-sign", SIGN), *((f"x-{nth}", "1") for nth in range(90))], 200),
    "2,000 more": ([("ik-sign", SIGN), *((f"x-{nth}", "1") for nth in range(2_000))], 431),
    "one name 2,000 times": ([("ik-sign", SIGN), *[("x", "1")] * 2_000], 431),
    "expects 100": ([("ik-sign", SIGN), ("X-Note", "1")], 200),
    "length twice": ([("ik-sign", SIGN), ("Content-Length", "9"), ("Content-Length", "10")], 400),
    "length and chunks": (
        [("ik-sign", SIGN), ("Content-Length", str(len(GOOD))), ("Transfer-Encoding", "chunked")],
        400,
    ),
    "length of minus one": ([("ik-sign", SIGN), ("Content-Length", "-1")], 400),
    "length in words": ([("ik-sign", SIGN), ("Content-Length", "ten")], 400),
    "length past counting": ([("ik-sign", SIGN), ("Content-Length", "9" * 30)], 400),
    "a gibibyte announced": ([("ik-sign", SIGN), ("Content-Length", str(1 << 30))], 413),
    "a byte too many announced": ([("ik-sign", SIGN), ("Content-Length", str(65_537))], 413),
    "NUL": ([("ik-sign", SIGN[:-1] + "\0")], 400),
    "a bare CR": ([("ik-sign", SIGN), ("X-Note", "a\rb: c")], 400),
    # What follows an upgrade is no body, and no body fits this signature.
    "upgrade": ([("ik-sign", SIGN), ("Connection", "Upgrade"), ("Upgrade", "websocket")], 401),
    "h2c": ([("ik-sign", SIGN), ("Connection", "Upgrade"), ("Upgrade", "h2c")], 401),
}


@pytest.fixture(scope="module")
def busy_hook(sqlite_template, tmp_path_factory):
    """One hook for the tables below; each case comes from an address of its own."""
    path = tmp_path_factory.mktemp("hook") / "desk.db"
    path.write_bytes(sqlite_template.read_bytes())
    with serving(f"sqlite:///{path}", PROXY_HOPS="1") as running:
        yield running


def _raw(headers: list[tuple[str, str]], address: str) -> bytes:
    given = {name.lower() for name, _ in headers}
    usual = {"Host": "hook", "Content-Type": "application/json", "ik-appid": "demo"}
    usual |= {"Content-Length": str(len(GOOD)), "X-Forwarded-For": address}
    lines = [(name, value) for name, value in usual.items() if name.lower() not in given]
    lines += [(name, value) for name, value in headers if value != "-"]
    head = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return f"POST {PATH} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + GOOD


@pytest.mark.parametrize("name", _HEADS)
def test_only_one_exact_signature_proves(busy_hook, name):
    headers, expected = _HEADS[name]
    assert busy_hook.send(_raw(headers, name[:40])).status == expected


def test_no_signature_with_one_bit_changed_proves(busy_hook):
    with ThreadPoolExecutor(8) as senders:
        raws = [_raw([("ik-sign", _flipped(bit))], f"bit {bit}") for bit in range(256)]
        assert {busy_hook.send(raw).status for raw in raws} == {401}
        assert all(reply.status == 401 for reply in senders.map(busy_hook.send, raws[:16]))


def test_five_hundred_spoilt_signatures_are_each_a_401(busy_hook, so_often):
    """At each of its 64 places a digit is missing, another, doubled, or none at all."""
    raws = [
        _raw([("ik-sign", SIGN[:place] + instead + SIGN[place + 1 :])], f"place {place} {nth}")
        for place in range(0, 64, so_often(8, 1))
        for nth, instead in enumerate(("", SIGN[place] * 2, "g", ",", "\xe9", ".", "-", "_"))
    ]
    assert len(raws) >= so_often(64, 500)
    with ThreadPoolExecutor(8) as senders:
        assert {reply.status for reply in senders.map(busy_hook.send, raws)} == {401}


def test_the_previous_key_still_proves_after_a_rotation(database_url, now):
    body = event()
    settings = settings_for(database_url)
    assert settings.previous_secret_key == ""
    with serving(database_url, now, IKHOKHA_PREVIOUS_SECRET_KEY="old_secret") as hook:
        headers = {"ik-appid": "demo", "ik-sign": sign(PATH, body, "old_secret")}
        assert hook.post(body, headers).status == 200


@pytest.mark.parametrize(
    "first_line, expected",
    [
        pytest.param("GET /webhooks/ikhokha", 405, id="get"),
        pytest.param("PUT /webhooks/ikhokha", 405, id="put"),
        pytest.param("DELETE /webhooks/ikhokha", 405, id="delete"),
        pytest.param("OPTIONS /webhooks/ikhokha", 405, id="options"),
        pytest.param("POST /webhooks/paypal", 404, id="another gateway"),
        pytest.param("POST /webhooks/ikhokha/", 404, id="slash after"),
        pytest.param("POST /webhooks/IKHOKHA", 404, id="capitals"),
        pytest.param("POST //webhooks/ikhokha", 404, id="slash before"),
        pytest.param("POST /webhooks/../webhooks/ikhokha", 404, id="dots"),
        pytest.param("POST /webhooks/%00", 404, id="NUL"),
        pytest.param("POST /", 404, id="root"),
        pytest.param("POST /docs", 404, id="docs"),
        pytest.param("CONNECT hook:443", 400, id="connect"),
        pytest.param("POST é", 400, id="no path"),
        pytest.param("NONSENSE", 400, id="no request"),
    ],
)
def test_everything_else_is_refused(busy_hook, first_line, expected):
    raw = f"{first_line} HTTP/1.1\r\nHost: hook\r\nContent-Length: 0\r\n\r\n".encode()
    assert busy_hook.send(raw).status == expected


# -- bodies --------------------------------------------------------------------------------------------

_BODIES = {
    "empty": b"",
    "spaces": b"   ",
    "null": b"null",
    "true": b"true",
    "zero": b"0",
    "text": b'"x"',
    "list": b"[]",
    "empty object": b"{}",
    "no JSON": b"hello",
    "two documents": GOOD + GOOD,
    "garbage after": GOOD + b"x",
    "lines": GOOD + b"\n" + GOOD,
    "trailing comma": b'{"paylinkID":"a","status":"SUCCESS",}',
    "single quotes": b"{'paylinkID':'a','status':'SUCCESS'}",
    "comment": b'{"paylinkID":"a" /* b */,"status":"SUCCESS"}',
    "keys twice": b'{"paylinkID":"a","status":"FAILURE","status":"SUCCESS"}',
    "keys in capitals": b'{"PAYLINKID":"a","STATUS":"SUCCESS"}',
    "NaN": b'{"paylinkID":"a","status":"SUCCESS","amount":NaN}',
    "infinity": b'{"paylinkID":"a","status":"SUCCESS","amount":-Infinity}',
    "1e400": b'{"paylinkID":"a","status":"SUCCESS","amount":1e400}',
    "5,000 digits": b'{"paylinkID":"a","status":"SUCCESS","amount":' + b"9" * 5_000 + b"}",
    "nine deep": b'{"a":' * 9 + b"1" + b"}" * 9,
    "10,000 deep": b"[" * 10_000 + b"]" * 10_000,
    "33 keys": b"{" + b",".join(b'"k%d":1' % nth for nth in range(33)) + b"}",
    "5,000 keys": b"{" + b",".join(b'"k%d":1' % nth for nth in range(5_000)) + b"}",
    "overlong UTF-8": b'{"paylinkID":"\xc0\xaf","status":"SUCCESS"}',
    "latin-1": '{"paylinkID":"é","status":"SUCCESS"}'.encode("latin-1"),
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "UTF-32": GOOD.decode().encode("utf-32"),
    "half a character": b'{"paylinkID":"a","status":"\\ud800"}',
    "raw surrogate": b'{"paylinkID":"a","status":"\xed\xa0\x80"}',
    "escaped NUL": b'{"paylinkID":"a","status":"S\\u0000"}',
    "raw NUL": b'{"paylinkID":"a","status":"S\0"}',
    "a NUL": b"\0",
    "control characters": bytes(range(32)),
    "all bytes": bytes(range(256)) * 8,
    "long word": event(word="S" * 300),
    "link with slashes": event(link="../../payment"),
    "link of spaces": event(link=" "),
    "link of 65": event(link="a" * 65),
    "link a number": b'{"paylinkID":7,"status":"SUCCESS"}',
    "status a list": b'{"paylinkID":"a","status":["SUCCESS"]}',
    "status null": b'{"paylinkID":"a","status":null}',
    "64 KiB": b'{"paylinkID":"a","status":"SUCCESS"' + b" " * (65_536 - 36) + b"}",
    "quotes": event(externalTransactionID="'; DROP TABLE inbox;--"),
    "markup": event(externalTransactionID="<script>alert(1)</script>"),
    "formula": event(externalTransactionID="=1+1"),
    "right to left": event(externalTransactionID="\u202eGER"),
    "zero width": event(externalTransactionID="\u200bREG"),
    "emoji": event(externalTransactionID="🙂"),
    "unknown word": event(word="MAYBE"),
    "amount added": event(amount=-1),
    "SUCCESS but 05": event(responseCode="05"),
    "FAILURE but 00": event(word="FAILURE"),
}


@pytest.mark.parametrize("name", _BODIES)
def test_a_signed_body_is_kept_whatever_it_holds(busy_hook, name):
    body = _BODIES[name]
    assert busy_hook.post(body, signed(body) | {"X-Forwarded-For": "gateway"}).status == 200
    assert count(busy_hook, InboxEvent, InboxEvent.body == body) == 1


@pytest.mark.parametrize("name", _BODIES)
def test_an_unsigned_body_is_kept_apart_whatever_it_holds(busy_hook, name):
    body = _BODIES[name]
    assert busy_hook.post(body, {"X-Forwarded-For": f"body {name}"}).status == 401
    assert count(busy_hook, UnverifiedEvent, UnverifiedEvent.body == body) == 1


def test_hostile_bodies_are_kept_on_both_databases(hook):
    for body in _BODIES.values():
        assert hook.post(body).status == 200
    assert count(hook, InboxEvent) == len(set(_BODIES.values()))
    wait_until(lambda: hook.get("/healthz").json["waiting"] == {"messages": 0, "bells": 0})
    assert count(hook, InboxEvent, InboxEvent.effect == "unreadable") > 30


def _chunked(headers: dict[str, str], chunks: list[bytes]) -> bytes:
    head, _, _ = request(b"", headers | {"Transfer-Encoding": "chunked"}).partition(b"\r\n\r\n")
    return head.replace(b"Content-Length: 0\r\n", b"") + b"\r\n\r\n" + b"".join(chunks)


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(
            [b"10000\r\n" + b"a" * 65_536 + b"\r\n", b"1\r\na\r\n", b"0\r\n\r\n"], id="one byte too many"
        ),
        pytest.param([b"1000\r\n" + b"a" * 4_096 + b"\r\n"] * 100, id="without end"),
    ],
)
def test_a_body_that_turns_out_too_large_is_refused(busy_hook, chunks):
    kept = count(busy_hook, UnverifiedEvent)
    assert busy_hook.send(_chunked({}, chunks)).status in (413, 0)  # 0: reset while still sending
    assert count(busy_hook, UnverifiedEvent) == kept


def test_a_chunked_body_of_the_right_size_is_kept(busy_hook):
    chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in (GOOD[:10], GOOD[10:])] + [b"0\r\n\r\n"]
    assert busy_hook.send(_chunked(signed(GOOD), chunks)).status == 200


def test_what_is_refused_unread_is_counted_and_told_on_this_machine_only(hook):
    hook.send(request(b"", {"Content-Length": str(1 << 30)}))
    hook.send(request(b"", {}, kind="text/plain"))
    hook.get(PATH)
    assert hook.get("/healthz").json["refused"] == {"405": 1, "413": 1, "415": 1}
    assert hook.get("/healthz", **{"X-Forwarded-For": "127.0.0.1"}).json == {"status": "ok"}
    assert count(hook, UnverifiedEvent) == 0


# -- floods --------------------------------------------------------------------------------------------


def test_sixty_forgeries_a_minute_are_kept_the_rest_refused_and_genuine_ones_never(hook):
    with ThreadPoolExecutor(8) as senders:
        forged = [hook.post for _ in range(80)]
        replies = list(senders.map(lambda pair: pair[1](f"{pair[0]}".encode(), {}), enumerate(forged)))
    assert sorted(reply.status for reply in replies) == [401] * 60 + [429] * 20
    assert {reply.headers.get("retry-after") for reply in replies if reply.status == 429} == {"60"}
    assert [hook.post(event(link=f"link{nth}")).status for nth in range(100)] == [200] * 100


def test_a_link_has_its_share_of_the_inbox_and_what_comes_beyond_is_counted_not_kept(
    hook, reference, monkeypatch
):
    """The signature may leave out a message's text: whoever has one could have a million kept."""
    monkeypatch.setattr(intake, "KEPT_A_LINK_AND_DAY", 5)

    def varied(nth: int, link: str = LINK) -> Reply:
        return hook.post(event(link, text=f"Payment {nth}"), signed(event(link)))

    assert [varied(nth).status for nth in range(8)] == [200] * 5 + [429] * 3
    assert varied(2).status == 200, "a repetition is no growth"
    assert varied(0, "link00000000002").status == 200, "other links have their own share"
    with hook.sessions.read() as session:
        seen = session.scalars(select(InboxEvent.seen_count).order_by(InboxEvent.id)).all()
    assert seen == [1, 1, 2, 1, 4, 1]
    assert hook.get("/healthz").json["refused"] == {"429": 3}


def test_a_message_beyond_its_links_share_still_makes_us_ask(hook, reference, monkeypatch):
    monkeypatch.setattr(intake, "KEPT_A_LINK_AND_DAY", 1)
    assert hook.post(event(LINK, word="FAILURE")).status == 200
    wait_until(lambda: count(hook, InboxEvent, InboxEvent.handled_at.is_not(None)) == 1)
    hook.gateway.says(LINK, Answer.PAID, "PAID")
    with hook.sessions.begin() as session:
        session.execute(update(Link).values(asked_at=None))  # a minute later
    assert hook.post(GOOD).status == 429
    wait_until(lambda: status_of(hook, reference) == "paid")


def test_a_forged_forwarded_address_changes_nothing_without_a_proxy(hook):
    for nth in range(60):
        hook.post(b"", {"X-Forwarded-For": f"10.0.0.{nth}"})
    assert hook.post(b"", {"X-Forwarded-For": "10.9.9.9"}).status == 429
    with hook.sessions.read() as session:
        assert session.scalars(select(UnverifiedEvent.address).distinct()).all() == ["127.0.0.1"]


def test_the_address_is_what_our_own_proxy_wrote_down(database_url, now):
    with serving(database_url, now, PROXY_HOPS="1") as hook:
        hook.post(b"", {"X-Forwarded-For": "6.6.6.6, 10.0.0.7"})
        with hook.sessions.read() as session:
            assert session.scalars(select(UnverifiedEvent.address)).all() == ["10.0.0.7"]


def test_a_flood_of_forgeries_asks_the_gateway_at_most_ten_times_a_minute_and_is_bounded(
    database_url, now, monkeypatch
):
    monkeypatch.setattr(inbox, "UNVERIFIED_KEPT", 150)
    with serving(database_url, now, PROXY_HOPS="1") as hook:
        with hook.sessions.begin() as session:
            make_event(session, now=now)
        for _ in range(15):
            issue(hook.sessions, hook.gateway, now=now)

        def forge(nth: int) -> int:
            body = event(link=f"link{nth % 15 + 1:011d}", note=nth)
            return hook.post(body, {"X-Forwarded-For": f"10.0.0.{nth % 100}"}).status

        with ThreadPoolExecutor(8) as senders:
            assert set(senders.map(forge, range(600))) == {401}
        assert count(hook, Link, Link.next_ask_at <= now) == inbox.HINTS_A_MINUTE
        assert count(hook, Payment, Payment.status == "paid") == 0
        assert count(hook, UnverifiedEvent) <= 250


def test_a_throttle_forgets_after_a_minute_and_never_grows_past_its_bound(now):
    throttle = intake.Throttle(2)
    assert [throttle.allows("a", now) for _ in range(3)] == [True, True, False]
    assert throttle.allows("a", now + timedelta(minutes=1))
    throttle.MOST = 10
    for nth in range(1_000):
        throttle.allows(f"{nth}", now + timedelta(minutes=1))
    assert len(throttle._counts) == 11


# -- is it well ----------------------------------------------------------------------------------------


def test_a_ready_hook_says_so_in_a_word(hook):
    assert hook.get("/readyz").json == {"status": "ready", "faults": [], "oldest_event_s": None}
    assert hook.get("/readyz", **{"X-Forwarded-For": "8.8.8.8"}).json == {"status": "ready"}


def test_an_event_that_nobody_handles_makes_the_hook_unready(database_url, now):
    with serving(database_url, now) as hook:
        hook.post(GOOD)
        wait_until(lambda: count(hook, InboxEvent, InboxEvent.effect == "unmatched") == 1)
    with serving(database_url, now + timedelta(minutes=7)) as hook:
        reply = hook.get("/readyz")
        assert (reply.status, reply.json["oldest_event_s"]) == (503, 360)
        assert re.search("waited 6 minutes.*worker", reply.json["faults"][0])


def test_a_database_without_its_tables_makes_the_hook_unready(empty_database_url, now):
    with serving(empty_database_url, now) as hook:
        reply = hook.get("/readyz")
        assert reply.status == 503
        assert "manage.py migrate" in reply.json["faults"][0]
        assert hook.get("/healthz").status == 200
        refused = hook.post(GOOD)
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")


def test_every_answer_is_small_and_guarded(busy_hook):
    replies = [busy_hook.post(GOOD), busy_hook.post(b"", {"X-Forwarded-For": "z"}), busy_hook.get(PATH)]
    for reply in replies:
        assert (
            len(reply.body) + sum(len(name) + len(value) + 4 for name, value in reply.headers.items()) < 1_024
        )
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["cache-control"] == "no-store"
