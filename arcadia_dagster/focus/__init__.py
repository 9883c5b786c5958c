"""FOCUS out: the warehouse's months as the FinOps Open Cost and Usage Specification has them, for whatever reads that."""

from arcadia_dagster.focus.export import COST_AND_USAGE, INVOICE_DETAIL, Exported, export_month

__all__ = ["COST_AND_USAGE", "INVOICE_DETAIL", "Exported", "export_month"]
