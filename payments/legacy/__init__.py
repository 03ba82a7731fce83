"""Records of the system that came before: read as they were meant, kept as they came, told apart."""

from payments.legacy.importing import Report, import_file, look
from payments.legacy.reading import Fault, Issue, OldRecord, Proof, Way, read
from payments.legacy.records import ImportView, IssueView, RecordView, imports, issues, of_payment
from payments.legacy.writing import EARLIER, OLD_RECEIPT

__all__ = [
    "EARLIER", "OLD_RECEIPT", "Fault", "ImportView", "Issue", "IssueView", "OldRecord", "Proof", "RecordView",
    "Report", "Way", "import_file", "imports", "issues", "look", "of_payment", "read",
]  # fmt: skip
