"""Commands of demo mode: seed the year, serve the simulator, let new payers come.

What needs the simulator is imported when a demo desk asks for it: live mode never does.
"""

import heapq
import itertools
import logging
import random
import signal
import threading
from typing import Annotated

import requests
import typer

import bootstrap
import environment
from bootstrap import App
from commands import DEMO_ADMIN, AsJson, answer, console, open_desk
from commands.run import prepare, seed_with_progress, state_file
from db.money import Money
from environment import Settings
from payments import obligations
from payments.access import people
from payments.asking import links
from payments.errors import Conflict, GatewayUnavailable, PaymentsError
from payments.lifecycle import Source
from payments.selling import events

log = logging.getLogger("paydesk.traffic")

#: Seconds between two new payers, from and to.
EVERY_S = (5, 20)
#: What a payer does, and how often, in parts of a hundred; None never pays.
_ACTS = {"pay": 56, "pay-eft": 22, "fail": 8, "cancel": 5, None: 9}


def seed(
    payments: Annotated[int, typer.Option(min=1, help="How many.")] = 2_000,
    draw: Annotated[int, typer.Option("--seed", help="The same seed, the same year.")] = 2026,
    as_json: AsJson = False,
) -> None:
    """Fill an empty demo desk with a year of invented payments."""
    app = prepare(_demo_settings())
    count = seed_with_progress(app, payments=payments, seed=draw)
    answer({"payments": count}, as_json, lambda: console.print(f"{count} payments are in the desk."))


def simulator() -> None:
    """Serve the pretend gateway of a demo desk."""
    settings = _demo_settings()
    from simulator.server import serve
    from simulator.world import Config

    token = settings.simulator_control_token
    if not token:
        raise Conflict("SIMULATOR_CONTROL_TOKEN is empty. Draw one, or say `off` to need none.")
    config = Config(
        app_id=settings.app_id,
        secret_key=settings.secret_key,
        public_url=f"http://127.0.0.1:{settings.simulator_port}",
        now=bootstrap.utc_now,
        control_token=None if token == "off" else token,  # noqa: S105 - the word, not a token
        state_file=state_file(settings),
    )
    serve(config, "127.0.0.1", settings.simulator_port)


def traffic() -> None:
    """Let new payers come to a demo desk, one every few seconds, until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s level=%(levelname)s %(name)s %(message)s")
    _demo_settings()
    crowd = _Traffic(open_desk())
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(1):
        crowd.second()


def _demo_settings() -> Settings:
    settings = environment.read_settings()
    if not settings.demo:
        raise Conflict("This desk is live. Invented payers and payments are for demo desks only.")
    return settings


class _Traffic:
    """Payers who come by themselves. One that meets an error goes away; the next one tries anew."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._dice = random.Random()  # noqa: S311 - who comes next is no secret
        self._second = 0
        self._next = 0
        self._order = itertools.count()
        self._acts: list[tuple[int, int, str, str]] = []  # when, in which order, which page, what

    def second(self) -> None:
        """One second goes by."""
        self._second += 1
        try:
            if self._second >= self._next:
                self._next = self._second + self._dice.randint(*EVERY_S)
                self._come()
            while self._acts and self._acts[0][0] <= self._second:
                _, _, page, act = heapq.heappop(self._acts)
                self._act(page, act)
        except (PaymentsError, requests.RequestException) as error:
            log.warning("trouble %s", error)

    def _come(self) -> None:
        """Somebody comes to an open event, gets a link, and will do something with it, or not."""
        from simulator.crowd import somebody

        name, email, phone = somebody(self._dice)
        with self._app.sessions.read() as session:
            person = people.system_person(session, DEMO_ADMIN)
            fairs = [
                fair for fair in events.list_events(session, person, states=("open",)) if fair.categories
            ]
            if not fairs:
                return
            fair = fairs[-1] if self._dice.random() < 0.8 else self._dice.choice(fairs)
            category = self._dice.choice([line for line in fair.categories if line.active])
            reference = obligations.draft_reference(session, person, fair.code, demo=True)
        draft = obligations.Draft(
            reference, fair.code, Money(category.price.minor), name, email, phone, category_id=category.id
        )
        link = links.issue(
            self._app.sessions, self._app.gateways["ikhokha"], draft, person=person,
            addresses=self._app.settings.addresses, now=self._app.now(), source=Source.SEED,
        )  # fmt: skip
        act = self._dice.choices(list(_ACTS), list(_ACTS.values()))[0]
        log.info("came reference=%s act=%s", link.reference, act)
        if act and link.url:
            self._later(self._dice.randint(4, 45), link.url, act)

    def _later(self, seconds: int, page: str, act: str) -> None:
        heapq.heappush(self._acts, (self._second + seconds, next(self._order), page, act))

    def _act(self, page: str, act: str) -> None:
        """The payer presses a button of the payment page. Most whose payment failed try once more."""
        with requests.Session() as session:
            session.trust_env = False
            said = session.post(f"{page}/{act}", timeout=5, allow_redirects=False)
        if said.status_code >= 400:
            raise GatewayUnavailable(f"The payment page answered {act} with status {said.status_code}.")
        if act == "fail" and self._dice.random() < 0.6:
            self._later(self._dice.randint(15, 60), page, "pay")
