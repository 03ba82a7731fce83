"""People hear of trouble before payers do: once, since when and what still works, and when it is over."""

import json
import random
import threading
from bisect import bisect_right
from collections import Counter
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import accumulate

import pytest
from sqlalchemy import select

from db.models import Alert, AuditEntry, OutboxMail
from payments.access import staff
from payments.access.people import Person, Role
from payments.errors import GatewayUnavailable, InvalidInput, NotAllowed, NotFound, OutcomeUnknown
from payments.gateways import Answer
from payments.hearing import inbox, sync
from payments.hearing.inbox import Message
from payments.live import tallies
from payments.telling import chat
from payments.watching import alerts, rhythm, watch
from payments.watching.alerts import ALWAYS_LOUD, STILL_WORKS, Alarm, Kind, QuietHours, Severity
from payments.watching.watch import Disk, Reach, Watch
from tests.desk import ADMIN, issue, make_event

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DISK_FULL = Alarm(Kind.DISK, Severity.BAD, "The disk is full.")
LATE = Alarm(Kind.OUTCOME_UNKNOWN, Severity.POOR, "It has not said.")


@pytest.fixture
def desk(sessions, now):
    """An event, and an admin with an address."""
    with sessions.begin() as session:
        make_event(session, now=now)
        staff.create_person(
            session, ADMIN, name="Thandi", email="thandi@example.org", role=Role.ADMIN, events=None, now=now
        )
    return sessions


def settle(sessions, *alarms, now):
    with sessions.begin() as session:
        alerts.settle(session, alarms, now=now)


def active(sessions):
    with sessions.read() as session:
        return alerts.active(session)


# -- rows -------------------------------------------------------------------------------------------


def test_trouble_that_goes_on_is_one_alert(sessions, now):
    for minute in range(10):
        settle(sessions, DISK_FULL, now=now + minute * MINUTE)
    with sessions.read() as session:
        (alert,) = session.scalars(select(Alert))
    assert (alert.opened_at, alert.last_seen_at, alert.count) == (now, now + 9 * MINUTE, 10)


def test_it_is_over_by_itself_and_what_flickers_is_one(sessions, now):
    settle(sessions, DISK_FULL, now=now)
    settle(sessions, now=now + 4 * MINUTE)
    settle(sessions, DISK_FULL, now=now + 4 * MINUTE)
    settle(sessions, now=now + 8 * MINUTE)
    assert len(active(sessions)) == 1
    settle(sessions, now=now + 9 * MINUTE)
    assert active(sessions) == []
    settle(sessions, DISK_FULL, now=now + 10 * MINUTE)
    with sessions.read() as session:
        assert len(session.scalars(select(Alert)).all()) == 2


def test_two_of_a_kind_are_told_apart_by_their_key(sessions, now):
    settle(sessions, DISK_FULL, Alarm(Kind.DISK, Severity.POOR, "The other too.", key="other"), now=now)
    assert [view.severity for view in active(sessions)] == [Severity.BAD, Severity.POOR]


def test_open_pages_hear_of_a_change_and_not_of_each_look(sessions, now):
    def version():
        with sessions.read() as session:
            return session.scalar(select(tallies.Counter.value).where(tallies.Counter.name == "changes"))

    settle(sessions, DISK_FULL, now=now)
    opened = version()
    settle(sessions, DISK_FULL, now=now + MINUTE)
    assert version() == opened
    settle(sessions, now=now + 9 * MINUTE)
    assert version() == opened + 1


def test_every_kind_says_what_still_works():
    assert set(STILL_WORKS) == set(Kind)


# -- snooze and quiet hours -------------------------------------------------------------------------


def test_a_snooze_is_an_admins_and_audited(sessions, now):
    settle(sessions, DISK_FULL, now=now)
    with sessions.begin() as session:
        alerts.snooze(session, ADMIN, 1, now + HOUR, now=now)
    assert active(sessions)[0].snoozed_until == now + HOUR
    with sessions.read() as session:
        assert session.scalars(select(AuditEntry.action)).all() == ["snooze_alert"]


@pytest.mark.parametrize(
    "role, alert, hours, refused",
    [
        pytest.param(Role.FINANCE, 1, 1, NotAllowed, id="no admin"),
        pytest.param(Role.ADMIN, 9, 1, NotFound, id="none such"),
        pytest.param(Role.ADMIN, 1, 0, InvalidInput, id="until now"),
        pytest.param(Role.ADMIN, 1, 169, InvalidInput, id="longer than a week"),
    ],
)
def test_what_cannot_be_snoozed(sessions, now, role, alert, hours, refused):
    settle(sessions, DISK_FULL, now=now)
    person = Person(7, "Sipho", "sipho@example.org", role, None)
    with pytest.raises(refused), sessions.begin() as session:
        alerts.snooze(session, person, alert, now + hours * HOUR, now=now)


@pytest.mark.parametrize(
    "start, end, hour_sast, quiet",
    [
        pytest.param(22, 6, 23, True, id="late"),
        pytest.param(22, 6, 5, True, id="early"),
        pytest.param(22, 6, 6, False, id="the end is loud"),
        pytest.param(1, 5, 3, True, id="within one night"),
        pytest.param(1, 5, 12, False, id="noon"),
        pytest.param(0, 0, 0, False, id="never"),
    ],
)
def test_quiet_hours_are_of_johannesburg(start, end, hour_sast, quiet):
    moment = datetime(2026, 11, 23, hour_sast, tzinfo=UTC) - 2 * HOUR
    assert QuietHours(time(start), time(end)).holds(moment) is quiet


def test_by_night_what_can_wait_waits_and_what_is_bad_does_not(desk, now):
    said = []
    night = QuietHours(time(0), time(23, 59))
    settle(desk, DISK_FULL, LATE, now=now)
    alerts.tell(desk, lambda title, text: said.append(title), quiet=night, now=now)
    assert said == ["Paydesk: disk"]
    alerts.tell(desk, lambda title, text: said.append(title), quiet=ALWAYS_LOUD, now=now)
    assert said == ["Paydesk: disk", "Paydesk: outcome unknown"]


def test_a_snoozed_alert_is_told_to_nobody_until_it_wakes(desk, now):
    said = []

    def tell(moment):
        alerts.tell(desk, lambda title, text: said.append(text), quiet=ALWAYS_LOUD, now=moment)

    settle(desk, DISK_FULL, now=now)
    with desk.begin() as session:
        alerts.snooze(session, ADMIN, 1, now + HOUR, now=now)
    tell(now)
    assert said == []
    tell(now + HOUR)
    assert len(said) == 1


# -- telling ----------------------------------------------------------------------------------------


def test_admins_get_one_mail_that_says_since_when_and_what_still_works(desk, now):
    settle(desk, DISK_FULL, now=now)
    for minute in range(3):
        alerts.tell(desk, None, quiet=ALWAYS_LOUD, now=now + minute * MINUTE)
    with desk.read() as session:
        (mail,) = session.scalars(select(OutboxMail))
    assert mail.recipient == "thandi@example.org"
    assert mail.subject == "Paydesk: disk"
    assert "The disk is full.\nSince 23 Nov 2026, 12:00 (SAST). Everything works until" in mail.body


class Ears(BaseHTTPRequestHandler):
    """A chat service that takes what it is sent, unless the test has it refuse."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.heard.append((body["title"], body["message"]))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def service():
    server = HTTPServer(("127.0.0.1", 0), Ears)
    server.heard, server.status = [], 200
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_a_chat_service_hears_of_it_once_and_when_it_is_over(desk, service, now):
    send = chat.chat_of([f"json://127.0.0.1:{service.server_port}/alerts"])
    settle(desk, DISK_FULL, now=now)
    for minute in range(3):
        alerts.tell(desk, send, quiet=ALWAYS_LOUD, now=now + minute * MINUTE)
    settle(desk, now=now + 10 * MINUTE)
    for minute in range(10, 13):
        alerts.tell(desk, send, quiet=ALWAYS_LOUD, now=now + minute * MINUTE)
    assert [title for title, _ in service.heard] == ["Paydesk: disk", "Paydesk: disk is over"]
    assert "Everything works until the disk is full" in service.heard[0][1]


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_a_message_that_is_not_taken_is_sent_again(desk, service, now):
    send = chat.chat_of([f"json://127.0.0.1:{service.server_port}/alerts"])
    settle(desk, DISK_FULL, now=now)
    service.status = 500
    with pytest.raises(chat.NotSent):
        alerts.tell(desk, send, quiet=ALWAYS_LOUD, now=now)
    service.status = 200
    alerts.tell(desk, send, quiet=ALWAYS_LOUD, now=now + MINUTE)
    assert len(service.heard) == 2


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_an_address_that_is_none_is_named_by_its_place_and_not_repeated():
    fault = chat.fault(["json://127.0.0.1:1/x", "nonsense://top-secret"])
    assert fault == "Apprise knows no service for address 2 of it"
    assert chat.fault(["json://127.0.0.1:1/x"]) == ""
    assert chat.chat_of([]) is None


# -- the arithmetic ---------------------------------------------------------------------------------


def test_the_chance_of_failures_is_exact():
    """Base 1/4 exactly: 24 of 98, with the one and two that are added; by hand for three attempts."""
    assert rhythm.chance_of_failures(3, 3, 24, 98) == Fraction(1, 64)
    assert rhythm.chance_of_failures(1, 3, 24, 98) == 1 - Fraction(27, 64)
    assert rhythm.chance_of_failures(0, 300, 24, 98) == 1


def attempts(*blocks):
    """Newest first: (how many, of them every n-th failed)."""
    return [bool(every) and nth % every == 0 for many, every in blocks for nth in range(many)]


@pytest.mark.parametrize(
    "failed, before, dropped",
    [
        pytest.param(attempts((29, 1)), (250, 1000), None, id="29 say nothing, even when all fail"),
        pytest.param(attempts((30, 2)), (250, 1000), 30, id="twice as many of 30"),
        pytest.param(attempts((30, 4)), (250, 1000), None, id="as usual"),
        pytest.param(attempts((60, 5)), (100, 1000), None, id="12 of 60 instead of 6 may be chance"),
        pytest.param(attempts((120, 5)), (100, 1000), 120, id="24 of 120 instead of 12 is not"),
        pytest.param(attempts((30, 1), (300, 0)), (100, 1000), 30, id="all of a sudden, after a good hour"),
        pytest.param(attempts((30, 1)), (10, 99), None, id="nothing is known of before"),
        pytest.param(attempts((30, 6)), (0, 1000), 30, id="five failures where there never was one"),
    ],
)
def test_when_the_success_rate_has_dropped(failed, before, dropped):
    assert rhythm.has_dropped(failed, *before) == dropped


def at_every(hours, count, now):
    hour = tallies.hour_of(now)
    return {hour - timedelta(hours=n): count for n in range(hours)}


@pytest.mark.parametrize(
    "per_hour, minutes, untold, silent",
    [
        pytest.param(60, 8, 1, True, id="eight messages should have come"),
        pytest.param(60, 7, 1, False, id="one may be lost, and a pause of seven happens"),
        pytest.param(60, 5, 2, True, id="two lost, and none of five came"),
        pytest.param(60, 4, 2, False, id="two lost, and a pause of four"),
        pytest.param(60, 60, 0, False, id="quiet, and nothing was missed"),
        pytest.param(1, 60, 1, False, id="one lost in a quiet hour"),
        pytest.param(0, 60, 3, False, id="three lost where nothing is usual"),
        pytest.param(0, 60, 4, True, id="four in a row speak for themselves"),
    ],
)
def test_when_the_hook_is_silent(now, per_hour, minutes, untold, silent):
    counts = at_every(24 * 14, per_hour, now)
    since = now - minutes * MINUTE
    assert rhythm.is_silent(counts, since, untold, now=now) is silent


def test_the_usual_is_learned_by_weekday_and_at_an_event_by_day(now):
    """Mondays at ten are busy; so were the last three days at eleven."""
    counts = {now - 7 * DAY: 40, now - 14 * DAY: 20, now - 14 * DAY - HOUR: 1}
    counts |= {now + HOUR - n * DAY: 30 for n in (1, 2, 3)}
    assert rhythm.usual(counts, now) == 30
    assert rhythm.usual(counts, now + HOUR) == 30
    assert rhythm.usual(counts, now + 5 * HOUR) == 0


# -- thirty simulated event days --------------------------------------------------------------------

#: Payments an hour at an event, by the hour in Johannesburg; two in the hours that are not named.
RUSH = {7: 30, 8: 90, 9: 80, 10: 45, 11: 40, 12: 60, 13: 50, 14: 30, 15: 25, 16: 20, 17: 15, 18: 8}
OPEN_HOURS = range(8, 16)
_POLLS = (1, 2, 4, *range(8, 121, 4))


def event_days(start, days, dice, silent_from=None):
    """(when it became known here, when its message came or None) of each payment, in order of arrival.

    Of a thousand messages 990 come within seconds, eight up to ten minutes late, and two never. The poll
    asks 1, 2 and 4 minutes after the link was made, and every four.
    """
    told = []
    for hour in range(24 * days):
        opens = start + hour * HOUR
        rate = RUSH.get((opens.hour + 2) % 24, 2)
        for wait in accumulate(dice.expovariate(rate) for _ in range(rate * 3 + 20)):
            if wait >= 1:
                break
            issued = opens + wait * HOUR
            paid = issued + dice.expovariate(0.5) * MINUTE
            luck = dice.random()
            late = dice.expovariate(0.25) / 60 if luck < 0.99 else dice.uniform(1, 10)
            message = paid + late * MINUTE if luck < 0.998 else None
            if silent_from and paid >= silent_from:
                message = None
            poll = next((issued + n * MINUTE for n in _POLLS if issued + n * MINUTE >= paid), None)
            moments = [moment for moment in (message, poll) if moment]
            if moments:
                told.append((min(moments), message))
    return sorted(told, key=lambda one: one[0])


def alarms(told, start, minutes):
    """Look every minute as the watch does; the minutes at which an alarm stood."""
    messages = sorted(message for _, message in told if message)
    moments = [known for known, _ in told]
    counts, nth, found = Counter(), 0, []
    for minute in range(minutes):
        now = start + minute * MINUTE
        while nth < len(messages) and messages[nth] <= now:
            counts[tallies.hour_of(messages[nth])] += 1
            nth += 1
        since = messages[nth - 1] if nth else start
        first, last = bisect_right(moments, since), bisect_right(moments, now - watch.UNTOLD_AFTER)
        untold = sum(not message or message > now for _, message in told[first:last])
        if rhythm.is_silent(counts, since, untold, now=now):
            found.append(now)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_in_thirty_event_days_there_is_at_most_one_false_alarm(seed):
    start = datetime(2026, 11, 1, 22, tzinfo=UTC)
    told = event_days(start, 30, random.Random(seed))
    assert len(told) > 10_000
    stood = alarms(told, start, 30 * 24 * 60)
    begun = [at for at, before in zip(stood, [start, *stood], strict=False) if at - before > MINUTE]
    assert len(begun) <= 1


@pytest.mark.parametrize("hour", OPEN_HOURS)
def test_a_hook_that_goes_silent_at_an_event_is_told_within_fifteen_minutes(hour):
    """Of three days at each open hour, on the fourth day of an event; each by its own dice."""
    start = datetime(2026, 11, 1, 22, tzinfo=UTC)
    for seed in range(3):
        silent_from = start + 3 * DAY + hour * HOUR
        told = event_days(start, 4, random.Random(seed), silent_from)
        found = alarms(told, start, 4 * 24 * 60)
        heard = min(at for at in found if at >= silent_from)
        assert heard - silent_from <= 15 * MINUTE, (hour, seed, heard - silent_from)


# -- what the watch finds ---------------------------------------------------------------------------


def found(sessions, now, counts=None):
    with sessions.read() as session:
        return {alarm.kind: alarm for alarm in watch.look(session, counts or {}, now=now)}


def message(sessions, gateway, body, at, sign="good"):
    told = Message("ikhokha", "/webhooks/ikhokha", {"ik-sign": sign}, body.encode(), at, "203.0.113.7")
    with sessions.begin() as session:
        if sign == "good":
            return inbox.accept(session, told, gateway.read_event(told.path, told.headers, told.body))
        return inbox.accept_unverified(session, told, "the signature does not fit", None)


def test_a_sound_desk_raises_no_alarm(desk, gateway, now):
    issue(desk, gateway, now=now)
    assert found(desk, now + HOUR) == {}


def test_payments_that_only_the_poll_found_show_that_the_hook_is_silent(desk, gateway, now):
    links = [issue(desk, gateway, now=now).gateway_reference for _ in range(5)]
    message(desk, gateway, f"{links[0]} SUCCESS", now)
    for nth, link in enumerate(links):
        gateway.says(link, Answer.PAID, "PAID")
        sync.ask(desk, {"ikhokha": gateway}, nth + 1, now=now + MINUTE)
    assert Kind.HOOK_SILENT not in found(desk, now + 2 * MINUTE)
    alarm = found(desk, now + 4 * MINUTE)[Kind.HOOK_SILENT]
    assert alarm.sentence.startswith("The gateway has sent no message since today 12:00, and 4 payments were")
    message(desk, gateway, f"{links[1]} SUCCESS", now + 5 * MINUTE)
    assert Kind.HOOK_SILENT not in found(desk, now + 5 * MINUTE)


def test_one_payment_found_by_asking_is_enough_where_messages_are_usual(desk, gateway, now):
    link = issue(desk, gateway, now=now).gateway_reference
    message(desk, gateway, "elsewhere SUCCESS", now)
    gateway.says(link, Answer.PAID, "PAID")
    sync.ask(desk, {"ikhokha": gateway}, 1, now=now + MINUTE)
    usual = at_every(24 * 14, 60, now)
    assert Kind.HOOK_SILENT in found(desk, now + 8 * MINUTE, usual)
    assert Kind.HOOK_SILENT not in found(desk, now + 8 * MINUTE, at_every(24 * 14, 3, now))


def test_the_hours_of_messages_are_learned_from_the_inbox(desk, gateway, now):
    for nth, at in enumerate([now, now + MINUTE, now - HOUR, now - 40 * DAY]):
        message(desk, gateway, f"link{nth} SUCCESS", at)
    with desk.read() as session:
        counts = watch.messages_by_hour(session, now=now + MINUTE)
    assert counts == {now: 2, now - HOUR: 1}


def test_a_drop_of_the_success_rate_names_the_most_frequent_answer(desk, gateway, now):
    before = {"hour": now - DAY, "event_id": 1, "currency": "ZAR", "sum_minor": 0}
    with desk.begin() as session:
        session.add(tallies.Tally(**before, measure="taken", key="gateway", count=900))
        session.add(tallies.Tally(**before, measure="status", key="failed", count=100))
    links = [issue(desk, gateway, now=now).gateway_reference for _ in range(30)]
    for nth, link in enumerate(links):
        failed = nth % 3 == 0
        gateway.says(link, Answer.ATTEMPT_FAILED if failed else Answer.PAID, "DECLINED" if failed else "PAID")
        sync.ask(desk, {"ikhokha": gateway}, nth + 1, now=now + MINUTE)
    alarm = found(desk, now + 2 * MINUTE)[Kind.SUCCESS_RATE]
    assert alarm.sentence.startswith("10 of the last 30 attempts at the gateway failed; usually 10 % do.")
    assert alarm.sentence.endswith("The most frequent answer: DECLINED.")
    assert Kind.SUCCESS_RATE not in found(desk, now + 2 * HOUR)


@pytest.mark.parametrize("proved, severity", [(True, Severity.POOR), (False, Severity.BAD)])
def test_messages_that_fail_their_proof_are_told_of_and_worse_when_none_is_proved(
    desk, gateway, now, proved, severity
):
    for nth in range(watch.FORGED):
        assert Kind.UNVERIFIED not in found(desk, now)
        message(desk, gateway, f"link{nth} SUCCESS", now, sign="forged")
    if proved:
        message(desk, gateway, "link9 SUCCESS", now)
    assert found(desk, now)[Kind.UNVERIFIED].severity is severity
    assert Kind.UNVERIFIED not in found(desk, now + watch.FORGED_WITHIN + MINUTE)


def test_a_message_that_waits_and_a_link_nobody_knows_of_are_told(desk, gateway, now):
    message(desk, gateway, "link1 SUCCESS", now)
    gateway.loses_answers = OutcomeUnknown("Nothing was heard.")
    with pytest.raises(OutcomeUnknown):
        issue(desk, gateway, now=now)
    assert found(desk, now + 5 * MINUTE) == {}
    assert set(found(desk, now + 11 * MINUTE)) == {Kind.QUEUE_AGE, Kind.OUTCOME_UNKNOWN}


# -- around the desk --------------------------------------------------------------------------------

WELL = Reach(datetime(2026, 11, 23, tzinfo=UTC), "", None, 40, 0)


@pytest.mark.parametrize(
    "free, severity",
    [
        pytest.param(3 * 1024**3, None, id="room"),
        pytest.param(1024**3, Severity.POOR, id="a gigabyte"),
        pytest.param(100 * 1024**2, Severity.BAD, id="hardly any"),
    ],
)
def test_a_disk_that_fills_up_is_told_before_it_is_full(free, severity):
    assert [alarm.severity for alarm in watch.about_disk(Disk(free, 10**12))] == [severity] * bool(severity)


@pytest.mark.parametrize(
    "gateway_s, database_s, told",
    [
        pytest.param(0, 0, [], id="right"),
        pytest.param(59, None, [], id="nearly"),
        pytest.param(None, None, [], id="nobody tells the time"),
        pytest.param(60, 0, ["60 s behind the gateway's"], id="behind"),
        pytest.param(
            -400, -400, ["400 s ahead of the gateway's", "400 s ahead of the database's"], id="ahead"
        ),
    ],
)
def test_a_clock_that_is_wrong_is_told_by_either_other_clock(gateway_s, database_s, told):
    reach = Reach(WELL.at, "", None, 40, gateway_s)
    said = [alarm.sentence for alarm in watch.about_clock(reach, database_s)]
    assert len(said) == len(told)
    assert all(what in sentence for what, sentence in zip(told, said, strict=True))


def test_a_gateway_that_stays_away_is_told_with_since_when(sessions, gateway, now):
    gateway.failing = GatewayUnavailable("The gateway could not be reached.")
    first = watch.try_gateway(sessions, gateway, lambda: now)
    assert list(watch.about_gateway(first)) == []
    later = watch.try_gateway(sessions, gateway, lambda: now + MINUTE)
    assert later.failing_since == now
    (alarm,) = watch.about_gateway(later)
    assert "could not be reached" in alarm.sentence
    gateway.failing = None
    assert watch.try_gateway(sessions, gateway, lambda: now + 2 * MINUTE).failing_since is None
    with sessions.read() as session:
        assert watch.reach(session).at == now + 2 * MINUTE


def test_the_gateways_clock_is_compared_with_ours(sessions, gateway, now):
    gateway.clock = now + 90 * timedelta(seconds=1)
    assert watch.try_gateway(sessions, gateway, lambda: now).skew_s == 90


# -- the watch as a whole ---------------------------------------------------------------------------


def test_the_watch_looks_once_a_minute_and_tells_and_it_is_over_by_itself(desk, gateway, now, tmp_path):
    said, clock = [], [now]
    gateway.failing = GatewayUnavailable("The gateway could not be reached.")
    one = Watch(desk, gateway, lambda: clock[0], tmp_path, chat=lambda title, text: said.append(title))

    def walk(minutes):
        for _ in range(minutes * 6):
            clock[0] += timedelta(seconds=10)
            one.look_around(now=clock[0])

    one.look_around(now=now)
    walk(3)
    assert Kind.GATEWAY in {view.kind for view in active(desk)}
    assert len(gateway.asked) == 4
    gateway.failing = None
    walk(7)
    assert Kind.GATEWAY not in {view.kind for view in active(desk)}
    # PostgreSQL has a clock of its own, and today is not the day of this test: that is told too
    assert [title for title in said if "clock" not in title] == [
        "Paydesk: gateway",
        "Paydesk: gateway is over",
    ]


def test_the_watch_examines_the_books_at_once_and_every_hour(desk, gateway, now, tmp_path):
    one = Watch(desk, gateway, lambda: now, tmp_path)
    one.examine(now=now)
    with desk.begin() as session:
        session.add(tallies.Standing(event_id=1, status="paid", currency="ZAR", count=1, sum_minor=1))
    one.examine(now=now + 59 * MINUTE)
    assert stands_still(desk) is None
    one.examine(now=now + 60 * MINUTE)
    assert stands_still(desk) is not None


def stands_still(sessions):
    from payments.watching import standstill

    with sessions.read() as session:
        return standstill.current(session)


def test_a_clock_set_back_does_not_stop_the_watch(desk, gateway, now, tmp_path):
    one = Watch(desk, gateway, lambda: now, tmp_path)
    one.look_around(now=now)
    one.look_around(now=now - DAY)
    assert len(gateway.asked) == 2
