"""One record of the earlier system, read: what it says of a payment, and what of it cannot be believed.

The earlier system never asked whether money had come. So *approved*, which a person set, is paid, verified by
hand; *paid*, which the return of a browser set, is only a claim. Whatever is missing, unknown or unreadable
is an issue of the record, and no issue keeps a record out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from db.money import CURRENCIES, LARGEST_MINOR, NBSP, Money
from payments.dates import SAST
from payments.errors import InvalidInput, quoted
from payments.lifecycle import Method, Status
from payments.payers import contacts
from payments.privacy import PLAIN, clean, mask_card_numbers


class Way(StrEnum):
    """How a payer was to pay."""

    ONLINE = "online"
    MANUAL = "manual"  # by EFT, with a proof on file
    UNKNOWN = "unknown"
    DEMO = "demo"  # a trial of the earlier system: never money


class Fault(StrEnum):
    """Why a person should look at a record."""

    NO_RECORD = "no_record"
    AMOUNT_MISSING = "amount_missing"
    AMOUNT_ZERO = "amount_zero"
    AMOUNT_UNREADABLE = "amount_unreadable"
    CURRENCY_DIFFERS = "currency_differs"
    RAND_UNKNOWN = "rand_unknown"
    EXTRAS_APART = "extras_apart"
    STATUS_UNKNOWN = "status_unknown"
    STATUS_TWICE = "status_twice"
    DATE_MISSING = "date_missing"
    DATE_UNREADABLE = "date_unreadable"
    NAME_MISSING = "name_missing"
    EMAIL_UNREADABLE = "email_unreadable"
    PHONE_UNREADABLE = "phone_unreadable"
    TEXT_CUT = "text_cut"
    EVENT_MISSING = "event_missing"
    PROOF_MISSING = "proof_missing"
    REFERENCE_TWICE = "reference_twice"
    KEY_TWICE = "key_twice"
    CHANGED = "changed"


@dataclass(frozen=True)
class Issue:
    fault: Fault
    sentence: str


@dataclass(frozen=True)
class Proof:
    """What the record tells of a proof. ``link`` is text, and never fetched; "" when there is none."""

    name: str
    size: str
    uploaded: str
    link: str

    @property
    def told(self) -> str:
        parts = [self.name or "a proof", self.size and f"{self.size} bytes", self.uploaded]
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class OldRecord:
    """A record as the desk understands it. ``amount`` is nothing where none could be read.

    ``word`` is its status as it was written. ``extra`` are texts it is found by, beside the payer's.
    """

    shape: str
    way: Way
    word: str
    status: Status
    amount: Money
    name: str
    email: str
    phone: str
    event_code: str
    event_name: str
    category: str
    made_at: datetime | None
    settled_at: datetime | None
    verified_by: str
    references: tuple[str, ...]
    extra: tuple[str, ...]
    told: Mapping[str, str]
    proof: Proof | None
    issues: tuple[Issue, ...]

    @property
    def method(self) -> Method | None:
        """``gateway`` is iKhokha's; how another gateway was paid, no record tells."""
        if self.way is Way.ONLINE:
            return Method.GATEWAY if self.told["payment_method"].lower() == "ikhokha" else None
        return Method.EFT if self.way is Way.MANUAL else None


DEMO_PREFIX = "DEMO_"
#: The words of the earlier system. *paid* was set without asking anybody.
STATUSES: Mapping[str, Status] = {
    "": Status.OPEN,
    "pending": Status.OPEN,
    "approved": Status.PAID,
    "paid": Status.CLAIMED,
    "rejected": Status.FAILED,
    "failed": Status.FAILED,
    "cancelled": Status.CANCELLED,
    "canceled": Status.CANCELLED,
    "waived": Status.WAIVED,
}
_PROOF_FIELDS = ("payment_proof", "payment_proof_url", "payment_metadata")
_STAMPED = re.compile(r"payments/[0-9]{8,}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNIX = re.compile(r"[0-9]{10}(?:[0-9]{3})?(?:\.[0-9]+)?")
_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d")
_SYMBOLS = {"R": "ZAR", "ZAR": "ZAR", "$": "USD", "US$": "USD", "USD": "USD", "€": "EUR", "EUR": "EUR",
            "£": "GBP", "GBP": "GBP"}  # fmt: skip
_SIGNED = re.compile(r"(US\$|[R$€£]|[A-Za-z]{3})?\s*(-?[0-9][0-9 ,.]*)\s*([A-Za-z]{3})?", re.ASCII)


def read(fields: Mapping[str, Any], currency: str) -> OldRecord:
    """What a record says, its amount taken to be in ``currency``. Raises ValueError for an unknown one."""
    if currency not in CURRENCIES:
        raise ValueError(currency)
    return _Reader(fields, currency).read()


class _Reader:
    """Reads one record and gathers what is to be said of it."""

    def __init__(self, fields: Mapping[str, Any], currency: str) -> None:
        self.fields, self.currency = fields, currency
        self.issues: list[Issue] = []
        self.texts: dict[str, str] = {}

    def say(self, fault: Fault, sentence: str) -> None:
        self.issues.append(Issue(fault, sentence))

    def read(self) -> OldRecord:
        references = tuple(
            dict.fromkeys(
                filter(None, map(self.text, ("transaction_reference", "payment_reference", "payment_id")))
            )
        )
        way = self.way(references)
        word, status = self.status()
        made_at, settled_at = self.moments(status)
        name, email, phone, unread = self.payer()
        code, event_name = self.text("conference_code"), self.text("conference_name")
        if not code and not event_name:
            self.say(Fault.EVENT_MISSING, "It names no conference. Move it to its event.")
        amount = self.amount(way)
        told = {field: self.text(field) for field in _TOLD}
        return OldRecord(
            shape=self.shape(),
            way=way,
            word=word,
            status=status,
            amount=amount,
            name=name,
            email=email,
            phone=phone,
            event_code=code,
            event_name=event_name,
            category=told["registration_type"],
            made_at=made_at,
            settled_at=settled_at,
            verified_by=self.text("updated_by"),
            references=references,
            extra=tuple(filter(None, (*unread, told["institution"], self.text("user_id")))),
            told={field: value for field, value in told.items() if value},
            proof=self.proof(way),
            issues=tuple(self.issues),
        )

    # -- texts ----------------------------------------------------------------------------------------

    def text(self, field: str, longest: int = 200) -> str:
        """A field as one line of text, fit to keep. What does not fit is cut, and that is said once."""
        if field not in self.texts:
            self.texts[field] = self._text(field, longest)
        return self.texts[field]

    def _text(self, field: str, longest: int) -> str:
        value = self.fields.get(field)
        if value is None or isinstance(value, (dict, list)):
            return ""
        plain = _line_of(str(value))
        if len(plain) > longest:
            self.say(Fault.TEXT_CUT, f"{field} has {len(plain)} characters; the first {longest} are shown.")
        return plain[:longest]

    def payer(self) -> tuple[str, str, str, list[str]]:
        """Name, e-mail address, phone, and what could not be read of the last two."""
        name, unread = self.text("full_name", 120), []
        found = {}
        for field, fault, reader in (
            ("email", Fault.EMAIL_UNREADABLE, contacts.email_address),
            ("phone", Fault.PHONE_UNREADABLE, contacts.phone_number),
        ):
            written = self.text(field)
            try:
                found[field] = reader(written)
            except InvalidInput as error:
                found[field] = ""
                unread.append(written)
                self.say(fault, str(error))
        if not name:
            self.say(Fault.NAME_MISSING, "It has no name.")
        return name or found["email"] or "No name", found["email"], found["phone"], unread

    # -- what kind of record --------------------------------------------------------------------------

    def way(self, references: tuple[str, ...]) -> Way:
        if any(reference.upper().startswith(DEMO_PREFIX) for reference in references):
            return Way.DEMO
        if self.text("payment_method").lower() in ("ikhokha", "yoco"):
            return Way.ONLINE
        return Way.MANUAL if any(self.fields.get(field) for field in _PROOF_FIELDS) else Way.UNKNOWN

    def shape(self) -> str:
        """Which of the nine kinds of record this is; ``other`` is none of them."""
        fields, proof = self.fields, self.fields.get("payment_proof")
        method = self.text("payment_method").lower()
        return next(
            (
                shape
                for shape, fits in (
                    ("L6", isinstance(fields.get("paper"), dict)),
                    ("L9", method == "yoco"),
                    ("L8", method == "ikhokha"),
                    ("L5", bool(fields.get("payment_metadata"))),
                    ("L4", isinstance(proof, dict)),
                    ("L3", bool(fields.get("payment_proof_url"))),
                    ("L2", isinstance(proof, str) and bool(_STAMPED.match(proof))),
                    ("L1", isinstance(proof, str) and proof != ""),
                    ("L7", "status" in fields and "payment_status" in fields),
                )
                if fits
            ),
            "other",
        )

    def status(self) -> tuple[str, Status]:
        """The record's word and what it means here. ``payment_status`` tells of the payment, before
        ``status``, which may tell of the paper."""
        payment, other = self.text("payment_status"), self.text("status")
        if payment and other and payment.lower() != other.lower():
            self.say(
                Fault.STATUS_TWICE,
                f"payment_status says {quoted(payment)} and status says {quoted(other)}; the first is taken.",
            )
        word = payment or other
        if word.lower() not in STATUSES:
            self.say(Fault.STATUS_UNKNOWN, f"{quoted(word)} is no status we know. It stands as waiting.")
            return word, Status.OPEN
        return word, STATUSES[word.lower()]

    # -- money ----------------------------------------------------------------------------------------

    def amount(self, way: Way) -> Money:
        nothing = Money(0, self.currency)
        field = next((one for one in ("total_amount", "registration_fee") if self._given(one)), None)
        if field is None:
            self.say(Fault.AMOUNT_MISSING, "It has no amount.")
            return nothing
        if field == "registration_fee" and (extras := self._extras()):
            self.say(
                Fault.EXTRAS_APART, f"Beside the registration fee it names {extras}, which is not in it."
            )
        value = self.fields[field]
        try:
            minor = self._minor(value)
        except (ValueError, InvalidOperation):
            self.say(Fault.AMOUNT_UNREADABLE, f"{field} is {_short(value)}, which is no amount.")
            return nothing
        if minor is None:
            self.say(
                Fault.CURRENCY_DIFFERS, f"{field} is {_short(value)}, and the file is in {self.currency}."
            )
            return nothing
        if minor == 0:
            self.say(Fault.AMOUNT_ZERO, f"{field} is nothing.")
        elif self.text("payment_method").lower() == "yoco" and self.currency != "ZAR":
            self.say(Fault.RAND_UNKNOWN, "It was charged in rand, and the record does not say how much.")
        return Money(minor, self.currency)

    def _given(self, field: str) -> bool:
        value = self.fields.get(field)
        return value is not None and str(value).strip() != ""

    def _extras(self) -> str:
        items = self.fields.get("additional_items")
        chosen = items.items() if isinstance(items, dict) else ()
        told = [
            f"{name} for {_short(item.get('fee'))}"
            for name, item in chosen
            if isinstance(item, dict) and item.get("selected") and item.get("fee")
        ]
        return ", ".join(told)

    def _minor(self, value: Any) -> int | None:
        """Cents, half a cent up; None for a currency that is not the file's. Raises ValueError."""
        if isinstance(value, Decimal):
            return self._cents(value)
        if isinstance(value, bool) or not isinstance(value, str):
            raise ValueError(value)
        match = _SIGNED.fullmatch(value.strip().replace(NBSP, " ").replace("\u202f", " "))
        if match is None:
            raise ValueError(value)
        before, digits, after = match[1] or "", match[2].strip(), match[3] or ""
        for sign in (before, after):
            if sign and _SYMBOLS.get(sign.upper()) is None:
                raise ValueError(value)
            if sign and _SYMBOLS[sign.upper()] != self.currency:
                return None
        try:
            return Money.parse(digits, self.currency).minor
        except ValueError:  # 1299.995, 1299.5, -5: as programs write numbers
            return self._cents(Decimal(digits))

    def _cents(self, value: Decimal) -> int:
        if not value.is_finite() or value.adjusted() > 12 or value < 0:
            raise ValueError(value)
        minor = int((value * 100).quantize(Decimal(1), ROUND_HALF_UP))
        if minor > LARGEST_MINOR:
            raise ValueError(value)
        return minor

    # -- moments --------------------------------------------------------------------------------------

    def moments(self, status: Status) -> tuple[datetime | None, datetime | None]:
        """When it was made, and when it came to its status; None where the record does not say."""
        found = {field: self.moment(field) for field in _MOMENTS}
        made = found["submission_date"] or found["created_at"] or found["payment_date"] or found["updated_at"]
        if made is None:
            self.say(Fault.DATE_MISSING, "It does not say when it was made; it stands as of the import.")
        order = ("updated_at", "payment_date") if status is Status.PAID else ("payment_date", "updated_at")
        settled = next((found[field] for field in order if found[field]), None)
        if status is Status.PAID and settled is None:
            self.say(
                Fault.DATE_MISSING, "It does not say when it was approved; it stands as of when it was made."
            )
        return made, settled

    def moment(self, field: str) -> datetime | None:
        written = self.text(field)
        if not written:
            return None
        try:
            found = _moment(written)
        except (ValueError, OverflowError, OSError):
            self.say(Fault.DATE_UNREADABLE, f"{field} is {quoted(written)}, which is no date we can read.")
            return None
        return found

    # -- the proof ------------------------------------------------------------------------------------

    def proof(self, way: Way) -> Proof | None:
        proof, told = self.fields.get("payment_proof"), self.fields.get("payment_metadata")
        if not any(self.fields.get(field) for field in _PROOF_FIELDS):
            return None
        parts: dict[str, Any] = dict(proof) if isinstance(proof, dict) else {}
        parts |= {name: value for name, value in told.items() if value} if isinstance(told, dict) else {}
        where = proof if isinstance(proof, str) else ""
        named = self.text("payment_proof_url") or _line(parts.get("url") or parts.get("path") or where)
        name = parts.get("original_filename") or parts.get("filename") or named.rpartition("/")[2]
        link = named if "/" in named else ""  # a bare name says what, and not where
        size = _line(parts.get("file_size") or parts.get("size"))
        uploaded = _line(parts.get("upload_date"))
        if not link:
            self.say(Fault.PROOF_MISSING, "It tells of a proof, and not where its file is.")
        return Proof(_line(name), size, uploaded, link)


_TOLD = (
    "payment_method", "registration_type", "registration_period", "workshop", "banquet", "extra_paper",
    "extra_paper_count", "institution", "country", "payment_notes", "admin_notes", "rejection_reason",
    "conference_id", "previous_conference_id",
)  # fmt: skip
_MOMENTS = ("submission_date", "created_at", "payment_date", "updated_at")


def _moment(written: str) -> datetime:
    """A moment as it was written; without a zone it is of Johannesburg. Raises ValueError."""
    if _UNIX.fullmatch(written):
        stamp = int(Decimal(written))
        return _EPOCH + (timedelta(milliseconds=stamp) if stamp >= 10**12 else timedelta(seconds=stamp))
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        found = _by_format(written)
    return (found if found.tzinfo else found.replace(tzinfo=SAST)).astimezone(UTC)


def _by_format(written: str) -> datetime:
    for form in _FORMATS:
        try:
            return datetime.strptime(written, form)  # noqa: DTZ007  its zone is added by the caller
        except ValueError:
            continue
    raise ValueError(written)


def _line(value: Any) -> str:
    return "" if value is None or isinstance(value, (dict, list)) else _line_of(str(value))[:300]


def _line_of(text: str) -> str:
    """One line, card numbers masked. Nearly every text is plain already, and looking closer takes long."""
    plain = mask_card_numbers(text)
    if not PLAIN.fullmatch(plain):
        plain = " ".join(clean(plain, field="A text", longest=len(plain) * 4 + 1).split())
    return plain


def _short(value: Any) -> str:
    told = mask_card_numbers(str(value))
    return quoted(told if len(told) <= 40 else f"{told[:39]}…")
