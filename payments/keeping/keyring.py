"""The key ring: encrypts what must not be read from a stolen database, proofs of payment for one.

AES-256-GCM with a nonce drawn for each text. What is encrypted begins with the name of its key, so that
several keys can be in use while one replaces another; and it is bound to the place where it is kept
(``about``), so that it opens nowhere else.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from payments.errors import CannotOpen, InvalidInput, quoted

_KEY_BYTES, _NONCE_BYTES = 32, 12
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,19}")
#: The format of what is encrypted, the first byte of it.
_VERSION = b"\x01"


@dataclass(frozen=True)
class KeyRing:
    """Keys by name. ``current`` encrypts, each of them decrypts. One without keys refuses both."""

    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    current: str = ""

    def seal(self, plain: bytes, about: str) -> bytes:
        """Encrypt; ``about`` names the place it is kept in, ``proofs.sealed.17``.

        Raises CannotOpen when there is no key.
        """
        if not self.current:
            raise CannotOpen(
                "There is no key to encrypt with. An admin sets ENCRYPTION_KEYS and starts anew."
            )
        nonce = secrets.token_bytes(_NONCE_BYTES)
        head = header(self.current)
        return head + nonce + AESGCM(self.keys[self.current]).encrypt(nonce, plain, head + about.encode())

    def open(self, sealed: bytes, about: str) -> bytes:
        """Decrypt. Raises CannotOpen: the key is not here, or this was changed or belongs elsewhere."""
        name = key_name(sealed)
        key = self.keys.get(name)
        if key is None:
            raise CannotOpen(f"The key {quoted(name)} is not among ENCRYPTION_KEYS. An admin puts it back.")
        start = 2 + len(name)
        head, nonce, rest = (
            sealed[:start],
            sealed[start : start + _NONCE_BYTES],
            sealed[start + _NONCE_BYTES :],
        )
        try:
            return AESGCM(key).decrypt(nonce, rest, head + about.encode())
        except (InvalidTag, ValueError) as error:
            raise CannotOpen(
                "This was changed since it was kept, or belongs elsewhere. Tell an admin."
            ) from error


def header(name: str) -> bytes:
    """What everything begins with that this key encrypted."""
    return _VERSION + bytes([len(name)]) + name.encode()


def key_name(sealed: bytes) -> str:
    """The name of the key that something was encrypted with. Raises CannotOpen for what never was."""
    if len(sealed) < 2 + _NONCE_BYTES or sealed[:1] != _VERSION:
        raise CannotOpen("This is nothing that was encrypted here. Tell an admin.")
    return sealed[2 : 2 + sealed[1]].decode("ascii", "replace")


def read(text: str) -> KeyRing:
    """Keys as they are set: ``name:key name:key``, the first encrypts. Empty is a ring without keys.

    Raises InvalidInput, which never repeats a key.
    """
    keys: dict[str, bytes] = {}
    for nth, part in enumerate(text.split(), 1):
        name, _, encoded = part.partition(":")
        if not _NAME.fullmatch(name) or name in keys:
            raise InvalidInput(f"key {nth} needs a name of its own, of letters, digits and dashes")
        keys[name] = _key(encoded, nth)
    return KeyRing(keys, next(iter(keys), ""))


def new_key(name: str) -> str:
    """A key as it is set."""
    return f"{name}:{base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}"


def _key(encoded: str, nth: int) -> bytes:
    try:
        key = base64.urlsafe_b64decode(encoded)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise InvalidInput(f"key {nth} is not {_KEY_BYTES} bytes in base64; `manage.py new-key` draws one")
    if len(set(key)) < _KEY_BYTES // 4:
        raise InvalidInput(f"key {nth} was not drawn at random; `manage.py new-key` draws one")
    return key
