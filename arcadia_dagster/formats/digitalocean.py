"""What DigitalOcean's invoices have in common, whether as CSV or as its API gives them."""

import re

from arcadia_dagster.reading.format import NameFacts

SOURCE = "digitalocean"

# What a product bills, as inventories name it. Names as DigitalOcean's API description, its clients' tests and
# published invoices show them; older and newer names side by side, for they change (Floating IPs became Reserved IPs).
RESOURCE_TYPES: dict[str, str] = {
    "app platform": "app",
    "apps": "app",
    "backups": "droplet",
    "block storage": "volume",
    "container registry": "registry",
    "container registry subscription": "registry",
    "custom images": "image",
    "database clusters": "database",
    "databases": "database",
    "droplet backups": "droplet",
    "droplet snapshots": "snapshot",
    "droplets": "droplet",
    "file storage": "file_storage",
    "floating ips": "reserved_ip",
    "functions": "function",
    "gpu droplets": "droplet",
    "images": "image",
    "kubernetes": "kubernetes_cluster",
    "kubernetes clusters": "kubernetes_cluster",
    "load balancers": "load_balancer",
    "managed databases": "database",
    "monitoring": "uptime_check",
    "nat gateways": "nat_gateway",
    "reserved ips": "reserved_ip",
    "snapshots": "snapshot",
    "spaces": "space",
    "spaces subscription": "space",
    "uptime": "uptime_check",
    "uptime health check": "uptime_check",
    "volume snapshots": "snapshot",
    "volumes": "volume",
}

_USAGE_WITHOUT_RESOURCE = ("bandwidth", "marketplace", "overages", "spaces bandwidth")

_OTHER_CATEGORIES: dict[str, str] = {
    "taxes": "Tax",
    "credits": "Credit",
    "promotional credits": "Credit",
    "credits and adjustments": "Credit",
    "adjustments": "Adjustment",
    "refunds": "Adjustment",
    "overages": "Usage",
    "support": "Purchase",
    "support plans": "Purchase",
}

CATEGORIES: dict[str, str] = {
    **dict.fromkeys((*RESOURCE_TYPES, *_USAGE_WITHOUT_RESOURCE), "Usage"),
    **_OTHER_CATEGORIES,
}
"""The charge category of each known product, by its name in lower case. For an unknown product the line's words decide."""

# A droplet's line reads `web-01 (s-1vcpu-1gb)`, an address' `Unused Floating IP - 1.1.1.1`; clusters and databases have
# their name in the group.
RESOURCE_NAME = (
    "CASE WHEN resource_type IN ('kubernetes_cluster', 'database') AND group_description IS NOT NULL "
    "THEN group_description "
    "WHEN resource_type = 'reserved_ip' THEN regexp_replace(description, '^.* - (\\S+)$', '\\1') "
    "ELSE regexp_replace(description, '\\s+\\(.*$', '', 's') END"
)
"""SQL: the resource's name, from resource_type, group_description and description."""


def of_product_sql(table: dict[str, str]) -> str:
    """SQL: the table's value for the product, NULL where it has none.

    Never `IN` with many values: DuckDB makes a join of it, and a join does not keep the records' order.
    """
    entries = ", ".join(f"'{name}': '{value}'" for name, value in table.items())
    exact, trimmed = (f"element_at(MAP {{{entries}}}, {key})[1]" for key in ("lower(product)", "lower(trim(product))"))
    return f"coalesce({exact}, {trimmed})"


_SAVED_BY_ID = re.compile(
    r"(?P<uuid>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})( \(\d+\))?\.(?P<ending>csv|json)(\.gz|\.zip|\.zst)?",
    re.IGNORECASE | re.ASCII,
)


def saved_by_id(file_name: str, ending: str) -> NameFacts | None:
    """What the name of a file tells that people save what doctl and the API give under: the id that they asked for."""
    parts = _SAVED_BY_ID.fullmatch(file_name)
    if parts is None or parts["ending"].lower() != ending:
        return None
    return NameFacts(account_id=None, invoice_number=parts["uuid"].lower(), month=None, is_printed=False)
