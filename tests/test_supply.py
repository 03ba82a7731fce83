"""What is red in the supply of packages is seen: a file without a hash, a secret that was committed once."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests import supply


@pytest.mark.parametrize("name", supply.LOCKS)
def test_our_locks_name_each_file_by_its_hash_and_one_index(name: str) -> None:
    answer = supply.locked(supply.ROOT / name)
    assert answer.well, answer.says


@pytest.mark.parametrize(
    "more, says",
    [
        pytest.param("another==1.0\n", "another has no hash", id="no hash"),
        pytest.param("another>=1.0 --hash=sha256:00\n", "another has no hash", id="no version"),
        pytest.param("--extra-index-url https://example.org\n", "another source", id="a second index"),
        pytest.param(
            "another @ https://example.org/a.whl --hash=sha256:00\n", "another source", id="an address"
        ),
    ],
)
def test_what_is_loose_in_a_lock_is_named(tmp_path: Path, more: str, says: str) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("one==1.0 \\\n    --hash=sha256:11\n" + more)
    answer = supply.locked(lock)
    assert (answer.well, says in answer.says) == (False, True), answer.says


def test_a_file_that_is_another_than_its_hash_says_is_not_installed(tmp_path: Path) -> None:
    wheel = tmp_path / "invented-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as made:
        made.writestr("invented.py", "")
        made.writestr(
            "invented-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: invented\nVersion: 1.0\n"
        )
        made.writestr(
            "invented-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        made.writestr("invented-1.0.dist-info/RECORD", "")
    good = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = tmp_path / "requirements.lock"
    install = [
        sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", str(tmp_path),
        "--dry-run", "--require-hashes", "--disable-pip-version-check", "-r", str(lock),
    ]  # fmt: skip
    for digest, code in ((good, 0), (good[::-1], 1)):
        lock.write_text(f"invented==1.0 --hash=sha256:{digest}\n")
        done = subprocess.run(install, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stderr
    assert "DO NOT MATCH THE HASHES" in done.stderr


SKIPPED = {"dependencies": [{"name": "a", "skip_reason": "not found"}]}
KNOWN = {"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1"}]}]}


@pytest.mark.parametrize(
    "tool, says",
    [
        pytest.param("raise SystemExit('no network')", "NOT AUDITED: no network", id="it could not look"),
        pytest.param(f"print({json.dumps(SKIPPED)!r})", "NOT AUDITED: a", id="it left one out"),
        pytest.param(f"print({json.dumps(KNOWN)!r})", "a 1: CVE-1", id="it found one"),
    ],
)
def test_an_audit_that_could_not_look_is_red_and_says_so(tmp_path: Path, tool: str, says: str) -> None:
    answer = supply.audited(tmp_path / "requirements.lock", [sys.executable, "-c", tool])
    assert (answer.well, answer.says) == (False, says)
    nobody = supply.audited(tmp_path / "requirements.lock", [str(tmp_path / "no such tool")])
    assert (nobody.well, nobody.says) == (False, "NOT AUDITED: FileNotFoundError")


def test_an_audit_that_looked_and_found_nothing_is_green(tmp_path: Path) -> None:
    tool = 'print(\'{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}\')'
    assert supply.audited(tmp_path / "lock", [sys.executable, "-c", tool]).well


def test_every_package_says_a_licence_that_a_company_may_use() -> None:
    answer = supply.licensed(supply.ROOT / "requirements.lock")
    assert answer.well, answer.says


# -- secrets ------------------------------------------------------------------------------------------

#: Put together here, so that this file holds none.
PLANTED = {
    "an application of iKhokha": "IK" + "7Q2M9XTR4W8ZB1VC6N3KPD5HJFLSGY0A"[:30],
    "a key of Amazon": "AKIA" + "Q3EGRVXW7ZPT2MLN",
    "a private key": "-----BEGIN " + "PRIVATE KEY-----",
    "a text that looks drawn, called a secret": 'IKHOKHA_SECRET_KEY="' + "xK9vQ2mZ7rT4wB8nL5pD3hJ6" + '"',
    "an address with a password": "postgresql://paydesk:" + "correct-horse-9@db.internal/paydesk",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    commit(
        tmp_path,
        "notes.txt",
        "The secret of a good desk is: it adds up.\ntoken = take_the_first_one_of_them\n",
    )
    return tmp_path


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=Thandi", "-c", "user.email=thandi@example.org")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "A change")


def test_prose_and_plain_code_are_no_secrets(repository: Path) -> None:
    assert supply.secrets(repository) == []


def test_a_planted_secret_is_found_also_when_it_was_taken_out_again(repository: Path) -> None:
    for text in PLANTED.values():
        commit(repository, "settings.txt", f"{text}\n")
        commit(repository, "settings.txt", "nothing\n")
    git(repository, "checkout", "--quiet", "-b", "aside")
    assert {one.kind for one in supply.secrets(repository)} == set(PLANTED)
    answer = supply.no_secrets(repository)
    assert not answer.well
    assert not any(text in answer.says for text in PLANTED.values()), "it repeats what should not be read"


def test_there_is_none_in_our_own_history() -> None:
    if not (supply.ROOT / ".git").exists():
        pytest.skip("this is no git repository")
    answer = supply.no_secrets(supply.ROOT)
    assert answer.well, answer.says
