"""A tenant's statement of a month, ready to be sent: its own figures, and nothing of any other tenant."""

import hashlib
import re
from dataclasses import asdict
from pathlib import Path
from typing import Final

from arcadia_dagster.reports.tenants import TenantMonth
from arcadia_dagster.statement.page import render_page
from arcadia_dagster.statement.pages import write_page

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


def write_tenant_page(folder: Path, found: TenantMonth, *, company: str = "") -> Path:
    """Write a tenant's month, `2026-04-acme.html`, unless its bytes are there already. The caller holds the statements' lock.

    A tenant whose id is no plain name for a file is called by the beginning of its SHA-256.

    Args:
        folder: Where pages go.
        found: Its figures.
        company: The company's name; may be empty.

    Raises:
        OSError: The page cannot be written.
    """
    tenant = found.tenant_id
    name = tenant if _PLAIN.fullmatch(tenant) else hashlib.sha256(tenant.encode()).hexdigest()[:12]
    path = folder / f"{found.month:%Y-%m}-{name}.html"
    write_page(path, render_tenant(found, company=company))
    return path


def render_tenant(found: TenantMonth, *, company: str = "") -> str:
    """The page."""
    values = {
        "month": f"{found.month:%Y-%m}",
        "tenant_id": found.tenant_id,
        "waiting": found.waiting,
        "parts": [
            {
                **asdict(part),
                "gross": part.gross,
                "issued_on": part.issued_on and part.issued_on.isoformat(),
                "projects": list(part.projects),
            }
            for part in found.parts
        ],
    }
    return render_page("tenant.html.j2", values, found=found, company=company)
