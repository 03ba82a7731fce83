"""Does a payment go all the way? Issue a link, pay it at the simulator, see the row confirmed.

    python test_ikhokha_payment.py

It speaks to the demo desk that runs with these settings; what does not run it starts itself, on free ports
and with a temporary database. Its exit code is the truth: 0 only when the payment is paid, by the gateway's
word, after a signed webhook. pytest collects nothing here; the tests are in tests/.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import requests

import environment
from bootstrap import App
from commands.run import is_answering, prepare
from db.money import Money
from environment import Settings
from payments import dates, obligations
from payments.access.people import SYSTEM
from payments.asking import links
from payments.asking.links import LinkView
from payments.errors import Conflict, InvalidInput, NotFound, PaymentsError
from payments.finding import search
from payments.finding.search import PaymentDetail
from payments.lifecycle import Kind, Source, Status
from payments.obligations import Draft
from payments.selling import events

__test__ = False  # says pytest's collector: nothing to see here

ROOT = Path(__file__).parent
EVENT, CONFERENCE = "GIIP-TEST", "GIIP Test Conference"
PAYER, EMAIL, AMOUNT = "John Doe", "john.doe@example.com", Money(15_000)
START_S = 30
CONFIRM_S = 20


def main() -> int:
    """Print what happens; 0 when the payment is confirmed."""
    print("🧪 Testing iKhokha Payment Integration")
    print("=" * 50)
    try:
        settings = environment.read_settings()
        if not settings.demo:
            raise InvalidInput("This test pays at the simulator, and these settings are live.")
    except InvalidInput as error:
        return _say_setup(error)
    print("📝 Test Data:")
    print(f"   User: {PAYER} ({EMAIL})")
    print(f"   Amount: R{AMOUNT.decimal}")
    print(f"   Conference: {CONFERENCE}\n")
    print("🔄 Creating payment session...\n")
    try:
        with ExitStack() as started:
            _walk(prepare(_with_what_runs(settings, started)))
    except (PaymentsError, requests.RequestException, OSError) as error:
        print(f"   ❌ Error: {error}\n\n🔍 Payment integration test FAILED!")
        return 1
    print("\n🎉 Payment integration test PASSED!")
    return 0


def _say_setup(error: InvalidInput) -> int:
    print(f"❌ Error: {error}\n")
    print("💡 Setup Required:")
    print("   1. Set IKHOKHA_APP_ID=demo in .env or in the environment (`make run` writes such a .env)")
    print("   2. Leave IKHOKHA_SECRET_KEY empty: demo mode has a key of its own")
    print("   3. Run this script again; what it needs it starts itself")
    return 1


def _walk(app: App) -> None:
    """Create, pay, wait for the bell, look at the row. Raises PaymentsError wherever it goes wrong."""
    print("📊 Result:")
    try:
        link = _create(app)
    except PaymentsError:
        print("   Success: False")
        raise
    print("   Success: True")
    print(f"   ✅ Payment URL: {link.url}")
    print(f"   🆔 Transaction Ref: {link.reference}")
    print(f"   💳 Payment ID: {link.gateway_reference}")
    _pay(link)
    _confirm(app, link.reference)


def _create(app: App) -> LinkView:
    now = app.now()
    day = dates.business_day(now)
    wanted = events.EventDraft(EVENT, CONFERENCE, day, day + timedelta(days=2), events.State.OPEN)
    with app.sessions.begin() as session:
        try:
            events.get_event(session, SYSTEM, EVENT)
        except NotFound:
            events.save_event(session, SYSTEM, wanted, now=now)
        reference = obligations.draft_reference(session, SYSTEM, EVENT, demo=True)
    draft = Draft(reference, EVENT, AMOUNT, PAYER, payer_email=EMAIL)
    return links.issue(
        app.sessions, app.gateways["ikhokha"], draft, person=SYSTEM,
        addresses=app.settings.addresses, now=now, source=Source.CLI,
    )  # fmt: skip


def _pay(link: LinkView) -> None:
    """Be the payer: press the card button of the payment page."""
    with requests.Session() as session:
        session.trust_env = False
        said = session.post(f"{link.url}/pay", timeout=10, allow_redirects=False)
    if said.status_code != 303:
        raise Conflict(f"The payment page answered with status {said.status_code}.")


def _confirm(app: App, reference: str) -> None:
    """The row is paid, to the cent, and the gateway rang. Raises Conflict when it is not so in time."""
    until = time.monotonic() + CONFIRM_S
    while True:
        with app.sessions.read() as session:
            detail = search.get(session, SYSTEM, reference)
        if detail.row.status is Status.PAID:
            break
        if time.monotonic() > until:
            raise Conflict(f"{reference} was paid at the simulator and is {detail.row.status} here.")
        time.sleep(0.2)
    _check(detail)


def _check(detail: PaymentDetail) -> None:
    if detail.row.received != AMOUNT or len(detail.receipts) != 1 or detail.row.review is not None:
        raise Conflict(f"{detail.row.reference} is paid, but its money is {detail.row.received}.")
    if not any(entry.kind == Kind.EVENT and entry.source == Source.WEBHOOK for entry in detail.timeline):
        raise Conflict(f"{detail.row.reference} is paid, but no signed webhook came for it.")


# -- starting what does not run ---------------------------------------------------------------------


def _with_what_runs(settings: Settings, started: ExitStack) -> Settings:
    """The settings of the desk to test: the one that runs, or one that is started for this."""
    environ: dict[str, str] = {}
    simulator_runs = is_answering(settings.simulator_port, "/healthz")
    if simulator_runs and is_answering(settings.webhook_port, "/healthz"):
        return settings
    folder = started.enter_context(tempfile.TemporaryDirectory(prefix="paydesk-"))
    hook_port = _free_port()
    environ |= {
        "DATA_DIR": folder,
        "DATABASE_URL": f"sqlite:///{folder}/paydesk.db",
        "WEBHOOK_PORT": str(hook_port),
        "IKHOKHA_WEBHOOK_URL": f"http://127.0.0.1:{hook_port}/webhooks/ikhokha",
        "BIND_ADDRESS": "127.0.0.1",
    }
    if not simulator_runs:
        port = _free_port()
        environ |= {
            "SIMULATOR_PORT": str(port),
            "SIMULATOR_CONTROL_TOKEN": "off",
            "IKHOKHA_BASE_URL": f"http://127.0.0.1:{port}/public-api/v1/api",
            "IKHOKHA_LINK_HOSTS": f"127.0.0.1:{port}",
        }
        started.enter_context(_process(environ, port, "manage.py", "simulator"))
    own = environment.read_settings({**os.environ, **environ})
    prepare(own)
    started.enter_context(_process(environ, hook_port, "webhook.py"))
    return own


@contextmanager
def _process(environ: dict[str, str], port: int, *command: str) -> Iterator[None]:
    """A part of the desk that runs as long as the block does, once it answers."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / command[0]), *command[1:]],
            env={**os.environ, **environ}, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            until = time.monotonic() + START_S
            while not is_answering(port, "/healthz"):
                if process.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    raise Conflict(f"{' '.join(command)} did not start. {log.read()[-500:]}")
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
