"""A service elsewhere: its address, its time limits, its retries, and the exceptions for its failures.

What belongs here: the common part of finance, providers and the webhook. What does not: the meaning of an answer, which its
client knows.
"""

import contextlib
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self, TypeVar

import httpcore
import httpx
import tenacity

from arcadia_dagster import __version__
from arcadia_dagster.transport.deadline import (
    EXCHANGE_FAILED,
    DeadlineTransport,
    Exchange,
    authorities,
    beginning_of,
    breakage,
    exchange,
)
from arcadia_dagster.transport.words import quoted

_READ_OF_WORDS: Final = 8_000  # bytes: many more than are shown, so that no part of a secret is among those that are

Result = TypeVar("Result")


class ServiceError(Exception):
    """A service did not carry out the request, or nobody can say whether it did.

    Attributes:
        status: The HTTP status of the last answer; None where there was none.
        requests: How many requests were attempted, connections that failed included; 0 where none was.
        retry_after: The seconds in the last answer's `Retry-After`; None where it has none.
    """

    def __init__(
        self, message: str, *, status: int | None = None, requests: int = 0, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.requests = requests
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long one request may take, in seconds, and how much of its answer is read.

    Attributes:
        connect: For a connection, TLS included.
        read: Without a byte of the answer, or while it takes no byte of the request.
        deadline: For the whole request, from connecting to the last byte of the answer.
        answer_bytes: The most bytes of an answer that are read; the rest is cut off.
    """

    connect: float = 5.0
    read: float
    deadline: float
    answer_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """The retries after a passing failure. Times are in seconds.

    Attributes:
        delays: Before the second request, before the third, and so on; empty: one request only.
        jitter: By how much a pause may be longer, at random, as a share of it: so that many clients that failed together do
            not come back together.
        longest: The longest `Retry-After` to wait for; after a longer one there is no retry.
    """

    delays: tuple[float, ...] = ()
    jitter: float = 0.1
    longest: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """The exceptions for a service's failures, by what a caller does next.

    Attributes:
        passing: It was away or too slow: the same request may get through later.
        setting: No request gets through: a setting is wrong.
        unresolved: Its host name does not resolve.
    """

    passing: type[ServiceError]
    setting: type[ServiceError]
    unresolved: type[ServiceError]


@dataclass(slots=True, kw_only=True)
class Service:
    """One service; for a whole run, safe to use from several threads.

    A context manager: it keeps connections open between requests, and leaving it closes them. It follows no redirect (a
    redirected POST becomes a GET), keeps no cookie, uses no proxy or netrc of the environment, and logs no address.

    Attributes:
        url: The base URL, without a slash at its end.
        name: How messages call it.
        setting: The variable that the URL is from.
        read_setting: The variable that the read time-out is from; blank where none is.
        limits: How long a request may take.
        retries: How often the same is asked again.
        failures: What its failures are raised as.
        redact: Takes our secrets out of somebody else's words.
        sleep: Waits for so many seconds.
    """

    url: str = field(repr=False)
    name: str
    setting: str
    read_setting: str = ""
    limits: Limits
    retries: Retries
    failures: Failures
    redact: Callable[[str], str] = field(repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    _transport: DeadlineTransport = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Find whose certificates to trust; no connection is made yet.

        Raises:
            ServiceError: As `failures.setting`: there are none that can be read.
        """
        try:
            trusted = authorities() if self.url.startswith("https:") else None
        except ValueError as error:
            raise self.failures.setting(str(error)) from error
        self._transport = DeadlineTransport(trusted)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; nothing can be asked any more."""
        self._transport.close()

    def retrying(
        self,
        ask: Callable[[int], Result],
        *,
        before_pause: Callable[[float, BaseException], None] = lambda seconds, failure: None,  # noqa: ARG005
    ) -> Result:
        """Ask until no passing failure is raised, as often as `retries` says.

        Args:
            ask: Asks once; it gets the request's number, from 1.
            before_pause: Gets the seconds of each pause and the failure before it; an exception from it ends the retries.

        Raises:
            ServiceError: What the last request raised, or the first that is no passing failure.
        """
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(self.failures.passing),
            stop=self._is_over,
            wait=self._pause,
            before_sleep=lambda state: before_pause(state.upcoming_sleep, _failure_of(state)),
            sleep=self.sleep,
            reraise=True,
        )
        for attempt in attempts:
            with attempt:
                result = ask(attempt.retry_state.attempt_number)
        return result

    def request(
        self,
        method: str,
        url: httpx.URL | str,
        *,
        headers: Mapping[str, str],
        number: int = 1,
        content: bytes | None = None,
        params: Mapping[str, str] | None = None,
        most: int | None = None,
        asked_for: str = "",
    ) -> tuple[httpx.Response, bytes]:
        """One request and the beginning of its answer, whatever its status.

        Args:
            method: `GET` or `POST`.
            url: Where, with the base URL.
            headers: Headers besides those of every request.
            number: The number of the try, from 1.
            content: Its body.
            params: Its query, in place of what the URL has.
            most: The most bytes of the answer to read, in place of the limit. One byte more shows that it was cut off.
            asked_for: The thing that it asks for, as a failure names it, for a service with several kinds of requests.

        Raises:
            ServiceError: As one of `failures`: there is no complete answer.
        """
        common = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # a small compressed answer could be a huge one
            "User-Agent": f"arcadia-dagster/{__version__}",
        }
        times = httpx.Timeout(self.limits.read, connect=self.limits.connect).as_dict()
        request = httpx.Request(
            method, url, params=params, headers={**common, **headers}, content=content, extensions={"timeout": times}
        )
        with exchange(self.limits.deadline) as begun:
            try:
                # Without httpx's client, which would write the address into the log and keep cookies.
                with contextlib.closing(self._transport.handle_request(request)) as response:
                    return response, beginning_of(response, begun, self.limits.answer_bytes if most is None else most)
            except EXCHANGE_FAILED as error:
                raise self._failure(error, begun, number, f" for {asked_for}" if asked_for else "") from error

    def quoted(self, content: bytes) -> str:
        """The service's words, without our secrets: short, on one line and harmless to a terminal."""
        return quoted(self.redact(content[:_READ_OF_WORDS].decode(errors="replace")))

    def _is_over(self, state: tenacity.RetryCallState) -> bool:
        asked = _retry_after(state)
        return state.attempt_number > len(self.retries.delays) or asked > self.retries.longest

    def _pause(self, state: tenacity.RetryCallState) -> float:
        if state.attempt_number > len(self.retries.delays):
            return 0.0
        delay = max(self.retries.delays[state.attempt_number - 1], _retry_after(state))
        return delay * (1 + self.retries.jitter * random.random())  # noqa: S311 - not a secret

    def _failure(self, error: Exception, begun: Exchange, number: int, asked: str) -> ServiceError:
        """Tell a failure that may pass from one that will not."""
        kind, cause = breakage(error, begun)
        words = self.quoted(cause.encode())
        match kind:
            case "unresolved":
                failure = self.failures.unresolved
                reason = f"the host name of {self.name} does not resolve: check {self.setting} ({words})"
            case "no TLS":
                failure = self.failures.setting
                reason = (
                    f"no TLS connection with {self.name}: check {self.setting}, "
                    f"and SSL_CERT_FILE where its certificate is from a private authority ({words})"
                )
            case "no HTTP":
                failure = self.failures.setting
                reason = f"what answers at {self.name} does not speak HTTP: check {self.setting} ({words})"
            case "too slow":
                failure, reason = (
                    self.failures.passing,
                    f"{self.name} took too long{asked}: {self._limit(error, begun)}",
                )
            case "dropped":
                failure, reason = self.failures.passing, f"no complete answer from {self.name}{asked}: {words}"
        return failure(reason, requests=number)

    def _limit(self, error: Exception, begun: Exchange) -> str:
        if begun.expired():
            return f"no complete answer within {self.limits.deadline:g} s"
        if isinstance(error, httpcore.ConnectTimeout):
            return "no connection in time"
        setting = f" ({self.read_setting})" if self.read_setting else ""
        return f"silent for {self.limits.read:g} s{setting}"


def _failure_of(state: tenacity.RetryCallState) -> BaseException:
    failure = state.outcome.exception() if state.outcome is not None else None
    return failure if failure is not None else AssertionError("a pause follows a failure")


def _retry_after(state: tenacity.RetryCallState) -> float:
    failure = _failure_of(state)
    return (failure.retry_after or 0.0) if isinstance(failure, ServiceError) else 0.0
