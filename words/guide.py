"""The guide's words: what to do when, for each role; the steps of a first day; what our words mean."""

from collections.abc import Mapping

from payments.access.people import Role
from payments.selling.first_day import Step

#: What happens, and what to do then. A page's path stands in place of its name.
Advice = tuple[tuple[str, str], ...]

_LOOKING: Advice = (
    (
        "You look for a payment",
        "Type any of it under {monitor/payments}: a name, a phone, an amount, a part of a reference.",
    ),
    (
        "A figure surprises you",
        "Click it. It leads to the payments it is made of, and their sum is the figure.",
    ),
    (
        "Somebody says they paid",
        "Open the payment. Only *paid* means that the money was confirmed; *claimed* is the payer's word.",
    ),
)
#: Who may ask the gateway, and who sees what it said.
_ASKING: Advice = (
    (
        "It is still pending",
        "Open it and press *Ask the gateway*. The desk asks by itself too, and says when it last did.",
    ),
)
_AWAITING: Advice = (
    (
        "It is still pending",
        "Open it: it says when the gateway was last asked, and what it said. The desk asks by itself; "
        "whoever takes payments can have it ask at once.",
    ),
)
_TAKING: Advice = (
    (
        "Somebody stands before you and wants to pay",
        "{door/take}: choose the event, what it is for, and how they pay. Show the code; it turns green "
        "by itself.",
    ),
    (
        "They pay in cash or by card machine",
        "Open a shift under {door/shift} first. What you take counts into your drawer, and they get a "
        "receipt.",
    ),
    (
        "They say they sent an EFT",
        "Take the claim with its proof. It is a claim until the bank's statement has the line.",
    ),
    (
        "They want to come in",
        "{door/board}: search, and look at the colour. Green comes in; red goes to the till.",
    ),
    (
        "The link does not open, or was paid twice",
        "Do not make a second payment. Open the first one: *New link* replaces it, and money paid twice "
        "is listed for finance.",
    ),
    (
        "Your shift ends",
        "Count before you look at what it should be. A difference is written down, not argued away.",
    ),
)
_MONEY: Advice = (
    (
        "In the morning",
        "{monitor/attention} first, then bring yesterday's statement under {finance/statements}. What "
        "matches closes by itself.",
    ),
    (
        "A bank line is not matched",
        "{finance/workbench} says why. Accept what is suggested, split it, or set it aside with a "
        "reason. Ctrl+Z takes back the last.",
    ),
    (
        "The gateway paid out",
        "{finance/payouts}: bring its file, or find what is in the sum. What does not fit to the cent "
        "is said.",
    ),
    (
        "Money is to go back",
        "On the payment, *Money*. Another person approves it; by EFT it goes into the next file under "
        "{finance/refunds}.",
    ),
    (
        "It costs something else than was agreed",
        "On the payment, *Money*, *Change the amount*: it says first what happens. What was paid stays; more "
        "is asked for, less is owed back once another person approves.",
    ),
    (
        "A payer wants it back through their bank",
        "On the payment, *Money*, *Payer disputes it*. {finance/disputes} has the deadline, and the evidence "
        "to send.",
    ),
    (
        "A day is done",
        "{finance/closing}: sign it off, and another person approves. After that it can only be opened "
        "again by two.",
    ),
    (
        "Somebody without a login wants figures each week",
        "{finance/schedules}: choose what, when and to whom, and read the mail before. Names stay here.",
    ),
    (
        "Somebody asks for figures",
        "{finance/reports} for totals, *Export* on {monitor/payments} for rows. Both say what they "
        "count, and from when to when.",
    ),
    (
        "Somebody asks how much of what is open will come",
        "{finance/reports}, Forecast: what is expected by a day, and between which sums. What it said a week "
        "ago stands beside what came.",
    ),
    (
        "Somebody asks how it stood on a day that is over",
        "*As it stood…* on {finance/reports} and {monitor/payments} shows the desk as it stood then. A "
        "report that is kept can be compared with the same made again, as of then and of now.",
    ),
)
_RUNNING: Advice = (
    (
        "A red line stands on top of the page",
        "{admin/health} says which part it is and what to do. What payers do meanwhile is kept.",
    ),
    (
        "Somebody new joins",
        "{admin/people}: ask for them with the role and events they need, and until when; another person "
        "approves under {monitor/approvals}. They get a link that works once.",
    ),
    (
        "Somebody leaves, or lost a phone",
        "{admin/people}: shut them out, or sign them out everywhere. It holds at once, on every device. A "
        "lost app is taken off once another person approves.",
    ),
    (
        "A new event",
        "{admin/events}: prices, deadlines, bank account, who bills. Then one payment of R1.00 as a trial.",
    ),
    (
        "Somebody asks what you hold on them, or to be erased",
        "{admin/privacy}: find their payments, say how you know that it is them, and answer within thirty "
        "days. Erasing takes two people, and says before what stays.",
    ),
    (
        "Data may have got out",
        "{admin/privacy}, *Who saw what*: the list of those days, of one account or all, for the Regulator.",
    ),
    (
        "You wonder who changed something",
        "{admin/audit}, or the payment's own timeline. Nobody can take an entry away.",
    ),
)

WHEN: Mapping[Role, Advice] = {
    Role.VIEWER: (*_LOOKING, *_AWAITING),
    Role.AUDITOR: (*_LOOKING, *_AWAITING, _RUNNING[-1]),
    Role.ORGANISER: (*_TAKING, *_LOOKING, *_ASKING),
    Role.FINANCE: (*_MONEY, *_LOOKING, *_ASKING),
    Role.ADMIN: (*_RUNNING, *_LOOKING, *_ASKING, *_MONEY),
}

#: What is done; and what to do while it is not.
FIRST_DAY: Mapping[Step, tuple[str, str]] = {
    Step.CREDENTIALS: (
        "The gateway's credentials",
        "This is a demo desk: no real money moves. For a live one set IKHOKHA_APP_ID and "
        "IKHOKHA_SECRET_KEY, and a database of its own.",
    ),
    Step.ADDRESSES: (
        "Addresses that the gateway and payers reach",
        "Set IKHOKHA_WEBHOOK_URL and IKHOKHA_RETURN_URL to https addresses that lead here.",
    ),
    Step.KEYS: (
        "A key for proofs, codes and backups",
        "Make one with python manage.py new-key, set ENCRYPTION_KEYS, and keep a copy elsewhere.",
    ),
    Step.PEOPLE: (
        "Two people for what takes two",
        "It takes a second admin, or somebody of finance for all events, who has come in: add one under "
        "People, or give whoever is there a sign-in link. From then on access and keys take both of you.",
    ),
    Step.CODES: (
        "An app for codes for everybody who moves money",
        "Each admin and everybody of finance sets one up under Your account.",
    ),
    Step.EVENT: ("An event that is open", "Make one under Events, with its prices, and open it."),
    Step.MAIL: (
        "A mail that went out",
        "Set MAIL_URL, and give an address with the first payment: its receipt is the trial.",
    ),
    Step.MESSAGE: (
        "A message from the gateway",
        "Take a payment. If none comes, the address under Settings is not the one the gateway calls; "
        "the desk asks by itself meanwhile.",
    ),
    Step.PAYMENT: (
        "The first payment",
        "Take R1.00 from yourself by a link, and see it turn green.",
    ),
    Step.STATEMENT: (
        "A statement of the bank",
        "Bring the newest one under Statements: the desk then knows the account and its layout.",
    ),
    Step.BACKUP: (
        "A backup",
        "Set BACKUP_FOLDER: the worker then makes one every fifty minutes.",
    ),
}

GLOSSARY: tuple[tuple[str, str], ...] = (
    (
        "Erased",
        "A payment of which nothing tells who paid any more. Its money, days and papers' numbers stay.",
    ),
    (
        "Payment",
        "What one payer owes for one thing, and all that became of it. It has one reference for life.",
    ),
    (
        "Payment link",
        "A page of the gateway where a payment can be paid. A new link replaces the one before.",
    ),
    (
        "Reference",
        "Ours, such as DEV_REG_7K2M9QX. A slip of the finger is found and put right: the last character "
        "checks the others.",
    ),
    (
        "Claimed",
        "The payer says it was sent. It is not paid until a line of the bank, a till or the gateway says so.",
    ),
    (
        "Paid",
        "Confirmed by the gateway, a bank line, a till, or two people together. Nothing else makes a "
        "payment paid.",
    ),
    (
        "Paid late",
        "Money that came on a link that was expired or cancelled. It is kept, and listed for a decision.",
    ),
    (
        "Review flag",
        "Something about a payment does not fit: an amount, a currency, paid twice. It stays until "
        "somebody decides.",
    ),
    ("Receipt", "One piece of money that came: by gateway, bank line, till. A payment may have several."),
    ("Refund", "Money given back, by two people, with how and why."),
    ("Difference", "A payment of its own for what something costs more than was paid. It names the first."),
    ("Credit", "What is owed back of a payment, since it costs less by now. It ends when it is given back."),
    ("Complimentary", "Taken at its whole price and waived by two people: its seat is held, it is no money."),
    ("Waiver", "Not asked for any more, by decision. It is no money, and counts as none."),
    ("Statement line", "One row of the bank's file."),
    (
        "Match",
        "A line and the payments it is for, with the evidence. Undoing one leaves both in the history.",
    ),
    ("Payout", "What the gateway pays to the bank for many payments at once, less its fees."),
    ("In transit", "Paid by the payer, not yet paid out by the gateway."),
    (
        "Gross, fee, VAT, net",
        "Gross is what the payer paid; the gateway keeps the fee and the VAT on it; net is what the "
        "bank gets.",
    ),
    ("Exception", "A line or payment that does not fit, with its reason, owner and age."),
    ("Sign off", "One person says a day or month is in order, another approves, and it is locked."),
    ("Shift", "One person's time at a till, from the float to the count."),
    (
        "Audit",
        "Who changed what, when and why. Each entry holds the one before it, so that none can be taken "
        "away unseen.",
    ),
)
