"""Two dashboards and two hooks behind the nginx of the guide: who goes where, and where to when one dies."""

import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests
from sqlalchemy import select
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

import bootstrap
import environment
from db.migrate import migrate
from db.models import InboxEvent, PersonSession
from payments.access import staff
from payments.access.people import SYSTEM, Role
from tests import proxy
from tests.hook import PATH, event, listens, signed, wait_until
from tests.ports import free_ports
from tests.proxy import DESK, PAY, Behind
from tests.running import PROJECT, demo_environ
from tests.served import SOCKET, Served, run

pytestmark = pytest.mark.processes

ORIGIN = f"https://{DESK}"
EMAIL = "thandi@example.org"


@dataclass
class Front:
    """nginx, and what stands behind it."""

    behind: Behind
    folder: Path
    app: bootstrap.App
    log: Path
    processes: dict[int, subprocess.Popen[bytes]]

    def ask(self, host: str, path: str, browser: "Browser | None" = None, **other: Any) -> requests.Response:
        by = browser.session if browser else requests
        wanted = {"timeout": 30, "allow_redirects": False, "verify": str(self.folder / "fullchain.pem")}
        method = other.pop("method", "GET")
        return by.request(method, f"https://{host}:{self.behind.secure}{path}", **wanted | other)

    def answered(self, path: str, times: int = 1) -> list[str]:
        """Who answered so many requests for a path, in their order; who was tried in vain stands first. The
        proxy writes it down once the answer is out."""
        line = re.compile(rf"^\S+ \S+ \S+ {re.escape(path)} [0-9]+ [0-9]+ \S+ (.+)$", re.MULTILINE)
        wait_until(lambda: len(line.findall(self.log.read_text())) >= times)
        return [who.replace("127.0.0.1:", "") for who in line.findall(self.log.read_text())]

    def kill(self, port: int) -> None:
        self.processes[port].send_signal(signal.SIGKILL)
        self.processes[port].wait(20)


@dataclass
class Browser:
    """Somebody's browser: it keeps cookies, and sends them to the name that set them."""

    front: Front
    session: requests.Session = field(default_factory=requests.Session)

    def ask(self, path: str, **other: Any) -> requests.Response:
        return self.front.ask(DESK, path, self, **other)

    def come_in(self, email: str) -> requests.Response:
        served = Served(0, self.front.app, 0)
        form = {"token": served.link(email)}
        return self.ask("/signin/link", method="POST", data=form, headers={"Origin": ORIGIN})

    def open_page(self, origin: str = ORIGIN) -> ClientConnection:
        """The dashboard's WebSocket, with TLS and by name, as a browser opens it."""
        trusted = ssl.create_default_context(cafile=self.front.folder / "fullchain.pem")
        cookies = "; ".join(f"{one.name}={one.value}" for one in self.session.cookies)
        return connect(
            f"wss://{DESK}:{self.front.behind.secure}{SOCKET}",
            origin=origin,  # type: ignore[arg-type]
            additional_headers={"Cookie": cookies},
            subprotocols=["streamlit"],  # type: ignore[list-item]
            ssl=trusted, max_size=None, close_timeout=0.5,
        )  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def names() -> Iterator[None]:
    """Our own names lead to this machine, as an administrator's do to theirs."""
    asked = socket.getaddrinfo

    def here(host: Any, *other: Any, **more: Any) -> Any:
        return asked("127.0.0.1" if host in (DESK, PAY) else host, *other, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", here)
        yield


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    proxy.program()  # skips before anything is started
    folder = tmp_path_factory.mktemp("front")
    secure, plain, *others = free_ports(6)
    behind = Behind(secure, plain, (others[0], others[1]), (others[2], others[3]))
    environ = demo_environ(
        folder / "desk", DASHBOARD_URL=ORIGIN, PROXY_HOPS="1", IKHOKHA_SECRET_KEY="demo_secret",
        STREAMLIT_SERVER_COOKIE_SECRET="the same on each",
    )  # fmt: skip
    app = bootstrap.build(environment.read_settings(environ, None))
    migrate(app.sessions.engine)
    bootstrap.claim_mode(app.sessions, "demo")
    with app.sessions.begin() as session:
        staff.create_person(
            session, SYSTEM, name="Thandi", email=EMAIL, role=Role.ADMIN, events=None, now=app.now()
        )
    with ExitStack() as stack:
        log = stack.enter_context(proxy.running(folder, behind))
        processes = {}
        for port in (*behind.desks, *behind.hooks):
            program = "server.py" if port in behind.desks else "webhook.py"
            own = environ | {"DASHBOARD_PORT": str(port), "WEBHOOK_PORT": str(port)}
            with (folder / f"{port}.log").open("wb") as out:
                processes[port] = subprocess.Popen(
                    [sys.executable, program], cwd=PROJECT, env=own, stdout=out, stderr=out
                )
            stack.callback(_end, processes[port])
        wait_until(lambda: all(listens(port) for port in processes), seconds=120)
        yield Front(behind, folder, app, log, processes)
    app.sessions.engine.dispose()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(20)


# -- people -----------------------------------------------------------------------------------------


def test_whoever_comes_is_given_a_place_once(front: Front) -> None:
    browser = Browser(front)
    kept = browser.ask("/signin").headers["Set-Cookie"]
    assert re.fullmatch(r"paydesk_place=[0-9a-f]{32}; Path=/; Secure; HttpOnly; SameSite=Lax", kept)
    assert "Set-Cookie" not in browser.ask("/signin").headers


def test_answers_keep_the_desks_own_headers_and_one_of_each(front: Front) -> None:
    answer = front.ask(DESK, "/signin")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].count("default-src") == 1
    assert answer.headers["Server"] == "nginx"
    plain = requests.get(f"http://{DESK}:{front.behind.plain}/x?y=1", allow_redirects=False, timeout=30)
    assert (plain.status_code, plain.headers["Location"]) == (308, f"https://{DESK}/x?y=1")


def test_who_comes_is_who_the_proxy_saw_whatever_they_say(front: Front) -> None:
    browser = Browser(front)
    browser.session.headers["X-Forwarded-For"] = "203.0.113.9"
    assert browser.come_in(EMAIL).status_code == 303
    with front.app.sessions.read() as session:
        assert set(session.scalars(select(PersonSession.address))) == {"127.0.0.1"}


def test_a_file_larger_than_the_desk_takes_goes_no_further_than_the_proxy(front: Front) -> None:
    answer = Browser(front).ask("/large", method="POST", data=b"x" * (12 << 20))
    assert answer.status_code == 413
    assert front.answered("/large") == ["-"]


def test_people_stay_with_their_dashboard_and_go_on_at_the_other_when_it_dies(front: Front) -> None:
    for _ in range(20):
        Browser(front).ask("/anybody")
    assert set(front.answered("/anybody", 20)) == {str(port) for port in front.behind.desks}
    browser = Browser(front)
    assert browser.come_in(EMAIL).headers["Location"] == "/"
    for _ in range(5):
        assert browser.ask("/somebody").status_code == 200
    (mine,) = set(front.answered("/somebody", 5))
    other = next(str(port) for port in front.behind.desks if str(port) != mine)
    with browser.open_page() as page:
        assert "You are not signed in" not in run(page)
        front.kill(int(mine))
        assert is_closed(page)
    assert front.answered(SOCKET) == [mine]
    assert browser.ask("/pulse").status_code == 200
    assert front.answered("/pulse") == [f"{mine}, {other}"]
    with browser.open_page() as page:
        assert "You are not signed in" not in run(page)


def is_closed(page: ClientConnection) -> bool:
    try:
        while True:
            page.recv(timeout=30)
    except ConnectionClosed:
        return True


# -- the gateway and payers -------------------------------------------------------------------------


def test_of_the_hooks_addresses_only_the_public_ones_are_reached(front: Front) -> None:
    for path, status in (("/metrics", 404), ("/readyz", 404), ("/api/v1/payments", 404), ("/healthz", 200)):
        assert front.ask(PAY, path).status_code == status, path
    assert front.ask(PAY, PATH, method="POST", data=b"x" * (65 << 10)).status_code == 413


def test_a_message_that_one_hook_does_not_keep_is_kept_by_the_next(front: Front) -> None:
    """It says that it cannot, hangs up in the middle, and is gone."""
    failing, alive = front.behind.hooks
    front.kill(failing)
    failures = Thread(target=fail, args=(socket.create_server(("127.0.0.1", failing)),), daemon=True)
    failures.start()
    bodies = [event(link=f"behind-{nth}") for nth in range(20)]
    for body in bodies:
        headers = signed(body) | {"Content-Type": "application/json"}
        assert front.ask(PAY, PATH, method="POST", data=body, headers=headers).status_code == 200
    failures.join(20)
    assert not failures.is_alive()
    assert front.answered(PATH, 20).count(f"{failing}, {alive}") >= 2
    with front.app.sessions.read() as session:
        kept = session.scalars(select(InboxEvent.body).where(InboxEvent.gateway_reference.like("behind-%")))
        assert sorted(kept) == sorted(bodies)


def fail(door: socket.socket) -> None:
    """In a hook's place: refuse one message, hang up on another, be gone."""
    door.settimeout(30)
    with door:
        for answer in (b"HTTP/1.1 503 Not now\r\nContent-Length: 0\r\n\r\n", b""):
            connection, _ = door.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)
