"""Where somebody is signed in: told in words, one's own and for an admin everybody's, each ended at once."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from db.models import AuditEntry, PersonRow
from db.session import Sessions
from payments.access import browsers, signin
from payments.access.people import Person, Role
from payments.access.signin import IDLE, Visitor
from payments.errors import NotAllowed, NotFound
from tests.test_signin import join

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36"


@pytest.mark.parametrize(
    "browser, words",
    [
        pytest.param(CHROME, "Chrome on Windows", id="chrome"),
        pytest.param(f"{CHROME} Edg/142.0", "Edge on Windows", id="edge names chrome too"),
        pytest.param(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile Safari/604.1",
            "Safari on an iPhone",
            id="an iphone names a mac too",
        ),
        pytest.param("Mozilla/5.0 (Android 16; Mobile) Firefox/145.0", "Firefox on Android", id="android"),
        pytest.param("curl/8.1", "A browser", id="unknown"),
        pytest.param("<b>Chrome/</b>[x](http://evil)", "Chrome", id="hostile"),
        pytest.param("", "A browser", id="nothing"),
    ],
)
def test_a_browser_is_told_in_words(browser: str, words: str) -> None:
    assert browsers.device(browser) == words


def come(sessions: Sessions, person: Person, now: datetime) -> str:
    with sessions.begin() as session:
        row = session.get_one(PersonRow, person.id)
        return signin.open_session(session, row, Visitor("196.25.1.1", CHROME), "test", now=now)


def is_in(sessions: Sessions, token: str, now: datetime) -> bool:
    return signin.who(sessions, token, now=now, active=False) is not None


def test_one_sees_ones_own_an_admin_everybodys(sessions: Sessions, now: datetime) -> None:
    admin, clerk = (
        join(sessions, now, name=name, role=role, password=None)
        for name, role in (("Thandi", Role.ADMIN), ("Sipho", Role.FINANCE))
    )
    for person in (admin, clerk, clerk):
        come(sessions, person, now)
    with sessions.read() as session:
        assert {one.name for one in browsers.mine(session, clerk, now=now)} == {"Sipho"}
        assert len(browsers.mine(session, clerk, now=now)) == 2
        assert len(browsers.everybodys(session, admin, now=now)) == 3
        with pytest.raises(NotAllowed):
            browsers.everybodys(session, clerk, now=now)
        assert browsers.mine(session, clerk, now=now + IDLE) == [], "what nobody is in any more is not told"
        (one, _) = browsers.mine(session, clerk, now=now)
    assert (one.device, one.address, one.ends_at) == ("Chrome on Windows", "196.25.1.1", now + IDLE)


def test_one_session_ends_by_its_owner_or_an_admin_and_by_nobody_else(
    sessions: Sessions, now: datetime
) -> None:
    admin, clerk, other = (
        join(sessions, now, name=name, role=role, password=None)
        for name, role in (("Thandi", Role.ADMIN), ("Sipho", Role.FINANCE), ("Gugu", Role.FINANCE))
    )
    first, second = come(sessions, clerk, now), come(sessions, clerk, now)
    with sessions.read() as session:
        later, earlier = browsers.mine(session, clerk, now=now)
    with pytest.raises(NotFound), sessions.begin() as session:
        browsers.sign_out(session, other, earlier.id, now=now)
    with sessions.begin() as session:
        browsers.sign_out(session, clerk, earlier.id, now=now)
    assert [is_in(sessions, token, now) for token in (first, second)] == [False, True]
    with sessions.begin() as session:
        browsers.sign_out(session, admin, later.id, now=now)
        browsers.sign_out(session, admin, later.id, now=now)  # twice is once
    assert not is_in(sessions, second, now)
    with sessions.read() as session:
        ended = session.scalars(select(AuditEntry.actor).where(AuditEntry.action == "revoke_session")).all()
    assert ended == ["sipho@example.org", "thandi@example.org"]


def test_everywhere_else_leaves_this_one(sessions: Sessions, now: datetime) -> None:
    clerk, other = (join(sessions, now, name=name, password=None) for name in ("Sipho", "Gugu"))
    theirs = come(sessions, other, now)
    tokens = [come(sessions, clerk, now + timedelta(minutes=n)) for n in range(3)]
    here = signin.who(sessions, tokens[1], now=now + timedelta(minutes=3), active=False)
    assert here is not None
    with sessions.begin() as session:
        assert browsers.sign_out_others(session, clerk, here.session_id, now=now) == 2
    assert [is_in(sessions, token, now + timedelta(minutes=3)) for token in tokens] == [False, True, False]
    assert is_in(sessions, theirs, now)
