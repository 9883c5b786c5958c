"""Manifests of AWS exports: which files one delivery of a Cost and Usage Report, or of FOCUS, consists of.

    {"assemblyId": "...", "reportKeys": ["prefix/report/20260401-20260501/report-00001.csv.gz", ...], "columns": [...], ...}
    {"executionId": "...", "dataFiles": ["s3://bucket/prefix/export/data/BILLING_PERIOD=2026-04/export-00001.csv.gz", ...], ...}

The first is that of a legacy report, the second that of Data Exports (CUR 2.0, FOCUS). It lies in the folder of its
files, or in another one of a copy of the bucket. If a folder lacks a file that its newest manifest lists, or has a file
that this manifest does not list, the invoices of that folder are held.
Source: the AWS Data Exports User Guide, and public programs that read them.
"""

import re
from pathlib import Path

from arcadia_dagster.reading.format import DeliveryFile, Head, Manifest, NameFacts, UnreadableError
from arcadia_dagster.reading.json_document import json_object

_MEMBERS = {"assemblyId", "executionId", "reportKeys", "dataFiles"}
_BUCKET = re.compile(r"^s3://[^/]*/")


class AwsManifest:
    """The format itself."""

    name = "aws_manifest"
    reading = 2

    def recognise(self, head: Head) -> "_Manifest | None":
        """Known by members that no other document has."""
        return _Manifest() if isinstance(head.json, dict) and _MEMBERS & head.json.keys() else None

    def facts_from_name(self, file_name: str) -> NameFacts | None:  # noqa: ARG002 - the interface's
        """A manifest states no invoice."""
        return None


class _Manifest(Manifest):
    def files(self, path: Path) -> list[DeliveryFile]:
        content = json_object(path)
        listed = content.get("reportKeys", content.get("dataFiles"))
        if not isinstance(listed, list) or not listed or not all(isinstance(key, str) and key for key in listed):
            raise UnreadableError(f"reportKeys or dataFiles: {listed!r:.60}; expected a list of at least one file")
        try:
            "".join(listed).encode()
        except UnicodeEncodeError as error:
            raise UnreadableError("reportKeys or dataFiles: half a character; expected text") from error
        keys = [_BUCKET.sub("", key).strip("/") for key in listed]
        return [DeliveryFile(*key.rpartition("/")[::2]) for key in dict.fromkeys(keys)]
