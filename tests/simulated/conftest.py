"""One running simulator for each file of tests; its switches are off at the start of each test."""

from collections.abc import Iterator

import pytest

from payments.gateways.ikhokha import IKhokha
from simulator.server import Running
from tests.fault_server import FaultServer, reply
from tests.simulated.helpers import CONFIG, client, draw_reference, wanted


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Running(CONFIG) as server:
        yield server


@pytest.fixture
def simulator(running: Running) -> Running:
    """One simulator for all tests, its switches off."""
    running.reset()
    return running


@pytest.fixture
def gateway(simulator: Running) -> IKhokha:
    return client(simulator)


@pytest.fixture
def link(gateway: IKhokha) -> str:
    """The id of a link that waits to be paid; nobody hears its webhooks."""
    return gateway.issue(wanted(draw_reference())).gateway_reference


@pytest.fixture
def hook() -> Iterator[FaultServer]:
    """Somebody who answers webhooks with 200 and keeps them."""
    with FaultServer(reply(200)) as server:
        yield server
