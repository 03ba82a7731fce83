"""What a room of ``payments`` is called where a test lists it: its own name, whatever wing it is in."""

#: Folders that only say what the rooms in them are for. The other folders are rooms themselves.
WINGS = (
    "access",
    "asking",
    "at_the_door",
    "bank",
    "books",
    "deciding",
    "finding",
    "hearing",
    "keeping",
    "live",
    "lump_sums",
    "money_back",
    "payers",
    "personal_data",
    "reconciling",
    "registering",
    "second_person",
    "selling",
    "sign_off",
    "telling",
    "watching",
    "working",
)


def room_of(module: str) -> str:
    """``payments.access.people`` is ``people``, ``payments.reports.keeping`` is ``reports.keeping``."""
    inside = module.removeprefix("payments.")
    wing, _, room = inside.partition(".")
    return room if wing in WINGS and room else inside
