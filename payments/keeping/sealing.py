"""A large file, encrypted piece by piece: who opens it notices a piece that was changed, moved or lost.

A file is a first line, an id drawn for it, and pieces: each its length and what the key ring made of it,
bound to the id, to its place and, the last one, to being the last. The first piece says what the file is.
"""

import secrets
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from payments.errors import CannotOpen
from payments.keeping.keyring import KeyRing, key_name

_FIRST_LINE = b"paydesk backup 1\n"
_ID_BYTES, _LENGTH_BYTES = 16, 4
#: Enough of a piece to tell its key by.
_HEAD_BYTES = 64
#: How much is in memory at a time.
PIECE = 1 << 20
_LARGEST = PIECE + (64 << 10)


def seal(keys: KeyRing, head: bytes, plain: BinaryIO, target: BinaryIO) -> None:
    """Raises CannotOpen when there is no key."""
    name = secrets.token_bytes(_ID_BYTES)
    target.write(_FIRST_LINE + name)
    _write(keys, target, head, _place(name, 0))
    nth = 1
    while piece := plain.read(PIECE):
        _write(keys, target, piece, _place(name, nth))
        nth += 1
    _write(keys, target, b"", _place(name, nth, last=True))


def opened(keys: KeyRing, source: BinaryIO) -> Iterator[bytes]:
    """The head, then the pieces. Only when the last was given, it was all of the file.

    Raises CannotOpen: not such a file, damaged, cut off, or its key is not here.
    """
    if source.read(len(_FIRST_LINE)) != _FIRST_LINE:
        raise CannotOpen("This is no backup of Paydesk.")
    name, nth = source.read(_ID_BYTES), 0
    sealed = _read(source)
    while following := _read(source):
        yield _opened(keys, sealed, _place(name, nth))
        sealed, nth = following, nth + 1
    _opened(keys, sealed, _place(name, nth, last=True))


def key_of(source: BinaryIO) -> str:
    """The name of the key that such a file was sealed with; "" for what is none."""
    if source.read(len(_FIRST_LINE)) != _FIRST_LINE:
        return ""
    source.read(_ID_BYTES + _LENGTH_BYTES)
    try:
        return key_name(source.read(_HEAD_BYTES))
    except CannotOpen:
        return ""


def _write(keys: KeyRing, target: BinaryIO, plain: bytes, about: str) -> None:
    sealed = keys.seal(zlib.compress(plain, 1), about)
    target.write(len(sealed).to_bytes(_LENGTH_BYTES) + sealed)


def _read(source: BinaryIO) -> bytes:
    """The next piece; nothing at the end of the file."""
    told = source.read(_LENGTH_BYTES)
    length = int.from_bytes(told)
    sealed = source.read(min(length, _LARGEST))
    if told and (len(told) < _LENGTH_BYTES or len(sealed) < length or not length):
        raise CannotOpen("This backup is cut off or damaged. Take another one.")
    return sealed


def _opened(keys: KeyRing, sealed: bytes, about: str) -> bytes:
    try:
        return zlib.decompress(keys.open(sealed, about))
    except zlib.error as error:  # proved to be ours, and yet not what we write
        raise CannotOpen("This backup cannot be unpacked. Take another one.") from error


def _place(name: bytes, nth: int, *, last: bool = False) -> str:
    return f"backup.{name.hex()}.{nth}{'.last' if last else ''}"
