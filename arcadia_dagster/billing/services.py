"""What kind of service a provider's product is, by FOCUS's ServiceCategory and ServiceSubcategory.

Only a product whose kind is certain is listed; any other is `Other`, which the specification allows.
"""

OTHER = ("Other", "Other (Other)")

SERVICES: dict[str, dict[str, tuple[str, str]]] = {
    "digitalocean": {
        "app platform": ("Compute", "Other (Compute)"),
        "apps": ("Compute", "Other (Compute)"),
        "backups": ("Storage", "Backup Storage"),
        "bandwidth": ("Networking", "Other (Networking)"),
        "block storage": ("Storage", "Block Storage"),
        "container registry": ("Compute", "Containers"),
        "container registry subscription": ("Compute", "Containers"),
        "database clusters": ("Databases", "Other (Databases)"),
        "databases": ("Databases", "Other (Databases)"),
        "droplet backups": ("Storage", "Backup Storage"),
        "droplet snapshots": ("Storage", "Backup Storage"),
        "droplets": ("Compute", "Virtual Machines"),
        "file storage": ("Storage", "File Storage"),
        "floating ips": ("Networking", "Network Connectivity"),
        "functions": ("Compute", "Serverless Compute"),
        "gpu droplets": ("Compute", "Virtual Machines"),
        "kubernetes": ("Compute", "Containers"),
        "kubernetes clusters": ("Compute", "Containers"),
        "load balancers": ("Networking", "Network Routing"),
        "managed databases": ("Databases", "Other (Databases)"),
        "monitoring": ("Management and Governance", "Observability"),
        "nat gateways": ("Networking", "Network Connectivity"),
        "reserved ips": ("Networking", "Network Connectivity"),
        "snapshots": ("Storage", "Backup Storage"),
        "spaces": ("Storage", "Object Storage"),
        "spaces bandwidth": ("Networking", "Other (Networking)"),
        "spaces subscription": ("Storage", "Object Storage"),
        "support": ("Management and Governance", "Support"),
        "support plans": ("Management and Governance", "Support"),
        "uptime": ("Management and Governance", "Observability"),
        "uptime health check": ("Management and Governance", "Observability"),
        "volume snapshots": ("Storage", "Backup Storage"),
        "volumes": ("Storage", "Block Storage"),
    },
}
"""The kind of each known product of a source, by its name in lower case."""


def services_sql() -> str:
    """SQL: the table as a relation of `source`, `service` (in lower case), `service_category` and `service_subcategory`."""
    rows = ", ".join(
        "(" + ", ".join(f"'{value}'" for value in (source, service, *kind)) + ")"
        for source, services in SERVICES.items()
        for service, kind in services.items()
    )
    return f"(SELECT * FROM (VALUES {rows}) AS known (source, service, service_category, service_subcategory))"


def service_name_sql(service: str, *, category: str, vendor: str) -> str:
    """SQL: the service's name as people are shown it: where the provider gives none, what kind of charge it is, else the vendor.

    Args:
        service: SQL: the provider's product; NULL or blank where it gives none.
        category: SQL: the charge category.
        vendor: SQL: the vendor's name.
    """
    return (
        f"coalesce(nullif(trim({service}), ''), CASE {category} WHEN 'Tax' THEN 'Taxes' WHEN 'Credit' THEN 'Credits' "
        f"WHEN 'Adjustment' THEN 'Adjustments' ELSE {vendor} END)"
    )
