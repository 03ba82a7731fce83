"""The API does what its description says: Schemathesis asks what it allows and what it does not.

For every operation, with good requests and bad ones: no answer of 5xx, none that the description does not
know, none of another shape; what is good is done, what is bad is refused.
"""

import shutil
from collections.abc import Iterator

import hypothesis
import hypothesis.strategies as st
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import api
from api.description import OPERATIONS, describe
from payments.registering import api_keys
from payments.registering.api_keys import Scope
from tests import hook
from tests.desk import ADMIN, make_event
from tests.hook import Hook

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EXAMPLES = 15


@pytest.fixture(scope="module")
def door(sqlite_template, tmp_path_factory, now) -> Iterator[tuple[Hook, str]]:
    """A door that anybody may knock at as often as they like, and a key to it."""
    path = tmp_path_factory.mktemp("described") / "desk.db"
    shutil.copyfile(sqlite_template, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "CALLS_A_MINUTE", 10**6)
        patch.setattr(api, "STRANGERS_A_MINUTE", 10**6)
        with hook.serving(f"sqlite:///{path}", now) as served:
            with served.sessions.begin() as session:
                make_event(session, now=now)
                both = (Scope.READ, Scope.WRITE)
                key = api_keys.make(session, ADMIN, "devconf", "Tester", both, demo=True, now=now)
            yield served, key


#: What of a payment's own is asked for with good requests, and what they then come to.
DONE = {"putPayment": 201, "listPayments": 200, "getPayment": 200, "cancelPayment": 200, "getEvent": 200}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
@pytest.mark.parametrize("operation", [operation.id for operation in OPERATIONS])
def test_every_answer_is_one_that_is_described(door, operation, mode):
    served, key = door
    root = f"http://127.0.0.1:{served.port}"
    schema = schemathesis.openapi.from_dict(describe(root))
    seen: set[int] = set()
    own = reference(root, key) if operation in ("getPayment", "cancelPayment") else None

    cases = schema.find_operation_by_id(operation).as_strategy(generation_mode=mode)
    if operation == "putPayment" and mode is GenerationMode.POSITIVE:
        cases = st.one_of(cases, cases.map(plain))

    @hypothesis.given(case=cases)
    @hypothesis.settings(
        max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    def ask(case):
        if own and mode is GenerationMode.POSITIVE:
            case.path_parameters["reference"] = own
        answer = case.call(base_url=root, headers={"Authorization": f"Bearer {key}"})
        case.validate_response(answer, checks=CHECKS)
        seen.add(answer.status_code)

    ask()
    if mode is GenerationMode.POSITIVE:
        assert DONE[operation] in seen
    elif operation in ("putPayment", "cancelPayment"):
        assert min(seen) >= 400, "what does not fit its description is done all the same"


def plain(case):
    """The same wish for an amount in rand: names, addresses and pages nobody draws by chance."""
    for name in ("category", "extras", "code", "payer_email", "payer_phone", "return_url"):
        case.body.pop(name, None)
    case.body |= {"amount_minor": case.body.get("amount_minor", 100), "currency": "ZAR"}
    return case


def reference(root: str, key: str) -> str:
    """Of a payment that is there."""
    wish = {"registration_id": "known", "amount_minor": 100, "currency": "ZAR", "payer_name": "Zanele"}
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "known"}
    answer = requests.post(f"{root}/api/v1/payments", json=wish, headers=headers, timeout=10)
    return str(answer.json()["reference"])
