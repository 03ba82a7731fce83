"""A report is made once however many look, anew when anything changed, and begun before its page asks."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

import bootstrap
import environment
import gate
from ahead import Ahead
from db.session import Sessions
from payments.access.people import Person, Role
from payments.access.signin import SignedIn
from payments.errors import InvalidInput, NotAllowed, NotFound
from payments.reports.period import Basis, Period
from payments.reports.report import Asked, Kind, Report
from payments.reports.shelf import Shelf
from tests.desk import ADMIN, make_event
from tests.hook import run_apart
from tests.samples import make_payment

ASKED = Asked(Kind.REGISTRATIONS, Basis.CREATED, Period(date(2026, 11, 1), date(2026, 11, 30)))
OTHER = replace(ADMIN, id=2, name="Farai Dube")


class Clock:
    """Tells a minute more each time."""

    def __init__(self, now: datetime) -> None:
        self.told = now

    def __call__(self) -> datetime:
        self.told += timedelta(minutes=1)
        return self.told


@pytest.fixture
def clock(now: datetime) -> Clock:
    return Clock(now)


@pytest.fixture
def shelf(sessions: Sessions, clock: Clock, now: datetime) -> Shelf:
    """Of a desk with one payment."""
    with sessions.begin() as session:
        make_payment(session, make_event(session, now=now), now=now)
    return Shelf(sessions, demo=True, now=clock)


def counted(report: Report) -> object:
    return report.headline[0].now.value


def test_what_did_not_change_is_made_once(shelf: Shelf) -> None:
    assert shelf.take(ADMIN, ASKED) is shelf.take(ADMIN, ASKED)


def test_each_person_and_each_question_has_a_report_of_its_own(shelf: Shelf) -> None:
    first = shelf.take(ADMIN, ASKED)
    assert shelf.take(OTHER, ASKED) is not first
    assert shelf.take(ADMIN, replace(ASKED, basis=Basis.PAID)) is not first
    assert shelf.take(ADMIN, ASKED) is first


def test_what_changed_is_made_anew(shelf: Shelf, sessions: Sessions, now: datetime) -> None:
    first = shelf.take(ADMIN, ASKED)
    with sessions.begin() as session:
        make_payment(session, make_event(session, "gala", now=now), now=now)
    later = shelf.take(ADMIN, ASKED)
    assert (counted(first), counted(later)) == (1, 2)


def test_it_is_made_anew_after_ten_minutes(shelf: Shelf) -> None:
    first = shelf.take(ADMIN, ASKED)
    assert any(shelf.take(ADMIN, ASKED) is not first for _ in range(11))


def test_whose_role_may_not_read_it_is_refused_though_it_was_made(shelf: Shelf) -> None:
    transit = replace(ASKED, kind=Kind.TRANSIT, basis=Basis.CAPTURED)
    shelf.take(ADMIN, transit)
    with pytest.raises(NotAllowed):
        shelf.take(replace(ADMIN, role=Role.ORGANISER), transit)


def test_what_failed_is_not_kept(shelf: Shelf, clock: Clock) -> None:
    soon = replace(ASKED, as_of=clock() + timedelta(minutes=2))
    with pytest.raises(InvalidInput):  # it is still to come
        shelf.take(ADMIN, soon)
    assert shelf.take(ADMIN, soon).asked == soon


def test_what_fails_ahead_is_left_for_who_asks(shelf: Shelf) -> None:
    of_none = replace(ASKED, event="gala")
    shelf.begin(ADMIN, of_none).result()
    with pytest.raises(NotFound):
        shelf.take(ADMIN, of_none)


def test_many_who_ask_at_once_have_it_made_once(shelf: Shelf) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: shelf.take(ADMIN, ASKED), range(8)))
    assert len({id(one) for one in made}) == 1


def test_the_oldest_gives_way(shelf: Shelf) -> None:
    first = shelf.take(ADMIN, ASKED)
    for day in range(1, 17):
        shelf.take(ADMIN, replace(ASKED, period=Period(date(2026, 10, day), date(2026, 10, day))))
    assert shelf.take(ADMIN, ASKED) is not first


# -- at the door --------------------------------------------------------------------------------------


class Watched(Shelf):
    """Knows what was begun."""

    begun: list[Future[None]]

    def begin(self, person: Person, asked: Asked) -> Future[None]:
        self.begun.append(super().begin(person, asked))
        return self.begun[-1]


@pytest.fixture
def watched(
    shelf: Shelf, sessions: Sessions, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Watched:
    """The shelf of this process's desk."""
    settings = environment.read_settings({"IKHOKHA_APP_ID": "demo", "DATA_DIR": str(tmp_path)}, None)
    app = bootstrap.App(settings, sessions, {}, clock)
    vars(app)["reports"] = watched = Watched(sessions, demo=True, now=clock)
    watched.begun = []
    monkeypatch.setattr(bootstrap, "app", lambda: app)
    return watched


def opens(address: str, person: Person, method: str = "GET") -> None:
    """Somebody who is signed in opens an address; the page behind it is reached in any case."""
    reached: list[str] = []

    async def page(scope: Scope, _receive: Receive, _send: Send) -> None:
        reached.append(scope["path"])

    path, _, query = address.partition("?")
    scope = {
        "type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": [],
        gate.HERE: SignedIn(person, 1, bootstrap.app().now(), True, True, False),
    }  # fmt: skip
    run_apart(Ahead(page)(scope, None, None))
    assert reached == [path]


def test_the_address_of_a_report_has_it_begun_before_the_page_asks(watched: Watched, clock: Clock) -> None:
    opens("/reports?report=registrations&period=2026-11", ADMIN)
    [begun] = watched.begun
    begun.result()
    meanwhile = clock()
    assert watched.take(ADMIN, ASKED).made_at < meanwhile


def test_nothing_is_begun_elsewhere_or_for_whom_it_is_not(watched: Watched) -> None:
    opens("/payments?report=registrations", ADMIN)
    opens("/reports?report=registrations", ADMIN, "HEAD")
    opens("/reports?report=registrations&period=nonsense", ADMIN)
    opens("/reports?report=registrations", replace(ADMIN, role=Role.VIEWER))
    assert not watched.begun
