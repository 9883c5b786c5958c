"""What a store answered, in a sentence that says what to do.

The library's errors quote requests and answers, and with them signatures, tokens and account names. So nothing of their text is
shown, and no error of it is the cause of one of ours: a traceback would show it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from arcadia_dagster.buckets.environment import ALLOW_HTTP, CREDENTIALS, ENDPOINTS, VariableError
from arcadia_dagster.buckets.url import BucketUrl

Work = Literal["list", "read", "write"]
"""What was to be done."""

INSTALL: Final = "pip install 'arcadia-dagster[buckets]'"
PAGE: Final = "docs/buckets.md"

RIGHTS: Final = {
    ("s3", "list"): "s3:ListBucket",
    ("s3", "read"): "s3:GetObject",
    ("s3", "write"): "s3:PutObject",
    ("gs", "list"): "storage.objects.list",
    ("gs", "read"): "storage.objects.get",
    ("gs", "write"): "storage.objects.create and storage.objects.delete",
    ("az", "list"): "Storage Blob Data Reader",
    ("az", "read"): "Storage Blob Data Reader",
    ("az", "write"): "Storage Blob Data Contributor",
}
"""The right that each work needs, as the clouds call it."""

_STATUS: Final = re.compile(r"status code: (\d{3})")
_CODE: Final = re.compile(r"<Code>([A-Za-z0-9]{1,60})</Code>")
_METADATA: Final = re.compile(
    r"169\.254\.169\.254|metadata\.google\.internal|/computeMetadata/|/latest/meta-data|token request"
)
_MISSING_BUCKET: Final = {"NoSuchBucket", "ContainerNotFound", "ResourceNotFound"}
_NOT_ALLOWED: Final = {"PermissionDeniedError", "UnauthenticatedError"}
_OTHER_REGION: Final = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
_INVALID_NAME: Final = "InvalidPathError"
_NO_STORE: Final = ("invalid list response", "missing from response", "NotPartial")


class BucketError(OSError):
    """A bucket cannot be used; the message names it, the cause and what to do."""


class NotInstalledError(BucketError):
    """The extra that buckets need is not installed."""


class NamesError(BucketError):
    """An object has a name that cannot be listed, and with it what is listed together with it."""


class GoneError(BucketError):
    """There is no such object any more."""


class ReplacedError(BucketError):
    """The object is not the one that was listed any more."""


def not_installed(where: object) -> NotInstalledError:
    """What to do where the library is missing."""
    return NotInstalledError(f"{where}: buckets need a package that is not installed: {INSTALL}")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the library says of a request that failed.

    Attributes:
        kind: The name of its error's class.
        text: Its sentence.
        whole: That, and how the error is built.
        status: The status of the store's answer, where there was one.
        code: The code in that.
    """

    kind: str
    text: str
    whole: str
    status: str
    code: str

    @classmethod
    def of(cls, error: Exception) -> "_Answer":
        whole = str(error)
        text = whole.partition("Debug source:")[0]
        status, code = (next(iter(pattern.findall(text)), "") for pattern in (_STATUS, _CODE))
        return cls(type(error).__name__, text, whole, status, code)

    @property
    def shown(self) -> str:
        """Status and code."""
        return " ".join(filter(None, (self.status, self.code)))


# What a person does, in the order in which it is looked for; the last one is for all else.
_ADVICE: Final[Sequence[tuple[Callable[[_Answer, Work], bool], str]]] = (
    (
        lambda answer, _: _METADATA.search(answer.text) is not None,
        "no credentials were found: set {credentials}, or give this machine a role; see {page}",
    ),
    (lambda answer, _: "MissingAccount" in answer.whole, "no storage account is named: set {credentials}"),
    (
        lambda answer, work: answer.code in _MISSING_BUCKET or (answer.status == "404" and work != "read"),
        "there is no such bucket ({answer}): make it, or correct its name, or {endpoint}",
    ),
    (
        lambda answer, _: answer.code in _OTHER_REGION or "redirect" in answer.text,
        "the bucket is in another region: set AWS_REGION to that",
    ),
    (
        lambda answer, _: answer.status in {"401", "403"} or answer.kind in _NOT_ALLOWED,
        (
            "this program may not {work} there ({answer}): give its identity the right {right}, or correct {credentials}; "
            "see {page}"
        ),
    ),
    (
        lambda answer, _: answer.kind == _INVALID_NAME,
        (
            "an object's name has an empty part, a part . or .., or a control character, so it cannot be listed: rename the "
            "object, or name a prefix without it"
        ),
    ),
    (
        lambda answer, _: "BadScheme" in answer.whole,
        (
            "http:// would show the credentials to the network: use https:// in {endpoint}, or set {allow_http}=true if that "
            "network is yours"
        ),
    ),
    (
        lambda answer, _: answer.status in {"429", "503"},
        (
            "the store asked for fewer requests at each try ({answer}): nothing is lost, and the next look tries again; if this "
            "goes on, name a narrower prefix"
        ),
    ),
    (
        lambda answer, _: answer.status.startswith("5"),
        "the store has a fault of its own ({answer}): nothing is lost, and the next look tries again",
    ),
    (
        lambda answer, _: bool(answer.status),
        "the store refused the request ({answer}): {page} says which stores are supported",
    ),
    (
        lambda answer, _: "credential" in answer.text.lower() or "service account" in answer.text.lower(),
        "the credentials cannot be used: correct {credentials}; see {page}",
    ),
    (
        lambda answer, _: any(words in answer.whole for words in _NO_STORE),
        "what answers there is not a store of this kind: correct {endpoint}",
    ),
    (
        lambda answer, _: "TimedOut" in answer.whole or "Timeout" in answer.whole,
        "the store did not answer in time: check the network and {endpoint}; the next look tries again",
    ),
    (
        lambda answer, _: "response body" in answer.text or "IncompleteMessage" in answer.whole,
        "the answer was cut off at each try: check the network; the next look tries again",
    ),
    (
        lambda *_: True,
        "the store cannot be reached: check the network and {endpoint}; the next look tries again",
    ),
)


def explained(error: Exception, url: BucketUrl, work: Work) -> BucketError:
    """The library's error in a sentence.

    Args:
        error: What it raised.
        url: The bucket.
        work: What was to be done.
    """
    if isinstance(error, VariableError):
        return BucketError(f"{url}: {error}")
    answer = _Answer.of(error)
    advice = next(advice for is_it, advice in _ADVICE if is_it(answer, work))
    words = advice.format(
        answer=answer.shown,
        work=work,
        right=RIGHTS[url.scheme, work],
        credentials=CREDENTIALS[url.scheme],
        endpoint=" or ".join(ENDPOINTS[url.scheme][:2]),
        allow_http=ALLOW_HTTP[url.scheme],
        page=PAGE,
    )
    return (NamesError if answer.kind == _INVALID_NAME else BucketError)(f"{url}: {words}")
