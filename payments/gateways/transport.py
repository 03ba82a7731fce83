"""HTTP to one origin, on a short lead: one deadline, one size, no redirects, no proxies, a breaker.

What went wrong is told in the words that matter to money: ``GatewayUnavailable`` when nothing was sent
or we only asked, ``OutcomeUnknown`` when a POST may have arrived.
"""

import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from payments.errors import GatewayUnavailable, OutcomeUnknown

GET_TRIES = 4
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 20
LONGEST_RETRY_AFTER_S = 60
FAILURES_TO_OPEN = 5
OPEN_S = 30
POOL_SIZE = 10
_CHUNK = 8192

#: The gateway is overloaded or down: a question may be repeated, and the breaker counts it.
OVERLOADED = frozenset({429, 502, 503, 504})
_deadline: ContextVar[float] = ContextVar("deadline")


@dataclass(frozen=True)
class Limits:
    connect_s: int
    read_s: int
    total_s: int
    largest_bytes: int


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    retry_after_s: int | None


class Breaker:
    """After five failures in a row nobody calls for 30 s; then one may try, and the others wait for it."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until: float | None = None
        self._probing = False

    def enter(self) -> None:
        """Ask to call. Raises GatewayUnavailable while the breaker is open; else ``leave`` must follow."""
        with self._lock:
            if self._open_until is None:
                return
            if self._probing or self._monotonic() < self._open_until:
                raise GatewayUnavailable(
                    "The gateway has not been answering, so it is left alone for half a minute. "
                    "Nothing was sent; try again then."
                )
            self._probing = True

    def leave(self, *, well: bool) -> None:
        with self._lock:
            self._probing = False
            self._failures = 0 if well else self._failures + 1
            self._open_until = self._monotonic() + OPEN_S if self._failures >= FAILURES_TO_OPEN else None


class Transport:
    """Calls to ``origin`` (``https://host[:port]``) and to nothing else. Safe to use from many threads."""

    def __init__(
        self,
        origin: str,
        limits: Limits,
        *,
        sleep: Callable[[float], None],
        jitter: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._origin = origin
        self._limits = limits
        self._sleep = sleep
        self._jitter = jitter
        self._breaker = Breaker(monotonic)
        self._asking = _new_session()
        self.date: str | None = None  # the ``Date`` of the newest answer

    def get(self, path: str, headers: Mapping[str, str]) -> Reply:
        """Ask, again where asking again can help. Raises GatewayUnavailable."""
        for nth in range(GET_TRIES):
            last = nth == GET_TRIES - 1
            wait_s = self._jitter() * min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**nth)
            try:
                reply = self._call(self._asking, "GET", path, headers, None)
            except OutcomeUnknown as error:
                raise GatewayUnavailable(f"{error} It was only a question; it can be asked again.") from error
            except _NotConnected:
                if last:
                    raise
            else:
                if last or reply.status not in OVERLOADED:
                    return reply
                if reply.retry_after_s is not None:
                    wait_s = min(LONGEST_RETRY_AFTER_S, reply.retry_after_s)
            self._sleep(wait_s)
        raise AssertionError("the last try returns or raises")

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send once. Raises GatewayUnavailable when nothing was sent, OutcomeUnknown when something may be.

        Each POST has a fresh connection: on a kept one the other side may just be hanging up, and then
        nobody knows whether the bytes arrived.
        """
        with _new_session() as session:
            return self._call(session, "POST", path, headers, body)

    def _call(
        self,
        session: requests.Session,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Reply:
        self._breaker.enter()
        well = False
        try:
            reply = self._exchange(session, method, path, headers, body)
            well = reply.status < 500 and reply.status not in OVERLOADED
            return reply
        finally:
            self._breaker.leave(well=well)

    def _exchange(
        self,
        session: requests.Session,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Reply:
        limits = self._limits
        token = _deadline.set(time.monotonic() + limits.total_s)
        try:
            with session.request(
                method,
                self._origin + path,
                data=body,
                headers=dict(headers),
                timeout=(limits.connect_s, limits.read_s),
                stream=True,
                allow_redirects=False,
            ) as response:
                self.date = response.headers.get("Date")
                content = _read_capped(response.raw, limits.largest_bytes)
                return Reply(
                    response.status_code, content, _whole_seconds(response.headers.get("Retry-After"))
                )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            if _nothing_was_sent(error):
                raise _NotConnected(
                    "The gateway could not be reached. Nothing was sent; try again in a minute."
                ) from error
            raise OutcomeUnknown("The gateway's answer did not arrive whole and in time.") from error
        finally:
            _deadline.reset(token)


class _NotConnected(GatewayUnavailable):
    """No connection: unlike an open breaker, worth trying again at once."""


def _new_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # no proxies, no .netrc, no other certificates
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["User-Agent"] = "Paydesk"
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(pool_connections=1, pool_maxsize=POOL_SIZE))
    return session


def _read_capped(raw: Any, largest: int) -> bytes:
    """The decoded body; a small one that unpacks to a huge one stops at ``largest`` as well."""
    content = bytearray()
    while chunk := raw.read1(_CHUNK, decode_content=True):
        content += chunk
        if len(content) > largest:
            raise OutcomeUnknown(f"The gateway's answer is larger than {largest} bytes.")
    return bytes(content)


def _whole_seconds(text: str | None) -> int | None:
    """``Retry-After`` in seconds. A date or junk is None: the usual wait serves."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 12):
        return None
    return int(text)


def _nothing_was_sent(error: Exception) -> bool:
    """True only where it is certain: no connection was made, or the other side was not who it should be."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return True
    return isinstance(reason, urllib3.exceptions.SSLError) and isinstance(
        reason.args[0] if reason.args else None, ssl.SSLCertVerificationError
    )


# -- the deadline, enforced where bytes come in: a head that drips is cut off like a body that does ----


class _Timed(io.RawIOBase):
    """A socket's bytes until the deadline; each wait is cut to what is left of it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)
        self._wait_s = sock.gettimeout()
        self._until = _deadline.get()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the deadline has passed")
        self._sock.settimeout(left_s if self._wait_s is None else min(left_s, self._wait_s))
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _TimedSocket:
    """As much of a socket as ``http.client`` reads an answer from."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Timed(self._sock))


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(_TimedSocket(sock), *args, **kwargs)  # type: ignore[arg-type]


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
