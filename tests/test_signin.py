"""Who comes in by a password, how often one may guess, how long a session lasts, and another password."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from db.models import AuditEntry, PersonRow, PersonSession, SignInAttempt, SignInLink
from db.session import Sessions
from payments.access import guesses, passwords, signin, signin_links, staff
from payments.access.people import SYSTEM, Person, Role
from payments.access.signin import Visitor
from payments.errors import InvalidInput, NotAllowed, NotFound

HOME = Visitor("196.25.1.1", "Firefox")
PASSWORD = "drie olifante koop sjokolade"
MINUTE = timedelta(minutes=1)


def join(
    sessions: Sessions,
    now: datetime,
    *,
    name: str = "Thandi",
    role: Role = Role.ADMIN,
    password: str | None = PASSWORD,
    until: datetime | None = None,
) -> Person:
    """Somebody who may sign in, with a password when one is given."""
    with sessions.begin() as session:
        person = staff.create_person(
            session, SYSTEM, name=name, email=f"{name.lower()}@example.org", role=role, events=None,
            now=now, access_until=until,
        )  # fmt: skip
        if password is not None:
            session.get_one(PersonRow, person.id).password_hash = passwords.hashed(password)
    return person


def link_for(sessions: Sessions, person: Person | None, now: datetime) -> str:
    with sessions.begin() as session:
        return signin_links.make_sign_in_link(session, SYSTEM, person.id if person else None, now=now)


def come_in(sessions: Sessions, person: Person, now: datetime) -> str:
    return signin_links.sign_in_by_link(sessions, link_for(sessions, person, now), visitor=HOME, now=now)


def guess(sessions: Sessions, email: str, now: datetime, *, visitor: Visitor = HOME) -> str | None:
    return signin.sign_in(sessions, email, "not their password", visitor=visitor, now=now)


def is_in(sessions: Sessions, token: str, now: datetime, *, active: bool = False) -> bool:
    return signin.who(sessions, token, now=now, active=active) is not None


def failed(sessions: Sessions, now: datetime, count: int, **values: str) -> None:
    """So many attempts that failed, without hashing each of them."""
    given = {"email_hash": guesses.hash_of("thandi@example.org"), "address": "196.25.1.1"} | values
    with sessions.begin() as session:
        session.add_all(SignInAttempt(**given, at=now, succeeded=False) for _ in range(count))


# -- by password --------------------------------------------------------------------------------------


def test_address_and_password_open_a_session(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now)
    token = signin.sign_in(sessions, " Thandi@Example.ORG ", PASSWORD, visitor=HOME, now=now)
    here = signin.who(sessions, token, now=now, active=False)
    assert here is not None
    assert (here.person, here.has_password, here.expires_at) == (person, True, now + timedelta(minutes=30))


def test_whoever_does_not_get_in_hears_the_same(sessions: Sessions, now: datetime) -> None:
    """A wrong password, an unknown address, one without a password, somebody shut out or past their time."""
    join(sessions, now)
    join(sessions, now, name="Linked", password=None)
    join(sessions, now, name="Past", role=Role.VIEWER, until=now)
    gone = join(sessions, now, name="Gone", role=Role.VIEWER)
    with sessions.begin() as session:
        staff.disable_person(session, SYSTEM, gone.id, now=now)
    assert guess(sessions, "thandi@example.org", now) is None
    for name in ("nobody", "linked", "past", "gone"):
        assert signin.sign_in(sessions, f"{name}@example.org", PASSWORD, visitor=HOME, now=now) is None
    with sessions.read() as session:
        assert session.scalar(select(func.count()).select_from(PersonSession)) == 0


@pytest.mark.usefixtures("strong_passwords")
def test_an_unknown_address_takes_as_long_as_a_known_one() -> None:
    kept = passwords.hashed(PASSWORD)
    passwords.fits(None, PASSWORD)  # the first one also makes what it compares with

    def took(known: str | None) -> float:
        started = time.thread_time()
        passwords.fits(known, "not their password")
        return time.thread_time() - started

    known, unknown = (statistics.median(took(hash_) for _ in range(5)) for hash_ in (kept, None))
    assert unknown == pytest.approx(known, rel=0.5)


def test_no_transaction_is_open_while_a_password_is_hashed(sessions: Sessions, now: datetime) -> None:
    """A stranger's guesses must not keep the webhook's writer waiting."""
    person = join(sessions, now)
    with passwords._TWO_AT_ONCE, passwords._TWO_AT_ONCE, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(signin.sign_in, sessions, person.email, PASSWORD, visitor=HOME, now=now)
        for _ in range(100):
            with sessions.begin() as session:  # a writer's turn, again and again
                if session.scalar(select(func.count()).select_from(SignInAttempt)):
                    break
            time.sleep(0.05)
        else:
            pytest.fail("the attempt was not written down before hashing")
        assert not waiting.done()
        passwords._TWO_AT_ONCE.release()
        assert waiting.result(timeout=30)
        assert passwords._TWO_AT_ONCE.acquire(timeout=30)


def test_whoever_is_shut_out_while_we_hash_does_not_get_in(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now, role=Role.VIEWER)
    with passwords._TWO_AT_ONCE, passwords._TWO_AT_ONCE, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(signin.sign_in, sessions, person.email, PASSWORD, visitor=HOME, now=now)
        while not _attempts(sessions):
            time.sleep(0.05)
        with sessions.begin() as session:
            staff.disable_person(session, SYSTEM, person.id, now=now)
        passwords._TWO_AT_ONCE.release()
        assert waiting.result(timeout=30) is None
        assert passwords._TWO_AT_ONCE.acquire(timeout=30)


def _attempts(sessions: Sessions) -> int:
    with sessions.read() as session:
        return session.scalar(select(func.count()).select_from(SignInAttempt)) or 0


@pytest.mark.parametrize("email", ["\0", "a\0@example.org", "\ud800@example.org", "x" * 10_000, ""], ids=repr)
def test_what_is_no_address_is_nobodys(sessions: Sessions, now: datetime, email: str) -> None:
    """PostgreSQL takes no NUL, and nothing takes half a character: neither may be a fault of ours."""
    assert guess(sessions, email, now) is None


# -- how often one may guess --------------------------------------------------------------------------


def test_after_five_failures_an_account_waits_longer_and_longer(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now)
    failed(sessions, now, 5)
    at = now
    for wait_s in (1, 2, 4, 8):
        too_early = at + timedelta(seconds=wait_s - 0.5)
        with pytest.raises(NotAllowed, match="Too many attempts"):
            guess(sessions, person.email, too_early, visitor=Visitor("198.51.100.7"))
        at += timedelta(seconds=wait_s)
        assert guess(sessions, person.email, at, visitor=Visitor("198.51.100.7")) is None


def test_nobody_is_locked_out_for_good(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now)
    failed(sessions, now, 5_000, address="203.0.113.1")
    with pytest.raises(NotAllowed, match="Wait 54 seconds"):
        signin.sign_in(sessions, person.email, PASSWORD, visitor=HOME, now=now + MINUTE * 14.1)
    assert signin.sign_in(sessions, person.email, PASSWORD, visitor=HOME, now=now + MINUTE * 15)


def test_success_forgives_what_was_before(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now)
    failed(sessions, now - MINUTE, 5)
    assert signin.sign_in(sessions, person.email, PASSWORD, visitor=HOME, now=now)
    assert guess(sessions, person.email, now) is None
    assert guess(sessions, person.email, now) is None


def test_an_unknown_address_is_throttled_like_a_known_one(sessions: Sessions, now: datetime) -> None:
    join(sessions, now)
    said = []
    for email in ("thandi@example.org", "nobody@example.org"):
        failed(sessions, now, 5, email_hash=guesses.hash_of(email), address="203.0.113.1")
        with pytest.raises(NotAllowed) as refusal:
            guess(sessions, email, now)
        said.append(str(refusal.value))
    assert said[0] == said[1]


def test_ten_thousand_guesses_reach_the_hash_at_most_sixty_times_an_hour(
    sessions: Sessions, now: datetime
) -> None:
    """Asked of the throttle alone, for every third of a second of an hour; each guess let through failed."""
    reached = 0
    with sessions.begin() as session:
        account, at = "thandi@example.org", now
        while at < now + timedelta(hours=1):
            wait_s = guesses.wait_s(session, account, "a new place each time", at)
            if wait_s > 0:  # nothing changes until then
                at += timedelta(seconds=wait_s)
                continue
            reached += 1
            failure = SignInAttempt(
                email_hash=guesses.hash_of(account), address=str(reached), at=at, succeeded=False
            )
            session.add(failure)
            session.flush()
            at += timedelta(seconds=0.36)
    assert 5 < reached <= 60


@pytest.mark.parametrize(
    "count, address, visitor, held",
    [
        pytest.param(20, "196.25.1.1", "196.25.1.1", True, id="twenty from one address"),
        pytest.param(19, "196.25.1.1", "196.25.1.1", False, id="nineteen"),
        pytest.param(20, "196.25.1.1", "196.25.1.2", False, id="from a neighbour"),
        pytest.param(20, "2001:db8::/64", "2001:db8::abcd:1", True, id="all over an IPv6 network"),
        pytest.param(20, "2001:db8::/64", "2001:db8:0:1::1", False, id="from another IPv6 network"),
        pytest.param(100, "somewhere else", "196.25.1.1", True, id="a hundred of everybody"),
    ],
)
def test_an_address_and_everybody_have_a_limit(
    sessions: Sessions, now: datetime, count: int, address: str, visitor: str, held: bool
) -> None:
    for number in range(count):
        failed(sessions, now, 1, email_hash=guesses.hash_of(str(number)), address=address)
    if not held:
        assert guess(sessions, "nobody@example.org", now, visitor=Visitor(visitor)) is None
        return
    with pytest.raises(NotAllowed):
        guess(sessions, "nobody@example.org", now, visitor=Visitor(visitor))
    later = now + (MINUTE if count == 100 else MINUTE * 15)
    assert guess(sessions, "nobody@example.org", later, visitor=Visitor(visitor)) is None


def test_guesses_at_the_same_time_count_each_other(sessions: Sessions, now: datetime) -> None:
    join(sessions, now)

    def attempt(_: int) -> bool:
        try:
            guesses.attempt(sessions, "thandi@example.org", HOME.address, now=now, steady=now)
        except NotAllowed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(24))) == 5


def test_old_attempts_are_forgotten(sessions: Sessions, now: datetime) -> None:
    failed(sessions, now - timedelta(days=1, seconds=1), 50)
    guess(sessions, "nobody@example.org", now)
    assert _attempts(sessions) == 1


# -- sessions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "role, idle",
    [
        *(pytest.param(role, MINUTE * 30, id=role) for role in Role if role is not Role.ORGANISER),
        pytest.param(Role.ORGANISER, timedelta(hours=12), id="organiser"),
    ],
)
def test_a_session_ends_when_nothing_is_done(
    sessions: Sessions, now: datetime, role: Role, idle: timedelta
) -> None:
    token = come_in(sessions, join(sessions, now, role=role, password=None), now)
    assert is_in(sessions, token, now + idle - timedelta(seconds=1))
    assert not is_in(sessions, token, now + idle)


def test_what_a_page_does_by_itself_is_no_activity(sessions: Sessions, now: datetime) -> None:
    token = come_in(sessions, join(sessions, now, password=None), now)
    for minute in range(30):
        assert is_in(sessions, token, now + MINUTE * minute, active=False)
    assert not is_in(sessions, token, now + MINUTE * 30, active=True)


def test_activity_keeps_a_session_to_its_longest(sessions: Sessions, now: datetime) -> None:
    token = come_in(sessions, join(sessions, now, password=None), now)
    for quarter in range(48):
        assert is_in(sessions, token, now + MINUTE * 15 * quarter, active=True)
    assert not is_in(sessions, token, now + timedelta(hours=12), active=True)


def test_a_database_that_takes_no_writes_shuts_nobody_out_before_they_are_idle(
    sessions: Sessions, now: datetime
) -> None:
    def refuses(session: Session) -> None:
        session.execute(text("INSERT INTO nowhere VALUES (1)"))

    token = come_in(sessions, join(sessions, now, password=None), now)
    read_only = sessions.guarded(refuses)
    assert is_in(read_only, token, now + MINUTE * 29, active=True)
    assert not is_in(read_only, token, now + MINUTE * 30, active=True)


def test_activity_is_written_at_most_once_a_minute(sessions: Sessions, now: datetime) -> None:
    token = come_in(sessions, join(sessions, now, password=None), now)
    for second in range(0, 121, 5):
        assert is_in(sessions, token, now + timedelta(seconds=second), active=True)
        with sessions.read() as session:
            written = session.scalars(select(PersonSession.active_at)).one()
        assert written == now + MINUTE * (second // 60)


def test_access_ends_at_the_date_given(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now, role=Role.VIEWER, until=now + MINUTE, password=None)
    token = come_in(sessions, person, now)
    assert is_in(sessions, token, now + MINUTE * 0.9)
    assert not is_in(sessions, token, now + MINUTE)


def test_the_fourth_session_ends_the_oldest(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now, password=None)
    tokens = [come_in(sessions, person, now + timedelta(seconds=n)) for n in range(4)]
    later = now + timedelta(seconds=9)
    assert [is_in(sessions, token, later) for token in tokens] == [False, True, True, True]


def test_of_sign_ins_at_the_same_time_three_stay(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now, password=None)

    def open_one(_: int) -> None:
        with sessions.begin() as session:
            row = session.get_one(PersonRow, person.id)
            signin.open_session(session, row, HOME, "link", now=now)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(open_one, range(12)))
    with sessions.read() as session:
        still = select(func.count()).where(PersonSession.revoked_at.is_(None))
        assert session.scalar(still) == 3


def test_signing_in_and_out_is_written_down(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now)
    guess(sessions, person.email, now)
    token = signin.sign_in(sessions, person.email, PASSWORD, visitor=HOME, now=now)
    with sessions.begin() as session:
        signin.sign_out(session, token, now=now)
    with sessions.read() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()[1:]
    assert [(entry.action, entry.actor) for entry in entries] == [
        ("sign_in_refused", "Paydesk"),
        ("sign_in", person.email),
        ("sign_out", person.email),
    ]
    assert [entry.detail.get("address") for entry in entries] == [HOME.address, HOME.address, None]
    assert entries[1].detail["how"] == "password"
    assert person.email not in entries[0].subject, "what was typed may be a password"


def test_signing_out_ends_this_session_only(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now, password=None)
    here, elsewhere = (come_in(sessions, person, now) for _ in range(2))
    with sessions.begin() as session:
        signin.sign_out(session, here, now=now)
        signin.sign_out(session, here, now=now)
        signin.sign_out(session, "no token of ours", now=now)
        signin.sign_out(session, None, now=now)
    assert not is_in(sessions, here, now)
    assert is_in(sessions, elsewhere, now)


def test_a_copy_of_the_database_cannot_sign_in(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now)
    link = link_for(sessions, person, now)
    token = signin.sign_in(sessions, person.email, PASSWORD, visitor=HOME, now=now)
    with sessions.read() as session:
        tables = ("people", "sessions", "sign_in_links", "sign_in_attempts", "audit")
        copy = [str(row) for table in tables for row in session.execute(text(f"SELECT * FROM {table}"))]
        hashes = [
            *session.scalars(select(PersonSession.token_hash)),
            *session.scalars(select(SignInLink.token_hash)),
        ]
    assert not any(secret in line for line in copy for secret in (str(token), link, PASSWORD))
    assert len(hashes) == 2
    for stolen in hashes:
        assert not is_in(sessions, stolen, now)
        with pytest.raises(NotFound):
            signin_links.sign_in_by_link(sessions, stolen, visitor=HOME, now=now)


@pytest.mark.parametrize("token", [None, "", "x", "x" * 10_000, "\ud800", "' OR 1=1 --"])
def test_what_is_no_token_is_nobody(sessions: Sessions, now: datetime, token: str | None) -> None:
    assert signin.who(sessions, token, now=now, active=True) is None


@pytest.mark.parametrize(
    "url, name",
    [("https://desk.example.org", "__Host-paydesk"), ("http://127.0.0.1:8501", "paydesk")],
)
def test_the_cookie_is_bound_to_the_host_where_https_protects_it(url: str, name: str) -> None:
    assert signin.cookie_name(url) == name


# -- another password ---------------------------------------------------------------------------------


def test_a_changed_password_ends_every_other_session(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now)
    earlier = come_in(sessions, person, now)
    fresh = "vyf renosters dans saggies"
    token = signin.change_password(sessions, person, PASSWORD, fresh, visitor=HOME, now=now)
    assert (is_in(sessions, earlier, now), is_in(sessions, token, now)) == (False, True)
    assert signin.sign_in(sessions, person.email, fresh, visitor=HOME, now=now)


@pytest.mark.parametrize(
    "current, new, says",
    [
        pytest.param("", "vyf renosters dans saggies", "current password", id="without the current one"),
        pytest.param("not their password", "vyf renosters dans saggies", "current password", id="a guess"),
        pytest.param(PASSWORD, "too short", "15 to 128", id="a short one"),
    ],
)
def test_a_password_is_not_changed_by_halves(
    sessions: Sessions, now: datetime, current: str, new: str, says: str
) -> None:
    person = join(sessions, now)
    with pytest.raises(InvalidInput, match=says):
        signin.change_password(sessions, person, current, new, visitor=HOME, now=now)
    assert signin.sign_in(sessions, person.email, PASSWORD, visitor=HOME, now=now)


def test_the_current_password_cannot_be_guessed_at_leisure(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now)
    failed(sessions, now, 5)
    with pytest.raises(NotAllowed):
        signin.change_password(
            sessions, person, "a guess", "vyf renosters dans saggies", visitor=HOME, now=now
        )


def test_somebody_without_a_password_chooses_one(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now, password=None)
    signin.change_password(sessions, person, "", PASSWORD, visitor=HOME, now=now)
    assert signin.sign_in(sessions, person.email, PASSWORD, visitor=HOME, now=now)


def test_whoever_is_in_stays_in_while_others_guess(sessions: Sessions, now: datetime) -> None:
    """A stranger who guesses at an account shuts nobody out of the session they have."""
    token = come_in(sessions, join(sessions, now), now)
    failed(sessions, now, 40)
    with pytest.raises(NotAllowed, match="Too many attempts"):
        guess(sessions, "thandi@example.org", now)
    assert is_in(sessions, token, now, active=True)
    assert is_in(sessions, token, now + timedelta(minutes=20), active=True)
