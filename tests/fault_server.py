"""A server on real sockets that goes wrong on purpose: a behaviour a request, the last one for all after."""

import gzip
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Seen:
    """A request as it came in. Header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[socket.socket, threading.Event], None]


class FaultServer:
    """``with FaultServer(reply(503), reply(200, {...})) as server``: ``server.origin``, ``server.seen``."""

    def __init__(self, *behaviours: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self._behaviours = behaviours
        self._tls = tls
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.connections = 0
        self.seen: list[Seen] = []
        scheme = "https" if tls else "http"
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.origin = f"{scheme}://{self.host}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        with suppress(OSError):  # wakes the thread that waits for a connection
            socket.create_connection(self._listener.getsockname(), 1).close()
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _start(self, work: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._closing.is_set():
                connection.close()
                return
            self.connections += 1
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(5)
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                nth = len(self.seen)
                self.seen.append(_read_request(connection))
                self._behaviours[min(nth, len(self._behaviours) - 1)](connection, self._closing)


def _read_request(connection: socket.socket) -> Seen:
    with connection.makefile("rb") as stream:
        method, target, _ = stream.readline().decode("latin-1").split(" ", 2)
        headers = {}
        while (line := stream.readline().decode("latin-1").strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Seen(method, target, headers, stream.read(int(headers.get("content-length", "0"))))


# -- behaviours -----------------------------------------------------------------------------------


def reply(status: int, body: Any = b"", **headers: str) -> Behaviour:
    """A whole answer. A body that is not bytes is sent as JSON; ``retry_after="5"`` sets ``Retry-After``."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def behave(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall(_head(status, len(content), headers) + content)

    return behave


def html(status: int) -> Behaviour:
    return reply(status, b"<!doctype html><h1>We will be back soon</h1>", content_type="text/html")


def gzip_bomb(size: int) -> Behaviour:
    return reply(200, gzip.compress(b" " * size), content_encoding="gzip")


def truncated(body: bytes) -> Behaviour:
    """Promises more than it sends."""

    def behave(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall(_head(200, len(body) + 100, {}) + body)

    return behave


def hang_up(connection: socket.socket, _: threading.Event) -> None:
    """Closes without a word."""


def reset(connection: socket.socket, _: threading.Event) -> None:
    """Breaks the connection in the middle of an answer."""
    connection.sendall(_head(200, 100, {}) + b'{"pay')
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silence(_: socket.socket, closing: threading.Event) -> None:
    """Takes the request and never answers."""
    closing.wait(30)


def silence_after_head(connection: socket.socket, closing: threading.Event) -> None:
    connection.sendall(_head(200, 100, {}))
    closing.wait(30)


def drip_body(connection: socket.socket, closing: threading.Event) -> None:
    """A byte every now and then: each one in time, all of them far too late."""
    _drip(connection, closing, _head(200, 1_000, {}), b" ")


def drip_head(connection: socket.socket, closing: threading.Event) -> None:
    _drip(connection, closing, b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x")


def continue_storm(connection: socket.socket, closing: threading.Event) -> None:
    """Says "100 Continue" for ever."""
    _drip(connection, closing, b"", b"HTTP/1.1 100 Continue\r\n\r\n")


def _drip(connection: socket.socket, closing: threading.Event, first: bytes, then: bytes) -> None:
    connection.sendall(first)
    while not closing.wait(0.2):
        connection.sendall(then)


def _head(status: int, length: int, headers: dict[str, str]) -> bytes:
    given = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    lines = {
        "content-type": "application/json",
        **given,
        "content-length": str(length),
        "connection": "close",
    }
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Whatever\r\n{text}\r\n".encode()
