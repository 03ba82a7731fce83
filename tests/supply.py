"""What Paydesk is made of, and where that comes from: `make supply`. Exit 1 when an answer is red.

Locked: every file of every package is named by its hash, and comes from one index. Advisories: what is known
against them, or that nobody could look. Licences: what they ask of us. Secrets: none in any commit.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from math import log2
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock")
#: Run by uv in an environment of their own: what they bring along is none of the desk's.
AUDIT = ("pip-audit==2.10.1", "pip-audit", "--strict", "--disable-pip", "--require-hashes", "--format=json")
SBOM = ("cyclonedx-bom==7.5.0", "cyclonedx-py", "requirements", "--output-format=JSON", "--sv=1.6")


@dataclass(frozen=True)
class Answer:
    question: str
    well: bool
    says: str


# -- locked -------------------------------------------------------------------------------------------


def locked(lock: Path) -> Answer:
    """Each package has a version and a hash, and there is no second place to take one from."""
    entries = re.split(r"^(?=[A-Za-z0-9])", lock.read_text(), flags=re.MULTILINE)[1:]
    names = [re.split(r"[^A-Za-z0-9_.-]", each, maxsplit=1)[0] for each in entries]
    loose = [
        name
        for name, each in zip(names, entries, strict=True)
        if "==" not in each or "--hash=sha256:" not in each
    ]
    other = re.findall(
        r"^--(?:extra-)?index-url.*|^--find-links.*|^-e .*|.* @ .*", lock.read_text(), re.MULTILINE
    )
    faults = [*(f"{name} has no hash" for name in loose), *(f"another source: {line}" for line in other)]
    return Answer(
        f"locked {lock.name}", not faults, "; ".join(faults) or f"{len(entries)} packages, each with hashes"
    )


# -- advisories ---------------------------------------------------------------------------------------


def audited(lock: Path, tool: Sequence[str] | None = None) -> Answer:
    """What is known against the packages. Who could not look has found nothing out, and that is red."""
    question = f"advisories {lock.name}"
    command = [*(tool or [_uv(), "tool", "run", "--from", *AUDIT]), f"--requirement={lock}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        told = json.loads(done.stdout)["dependencies"]
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
        said = getattr(locals().get("done"), "stderr", "").strip().splitlines()
        return Answer(question, False, f"NOT AUDITED: {said[-1].strip() if said else type(error).__name__}")
    known = [
        f"{each['name']} {each['version']}: {one['id']}" for each in told for one in each.get("vulns", ())
    ]
    skipped = [each["name"] for each in told if "skip_reason" in each]
    if skipped:
        return Answer(question, False, f"NOT AUDITED: {', '.join(skipped)}")
    return Answer(question, not known, "; ".join(known) or f"none is known against {len(told)} packages")


def _uv() -> str:
    return str(Path(sys.executable).with_name("uv"))


def sbom(lock: Path, to: Path) -> Answer:
    """A bill of materials as CycloneDX has it, for whoever asks what is in a release."""
    command = [_uv(), "tool", "run", "--from", *SBOM, str(lock), f"--output-file={to}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        return Answer("sbom", False, f"NOT MADE: {done.stderr.strip().splitlines()[-1]}")
    parts = json.loads(to.read_text())["components"]
    return Answer("sbom", bool(parts), f"{to} names {len(parts)} packages")


# -- licences -----------------------------------------------------------------------------------------

#: Ask for the source of whatever is shipped together with them, or served by it.
_REFUSED = re.compile(r"\bA?GPL|Affero|SSPL|Commons Clause|BUSL", re.IGNORECASE)
_LESSER = re.compile(r"LGPL|Lesser", re.IGNORECASE)
#: Looked at by a person: why it may stay.
ACCEPTED = {
    "ofxtools": "GPL-3.0-only: Paydesk is run and not handed on; whoever hands it on, hands on its source so",
    "pysqlite3": "its files say zlib, its metadata nothing",
}


def licences(lock: Path) -> dict[str, str]:
    """By package, as it says itself; "" where it says nothing."""
    names = re.findall(r"^([A-Za-z0-9_.-]+)==", lock.read_text(), re.MULTILINE)
    return {name: _licence(name) for name in names if _is_here(name)}


def _is_here(name: str) -> bool:
    try:
        metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return False  # for another system or Python
    return True


def _licence(name: str) -> str:
    told = metadata.metadata(name)
    classes = [
        line.rpartition(" :: ")[2] for line in told.get_all("Classifier", []) if line.startswith("License")
    ]
    first = (told.get("License") or "").strip().splitlines()
    return told.get("License-Expression") or " or ".join(classes) or (first[0][:60] if first else "")


def licensed(lock: Path) -> Answer:
    found = licences(lock)
    found = {name: said for name, said in found.items() if name not in ACCEPTED}
    unknown = [f"{name} names none" for name, said in found.items() if not said]
    refused = [
        f"{name}: {said}"
        for name, said in found.items()
        if _REFUSED.search(said) and not _LESSER.search(said)
    ]
    counted = Counter(found.values()).most_common(6)
    told = ", ".join(f"{said} {count}" for said, count in counted)
    return Answer(
        "licences",
        not (unknown or refused),
        "; ".join(unknown + refused) or f"{len(found)}: {told} …; looked at: {', '.join(ACCEPTED)}",
    )


# -- secrets ------------------------------------------------------------------------------------------

#: What is a secret by its looks.
_ALWAYS = {
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"),
    "a key of Amazon": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a token of GitHub": re.compile(r"\b(?:ghp|gho|ghs|github_pat)_[A-Za-z0-9_]{30,}\b"),
    "a token of Slack": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{20,}"),
    "an application of iKhokha": re.compile(r"\bIK[A-Z0-9]{30}\b"),
    "an address with a password": re.compile(
        r"\b[a-z+]{3,}://[^/\s:@{}$<]+:([^/\s@{}$<]{10,})@(?!\S*example\.org)"
    ),
}
#: What is one when it looks drawn: a name, and a long text without words.
_NAMED = re.compile(
    r"""(?i)(?:secret|token|passw(?:or)?d|api_?key|private_?key|encryption_keys|audit_keys)[a-z_]*["']?\s*[:=]\s*["']?"""
    r"""([A-Za-z0-9+/=_:.-]{24,})"""
)
_DRAWN_BITS = 3.9


@dataclass(frozen=True)
class Secret:
    commit: str
    file: str
    kind: str
    text: str


def secrets(repository: Path) -> list[Secret]:
    """Every line that any commit ever added, on every branch; once each."""
    log = [
        "git",
        "log",
        "--all",
        "--no-color",
        "--no-ext-diff",
        "-p",
        "-U0",
        "--format=commit %H",
        "--no-textconv",
    ]
    with subprocess.Popen(
        log, cwd=repository, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        assert process.stdout
        found = list(_found(process.stdout))
    if process.returncode:
        raise RuntimeError("git could not read the history")
    return list({(one.file, one.text): one for one in found}.values())


def _found(lines: Iterable[str]) -> Iterator[Secret]:
    commit = file = ""
    for line in lines:
        if line.startswith("commit "):
            commit = line.split()[1]
        elif line.startswith("+++ "):
            file = line[4:].strip().removeprefix("b/")
        elif line.startswith("+") and len(line) < 5_000:
            for kind, text in _in(line[1:]):
                yield Secret(commit[:12], file, kind, text)


def _in(line: str) -> Iterator[tuple[str, str]]:
    for kind, looks in _ALWAYS.items():
        for match in looks.finditer(line):
            yield kind, match[0]
    for match in _NAMED.finditer(line):
        if _bits(match[1]) >= _DRAWN_BITS and re.search(r"[0-9]", match[1]):
            yield "a text that looks drawn, called a secret", match[1]


def _bits(text: str) -> float:
    """Of each character: prose has about three and a half, base64 five and more."""
    return -sum(n / len(text) * log2(n / len(text)) for n in Counter(text).values())


#: Looked at, and none: why.
KNOWN = {
    "IK1234567890ABCDEF1234567890ABCD": "counted through",
    "IKTESTAPPID000000000000000000001": "says so",
    "test-secret-DO-NOT-USE-0123456789": "says so",
}


def no_secrets(repository: Path) -> Answer:
    found = [one for one in secrets(repository) if one.text not in KNOWN]
    told = "; ".join(f"{one.kind} in {one.file} ({one.commit}): {one.text[:6]}…" for one in found[:10])
    return Answer("secrets", not found, told or "none in any commit")


def main() -> int:
    answers = [
        *(locked(ROOT / name) for name in LOCKS),
        audited(ROOT / LOCKS[0]),
        licensed(ROOT / LOCKS[0]),
        no_secrets(ROOT),
    ]
    for answer in answers:
        print(f"{'green' if answer.well else 'RED':<6} {answer.question}: {answer.says}")
    return 0 if all(answer.well for answer in answers) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["sbom"]:
        made = sbom(ROOT / LOCKS[0], Path(sys.argv[2]))
        print(made.says)
        sys.exit(not made.well)
    sys.exit(main())
