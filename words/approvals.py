"""Words of what one person asks for and another decides upon."""

from collections.abc import Mapping

from payments.second_person.approvals import State, What
from words import Look

#: What is asked for, and what comes of approving it.
ASKED: Mapping[What, tuple[str, str]] = {
    What.MARK_PAID: ("Mark as paid", "The payment counts as paid, by EFT, on the word of two people."),
    What.WAIVE: ("Waive", "The payment is not asked for any more. It is no revenue."),
    What.RECORD_REFUND: ("Record a refund", "The money counts as given back to the payer."),
    What.PAY_REFUND: ("Refund by EFT", "The money is paid back to this account, with the next refund run."),
    What.BOOK_CHARGEBACK: (
        "Write down a lost dispute",
        "The money counts as given back: the gateway took it for the payer's bank.",
    ),
    What.WRITE_OFF: (
        "Write off",
        "The bank line is matched so, and the payment counts as whole: the rest is not asked for.",
    ),
    What.PAYOUT_DIFFERENCE: (
        "Accept a payout that is not explained",
        "The bank line is this payout with these payments; what nothing explains goes to suspense.",
    ),
    What.CREDIT: (
        "Credit",
        "It costs less by now; the rest is owed back to the payer, and given back apart.",
    ),
    What.EXPORT_PERSONAL: ("Take personal data out", "Whoever asked can fetch this one file, once."),
    What.ERASE_PERSON: (
        "Erase a payer",
        "Whoever asked can erase who paid these payments. Amounts and papers stay; names do not come back.",
    ),
    What.ADD_PERSON: ("Add a person", "They may come in, as this."),
    What.CHANGE_PERSON: ("Let a person do or reach more", "They are this from now on, and sign in anew."),
    What.ENABLE_PERSON: ("Let a person in again", "They may sign in as what they were."),
    What.RESET_CODES: (
        "Phone lost: reset codes and passkeys",
        "Password, code app and passkeys are taken away. They come in by a new link and set up both.",
    ),
    What.SIGN_IN_LINK: (
        "Make a sign-in link",
        "Whoever asked is shown a link that lets in as this person, once, and sets a new password.",
    ),
    What.MAKE_KEY: ("Make a key for another system", "Whoever asked is shown the key, once."),
    What.ADD_ENDPOINT: (
        "Send notifications to an address",
        "What happens to this event's payments is sent there. Whoever asked is shown the secret, once.",
    ),
    What.RENEW_SIGNING: ("A new secret for notifications", "Whoever asked is shown it, once."),
    What.SET_ACCOUNT: (
        "Tell payers another bank account",
        "Whoever pays this event by EFT from then on is told to pay into it.",
    ),
}
APPROVAL: Mapping[State, Look] = {
    State.WAITING: Look("Waits", "schedule", "orange"),
    State.APPROVED: Look("Approved", "check_circle", "green"),
    State.REFUSED: Look("Refused", "block", "red"),
    State.WITHDRAWN: Look("Taken back", "undo", "gray"),
    State.EXPIRED: Look("Expired", "event_busy", "gray"),
    State.USED: Look("Done", "task_alt", "green"),
}
#: Names of what a request is bound to.
BOUND: Mapping[str, str] = {
    "payer": "Payer",
    "asked": "Asked for",
    "received": "Received before",
    "returned": "Returned before",
    "status": "Its status",
    "version": "Bound to",
    "how": "Given back by",
    "on": "Given back on",
    "done_by": "Who gave it back",
    "their_reference": "Reference there",
    "proof": "Proof",
    "to": "To the account",
    "holder": "Account holder",
    "details": "Bank details, number",
    "dispute": "Dispute, number",
    "case": "The gateway's case",
    "deduction": "Row of the payout",
    "line": "Bank line",
    "came": "What came",
    "for": "What it would do",
    "left_over": "What is left over",
    "text": "The bank wrote",
    "payout": "Payout, number",
    "days": "Trading days",
    "payments": "Payments in it",
    "held": "Held back",
    "released": "Held before, in it now",
    "says": "So far explained",
    "unexplained": "Not explained",
    "as_good": "Explanations that were as good",
    "agreed": "It costs from now on",
    "credits": "Owed back of",
    "person": "Person, number",
    "email": "E-mail",
    "was": "Is now",
    "ways": "Comes in by",
    "name": "Name",
    "role": "Role",
    "events": "May reach",
    "until": "Access ends",
    "event": "Code of the event",
    "scopes": "It may",
    "url": "Address",
    "endpoint": "Address, number",
    "instead": "Instead of the secret",
    "columns": "Columns",
    "rows": "Rows",
    "filter": "Filter",
    "fingerprint": "Fingerprint of the filter",
}

#: The parts of a bank account of ours, as payers read them.
ACCOUNT: Mapping[str, str] = {
    "holder": "Account holder",
    "bank": "Bank",
    "number": "Account number",
    "branch_code": "Branch code",
    "kind": "Account type",
}
