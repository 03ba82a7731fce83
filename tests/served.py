"""The people's door for tests: ``python server.py`` on a database that the test can reach too."""

import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import ClientConnection, connect

import bootstrap
import environment
from db.migrate import migrate
from payments.access import people, signin, signin_links
from payments.access.people import SYSTEM
from payments.access.signin import Visitor
from tests.canaries import plant
from tests.hook import Reply, read_reply, wait_until
from tests.running import PROJECT, demo_environ

SOCKET = "/_stcore/stream"


@dataclass(frozen=True)
class Served:
    """A running door. ``app`` is an App of the test's own process, on the same database."""

    port: int
    app: bootstrap.App
    process: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, path: str, token: str | None = None, *, method: str = "GET", **other: Any
    ) -> requests.Response:
        """One request as a browser with this session would send it; nothing is followed."""
        headers = self.cookie(token) | dict(other.pop("headers", {}))
        wanted = {"timeout": 30, "allow_redirects": False} | other
        return requests.request(method, self.url + path, headers=headers, **wanted)

    def post(self, path: str, cookie: str | None = None, /, **form: str) -> requests.Response:
        return self.ask(path, cookie, method="POST", data=form, headers={"Origin": self.url})

    def raw(self, *lines: str | bytes, body: bytes = b"") -> Reply:
        """A request as it stands, line by line; status 0 when the door hung up on it."""
        said = [line.encode("latin-1") if isinstance(line, str) else line for line in lines]
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(b"\r\n".join([*said, b"Connection: close", b"", b""]) + body)
            return read_reply(connection)

    def socket(self, token: str | None, origin: str | None = "", path: str = SOCKET) -> ClientConnection:
        """The dashboard's own WebSocket; raises InvalidStatus when the door does not open it."""
        return connect(
            self.url.replace("http", "ws") + path,
            origin=self.url if origin == "" else origin,  # type: ignore[arg-type]
            additional_headers=self.cookie(token),
            subprotocols=["streamlit"],  # type: ignore[list-item]
            max_size=None,
            close_timeout=0.5,  # there may be much left to say, and nobody listens
        )

    def link(self, email: str | None) -> str:
        """The token of a one-time link; None makes the first admin."""
        now = self.app.now()
        with self.app.sessions.begin() as session:
            person = people.system_person(session, email).id if email else None
            return plant("a link", signin_links.make_sign_in_link(session, SYSTEM, person, now=now))

    def come_in(self, email: str) -> str:
        """The cookie of somebody who is signed in."""
        visitor = Visitor("127.0.0.1", "test")
        now = self.app.now()
        token = signin_links.sign_in_by_link(self.app.sessions, self.link(email), visitor=visitor, now=now)
        return plant("a cookie", token)

    def cookie(self, token: str | None) -> dict[str, str]:
        name = signin.cookie_name(self.app.settings.dashboard_url)
        return {"Cookie": f"{name}={token}"} if token else {}


@contextmanager
def serving(folder: Path, *command: str, **settings: str) -> Iterator[Served]:
    """The door of an empty desk, in a process that nobody has looked at yet; ``command`` in place of
    ``server.py``, for the same door by another way."""
    environ = demo_environ(folder, **settings)
    app = bootstrap.build(environment.read_settings(environ, None))
    migrate(app.sessions.engine)
    with _process(environ, folder / "server.log", command or ("server.py",)) as process:
        served = Served(app.settings.dashboard_port, app, process.pid)
        wait_until(lambda: process.poll() is not None or _answers(served), seconds=90)
        assert process.poll() is None, (folder / "server.log").read_text()
        yield served
    app.sessions.engine.dispose()


@contextmanager
def _process(
    environ: Mapping[str, str], log: Path, command: Sequence[str]
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=PROJECT, env=environ, stdout=out, stderr=out
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def _answers(served: Served) -> bool:
    try:
        return served.ask("/healthz").ok
    except requests.ConnectionError:
        return False


def run(connection: ClientConnection, page: str = "") -> str:
    """Run the script over an open socket, as the browser does, and return all that it said."""
    return "".join(str(message) for message in told(connection, page))


def told(
    connection: ClientConnection,
    page: str = "",
    states: Iterable[WidgetState] = (),
    fragment: str = "",
    query: str = "",
) -> list[ForwardMsg]:
    """The same, with whatever is claimed of widgets, and message by message."""
    rerun = BackMsg()
    rerun.rerun_script.page_name = page
    rerun.rerun_script.fragment_id = fragment
    rerun.rerun_script.query_string = query
    rerun.rerun_script.widget_states.widgets.extend(states)
    connection.send(rerun.SerializeToString())
    said = []
    while not said or said[-1].WhichOneof("type") != "script_finished":
        data = connection.recv(timeout=60)
        assert isinstance(data, bytes)
        said.append(ForwardMsg.FromString(data))
    return said
