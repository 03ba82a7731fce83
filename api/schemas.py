"""The shapes of what the API takes and answers. ``api.description`` checks by them, and describes them."""

from collections.abc import Mapping
from typing import Any

from db.money import CURRENCIES, LARGEST_MINOR
from payments.deciding.attention import SHORTEST_WHY
from payments.lifecycle import Status
from payments.privacy import SHORTEST_REASON
from payments.selling.exchange import FOREIGN
from payments.telling import notifications

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
_MOMENT: Schema = {"type": "string", "format": "date-time"}
OWN_ID: Schema = {
    "type": "string",
    "pattern": "^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$",
    "description": "Your own id of the registration. The same id again is the same payment.",
    "examples": ["2026-0417"],
}
REFERENCE: Schema = {
    "type": "string",
    "pattern": "^[A-Z0-9_]{4,24}$",
    "description": "The payment's reference at this desk.",
    "examples": ["DEMO_REG_7K2MPQ4"],
}
_MINOR: Schema = {"type": "integer", "minimum": 0, "description": "In cents."}


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


_LEFT: Schema = {"type": ["integer", "null"], "minimum": 0, "description": "Null: any number."}


def _object(properties: Mapping[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


_RATE: Mapping[str, Schema] = {
    "rate": {
        "type": "string", "pattern": "^[0-9]+\\.[0-9]{4,6}$", "examples": ["18.4500"],
        "description": "The rand for one unit, exactly.",
    },
    "rate_source": {**TEXT, "examples": ["SARB mid 25 Nov"]},
    "rate_at": {**_MOMENT, "description": "The moment from which the rate holds."},
}  # fmt: skip


SCHEMAS: Mapping[str, Schema] = {
    "PaymentRequest": _object(
        {
            "registration_id": OWN_ID,
            "amount_minor": {
                "type": "integer", "minimum": 1, "maximum": LARGEST_MINOR,
                "description": "In cents. Left out, it costs what the event's prices say now.",
                "examples": [150_000],
            },
            "currency": {
                "type": "string", "enum": list(CURRENCIES), "examples": ["ZAR"],
                "description": "What it is charged in: the event's, ZAR.",
            },
            "quoted": {
                **_object(
                    {
                        "amount_minor": {"type": "integer", "minimum": 1, "maximum": LARGEST_MINOR},
                        "currency": {"type": "string", "enum": list(FOREIGN)},
                    },
                    optional=("amount_minor",),
                ),
                "description": "What the payer was quoted, in place of amount_minor: it is charged in rand "
                "at the rate that the desk has now. Its own amount_minor left out, it is what the category "
                "costs in that currency. With an amount_minor it must come to just that.",
                "examples": [{"amount_minor": 25_000, "currency": "USD"}],
            },
            "payer_name": {"type": "string", "minLength": 1, "maxLength": 120, "examples": ["Thandi Nkosi"]},
            "payer_email": {"type": "string", "maxLength": 254, "examples": ["thandi@example.org"]},
            "payer_phone": {"type": "string", "maxLength": 40, "examples": ["082 123 4567"]},
            "category": {
                "type": "string", "minLength": 1, "maxLength": 200,
                "description": "A name on the event's price list. Where there is an amount_minor and neither "
                "extras nor a code, it only says what that is for.",
            },
            "extras": {
                "type": "array", "maxItems": 20,
                "description": "What is wanted beside the category, by its name.",
                "items": _object(
                    {
                        "name": {
                            "type": "string", "minLength": 1, "maxLength": 200, "examples": ["Workshop"],
                        },
                        "quantity": {"type": "integer", "minimum": 1, "maximum": 100},
                    },
                    optional=("quantity",),
                ),
            },
            "code": {
                "type": "string", "minLength": 1, "maxLength": 40, "examples": ["MEMBER"],
                "description": "A discount code of the event.",
            },
            "complimentary": {
                **_object({"reason": {"type": "string", "minLength": SHORTEST_REASON, "maxLength": 500}}),
                "description": "Nobody is to be asked to pay for it: two people of the desk decide. Until "
                "they have, it is open and without a link; then its status is waived.",
                "examples": [{"reason": "Keynote speaker"}],
            },
            "note": {"type": "string", "maxLength": 500, "description": "For the people at the desk."},
            "return_url": {
                "type": "string", "minLength": 1, "maxLength": 500,
                "description": "An https page of yours that our own page leads the payer back to.",
            },
        },
        optional=(
            "amount_minor", "quoted", "payer_email", "payer_phone", "category", "extras", "code",
            "complimentary", "note", "return_url",
        ),
    ),
    "CancelRequest": _object(
        {
            "reason": {
                "type": "string", "minLength": SHORTEST_WHY, "maxLength": 500,
                "description": "For whoever reads it later.", "examples": ["Withdrew their paper"],
            }
        }
    ),
    "Payment": _object(
        {
            "reference": REFERENCE,
            "registration_id": OWN_ID,
            "event": TEXT,
            "mode": {"type": "string", "enum": ["demo", "live"]},
            "status": {"type": "string", "enum": [str(status) for status in Status]},
            "complete": {
                "type": "boolean",
                "description": "Nothing more is owed: the registration can be confirmed. Go by this.",
            },
            "amount_minor": _MINOR,
            "received_minor": _MINOR,
            "refunded_minor": _MINOR,
            "credited_minor": {
                **_MINOR,
                "description": "It costs so much less by now: owed back to the payer until refunded_minor "
                "says that it went.",
            },
            "currency": {"type": "string", "enum": list(CURRENCIES)},
            "link": {
                "type": ["string", "null"], "format": "uri",
                "description": "Send the payer here. Null when it cannot be paid online now.",
            },
            "return_token": {
                "type": ["string", "null"],
                "description": "Part of status_url; it proves nothing.",
            },
            "status_url": {
                "type": ["string", "null"], "format": "uri",
                "description": "Our page that tells a payer how their payment stands.",
            },
            "replaces": {
                **_or_null(REFERENCE),
                "description": "The payment that was cancelled for this one, when the amount changed.",
            },
            "difference_of": {
                **_or_null(REFERENCE),
                "description": "The paid payment that this one asks for more than, when the amount rose.",
            },
            "lines": {
                "type": "array",
                "description": "What it was priced as: together its amount. Empty where the amount was said.",
                "items": _object(
                    {
                        "what": TEXT, "quantity": {"type": "integer", "minimum": 1}, "unit_minor": _MINOR,
                        "discount_minor": _MINOR, "amount_minor": _MINOR,
                    }
                ),
            },
            "quoted": _or_null(
                {
                    **_object(
                        {
                            "amount_minor": _MINOR, "currency": {"type": "string", "enum": list(FOREIGN)},
                            **_RATE, "charged_minor": _MINOR,
                        }
                    ),
                    "description": "What the payer was quoted in another currency, and by which rate it "
                    "became amount_minor. Null where it was asked for in rand.",
                }
            ),
            "created_at": _MOMENT,
            "paid_at": _or_null(_MOMENT),
        }
    ),
    "Changes": _object(
        {
            "payments": {"type": "array", "items": {"$ref": "#/components/schemas/Payment"}},
            "next": {"type": "string", "description": "Send it as `after` to read on."},
            "more": {"type": "boolean", "description": "There is more already."},
        }
    ),
    "Event": _object(
        {
            "code": TEXT,
            "name": TEXT,
            "mode": {"type": "string", "enum": ["demo", "live"]},
            "state": {"type": "string", "enum": ["draft", "open", "closed"]},
            "currency": {"type": "string", "enum": list(CURRENCIES)},
            "starts_on": {"type": "string", "format": "date"},
            "ends_on": {"type": "string", "format": "date"},
            "categories": {
                "type": "array",
                "items": _object(
                    {
                        "name": TEXT,
                        "amount_minor": {**_MINOR, "description": "What it costs now, in cents."},
                        "period": {"type": "string", "description": "Which price holds; empty for its own."},
                        "until": _or_null({"type": "string", "format": "date"}),
                        "seats_left": _LEFT,
                        "note": {"type": "string", "description": "Why an earlier price holds no more."},
                        "quoted": {
                            "type": "array",
                            "description": "What it costs in other currencies.",
                            "items": _object(
                                {
                                    "amount_minor": _MINOR,
                                    "currency": {"type": "string", "enum": list(FOREIGN)},
                                }
                            ),
                        },
                    }
                ),
            },
            "extras": {
                "type": "array",
                "items": _object({"name": TEXT, "amount_minor": _MINOR, "seats_left": _LEFT}),
            },
            "rates": {
                "type": "array",
                "description": "What may be quoted in now, and at which rates.",
                "items": _object({"currency": {"type": "string", "enum": list(FOREIGN)}, **_RATE}),
            },
        }
    ),
    "Notification": _object(
        {
            "type": {"type": "string", "enum": list(notifications.KINDS)},
            "timestamp": _MOMENT,
            "data": {"$ref": "#/components/schemas/NotifiedPayment"},
        }
    ),
    "Problem": {
        "type": "object",
        "properties": {
            "type": {"type": "string", "const": "about:blank"},
            "title": TEXT,
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "A sentence that says what to do."},
            "errors": {
                "type": "array",
                "items": _object({"field": TEXT, "detail": TEXT}),
            },
        },
        "required": ["type", "title", "status", "detail"],
    },
}  # fmt: skip


#: What only serves paying, or never changes, is not told of in a notification.
_FOR_PAYING = ("link", "return_token", "status_url", "replaces", "difference_of", "lines", "quoted")
SCHEMAS = {
    **SCHEMAS,
    "NotifiedPayment": _object(
        {name: one for name, one in SCHEMAS["Payment"]["properties"].items() if name not in _FOR_PAYING}
    ),
}
