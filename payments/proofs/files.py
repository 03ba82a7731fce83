"""A picture or PDF as somebody uploads it: judged by its bytes, never by its name; pictures made anew.

A picture is decoded and written again, so that nothing travels with it: no place where it was taken, no
second file behind the first. A PDF is kept as it is, and only ever handed out to be saved.
"""

import hashlib
import io
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from payments.errors import InvalidInput
from payments.proofs import pdf
from payments.proofs.pdf import Told

LARGEST_BYTES = 8 * 1024 * 1024
#: A picture is decoded whole, but for a JPEG, which can be decoded smaller.
MOST_PIXELS = {"JPEG": 64_000_000, "PNG": 24_000_000}
#: The longer side of a picture as it is kept: the smallest print of a bank's slip can be read.
LONGEST_SIDE = 2_200
_QUALITY = 85
_MARKS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"%PDF-": "PDF"}
_HEIC = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis")
#: Differences between neighbours of a picture shrunk to 17 × 16: 256 bits, whatever it was packed with.
_LOOK = (17, 16)


@dataclass(frozen=True)
class Prepared:
    """A file fit to be kept. ``sha256`` is of the bytes as they came, ``kept`` what is kept of them.

    Of a picture there are the hash of its pixels and its ``look``; of a PDF what it says.
    """

    kind: str
    kept: bytes = field(repr=False)
    sha256: str
    pixels_sha256: str | None = None
    look: str | None = None
    told: Told | None = None


def prepare(data: bytes) -> Prepared:
    """Judge a file and make it fit to be kept. Raises InvalidInput that says what to bring instead."""
    if not data:
        raise InvalidInput("The file is empty. Choose it again.")
    if len(data) > LARGEST_BYTES:
        raise InvalidInput(
            f"The file is larger than {LARGEST_BYTES // 2**20} MB. Take a photo of it instead."
        )
    kind = next((kind for mark, kind in _MARKS.items() if data.startswith(mark)), None)
    if kind is None and data[4:8] == b"ftyp" and data[8:12] in _HEIC:
        raise InvalidInput("This is a HEIC picture. Share it as JPEG, or take a screenshot of it.")
    if kind is None:
        raise InvalidInput("A proof is a photo (JPEG or PNG) or a PDF; this file is none of them.")
    digest = hashlib.sha256(data).hexdigest()
    if kind == "PDF":
        return Prepared("pdf", data, digest, told=pdf.read(data))
    picture = _decoded(data, kind)
    pixels = hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()
    return Prepared("jpeg", _encoded(picture), digest, pixels, _look_of(picture))


def unlike(one: str, other: str) -> int:
    """In how many of 256 bits two pictures look different."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def _decoded(data: bytes, kind: str) -> Image.Image:
    """The picture upright, in colour on white, no larger than is kept."""
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as opened:
            if opened.width * opened.height > MOST_PIXELS[kind]:
                raise InvalidInput("The picture has too many pixels. Take a screenshot of it instead.")
            opened.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
            upright: Any = ImageOps.exif_transpose(opened)
            upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
            if upright.mode not in ("RGBA", "LA", "PA") and "transparency" not in upright.info:
                return upright.convert("RGB")
            page = Image.new("RGB", upright.size, "white")
            clear = upright.convert("RGBA")
            page.paste(clear, mask=clear)
            return page
    except (
        UnidentifiedImageError, OSError, SyntaxError, ValueError,
        Image.DecompressionBombError, Image.DecompressionBombWarning,
    ) as error:  # fmt: skip
        raise InvalidInput("The picture is damaged and cannot be read. Take it again.") from error


def _encoded(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    Image.frombytes("RGB", picture.size, picture.tobytes()).save(out, "JPEG", quality=_QUALITY, optimize=True)
    return out.getvalue()


def _look_of(picture: Image.Image) -> str:
    small = picture.convert("L").resize(_LOOK, Image.Resampling.LANCZOS)
    dots, wide = small.tobytes(), _LOOK[0]
    bits = "".join(
        "1" if dots[row * wide + column] < dots[row * wide + column + 1] else "0"
        for row in range(_LOOK[1])
        for column in range(wide - 1)
    )
    return f"{int(bits, 2):064x}"
