"""The demo year: the same seed gives the same rows, made by production's own functions."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

import bootstrap
import environment
import ui.here
from bootstrap import App
from commands import samples, settled
from commands import season as playing
from commands.abroad import DELEGATES
from commands.run import seed_with_progress
from db.models import (
    AuditEntry,
    Base,
    InboxEvent,
    Link,
    OutboxMail,
    Payment,
    PaymentQuote,
    Receipt,
    Standing,
    StatementFile,
    StatementLine,
    Tally,
    TimelineEntry,
    UnverifiedEvent,
)
from db.money import Money
from db.session import Sessions, open_engine
from payments import references
from payments.access import people
from payments.access.people import Role
from payments.at_the_door import eft
from payments.errors import Conflict
from payments.gateways import Gateway
from payments.gateways.ikhokha import Config as ClientConfig
from payments.gateways.ikhokha import IKhokha
from payments.hearing import sync
from payments.keeping import keyring
from payments.lifecycle import Effect, Status
from payments.live import overview, tallies
from payments.live.stages import Stage
from payments.live.takings import Compared
from payments.obligations import Draft
from payments.selling import quotes
from simulator.fates import FATES, Deed
from simulator.gateway import Config
from simulator.handout import KEPT_MINOR
from simulator.ledger import Ledger
from simulator.season import SAST, Season, plan
from simulator.server import Running
from tests.desk import FakeGateway
from tests.test_pages import Desk

SMALL = 60
#: Drawn anew each time, as secrets are; nothing else differs between two seeds.
DRAWN = {"return_token", "message_id"}


@dataclass(frozen=True)
class Seeded:
    app: App
    season: Season
    state_file: Path
    cpu_s: float

    def status_of(self, reference: str) -> str:
        with self.app.sessions.read() as session:
            return session.scalars(select(Payment.status).where(Payment.reference == reference)).one()


#: Two seasons are the same to the last mac of their audits.
AUDIT_KEYS = keyring.new_key("tests")


def demo_app(database_url: str, folder: Path) -> App:
    environ = {"IKHOKHA_APP_ID": "demo", "DATABASE_URL": database_url, "DATA_DIR": str(folder)}
    environ["AUDIT_KEYS"] = AUDIT_KEYS
    return bootstrap.build(environment.read_settings(environ, env_file=None))


def seed(app: App, folder: Path, *, ends: datetime, payments: int = SMALL, **other: Any) -> Seeded:
    began, state_file = time.process_time(), folder / "simulator.jsonl"
    season = playing.seed(app, state_file, ends=ends, payments=payments, **other)
    return Seeded(app, season, state_file, time.process_time() - began)


@pytest.fixture(scope="module")
def seeded(
    shared_database_url: str, tmp_path_factory: pytest.TempPathFactory, now: datetime
) -> Iterator[Seeded]:
    """A season for all who only look at it."""
    folder = tmp_path_factory.mktemp("seeded")
    app = demo_app(shared_database_url, folder)
    yield seed(app, folder, ends=now)
    app.sessions.engine.dispose()


# -- the plan ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("payments", [30, 120, 2_000])
def test_a_season_has_as_many_payments_as_asked_for(payments, now):
    assert len(plan(seed=1, ends=now, payments=payments).payers) == payments


def test_the_same_seed_plans_the_same_season(now):
    assert plan(seed=1, ends=now, payments=300) == plan(seed=1, ends=now, payments=300)
    assert plan(seed=1, ends=now, payments=300) != plan(seed=2, ends=now, payments=300)


def test_every_fate_befalls_somebody_however_small_the_season(now):
    assert {payer.fate for payer in plan(seed=1, ends=now, payments=40).payers} == set(FATES)


@pytest.mark.parametrize("hour", [0, 1, 9, 22])
def test_nothing_happens_after_the_end_and_today_is_busy(now, hour):
    ends = now.replace(hour=hour, minute=3)
    season = plan(seed=1, ends=ends, payments=300)
    moments = [step.at for step in season.steps]
    assert moments == sorted(moments)
    assert moments[-1] <= ends
    assert moments[0] > ends - timedelta(days=366)
    midnight = ends.astimezone(SAST).replace(hour=0, minute=0)
    issued = [step.at for step in season.steps if step.deed is Deed.ISSUE]
    assert sum(at >= midnight for at in issued) >= 3
    assert sum(midnight - timedelta(days=1) <= at < midnight for at in issued) >= 5


# -- the rows ---------------------------------------------------------------------------------------


def test_two_seeds_of_a_season_give_equal_rows(new_database: Callable[[bool], str], tmp_path, now):
    dumps = []
    for name in ("first", "second"):
        app = demo_app(new_database(True), tmp_path / name)
        seed(app, tmp_path / name, ends=now, payments=40)
        dumps.append(_dump(app.sessions))
        app.sessions.engine.dispose()
    assert dumps[0] == dumps[1]
    assert len(dumps[0]["payments"]) == 40 + len(DELEGATES)


def _dump(sessions: Sessions) -> dict[str, list[tuple[Any, ...]]]:
    with sessions.read() as session:
        return {
            table.name: [
                tuple(row)
                for row in session.execute(
                    select(*(column for column in table.columns if column.name not in DRAWN)).order_by(
                        *table.primary_key.columns
                    )
                )
            ]
            for table in Base.metadata.sorted_tables
        }


#: What each fate must end as, once it has had a month to unfold.
ENDS_AS = {
    "pays by card": {"paid"},
    "pays by instant EFT": {"paid"},
    "fails, then pays": {"paid"},
    "paid, and nobody rang": {"paid"},
    "does not pay": {"open"},
    "cancels": {"open"},
    "fails": {"failed"},
    "refused": {"failed"},
    "refused, then paid": {"paid"},
    "answer lost": {"paid"},
    "never made": {"failed"},
    "told twice": {"paid"},
    "failure comes late": {"paid"},
    "forged, then paid": {"paid"},
    "forged only": {"open"},
    "a cent short": {"open"},
    "unclear word": {"open"},
    "unconfirmed success": {"open"},
    "another's reference": {"open"},
    "taken back": {"paid"},
}
REVIEWED = {
    "a cent short": "amount_mismatch",
    "unclear word": "unclear_status",
    "unconfirmed success": "success_unconfirmed",
    "another's reference": "reference_mismatch",
    "taken back": "gateway_took_it_back",
}


def test_everybody_meets_their_fate(seeded, now):
    assert set(ENDS_AS) == set(FATES)
    born = {step.payer.number: step.at for step in reversed(seeded.season.steps) if step.payer}
    with seeded.app.sessions.read() as session:
        found = {
            reference: (status, review)
            for reference, status, review in session.execute(
                select(Payment.reference, Payment.status, Payment.review)
            )
        }
    met = {
        (payer.fate, *found[playing.reference_of(payer)])
        for payer in seeded.season.payers
        if now - born[payer.number] > timedelta(days=30)
    }
    assert {(fate, status) for fate, status, _ in met} == {
        (fate, status) for fate, statuses in ENDS_AS.items() for status in statuses
    }
    assert {(fate, review) for fate, _, review in met} == {(fate, REVIEWED.get(fate)) for fate in FATES}


def test_ids_rise_in_order_of_arrival(seeded):
    with seeded.app.sessions.read() as session:
        for table, moment in ((Payment, Payment.created_at), (InboxEvent, InboxEvent.received_at)):
            moments = list(session.scalars(select(moment).order_by(table.id)))
            assert moments == sorted(moments)
            assert len(moments) > SMALL // 2


def test_running_totals_equal_a_scan(seeded):
    with seeded.app.sessions.read() as session:
        standing = {
            (event_id, status, currency): (count, minor)
            for event_id, status, currency, count, minor in session.execute(
                select(
                    Standing.event_id, Standing.status, Standing.currency, Standing.count, Standing.sum_minor
                ).where(Standing.count != 0)
            )
        }
        scanned = {
            (event_id, status, currency): (count, minor)
            for event_id, status, currency, count, minor in session.execute(
                select(
                    Payment.event_id, Payment.status, Payment.amount_currency,
                    func.count(), func.sum(Payment.amount_minor),
                ).group_by(Payment.event_id, Payment.status, Payment.amount_currency)
            )
        }  # fmt: skip
        taken: Counter[datetime] = Counter()
        for receipt in session.scalars(select(Receipt)):
            taken[tallies.hour_of(receipt.received_at)] += receipt.amount_minor
        sums = select(Tally.hour, func.sum(Tally.sum_minor)).where(Tally.measure == "taken")
        tallied = {hour: int(minor) for hour, minor in session.execute(sums.group_by(Tally.hour))}
    assert standing == scanned
    assert tallied == dict(taken)


def test_the_live_page_has_takings_today_and_yesterday(seeded, now):
    with seeded.app.sessions.read() as session:
        live = overview.live(session, None, now=now)
    assert live.takings.today.rand
    assert sum(bool(hour.today.count) for hour in live.takings.per_hour) >= 2
    assert sum(bool(hour.before.count) for hour in live.takings.per_hour) >= 2
    assert live.takings.compared == Compared(date(2026, 11, 22))  # so few payments: none on the event's day
    assert live.made.steps[-1].reached.count
    assert not any(item.kind is overview.Attention.UNASKED_LINKS for item in live.attention)


def test_payers_came_to_every_stage_and_failed_for_several_reasons(seeded):
    with seeded.app.sessions.read() as session:
        assert set(session.scalars(select(Payment.stage).distinct())) >= set(Stage) - {Stage.ASKED}
        assert len(set(session.scalars(select(Payment.failure).where(Payment.failure != "").distinct()))) > 1


def test_every_oddity_of_the_hook_is_there_to_see(seeded):
    with seeded.app.sessions.read() as session:
        effects = set(session.scalars(select(InboxEvent.effect)))
        seen_twice = session.scalar(select(func.count()).where(InboxEvent.seen_count > 1))
        forged = session.scalar(select(func.count()).select_from(UnverifiedEvent))
        mails = set(session.scalars(select(OutboxMail.state)))
    assert {"paid", "failed", "flagged", "nothing", "unmatched", "unreadable"} <= effects
    assert seen_twice
    assert forged
    assert "sent" in mails


def test_every_payment_has_its_audit_and_says_that_it_is_seeded(seeded):
    with seeded.app.sessions.read() as session:
        audited = session.scalar(select(func.count()).where(AuditEntry.action == "issue_link"))
        sources = set(session.scalars(select(TimelineEntry.source).where(TimelineEntry.kind == "created")))
    assert audited == SMALL + len(DELEGATES)
    assert sources == {"seed"}


def test_one_person_for_each_role_and_the_organiser_sees_one_event(seeded):
    with seeded.app.sessions.read() as session:
        found = {role: people.system_person(session, email) for _, email, role in playing.STAFF}
    assert set(found) == set(Role) - {Role.AUDITOR}
    assert all(person.email.endswith("@example.org") for person in found.values())
    assert [len(person.events or ()) for person in found.values()] == [0, 0, 1, 0]


def test_delegates_from_abroad_were_quoted_in_dollars_and_the_sample_statement_has_them_short(seeded):
    with seeded.app.sessions.read() as session:
        quoted = session.scalars(
            select(Payment).join(PaymentQuote, PaymentQuote.payment_id == Payment.id)
        ).all()
        assert [one.payer_name for one in quoted] == [name for name, *_ in DELEGATES]
        assert {one.amount_currency for one in quoted} == {"ZAR"}
        assert list(quotes.broken(session)) == []
        owed = {one.payer_name: one.amount for one in quoted}
    statement = samples.write(seeded.app)[0].read_text(encoding="utf-8")
    lines = [line for line in statement.splitlines() if "INWARD SWIFT" in line]
    short = owed["Wanjiru Kamau"] - Money(KEPT_MINOR)
    assert any("WANJIRU" in line and short.decimal in line for line in lines)
    assert " X2" in statement  # and one who pays for two: the rest waits


# -- the pretend world ------------------------------------------------------------------------------


def test_money_in_the_desk_is_money_in_the_simulators_ledger(seeded):
    """A link paid there and not here is one the desk refused for a reason, or has not asked about yet."""
    with Ledger(seeded.state_file) as ledger, seeded.app.sessions.read() as session:
        for link in session.scalars(select(Link).where(Link.state == "paid")):
            known = ledger.get(link.gateway_reference)
            assert known.paid or known.status == "REVERSED"
            assert known.amount_minor == link.amount_minor
        known_to_both = session.scalar(select(func.count()).where(Link.gateway_reference.is_not(None)))
        assert known_to_both == len(ledger.all())


# -- when it is refused -----------------------------------------------------------------------------


def test_a_desk_with_payments_is_not_seeded_again(seeded, tmp_path, now):
    with pytest.raises(Conflict, match="not empty"):
        seed(seeded.app, tmp_path, ends=now)


def test_a_live_desk_is_never_seeded(sessions, tmp_path, now):
    app = demo_app(f"sqlite:///{tmp_path}/desk.db", tmp_path)
    live = replace(app, settings=replace(app.settings, app_id="IK1234"))
    with pytest.raises(Conflict, match="live"):
        seed(live, tmp_path, ends=now)


def test_a_year_broken_off_halfway_leaves_nothing_and_can_be_seeded_again(database_url, tmp_path, now):
    app = demo_app(database_url, tmp_path)

    def pull_the_plug(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        seed(app, tmp_path, ends=now, payments=30, progress=pull_the_plug)
    assert playing.is_empty(app.sessions)
    seed(app, tmp_path, ends=now, payments=30)
    assert not playing.is_empty(app.sessions)
    app.sessions.engine.dispose()


def test_a_season_is_quick(tmp_path, sqlite_template, now):
    """A minute for 2,000 payments is three seconds for 100; a slow processor may take four times that."""
    database = tmp_path / "desk.db"
    database.write_bytes(sqlite_template.read_bytes())
    app = demo_app(f"sqlite:///{database}", tmp_path)
    progress: list[tuple[int, int]] = []
    done = seed(app, tmp_path, ends=now, payments=100, progress=lambda *told: progress.append(told))
    assert done.cpu_s < 12
    assert progress[-1] == (len(done.season.steps), len(done.season.steps))
    engine = open_engine(f"sqlite:///{database}")
    with Sessions(engine).read() as session:
        assert session.scalar(select(func.count(Payment.id))) == 100 + len(DELEGATES)
    engine.dispose()
    app.sessions.engine.dispose()


# -- and it goes on -------------------------------------------------------------------------------


def test_payers_of_a_demo_desk_can_be_asked_for_an_eft(database_url, tmp_path):
    """At the door it is one of four ways; it had ended at *no bank account yet*."""
    app = demo_app(database_url, tmp_path)
    seed_with_progress(app, payments=SMALL)
    reference = references.draw("JOZI", demo=True)
    with app.sessions.begin() as session:
        admin = people.system_person(session, playing.ADMIN)
        draft = Draft(reference, playing.ORGANISERS_EVENT, Money(250_00), "Gugu Naidoo")
        told = eft.sheet(session, admin, eft.ask(session, admin, draft, now=app.now()), now=app.now())
    assert told.account == settled.TOLD
    app.sessions.engine.dispose()


def test_the_samples_of_a_demo_desk_come_into_its_account(sqlite_template, tmp_path, monkeypatch):
    """They bore another number, and were refused; in an account of their own they told the payouts twice."""
    database = tmp_path / "desk.db"
    database.write_bytes(sqlite_template.read_bytes())
    app = demo_app(f"sqlite:///{database}", tmp_path)
    seed_with_progress(app, payments=SMALL)
    desk = looked_at(app, monkeypatch)
    at = desk.open("pages/finance/statements.py")
    (chosen,) = at.selectbox(key="account").options
    assert chosen.startswith(settled.ACCOUNT)
    with app.sessions.read() as session:
        payouts = session.scalars(select(StatementLine.id)).all()
    for nth, name in enumerate(("1 known layout", "2 unknown layout"), 2):
        at.button(key=f"sample_{name}").click().run()
        assert [one.value for one in at.error] == []
        (come,) = (one for one in at.button if str(one.key).startswith("import_"))
        come.click().run()
        assert f"{name}.csv: " in at.success[0].value.replace("\\", "")
        with app.sessions.read() as session:
            file = session.get_one(StatementFile, nth)
            if nth == 2:
                assert session.scalar(select(func.count(StatementLine.id))) == len(payouts) + file.new_lines
                assert file.new_lines < file.rows - len(payouts), "the payouts are the same lines"
    at.button(key="sample_3 broken balance").click().run()
    assert "The balance is broken" in at.error[0].value
    app.sessions.engine.dispose()


def looked_at(app: App, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk whose pages are opened by somebody of finance."""
    desk = Desk(app.sessions, FakeGateway(), app.now())
    monkeypatch.setattr(bootstrap, "app", lambda: app)
    monkeypatch.setattr(ui.here, "cookie", lambda name: desk.cookie)
    desk.sign_in(Role.FINANCE)
    return desk


def test_a_seeded_link_can_still_be_paid_at_the_simulator(database_url, tmp_path, now):
    seeded = seed(demo_app(database_url, tmp_path), tmp_path, ends=now, payments=40)
    config = Config(
        app_id="demo", secret_key="demo_secret", public_url="", now=lambda: now, control_token=None,
        state_file=seeded.state_file,
    )  # fmt: skip
    later = now + timedelta(days=2)
    with Running(config) as simulator:
        simulator.switch(webhook="drop")
        gateways = _client(simulator)
        with seeded.app.sessions.read() as session:
            waiting = (
                select(Link).join(Link.payment).where(Payment.status == "open", Payment.review.is_(None))
            )
            link = session.scalars(waiting.order_by(Link.id)).first()
            assert link
            reference = link.payment.reference
        assert sync.ask(seeded.app.sessions, gateways, link.id, now=now) is Effect.NOTHING
        simulator.act(link.gateway_reference, "pay-eft")
        assert sync.ask(seeded.app.sessions, gateways, link.id, now=later) is Effect.PAID
    assert seeded.status_of(reference) == Status.PAID
    seeded.app.sessions.engine.dispose()


def _client(simulator: Running) -> dict[str, Gateway]:
    config = ClientConfig(
        app_id="demo", secret_key="demo_secret", base_url=simulator.base_url,
        requester_url="http://127.0.0.1:8000/return", link_hosts=(simulator.link_host,),
    )  # fmt: skip
    return {"ikhokha": IKhokha(config)}
