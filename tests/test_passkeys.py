"""Passkeys: both factors at once, for this desk and nobody else's, each answer taken once."""

import contextlib
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Thread

import pytest
from sqlalchemy import func, select

from db.models import AuditEntry, OutboxMail, Passkey, PersonIdentity, PersonRow, UsedChallenge
from db.session import Sessions
from payments.access import by_passkey, passkeys, people, proving, second_factor, signin, signin_links, staff
from payments.access.passkeys import COME_IN, PROVE, Party
from payments.access.people import Person, Role
from payments.errors import CannotOpen, Conflict, InvalidInput, NotAllowed, NotFound, ProveAgain
from payments.keeping import keyring
from payments.keeping.keyring import KeyRing
from tests.authenticator import PRESENT, Device
from tests.test_second_factor import actions, come, enter, here, shows
from tests.test_second_factor import set_up as set_up_codes
from tests.test_signin import HOME, PASSWORD, join, link_for

KEYS = keyring.read(keyring.new_key("test"))
DESK = Party("desk.example.org", "https://desk.example.org", "Paydesk")


def device(**other: object) -> Device:
    return replace(Device(DESK.origin), **other)


def add(
    sessions: Sessions, token: str, mine: Device, now: datetime, *, current: str = "", name: str = "Phone",
    party: Party = DESK,
) -> str:  # fmt: skip
    """The token of whoever added it."""
    with sessions.read() as session:
        found = signin.session_of(session, token, now=now)
        assert found is not None
        asked = passkeys.ask_new(session, found.person, KEYS, party, now=now)
    return by_passkey.add(
        sessions, token, mine.make(asked.options), asked.sealed, name, current, KEYS, party,
        visitor=HOME, now=now,
    )  # fmt: skip


def owner(sessions: Sessions, now: datetime, role: Role = Role.ADMIN) -> tuple[Person, Device, str]:
    """Somebody with a password and one passkey, and their session."""
    person = join(sessions, now, role=role)
    mine = device()
    return person, mine, add(sessions, come(sessions, person, now), mine, now, current=PASSWORD)


def come_in(
    sessions: Sessions,
    mine: Device,
    now: datetime,
    *,
    party: Party = DESK,
    governed: bool = False,
    **lies: str,
) -> str:
    asked = passkeys.ask_in(KEYS, party, now=now)
    return answer_in(sessions, mine.sign(asked.options, **lies), asked.sealed, now, party, governed)


def answer_in(
    sessions: Sessions, answer: str, sealed: str, now: datetime, party: Party = DESK, governed: bool = False
) -> str:
    return by_passkey.come_in(sessions, answer, sealed, KEYS, party, visitor=HOME, governed=governed, now=now)


def prove(sessions: Sessions, token: str, mine: Device, now: datetime) -> str:
    found = here(sessions, token, now)
    with sessions.read() as session:
        asked = passkeys.ask_proof(session, found, KEYS, DESK, now=now)
    word = by_passkey.prove(sessions, token, mine.sign(asked.options), asked.sealed, KEYS, DESK, now=now)
    return signin.renewed(token, word)


# -- for whom ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "party"),
    [
        ("https://desk.example.org", ("desk.example.org", "https://desk.example.org")),
        ("https://desk.example.org:8443", ("desk.example.org", "https://desk.example.org:8443")),
        ("http://127.0.0.1:8501", ("localhost", "http://localhost:8501")),
        ("http://[::1]:8501", ("localhost", "http://localhost:8501")),
        ("http://localhost:8501", ("localhost", "http://localhost:8501")),
        ("https://192.0.2.7", None),
    ],
)
def test_a_passkey_is_for_the_desk_by_its_public_name(url: str, party: tuple[str, str] | None) -> None:
    found = passkeys.party_of(url, "Paydesk")
    assert (found and (found.id, found.origin)) == party


# -- adding -----------------------------------------------------------------------------------------


def test_the_first_takes_the_password_gives_a_new_session_and_ends_the_others(
    sessions: Sessions, now: datetime
) -> None:
    person = join(sessions, now)
    token, elsewhere = come(sessions, person, now), come(sessions, person, now)
    with pytest.raises(InvalidInput, match="password"):
        add(sessions, token, device(), now, current="not their password")
    fresh = add(sessions, token, device(), now, current=PASSWORD, name="  Blue phone ")
    for old in (token, elsewhere):
        assert signin.who(sessions, old, now=now, active=False) is None
    found = signin.who(sessions, fresh, now=now, active=False)
    assert found is not None
    assert (found.has_passkeys, found.has_codes) == (True, False)
    assert people.is_proven(found.person, now=now)
    assert proving.asks_for(found, demo=False) == "passkey", "it counts as the second factor of an admin"
    with sessions.read() as session:
        assert [one.name for one in passkeys.mine(session, person)] == ["Blue phone"]
        mail = session.scalars(select(OutboxMail)).one()
    assert mail.recipient == person.email
    assert "Blue phone" in mail.body
    assert "add_passkey" in actions(sessions)


def test_another_takes_a_fresh_proof_and_the_password_is_none(sessions: Sessions, now: datetime) -> None:
    _, mine, token = owner(sessions, now)
    later = now + timedelta(minutes=6)
    with pytest.raises(ProveAgain):
        add(sessions, token, device(), later, current=PASSWORD)
    token = prove(sessions, token, mine, later)
    assert add(sessions, token, device(), later)


def test_whoever_has_a_passkey_sets_up_an_app_by_it_and_not_by_the_password(
    sessions: Sessions, now: datetime
) -> None:
    person, mine, token = owner(sessions, now)
    later = now + timedelta(minutes=6)
    offer = second_factor.offer(person, KEYS, issuer="Paydesk", now=later)

    def try_it(token: str) -> None:
        proving.set_up(
            sessions,
            token,
            offer.sealed,
            shows(_secret(offer), later),
            PASSWORD,
            KEYS,
            visitor=HOME,
            now=later,
        )

    with pytest.raises(ProveAgain):
        try_it(token)
    try_it(prove(sessions, token, mine, later))


def _secret(offer: second_factor.Offer) -> bytes:
    from tests.test_second_factor import secret_of

    return secret_of(offer)


@pytest.mark.parametrize("wrong", ["unverified", "another origin", "late", "for another", "broken", "deep"])
def test_what_was_not_made_here_by_its_verified_owner_is_not_added(
    sessions: Sessions, now: datetime, wrong: str
) -> None:
    person, other = (join(sessions, now, name=name, password=None) for name in ("Thandi", "Sipho"))
    lies = {"unverified": {"flags": PRESENT}, "another origin": {"origin": "https://desk.example.com"}}
    mine = device(**lies.get(wrong, {}))
    at = now + timedelta(minutes=6) if wrong == "late" else now
    with sessions.read() as session:
        asked = passkeys.ask_new(session, other if wrong == "for another" else person, KEYS, DESK, now=now)
    answer = {"broken": "{}", "deep": "[" * 8000}.get(wrong) or mine.make(asked.options)
    with pytest.raises(InvalidInput), sessions.begin() as session:
        passkeys.add(session, person, answer, asked.sealed, "x", KEYS, DESK, now=at)
    with sessions.read() as session:
        assert passkeys.mine(session, person) == []


def test_one_is_added_once_and_by_one_person(sessions: Sessions, now: datetime) -> None:
    person, mine, _ = owner(sessions, now)
    with sessions.read() as session:
        asked = passkeys.ask_new(session, person, KEYS, DESK, now=now)
    answer = mine.make(asked.options)
    with pytest.raises(Conflict, match="here already"), sessions.begin() as session:
        passkeys.add(session, person, answer, asked.sealed, "again", KEYS, DESK, now=now)
    answer = device().make(asked.options)
    with sessions.begin() as session:
        passkeys.add(session, person, answer, asked.sealed, "other", KEYS, DESK, now=now)
    with pytest.raises(InvalidInput), sessions.begin() as session:
        passkeys.add(session, person, answer, asked.sealed, "replayed", KEYS, DESK, now=now)


def test_ten_are_enough(sessions: Sessions, now: datetime) -> None:
    _person, _mine, token = owner(sessions, now)
    for _ in range(passkeys.MOST - 1):
        token = add(sessions, token, device(), now)
    with pytest.raises(Conflict, match="Remove one"):
        add(sessions, token, device(), now)


def test_without_a_key_nothing_is_asked(sessions: Sessions, now: datetime) -> None:
    with pytest.raises(CannotOpen, match="ENCRYPTION_KEYS"):
        passkeys.ask_in(KeyRing(), DESK, now=now)


# -- coming in --------------------------------------------------------------------------------------


@pytest.mark.parametrize("counts", [True, False], ids=["a device that counts", "one that does not"])
def test_a_passkey_lets_in_by_both_factors_and_each_answer_once(
    sessions: Sessions, now: datetime, counts: bool
) -> None:
    person = join(sessions, now)
    mine = device(counts=counts)
    add(sessions, come(sessions, person, now), mine, now, current=PASSWORD)
    asked = passkeys.ask_in(KEYS, DESK, now=now)
    answer = mine.sign(asked.options)
    found = here(sessions, answer_in(sessions, answer, asked.sealed, now), now)
    assert found == person
    assert people.is_proven(found, now=now)
    with pytest.raises(NotAllowed, match="Try again"):
        answer_in(sessions, answer, asked.sealed, now)
    assert actions(sessions)[-2:] == ["sign_in", "sign_in_refused"]
    assert come_in(sessions, mine, now)


@pytest.mark.parametrize(
    "wrong",
    [
        "another origin", "another desk", "unverified", "another's key", "another challenge", "counts back",
        "another's name", "no name", "removed", "disabled", "not json", "NUL", "unknown",
    ],
)  # fmt: skip
def test_whoever_is_not_who_was_asked_stays_out(sessions: Sessions, now: datetime, wrong: str) -> None:
    person, mine, token = owner(sessions, now)
    asked = passkeys.ask_in(KEYS, DESK, now=now)
    lies: dict[str, object] = {
        "another origin": {"origin": "https://desk.example.org.evil.example"},
        "unverified": {"flags": PRESENT},
        "another's key": {"key": device().key},
        "counts back": {"count": 0},
        "another's name": {"handle": b"x" * 32},
        "unknown": {"credential": b"x" * 32},
    }.get(wrong, {})  # type: ignore[assignment]
    liar = replace(mine, **lies)  # type: ignore[arg-type]
    told = {"another desk": {"rpId": "evil.example"}, "another challenge": {"challenge": "AAAA"}}.get(
        wrong, {}
    )
    answer = liar.sign(asked.options, **told)
    if wrong == "no name":
        answer = answer.replace('"userHandle"', '"other"')
    if wrong == "not json":
        answer = "\x00{"
    if wrong == "NUL":
        answer = answer.replace('{"id": "', '{"id": "\\u0000')
    with sessions.begin() as session:
        if wrong == "removed":
            passkeys.remove(session, here_in(sessions, token, now), _one(session).id, now=now)
        if wrong == "disabled":
            session.get_one(PersonRow, person.id).disabled_at = now
    with pytest.raises(NotAllowed):
        answer_in(sessions, answer, asked.sealed, now)
    assert actions(sessions)[-1] == "sign_in_refused"


def here_in(sessions: Sessions, token: str, now: datetime) -> Person:
    return here(sessions, token, now)


def _one(session: object) -> Passkey:
    return session.scalars(select(Passkey)).one()  # type: ignore[attr-defined, no-any-return]


def test_an_answer_is_for_five_minutes_and_for_what_was_asked(sessions: Sessions, now: datetime) -> None:
    person, mine, _ = owner(sessions, now)
    asked = passkeys.ask_in(KEYS, DESK, now=now)
    for at in (now + timedelta(minutes=5, seconds=1), now - timedelta(seconds=2)):
        with pytest.raises(InvalidInput, match="longer than five minutes"):
            answer_in(sessions, mine.sign(asked.options), asked.sealed, at)
    for purpose in (PROVE.format(person.id), COME_IN + "x"):
        with pytest.raises(InvalidInput), sessions.begin() as session:
            passkeys.accept(session, mine.sign(asked.options), asked.sealed, purpose, KEYS, DESK, now=now)
    with pytest.raises(InvalidInput):
        answer_in(sessions, mine.sign(asked.options), "nothing", now)


def test_of_one_answer_shown_by_many_at_once_one_gets_in(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now)
    mine = device(counts=False)
    add(sessions, come(sessions, person, now), mine, now, current=PASSWORD)
    asked = passkeys.ask_in(KEYS, DESK, now=now)
    answer, came = mine.sign(asked.options), []

    def try_it() -> None:
        with contextlib.suppress(NotAllowed):
            came.append(answer_in(sessions, answer, asked.sealed, now))

    threads = [Thread(target=try_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(came) == 1


def test_strangers_fill_no_table_and_what_was_answered_is_forgotten(
    sessions: Sessions, now: datetime
) -> None:
    _, mine, _ = owner(sessions, now)
    for _ in range(5):
        asked = passkeys.ask_in(KEYS, DESK, now=now)
        with pytest.raises(NotAllowed):
            answer_in(sessions, device().sign(asked.options), asked.sealed, now)
    with sessions.read() as session:
        assert session.scalar(select(func.count()).select_from(UsedChallenge)) == 1, "of adding it"
    later = now + timedelta(minutes=11)
    come_in(sessions, mine, later)
    with sessions.read() as session:
        assert session.scalars(select(UsedChallenge.used_at)).all() == [later]


def test_too_many_wrong_answers_have_to_wait(sessions: Sessions, now: datetime) -> None:
    _, _mine, _ = owner(sessions, now)
    refused = []
    for _ in range(8):
        asked = passkeys.ask_in(KEYS, DESK, now=now)
        with pytest.raises(NotAllowed) as error:
            answer_in(sessions, device().sign(asked.options), asked.sealed, now)
        refused.append(str(error.value))
    assert "Too many attempts" in refused[-1]


def test_beside_a_passkey_no_password_and_no_link_lets_in_alone(sessions: Sessions, now: datetime) -> None:
    person, mine, _ = owner(sessions, now)
    assert enter(sessions, now) is None
    link = link_for(sessions, person, now)
    with pytest.raises(InvalidInput, match="You sign in with a passkey"):
        signin_links.sign_in_by_link(
            sessions, link, visitor=HOME, now=now, new_password="kudu sjokolade olifant 7"
        )
    secret, _ = set_up_codes(sessions, person, now)
    assert enter(sessions, now, shows(secret, now)), "the app goes on working beside it"
    assert come_in(sessions, mine, now)


def test_whoever_another_house_governs_comes_by_its_door(sessions: Sessions, now: datetime) -> None:
    person, mine, token = owner(sessions, now)
    with sessions.begin() as session:
        session.add(PersonIdentity(person_id=person.id, issuer="https://id", subject="7", since=now))
    with pytest.raises(NotAllowed, match="account from elsewhere"):
        come_in(sessions, mine, now, governed=True)
    assert come_in(sessions, mine, now), "where it only lets in, the passkey stands beside it"
    assert prove(sessions, token, mine, now + timedelta(minutes=6))


# -- confirming a step ------------------------------------------------------------------------------


def test_a_passkey_confirms_a_step_for_a_new_token(sessions: Sessions, now: datetime) -> None:
    _, mine, token = owner(sessions, now)
    later = now + timedelta(minutes=6)
    with pytest.raises(Conflict, match="passkey"):
        proving.prove(sessions, token, PASSWORD, KEYS, demo=False, now=later)
    fresh = prove(sessions, token, mine, later)
    assert people.is_proven(here(sessions, fresh, later), now=later)
    assert signin.who(sessions, token, now=later, active=False) is None
    with pytest.raises(NotAllowed, match="not signed in"):
        by_passkey.prove(sessions, token, "", "", KEYS, DESK, now=later)


def test_anothers_passkey_confirms_nothing(sessions: Sessions, now: datetime) -> None:
    person, _, token = owner(sessions, now)
    other = join(sessions, now, name="Sipho")
    theirs = device()
    add(sessions, come(sessions, other, now), theirs, now, current=PASSWORD)
    with sessions.read() as session:
        asked = passkeys.ask_proof(session, person, KEYS, DESK, now=now)
    with pytest.raises(InvalidInput, match="does not fit"):
        by_passkey.prove(sessions, token, theirs.sign(asked.options), asked.sealed, KEYS, DESK, now=now)
    assert signin.who(sessions, token, now=now, active=False), "a wrong one ended the session"
    assert actions(sessions)[-1] == "prove_refused"


# -- removing, and a lost device --------------------------------------------------------------------


def test_removed_it_lets_nobody_in_and_what_came_by_it_is_out(sessions: Sessions, now: datetime) -> None:
    person, mine, token = owner(sessions, now)
    thief = come_in(sessions, mine, now)
    with sessions.read() as session:
        (one,) = passkeys.mine(session, person)
    later = now + timedelta(minutes=6)
    with pytest.raises(ProveAgain):
        by_passkey.remove(sessions, token, one.id, visitor=HOME, now=later)
    fresh = by_passkey.remove(sessions, token, one.id, visitor=HOME, now=now)
    assert signin.who(sessions, thief, now=now, active=False) is None
    assert here(sessions, fresh, now) == person
    with pytest.raises(NotAllowed):
        come_in(sessions, mine, now)
    with pytest.raises(NotFound):
        by_passkey.remove(sessions, fresh, one.id, visitor=HOME, now=now)
    assert enter(sessions, now), "the password is enough again"
    with sessions.read() as session:
        removed = session.scalars(select(AuditEntry).where(AuditEntry.action == "remove_passkey")).one()
        assert removed.detail == {"name": "Phone"}
        assert session.scalar(select(func.count()).select_from(OutboxMail)) == 2


def test_nobody_removes_anothers(sessions: Sessions, now: datetime) -> None:
    person, _, _ = owner(sessions, now)
    other = join(sessions, now, name="Sipho")
    with sessions.begin() as session:
        (one,) = passkeys.mine(session, person)
        with pytest.raises(NotFound):
            passkeys.remove(session, replace(other, proved_at=now), one.id, now=now)


def test_a_lost_device_is_taken_away_by_another_admin(sessions: Sessions, now: datetime) -> None:
    person, mine, token = owner(sessions, now)
    admin = join(sessions, now, name="Naledi", role=Role.ADMIN, password=None)
    with sessions.begin() as session:
        second_factor.reset(session, replace(admin, proved_at=now), person.id, now=now)
    assert signin.who(sessions, token, now=now, active=False) is None
    with pytest.raises(NotAllowed):
        come_in(sessions, mine, now)
    assert actions(sessions)[-2] == "reset_codes"
    with sessions.read() as session:
        views = {view.id: view.has_passkeys for view in staff.list_people(session, admin, now=now)}
    assert views[person.id] is False
