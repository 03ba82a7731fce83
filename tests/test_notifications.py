"""Notifications: owed in the transaction of the change, signed, tried for three days, never sent inside."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import select
from standardwebhooks import Webhook, WebhookVerificationError

from api.schemas import SCHEMAS
from db.models import (
    AuditEntry,
    Notification,
    NotificationTry,
    NotifyEndpoint,
    Registration,
    TimelineEntry,
)
from db.money import Money
from payments import cancellation, lifecycle
from payments.access.people import Person, Role
from payments.errors import Conflict, InvalidInput, NotAllowed
from payments.gateways import Answer as Said
from payments.hearing import sync
from payments.keeping import keyring
from payments.lifecycle import Source, Status
from payments.proofs.files import Prepared
from payments.proofs.pdf import Told
from payments.second_person import two_people
from payments.telling import egress, notifications, notify_watch, notifying
from payments.telling.egress import Answer, NotSent
from payments.telling.notifying import RETRIES, Deliverer
from tests.desk import ADMIN, issue, make_event, payment_of
from tests.test_approvals import somebody

PROOF = Prepared("pdf", b"%PDF-1.4", "0" * 64, told=Told(readable=False))
KEYS = keyring.read(keyring.new_key("test"))
URL = "https://register.example.org/paydesk"


class Site:
    """A registration site that gets notifications; ``answers`` is a status, or why there is none."""

    def __init__(self) -> None:
        self.answers: int | str = 200
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.knocked = 0

    def post(self, url, headers, body):
        self.knocked += 1
        if isinstance(self.answers, str):
            raise NotSent(self.answers)
        self.got.append((url, dict(headers), body))
        return Answer(self.answers, "told")

    @property
    def told(self) -> list[dict]:
        return [json.loads(body) for _, _, body in self.got]


@pytest.fixture
def site():
    return Site()


@pytest.fixture
def desk(sessions, gateway, now):
    """A payment that another system registered, and the secret of the endpoint that is told of it."""
    with sessions.begin() as session:
        make_event(session, now=now)
        secret = notifying.add(session, ADMIN, "devconf", URL, KEYS, loopback=False, now=now)
    return registered(sessions, gateway, now), secret


def registered(sessions, gateway, now, own="R1"):
    link = issue(sessions, gateway, now=now)
    with sessions.begin() as session:
        payment = payment_of(session, link.reference)
        payment.origin, event_id = "api", payment.event_id
        session.add(
            Registration(
                event_id=event_id, registration_id=own, number=1, reference=link.reference, return_url="",
                created_at=now,
            )
        )  # fmt: skip
    return link


def pay(sessions, gateway, link, now):
    gateway.says(link.gateway_reference, Said.PAID, "PAID")
    with sessions.read() as session:
        link_id = payment_of(session, link.reference).links[-1].id
    sync.ask(sessions, {"ikhokha": gateway}, link_id, now=now)


def deliver(sessions, site, now) -> int:
    return Deliverer(sessions, KEYS, loopback=False, post=site.post).step(now=now)


def kept(sessions, table=Notification):
    with sessions.read() as session:
        return list(session.scalars(select(table).order_by(table.id)))


# -- what is told -----------------------------------------------------------------------------------------


def test_every_status_is_told_of_or_silent_by_decision():
    silent = {Status.CREATED, Status.OPEN, Status.CLAIMED, Status.PART_PAID, Status.DISPUTED}
    assert set(Status) - set(notifications.TELLS) == silent
    assert set(notifications.TELLS.values()) <= set(notifications.KINDS)


def test_a_paid_registration_is_told_of_once_signed_and_in_the_apis_words(sessions, gateway, desk, site, now):
    link, secret = desk
    pay(sessions, gateway, link, now)
    assert deliver(sessions, site, now) == 1
    assert deliver(sessions, site, now) == 0
    ((url, headers, body),) = site.got
    signed = Webhook(secret).sign(headers["webhook-id"], now, body.decode())
    assert (url, headers["webhook-signature"]) == (URL, signed)
    assert headers["webhook-timestamp"] == str(int(now.timestamp()))
    told = json.loads(body)
    assert (told["type"], told["data"]["registration_id"]) == ("payment.paid", "R1")
    assert told["data"]["complete"] is True
    assert set(told) == set(SCHEMAS["Notification"]["properties"])
    assert set(told["data"]) == set(SCHEMAS["NotifiedPayment"]["properties"])


def test_failed_expired_cancelled_and_taken_back_are_told_too(sessions, gateway, desk, site, now):
    link, _ = desk
    by = {"now": now, "source": Source.DESK, "actor": "Thandi"}
    steps = [(Status.FAILED, False), (Status.EXPIRED, False), (Status.OPEN, False)]
    for to, reopening in steps:
        with sessions.begin() as session:
            lifecycle.advance(session, payment_of(session, link.reference), to, reopening=reopening, **by)
    cancellation.cancel(sessions, {"ikhokha": gateway}, ADMIN, link.reference, "Not coming", now=now)
    pay(sessions, gateway, link, now)
    with sessions.begin() as session:
        payment = payment_of(session, link.reference)
        lifecycle.advance(session, payment, Status.OPEN, reopening=True, **by)
    assert deliver(sessions, site, now) == 5
    told = ["failed", "expired", "cancelled", "paid", "reopened"]
    assert [one["type"] for one in site.told] == [f"payment.{word}" for word in told]


def test_each_part_that_is_given_back_is_told(sessions, gateway, desk, site, now):
    link, _ = desk
    pay(sessions, gateway, link, now)
    for minor in (5_000, 4_000, 6_000):
        refund(sessions, link.reference, Money(minor), now)
    deliver(sessions, site, now)
    told = [one["data"]["refunded_minor"] for one in site.told if one["type"] == "payment.refunded"]
    assert told == [5_000, 9_000, 15_000]


def refund(sessions, reference, amount, now):
    """As two people record it, from where both have agreed."""
    with sessions.begin() as session:
        asker = somebody(session, f"Asker {amount.minor}", Role.FINANCE, now=now)
        other = somebody(session, f"Other {amount.minor}", Role.FINANCE, now=now)
        wanted = two_people.Returned(reference, amount, lifecycle.Method.EFT, now.date(), "Finance")
        request = two_people.ask_refund(session, asker, wanted, PROOF, KEYS, "Ill, cannot come", now=now)
    with sessions.begin() as session:
        two_people.approve(session, other, request.id, now=now)


def test_what_the_desk_made_itself_is_told_to_nobody(sessions, gateway, desk, now):
    own = issue(sessions, gateway, now=now)
    pay(sessions, gateway, own, now)
    assert kept(sessions) == []


def test_a_change_that_is_undone_owes_nothing(sessions, desk, now):
    link, _ = desk
    owed = []

    def change_and_fail():
        with sessions.begin() as session:
            payment = payment_of(session, link.reference)
            by = {"now": now, "source": Source.DESK, "actor": "Thandi"}
            lifecycle.advance(session, payment, Status.FAILED, **by)
            owed.extend(session.scalars(select(Notification.kind)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()
    assert owed == ["payment.failed"]
    assert kept(sessions) == []


# -- endpoints that are down --------------------------------------------------------------------------------


def test_an_endpoint_that_is_down_for_an_hour_hears_of_it_once(sessions, gateway, desk, site, now):
    link, _ = desk
    pay(sessions, gateway, link, now)
    site.answers = "It did not answer."
    at, tried = now, []
    while not site.got:
        site.answers = 200 if at - now >= timedelta(hours=1) else "It did not answer."
        deliver(sessions, site, at)
        tried.append(at - now)
        (row,) = kept(sessions)
        with sessions.read() as session:
            told = list(notify_watch.alarms(session, now=at))
        assert bool(told) is (at - now > notify_watch.LATE and not site.got)
        assert len(tried) < 10
        at = row.next_try_at or at
    assert tried[-1] < timedelta(hours=2)
    assert len(site.got) == 1
    assert row.state == "delivered"
    assert len(kept(sessions, NotificationTry)) == len(tried) == site.knocked
    assert deliver(sessions, site, now + timedelta(days=4)) == 0


def test_it_is_tried_for_three_days_then_given_up_and_sent_again_by_a_person(
    sessions, gateway, desk, site, now
):
    link, _ = desk
    pay(sessions, gateway, link, now)
    site.answers = 500
    at = now
    while (row := kept(sessions)[0]).state == "waiting":
        at = row.next_try_at
        deliver(sessions, site, at)
    assert timedelta(days=2, hours=20) < at - now <= timedelta(days=3)
    assert (row.state, site.knocked) == ("failed", len(RETRIES) + 1)
    with sessions.read() as session:
        (view,) = notifying.list_endpoints(session, ADMIN)
        (message,) = notifying.recent(session, ADMIN, view.id)
        (alarm,) = notify_watch.alarms(session, now=at)
    assert (view.failed, view.waiting, message.tries[-1].status) == (1, 0, 500)
    assert "Messages given up: 1" in alarm.sentence
    site.answers, site.got = 200, []
    with sessions.begin() as session:
        assert notifying.resend_failed(session, ADMIN, view.id, now=at) == 1
    assert deliver(sessions, site, at) == 1
    with sessions.read() as session:
        assert list(notify_watch.alarms(session, now=at)) == []
    assert site.got[0][1]["webhook-id"] == row.message_id, "the same message, so that it counts once"
    steps = [entry.detail["step"] for entry in kept(sessions, TimelineEntry) if entry.kind == "notified"]
    assert steps == ["queued", "given up", "delivered"]


def test_one_that_is_down_holds_up_no_other_one(sessions, gateway, desk, now):
    link, _ = desk
    with sessions.begin() as session:
        other = "https://other.example.org/told"
        notifying.add(session, ADMIN, "devconf", other, KEYS, loopback=False, now=now)
    second = registered(sessions, gateway, now, "R2")
    for one in (link, second):
        pay(sessions, gateway, one, now)
    reached = []

    def post(url, headers, body):
        if url == URL:
            raise NotSent("It is down.")
        reached.append(url)
        return Answer(204, "")

    assert Deliverer(sessions, KEYS, loopback=False, post=post).step(now=now) == 2
    assert reached == [other, other]
    assert sorted(row.attempts for row in kept(sessions)) == [0, 1, 1, 1], "one knock a round"


def test_one_that_says_it_is_gone_is_not_knocked_at_again(sessions, gateway, desk, site, now):
    link, _ = desk
    pay(sessions, gateway, link, now)
    site.answers = 410
    deliver(sessions, site, now)
    (endpoint,) = kept(sessions, NotifyEndpoint)
    assert endpoint.stopped_at == now
    (row,) = kept(sessions)
    assert (row.state, row.next_try_at) == ("failed", None)
    with sessions.begin() as session, pytest.raises(Conflict, match="Add it anew"):
        notifying.resend(session, ADMIN, row.id, now=now)


def test_one_that_was_removed_gets_nothing_more(sessions, gateway, desk, site, now):
    link, _ = desk
    pay(sessions, gateway, link, now)
    with sessions.begin() as session:
        notifying.remove(session, ADMIN, 1, now=now)
    assert deliver(sessions, site, now) == 0
    assert [row.state for row in kept(sessions)] == ["failed"]


def test_the_secret_is_encrypted_where_it_is_kept(sessions, desk):
    _, secret = desk
    (row,) = kept(sessions, NotifyEndpoint)
    assert secret.encode() not in row.sealed
    assert KEYS.open(row.sealed, f"notify_endpoints.sealed.{row.id}").decode() == secret


def renewed(sessions, now, leaked=False, person=ADMIN):
    with sessions.begin() as session:
        return notifying.renew_secret(session, person, 1, KEYS, leaked=leaked, now=now)


def verifies(secret, message):
    """As whoever listens does, with the library, at the moment it was sent."""
    _, headers, body = message
    try:
        return Webhook(secret).verify(body, headers) is not None
    except WebhookVerificationError:
        return False


def test_for_a_day_after_a_new_secret_the_one_before_signs_as_well(sessions, gateway, desk, site):
    now = datetime.now(UTC)  # the library looks at the clock
    link, before = desk
    other = registered(sessions, gateway, now, "R2")
    after = renewed(sessions, now)
    pay(sessions, gateway, link, now)
    deliver(sessions, site, now)
    assert [verifies(secret, site.got[-1]) for secret in (before, after)] == [True, True]
    ended = now + notifying.BOTH_SIGN
    pay(sessions, gateway, other, now)
    deliver(sessions, site, ended)
    _, headers, body = site.got[-1]
    assert headers["webhook-signature"] == Webhook(after).sign(headers["webhook-id"], ended, body.decode())


def test_a_secret_that_leaked_signs_nothing_more(sessions, gateway, desk, site):
    now = datetime.now(UTC)
    link, before = desk
    after = renewed(sessions, now, leaked=True)
    pay(sessions, gateway, link, now)
    deliver(sessions, site, now)
    assert [verifies(secret, site.got[-1]) for secret in (before, after)] == [False, True]
    (row,) = kept(sessions, NotifyEndpoint)
    assert row.previous_sealed is None


def test_a_second_new_secret_waits_for_the_first_or_says_why_not(sessions, desk, now):
    renewed(sessions, now)
    with pytest.raises(Conflict, match="still signs"):
        renewed(sessions, now + timedelta(hours=23))
    renewed(sessions, now + timedelta(hours=23), leaked=True)
    renewed(sessions, now + timedelta(hours=23))
    with sessions.begin() as session:
        notifying.remove(session, ADMIN, 1, now=now)
    with pytest.raises(Conflict, match="Add it anew"):
        renewed(sessions, now + timedelta(days=3))
    entries = [entry.detail["leaked"] for entry in kept(sessions, AuditEntry) if "renew" in entry.action]
    assert entries == [False, True, False]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_only_an_admin_says_where_notifications_go(sessions, desk, now, role):
    person = Person(7, "Somebody", "somebody@example.org", role, None)
    with sessions.begin() as session:
        other = "https://other.example.org/told"
        for refused in (
            lambda: notifying.add(session, person, "devconf", other, KEYS, loopback=False, now=now),
            lambda: notifying.remove(session, person, 1, now=now),
            lambda: notifying.renew_secret(session, person, 1, KEYS, leaked=False, now=now),
            lambda: notifying.recent(session, person, 1),
            lambda: notifying.list_endpoints(session, person),
        ):
            with pytest.raises(NotAllowed):
                refused()


# -- where nothing is sent --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address, public",
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fc00::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("2001:db8::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.215.14", True),
        ("2002:a00:1::", False),
        ("64:ff9b::a00:1", False),
        ("2001:0:5ef5:79fb:0:59d:f5ff:fffe", False),
    ],
)
def test_only_the_internet_is_public(address, public):
    assert egress.is_public(ip_address(address)) is public


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://localhost/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://10.0.0.1:8443/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fe80::1]/",
        "http://127.0.0.1:1/",
        "http://example.org/",
    ],
)
def test_nothing_is_sent_inside(url):
    with pytest.raises(NotSent, match=r"inside a network|https"):
        egress.post(url, {}, b"{}", loopback=False)


@pytest.mark.parametrize("url", ["https://10.0.0.1/", "https://169.254.169.254/", "http://10.0.0.1/"])
def test_where_this_machine_is_allowed_the_network_is_not(url):
    with pytest.raises(NotSent, match=r"inside a network|https"):
        egress.post(url, {}, b"{}", loopback=True)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("ftp://example.org/", id="no web address"),
        pytest.param("https://", id="no host"),
        pytest.param("https://user:pass@example.org/", id="with a password"),
        pytest.param("https://example.org/#x", id="with a fragment"),
        pytest.param("https://example.org/a b", id="with a space"),
        pytest.param("https://example.org/\r\nX: y", id="with another header"),
        pytest.param("https://example.org:99999/", id="a port that is none"),
        pytest.param("https://exämple.org/", id="not ascii"),
        pytest.param("https://example.org/" + "x" * 500, id="endless"),
        pytest.param(f"https://{'a' * 64}.example.org/", id="a name that cannot be"),
        pytest.param("https://example..org/", id="a name with a hole"),
        pytest.param("https://10.0.0.1/told", id="inside a network"),
        pytest.param("https://[fd00::1]/", id="inside a network, IPv6"),
    ],
)
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(InvalidInput):
        egress.target(url, loopback=True)


def test_a_name_with_one_address_inside_is_refused_and_looked_up_once(monkeypatch):
    asked = []

    def looked_up(host, port, **_):
        asked.append(host)
        return [(2, 1, 6, "", (address, port)) for address in ("93.184.215.14", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    with pytest.raises(NotSent, match="inside a network"):
        egress.post("https://rebinding.example.org/", {}, b"", loopback=False)
    assert asked == ["rebinding.example.org"]


@contextmanager
def server(answer, certificate: Path | None = None) -> Iterator[str]:
    """A site on this machine that answers as ``answer(handler)`` does; of https when it has a certificate."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as serving:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            serving.socket = context.wrap_socket(serving.socket, server_side=True)
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http{'s' if certificate else ''}://127.0.0.1:{serving.server_port}/told"
        serving.shutdown()
        thread.join()


def test_a_redirect_is_an_answer_and_is_not_followed():
    asked = []

    def elsewhere(handler):
        asked.append(handler.path)
        handler.send_response(302)
        handler.send_header("Location", "/elsewhere")
        handler.end_headers()

    with server(elsewhere) as url:
        assert egress.post(url, {}, b"{}", loopback=True).status == 302
    assert asked == ["/told"]


def test_only_the_beginning_of_an_answer_is_read():
    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"x" * 100_000)

    with server(endless) as url:
        assert len(egress.post(url, {}, b"{}", loopback=True).body) == egress.LARGEST_ANSWER


def test_an_answer_that_drips_is_cut_off(monkeypatch):
    monkeypatch.setattr(egress, "WHOLE_S", 0.5)
    over = threading.Event()

    def dripping(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not over.wait(0.05):
            try:
                handler.wfile.write(b"x")
                handler.wfile.flush()
            except OSError:
                return

    with server(dripping) as url:
        try:
            with pytest.raises(NotSent, match="No whole answer"):
                egress.post(url, {}, b"{}", loopback=True)
        finally:
            over.set()


def test_a_site_that_cannot_prove_its_name_is_told_nothing(tmp_path):
    """Its certificate is its own word."""
    asked = []
    site = server(lambda handler: asked.append(handler.path), _own_word(tmp_path / "site.pem"))
    with site as url, pytest.raises(NotSent, match="certificate is not good"):
        egress.post(url, {}, b"{}", loopback=True)
    assert asked == []


def _own_word(path: Path) -> Path:
    """A key and a certificate that it signed itself, for this machine."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(secret + certificate.public_bytes(Encoding.PEM))
    return path
