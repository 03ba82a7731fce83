"""A file that somebody brings: what is taken, and how large, said before; and after one that is not."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

from payments.statements import MAX_BYTES
from payments.statements.tables import shown_name
from ui.pieces import plain, problem

#: Of what a page reads into memory, statements' own limit; ``.streamlit/config.toml`` lets no more through.
LARGEST_MB = MAX_BYTES // 2**20


@dataclass(frozen=True)
class Taken:
    """What an uploader takes. ``instead`` says what to do with another kind of file, ``larger`` with one that
    is too large."""

    kinds: str  # "CSV or Excel"
    endings: Sequence[str]
    instead: str
    larger: str
    most_mb: int = LARGEST_MB


TABLE = Taken(
    "CSV or Excel", ("csv", "txt", "xlsx"), "Save it as CSV or Excel (.xlsx) and bring that.",
    "Bring it in several files.",
)  # fmt: skip


def bring_file(
    label: str, taken: Taken, *, key: str, at: DeltaGenerator | None = None
) -> UploadedFile | None:
    """The file, when it is of a kind that is taken.

    The browser is not told the kinds: it would refuse another with its technical name on a red chip, and we
    would never hear of it. One that is too large must not reach us: what to do with it is said beforehand.
    """
    with at or st.container():
        brought = st.file_uploader(label, key=key, max_upload_size=taken.most_mb)
        if brought is None:
            _told_before(taken)
        elif not _told_if_not_taken(brought.name, taken):
            return None
    return brought


def bring_files(label: str, taken: Taken, *, key: str) -> list[UploadedFile]:
    """The same for several at once; those of another kind are told and left out."""
    brought = st.file_uploader(label, key=key, max_upload_size=taken.most_mb, accept_multiple_files=True)
    if not brought:
        _told_before(taken)
    return [one for one in brought if _told_if_not_taken(one.name, taken)]


def _told_before(taken: Taken) -> None:
    plain(
        f"{taken.kinds}, up to {taken.most_mb} MB. Of a larger one nothing is read. {taken.larger}", "faint"
    )


def is_taken(name: str, taken: Taken) -> bool:
    """Whether files of this ending are read here."""
    return PurePath(name).suffix.lower().removeprefix(".") in taken.endings


def _told_if_not_taken(name: str, taken: Taken) -> bool:
    """The same; of another ending it is told, with what to do instead."""
    if is_taken(name, taken):
        return True
    endings = ", ".join(f".{one}" for one in taken.endings)
    problem(
        f"{shown_name(name)} was not read. What is taken here is {taken.kinds}, told by the ending of its "
        f"name: {endings}. {taken.instead}"
    )
    return False
