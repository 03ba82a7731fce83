"""Where copies of backups go, on another machine: a folder mounted from there, or an S3-compatible store.

Backups are encrypted before: a store sees names, sizes and times, and nothing else.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import SplitResult, unquote

from payments.errors import Conflict, InvalidInput, NotFound
from payments.web_address import LOOPBACK, taken_apart

_S3 = ("s3+https", "s3+http")
#: A store that says nothing for so long is away. A part of a file is 8 MB: boto's own.
_CONNECT_S, _READ_S = 10, 60


class Store(Protocol):
    """Everything raises Conflict with a sentence when the store is away or refuses."""

    @property
    def where(self) -> str:
        """Its address without secrets."""

    def names(self) -> list[str]: ...

    def put(self, file: Path) -> None:
        """Keep a copy under the file's name, whole or not at all; and see that it arrived as it is."""

    def fetch(self, name: str, to: Path) -> None:
        """Raises NotFound."""

    def remove(self, name: str) -> None: ...


def store_of(text: str) -> Store:
    """A store as it is set: a folder, or ``s3+https://KEY:SECRET@host/bucket/prefix``.

    Raises InvalidInput, which never repeats a secret.
    """
    if "://" not in text:
        return Folder(Path(text))
    parts = _parts(text)
    bucket, _, prefix = parts.path.strip("/").partition("/")
    if parts.scheme not in _S3 or not parts.hostname or not bucket:
        raise InvalidInput("must be a folder or s3+https://KEY:SECRET@host/bucket/prefix")
    if parts.scheme == "s3+http" and parts.hostname not in LOOPBACK:
        raise InvalidInput("must be s3+https: without TLS whoever listens learns the store's key")
    if not parts.username or not parts.password:
        raise InvalidInput("needs the store's key and secret: s3+https://KEY:SECRET@host/bucket/prefix")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    address = f"{parts.scheme.removeprefix('s3+')}://{host}" + (f":{parts.port}" if parts.port else "")
    return Bucket(address, bucket, prefix, unquote(parts.username), unquote(parts.password))


def _parts(text: str) -> SplitResult:
    parts = taken_apart(text)
    if parts is None:
        raise InvalidInput("is no address; / and @ in a secret are written %2F and %40")
    return parts


@dataclass(frozen=True)
class Folder:
    """A folder, best of another machine. It is never made: an empty mount point is not the store."""

    path: Path

    @property
    def where(self) -> str:
        return str(self.path)

    def names(self) -> list[str]:
        with self._away():
            return sorted(path.name for path in self.path.iterdir() if path.is_file())

    def put(self, file: Path) -> None:
        part = self.path / f".{file.name}.part"
        with self._away():
            shutil.copyfile(file, part)
            with part.open("rb+") as copy:
                os.fsync(copy.fileno())
            if sha256_of(part) != sha256_of(file):
                raise Conflict(f"{self.where} does not keep what it is given.")
            part.replace(self.path / file.name)

    def fetch(self, name: str, to: Path) -> None:
        if name not in self.names():
            raise NotFound(f"There is no {name} in {self.where}.")
        with self._away():
            shutil.copyfile(self.path / name, to)

    def remove(self, name: str) -> None:
        with self._away():
            (self.path / name).unlink(missing_ok=True)

    @contextmanager
    def _away(self) -> Iterator[None]:
        try:
            self.path.stat()
            yield
        except OSError as error:
            raise Conflict(f"{self.where} cannot be used: {error.strerror or error}.") from error


@dataclass(frozen=True)
class Bucket:
    """A part of a bucket that is there. Its key needs to list, read, write and delete in it; one that may
    not delete keeps what is too old, and says so."""

    address: str
    bucket: str
    prefix: str
    key: str = field(repr=False)
    secret: str = field(repr=False)

    @property
    def where(self) -> str:
        return "/".join(part for part in (self.address, self.bucket, self.prefix) if part)

    @cached_property
    def _client(self) -> Any:
        import boto3  # takes a second, and only who makes backups needs it
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.address,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            region_name="us-east-1",  # what stores of one's own are called; they do not look at it
            config=Config(
                connect_timeout=_CONNECT_S,
                read_timeout=_READ_S,
                retries={"total_max_attempts": 3},
                s3={"addressing_style": "path"},
            ),
        )

    def names(self) -> list[str]:
        start = f"{self.prefix}/" if self.prefix else ""
        with self._away():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=start)
            keys = [each["Key"].removeprefix(start) for page in pages for each in page.get("Contents", ())]
        return sorted(key for key in keys if "/" not in key)

    def put(self, file: Path) -> None:
        """The store compares each part with its SHA-256 before it says that it has it."""
        with self._away():
            told = {"ChecksumAlgorithm": "SHA256", "Metadata": {"sha256": sha256_of(file)}}
            self._client.upload_file(str(file), self.bucket, self._key(file.name), ExtraArgs=told)
            kept = self._client.head_object(Bucket=self.bucket, Key=self._key(file.name))
        if kept["ContentLength"] != file.stat().st_size:
            raise Conflict(f"{self.where} does not keep what it is given.")

    def fetch(self, name: str, to: Path) -> None:
        if name not in self.names():
            raise NotFound(f"There is no {name} in {self.where}.")
        with self._away():
            self._client.download_file(self.bucket, self._key(name), str(to))

    def remove(self, name: str) -> None:
        with self._away():
            self._client.delete_object(Bucket=self.bucket, Key=self._key(name))

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    @contextmanager
    def _away(self) -> Iterator[None]:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "an error")
            raise Conflict(f"{self.where} refuses: {code}.") from error
        except (BotoCoreError, Boto3Error, OSError) as error:
            raise Conflict(f"{self.where} cannot be reached ({type(error).__name__}).") from error


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
