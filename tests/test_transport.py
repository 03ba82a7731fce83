"""HTTP on a short lead: deadlines, sizes, redirects, proxies, retries and the breaker, on real sockets."""

import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from payments.errors import GatewayUnavailable, OutcomeUnknown
from payments.gateways.transport import OPEN_S, Limits, Transport
from tests.fault_server import (
    Behaviour,
    FaultServer,
    continue_storm,
    drip_body,
    drip_head,
    gzip_bomb,
    hang_up,
    reply,
    reset,
    silence,
    silence_after_head,
    truncated,
)

pytestmark = pytest.mark.each_fault

LIMITS = Limits(connect_s=1, read_s=1, total_s=2, largest_bytes=1 << 20)


class Clock:
    """A clock that moves when told, and notes how long it was slept on."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def transport(clock: Clock) -> Callable[..., Transport]:
    def build(origin: str, *, jitter: float = 1.0, limits: Limits = LIMITS) -> Transport:
        return Transport(origin, limits, sleep=clock.sleep, jitter=lambda: jitter, monotonic=clock)

    return build


@pytest.fixture
def nobody() -> str:
    """An address where nothing listens."""
    with FaultServer(hang_up) as server:
        return server.origin


# -- deadlines and sizes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "behaviour, longest_s",
    [
        pytest.param(silence, 1, id="silence"),
        pytest.param(silence_after_head, 1, id="silence after the head"),
        pytest.param(drip_body, 2, id="a body that drips"),
        pytest.param(drip_head, 2, id="a head that drips"),
        pytest.param(continue_storm, 2, id="100 Continue for ever"),
    ],
)
def test_a_slow_answer_ends_at_the_deadline(
    behaviour: Behaviour, longest_s: int, transport: Callable[..., Transport]
) -> None:
    with FaultServer(behaviour) as server:
        started = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            transport(server.origin).post("/x", {}, b"{}")
        assert time.monotonic() - started < longest_s + 0.5
        assert len(server.seen) == 1


def test_a_small_answer_that_unpacks_to_a_huge_one_stops_at_the_cap(
    transport: Callable[..., Transport],
) -> None:
    with FaultServer(gzip_bomb(200 << 20)) as server:
        tracemalloc.start()
        try:
            with pytest.raises(OutcomeUnknown, match="larger than"):
                transport(server.origin).post("/x", {}, b"{}")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 20 << 20


@pytest.mark.parametrize("size, fits", [(1 << 20, True), ((1 << 20) + 1, False)])
def test_an_answer_may_be_as_large_as_the_cap(
    size: int, fits: bool, transport: Callable[..., Transport]
) -> None:
    with FaultServer(reply(200, b"x" * size)) as server:
        if fits:
            assert len(transport(server.origin).post("/x", {}, b"").body) == size
        else:
            with pytest.raises(OutcomeUnknown):
                transport(server.origin).post("/x", {}, b"")


# -- only there, and nowhere else ---------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int, transport: Callable[..., Transport]) -> None:
    with (
        FaultServer(reply(200)) as elsewhere,
        FaultServer(reply(status, location=elsewhere.origin)) as server,
    ):
        calls = transport(server.origin)
        assert calls.get("/x", {}).status == status
        assert calls.post("/x", {}, b"{}").status == status
        assert (len(server.seen), elsewhere.connections) == (2, 0)


def test_a_proxy_in_the_environment_is_not_used(
    transport: Callable[..., Transport], monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer(reply(200)) as proxy, FaultServer(reply(200)) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.origin)
        assert transport(server.origin).get("/x", {}).status == 200
        assert proxy.connections == 0


def test_cookies_are_not_kept(transport: Callable[..., Transport]) -> None:
    with FaultServer(reply(200, set_cookie="a=b")) as server:
        calls = transport(server.origin)
        calls.get("/x", {})
        calls.get("/x", {})
        assert [seen.headers.get("cookie") for seen in server.seen] == [None, None]


def test_a_server_that_cannot_prove_who_it_is_gets_nothing(
    transport: Callable[..., Transport], tmp_path: Path
) -> None:
    with FaultServer(reply(200), tls=_self_signed(tmp_path)) as server:
        with pytest.raises(GatewayUnavailable, match="Nothing was sent"):
            transport(server.origin).post("/x", {"IK-SIGN": "secret"}, b"{}")
        assert server.seen == []
        assert server.connections == 1


def _self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


# -- what was sent, and what is sent again ------------------------------------------------------------


def test_a_refused_connection_sent_nothing(nobody: str, transport: Callable[..., Transport]) -> None:
    with pytest.raises(GatewayUnavailable, match="Nothing was sent"):
        transport(nobody).post("/x", {}, b"{}")


@pytest.mark.parametrize(
    "behaviour",
    [hang_up, reset, truncated(b"{}"), reply(503), reply(429, retry_after="1")],
    ids=["hang up", "reset", "truncated", "503", "429"],
)
def test_a_post_is_sent_once(behaviour: Behaviour, transport: Callable[..., Transport], clock: Clock) -> None:
    with FaultServer(behaviour, reply(200)) as server:
        with suppress(OutcomeUnknown):
            assert transport(server.origin).post("/x", {}, b"{}").status in (429, 503)
        assert (len(server.seen), clock.slept) == (1, [])


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_question_is_asked_again_while_the_gateway_is_overloaded(
    status: int, transport: Callable[..., Transport], clock: Clock
) -> None:
    with FaultServer(reply(status), reply(status), reply(200, {"a": 1})) as server:
        assert transport(server.origin, jitter=0.5).get("/x", {}).body == b'{"a": 1}'
        assert (len(server.seen), clock.slept) == (3, [0.25, 0.5])


def test_a_question_is_asked_four_times_at_most(transport: Callable[..., Transport], clock: Clock) -> None:
    with FaultServer(reply(503)) as server:
        assert transport(server.origin).get("/x", {}).status == 503
        assert (len(server.seen), clock.slept) == (4, [0.5, 1.0, 2.0])


def test_a_question_is_asked_again_when_nobody_answers_the_door(
    nobody: str, transport: Callable[..., Transport], clock: Clock
) -> None:
    with pytest.raises(GatewayUnavailable):
        transport(nobody).get("/x", {})
    assert clock.slept == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    "behaviour",
    [reply(400), reply(404), reply(500), hang_up, reset, truncated(b"{}")],
    ids=["400", "404", "500", "hang up", "reset", "truncated"],
)
def test_other_answers_are_not_asked_for_again(
    behaviour: Behaviour, transport: Callable[..., Transport], clock: Clock
) -> None:
    with FaultServer(behaviour) as server:
        with suppress(GatewayUnavailable):
            transport(server.origin).get("/x", {})
        assert (len(server.seen), clock.slept) == (1, [])


@pytest.mark.parametrize(
    "text, wait_s",
    [
        ("0", 0),
        ("5", 5),
        ("60", 60),
        ("61", 60),
        ("1000000000", 60),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 0.5),
        ("soon", 0.5),
        ("-5", 0.5),
        ("1.5", 0.5),
        ("", 0.5),
    ],
)
def test_retry_after_is_kept_to_a_minute(
    text: str, wait_s: float, transport: Callable[..., Transport], clock: Clock
) -> None:
    with FaultServer(reply(429, retry_after=text), reply(200)) as server:
        assert transport(server.origin).get("/x", {}).status == 200
    assert clock.slept == [wait_s]


# -- the breaker --------------------------------------------------------------------------------------


def fail(calls: Transport, times: int) -> None:
    for _ in range(times):
        with pytest.raises(OutcomeUnknown):
            calls.post("/x", {}, b"")


def test_after_five_failures_nothing_is_sent_for_half_a_minute(
    transport: Callable[..., Transport], clock: Clock
) -> None:
    with FaultServer(hang_up) as server:
        calls = transport(server.origin)
        fail(calls, 5)
        for call in (lambda: calls.get("/x", {}), lambda: calls.post("/x", {}, b"")):
            with pytest.raises(GatewayUnavailable, match="Nothing was sent"):
                call()
        clock.at += OPEN_S - 1
        with pytest.raises(GatewayUnavailable):
            calls.get("/x", {})
        assert (server.connections, clock.slept) == (5, [])


def test_after_the_pause_one_call_decides(transport: Callable[..., Transport], clock: Clock) -> None:
    with FaultServer(*[hang_up] * 6, reply(200)) as server:
        calls = transport(server.origin)
        fail(calls, 5)
        clock.at += OPEN_S
        fail(calls, 1)  # the probe fails: another pause
        with pytest.raises(GatewayUnavailable):
            calls.post("/x", {}, b"")
        clock.at += OPEN_S
        assert calls.post("/x", {}, b"").status == 200
        assert calls.post("/x", {}, b"").status == 200
        assert server.connections == 8


def test_an_answer_between_failures_starts_the_count_again(transport: Callable[..., Transport]) -> None:
    with FaultServer(*[hang_up] * 4, reply(404), *[hang_up] * 4, reply(200)) as server:
        calls = transport(server.origin)
        fail(calls, 4)
        assert calls.post("/x", {}, b"").status == 404
        fail(calls, 4)
        assert calls.post("/x", {}, b"").status == 200


def test_while_one_call_tries_the_others_wait_for_it(
    transport: Callable[..., Transport], clock: Clock
) -> None:
    arrived, let_go = threading.Event(), threading.Event()

    def slow(connection: Any, _: threading.Event) -> None:
        arrived.set()
        let_go.wait(5)
        reply(200)(connection, _)

    with FaultServer(*[hang_up] * 5, slow, reply(200)) as server:
        calls = transport(server.origin, limits=Limits(1, 10, 15, 1 << 20))
        fail(calls, 5)
        clock.at += OPEN_S
        probe = threading.Thread(target=calls.post, args=("/x", {}, b""))
        probe.start()
        assert arrived.wait(5)
        with pytest.raises(GatewayUnavailable):
            calls.post("/x", {}, b"")
        let_go.set()
        probe.join()
        assert calls.post("/x", {}, b"").status == 200
        assert server.connections == 7


def test_many_threads_may_ask_at_once(transport: Callable[..., Transport]) -> None:
    with FaultServer(reply(200, {"a": 1})) as server:
        calls = transport(server.origin)
        bodies: list[bytes] = []

        def ask() -> None:
            bodies.extend(calls.get("/x", {}).body for _ in range(10))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert bodies == [b'{"a": 1}'] * 80
