"""What a provider is: one module that says what can be had from its API, with which rights and settings, and how.

What belongs here: the interface, and what every provider's account shares. What does not: requests (`api.py`), which invoices
are new and where they are put (`download.py`), and which providers there are (`catalogue.py`).

A provider's module has its settings (a `ProviderSettings`), its `Account`, and the `Provider` that names both. To add one, write
such a module and name it in `catalogue.py`.
"""

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from types import TracebackType
from typing import Any, ClassVar, Final, Generic, Self, TypeVar

from pydantic import SecretStr

from arcadia_dagster.providers.api import Api, Pace
from arcadia_dagster.providers.errors import ConfigurationFailure, UnusableAnswer
from arcadia_dagster.settings import Section

ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
"""What ids look like: nothing that would lead elsewhere in a path or a file's name."""


class ProviderSettings(Section):
    """The settings of one provider.

    Attributes:
        needed: The fields without which nothing can be fetched. The provider is wanted once the first of them is set.
    """

    needed: ClassVar[tuple[str, ...]]

    @property
    def is_wanted(self) -> bool:
        """Whether a person has set the provider up, rightly or wrongly."""
        return self._has(self.needed[0])

    @classmethod
    def variable(cls, name: str) -> str:
        """The environment variable of a field."""
        return str(cls.model_fields[name].validation_alias)

    def assert_complete(self) -> None:
        """Nothing, where all that is needed is set.

        Raises:
            ConfigurationFailure: Something is not; the message names it.
        """
        missing = [self.variable(name) for name in self.needed if not self._has(name)]
        if missing:
            raise ConfigurationFailure(f"{self.variable(self.needed[0])} is set: set {', '.join(missing)} too")

    def _has(self, name: str) -> bool:
        value = getattr(self, name)
        return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a fetch asks a provider for.

    Attributes:
        first_month: Invoices of earlier months are left out.
        months: Only the invoices of these months; None for all.
        today: The day (UTC) of the fetch.
        has: Whether something of an invoice has arrived before, by its kind and its label (see `Listed`).
    """

    first_month: date
    months: Collection[date] | None
    today: date
    has: Callable[[str, str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An invoice as the provider lists it.

    Attributes:
        entry: What the list says of it.
        id: Its id at the provider.
        months: The months that it may be of, the first days (UTC): several where the list names none; none where it has only
            ids, which were asked for by date.
        label: What its file is called by: its id, and its month where the id alone tells it.
        kind: `invoice`, or what the provider calls it.
        changed_at: When the provider changed it last, where it says so.
        state: What of the entry makes it another version when it changes; None where the list says nothing but the id, so
            that an invoice that has arrived is known.
    """

    entry: dict[str, Any]
    id: str
    months: tuple[date, ...]
    label: str
    kind: str = "invoice"
    changed_at: str | None = None
    state: object = None

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.kind} {self.id}{f' of {min(self.months):%Y-%m}' if self.months else ''}"

    @property
    def is_id_alone(self) -> bool:
        """Whether the list has nothing but its id."""
        return self.changed_at is None and self.state is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """Something that the provider may allow us to read.

    Attributes:
        what: What it is, such as `the list of invoices`.
        try_it: Reads a little of it and says what it found; raises a `ProviderError` where it may not.
    """

    what: str
    try_it: Callable[[], str]


class Account(ABC):
    """One account at a provider, open for one fetch. A context manager: leaving it closes its connection.

    Attributes:
        has_papers: Whether the provider has invoices as PDF.
    """

    has_papers: bool = False

    def __init__(self, api: Api) -> None:
        """Take the API that it reads."""
        self.api = api

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.api.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; nothing can be read any more."""
        self.api.close()

    @abstractmethod
    def entries(self, wanted: Wanted) -> list[dict[str, Any]]:
        """The invoices as the provider lists them: at least those that are wanted.

        Raises:
            ProviderError: There is no complete list.
        """

    @abstractmethod
    def listed(self, entry: dict[str, Any]) -> Listed:
        """What an entry of the list says.

        Raises:
            UnusableAnswer: It cannot be right.
        """

    def looked_up(self, invoice: Listed) -> Listed:
        """What the provider says of an invoice whose list has its id alone; any other as it is listed.

        Raises:
            ProviderError: It cannot be had.
        """
        return invoice

    @abstractmethod
    def document(self, invoice: Listed) -> dict[str, Any]:
        """The invoice with all that the provider states of it, as its format in `formats/` reads it.

        Raises:
            ProviderError: It cannot be had whole.
        """

    def paper(self, invoice: Listed) -> bytes | None:  # noqa: ARG002 - for providers that have one
        """The invoice as a PDF; None where the provider has none.

        Raises:
            ProviderError: It cannot be had.
        """
        return None

    def resources(self) -> list[dict[str, str | None]] | None:
        """What the account runs: id, name, type and project of each resource, by type and id; None where that cannot be asked.

        Raises:
            ProviderError: There is no complete list.
        """
        return None

    @abstractmethod
    def rights(self) -> Iterator[Right]:
        """What the credentials should be allowed to read."""


Own = TypeVar("Own", bound=ProviderSettings)


class Provider(ABC, Generic[Own]):
    """A provider, as the catalogue has it.

    Attributes:
        name: Its name on the command line and in files' names, which is its source in finance.
        title: Its name for people.
        settings: Its settings.
        rights: Which rights the credentials need, for docs/providers.md.
        arrives: What arrives and when.
        witness: What states the invoice a second time.
        lacks: What cannot be had from it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    settings: type[Own]
    rights: ClassVar[str]
    arrives: ClassVar[str]
    witness: ClassVar[str]
    lacks: ClassVar[str]

    @abstractmethod
    def open(self, settings: Own, pace: Pace) -> Account:
        """An account with these settings; no connection is made yet.

        Raises:
            ConfigurationFailure: A setting cannot be right; the message repeats no secret.
        """


def id_in(found: object, what: str) -> str:
    """An id from an answer, fit for a path and a file's name.

    Raises:
        UnusableAnswer: It would lead elsewhere.
    """
    if not isinstance(found, str) or ID.fullmatch(found) is None:
        raise UnusableAnswer(f"{what}: {found!r:.80}; expected an id of letters and digits")
    return found


def number_in(found: object, what: str) -> str:
    """An id from an answer that is a whole number, as text.

    Raises:
        UnusableAnswer: It is something else.
    """
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise UnusableAnswer(f"{what}: {found!r:.80}; expected a whole number")
    return str(found)


def day_in(found: object, what: str) -> date:
    """The day that a date or a time from an answer begins with.

    Raises:
        UnusableAnswer: It is none.
    """
    try:
        return date.fromisoformat(found[:10] if isinstance(found, str) else "")
    except ValueError as error:
        raise UnusableAnswer(f"{what}: {found!r:.80}; expected a day such as 2026-05-01") from error


def months_billed_on(day: date) -> tuple[date, ...]:
    """The months that an invoice of a day may be of, where its list names no period: the one before, or the day's own."""
    return month_after(day, -1), month_after(day, 0)


def month_after(month: date, count: int = 1) -> date:
    """The first day of the month that comes so many months later."""
    ordinal = month.year * 12 + month.month - 1 + count
    return date(ordinal // 12, ordinal % 12 + 1, 1)


def months_before(day: date, count: int) -> list[date]:
    """The month of a day and those before it, so many in all, the latest first."""
    return [month_after(day, -back) for back in range(count)]


def state_of(entry: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The members of an entry whose change makes another version of the invoice."""
    return {name: entry.get(name) for name in names}


def number_of(state: object) -> int:
    """A number that differs where a state differs, and is the same everywhere: for the name of a file."""
    text = json.dumps(state, sort_keys=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
