"""The sheet of keys: where they hold, and what each does."""

#: Places, each with its keys.
KEYS: tuple[tuple[str, tuple[tuple[tuple[str, ...], str], ...]], ...] = (
    (
        "Everywhere",
        (
            (("Ctrl K",), "Go to a page or a payment, or do something"),
            (("/",), "Search"),
            (("?",), "This sheet"),
            (("Esc",), "Close what is open"),
        ),
    ),
    (
        "In a list",
        (
            (("j", "↓"), "The next row; the arrow also from the search"),
            (("k", "↑"), "The row before"),
            (("Enter",), "Open it"),
        ),
    ),
    (
        "In an open payment or case",
        (
            (("j", "n", "→"), "The next one of the list"),
            (("k", "p", "←"), "The one before"),
            (("m",), "Money only, or everything that happened"),
        ),
    ),
    (
        "On Payments",
        ((("x",), "Choose it, to do something to several at once"),),
    ),
    (
        "On Needs attention",
        (
            (("1", "…", "4"), "Decide: the decision with this number, then say why"),
            (("a",), "Ask the gateway again"),
            (("o",), "Open the payment or message"),
            (("e",), "Owner, due date and note"),
            (("x",), "Choose it, to decide several at once"),
            (("Ctrl Enter",), "Send what you wrote"),
        ),
    ),
    (
        "On Reconcile",
        (
            (("a",), "Accept what is suggested"),
            (("1", "…", "4"), "Accept this payment, where several are likely"),
            (("o",), "Split, set aside, assign"),
            (("p",), "Find what is in a payout of the gateway"),
            (("x",), "Choose it, to accept several at once"),
            (("Ctrl Z",), "Undo what you accepted last"),
        ),
    ),
    (
        "On Close",
        (
            (("←", "→"), "The day before, the day after"),
            (("↑", "↓"), "A week back, a week on"),
            (("Enter",), "Open the day"),
        ),
    ),
)
