"""The sample documents, and how to tell them: they are synthetic, and may go to a sandbox only."""

import hashlib
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent


@cache
def document_hashes() -> frozenset[str]:
    """The SHA-256 of every sample document, whatever it may be called by now."""
    files = (path for path in FOLDER.rglob("*") if path.suffix in {".csv", ".json"})
    return frozenset(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
