"""How the simulator misbehaves: switches, all off by default."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from payments.errors import InvalidInput, quoted

CHOICES: Mapping[str, tuple[str, ...]] = {
    "create": (
        "ok",
        "code-99",  # HTTP 200, responseCode 99: no link
        "400",
        "403",
        "429",
        "500",
        "500-after",  # the link is made, the answer says 500
        "html",
        "slow",  # waits slow_s, then makes the link: long after an impatient client gave up
        "drop-before",  # hangs up without an answer, no link made
        "drop-after",  # hangs up without an answer, link made
    ),
    "status": ("ok", "403", "429", "500", "html", "slow", "drop"),
    "verify": ("canonical", "raw", "either"),
    "history_under": ("", "payments", "data", "transactions", "content"),
    "webhook": ("send", "drop"),
    "webhook_per": ("attempt", "link"),
}
#: Switches that may be null.
NULLABLE = ("status_word", "webhook_text")
_HIGHEST = 3_600


@dataclass(frozen=True)
class Switches:
    create: str = "ok"
    status: str = "ok"  # of both status calls and the history
    slow_s: int = 20
    answer_ms: int = 0  # before each answer, as a gateway far away takes
    bad_signature_status: int = 401
    unknown_reference_status: int = 404
    verify: str = "canonical"  # which body the signature is checked over: re-serialised, as sent, either
    status_word: str | None = None  # answered in place of the true word
    amount_off_by: int = 0  # cents added to the amount a status answers
    history_under: str = ""  # the key the history is wrapped in; a bare array when empty
    webhook: str = "send"
    webhook_per: str = "attempt"  # or once a link: what comes after the first attempt is silent
    webhook_text: str | None = None  # a field ``text`` put in after signing
    webhook_copies: int = 1
    webhook_delay_s: int = 0
    webhook_failure_after_success: bool = False
    webhook_wrong_signature: bool = False
    webhook_wrong_app_id: bool = False
    webhook_lower_case: bool = False
    webhook_retries: int = 4  # on no answer or one that is not 2xx; waits 1, 2, 4 … × webhook_retry_s
    webhook_retry_s: int = 1

    def with_changes(self, changes: Any) -> "Switches":
        """These switches with some set anew. Raises InvalidInput naming the first that cannot be."""
        if not isinstance(changes, dict):
            raise InvalidInput("Switches are a JSON object.")
        for name, value in changes.items():
            self._check(name, value)
        return replace(self, **changes)

    def _check(self, name: str, value: Any) -> None:
        known = {field.name for field in fields(self)}
        if name not in known:
            raise InvalidInput(f"There is no switch {quoted(name)}. There are {', '.join(sorted(known))}.")
        if name in CHOICES and value not in CHOICES[name]:
            raise InvalidInput(f"{name} is one of {', '.join(CHOICES[name])}, not {quoted(value)}.")
        default = getattr(self, name)
        fits = isinstance(value, str | None) if name in NULLABLE else type(value) is type(default)
        if not fits or (type(value) is int and not -_HIGHEST <= value <= _HIGHEST):
            raise InvalidInput(f"{quoted(value)} is no value for the switch {name}.")
