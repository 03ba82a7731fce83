"""Codes from a phone and codes on paper: taken once, seldom guessed, and asked for where money moves."""

import base64
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Thread

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from sqlalchemy import select, update

from db.models import AuditEntry, PersonRow, PersonSession, RecoveryCode, SecondFactor
from db.session import Sessions
from payments.access import people, proving, second_factor, signin, signin_links, staff
from payments.access.people import ALWAYS, FRESH, SYSTEM, Person, Role
from payments.access.second_factor import RECOVERY_CODES, STEP_S
from payments.access.signin import Visitor
from payments.errors import CannotOpen, Conflict, InvalidInput, NotAllowed, NotFound, ProveAgain
from payments.keeping import keyring
from payments.keeping.keyring import KeyRing
from tests.canaries import plant
from tests.test_signin import HOME, PASSWORD, join, link_for

KEYS = keyring.read(keyring.new_key("test"))
STEP = timedelta(seconds=STEP_S)


def secret_of(offer: second_factor.Offer) -> bytes:
    return base64.b32decode(offer.spoken.replace(" ", ""))


def shows(secret: bytes, at: datetime) -> str:
    """What the app on the phone shows then."""
    return TOTP(secret, 6, SHA1(), STEP_S).generate(int(at.timestamp())).decode()


def set_up(sessions: Sessions, person: Person, now: datetime) -> tuple[bytes, tuple[str, ...]]:
    """A phone, and the codes on paper, a while ago."""
    then = now - 10 * STEP
    offer = second_factor.offer(person, KEYS, issuer="Paydesk", now=then)
    secret = secret_of(offer)
    with sessions.begin() as session:
        papers = second_factor.confirm(session, person, offer.sealed, shows(secret, then), KEYS, now=then)
    plant("the secret of a phone", base64.b32encode(secret).decode())
    return secret, tuple(plant("a code on paper", paper) for paper in papers)


def passes(sessions: Sessions, person: Person, typed: str, now: datetime, keys: KeyRing = KEYS) -> bool:
    with sessions.begin() as session:
        row = session.get_one(PersonRow, person.id)
        return second_factor.passes(session, row, typed, keys, now=now, steady=now)


def actions(sessions: Sessions) -> list[str]:
    with sessions.read() as session:
        return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def enter(sessions: Sessions, now: datetime, code: str = "", password: str = PASSWORD) -> str | None:
    return signin.sign_in(
        sessions, "thandi@example.org", password, visitor=HOME, now=now, code=code, keys=KEYS
    )


# -- codes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "off, fits",
    [
        pytest.param(-2, False, id="a minute early"),
        pytest.param(-1, True, id="half a minute early"),
        pytest.param(0, True, id="now"),
        pytest.param(1, True, id="half a minute late"),
        pytest.param(2, False, id="a minute late"),
    ],
)
def test_a_code_may_be_one_step_off(sessions: Sessions, now: datetime, off: int, fits: bool) -> None:
    person = join(sessions, now, password=None)
    secret, _ = set_up(sessions, person, now)
    assert passes(sessions, person, shows(secret, now + off * STEP), now) is fits


def test_a_code_is_taken_once_and_none_before_it_any_more(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now, password=None)
    secret, _ = set_up(sessions, person, now)
    spaced = f"{shows(secret, now)[:3]} {shows(secret, now)[3:]}"
    assert passes(sessions, person, spaced, now)
    assert not passes(sessions, person, shows(secret, now), now)
    assert not passes(sessions, person, shows(secret, now - STEP), now)
    assert passes(sessions, person, shows(secret, now + STEP), now)


def test_five_wrong_codes_shut_out_the_right_one_for_a_quarter_of_an_hour(
    sessions: Sessions, now: datetime
) -> None:
    person = join(sessions, now, password=None)
    secret, papers = set_up(sessions, person, now)
    wrong = [
        typed for typed in ("000000", "123456", "", "x", "9999999", "half") if typed != shows(secret, now)
    ]
    for typed in wrong[:5]:
        assert not passes(sessions, person, typed, now)
    for typed in (shows(secret, now), papers[0]):
        assert not passes(sessions, person, typed, now)
    later = now + timedelta(minutes=15)
    assert passes(sessions, person, shows(secret, later), later)


def test_a_code_on_paper_works_once_however_it_is_typed(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now, password=None)
    _, papers = set_up(sessions, person, now)
    assert len(set(papers)) == RECOVERY_CODES
    assert passes(sessions, person, papers[0].lower().replace("-", " "), now)
    assert not passes(sessions, person, papers[0], now)
    with sessions.read() as session:
        assert second_factor.standing(session, person.id) == second_factor.Standing(
            now - 10 * STEP, RECOVERY_CODES - 1
        )
    assert actions(sessions)[-2:] == ["set_up_codes", "use_recovery_code"]


def test_a_stolen_database_holds_neither_secret_nor_codes(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now, password=None)
    secret, papers = set_up(sessions, person, now)
    with sessions.read() as session:
        kept = session.get_one(SecondFactor, person.id).sealed
        hashes = set(session.scalars(select(RecoveryCode.code_hash)))
    assert secret not in kept
    assert not hashes & {paper.replace("-", "") for paper in papers}
    other = keyring.read(keyring.new_key("other"))
    with pytest.raises(CannotOpen):
        passes(sessions, person, shows(secret, now), now, other)


def test_one_persons_secret_opens_nothing_in_anothers_row(sessions: Sessions, now: datetime) -> None:
    mine, theirs = (join(sessions, now, name=name, password=None) for name in ("Thandi", "Sipho"))
    secret, _ = set_up(sessions, mine, now)
    set_up(sessions, theirs, now)
    with sessions.begin() as session:
        sealed = session.get_one(SecondFactor, mine.id).sealed
        session.execute(update(SecondFactor).where(SecondFactor.person_id == theirs.id).values(sealed=sealed))
    with pytest.raises(CannotOpen):
        passes(sessions, theirs, shows(secret, now), now)


@pytest.mark.parametrize("wrong", ["code", "late", "another's", "changed"])
def test_what_was_offered_is_taken_into_use_by_its_own_code_soon_by_whom_it_was_for(
    sessions: Sessions, now: datetime, wrong: str
) -> None:
    person, other = (join(sessions, now, name=name, password=None) for name in ("Thandi", "Sipho"))
    offer = second_factor.offer(person, KEYS, issuer="Paydesk", now=now)
    at = now + timedelta(minutes=31) if wrong == "late" else now
    code = "12345" if wrong == "code" else shows(secret_of(offer), at)
    whose = other if wrong == "another's" else person
    sealed = offer.sealed[:-4] + "AAAA" if wrong == "changed" else offer.sealed
    with pytest.raises(InvalidInput), sessions.begin() as session:
        second_factor.confirm(session, whose, sealed, code, KEYS, now=at)
    with sessions.read() as session:
        assert second_factor.standing(session, person.id) is None


# -- signing in -------------------------------------------------------------------------------------


def test_whoever_has_an_app_comes_in_by_password_and_code(sessions: Sessions, now: datetime) -> None:
    secret, _ = set_up(sessions, join(sessions, now), now)
    assert enter(sessions, now) is None
    assert enter(sessions, now, shows(secret, now), "not their password") is None
    token = enter(sessions, now, shows(secret, now))
    here = signin.who(sessions, token, now=now, active=False)
    assert here is not None
    assert here.has_codes
    assert people.is_proven(here.person, now=now)
    assert enter(sessions, now, shows(secret, now)) is None, "a code let somebody in twice"
    assert actions(sessions)[-4:] == ["sign_in_refused", "sign_in_refused", "sign_in", "sign_in_refused"]


def test_a_link_takes_the_code_too_and_a_wrong_one_leaves_it_to_use(
    sessions: Sessions, now: datetime
) -> None:
    person = join(sessions, now)
    secret, _ = set_up(sessions, person, now)
    link = link_for(sessions, person, now)
    for code in ("", "12345"):
        with pytest.raises(InvalidInput, match="code"):
            signin_links.sign_in_by_link(sessions, link, visitor=HOME, now=now, code=code, keys=KEYS)
    code = shows(secret, now)
    assert signin_links.sign_in_by_link(
        sessions, link, visitor=HOME, now=now, code=code, keys=KEYS, new_password="kudu&7 sjok"
    ), "eight characters do beside a code"
    with pytest.raises(NotFound):
        signin_links.sign_in_by_link(sessions, link, visitor=HOME, now=now, code=code, keys=KEYS)


def test_fifteen_characters_without_an_app_eight_with_one(sessions: Sessions, now: datetime) -> None:
    person, short = join(sessions, now), "kudu&7 sjok"
    with pytest.raises(InvalidInput, match="15 to 128"):
        signin.change_password(sessions, person, PASSWORD, short, visitor=HOME, now=now)
    set_up(sessions, person, now)
    with pytest.raises(InvalidInput, match="8 to 128"):
        signin.change_password(sessions, person, PASSWORD, "kudu&7s", visitor=HOME, now=now)
    assert signin.change_password(sessions, person, PASSWORD, short, visitor=HOME, now=now)


# -- proving anew -----------------------------------------------------------------------------------


def come(sessions: Sessions, person: Person, now: datetime) -> str:
    """In, as whoever chose a password by the link, or typed it."""
    with sessions.begin() as session:
        return signin.open_session(session, session.get_one(PersonRow, person.id), HOME, "test", now=now)


def prove(sessions: Sessions, token: str, typed: str, now: datetime, *, demo: bool = False) -> str:
    """The token of the session once it proved who it is."""
    return signin.renewed(token, proving.prove(sessions, token, typed, KEYS, demo=demo, now=now))


def here(sessions: Sessions, token: str, now: datetime) -> Person:
    found = signin.who(sessions, token, now=now, active=False)
    assert found is not None
    return found.person


@pytest.mark.parametrize(
    "ago, holds",
    [
        pytest.param(timedelta(0), True, id="now"),
        pytest.param(FRESH, True, id="five minutes ago"),
        pytest.param(FRESH + timedelta(seconds=1), False, id="longer ago"),
        pytest.param(timedelta(seconds=-1), False, id="by a clock that was ahead"),
    ],
)
def test_a_proof_holds_five_minutes(now: datetime, ago: timedelta, holds: bool) -> None:
    person = Person(7, "Somebody", "somebody@example.org", Role.ADMIN, None)
    assert people.is_proven(replace(person, proved_at=now - ago), now=now) is holds
    assert not people.is_proven(person, now=now)
    assert people.is_proven(replace(person, proved_at=ALWAYS), now=now)
    if not holds:
        with pytest.raises(ProveAgain, match="Confirm that it is you"):
            people.proven(replace(person, proved_at=now - ago), now=now)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.FINANCE])
def test_live_no_password_proves_who_moves_money(sessions: Sessions, now: datetime, role: Role) -> None:
    token = come(sessions, join(sessions, now, role=role), now)
    assert here(sessions, token, now).proved_at is None, "coming in without a code proved it"
    with pytest.raises(Conflict, match="Set it up"):
        prove(sessions, token, PASSWORD, now)
    assert here(sessions, token, now).proved_at is None


def test_a_code_proves_it_once(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now)
    token = come(sessions, person, now)
    secret, _ = set_up(sessions, person, now)
    with pytest.raises(InvalidInput):
        prove(sessions, token, PASSWORD, now)
    token = prove(sessions, token, shows(secret, now), now)
    assert people.is_proven(here(sessions, token, now), now=now)
    later = now + timedelta(minutes=6)
    assert not people.is_proven(here(sessions, token, later), now=later)
    with pytest.raises(InvalidInput, match="used already"):
        prove(sessions, token, shows(secret, now), now)
    assert actions(sessions)[-3:] == ["prove_refused", "prove", "prove_refused"]


def test_wrong_codes_of_a_stolen_session_are_few(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now)
    token = come(sessions, person, now)
    set_up(sessions, person, now)
    for _ in range(4):
        with pytest.raises(InvalidInput):
            prove(sessions, token, "no code", now)
    for _ in range(2):
        with pytest.raises(NotAllowed, match="Too many wrong codes"):
            prove(sessions, token, "no code", now)


def test_a_password_proves_whoever_moves_no_money(sessions: Sessions, now: datetime) -> None:
    token = come(sessions, join(sessions, now, role=Role.ORGANISER), now)
    later = now + timedelta(minutes=6)
    with pytest.raises(InvalidInput, match="does not fit"):
        prove(sessions, token, "not their password", later)
    token = prove(sessions, token, PASSWORD, later)
    assert people.is_proven(here(sessions, token, later), now=later)


def test_a_demo_desks_people_type_nothing_and_confirm_all_the_same(sessions: Sessions, now: datetime) -> None:
    somebody = join(sessions, now, password=None)
    token = come(sessions, somebody, now)
    assert here(sessions, token, now).proved_at is None
    with pytest.raises(Conflict):
        prove(sessions, token, "", now)
    token = prove(sessions, token, "", now, demo=True)
    assert people.is_proven(here(sessions, token, now), now=now)
    link = link_for(sessions, somebody, now)
    token = signin_links.sign_in_by_link(sessions, link, visitor=HOME, now=now)
    assert people.is_proven(here(sessions, token, now), now=now), "a link is all that they have"


def test_a_proof_is_of_one_session_and_ends_with_it(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now, password=None)
    mine, other = come(sessions, person, now), come(sessions, person, now)
    mine = prove(sessions, mine, "", now, demo=True)
    assert here(sessions, other, now).proved_at is None
    with sessions.begin() as session:
        staff.revoke_sessions(session, SYSTEM, person.id, now=now)
    with pytest.raises(NotAllowed, match="not signed in"):
        prove(sessions, mine, "", now, demo=True)


@pytest.mark.parametrize("how", ["code", "password", "demo"])
def test_whoever_knows_the_token_of_before_has_no_part_in_what_is_proved(
    sessions: Sessions, now: datetime, how: str
) -> None:
    """A session that was planted or stolen ends where its owner proves who they are."""
    person = join(sessions, now, role=Role.ORGANISER, password=None if how == "demo" else PASSWORD)
    known = come(sessions, person, now)
    was = signin.who(sessions, known, now=now, active=False)
    secret = set_up(sessions, person, now)[0] if how == "code" else b""
    typed = {"code": shows(secret, now) if secret else "", "password": PASSWORD, "demo": ""}[how]
    word = proving.prove(sessions, known, typed, KEYS, demo=how == "demo", now=now)
    mine = signin.renewed(known, word)
    for token in (known, word, signin.renewed(known, "another word"), signin.renewed("another", word)):
        assert signin.who(sessions, token, now=now, active=False) is None
        with pytest.raises(NotAllowed, match="not signed in"):
            proving.prove(sessions, token, typed, KEYS, demo=how == "demo", now=now)
    found = signin.who(sessions, mine, now=now, active=False)
    assert was is not None
    assert found is not None
    assert (found.session_id, found.expires_at) == (was.session_id, was.expires_at)
    assert people.is_proven(found.person, now=now)


def test_of_two_proofs_of_one_token_at_once_one_counts(sessions: Sessions, now: datetime) -> None:
    token = come(sessions, join(sessions, now, password=None), now)
    words: list[str] = []

    def try_it() -> None:
        with suppress(NotAllowed):
            words.append(proving.prove(sessions, token, "", KEYS, demo=True, now=now))

    threads = [Thread(target=try_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(words) == 1
    assert people.is_proven(here(sessions, signin.renewed(token, words[0]), now), now=now)


# -- setting up, and a lost phone -------------------------------------------------------------------


def test_setting_up_takes_the_password_then_a_code_and_ends_other_sessions(
    sessions: Sessions, now: datetime
) -> None:
    person = join(sessions, now)
    token, elsewhere = come(sessions, person, now), come(sessions, person, now)

    def try_with(offer: second_factor.Offer, current: str, at: datetime) -> tuple[str, tuple[str, ...]]:
        code = shows(secret_of(offer), at)
        return proving.set_up(
            sessions, token, offer.sealed, code, current, KEYS, visitor=Visitor("196.25.1.1"), now=at
        )

    offer = second_factor.offer(person, KEYS, issuer="Paydesk", now=now)
    with pytest.raises(InvalidInput, match="password"):
        try_with(offer, "not their password", now)
    assert here(sessions, token, now).proved_at is None
    token, papers = try_with(offer, PASSWORD, now)
    assert people.is_proven(here(sessions, token, now), now=now)
    assert signin.who(sessions, elsewhere, now=now, active=False) is None
    later = now + timedelta(minutes=1)
    second = second_factor.offer(person, KEYS, issuer="Paydesk", now=later)
    with pytest.raises(InvalidInput, match="code"):
        try_with(second, PASSWORD, later)
    try_with(second, papers[0], later)
    assert not passes(sessions, person, papers[1], later), "the first phone's paper opened the second's lock"


def test_an_admin_takes_a_lost_phone_away_with_all_that_stood_on_it(
    sessions: Sessions, now: datetime
) -> None:
    admin, person = join(sessions, now, password=None), join(sessions, now, name="Sipho", role=Role.FINANCE)
    set_up(sessions, person, now)
    with sessions.begin() as session:
        token = signin.open_session(session, session.get_one(PersonRow, person.id), HOME, "test", now=now)
    proved = replace(admin, proved_at=now)
    for by, fault in ((admin, ProveAgain), (replace(person, proved_at=now), NotAllowed)):
        with pytest.raises(fault), sessions.begin() as session:
            second_factor.reset(session, by, person.id, now=now)
    with pytest.raises(NotFound), sessions.begin() as session:
        second_factor.reset(session, proved, admin.id, now=now)
    with sessions.begin() as session:
        second_factor.reset(session, proved, person.id, now=now)
    assert signin.who(sessions, token, now=now, active=False) is None
    with sessions.read() as session:
        assert second_factor.standing(session, person.id) is None
        assert session.get_one(PersonRow, person.id).password_hash is None
        assert session.scalars(select(PersonSession.revoked_at)).all() == [now]
    assert actions(sessions)[-1] == "reset_codes"
    set_up(sessions, admin, now)
    with pytest.raises(Conflict, match="your own"), sessions.begin() as session:
        second_factor.reset(session, proved, admin.id, now=now)
