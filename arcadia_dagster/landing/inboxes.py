"""Several inboxes as one: folders and buckets. The program tells what is wrong with one, and goes on with the others."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from arcadia_dagster.buckets.url import BucketUrl, names_bucket
from arcadia_dagster.landing.bucket_inbox import BucketInbox
from arcadia_dagster.landing.inbox import LABEL_PATTERN, Arriving, FolderInbox, Inbox, InboxError, Look, label_of


class Inboxes:
    """All inboxes; see `Inbox`.

    Args:
        folder: The folder that people drop files in, and downloads are put in; the paths of its files have no label.
        must_exist: Whether it is an error that this folder is not there.
        further: The other folders, by their absolute paths, and the buckets, by their URLs.
    """

    def __init__(self, folder: Path, *, must_exist: bool = True, further: Sequence[str] = ()) -> None:
        """Note where they are. Nothing is looked at yet."""
        self._inboxes: dict[str, Inbox] = {str(folder): FolderInbox(folder, must_exist=must_exist)}
        for name in further:
            self._inboxes[name] = (
                BucketInbox(BucketUrl.parse(name)) if names_bucket(name) else FolderInbox(Path(name), label_of(name))
            )
        self._by_label = {label_of(name): self._inboxes[name] for name in further}
        self._first = self._inboxes[str(folder)]

    def look(
        self,
        known: Mapping[str, str],
        *,
        now_ns: int,
        settle_seconds: float,
        until: float | None = None,
        resume: str | None = None,
    ) -> Look[Arriving]:
        """Look at all of them; see `Inbox`.

        Where the time is over, the next look begins at the inbox where this one stopped, so each gets its turn.

        Args:
            known: See `Inbox`.
            now_ns: See `Inbox`.
            settle_seconds: See `Inbox`.
            until: See `Inbox`. Folders are always looked at.
            resume: See `Inbox`.

        Raises:
            InboxError: None of them can be looked at; the message says why of each.
        """
        arriving: dict[str, Arriving] = {}
        waiting: list[Arriving] = []
        problems: dict[str, str] = {}
        failed: list[str] = []
        seen = 0
        stopped: str | None = None
        start, after = _position(resume)
        for name in self._order(start):
            inbox = self._inboxes[name]
            if stopped is not None or (
                until is not None and isinstance(inbox, BucketInbox) and time.monotonic() >= until
            ):
                stopped = stopped or _text_of(name, None)
                continue
            try:
                look = inbox.look(
                    known,
                    now_ns=now_ns,
                    settle_seconds=settle_seconds,
                    until=until,
                    resume=after if name == start else None,
                )
            except InboxError as error:
                failed.append(str(error))
                problems[name] = error.reason
                continue
            arriving.update((file.inbox_path, file) for file in look.complete if file.inbox_path not in arriving)
            waiting += look.waiting
            problems.update(look.problems)
            seen += look.seen
            if look.resume is not None:
                stopped = _text_of(name, look.resume)
        if len(failed) == len(self._inboxes):
            raise InboxError("; ".join(failed))
        return Look(list(arriving.values()), waiting, problems, seen, stopped)

    def file_at(self, inbox_path: str) -> Arriving | None:
        """The file that lies at a path; see `Inbox`."""
        return self._of(inbox_path).file_at(inbox_path)

    def _of(self, inbox_path: str) -> Inbox:
        match = re.match(LABEL_PATTERN, inbox_path)
        return self._first if match is None else self._by_label.get(match[0], self._first)

    def _order(self, start: str | None) -> list[str]:
        """The folders, then the buckets from that one on."""
        buckets = [name for name, inbox in self._inboxes.items() if isinstance(inbox, BucketInbox)]
        turn = buckets.index(start) if start in buckets else 0
        return [*(name for name in self._inboxes if name not in buckets), *buckets[turn:], *buckets[:turn]]


def _text_of(name: str, after: str | None) -> str:
    return json.dumps([name, after])


def _position(resume: str | None) -> tuple[str | None, str | None]:
    """The inbox and the key that a look begins with."""
    if resume is None:
        return None, None
    try:
        position: Any = json.loads(resume)
    except ValueError:
        return None, None
    match position:
        case [str(name), str(after)]:
            return name, after
        case [str(name), None]:
            return name, None
    # Somebody else wrote it: a look from the beginning finds the same.
    return None, None
