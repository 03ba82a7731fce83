"""Which passwords are good enough, and what keeping and comparing them takes."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Event

import argon2
import psutil
import pytest
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from db.models import PersonRow
from db.session import Sessions
from payments.access import passwords, signin
from payments.access.guessable import BESIDE_A_CODE, why_easy
from payments.errors import InvalidInput
from tests.test_signin import HOME, PASSWORD, join


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("fourteen chars", id="fourteen characters"),
        pytest.param("x7" * 65, id="130 characters"),
        pytest.param("passwordpassword", id="a common word twice"),
        pytest.param("Password12345678!", id="a common word and a row of digits"),
        pytest.param("qwertyuiopasdfghjkl", id="along the keyboard"),
        pytest.param("qazwsxedcrfvtgb", id="across the keyboard"),
        pytest.param("0987654321098765", id="digits backwards"),
        pytest.param("abcdefghijklmnop", id="the alphabet"),
        pytest.param("correcthorsebatterystaple", id="everybody's example"),
        pytest.param("aaaaaaaaaaaaaaaaaaaa", id="one letter"),
        pytest.param("zulu42!zulu42!zulu42!", id="one word over and over"),
        pytest.param("ThandiNkosi2026thandi", id="their own name"),
        pytest.param("thandi@example.org", id="their own address"),
        pytest.param(" " * 20, id="spaces"),
    ],
)
def test_a_password_that_is_guessed_early_is_refused(password: str) -> None:
    with pytest.raises(InvalidInput, match="password"):
        passwords.hashed(password, about=("Thandi Nkosi", "thandi@example.org"))


def test_none_of_the_ten_thousand_used_most_is_taken_however_short_it_may_be() -> None:
    first = FREQUENCY_LISTS["passwords"][:10_000]
    assert len(set(first)) == 10_000
    for spelling in (str, str.upper, str.title):
        taken = [word for word in first if not why_easy(spelling(word), (), least=BESIDE_A_CODE)]
        assert taken == []
    for word in ("baseball", "Princess1", "trustno1", "qwertyuiop"):
        with pytest.raises(InvalidInput, match="guessed: it is made of passwords"):
            passwords.hashed(word, shortest=passwords.WITH_CODE)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("P@ssw0rd12345678", "passwords that very many people use"),
        ("drowssapdrowssap", "the same over and over"),
        ("sunshine football", "passwords that very many people use"),
        ("thandi example org 2026", "without your name"),
        ("Paydesk2026Paydesk!", "without your name, your address and this desk's words"),
        ("mnbvcxzlkjhgfdsa", "passwords that very many people use|along the keyboard"),
        ("2026-11-26 26/11/2026", "a date"),
    ],
)
def test_why_a_password_is_refused_is_said(password: str, why: str) -> None:
    """And none of it is in the sentence."""
    with pytest.raises(InvalidInput, match=why) as refused:
        passwords.hashed(password, about=("Thandi Nkosi", "thandi@example.org"))
    assert password not in str(refused.value)
    assert "Take three or four words" in str(refused.value)


@pytest.mark.usefixtures("strong_passwords")
@pytest.mark.parametrize(
    "password",
    [
        pytest.param("p7#kQ!v9zR2m&Lx", id="fifteen characters"),
        pytest.param("Ingwenya 🐊 en 'n sebra\x00", id="any character"),
        pytest.param("".join(chr(0x4E00 + n * n % 5003) for n in range(128)), id="128 characters of Unicode"),
        pytest.param("  drie olifante koop sjokolade  ", id="outer spaces are part of it"),
    ],
)
def test_a_good_password_is_kept_whole(password: str) -> None:
    kept = passwords.hashed(password)
    assert passwords.fits(kept, password)
    assert not passwords.fits(kept, password[:-1])
    assert not passwords.fits(kept, password.strip(" ")) or password == password.strip(" ")
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=1$")


def test_one_password_spelled_in_two_ways_is_one() -> None:
    assert passwords.fits(passwords.hashed("café café fünf öl"), "cafe\u0301 cafe\u0301 fu\u0308nf o\u0308l")


def test_a_megabyte_of_password_is_refused_and_not_hashed() -> None:
    kept = passwords.hashed(PASSWORD)
    assert not passwords.fits(kept, PASSWORD + "x" * 1_000_000)
    assert not passwords.fits(kept, "\ud800" * 20)


def test_at_most_two_hashes_are_made_at_once() -> None:
    """Fifty sign-ins at once took 2.5 GB."""
    with passwords._TWO_AT_ONCE, passwords._TWO_AT_ONCE, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(passwords.fits, None, PASSWORD)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=1)
        passwords._TWO_AT_ONCE.release()
        assert waiting.result(timeout=30) is False
        assert passwords._TWO_AT_ONCE.acquire(timeout=30)


@pytest.mark.usefixtures("strong_passwords")
def test_a_hash_of_earlier_days_is_made_anew_on_sign_in(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now)
    old = argon2.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    with sessions.begin() as session:
        session.get_one(PersonRow, person.id).password_hash = old
    assert signin.sign_in(sessions, person.email, PASSWORD, visitor=HOME, now=now)
    with sessions.read() as session:
        kept = session.get_one(PersonRow, person.id).password_hash
    assert kept is not None
    assert kept != old
    assert passwords.renewed(kept, PASSWORD) is None
    assert passwords.fits(kept, PASSWORD)


@pytest.mark.usefixtures("strong_passwords")
def test_many_sign_ins_at_once_take_the_memory_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty took 2.5 GB, and twelve would take 768 MB. One pass in place of three: the memory is the same."""
    monkeypatch.setattr(passwords, "_HASHER", argon2.PasswordHasher(1, 64 * 1024, 1))
    passwords.fits(None, PASSWORD)
    this, most = psutil.Process(), [0]
    before, over = this.memory_info().rss, Event()

    def look() -> None:
        while not over.wait(0.005):
            most.append(this.memory_info().rss - before)

    with ThreadPoolExecutor(13) as pool:
        looking = pool.submit(look)
        tried = [pool.submit(passwords.fits, None, PASSWORD) for _ in range(12)]
        assert not any(one.result(timeout=120) for one in tried)
        over.set()
        looking.result(timeout=10)
    assert max(most) > 32 * 1024**2, "nothing was seen of any"
    assert max(most) < 200 * 1024**2
