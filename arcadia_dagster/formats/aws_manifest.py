"""Manifests of AWS exports: which files one delivery of a Cost and Usage Report, or of FOCUS, consists of.

    {"assemblyId": "...", "reportKeys": ["prefix/report/20260401-20260501/report-00001.csv.gz", ...], "columns": [...], ...}
    {"executionId": "...", "dataFiles": ["s3://bucket/prefix/export/data/BILLING_PERIOD=2026-04/export-00001.csv.gz", ...], ...}

The first is that of a legacy report, the second that of Data Exports (CUR 2.0, FOCUS). It lies in the folder of its files, or in
another one of a copy of the bucket. While a folder lacks a file that its newest manifest lists, or has one that it does not list,
the invoices of that folder are held.
Source: the AWS Data Exports User Guide, and public programs that read them.
"""

import json
import re
from pathlib import Path

from arcadia_dagster.formats.content import open_content
from arcadia_dagster.formats.format import DeliveryFile, Head, Manifest, NameFacts, UnreadableError

_BEGINS = re.compile(r"\s*\{")
_IS_MANIFEST = re.compile(r'"(assemblyId|executionId|reportKeys|dataFiles)"\s*:')
_BUCKET = re.compile(r"^s3://[^/]*/")
_MAX_BYTES = 16 << 20


class AwsManifest:
    """The format itself."""

    name = "aws_manifest"

    def recognise(self, head: Head) -> "_Manifest | None":
        """Known by members that such a file has near its beginning."""
        is_manifest = head.columns is None and _BEGINS.match(head.text) and _IS_MANIFEST.search(head.text)
        return _Manifest() if is_manifest else None

    def facts_from_name(self, file_name: str) -> NameFacts | None:  # noqa: ARG002 - the interface's
        """A manifest states no invoice."""
        return None


class _Manifest(Manifest):
    def files(self, path: Path) -> list[DeliveryFile]:
        with open_content(path) as file:
            text = file.read(_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES:
            raise UnreadableError(f"it has more than {_MAX_BYTES} bytes, which is the limit for a manifest")
        try:
            content = json.loads(text.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise UnreadableError(f"it is not JSON: {error}") from error
        listed = content.get("reportKeys", content.get("dataFiles")) if isinstance(content, dict) else None
        if not isinstance(listed, list) or not listed or not all(isinstance(key, str) and key for key in listed):
            raise UnreadableError(f"reportKeys or dataFiles: {listed!r:.60}; expected a list of at least one file")
        try:
            "".join(listed).encode()
        except UnicodeEncodeError as error:
            raise UnreadableError("reportKeys or dataFiles: half a character; expected text") from error
        keys = [_BUCKET.sub("", key).strip("/") for key in listed]
        return [DeliveryFile(*key.rpartition("/")[::2]) for key in dict.fromkeys(keys)]
