"""Words about files that people take: their columns, kinds, separators, clocks, and how far a file is."""

from collections.abc import Mapping

from payments.exports.layout import Format, Separator, Zone
from payments.registering.registration_changes import Becomes
from payments.sheets import RowState
from words import Look

#: Files to fill in and bring back, by name.
EXAMPLES: Mapping[str, str] = {
    "people.csv": (
        "id,name,email,phone,category,amount,people,note\r\n"
        "1001,Nomvula Dube,nomvula@example.org,082 123 4567,,1500.00,,Workshop seat\r\n"
        "1002,Example School,school@example.org,,,3000.00,Sipho Nkosi; Lerato Zulu,Two pupils\r\n"
    ),
    "registrations.csv": (
        "id,name,email,phone,category,amount,note\r\n"
        "2026-0417,Nomvula Dube,nomvula@example.org,082 123 4567,,1500.00,Paper 17\r\n"
        "2026-0418,Johan Botha,johan@example.org,,,450.00,Student\r\n"
    ),
}

#: Headings of a file's columns, as people choose them.
COLUMN: Mapping[str, str] = {
    "reference": "Reference",
    "event": "Event code",
    "event_name": "Event",
    "category": "Category",
    "payer": "Payer",
    "email": "E-mail",
    "phone": "Phone",
    "amount": "Amount",
    "received": "Received",
    "refunded": "Refunded",
    "currency": "Currency",
    "payment_status": "Status",
    "payment_method": "Method",
    "payment_id": "Gateway id",
    "transaction_reference": "Reference at the gateway",
    "payment_date": "Paid",
    "created": "Created",
    "created_sast": "Created, SAST",
    "created_utc": "Created, UTC",
    "paid_sast": "Paid, SAST",
    "paid_utc": "Paid, UTC",
    "mode": "Demo or live",
    "review": "Flag",
    "note": "Note",
    "origin": "Comes from",
    "people": "How many people",
    "people_names": "Who they are",
    "quoted_amount": "Quoted amount",
    "quoted_currency": "Quoted currency",
    "exchange_rate": "Exchange rate",
    "rate_source": "Source of the rate",
    "rate_date": "Rate of",
    "Submission Date": "As before: Submission Date",
    "Full Name": "As before: Full Name",
    "Email": "As before: Email",
    "Conference Name": "As before: Conference Name",
    "Conference Code": "As before: Conference Code",
    "Conference Year": "As before: Conference Year",
    "Institution": "As before: Institution",
    "Registration Type": "As before: Registration Type",
    "Registration Period": "As before: Registration Period",
    "Workshop": "As before: Workshop",
    "Banquet": "As before: Banquet",
    "Extra Paper": "As before: Extra Paper",
    "Total Amount": "As before: Total Amount",
    "Payment Status": "As before: Payment Status",
    "Payment Info": "As before: Payment Info",
    "Registration ID": "As before: Registration ID",
    "Registration Date": "As before: Registration Date",
    "Conference": "As before: Conference",
}


def column_told(name: str) -> str:
    """As it is chosen: its heading in the file stands beside the word, where it is another one."""
    told = COLUMN[name]
    plain = told.lower().replace(" ", "_").replace("-", "")
    return told if plain == name or told.endswith(f": {name}") else f"{told} · {name}"


FORMAT: Mapping[Format, str] = {Format.CSV: "CSV", Format.XLSX: "Excel"}
SEPARATOR: Mapping[Separator, str] = {
    Separator.COMMA: "Comma  ,",
    Separator.SEMICOLON: "Semicolon  ; (Excel with South African settings)",
    Separator.TAB: "Tab",
    Separator.PIPE: "Pipe  |",
}
ZONE: Mapping[Zone, str] = {Zone.SAST: "SAST", Zone.UTC: "UTC"}
EXPORT: Mapping[str, Look] = {
    "asked": Look("Not fetched", "hourglass_empty", "gray"),
    "running": Look("Being written", "sync", "blue"),
    "whole": Look("Whole", "check_circle", "green"),
    "broken": Look("Broken off", "error", "red"),
}

# -- files of registrations --------------------------------------------------------------------------

#: What a row of a file becomes.
BECOMES: Mapping[Becomes, Look] = {
    Becomes.NEW: Look("New", "add_circle", "green"),
    Becomes.CHANGED: Look("Changed", "edit", "blue"),
    Becomes.UNCHANGED: Look("Unchanged", "done_all", "gray"),
    Becomes.REFUSED: Look("Refused", "block", "red"),
}

#: What a row of a sheet of people becomes.
SHEET_ROW: Mapping[RowState, Look] = {
    RowState.WAITING: Look("To make", "qr_code_2", "green"),
    RowState.ASKING: Look("Being made", "hourglass_empty", "gray"),
    RowState.MADE: Look("Made", "check_circle", "green"),
    RowState.FAILED: Look("Failed", "error", "red"),
    RowState.WRONG: Look("To mend", "edit", "red"),
    RowState.KNOWN: Look("There already", "done_all", "gray"),
    RowState.ALIKE: Look("Perhaps there", "person_search", "orange"),
}
