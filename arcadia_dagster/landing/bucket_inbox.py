"""A bucket, or a folder in one, as an inbox. Nothing in it is written or deleted.

An object is whole as soon as it is listed, so nothing is waited for. What was taken is known by its name, its length and its
ETag: it is not read again.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from arcadia_dagster.buckets.bucket import TICK, Bucket, Object
from arcadia_dagster.buckets.errors import BucketError, GoneError, NamesError, ReplacedError
from arcadia_dagster.buckets.url import BucketUrl
from arcadia_dagster.landing.inbox import (
    Entry,
    FileState,
    InboxError,
    Look,
    NotTakenError,
    StillChangingError,
    fingerprint_of_object,
    is_temporary,
    label_of,
)

_MICROSECOND_NS = 1_000
_GONE = (
    "it was listed, but cannot be read under that name: either it was deleted since, or its whole name begins or ends with /. "
    "If its name does, rename it"
)
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class BucketFile(Entry):
    """An object in an inbox, as it was listed; see `Arriving`.

    Attributes:
        key: Its name below the inbox's prefix.
        state: As it was listed.
        bucket: Where it is read from.
    """

    key: str
    state: FileState
    bucket: Bucket

    @property
    def is_remote(self) -> bool:
        """Yes."""
        return True

    def content(self) -> Iterator[bytes]:
        """Its bytes, in pieces."""
        try:
            yield from self.bucket.read(self.key, self.state.byte_size, self.state.version)
        except GoneError as error:
            if self.state.byte_size == 0:
                # The mark of a folder whose name has a point.
                raise StillChangingError("it was gone before it was read") from error
            raise NotTakenError(_GONE) from error
        except ReplacedError as error:
            raise StillChangingError("it was replaced while it was read") from error
        except BucketError as error:
            why = str(error).removeprefix(f"{self.bucket.url}: ")
            raise NotTakenError(f"it cannot be read: {why}") from error


class BucketInbox:
    """A folder of a bucket; see `Inbox`.

    Args:
        url: Where it is.
    """

    def __init__(self, url: BucketUrl) -> None:
        """Note where it is. Nothing is asked yet."""
        self.url = url
        self.label = label_of(str(url))
        self._bucket = Bucket(url)
        self._listed: dict[str, Object] = {}

    def look(
        self,
        known: Mapping[str, str],
        *,
        now_ns: int,  # noqa: ARG002 - an object is whole
        settle_seconds: float,  # noqa: ARG002
        until: float | None = None,
        resume: str | None = None,
    ) -> Look[BucketFile]:
        """List it, page by page; see `Inbox`. Where it cannot be listed to its end, what was listed counts.

        Args:
            known: See `Inbox`.
            now_ns: Not used.
            settle_seconds: Not used.
            until: See `Inbox`.
            resume: The key after which to go on.
        """
        bucket = self._bucket if until is None else Bucket(self.url, patience=TICK)
        self._listed = {}
        listed: dict[str, Object] = {}
        complete: dict[str, BucketFile] = {}
        stopped: str | None = None
        left: list[str] = []
        try:
            for page in bucket.pages(after=resume, left=left):
                for one in page:
                    path = self.label + one.key
                    if path not in known and (any(map(is_temporary, one.key.split("/"))) or _is_no_file(one)):
                        continue
                    if path in listed and not self._takes_the_place(bucket, listed[path], one, left):
                        continue
                    listed[path] = one
                    complete.pop(path, None)
                    if known.get(path) != _fingerprint(one):
                        complete[path] = self._file(path, one)
                if until is not None and page and time.monotonic() >= until:
                    stopped = max(one.key for one in page)
                    break
        except BucketError as error:
            if not listed:
                raise InboxError(str(error), reason=self._reason(error)) from error
            return Look(list(complete.values()), [], {str(self.url): self._reason(error)}, len(listed))
        problems = {str(self.url): _about(left)} if left else {}
        if problems and not listed:
            raise InboxError(f"{self.url}: {_about(left)}", reason=_about(left))
        self._listed = listed if until is None else {}
        return Look(list(complete.values()), [], problems, len(listed), stopped)

    def _takes_the_place(self, bucket: Bucket, first: Object, second: Object, left: list[str]) -> bool:
        """Whether of two objects that are listed under one name the second has it; the other begins or ends with `/`."""
        now = bucket.head(first.key)
        is_second = now is not None and now.version == second.version
        if (first if is_second else second).byte_size:
            left.append(first.key)
        return is_second

    def _reason(self, error: BucketError) -> str:
        """What is wrong, without the bucket's name, with which such a message begins."""
        return str(error).removeprefix(f"{self.url}: ")

    def file_at(self, inbox_path: str) -> BucketFile | None:
        """The object that the last look found at a path, if that look came to the end."""
        listed = self._listed.get(inbox_path)
        return None if listed is None else self._file(inbox_path, listed)

    def check(self) -> str:
        """Ask for a list and, where there is an object, for its bytes; in words.

        Raises:
            BucketError: It may not be listed or read, or has names that cannot be listed; the message says in which folders.
        """
        bucket = Bucket(self.url, patience=TICK)
        try:
            first = next((one for page in bucket.pages() for one in page if one.byte_size), None)
        except NamesError as error:
            left: list[str] = []
            for _ in bucket.pages(left=left):
                pass
            raise BucketError(f"{self.url}: {_about(left)}") from error
        if first is None:
            return f"{self.url} can be listed; it is empty, so whether its objects can be read is not known"
        for _ in bucket.read(first.key, first.byte_size, first.version):
            break
        return f"{self.url} can be listed and read"

    def _file(self, path: str, one: Object) -> BucketFile:
        modified_ns = _nanoseconds(one.modified_at)
        state = FileState(one.byte_size, modified_ns, modified_ns, None, _version(one))
        return BucketFile(path, one.key, state, self._bucket)


def _about(left: Sequence[str]) -> str:
    """What is said of names that cannot be listed or read."""
    shown = ", ".join(repr(name or "/") for name in left[:_SHOWN])
    more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
    return (
        f"names in {shown}{more} cannot be read: one has an empty part (as after a prefix that ends with /), a part . or "
        ".., or a control character, or it begins or ends with /; rename the object, or name a prefix without it"
    )


def _is_no_file(one: Object) -> bool:
    """Whether an object is the mark of an empty folder, as consoles make it: it has no bytes, and no ending in its name."""
    return one.byte_size == 0 and "." not in one.key.rpartition("/")[2]


def _fingerprint(one: Object) -> str:
    return fingerprint_of_object(one.byte_size, _version(one))


def _version(one: Object) -> str:
    return one.version if one.version is not None else one.modified_at.isoformat()


def _nanoseconds(time_: datetime) -> int:
    return (time_ - datetime.fromtimestamp(0, time_.tzinfo)) // timedelta(microseconds=1) * _MICROSECOND_NS
