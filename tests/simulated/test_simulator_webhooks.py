"""The simulator knocks as the gateway is said to, and in every way it must not be trusted to."""

import json
import time
from typing import Any

import pytest

from payments.gateways import Answer
from payments.gateways.ikhokha import IKhokha
from simulator.server import Running
from tests.fault_server import FaultServer, hang_up, reply
from tests.simulated.helpers import draw_reference, until, wanted


def paid_with(hook: FaultServer, gateway: IKhokha, simulator: Running, *acts: str) -> str:
    reference = draw_reference()
    issued = gateway.issue(wanted(reference, f"{hook.origin}/webhooks/ikhokha?x=1"))
    for act in acts or ("pay",):
        simulator.act(issued.gateway_reference, act)
    return reference


def heard(hook: FaultServer, gateway: IKhokha, count: int) -> list[Any]:
    """The first ``count`` messages, as the client reads them."""
    until(lambda: len(hook.seen) >= count)
    return [gateway.read_event("/webhooks/ikhokha", seen.headers, seen.body) for seen in hook.seen]


def test_a_webhook_is_signed_with_the_path_it_was_told(
    hook: FaultServer, gateway: IKhokha, simulator: Running
) -> None:
    reference = paid_with(hook, gateway, simulator)
    (event,) = heard(hook, gateway, 1)
    assert (event.reference, event.word, event.code) == (reference, "SUCCESS", "00")


def test_each_attempt_rings_and_cancelling_does_not(
    hook: FaultServer, gateway: IKhokha, simulator: Running
) -> None:
    paid_with(hook, gateway, simulator, "fail", "cancel", "pay")
    assert sorted(event.word for event in heard(hook, gateway, 2)) == ["FAILURE", "SUCCESS"]


def test_a_link_may_ring_only_once(hook: FaultServer, gateway: IKhokha, simulator: Running) -> None:
    simulator.switch(webhook_per="link")
    paid_with(hook, gateway, simulator, "fail", "pay")
    time.sleep(0.3)
    assert [event.word for event in heard(hook, gateway, 1)] == ["FAILURE"]


def test_a_text_may_be_put_in_after_signing(hook: FaultServer, gateway: IKhokha, simulator: Running) -> None:
    simulator.switch(webhook_text="Betaling 'ontvang'")
    paid_with(hook, gateway, simulator)
    heard(hook, gateway, 1)
    assert json.loads(hook.seen[0].body)["text"] == "Betaling 'ontvang'"


def test_a_webhook_may_come_twice(hook: FaultServer, gateway: IKhokha, simulator: Running) -> None:
    simulator.switch(webhook_copies=2)
    paid_with(hook, gateway, simulator)
    heard(hook, gateway, 2)
    assert hook.seen[0].body == hook.seen[1].body


def test_a_failure_may_follow_a_success(hook: FaultServer, gateway: IKhokha, simulator: Running) -> None:
    simulator.switch(webhook_failure_after_success=True)
    paid_with(hook, gateway, simulator)
    assert [event.word for event in heard(hook, gateway, 2)] == ["SUCCESS", "FAILURE"]


def test_a_status_may_come_in_lower_case(hook: FaultServer, gateway: IKhokha, simulator: Running) -> None:
    simulator.switch(webhook_lower_case=True)
    paid_with(hook, gateway, simulator)
    assert [event.word for event in heard(hook, gateway, 1)] == ["success"]


@pytest.mark.parametrize(
    "switch, reason", [("webhook_wrong_signature", "signature"), ("webhook_wrong_app_id", "appid")]
)
def test_a_forged_webhook_proves_nothing(
    switch: str, reason: str, hook: FaultServer, gateway: IKhokha, simulator: Running
) -> None:
    simulator.switch(**{switch: True})
    paid_with(hook, gateway, simulator)
    with pytest.raises(Exception, match=reason):
        heard(hook, gateway, 1)


def test_a_webhook_may_never_come(hook: FaultServer, gateway: IKhokha, simulator: Running) -> None:
    simulator.switch(webhook="drop")
    reference = paid_with(hook, gateway, simulator)
    time.sleep(0.3)
    assert hook.connections == 0
    status = gateway.status_by_reference(reference)
    assert status is not None
    assert status.answer is Answer.PAID


def test_a_webhook_may_come_late(hook: FaultServer, gateway: IKhokha, simulator: Running) -> None:
    simulator.switch(webhook_delay_s=1)
    paid_with(hook, gateway, simulator)
    time.sleep(0.5)
    assert hook.connections == 0
    heard(hook, gateway, 1)


def test_a_webhook_is_repeated_until_it_is_answered_well(gateway: IKhokha, simulator: Running) -> None:
    simulator.switch(webhook_retry_s=0)
    with FaultServer(reply(401), hang_up, reply(500), reply(200)) as hook:
        reference = paid_with(hook, gateway, simulator)
        heard(hook, gateway, 4)
        until(lambda: len(rings(simulator, reference)) == 4)
    assert rings(simulator, reference) == [401, None, 500, 200]


def rings(simulator: Running, reference: str) -> list[int | None]:
    (link,) = [one for one in simulator.links() if one["externalTransactionID"] == reference]
    return [ring["answer"] for ring in link["webhooks"]]
