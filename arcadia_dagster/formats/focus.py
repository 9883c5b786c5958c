"""FOCUS Cost and Usage, versions 1.0 to 1.4, from any provider: CSV, Parquet, and JSON lines.

One document may state many invoices, of several issuers, accounts, currencies and months. The amount is `BilledCost`.
`ChargeCategory` says what is tax. An invoice's month is the month of the middle of its billing period
(`BillingPeriodStart` to `BillingPeriodEnd`; without an end, a period that begins in the last 36 hours of a month
belongs to the next month). A line without `InvoiceId` belongs to a period that is not invoiced yet: it is shown and
never pushed. A line may name no issuer (AWS documents that some do not). It then belongs to the issuer that the other
lines of its invoice name, else to the provider. A line of an unknown category is tax only if its words say so, and its
invoice is held. FOCUS 1.0 has no `InvoiceId`; Azure's FOCUS 1.0 has the id in `x_InvoiceId`. Timestamps are in UTC
(FOCUS 1.2, Date/Time Format), also where the document leaves out the `Z`; NULL is an empty field or the word `NULL`
(FOCUS 1.2, Null Handling).

In JSON each row is an object with FOCUS's column names. The objects stand one on a line, or in a list. A name that a
row leaves out is NULL, and every digit of a number counts.
"""

import re

from arcadia_dagster.billing.advice import rule_sql
from arcadia_dagster.billing.tax import CATEGORIES, leaves_tax_out_sql
from arcadia_dagster.billing.vendors import source_sql
from arcadia_dagster.formats.cost_table import CostTable, CostTableLayout
from arcadia_dagster.store.query import text_literal

_NO_ID = (
    "its document has no column InvoiceId (FOCUS 1.0 has none), so that nobody can tell which invoice its lines are on: export "
    "FOCUS 1.2 or newer"
)
_OF_AWS = ", or a Cost and Usage Report, which has bill/InvoiceId"
_OF_OCI = ", if Oracle has it for you by now"
_EXACT = " ".join(f"WHEN '{name}' THEN '{name}'" for name in CATEGORIES)
_IN_ANY_CASE = ", ".join(f"'{name.lower()}': '{name}'" for name in CATEGORIES)


_CALLED_AS_IDS = re.compile(r"(?i)\w*(invoice|bill)_?(id|identifier|no|number)")
"""What a column with invoices' ids may be called; in a name of these characters nothing needs to be quoted."""

_ISSUERS = "its rows name several issuers ("
_ONE_INVOICE = "): one invoice of the issuer that most rows name, or several with one id?"


class FocusLayout(CostTableLayout):
    """See the module."""

    names = {  # noqa: RUF012 - a constant
        "amount": ("BilledCost",),
        "currency": ("BillingCurrency",),
        "category": ("ChargeCategory",),
        "billing_start": ("BillingPeriodStart",),
        "billing_end": ("BillingPeriodEnd",),
        "charge_start": ("ChargePeriodStart",),
        "charge_end": ("ChargePeriodEnd",),
        "account": ("BillingAccountId",),
        "issuer": ("InvoiceIssuerName", "InvoiceIssuer", "ServiceProviderName", "ProviderName", "Provider"),
        "provider": ("ServiceProviderName", "ProviderName", "Provider"),
        "description": ("ChargeDescription",),
        "service": ("ServiceName",),
        "invoice": ("InvoiceId",),
        # Azure's FOCUS 1.0 had no InvoiceId yet, and an extension in its place. Where both are there, one may be blank.
        "other_invoice": ("x_InvoiceId",),
        "sub_account": ("SubAccountId",),
        "sub_account_name": ("SubAccountName",),
        "resource_id": ("ResourceId",),
        "resource_name": ("ResourceName",),
        "resource_type": ("ResourceType",),
        "quantity": ("ConsumedQuantity",),
        "unit": ("ConsumedUnit",),
    }
    # The columns that every version has as mandatory and that the program needs.
    required = (
        "amount",
        "currency",
        "category",
        "billing_start",
        "charge_start",
        "charge_end",
        "account",
        "issuer",
        "description",
        "service",
    )
    category_sql = f"CASE category {_EXACT} ELSE element_at(MAP {{{_IN_ANY_CASE}}}, lower(trim(category)))[1] END"
    categories = f"one of {', '.join(CATEGORIES)}"
    has_closed_categories = True

    def _named_sql(self, name: str) -> str:
        return source_sql(name)

    def _issued_by(self, issuer: str) -> str:
        return (
            f"coalesce({_source_of(issuer)}, 'unknown') AS source, {issuer} AS vendor_name, "
            # Companies of one provider are one issuer.
            f"CASE WHEN len(list_distinct(list_transform(issuers, lambda name: {_source_of('name')}))) > 1 "
            f"THEN [{text_literal(_ISSUERS)} || array_to_string(issuers, ', ') || {text_literal(_ONE_INVOICE)}] ELSE [] END "
            "AS issuer_doubts"
        )

    def _unnamed(self, issuer: str, provider: str) -> str:
        return f"CASE WHEN {issuer} IS NULL THEN coalesce({provider}, '') END"

    def _lacks_tax(self, issuer: str, providers: str) -> str:
        sources = f"list_transform({providers}, lambda name: {_source_of('name')})"
        return f"coalesce({leaves_tax_out_sql(_source_of(issuer), sources)}, false)"

    def _likely_id(self) -> str | None:
        """An unread column whose name suggests invoices' ids; None where a rule names such a column already."""
        read = {position for _, position in self.found}
        others = (name for position, name in enumerate(self.columns) if position not in read)
        return None if self.ids else next((name for name in others if _CALLED_AS_IDS.fullmatch(name)), None)

    def _source_sql(self) -> str:
        named = source_sql("coalesce(nullif(trim(issuer), ''), nullif(trim(provider), ''))")
        return f"coalesce({named}, 'unknown')"

    def _open_reason(self) -> str:
        if column := self._likely_id():
            rule = rule_sql(text_literal(f'invoice_id = "{column}"'))
            return f"'if its invoices'' ids are in the column {column}, ' || {rule}"
        if {"invoice", "other_invoice"} & set(dict(self.found)) or self.ids:
            return "CAST(NULL AS VARCHAR)"
        others = (
            f"CASE source WHEN 'aws' THEN {text_literal(_OF_AWS)} WHEN 'oci' THEN {text_literal(_OF_OCI)} ELSE '' END"
        )
        return f"{text_literal(_NO_ID)} || {others}"


def _source_of(name: str) -> str:
    """SQL: the source of one of the document's names. Each name is looked up once, for the look-up is the slowest part."""
    return f"element_at(sources, {name})[1]"


class Focus(CostTable):
    """The format itself."""

    name = "focus"
    reading = 6
    layout = FocusLayout
    mandatory_by = "FOCUS has as mandatory"
