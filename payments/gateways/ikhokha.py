"""iKhokha's iK Pay API: its signature, its words, and what they mean for us."""

import hmac
import json
import re
import secrets
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import SplitResult, urlencode

from payments.errors import (
    GatewayRefused,
    GatewayUnavailable,
    InvalidInput,
    NotFromGateway,
    OutcomeUnknown,
    quoted,
)
from payments.gateways import Answer, GatewayEvent, IssuedLink, LinkRequest, LinkStatus, strict_json
from payments.gateways.transport import Limits, Reply, Transport
from payments.web_address import LOOPBACK, taken_apart

#: What each status word means when the gateway was *asked*. Any other word is for a person.
#: ``SUCCESS`` is a webhook's word: in an answer it does not mean paid.
WORDS: Mapping[str, Answer] = {
    "PAID": Answer.PAID,
    **dict.fromkeys(("UNPAID", "PENDING", "PROCESSING", "CREATED"), Answer.OPEN),
    **dict.fromkeys(("FAILURE", "FAILED", "DECLINED", "ERROR", "REJECTED"), Answer.ATTEMPT_FAILED),
}

#: Answers to a create that leave open whether a link was made: a time-out, a conflict, "too early".
_PERHAPS_MADE = frozenset({408, 409, 425})
_BAD_SIGNATURE = "IK-001"
_LONGEST_ANSWER_TEXT = 2_000
_LONGEST_ERROR = 300
_ERROR_KEYS = ("message", "responseMessage", "error", "errors", "validationErrors", "details")
_HISTORY_KEYS = ("payments", "data", "transactions", "content")
_LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z][a-z0-9-]*", re.ASCII)
_PATH = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*", re.ASCII)
_PLAIN_URL = re.compile(r"[!#-\[\]-~]{1,500}", re.ASCII)  # visible ASCII, no quote, no backslash
#: What the signature escapes and how; the backslash first, before it stands in the others.
_ESCAPES = ((b"\\", b"\\\\"), (b'"', b'\\"'), (b"'", b"\\'"), (b"\0", b"\\0"))
#: Both readings of the escape agree on these, which read the same.
_AGREED = {ord("'"): "’", ord('"'): "”", ord("\\"): "/"}


@dataclass(frozen=True)
class Config:
    """How to speak to one iKhokha account.

    ``base_url`` is https, except on this machine. ``link_hosts`` are the hosts, with a port where it is
    not the usual one, whose pages are shown to payers.
    """

    app_id: str
    secret_key: str = field(repr=False)
    base_url: str
    requester_url: str
    link_hosts: tuple[str, ...]
    previous_secret_key: str = field(default="", repr=False)  # still accepted from the gateway
    entity_id: str = ""  # the app id when empty
    sign_query: bool = False
    description_limit: int = 100
    reference_limit: int = 50
    connect_s: int = 3
    read_s: int = 10
    total_s: int = 15
    largest_body_bytes: int = 1 << 20


def sign(path: str, body: str | bytes, secret: str) -> str:
    """The ``IK-SIGN`` of a request or webhook: ``body`` is the exact text sent, empty for a GET."""
    signed = path.encode() + (body.encode() if isinstance(body, str) else body)
    for plain, escaped in _ESCAPES:
        signed = signed.replace(plain, escaped)
    return hmac.digest(secret.strip().encode(), signed, "sha256").hex()


class IKhokha:
    """The gateway. One object serves all threads of a process."""

    name = "ikhokha"

    def __init__(
        self,
        config: Config,
        *,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = secrets.SystemRandom().random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        base = _base(config.base_url)
        self._config = config
        self._path = base.path.rstrip("/")
        self._local = base.hostname in LOOPBACK
        limits = Limits(config.connect_s, config.read_s, config.total_s, config.largest_body_bytes)
        self._http = Transport(
            f"{base.scheme}://{base.netloc}", limits, sleep=sleep, jitter=jitter, monotonic=monotonic
        )

    # -- the four calls --------------------------------------------------------------------------

    def issue(self, request: LinkRequest) -> IssuedLink:
        """Ask for a page. Raises InvalidInput (nothing sent), GatewayUnavailable, GatewayRefused or
        OutcomeUnknown: sent, and whether the link exists must be looked up by reference."""
        path = f"{self._path}/payment"
        body = strict_json.dumps(self._create(request)).encode()
        headers = self._headers(path, body) | {"Content-Type": "application/json"}
        reply = self._http.post(path, headers, body)
        if 400 <= reply.status < 500 and reply.status not in _PERHAPS_MADE:
            raise _refused(reply)
        try:
            answer = _answer(reply)
        except GatewayUnavailable as error:
            raise OutcomeUnknown(f"{error} The link may exist; it will be looked up.") from error
        return self._issued(answer, request)

    def status(self, gateway_reference: str) -> LinkStatus:
        if not _LINK_ID.fullmatch(gateway_reference):
            raise InvalidInput(f"{quoted(gateway_reference)} is not a gateway reference.")
        reply = self._get(f"getStatus/{gateway_reference}")
        return _link_status(_answer(reply), reply.body.decode())

    def status_by_reference(self, reference: str) -> LinkStatus | None:
        """The link made for our reference; None only when the gateway itself says it knows none."""
        reply = self._get("getStatus/external", externalReference=self._reference(reference))
        if reply.status in (400, 404) and _says_unknown(reply):
            return None
        return _link_status(_answer(reply), reply.body.decode())

    def history(self, first: date, last: date) -> list[LinkStatus]:
        """All links the gateway lists from ``first`` to ``last``. One unreadable entry refuses the list."""
        reply = self._get("payments/history", startDate=first.isoformat(), endDate=last.isoformat())
        return [
            _link_status(_as_object(item), json.dumps(item, ensure_ascii=False, default=str))
            for item in _history_items(reply)
        ]

    def told_time(self) -> datetime | None:
        try:
            told = parsedate_to_datetime(self._http.date or "")
        except ValueError:
            return None
        return told if told.tzinfo else None  # "-0000" says that it does not know its own zone

    # -- the message in --------------------------------------------------------------------------

    def read_event(self, path: str, headers: Mapping[str, str], body: bytes) -> GatewayEvent:
        """See ``Gateway.read_event``. ``path`` is that of the public webhook address, never the request's."""
        if not _same(headers.get("ik-appid", "").strip(" \t"), self._config.app_id):
            raise NotFromGateway("The header ik-appid is missing or not ours.")
        signature = headers.get("ik-sign", "").strip(" \t").lower()
        if not _DIGEST.fullmatch(signature):
            raise NotFromGateway("The header ik-sign is missing, doubled or no signature.")
        if not any(self._proves(signature, path, candidate) for candidate in _candidates(body)):
            raise NotFromGateway("The signature does not fit the path, the body and our key.")
        return _event(body)

    def claimed_link(self, body: bytes) -> str | None:
        try:
            return _event(body).gateway_reference
        except InvalidInput:
            return None

    def _proves(self, signature: str, path: str, body: bytes) -> bool:
        keys = (self._config.secret_key, self._config.previous_secret_key)
        return any(_same(signature, sign(path, body, key)) for key in keys if key.strip())

    # -- what we send ----------------------------------------------------------------------------

    def _create(self, request: LinkRequest) -> dict[str, Any]:
        if request.amount.currency != "ZAR" or request.amount.minor < 1:
            raise InvalidInput(f"iKhokha takes rand, one cent or more, not {request.amount}.")
        reference = self._reference(request.reference)
        return {
            "entityID": self._config.entity_id or self._config.app_id,
            "amount": request.amount.minor,
            "currency": request.amount.currency,
            "requesterUrl": self._address(self._config.requester_url),
            "description": _describe(request.description, self._config.description_limit),
            "paymentReference": reference,
            "mode": "live",  # the only mode the gateway has
            "externalTransactionID": reference,
            "urls": {
                "callbackUrl": self._address(request.callback_url),
                "successPageUrl": self._address(request.success_url),
                "failurePageUrl": self._address(request.failure_url),
                "cancelUrl": self._address(request.cancel_url),
            },
        }

    def _reference(self, reference: str) -> str:
        if not _LINK_ID.fullmatch(reference) or len(reference) > self._config.reference_limit:
            raise InvalidInput(
                f"The gateway takes references of up to {self._config.reference_limit} letters, "
                f"digits, - and _, not {quoted(reference)}."
            )
        return reference

    def _address(self, url: str) -> str:
        """An address we hand to the gateway: a public https one, or in demo mode one of this machine."""
        if self._trusted(url) is None:
            raise InvalidInput(
                f"The gateway needs a full https:// address, not {quoted(url)}. See the settings."
            )
        return url

    def _trusted(self, url: str) -> SplitResult | None:
        parts = taken_apart(url) if _PLAIN_URL.fullmatch(url) else None
        if parts is None or not parts.hostname or "@" in parts.netloc:
            return None
        plain_http = self._local and parts.scheme == "http" and parts.hostname in LOOPBACK
        return parts if parts.scheme == "https" or plain_http else None

    def _get(self, call: str, **query: str) -> Reply:
        path = f"{self._path}/{call}"
        target = f"{path}?{urlencode(query)}" if query else path
        return self._http.get(target, self._headers(target if self._config.sign_query else path, b""))

    def _headers(self, signed_path: str, body: bytes) -> dict[str, str]:
        return {
            "Accept": "application/json",
            "IK-APPID": self._config.app_id,
            "IK-SIGN": sign(signed_path, body, self._config.secret_key),
        }

    # -- what a create answered ------------------------------------------------------------------

    def _issued(self, answer: dict[str, Any], request: LinkRequest) -> IssuedLink:
        link_id, url = answer.get("paylinkID"), answer.get("paylinkUrl")
        if answer.get("responseCode") != "00" or not (_is_link_id(link_id) and isinstance(url, str)):
            raise OutcomeUnknown("The gateway's answer names no link. It may exist; it will be looked up.")
        if _told(answer, "externalTransactionID") not in (None, request.reference):
            raise OutcomeUnknown("The gateway answered for another reference. Ours will be looked up.")
        parts = self._trusted(url)
        if parts is None or parts.netloc.lower() not in self._config.link_hosts:
            raise OutcomeUnknown(
                f"The gateway's link points to {quoted(url[:100])}, which is no host of IKHOKHA_LINK_HOSTS. "
                f"It is not shown to anybody; check that setting."
            )
        return IssuedLink(gateway_reference=str(link_id), url=url)


# -- addresses and texts ------------------------------------------------------------------------------


def _base(url: str) -> SplitResult:
    """The base address, taken apart. Raises InvalidInput unless it is one exact origin and a plain path."""
    parts = taken_apart(url)
    if parts is not None and not (parts.query or parts.fragment or "@" in parts.netloc):
        local = parts.hostname in LOOPBACK and parts.scheme in ("http", "https")
        public = parts.scheme == "https" and _HOST.fullmatch(parts.hostname or "")
        if (local or public) and _PATH.fullmatch(parts.path.rstrip("/")):
            return parts
    raise InvalidInput(
        f"IKHOKHA_BASE_URL must be like https://api.ikhokha.com/public-api/v1/api, not {quoted(url)}."
    )


def _describe(text: str, limit: int) -> str:
    """What the payer reads, without the characters on which readings of the signature disagree."""
    agreed = " ".join(text.translate(_AGREED).split())
    plain = "".join(char for char in agreed if unicodedata.category(char) not in ("Cc", "Cs"))
    return plain[:limit].rstrip()


def _same(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode("utf-8", "surrogatepass"), right.encode())


# -- reading answers ----------------------------------------------------------------------------------


def _answer(reply: Reply) -> dict[str, Any]:
    """The object of a good answer. Raises GatewayRefused for a no, GatewayUnavailable for anything else."""
    if 400 <= reply.status < 500 and reply.status not in _PERHAPS_MADE | {429}:
        raise _refused(reply)
    if not 200 <= reply.status < 300:
        raise GatewayUnavailable(f"The gateway answered with status {reply.status}.")
    answer = _as_object(_json(reply))
    code = answer.get("responseCode")
    if not isinstance(code, str | None):
        raise GatewayUnavailable("The gateway's answer has an unreadable response code.")
    if code not in (None, "00"):
        raise GatewayRefused(str(code)[:_LONGEST_ERROR], _error_text(answer))
    return answer


def _json(reply: Reply) -> Any:
    try:
        return strict_json.loads(reply.body, longest_text=_LONGEST_ANSWER_TEXT)
    except InvalidInput as error:
        raise GatewayUnavailable(f"The gateway's answer cannot be read. {error}") from error


def _as_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise GatewayUnavailable("The gateway's answer is no object.")
    return value


def _link_status(answer: dict[str, Any], raw: str) -> LinkStatus:
    link_id, word = answer.get("paylinkID"), answer.get("status")
    if not _is_link_id(link_id) or not isinstance(word, str):
        raise GatewayUnavailable("The gateway's answer names no link or no status.")
    amount = answer.get("amount")
    return LinkStatus(
        gateway_reference=str(link_id),
        answer=_meaning(word),
        word=word,
        amount_minor=amount if type(amount) is int else None,
        currency=_told(answer, "currency"),
        reference=_told(answer, "externalTransactionID"),
        created_at=_moment(answer.get("createdAt")),
        raw=raw,
    )


def _meaning(word: str) -> Answer:
    # isascii: upper-casing a Turkish dotless i would turn an unknown word into PAID.
    return WORDS.get(word.strip().upper(), Answer.UNCLEAR) if word.isascii() else Answer.UNCLEAR


def _is_link_id(value: Any) -> bool:
    return isinstance(value, str) and _LINK_ID.fullmatch(value) is not None


def _told(answer: dict[str, Any], key: str) -> str | None:
    """A field that need not be there. Of a wrong type it is told as its text, so that it fits nothing."""
    value = answer.get(key)
    return None if value is None else str(value)


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None  # nothing hangs on it, and a guess is worse than none
    return moment if moment and moment.tzinfo else None


def _history_items(reply: Reply) -> list[Any]:
    """A bare array, or an object that holds it: which of them is not documented."""
    if 200 <= reply.status < 300:
        value = _json(reply)
        if isinstance(value, list):
            return value
    answer = _answer(reply)
    lists = [answer[key] for key in _HISTORY_KEYS if isinstance(answer.get(key), list)]
    if len(lists) != 1:
        raise GatewayUnavailable("The gateway's history holds no list, or more than one.")
    return lists[0]


# -- reading refusals ---------------------------------------------------------------------------------


def _refused(reply: Reply) -> GatewayRefused:
    """The refusal in a 4xx answer, whose body may be anything."""
    answer = _refusal_body(reply)
    code = answer.get("responseCode")
    known = isinstance(code, str) and code not in ("", "00")
    return GatewayRefused(str(code)[:_LONGEST_ERROR] if known else str(reply.status), _error_text(answer))


def _refusal_body(reply: Reply) -> dict[str, Any]:
    try:
        value = _json(reply)
    except GatewayUnavailable:
        return {}  # no JSON: the status alone is the refusal
    return value if isinstance(value, dict) else {"errors": value}


def _says_unknown(reply: Reply) -> bool:
    """A 400 or 404 means "no such reference" unless it is about the signature, or a web page's: that
    comes from something in between, and taking it for a no would invite a second link."""
    if reply.body.lstrip()[:1] == b"<":
        raise GatewayUnavailable(f"A web page answered with status {reply.status} in the gateway's place.")
    return _refusal_body(reply).get("responseCode") != _BAD_SIGNATURE


def _error_text(answer: dict[str, Any]) -> str:
    texts = dict.fromkeys(text for key in _ERROR_KEYS for text in _texts(answer.get(key)))
    return "; ".join(texts)[:_LONGEST_ERROR]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        plain = " ".join(value.split())
        if plain:
            yield plain
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (f"{key}: {text}" for text in _texts(item))


# -- reading events -----------------------------------------------------------------------------------


def _candidates(body: bytes) -> Iterator[bytes]:
    """The bodies the gateway may have signed: as received; re-serialised; the same without ``text``."""
    yield body
    try:
        value = strict_json.loads(body)
        yield strict_json.dumps(value).encode()
        if isinstance(value, dict) and "text" in value:
            yield strict_json.dumps({key: part for key, part in value.items() if key != "text"}).encode()
    except (InvalidInput, TypeError):
        return  # unreadable, or with a number that has no one way to be written


def _event(body: bytes) -> GatewayEvent:
    value = strict_json.loads(body)
    if not isinstance(value, dict):
        raise InvalidInput("The event is no object.")
    link_id, word = value.get("paylinkID"), value.get("status")
    if not _is_link_id(link_id) or not isinstance(word, str) or not word.strip():
        raise InvalidInput("The event names no link or no status.")
    return GatewayEvent(
        gateway_reference=str(link_id),
        reference=_told(value, "externalTransactionID"),
        word=word,
        code=_told(value, "responseCode"),
    )
