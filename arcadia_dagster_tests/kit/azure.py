"""What Azure's exports have beside their rows, for tests."""

import json
from typing import Any


def manifest(*paths: str, rows: int = 2, **fields: Any) -> bytes:
    """A manifest of a run of an export that lists these files, each with so many rows."""
    stated = {
        "manifestVersion": "2024-04-01",
        "byteCount": 2100 * len(paths),
        "blobCount": len(paths),
        "dataRowCount": rows * len(paths),
        "exportConfig": {"exportName": "focus", "dataVersion": "1.2-preview", "type": "FocusCost"},
        "deliveryConfig": {"partitionData": True, "dataOverwriteBehavior": "CreateNewReport", "fileFormat": "Csv"},
        "runInfo": {"executionType": "Scheduled", "runId": "run-1", "startDate": "2026-04-01T00:00:00"},
        "blobs": [{"blobName": path, "byteCount": 2100, "dataRowCount": rows} for path in paths],
    }
    return json.dumps(stated | fields, indent=1).encode()
