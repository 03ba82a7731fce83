"""HTTP to addresses that people typed in: never into our own network, on a short lead, and nothing followed.

A name is looked up once, every address it has must be a public one, and the connection is made to the very
address that was looked at: a name that means something else a moment later leads nowhere. Loopback is open
only where it is allowed, in demo mode or by a setting, for a site on this machine.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from payments.errors import InvalidInput
from payments.web_address import taken_apart

CONNECT_S, WHOLE_S = 5, 15
#: So much of an answer is kept, for whoever looks why it was no good.
LARGEST_ANSWER = 2_000
LONGEST_URL = 500
#: Of a name, and between two of its dots (RFC 1035).
LONGEST_HOST, LONGEST_LABEL = 253, 63
_INSIDE = "{} is an address inside a network, and nothing is sent there."
_NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
Address = IPv4Address | IPv6Address


class NotSent(Exception):
    """Nothing came back, or it must not be sent there; the message says why."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: str


@dataclass(frozen=True)
class Target:
    """A checked address: where to connect to, and what to ask there."""

    host: str
    port: int
    path: str
    secure: bool


def target(url: str, *, loopback: bool) -> Target:
    """The address taken apart. Raises InvalidInput with what is wrong with it."""
    parts = taken_apart(url)
    plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= LONGEST_URL
    if parts is None or not plain or parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput("This is no web address. Write it like https://example.org/paydesk.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InvalidInput("Leave name, password and # out of the address.")
    secure = parts.scheme == "https"
    if not secure and not (loopback and _is_here(parts.hostname)):
        raise InvalidInput("The address must begin with https://: what is sent could be read on its way.")
    _refuse_host(parts.hostname, loopback=loopback)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.hostname, parts.port or (443 if secure else 80), path, secure)


def _refuse_host(host: str, *, loopback: bool) -> None:
    """What no name can be, or a number that is ours to see: a name is looked up when something is sent."""
    try:
        address = ip_address(host)
    except ValueError:
        labels = host.removesuffix(".").split(".")
        if len(host) > LONGEST_HOST or any(not 1 <= len(label) <= LONGEST_LABEL for label in labels):
            raise InvalidInput("This is no web address. Write it like https://example.org/paydesk.") from None
        return
    if not (is_public(address) or (loopback and _is_loopback(address))):
        raise InvalidInput(_INSIDE.format(host))


def is_public(address: Address) -> bool:
    """Out on the internet, also when an IPv6 address wraps one of IPv4."""
    if isinstance(address, IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if wrapped is not None:
            return is_public(wrapped)
        if any(address in network for network in _NAT64) or address.is_site_local:
            return False
    special = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_link_local
    return address.is_global and not special


def resolve(host: str, port: int, *, loopback: bool) -> str:
    """The address to connect to. Raises NotSent unless each that the name has may be reached."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotSent(f"{host} has no address: it cannot be looked up.") from error
    addresses = [str(info[4][0]).partition("%")[0] for info in found]
    for address in addresses:
        if not (is_public(ip_address(address)) or (loopback and _is_loopback(ip_address(address)))):
            raise NotSent(_INSIDE.format(host))
    return addresses[0]


def post(url: str, headers: Mapping[str, str], body: bytes, *, loopback: bool) -> Answer:
    """Send once, and return what was answered, a redirect too. Raises NotSent."""
    try:
        at = target(url, loopback=loopback)
    except InvalidInput as error:
        raise NotSent(str(error)) from error
    connection = _Pinned(at, resolve(at.host, at.port, loopback=loopback))
    watchdog = threading.Timer(WHOLE_S, connection.cut)
    watchdog.daemon = True
    watchdog.start()
    try:
        connection.request("POST", at.path, body, dict(headers))
        response = connection.getresponse()
        told = response.read(LARGEST_ANSWER).decode("utf-8", "replace")
        if connection.was_cut:  # what reads a head takes its sudden end for the end of it
            raise TimeoutError
        return Answer(response.status, told)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if connection.was_cut:
            raise NotSent(f"No whole answer within {WHOLE_S} seconds.") from error
        raise NotSent(f"{at.host} did not answer: {_why(error)}.") from error
    finally:
        watchdog.cancel()
        connection.close()


class _Pinned(http.client.HTTPConnection):
    """A connection to one address, whatever its name means meanwhile; the certificate is the name's."""

    def __init__(self, at: Target, address: str) -> None:
        super().__init__(at.host, at.port, timeout=CONNECT_S)
        self._secure, self._address = at.secure, address
        self.was_cut = False

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), CONNECT_S)
        self.sock.settimeout(WHOLE_S)
        if self._secure:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(
                self.sock, server_hostname=self.host, do_handshake_on_connect=False
            )
            self.sock.do_handshake()

    def cut(self) -> None:
        """From another thread: whoever reads here reads the end."""
        self.was_cut = True
        if self.sock is not None:
            try:
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
            except OSError:
                return  # it is closed already


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good ({error.verify_message})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__


def _is_here(host: str) -> bool:
    try:
        return _is_loopback(ip_address(host))
    except ValueError:
        return host == "localhost"


def _is_loopback(address: Address) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
