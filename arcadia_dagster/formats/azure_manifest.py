"""Manifests of Azure's exports: which files one run of a Cost Management export consists of, and how many rows each has.

    {"manifestVersion": "2024-04-01", "exportConfig": {...}, "blobCount": 2, "blobs": [{"blobName":
     "folder/export/20260901-20260930/202610051200/<run>/part_0_0001.csv", "byteCount": 2100, "dataRowCount": 2}, ...]}

It is `manifest.json` in the folder of the run's files. The invoices of the folder are held if it lacks a file that its
newest manifest lists, has a file that this manifest does not list, or has a file with another number of rows.
Source: Microsoft's documentation of Cost Management exports (file partitioning), and public programs that read them.
Not confirmed by a manifest of our own: that `dataRowCount` leaves the header out.
"""

from pathlib import Path

from arcadia_dagster.reading.format import DeliveryFile, Head, Manifest, NameFacts, UnreadableError
from arcadia_dagster.reading.json_document import json_object

_MOST_ROWS = 10**15


class AzureManifest:
    """The format itself."""

    name = "azure_manifest"
    reading = 2

    def recognise(self, head: Head) -> "_Manifest | None":
        """Known by its list of blobs, and by what it says of the export."""
        manifest = head.json
        is_manifest = (
            isinstance(manifest, dict)
            and "blobs" in manifest
            and ("exportConfig" in manifest or "manifestVersion" in manifest)
        )
        return _Manifest() if is_manifest else None

    def facts_from_name(self, file_name: str) -> NameFacts | None:  # noqa: ARG002 - the interface's
        """A manifest states no invoice."""
        return None


class _Manifest(Manifest):
    def files(self, path: Path) -> list[DeliveryFile]:
        blobs = json_object(path).get("blobs")
        if not isinstance(blobs, list):
            raise UnreadableError(f"blobs: {blobs!r:.60}; expected a list of files")
        files = {}
        for number, blob in enumerate(blobs, start=1):
            name = blob.get("blobName") if isinstance(blob, dict) else None
            if not isinstance(name, str) or not name.strip("/"):
                raise UnreadableError(f"blobs, {number}: blobName: {name!r:.60}; expected the path of a file")
            try:
                name.encode()
            except UnicodeEncodeError as error:
                raise UnreadableError(f"blobs, {number}: blobName: half a character; expected text") from error
            rows = blob.get("dataRowCount")
            if rows is not None and (isinstance(rows, bool) or not isinstance(rows, int) or not 0 <= rows < _MOST_ROWS):
                raise UnreadableError(f"blobs, {number}: dataRowCount: {rows!r:.60}; expected a number of rows")
            files[name] = DeliveryFile(*name.strip("/").rpartition("/")[::2], rows)
        return list(files.values())
