"""What a PDF says, read by a child: one that never ends, or wants all memory, ends alone.

``python -m payments.proofs.pdf`` takes the PDF on standard input and answers a line of JSON.
"""

import json
import re
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from payments.errors import InvalidInput

_ROOT = Path(__file__).parents[2]
_MODULE = "payments.proofs.pdf"
#: A bank's proof is one page.
PAGES, MOST_TEXT = 4, 40_000
_SECONDS, _MEMORY_BYTES = 8, 768 * 1024 * 1024
_MOMENT = re.compile(r"D:(\d{8,14})")


@dataclass(frozen=True)
class Told:
    """Its text and which programs made it. ``readable`` is False where nothing could be read."""

    text: str = ""
    programs: str = ""
    changed_later: bool = False
    readable: bool = True


def read(data: bytes) -> Told:
    """What a PDF says. Raises InvalidInput for one that a password locks."""
    command = [sys.executable, "-m", _MODULE]
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            command, input=data, capture_output=True, timeout=_SECONDS + 4, cwd=_ROOT, check=False
        )
    except subprocess.TimeoutExpired:
        return Told(readable=False)
    if done.returncode:
        return Told(readable=False)
    told = json.loads(done.stdout)
    if told.pop("locked"):
        raise InvalidInput("This PDF is locked by a password. Bring one without, or a photo of it.")
    return Told(**told)


def main() -> None:
    """In the child, which may take so much time and memory and no more."""
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    data = sys.stdin.buffer.read()
    sys.stdout.write(json.dumps(_told(data)))


def _told(data: bytes) -> dict[str, object]:
    import io
    import logging

    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    logging.disable(logging.CRITICAL)
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            return {"locked": True}
        text = "\n".join(page.extract_text() for page in reader.pages[:PAGES])[:MOST_TEXT]
        about: dict[str, object] = dict(reader.metadata or {})
        programs = " ".join(str(about.get(name) or "") for name in ("/Producer", "/Creator"))[:300]
        made, changed = (_MOMENT.search(str(about.get(name) or "")) for name in ("/CreationDate", "/ModDate"))
        later = bool(made and changed and changed[1][:12] > made[1][:12])
        return {"locked": False} | asdict(Told(text, programs, later))
    except (PyPdfError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        # what is not a PDF by the book: pypdf meets it in as many ways as it can be broken
        return {"locked": False} | asdict(Told(readable=False))


if __name__ == "__main__":
    main()
