"""Where personal data is: each column that can hold any, what it is, how long it is kept, and how it goes.

The one place for it: the export of what is held on a person, erasure, retention and the page Privacy all read
it, and a test fails when a column of text is in no list here. ``docs/privacy.md`` says it in prose.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Way(StrEnum):
    """What becomes of a column when a payer is erased."""

    PSEUDONYM = "pseudonym"  # a word stands in its place that tells nobody
    BLANK = "blank"  # it is emptied
    SCRUB = "scrub"  # the text stays without the payer's name, address and number
    LAW = "law"  # it stays as long as money must be accounted for, and is emptied then
    EXPIRES = "expires"  # it goes by itself, soon after it was needed
    KEPT = "kept"  # it tells nobody who does not know the person already


class Term(StrEnum):
    """How long it is kept. From the end of the event, or from when a message or an access was."""

    CONTACT = "contact"
    MONEY = "money"
    MESSAGE = "message"
    ACCESS = "access"


@dataclass(frozen=True)
class Held:
    """A column with personal data of payers, or of who sent something."""

    table: str
    column: str
    what: str
    way: Way
    term: Term
    #: Not in an export: secret, of our making, or it tells of others too.
    withheld: bool = False


def _held(table: str, way: Way, term: Term, *, withheld: bool = False, **columns: str) -> tuple[Held, ...]:
    return tuple(Held(table, column, what, way, term, withheld) for column, what in columns.items())


_P, _B, _S, _L, _X, _K = Way.PSEUDONYM, Way.BLANK, Way.SCRUB, Way.LAW, Way.EXPIRES, Way.KEPT
_CONTACT, _MONEY, _MESSAGE, _ACCESS = Term.CONTACT, Term.MONEY, Term.MESSAGE, Term.ACCESS

#: Columns with personal data of payers.
HELD: tuple[Held, ...] = (
    *_held("payments", _P, _CONTACT, payer_name="who pays"),
    *_held("payments", _B, _CONTACT, payer_email="e-mail address", payer_phone="phone number", note="note"),
    *_held("payments", _B, _CONTACT, withheld=True, search_text="what the payment is found by"),
    *_held("places", _P, _CONTACT, name="who comes on it"),
    *_held("admissions", _P, _CONTACT, name="who was let in"),
    *_held("admissions", _S, _CONTACT, why="why they were let in"),
    *_held("timeline", _S, _CONTACT, detail="what happened to the payment"),
    *_held("cases", _S, _CONTACT, detail="what was found", note="note", decided_why="why it was decided so"),
    *_held("approvals", _S, _CONTACT, bound="what was asked for", why="why",
           decided_why="why it was refused"),
    *_held("claims", _B, _CONTACT, bank_reference="the reference they say they gave their bank"),
    *_held("claims", _B, _CONTACT, withheld=True, folded_reference="the same, to compare"),
    *_held("amount_changes", _S, _CONTACT, why="why it costs something else"),
    *_held("claim_drops", _S, _CONTACT, why="why a claim was not believed"),
    *_held("proofs", _B, _CONTACT, sealed="a picture or PDF that they showed, encrypted"),
    *_held("payee_details", _B, _CONTACT, sealed="the bank account they are paid back to, encrypted"),
    *_held("payee_details", _P, _CONTACT, masked="the same, masked"),
    *_held("outbox", _B, _MESSAGE, recipient="where a mail went", subject="its subject", body="its text"),
    *_held("outbox", _S, _MESSAGE, withheld=True, last_error="why it could not be sent"),
    *_held("notifications", _X, _MESSAGE, withheld=True, body="what another system was told"),
    *_held("notification_tries", _X, _MESSAGE, withheld=True, told="what it answered"),
    *_held("inbox", _B, _MESSAGE, body="what the gateway sent"),
    *_held("inbox", _B, _MESSAGE, withheld=True, headers="how it was sent"),
    *_held("unverified_events", _X, _MESSAGE, withheld=True, headers="how it was sent", body="what was sent",
           address="from where"),
    *_held("registrations", _K, _CONTACT, registration_id="their number in the caller's system"),
    *_held("registrations", _B, _CONTACT, return_url="where they go back to"),
    *_held("registration_rows", _B, _MESSAGE, wanted="what a row of a file asked for"),
    *_held("registration_rows", _K, _CONTACT, registration_id="their number in the caller's system"),
    *_held("registration_rows", _S, _MESSAGE, why="what was wrong with the row"),
    *_held("sheet_rows", _B, _MESSAGE, cells="a row of a sheet, as it came", wanted="what it asked for"),
    *_held("sheet_rows", _S, _MESSAGE, why="what became of it"),
    *_held("sheet_rows", _K, _CONTACT, withheld=True, key="hash that keeps a row from a second payment"),
    *_held("sheet_payments", _K, _CONTACT, withheld=True, key="the same hash"),
    *_held("legacy_records", _B, _CONTACT, raw="the earlier system's record, as it came",
           told="the rest of what it says"),
    *_held("legacy_records", _B, _CONTACT, texts="what else it is found by"),
    *_held("legacy_issues", _S, _CONTACT, sentence="why a person should look at the record"),
    *_held("bulk_rows", _S, _CONTACT, withheld=True, why="what became of an action",
           was="what undoing puts back"),
    *_held("refunds", _S, _CONTACT, why="why it was given back"),
    *_held("refund_orders", _S, _CONTACT, why="why it is to be given back"),
    *_held("refund_returns", _S, _CONTACT, why="why it came back"),
    *_held("reversals", _S, _CONTACT, why="why a receipt was taken back"),
    *_held("till_entries", _S, _CONTACT, why="why it was corrected"),
    *_held("disputes", _S, _CONTACT, ended_why="how it ended"),
    *_held("match_refusals", _S, _CONTACT, why="why a line is not theirs"),
    *_held("matches", _B, _CONTACT, withheld=True, evidence="what spoke for a match, and for others"),
    *_held("matches", _S, _CONTACT, why="why it was matched", undone_why="why it was undone"),
    *_held("surplus_moves", _S, _CONTACT, why="why too much pays another payment",
           undone_why="why it does not after all"),
    *_held("exceptions", _S, _CONTACT, withheld=True, suggestion="what a line may be for"),
    *_held("exceptions", _S, _CONTACT, note="note about a line"),
    *_held("statement_lines", _L, _MONEY, description="what the bank says",
           reference="their reference there"),
    *_held("papers", _L, _MONEY, body="quotation, invoice or credit note as it was issued"),
    *_held("reminders", _K, _CONTACT, withheld=True, person_hash="hash of the address, one reminder a day"),
    *_held("opt_outs", _K, _CONTACT, withheld=True,
           person_hash="hash of the address of who wants no reminders"),
)  # fmt: skip

#: The same, where nothing says whose it is: it goes by its own time, or tells of many.
LOOSE: tuple[Held, ...] = (
    *_held("statement_files", _L, _MONEY, withheld=True, data="a bank's file as it came"),
    *_held("quarantined_rows", _L, _MONEY, withheld=True, raw="a row of it that could not be read"),
    *_held("payout_files", _L, _MONEY, withheld=True, data="a gateway's file as it came"),
    *_held("payout_lines", _L, _MONEY, withheld=True, raw="a row of it", reference="its reference"),
    *_held("exports", _X, _ACCESS, withheld=True, wanted="what somebody searched for and took out"),
    *_held("saved_views", _S, _ACCESS, withheld=True, query="what somebody searches for"),
    *_held("schedules", _S, _ACCESS, withheld=True, plan="which search goes out, and to whom"),
    *_held("schedule_runs", _X, _MESSAGE, withheld=True, plan="the same, as it went",
           data="the file that went"),
    *_held("schedule_links", _X, _ACCESS, withheld=True, recipient="to whom"),
    *_held("schedule_openings", _X, _ACCESS, withheld=True, address="from where it was opened"),
    *_held("bulk_runs", _S, _ACCESS, withheld=True, given="the note or reason of an action on many"),
    *_held("sessions", _X, _ACCESS, withheld=True, address="from where somebody signed in",
           browser="with what"),
    *_held("sign_in_attempts", _X, _ACCESS, withheld=True, address="from where",
           email_hash="hash of the address"),
    *_held("subject_requests", _X, _MESSAGE, withheld=True, told="how a person asked about their data"),
)  # fmt: skip

#: Names and words of people of the desk, and of who bills: they stay, as what they did must be accounted for.
#: The audit never holds a payer's data: references, numbers, reasons.
STAFF: Mapping[str, str] = {
    "admissions": "admitted_by undone_by", "amount_changes": "by", "api_keys": "created_by revoked_by",
    "approvals": "requester_name decider_name", "audit": "actor subject detail",
    "bank_accounts": "holder created_by", "batch_layouts": "made_by", "cases": "closed_by",
    "cash_moves": "by why", "choices": "value", "claim_drops": "by", "claims": "by", "closing_papers": "by",
    "disputes": "by ended_by", "drawer_counts": "by", "event_accounts": "created_by",
    "exceptions": "closed_by", "exchange_rates": "entered_by", "exports": "actor", "fee_rates": "made_by",
    "inbox": "ignored_by ignored_why", "kept_reports": "kept_by", "leases": "holder",
    "legacy_imports": "imported_by", "match_refusals": "by", "match_rule_versions": "made_by",
    "match_rules": "by why", "matches": "by undone_by", "memory_drops": "by",
    "memory_edits": "by undone_by",
    "notify_endpoints": "created_by stopped_why",
    "opt_outs": "by", "organisers": "name address contact", "paper_prints": "by", "papers": "issued_by",
    "passkeys": "name",
    "payee_details": "by", "payments": "created_by", "payout_files": "imported_by undone_by undone_why",
    "payout_lines": "decided_by decided_why reason", "payout_mappings": "made_by",
    "payouts": "made_by undone_by undone_why", "people": "email name", "person_identities": "subject",
    "proofs": "by", "quarantined_rows": "decided_by decided_why", "receipt_prints": "by",
    "receipts": "recorded_by", "recovery_codes": "code_hash", "refund_orders": "by", "refund_returns": "by",
    "refund_runs": "made_by ended_by ended_why", "refunds": "by done_by",
    "registration_files": "brought_by", "reversals": "reversed_by",
    "schedule_runs": "asked_by problem revoked_by", "schedules": "title why", "second_factors": "sealed",
    "sheets": "brought_by", "shifts": "person_name", "sign_in_links": "token_hash",
    "sign_off_steps": "by why",
    "sign_offs": "note signer_name approver_name reopen_why reopen_asker_name reopener_name",
    "statement_files": "imported_by undone_by undone_why", "statement_mappings": "made_by",
    "subject_requests": "opened_by ended_by ended_why", "surplus_moves": "by undone_by",
    "till_entries": "by", "timeline": "actor",
    "z_reports": "by body",
}  # fmt: skip

#: Columns of text, JSON or bytes that tell of nobody.
PLAIN: Mapping[str, str] = {
    "alerts": "kind key severity sentence", "amount_changes": "kind amount_currency choice",
    "api_keys": "name handle secret_hash scopes", "api_requests": "idempotency_key digest",
    "approvals": "what subject scope digest amount_currency state", "audit": "action mac mac_key",
    "bank_accounts": "name bank number branch_code currency", "batch_layouts": "layout",
    "bulk_rows": "outcome", "bulk_runs": "deed", "card_batches": "machine amount_currency",
    "cases": "reason decision", "cash_moves": "kind amount_currency bag_number key", "categories": "name",
    "choices": "key", "claims": "key amount_currency", "closing_papers": "reference kind file_name sha256",
    "counters": "name", "day_drafts": "figures", "discount_codes": "code",
    "disputes": "amount_currency why case_reference state", "drawer_counts": "pieces batches",
    "erasure_door": "filling", "erasures": "cause", "event_accounts": "kind", "event_terms": "language",
    "events": "code name state currency reference_prefix", "exceptions": "reason",
    "exchange_rates": "currency source", "export_presets": "name role layout",
    "exports": "reference state layout file_name sums sha256 problem", "extras": "name",
    "fee_rates": "rate_bp",
    "job_runs": "job did fault",
    "inbox": "gateway digest path gateway_reference reference word code effect last_error",
    "kept_reports": "reference kind basis event events content sha256 data", "leases": "name",
    "legacy_imports": "name sha256 currency told", "legacy_issues": "fault",
    "legacy_records": "key shape way word digest",
    "links": "gateway wire_reference gateway_reference url"
        " state amount_currency return_token answer answer_word",
    "live_hours": "measure key currency",
    "made_hours": "status stage failure currency", "match_parts": "target amount_currency",
    "match_rule_versions": "condition says value examples", "match_rules": "name state",
    "matches": "how way rule", "meta": "key value", "notifications": "kind message_id state",
    "notify_endpoints": "url sealed previous_sealed",
    "organisers": "vat_number registration supplier_number", "outbox": "key message_id state",
    "paid_hours": "method currency", "paper_prints": "mail_key", "paper_sequences": "kind",
    "paper_series": "key", "papers": "kind label key total_currency sha256", "payment_lines": "what code",
    "passkeys": "credential public_key handle",
    "payment_pasts": "method stage failure", "payment_quotes": "quoted_currency rate_source",
    "payments": "reference mode status method amount_currency review stage failure origin",
    "payout_files": "kind name sha256 mapping named", "payout_lines": "kind method state",
    "payout_mappings": "name mapping", "payouts": "key source currency explained explanation",
    "people": "role password_hash", "person_identities": "issuer", "places": "amount_currency",
    "price_periods": "name", "proofs": "kind sha256 pixels_sha256 look findings",
    "quarantined_rows": "reason state", "quote_prices": "currency", "receipt_prints": "mail_key",
    "receipts": "kind source_reference amount_currency",
    "refund_orders": "amount_currency bank_reference state", "refund_returns": "amount_currency",
    "refund_runs": "state sum_currency", "refunds": "method amount_currency source_reference",
    "registration_files": "file sha256 headings meant", "registration_rows": "outcome reference",
    "registrations": "reference", "reminder_plans": "days quiet_from quiet_until", "reminders": "outcome",
    "reversals": "amount_currency", "saved_views": "moving token name scope sort columns shared_with",
    "schedule_links": "token_hash", "schedule_openings": "what",
    "schedule_runs": "state reference file_name media_type sha256", "schedules": "scope state",
    "sessions": "token_hash", "sheet_payments": "reference", "sheet_rows": "outcome",
    "sheets": "file headings", "shifts": "currency", "sign_off_steps": "step",
    "sign_offs": "period state figures digest", "standings": "status currency",
    "statement_files": "name sha256 layout mapping date_order currency named",
    "statement_lines": "key amount_currency state", "statement_mappings": "name mapping",
    "subject_requests": "kind payments state outcome", "surplus_moves": "amount_currency",
    "tallies": "measure key currency", "tally_months": "measure key currency",
    "till_entries": "key method amount_currency slip_number card_last4 machine", "tills": "name",
    "timeline": "kind source", "unverified_events": "gateway digest path reason gateway_reference",
    "used_challenges": "challenge_hash", "z_reports": "sha256",
}  # fmt: skip


def staff(table: str) -> frozenset[str]:
    return frozenset(STAFF.get(table, "").split())


def of(table: str) -> dict[str, Held]:
    """The personal columns of a table whose rows are somebody's, by name."""
    return {held.column: held for held in HELD if held.table == table}


def tables() -> tuple[str, ...]:
    """Tables whose rows are somebody's, in the order they are told."""
    return tuple(dict.fromkeys(held.table for held in HELD))
