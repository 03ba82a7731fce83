"""What payers see of the simulator, and who may pull its strings."""

from dataclasses import replace

import pytest
import requests

from payments.errors import InvalidInput
from payments.gateways.ikhokha import IKhokha
from simulator.control import TOKEN_HEADER
from simulator.server import Running
from tests.simulated.helpers import CONFIG, PAGES, draw_reference, token, wanted

# -- the controls -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no token"),
        pytest.param({TOKEN_HEADER: "another"}, id="another token"),
        pytest.param({TOKEN_HEADER: ""}, id="empty token"),
        pytest.param(token(Origin="https://evil.example"), id="a web page"),
        pytest.param(token(Origin="null"), id="a sandboxed page"),
        pytest.param(token(Host="evil.example"), id="another host's name"),
        pytest.param(token(Host="127.0.0.1.evil.example:80"), id="a name that starts like ours"),
        pytest.param(token(Host="[::1"), id="half an address"),
    ],
)
@pytest.mark.parametrize(
    "call", ["POST {link}/pay", "POST switches", "POST reset", "GET links", "GET switches"]
)
def test_only_this_machine_with_the_token_pulls_strings(
    call: str, headers: dict[str, str], simulator: Running, gateway: IKhokha, link: str
) -> None:
    method, _, what = call.format(link=link).partition(" ")
    url = f"{simulator.origin}/_sim/{what}"
    answer = requests.request(method, url, json={"create": "500"}, headers=headers, timeout=5)
    assert answer.status_code == 403
    assert gateway.status(link).word == "UNPAID"
    assert simulator.switch()["create"] == "ok"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8600", "[::1]:8600"])
def test_every_name_of_this_machine_will_do(host: str, simulator: Running) -> None:
    url = f"{simulator.origin}/_sim/switches"
    assert requests.get(url, headers=token(Host=host), timeout=5).status_code == 200


def test_without_a_token_any_program_here_may(simulator: Running) -> None:
    with Running(replace(CONFIG, control_token=None)) as other:
        assert requests.get(f"{other.origin}/_sim/links", timeout=5).json() == []


@pytest.mark.parametrize("what", ["nosuchlink/pay", "nosuchlink/refund"])
def test_what_is_not_there_is_404(what: str, simulator: Running) -> None:
    answer = requests.post(f"{simulator.origin}/_sim/{what}", headers=token(), timeout=5)
    assert answer.status_code == 404


@pytest.mark.parametrize("app_id", ["", "IKLIVE0000000000000000000000000001", "Demo"])
def test_only_demo_app_ids_are_simulated(app_id: str) -> None:
    with pytest.raises(InvalidInput, match="demo"):
        replace(CONFIG, app_id=app_id)


def test_an_empty_token_is_not_no_token() -> None:
    with pytest.raises(InvalidInput, match="token"):
        replace(CONFIG, control_token="")


def test_secrets_are_not_in_the_simulators_text() -> None:
    assert "demo_secret" not in repr(CONFIG)
    assert "token-of-this-run" not in repr(CONFIG)


# -- the payer's pages --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act, outcome, words, back",
    [
        ("pay", "paid", "by card", "success"),
        ("pay-eft", "paid", "by Instant EFT", "success"),
        ("fail", "failed", "did not go through", "failure"),
        ("cancel", "cancelled", "Nothing was paid", "cancel"),
    ],
)
def test_each_button_leads_to_a_result_and_back_to_the_merchant(
    act: str, outcome: str, words: str, back: str, simulator: Running, link: str
) -> None:
    page = requests.get(f"{simulator.origin}/{link}", timeout=5).text
    assert f'formaction="/{link}/{act}"' in page
    result = requests.post(f"{simulator.origin}/{link}/{act}", timeout=5)
    assert result.url == f"{simulator.origin}/{link}/{outcome}"
    assert words in result.text
    assert result.headers["Refresh"] == f"60; url={PAGES}/{back}"
    assert f'href="{PAGES}/{back}"' in result.text


def test_the_page_says_what_is_paid_and_that_it_is_pretended(simulator: Running, link: str) -> None:
    answer = requests.get(f"{simulator.origin}/{link}", timeout=5)
    for words in ("R150.00", "Ubuntu Research Week", "Paydesk Demo Events", "Simulator: no real money"):
        assert words in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_failed_link_says_so_and_can_be_paid(simulator: Running, link: str) -> None:
    simulator.act(link, "fail")
    page = requests.get(f"{simulator.origin}/{link}", timeout=5).text
    assert "did not go through" in page
    assert "Pay by card" in page


def test_a_paid_link_offers_no_way_to_pay_again(simulator: Running, link: str) -> None:
    simulator.act(link, "pay")
    page = requests.post(f"{simulator.origin}/{link}/pay-eft", timeout=5)
    assert page.url == f"{simulator.origin}/{link}"
    assert "already been paid" in page.text
    assert "<form" not in page.text


def test_a_result_page_is_only_shown_for_what_happened(simulator: Running, link: str) -> None:
    assert requests.get(f"{simulator.origin}/{link}/paid", timeout=5).url == f"{simulator.origin}/{link}"
    simulator.act(link, "pay")
    assert requests.get(f"{simulator.origin}/{link}/failed", timeout=5).url == f"{simulator.origin}/{link}"


@pytest.mark.parametrize("path", ["nosuchlink", "nosuchlink/paid", "nosuchlink/refund"])
def test_a_page_that_is_not_there_says_so(path: str, simulator: Running) -> None:
    answer = requests.get(f"{simulator.origin}/{path}", timeout=5)
    assert answer.status_code == 404
    assert "no such payment link" in answer.text


def test_a_description_is_text_and_never_markup(simulator: Running, gateway: IKhokha) -> None:
    issued = gateway.issue(replace(wanted(draw_reference()), description="<script>alert(1)</script>"))
    page = requests.get(issued.url, timeout=5).text
    assert "&lt;script&gt;" in page
    assert "<script" not in page


def test_health_is_a_word(simulator: Running) -> None:
    assert requests.get(f"{simulator.origin}/healthz", timeout=5).text == "ok"
