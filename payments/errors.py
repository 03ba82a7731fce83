"""One tree of errors. A message is a sentence that a colleague can act on.

PaymentsError
├── InvalidInput             the person can fix it
│   └── StatementFormatError a bank or payout file that is refused whole: file, line, reason
│       └── UnknownLayout    no reader knows it; carries its first rows, for a mapping
├── NotFound
├── NotAllowed               this person, this event, this action
│   └── ProveAgain           they may, once they have proved again who they are
├── Conflict                 true, but not now: already paid, illegal transition
├── NotFromGateway           an event that fails verification (the reason is for our log, not for the sender)
├── CannotOpen               something encrypted whose key is not here, or that was changed
├── NotKept                  a message that is not on disk: whoever sent it must send it again
└── GatewayError
    ├── GatewayUnavailable   nothing was sent, or only read: safe to ask again
    ├── GatewayRefused       it said no: code and text
    └── OutcomeUnknown       sent, no answer: it may exist, look it up first

They are caught at the three doors: ``ui.error_boundary``, ``webhook.py``, ``manage.py``.
Anything else is a bug and shows a traceback.
"""

#: So much of somebody's own words is repeated where they are refused.
LONGEST_TOLD = 60


def briefly(words: str) -> str:
    """Somebody's own words as a sentence repeats them: long ones by their beginning, with a sign of it."""
    return words if len(words) <= LONGEST_TOLD else f"{words[:LONGEST_TOLD]}…"


def quoted(words: object) -> str:
    """The same within quotation marks; signs that nobody sees are spelled out."""
    told = (one if one.isprintable() else one.encode("unicode_escape").decode() for one in str(words))
    return f"“{''.join(told)}”"


class PaymentsError(Exception):
    """Something a person can act on."""


class InvalidInput(PaymentsError):
    """What was typed or sent cannot be used; the message says what to change."""


class StatementFormatError(InvalidInput):
    """A bank or payout file that is refused whole; nothing of it is used.

    ``line`` is the row of the file, counted from 1 as a spreadsheet counts, where one is to blame.
    """

    def __init__(self, file: str, line: int | None, reason: str) -> None:
        super().__init__(f"{file}, row {line}: {reason}" if line else f"{file}: {reason}")
        self.file, self.line, self.reason = file, line, reason

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.file, self.line, self.reason)


class OtherAccount(InvalidInput):
    """A file says that it is of another account: of ``account_id``, or of one of this ``number`` that is not
    here yet."""

    def __init__(self, sentence: str, number: str, account_id: int | None) -> None:
        super().__init__(sentence)
        self.number, self.account_id = number, account_id

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.number, self.account_id)


class UnknownLayout(StatementFormatError):
    """No reader knows this file. Its first rows are here, so that a person can say what its columns mean."""

    def __init__(
        self, file: str, line: int | None, reason: str, rows: tuple[tuple[str, ...], ...] = ()
    ) -> None:
        super().__init__(file, line, reason)
        self.rows = rows

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.file, self.line, self.reason, self.rows)


class NotFound(PaymentsError):
    """There is no such thing, or it is not this person's to see: both read the same."""


class NotAllowed(PaymentsError):
    """This person may not do this here.

    ``by`` is the person, where one was refused what they asked for: then it is ``kept`` in the audit, once.
    """

    def __init__(
        self, sentence: str, *, by: object = None, what: str = "", event_id: int | None = None
    ) -> None:
        super().__init__(sentence)
        self.by, self.what, self.event_id = by, what, event_id
        self.kept = False


class ProveAgain(NotAllowed):
    """They may do this, and must first prove again who they are: it is too long ago."""


class Conflict(PaymentsError):
    """Understood, but not now: it is paid already, being made, or the step is not a legal one."""


class NotFromGateway(PaymentsError):
    """An event that fails verification. The reason is for our log, never for the sender."""


class CannotOpen(PaymentsError):
    """Something encrypted that cannot be read: its key is not here, or it is not as it was kept."""


class NotKept(PaymentsError):
    """A message that could not be kept. Nothing of it is stored that counts; it must be sent again."""


class GatewayError(PaymentsError):
    """The gateway could not, would not, or did not say."""


class GatewayUnavailable(GatewayError):
    """Nothing was sent, or we only read: it is safe to ask again."""


class GatewayRefused(GatewayError):
    """The gateway said no."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(
            f"The gateway refused ({code}): {text}" if text else f"The gateway refused ({code})."
        )
        self.code = code
        self.text = text


class OutcomeUnknown(GatewayError):
    """We asked for a link and heard nothing. It will be looked up; do not create another."""
