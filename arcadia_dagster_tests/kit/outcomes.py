"""What became of a project's invoices: what finance has, and why others are held."""

from arcadia_dagster_tests.kit.project import Project


def in_finance(project: Project) -> dict[str, tuple[int, int, int, int | None]]:
    """Gross, net, tax and number of lines of each invoice that finance has, after a delivery of everything."""
    project.finance.deliver(project.warehouse)
    assert project.sandbox is not None
    return {
        row["external_id"]: (
            row["amount_gross_minor"],
            row["amount_net_minor"],
            row["amount_tax_minor"],
            row["line_count"],
        )
        for row in project.sandbox.invoices()
    }


def hold_reasons(project: Project, external_id: str = "INV-1") -> list[str]:
    """Why the invoice is held."""
    return list(project.invoice(external_id)["hold_reasons"])


def pushed(project: Project) -> dict[str, int]:
    """Gross of each invoice that finance has, once everything that is new is built and delivered."""
    project.build()
    assert project.sandbox is not None
    return {row["external_id"]: row["amount_gross_minor"] for row in project.sandbox.invoices()}
