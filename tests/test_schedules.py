"""Reports and views that go out by themselves: when, once, to whom, and what a link opens."""

import hashlib
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest
from sqlalchemy import select

from db.models import AuditEntry, OutboxMail, PersonRow, Schedule, ScheduleLink, ScheduleRun
from db.session import Sessions
from payments import dates, lifecycle
from payments.access import people, staff
from payments.access.people import SYSTEM, Role
from payments.asking.courier import Courier
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound, ProveAgain
from payments.exports import records
from payments.finding import views
from payments.finding.conditions import Filter
from payments.finding.when import moving
from payments.lifecycle import Source
from payments.schedules import book, links, mailing
from payments.schedules import plan as plans
from payments.schedules.book import RunView, ScheduleView
from payments.schedules.making import TRIES, TRY_AGAIN, Scheduler
from payments.schedules.outside import Outside
from payments.schedules.plan import SINCE_LAST, Plan, ReportOf, ViewOf, Way
from payments.schedules.recurrence import LAST, Every, Recurrence
from payments.selling import events
from payments.telling import outbox
from payments.watching import standstill
from tests.desk import ADDRESSES, make_event, proved
from tests.running import PROJECT
from tests.samples import make_payment
from tests.test_signin import join

OUTSIDE = Outside("https://desk.example.org", ("example.org",), demo=True)
DAY, HOUR, WEEK = timedelta(days=1), timedelta(hours=1), timedelta(days=7)
EACH_MONDAY = Recurrence(Every.WEEK, 7, 0)
PLAN = Plan(
    "Takings",
    ReportOf("takings", "", "last-week", ""),
    "csv",
    EACH_MONDAY,
    ("lindiwe@example.org",),
    Way.LINK,
)
SPONSORS = ViewOf("", "Sponsors")


def sast(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=dates.SAST).astimezone(UTC)


# -- when ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "after", "then"),
    [
        pytest.param(Recurrence(Every.DAY, 7), sast(2026, 11, 23, 7), sast(2026, 11, 24, 7), id="not twice"),
        pytest.param(Recurrence(Every.DAY, 7), sast(2026, 11, 23, 6), sast(2026, 11, 23, 7), id="today"),
        pytest.param(Recurrence(Every.DAY, 0), sast(2026, 12, 31, 23), sast(2027, 1, 1), id="a year's end"),
        pytest.param(
            Recurrence(Every.DAY, 7, weekdays=True), sast(2026, 11, 27, 7), sast(2026, 11, 30, 7), id="free"
        ),
        pytest.param(EACH_MONDAY, sast(2026, 11, 23, 8), sast(2026, 11, 30, 7), id="weekly"),
        pytest.param(Recurrence(Every.MONTH, 7, 28), sast(2026, 2, 1), sast(2026, 2, 28, 7), id="the 28th"),
        pytest.param(
            Recurrence(Every.MONTH, 7, LAST), sast(2028, 2, 1), sast(2028, 2, 29, 7), id="last, leap year"
        ),
        pytest.param(
            Recurrence(Every.MONTH, 7, LAST, weekdays=True), sast(2026, 2, 1), sast(2026, 2, 2, 7),
            id="the last day of January waits from Saturday for Monday",
        ),
        pytest.param(
            Recurrence(Every.MONTH, 7, 1, weekdays=True), sast(2026, 11, 1), sast(2026, 11, 2, 7),
            id="the first waits from Sunday",
        ),
    ],
)  # fmt: skip
def test_when_it_is_next(when: Recurrence, after: datetime, then: datetime):
    assert when.after(after) == then
    assert when.latest(then) == then
    assert when.latest(then - timedelta(microseconds=1)) < then
    assert when.after(when.latest(then - timedelta(microseconds=1))) == then


def test_no_recurrence_is_on_a_day_that_some_months_lack_or_that_it_skips():
    for made in (lambda: Recurrence(Every.MONTH, 7, 29), lambda: Recurrence(Every.WEEK, 7, 6, weekdays=True)):
        with pytest.raises(InvalidInput):
            made()


@pytest.mark.parametrize(
    ("when", "word", "due", "first", "last"),
    [
        pytest.param(
            Recurrence(Every.DAY, 7, weekdays=True), SINCE_LAST, sast(2026, 11, 30, 7), "2026-11-27",
            "2026-11-29", id="a Monday's has the weekend",
        ),
        pytest.param(EACH_MONDAY, SINCE_LAST, sast(2026, 11, 30, 7), "2026-11-23", "2026-11-29", id="a week"),
        pytest.param(EACH_MONDAY, "yesterday", sast(2026, 11, 30, 7), "2026-11-29", "2026-11-29", id="a day"),
        pytest.param(
            Recurrence(Every.MONTH, 7, LAST, weekdays=True), "this-month", sast(2026, 2, 2, 7), "2026-01-01",
            "2026-01-31", id="what waited for Monday is of the month it was for",
        ),
    ],
)  # fmt: skip
def test_which_days_it_is_about_is_told_by_when_it_was_due(when, word, due, first, last):
    period = plans.asked(ReportOf("takings", "", word, ""), when, due).period
    assert (str(period.first), str(period.last)) == (first, last)


# -- a desk -------------------------------------------------------------------------------------------


class World:
    """A desk with two events, a person of finance, and time that goes by."""

    def __init__(self, sessions: Sessions, now: datetime) -> None:
        self.sessions, self.now, self.sent = sessions, now, list[EmailMessage]()
        self.outside = OUTSIDE
        self.maker = proved(join(sessions, now, name="Nomsa", role=Role.FINANCE, password=None))
        with sessions.begin() as session:
            for code in ("devconf", "gala"):
                event = make_event(session, code, now=now)
                make_payment(session, event, now=now, payer_name=f"Zanele {code}", note="calls at night")

    def makes(self, **other: object) -> int:
        with self.sessions.begin() as session:
            plan = replace(PLAN, **other)  # type: ignore[arg-type]
            return book.make(session, self.maker, plan, self.outside, now=self.now)

    def goes(self, by: timedelta = timedelta(), scheduler: Scheduler | None = None) -> list[EmailMessage]:
        """Time goes by, the worker has a round; the mails it sent."""
        self.now += by
        before = len(self.sent)
        (scheduler or Scheduler(self.sessions, self.outside)).step(now=self.now)
        courier = Courier(self.sessions, {}, ADDRESSES, self.outside)
        outbox.send_due(self.sessions, self.sent.append, "desk@example.org", now=self.now, escort=courier)
        return self.sent[before:]

    def history(self, schedule_id: int) -> tuple[RunView, ...]:
        with self.sessions.read() as session:
            return book.history(session, self.maker, schedule_id, now=self.now)

    def sees(self, schedule_id: int) -> ScheduleView:
        with self.sessions.read() as session:
            return next(one for one in book.list_schedules(session, self.maker) if one.id == schedule_id)

    def opens(self, token: str, what: str = links.FILE) -> links.Opened:
        with self.sessions.begin() as session:
            return links.open_(session, token, what, "196.25.1.7", now=self.now)

    def audited(self, action: str) -> list[AuditEntry]:
        with self.sessions.read() as session:
            return list(session.scalars(select(AuditEntry).where(AuditEntry.action == action)))


@pytest.fixture
def world(sessions: Sessions, now: datetime) -> World:
    return World(sessions, now)


def token_in(mail: EmailMessage) -> str:
    found = re.search(r"https://desk\.example\.org/shared\?token=(\S{43})\n", mail.get_content())
    assert found is not None
    return found[1]


# -- it goes, once --------------------------------------------------------------------------------------


def test_a_link_opens_the_very_file_for_seven_days_and_each_time_is_written_down(world: World):
    schedule = world.makes()
    assert world.goes() == []
    (mail,) = world.goes(WEEK)
    assert mail["Subject"] == "DEMO: Takings, 30 Nov 2026"
    token, (run,) = token_in(mail), world.history(schedule)
    opened = world.opens(token)
    assert hashlib.sha256(opened.data).hexdigest() == run.sha256 == opened.sha256
    assert (run.sha256 in mail.get_content(), b"DEMO" in opened.data) == (True, True)
    assert world.opens(token, links.PAGE).data == b""
    (run,) = world.history(schedule)
    assert [(one.what, one.recipient, one.address) for one in run.openings] == [
        ("file", "lindiwe@example.org", "196.25.1.7"), ("page", "lindiwe@example.org", "196.25.1.7"),
    ]  # fmt: skip
    assert [entry.detail["what"] for entry in world.audited("open_report")] == ["file", "page"]
    assert [one.state for one in run.deliveries] == ["sent"]
    world.now += mailing.LASTS - timedelta(seconds=1)
    world.opens(token)
    world.now += timedelta(seconds=1)
    with pytest.raises(NotFound):
        world.opens(token)


def test_the_database_never_holds_what_opens_a_file(world: World):
    world.makes()
    (mail,) = world.goes(WEEK)
    token = token_in(mail)
    with world.sessions.read() as session:
        kept = [*session.scalars(select(OutboxMail.body)), *session.scalars(select(ScheduleLink.token_hash))]
    assert kept
    assert not any(token in one for one in kept)
    assert len(token) * 6 >= 256


def test_a_revoked_link_and_one_nobody_drew_open_nothing_alike(world: World):
    schedule = world.makes()
    (mail,) = world.goes(WEEK)
    with world.sessions.begin() as session:
        book.revoke(session, world.maker, world.history(schedule)[0].id, now=world.now)
    told = set()
    for token in (token_in(mail), "", "x" * 43, "\x00"):
        with pytest.raises(NotFound) as refused:
            world.opens(token)
        told.add(str(refused.value))
    assert len(told) == 1


def test_a_link_that_is_opened_without_end_stops_to_open(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(links, "A_DAY", 2)
    world.makes()
    (mail,) = world.goes(WEEK)
    for _ in range(2):
        world.opens(token_in(mail))
    with pytest.raises(Conflict):
        world.opens(token_in(mail))
    world.now += DAY
    world.opens(token_in(mail))


@pytest.mark.parametrize("format_", ["pdf", "xlsx", "csv"])
def test_a_file_comes_with_the_mail_as_it_was_made(world: World, format_: str):
    schedule = world.makes(way=Way.FILE, format=format_)
    (mail,) = world.goes(WEEK)
    (file,) = mail.iter_attachments()
    (run,) = world.history(schedule)
    data = file.get_content()
    data = data.encode() if isinstance(data, str) else data
    assert file.get_filename() == run.file_name
    assert "/shared" not in mail.get_body().get_content()  # type: ignore[union-attr]
    if format_ != "csv":  # a mail has its own ends of lines for text
        assert hashlib.sha256(data).hexdigest() == run.sha256


class Twice(Scheduler):
    """While it makes a file, another worker takes over and has a round of its own."""

    def __init__(self, world: World) -> None:
        super().__init__(world.sessions, world.outside)
        self._world = world

    def _make(self, plan, due_at, maker, *, now):
        Scheduler(self._world.sessions, self._world.outside).step(now=now + TRY_AGAIN)
        return super()._make(plan, due_at, maker, now=now)


def test_of_two_workers_at_once_one_sends_it(world: World):
    schedule = world.makes(recipients=("lindiwe@example.org", "pieter@example.org"))
    mails = world.goes(WEEK, Twice(world)) + world.goes(TRY_AGAIN) + world.goes(TRY_AGAIN)
    assert sorted(mail["To"] for mail in mails) == ["lindiwe@example.org", "pieter@example.org"]
    assert [(run.state, run.missed) for run in world.history(schedule)] == [("sent", 0)]
    assert len(world.audited("send_report")) == 1


_DIES = """
import os, signal, sys
from datetime import datetime
from db.session import Sessions, open_engine
from payments.schedules import mailing, making
from payments.schedules.outside import Outside
queue = mailing.queue
def die(session, *args):
    queue(session, *args)
    session.flush()
    os.kill(os.getpid(), signal.SIGKILL)
mailing.queue = die
url, now = sys.argv[1:]
making.Scheduler(Sessions(open_engine(url)), Outside("", ("example.org",), demo=True)).step(
    now=datetime.fromisoformat(now)
)
"""


def test_what_a_killed_worker_had_begun_goes_once(world: World):
    schedule = world.makes()
    world.now += WEEK
    url = world.sessions.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", _DIES, url, world.now.isoformat()]
    assert subprocess.run(command, cwd=PROJECT, check=False).returncode == -9
    assert world.goes() == []
    assert len(world.goes(TRY_AGAIN)) == 1
    assert [run.state for run in world.history(schedule)] == ["sent"]
    assert world.goes(TRY_AGAIN) == []


def test_after_a_long_silence_the_latest_goes_and_says_what_was_missed(world: World):
    schedule = world.makes()
    (mail,) = world.goes(3 * WEEK + DAY)
    assert [(run.due_at, run.missed) for run in world.history(schedule)] == [(sast(2026, 12, 14, 7), 2)]
    assert "7–13 Dec 2026" in mail.get_content()
    assert "The 2 before it were missed" in mail.get_content()
    assert world.goes(HOUR) == []
    assert world.sees(schedule).due_at == sast(2026, 12, 21, 7)


def test_it_can_be_sent_at_once_and_that_moves_no_time(world: World):
    schedule = world.makes()
    due = world.sees(schedule).due_at
    with world.sessions.begin() as session:
        book.run_now(session, world.maker, schedule, now=world.now)
    with pytest.raises(Conflict), world.sessions.begin() as session:
        book.run_now(session, world.maker, schedule, now=world.now)
    assert len(world.goes()) == 1
    assert ([run.asked_by for run in world.history(schedule)], world.sees(schedule).due_at) == (
        ["Nomsa"],
        due,
    )


def test_nothing_goes_out_while_the_books_do_not_add_up(world: World):
    world.makes()
    with world.sessions.begin() as session:
        standstill.begin(session, "One cent is missing.", now=world.now)
    assert world.goes(WEEK) == []
    with world.sessions.begin() as session:
        standstill.end(session)
    assert len(world.goes(DAY)) == 1


# -- to whom ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "domains"),
    [
        pytest.param("lindiwe@example.com", ("example.org",), id="another domain"),
        pytest.param("lindiwe@mail.example.org", ("example.org",), id="one below it"),
        pytest.param("lindiwe@example.org", (), id="none is allowed"),
        pytest.param("", ("example.org",), id="nobody"),
        pytest.param("lindiwe", ("example.org",), id="no address"),
    ],
)
def test_only_addresses_of_allowed_domains_get_anything(world: World, to: str, domains: tuple[str, ...]):
    world.outside = replace(OUTSIDE, domains=domains)
    with pytest.raises(InvalidInput):
        world.makes(recipients=(to,))


def test_a_domain_that_was_taken_off_gets_nothing_that_waits_for_it(world: World):
    schedule = world.makes()
    world.now += WEEK
    Scheduler(world.sessions, OUTSIDE).step(now=world.now)
    world.outside = replace(OUTSIDE, domains=("example.net",))
    assert world.goes() == []
    assert [one.state for one in world.history(schedule)[0].deliveries] == ["gone"]


def test_who_may_have_a_report_sent_and_that_they_prove_who_they_are(world: World, sessions, now):
    for role in Role:
        person = proved(join(sessions, now, name=f"R{role}", role=role, password=None))
        may = role in (Role.ADMIN, Role.FINANCE)
        for by, error in (
            (person, None if may else NotAllowed),
            (replace(person, proved_at=None), ProveAgain),
        ):
            if error is None:
                with sessions.begin() as session:
                    book.make(session, by, PLAN, OUTSIDE, now=now)
            elif may or error is NotAllowed:
                with pytest.raises(error), sessions.begin() as session:
                    book.make(session, by, PLAN, OUTSIDE, now=now)


def test_nobody_who_sees_some_events_sees_the_schedules_of_others(world: World, sessions, now):
    schedule = world.makes()
    with sessions.begin() as session:
        some = frozenset({events.event_row(session, SYSTEM, "devconf").id})
    other = replace(proved(join(sessions, now, name="Karel", role=Role.FINANCE, password=None)), events=some)
    with sessions.read() as session:
        assert book.list_schedules(session, other) == ()
        with pytest.raises(NotFound):
            book.history(session, other, schedule, now=now)


# -- of what --------------------------------------------------------------------------------------------


def test_a_view_goes_without_anything_that_tells_of_a_payer(world: World):
    with world.sessions.begin() as session:
        view = views.save(session, world.maker, "All of it", Filter(), now=world.now)
    schedule = world.makes(what=ViewOf(view.token, "All of it"))
    (mail,) = world.goes(WEEK)
    text = world.opens(token_in(mail)).data.decode("utf-8-sig")
    assert "All of it" in mail.get_content()
    assert "end, 2 rows" in text
    for secret in ("Zanele", "@", "calls at night", "+27"):
        assert secret not in text
    assert world.history(schedule)[0].reference in text


def test_a_view_of_days_that_move_goes_with_those_of_the_day_it_is_due(world: World):
    """It went each week with the week before the view was saved. What is written down of a file stays."""
    with world.sessions.begin() as session:
        asked = Filter(created=moving("last-week", dates.business_day(world.now)))
        view = views.save(session, world.maker, "New last week", asked, now=world.now)
    schedule = world.makes(what=ViewOf(view.token, "New last week"))
    (mail,) = world.goes(WEEK)
    assert "end, 2 rows" in world.opens(token_in(mail)).data.decode("utf-8-sig")
    run = world.history(schedule)[0]
    monday = dates.business_day(run.due_at)
    with world.sessions.read() as session:
        record = records.get(session, world.maker, run.reference)
    assert record.wanted == Filter(created=dates.day_span(monday - WEEK, monday - DAY))


def test_who_of_the_desk_asked_for_a_payment_stays_inside(world: World):
    world.makes(what=ReportOf("takings", "created", "last-week", ""))
    with world.sessions.begin() as session:
        payment = make_payment(session, events.event_row(session, SYSTEM, "gala"), now=world.now)
        lifecycle.receive(
            session, payment, kind="cash", source_reference="s1", amount=payment.amount, now=world.now,
            source=Source.DESK, actor="Thandi",
        )  # fmt: skip
    (mail,) = world.goes(WEEK)
    text = world.opens(token_in(mail)).data.decode("utf-8-sig")
    assert "150.00" in text
    assert "Thandi" not in text
    assert "Who of the desk did what is left out." in text


def _disabled(world: World) -> None:
    with world.sessions.begin() as session:
        staff.disable_person(session, SYSTEM, world.maker.id, now=world.now)


def _demoted(world: World) -> None:
    with world.sessions.begin() as session:
        staff.change_person(
            session, SYSTEM, world.maker.id, name="Nomsa", role=Role.VIEWER, events=None, now=world.now
        )


@pytest.mark.parametrize(("lost", "why"), [(_disabled, "no access"), (_demoted, "is viewer now")])
def test_it_stops_when_its_maker_loses_access_and_says_so(world: World, lost, why: str):
    schedule = world.makes()
    lost(world)
    assert [mail["To"] for mail in world.goes(WEEK) if mail["To"] != world.maker.email] == []
    seen = world.sees(schedule)
    assert (seen.state, why in seen.why, seen.due_at) == ("stopped", True, None)
    assert len(world.audited("stop_schedule")) == 1
    with pytest.raises(NotAllowed), world.sessions.begin() as session:
        book.resume(session, proved(people.person_of(_admin(session))), schedule, now=world.now)


def _admin(session):
    row = PersonRow(
        email="a@example.org", name="A", role="admin", all_events=True, created_at=sast(2026, 1, 1)
    )
    session.add(row)
    session.flush()
    return row


def test_it_keeps_to_what_its_maker_saw_then_and_sees_now(world: World):
    def scope(ids: list[int] | None) -> None:
        with world.sessions.begin() as session:
            staff.change_person(
                session, SYSTEM, world.maker.id, name="Nomsa", role=Role.FINANCE, events=ids, now=world.now
            )

    with world.sessions.read() as session:
        devconf, gala = (events.event_row(session, SYSTEM, code).id for code in ("devconf", "gala"))
    scope([devconf])
    world.maker = replace(world.maker, events=frozenset({devconf}))
    schedule = world.makes()
    for now_sees, still in ((None, {devconf}), ([gala], set()), ([devconf, gala], {devconf})):
        scope(now_sees)
        with world.sessions.read() as session:
            row = session.get_one(Schedule, schedule)
            assert book.maker(session, row, now=world.now).events == frozenset(still)


# -- when it fails ----------------------------------------------------------------------------------------


def test_what_fails_three_times_in_a_row_is_paused_and_says_what_to_do(world: World, monkeypatch):
    monkeypatch.setattr(mailing, "LARGEST_BY_LINK", 10)
    schedule = world.makes(recurrence=Recurrence(Every.DAY, 7))
    told: list[EmailMessage] = []
    for day in range(3):
        assert world.sees(schedule).failures == day
        world.goes(DAY)
        for _ in range(TRIES):
            told += world.goes(TRY_AGAIN)
    seen = world.sees(schedule)
    assert (seen.state, seen.failures) == ("paused", 3)
    assert "Narrow the view" in seen.why
    assert [(mail["To"], seen.why in mail.get_content().replace("\n", " ")) for mail in told] == [
        (world.maker.email, True)
    ]
    assert [run.state for run in world.history(schedule)] == ["failed"] * 3
    monkeypatch.undo()
    with world.sessions.begin() as session:
        book.resume(session, world.maker, schedule, now=world.now)
    assert len(world.goes(DAY)) == 1
    assert world.sees(schedule).failures == 0


def test_an_address_that_nothing_reaches_is_not_written_to_for_ever(world: World):
    schedule = world.makes(recurrence=Recurrence(Every.DAY, 7))
    for _ in range(4):
        world.now += DAY
        Scheduler(world.sessions, OUTSIDE).step(now=world.now)
        with world.sessions.begin() as session:
            for mail in session.scalars(select(OutboxMail)):
                mail.state, mail.next_try_at = "failed", None
    seen = world.sees(schedule)
    assert (seen.state, "lindiwe@example.org was given up" in seen.why) == ("paused", True)


def test_a_view_that_is_gone_stops_it(world: World):
    with world.sessions.begin() as session:
        view = views.save(session, world.maker, "Sponsors", Filter(), now=world.now)
    schedule = world.makes(what=ViewOf(view.token, "Sponsors"))
    with world.sessions.begin() as session:
        views.remove(session, world.maker, view.token, now=world.now)
    world.goes(WEEK)
    assert (world.sees(schedule).state, len(world.history(schedule))) == ("stopped", 1)


@pytest.mark.parametrize("step", [book.pause, book.end])
def test_what_was_paused_or_ended_does_not_go(world: World, step):
    schedule = world.makes()
    with world.sessions.begin() as session:
        book.run_now(session, world.maker, schedule, now=world.now)
        step(session, world.maker, schedule, now=world.now)
    assert world.goes(WEEK) == []
    assert [run.state for run in world.history(schedule)] == ["failed"]


def test_a_file_is_kept_as_long_as_a_link_opens_it_and_its_hash_for_good(world: World):
    schedule = world.makes()
    world.goes(WEEK)
    sha256 = world.history(schedule)[0].sha256
    world.goes(9 * DAY)
    with world.sessions.read() as session:
        first = session.scalars(select(ScheduleRun).order_by(ScheduleRun.id)).first()
        assert first is not None
        assert (first.data, first.sha256) == (None, sha256)


def test_changing_it_is_its_makers_and_counts_from_then_on(world: World, sessions, now):
    schedule = world.makes()
    other = proved(join(sessions, now, name="Ayesha", password=None))
    daily = replace(PLAN, recurrence=Recurrence(Every.DAY, 18), title="Each day")
    with pytest.raises(NotAllowed), sessions.begin() as session:
        book.change(session, other, schedule, daily, OUTSIDE, now=now)
    with sessions.begin() as session:
        book.change(session, world.maker, schedule, daily, OUTSIDE, now=now)
    seen = world.sees(schedule)
    assert (seen.plan.title, seen.due_at) == ("Each day", sast(2026, 11, 23, 18))


def test_the_mail_can_be_read_before_it_goes_and_nothing_is_kept_of_that(world: World):
    with world.sessions.read() as session:
        mail = mailing.preview(session, world.maker, PLAN, OUTSIDE, now=world.now)
        assert session.scalar(select(OutboxMail.id)) is None
    world.makes()
    (sent,) = world.goes(sast(2026, 11, 30, 7) - world.now)

    def same(one: EmailMessage) -> list[str]:
        """All but what only the file and its link can tell."""
        lines = [line for line in one.get_content().splitlines() if "token=" not in line]
        return [
            one["To"],
            one["Subject"],
            *(line for line in lines if not re.fullmatch(r"\(.*\)|\w{64}", line)),
        ]

    assert same(mail) == same(sent)
