"""DigitalOcean's invoices in JSON: as `arcadia fetch` puts them together, and as doctl writes them."""

import json
from typing import Any

from arcadia_dagster_tests.kit.digitalocean_api import invoice, item, summary


def document(*items: Any, entry: dict[str, Any] | None = None, **summed: Any) -> dict[str, Any]:
    """What `arcadia fetch` puts together."""
    entry = entry or invoice()
    return {
        "invoice": entry,
        "items": list(items) or [item()],
        "kind": "digitalocean_invoice",
        "summary": summary(entry, **summed),
    }


def doctl(*items: Any, **besides: Any) -> dict[str, Any]:
    """What doctl writes."""
    return {"invoice_items": list(items) or [item()], "links": None, "meta": None, **besides}


def written(content: Any) -> bytes:
    """As the archive has it."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
