"""What the API takes and answers, written down once: requests are checked by it, and callers read it.

``OPERATIONS`` and ``SCHEMAS`` make the OpenAPI description, the routes and the checks of bodies and
parameters, so that none of them can say what another does not do.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from api.schemas import OWN_ID, REFERENCE, SCHEMAS, TEXT, Schema
from payments.registering.api_keys import Scope
from payments.registering.registered import MOST_CHANGES
from payments.telling import notifications

VERSION = "1.0.0"
ROOT = "/api/v1"


@dataclass(frozen=True)
class Parameter:
    name: str
    where: str  # path, query or header
    schema: Schema
    description: str = ""
    required: bool = True


@dataclass(frozen=True)
class Operation:
    """``answers`` are those of success: status → what it says. Its refusals follow from the rest.

    ``scope`` None: anybody may ask. ``gateway``: it asks the gateway, which may be away.
    """

    id: str
    method: str
    path: str
    scope: Scope | None
    summary: str
    description: str
    answers: Mapping[int, str]
    schema: str
    parameters: tuple[Parameter, ...] = ()
    body: str = ""
    gateway: bool = False


_BY_REFERENCE = Parameter("reference", "path", REFERENCE)
OPERATIONS = (
    Operation(
        "putPayment", "POST", "/payments", Scope.WRITE,
        "Ask for a registration's payment, or bring it up to date",
        "Creates the payment of a registration and its link, or finds the one that is there. Send the whole "
        "registration each time. amount_minor is what it costs in all. Another one before anything was paid "
        "cancels the payment and answers with a new one. After that, more is asked for by a payment of its "
        "own, the difference_of the first; less is credited_minor, and owed back. A request whose answer was "
        "lost is sent again with the same Idempotency-Key, as often as you like.",
        {
            200: "It was there already.",
            201: "It is new: send the payer to its link.",
            202: "The gateway has not said yet whether it made the link. Read the payment again in a minute.",
        },
        "Payment",
        (
            Parameter(
                "Idempotency-Key", "header",
                {"type": "string", "pattern": "^[!-~]{1,100}$", "examples": ["7d0ff4e6-registration-417"]},
                "Drawn by you for each wish, and sent again with each repetition of it.",
            ),
        ),
        body="PaymentRequest", gateway=True,
    ),
    Operation(
        "listPayments", "GET", "/payments", Scope.READ,
        "List what has changed",
        "The registered payments of the event that changed since a cursor, in the order of the changes, each "
        "as it stands now. None is left out; one may come again.",
        {200: "The next ones."}, "Changes",
        (
            Parameter(
                "after", "query", {"type": "string", "pattern": "^[0-9]{1,18}\\.[0-9]{1,18}$"},
                "The `next` of the answer before; without it from the beginning.", required=False,
            ),
            Parameter(
                "limit", "query", {"type": "integer", "minimum": 1, "maximum": MOST_CHANGES},
                "So many at most; 100 unless you say.", required=False,
            ),
            Parameter(
                "registration_id", "query", OWN_ID, "Only those of this registration.", required=False,
            ),
        ),
    ),
    Operation(
        "getPayment", "GET", "/payments/{reference}", Scope.READ, "Read one payment",
        "As it stands at the desk now; the gateway is asked by the desk, not by this call.",
        {200: "The payment."}, "Payment", (_BY_REFERENCE,),
    ),
    Operation(
        "cancelPayment", "POST", "/payments/{reference}/cancel", Scope.WRITE, "Cancel a payment",
        "After the gateway was asked whether it was paid. The gateway's page cannot be closed: money that "
        "still comes is kept and told of. Cancelling twice is the same as once.",
        {200: "It is cancelled."}, "Payment", (_BY_REFERENCE,), body="CancelRequest", gateway=True,
    ),
    Operation(
        "getEvent", "GET", "/event", Scope.READ, "Read the key's event",
        "Which event the key is for, and its price list.", {200: "The event."}, "Event",
    ),
)  # fmt: skip

#: What is told of, and when.
_KINDS: Mapping[str, str] = {
    notifications.PAID: "All of it is here.",
    notifications.FAILED: "An attempt failed. The same link can still be paid.",
    notifications.REFUNDED: "Some or all of it was given back: refunded_minor says how much.",
    notifications.EXPIRED: "The desk let its link expire. Money that still comes is told of as paid.",
    notifications.CANCELLED: "It was cancelled. Money that still comes is told of as paid.",
    notifications.WAIVED: "Nothing is asked for any more, by decision.",
    notifications.REOPENED: "Money that was here was taken back: it is owed again.",
}
_REFUSALS: Mapping[int, str] = {
    400: "The request cannot be read.",
    401: "No key, a wrong one, or one that was revoked.",
    403: "The key may not do this.",
    404: "There is no such payment for this key.",
    409: "Understood, but not as things are; the sentence says why.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "Something in it cannot be used; the sentence says what.",
    429: "Too many requests in a minute.",
    502: "The gateway refused to make a link.",
    503: "Not now: the gateway or the database is away. Send it again.",
}


def refusals(operation: Operation) -> tuple[int, ...]:
    """The statuses with which it may be refused."""
    found = {400, 401, 403, 404, 422, 429, 503}
    if operation.body:
        found |= {409, 413, 415}
    if operation.gateway:
        found.add(502)
    return tuple(sorted(found))


# -- the description that callers read --------------------------------------------------------------


def describe(origin: str) -> dict[str, Any]:
    """The OpenAPI description of the API at ``origin``."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(ROOT + operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Paydesk",
            "version": VERSION,
            "description": "Ask for payments by your own registration ids, and hear of them by notifications "
            "after the Standard Webhooks specification.",
        },
        "servers": [{"url": origin}],
        "security": [{"key": []}],
        "paths": paths,
        "webhooks": _webhooks(),
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": SCHEMAS,
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    answer = _content("application/json", operation.schema)
    told: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": f"{operation.description} The key needs the scope {operation.scope}.",
        "parameters": [
            {
                "name": one.name, "in": one.where, "required": one.required,
                "schema": one.schema, "description": one.description,
            }
            for one in operation.parameters
        ],
        "responses": {
            **{str(status): {"description": says, **answer} for status, says in operation.answers.items()},
            **{str(status): _refusal(status) for status in refusals(operation)},
        },
    }  # fmt: skip
    if operation.body:
        told["requestBody"] = {"required": True, **_content("application/json", operation.body)}
    return told


def _refusal(status: int) -> dict[str, Any]:
    return {"description": _REFUSALS[status], **_content("application/problem+json", "Problem")}


def _content(kind: str, schema: str) -> dict[str, Any]:
    return {"content": {kind: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}


def _webhooks() -> dict[str, Any]:
    """What ``notifying`` sends. Any answer of 2xx says that it arrived."""
    told = {
        "requestBody": {"required": True, **_content("application/json", "Notification")},
        "responses": {"2XX": {"description": "It arrived."}},
        "parameters": [
            {"name": name, "in": "header", "required": True, "schema": TEXT}
            for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
        ],
    }
    return {kind: {"post": {**told, "summary": says}} for kind, says in _KINDS.items()}


# -- what requests are checked by --------------------------------------------------------------------


def faults(schema: Schema, value: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Which fields of a value do not fit, each with a sentence. Knows what is used of JSON Schema above."""
    kind = schema["type"]
    if kind == "object":
        yield from _object_faults(schema, value, field)
    elif kind == "array":
        yield from _array_faults(schema, value, field)
    elif kind == "integer":
        yield from _integer_faults(schema, value, field)
    elif not isinstance(value, str):
        yield field, "It must be a text."
    else:
        yield from _text_faults(schema, value, field)


def _object_faults(schema: Schema, value: Any, field: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        yield field, "It must be a JSON object."
        return
    known: Mapping[str, Schema] = schema["properties"]
    for name in schema["required"]:
        if name not in value:
            yield name, "It is missing."
    for name, one in value.items():
        if name not in known:
            yield name[:100], f"There is no such field. There are {', '.join(known)}."
        else:
            yield from faults(known[name], one, name)


def _array_faults(schema: Schema, value: Any, field: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, list):
        yield field, "It must be a list."
    elif len(value) > schema["maxItems"]:
        yield field, f"It has {schema['maxItems']} entries at most."
    else:
        for one in value:
            yield from faults(schema["items"], one, field)


def _integer_faults(schema: Schema, value: Any, field: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, int) or isinstance(value, bool):
        yield field, "It must be a whole number, without a fraction: money is in cents."
    elif value < schema["minimum"]:
        yield field, f"It must be {schema['minimum']} or more."
    elif "maximum" in schema and value > schema["maximum"]:
        yield field, f"It must be {schema['maximum']} or less."


def _text_faults(schema: Schema, value: str, field: str) -> Iterator[tuple[str, str]]:
    if "enum" in schema and value not in schema["enum"]:
        yield field, f"It is one of {', '.join(schema['enum'])}."
    elif len(value) < schema.get("minLength", 0):
        yield field, f"It has {schema['minLength']} characters or more."
    elif len(value) > schema.get("maxLength", len(value)):
        yield field, f"It has {schema['maxLength']} characters at most."
    elif "pattern" in schema and not re.fullmatch(schema["pattern"].removesuffix("$"), value, re.ASCII):
        yield field, f"It must fit {schema['pattern']}"
