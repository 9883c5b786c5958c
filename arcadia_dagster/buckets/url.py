"""The URL of a bucket and a prefix in it: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`."""

import re
from dataclasses import dataclass
from typing import Final

SCHEMES: Final = ("s3", "gs", "az")
"""S3, and what speaks its language; Google Cloud Storage; Azure Blob Storage."""

_URL: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<bucket>[^/]*)(?:/(?P<prefix>.*))?", re.IGNORECASE | re.DOTALL
)
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")
_UNSUITED: Final = re.compile(r"[\x00-\x1f\x7f?#:,\\]")


@dataclass(frozen=True, slots=True)
class BucketUrl:
    """Where objects lie.

    Attributes:
        scheme: One of `SCHEMES`.
        bucket: The bucket; on Azure the container.
        prefix: The folder in it, without `/` at its ends; empty for all of it.
    """

    scheme: str
    bucket: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> "BucketUrl":
        """The URL in a text.

        Raises:
            ValueError: It is none; the message says what is expected, and quotes nothing, for it may hold a secret.
        """
        match = _URL.fullmatch(text)
        scheme = "" if match is None else match["scheme"].lower()
        if match is None or scheme not in SCHEMES:
            raise ValueError("expected s3://bucket/prefix, gs://bucket/prefix or az://container/prefix")
        prefix = (match["prefix"] or "").rstrip("/")
        if "@" in match["bucket"] or ":" in match["bucket"] or "?" in text:
            raise ValueError(
                "expected a bucket and a prefix without credentials, for the UI and messages show them: set those of the cloud's "
                "own tools, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        if _BUCKET.fullmatch(match["bucket"]) is None:
            raise ValueError(f"expected the name of a bucket after {scheme}://")
        if _UNSUITED.search(prefix) or any(part in {"", ".", ".."} for part in prefix.split("/") if prefix):
            raise ValueError("expected a prefix such as billing/exports, without empty parts and without : , ? # or \\")
        return cls(scheme, match["bucket"], prefix)

    def __str__(self) -> str:
        return "/".join((f"{self.scheme}://{self.bucket}", *([self.prefix] if self.prefix else ())))

    def has(self, other: "BucketUrl") -> bool:
        """Whether what lies at the other URL lies at this one too."""
        return (self.scheme, self.bucket) == (other.scheme, other.bucket) and f"{other.prefix}/".startswith(
            f"{self.prefix}/" if self.prefix else ""
        )


def names_bucket(text: str) -> bool:
    """Whether a text is a URL, and no path."""
    return "://" in text
