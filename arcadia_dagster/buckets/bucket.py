"""Requests to a bucket: list, read, and write under a condition. Each has a bound on its time and its tries.

Reading compares the object with the one that was listed, so that nobody gets half of one and half of another.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from arcadia_dagster.buckets.environment import ALLOW_HTTP, config, is_plain_to_this_machine, signature_of_access
from arcadia_dagster.buckets.errors import (
    BucketError,
    GoneError,
    NamesError,
    ReplacedError,
    Work,
    explained,
    not_installed,
)
from arcadia_dagster.buckets.url import BucketUrl

if TYPE_CHECKING:
    from obstore.store import ObjectStore

# S3 answers with so many at most; Azure with five times as many, Google with as many.
_PAGE: Final = 1000

# An object is read in pieces of this size: each is a request with a deadline of its own, so that a slow one of ten gigabytes is
# no failure, and one that stops is.
_PIECE: Final = 16 << 20
_PIECES_AT_A_TIME: Final = 4

# The library asks again after a connection error or an answer 5xx, and not after an answer that is cut off.
_CUT_OFF_TRIES: Final = 3
_CUT_OFF_PAUSE: Final = 0.2

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request may take.

    Attributes:
        request: Seconds for one try, the answer's bytes included.
        tries: Seconds after which none is tried again; a request takes `request` seconds more at most.
        most: How often a request is sent again at most.
    """

    request: float
    tries: float
    most: int


RUN: Final = Patience(60.0, 60.0, 6)
"""In a run: the longest that a piece of an object may take is then two minutes."""

TICK: Final = Patience(8.0, 6.0, 2)
"""In a tick of the sensor, which must be over within a minute."""


@dataclass(frozen=True, slots=True)
class Object:
    """An object as it was listed.

    Attributes:
        key: Its name below the prefix.
        byte_size: Its length.
        modified_at: When it was written, with its time zone.
        version: What tells it from another of the same name: its ETag, without quotation marks.
        generation: The store's own number of its version, where it has one; Google's conditions name that.
    """

    key: str
    byte_size: int
    modified_at: datetime
    version: str | None
    generation: str | None = None


class Bucket:
    """A bucket, or a folder in it.

    Args:
        url: Where it is.
        patience: How long a request may take.
    """

    def __init__(self, url: BucketUrl, *, patience: Patience = RUN) -> None:
        """Note where it is. Nothing is asked yet."""
        self.url = url
        self._patience = patience
        self._made: ObjectStore | None = None

    def pages(
        self, *, after: str | None = None, folder: str | None = None, left: list[str] | None = None
    ) -> Iterator[list[Object]]:
        """All objects, page by page, in the order of their names.

        Args:
            after: Only those whose names come after this one.
            folder: Only those in this folder below the prefix.
            left: Gets the folders that cannot be listed, because a name in them has an empty part or the like; the others are
                listed then, with a request for each. None: `NamesError` is raised.

        Raises:
            BucketError: It cannot be listed, or not to its end; the pages until then are right.
        """
        last, tries = after, 0
        while True:
            try:
                for page in self._listing(last, folder):
                    objects = [_object(entry) for entry in page]
                    last, tries = max(one.key for one in objects) if objects else last, 0
                    yield objects
            except _Failed as failure:
                if left is not None and isinstance(failure.error, NamesError):
                    yield from self._walk(folder or "", last, left)
                    return
                tries += 1
                if not failure.is_cut_off or tries >= _CUT_OFF_TRIES:
                    raise failure.error from None
                time.sleep(_CUT_OFF_PAUSE)
            else:
                return

    def _walk(self, folder: str, after: str | None, left: list[str]) -> Iterator[list[Object]]:
        """The same folder by folder, where a name that cannot be listed makes the list of all of them fail."""
        try:
            objects, folders = self._level(folder)
        except NamesError:
            left.append(folder)
            return
        entries: list[tuple[str, Object | None]] = [(one.key, one) for one in objects]
        for name in folders:
            if len(name) > len(folder):
                entries.append((f"{name}/", None))
            else:
                # The library strips the `/` with which a name begins.
                left.append("/")
        page: list[Object] = []
        for name, one in sorted(entries, key=lambda entry: entry[0]):
            if one is not None:
                page += [one] if after is None or name > after else []
            elif after is None or name > after or after.startswith(name):
                if page:
                    yield page
                page = []
                yield from self._walk(name.removesuffix("/"), after, left)
        if page:
            yield page

    def _level(self, folder: str) -> tuple[list[Object], list[str]]:
        """The objects in a folder, and the folders in it."""
        return _asked_again(lambda: self._level_once(folder))

    def _level_once(self, folder: str) -> tuple[list[Object], list[str]]:
        store = self._store()
        import obstore  # noqa: PLC0415 - as in `_listing`

        try:
            level = obstore.list_with_delimiter(store, folder or None)
        except _library_errors() as error:
            raise _Failed.of(error, self.url, "list") from None
        return [_object(entry) for entry in level["objects"]], list(level["common_prefixes"])

    def read(self, key: str, byte_size: int, version: str | None) -> Iterator[bytes]:
        """The bytes of an object that was listed, in pieces.

        Args:
            key: Its name below the prefix.
            byte_size: Its length, as it was listed.
            version: As it was listed.

        Raises:
            GoneError: It is gone.
            ReplacedError: It is another one now.
            BucketError: It cannot be read.
        """
        for start in range(0, max(byte_size, 1), _PIECE):
            yield self._piece(key, start, min(start + _PIECE, byte_size), version)

    def head(self, key: str) -> Object | None:
        """An object as it is now; None where there is none.

        Raises:
            BucketError: It cannot be asked for.
        """
        meta = self._asked("read", lambda obstore, store: obstore.head(store, key))
        return None if meta is None else _object(meta)

    def get(self, key: str) -> tuple[bytes, Object] | None:
        """The bytes of a small object, and what it is; None where there is none.

        Raises:
            BucketError: It cannot be read.
        """

        def ask(obstore: ModuleType, store: "ObjectStore") -> tuple[bytes, Object]:
            answer = obstore.get(store, key)
            return bytes(answer.bytes()), _object(answer.meta)

        stored: tuple[bytes, Object] | None = self._asked("read", ask)
        return stored

    def put(self, key: str, content: bytes, *, instead_of: Object | None) -> bool:
        """Write a small object, if nobody else has written it meanwhile; whether that was so.

        Args:
            key: Its name below the prefix.
            content: Its bytes.
            instead_of: The object that it takes the place of; None where there must not be one.

        Raises:
            BucketError: It cannot be written.
        """
        mode: Any = "create"
        if instead_of is not None:
            named = {"e_tag": instead_of.version and f'"{instead_of.version}"', "version": instead_of.generation}
            mode = {name: value for name, value in named.items() if value is not None}
        try:
            self._asked("write", lambda obstore, store: obstore.put(store, key, content, mode=mode))
        except ReplacedError:
            return False
        return True

    def put_file(self, key: str, path: Path) -> None:
        """Write a file, in pieces where it is large, over whatever there is.

        Raises:
            BucketError: It cannot be written. Nobody sees a part of it.
        """
        self._asked(
            "write",
            lambda obstore, store: obstore.put(store, key, path, chunk_size=_PIECE, max_concurrency=_PIECES_AT_A_TIME),
        )

    def _asked(self, work: Work, ask: Callable[[ModuleType, "ObjectStore"], Any]) -> Any:  # noqa: ANN401 - whatever was asked
        """What the library answers; None where there is no such object."""
        store = self._store()
        import obstore  # noqa: PLC0415
        from obstore.exceptions import AlreadyExistsError, PreconditionError  # noqa: PLC0415

        try:
            return ask(obstore, store)
        except (AlreadyExistsError, PreconditionError):
            raise ReplacedError(f"{self.url} was written by somebody else meanwhile") from None
        except FileNotFoundError:
            if work == "read":
                return None
            raise explained(FileNotFoundError("status code: 404"), self.url, work) from None
        except _library_errors() as error:
            raise explained(error, self.url, work) from None

    def _listing(self, after: str | None, folder: str | None) -> Iterator[Sequence[Any]]:
        store = self._store()
        import obstore  # noqa: PLC0415 - an optional package, and slow to import

        try:
            yield from obstore.list(store, prefix=folder, offset=after, chunk_size=_PAGE)
        except _library_errors() as error:
            raise _Failed.of(error, self.url, "list") from None

    def _piece(self, key: str, start: int, end: int, version: str | None) -> bytes:
        return _asked_again(lambda: self._piece_once(key, start, end, version))

    def _piece_once(self, key: str, start: int, end: int, version: str | None) -> bytes:
        store = self._store()
        import obstore  # noqa: PLC0415
        from obstore.exceptions import PreconditionError  # noqa: PLC0415

        options: dict[str, Any] = {"range": (start, end)} if end > start else {}
        if version is not None:
            options["if_match"] = f'"{version}"'
        try:
            answer = obstore.get(store, key, options=options)
            # A store that knows no conditions sends what there is.
            there = _object(answer.meta)
            content = bytes(answer.bytes())
        except FileNotFoundError:
            raise GoneError(f"{self.url}/{key} is gone") from None
        except PreconditionError:
            if self.head(key) is None:
                # Azure says the same of both.
                raise GoneError(f"{self.url}/{key} is gone") from None
            raise ReplacedError(f"{self.url}/{key} was replaced") from None
        except _library_errors() as error:
            raise _Failed.of(error, self.url, "read") from None
        if (version is not None and there.version != version) or len(content) != end - start:
            raise ReplacedError(f"{self.url}/{key} was replaced")
        return content

    def _store(self) -> "ObjectStore":
        if self._made is None:
            try:
                from obstore import store as stores  # noqa: PLC0415
            except ModuleNotFoundError:
                raise not_installed(self.url) from None
            kind: Any = {"s3": stores.S3Store, "gs": stores.GCSStore, "az": stores.AzureStore}[self.url.scheme]
            try:
                sas = signature_of_access(self.url.scheme)
                own = {} if sas is None else {"credential_provider": lambda: {"sas_token": sas, "expires_at": None}}
                self._made = kind(
                    self.url.bucket,
                    prefix=self.url.prefix or None,
                    config=config(self.url.scheme),
                    client_options=self._client_options(),
                    **own,
                    retry_config={
                        "max_retries": self._patience.most,
                        "retry_timeout": timedelta(seconds=self._patience.tries),
                        "backoff": {
                            "init_backoff": timedelta(milliseconds=100),
                            "max_backoff": timedelta(seconds=2),
                            "base": 2,
                        },
                    },
                )
            except _library_errors() as error:
                raise explained(error, self.url, "list") from None
        return self._made

    def _client_options(self) -> dict[str, Any]:
        # The library reads this variable only where it is given no options.
        is_allowed = os.environ.get(ALLOW_HTTP[self.url.scheme], "").lower() in {"1", "true"}
        return {
            "timeout": timedelta(seconds=self._patience.request),
            "connect_timeout": timedelta(seconds=min(5.0, self._patience.request)),
            "allow_http": is_allowed or is_plain_to_this_machine(self.url.scheme),
        }


class _Failed(Exception):  # noqa: N818 - it never leaves this module
    """A request failed; whether it was by an answer that was cut off, so that it is asked again here."""

    def __init__(self, error: BucketError, *, is_cut_off: bool) -> None:
        super().__init__(str(error))
        self.error, self.is_cut_off = error, is_cut_off

    @classmethod
    def of(cls, error: Exception, url: BucketUrl, work: Work) -> "_Failed":
        text = str(error)
        is_cut_off = "response body" in text and "TimedOut" not in text
        return cls(explained(error, url, work), is_cut_off=is_cut_off)


def _asked_again(ask: Callable[[], _Answer]) -> _Answer:
    """The answer of a request, which is asked again where its answer was cut off.

    Raises:
        BucketError: It failed, or was cut off each time.
    """
    for tries in range(1, _CUT_OFF_TRIES + 1):
        try:
            return ask()
        except _Failed as failure:
            if not failure.is_cut_off or tries == _CUT_OFF_TRIES:
                raise failure.error from None
            time.sleep(_CUT_OFF_PAUSE)
    raise AssertionError


def _object(entry: Any) -> Object:  # noqa: ANN401 - the library's own dictionary
    version = entry["e_tag"]
    return Object(
        entry["path"],
        entry["size"],
        entry["last_modified"],
        None if version is None else version.strip('"'),
        entry["version"],
    )


def _library_errors() -> tuple[type[Exception], ...]:
    from obstore.exceptions import BaseError  # noqa: PLC0415

    return (BaseError, OSError, ValueError)
