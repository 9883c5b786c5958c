"""Cost and Usage Reports of AWS, CSV or Parquet: legacy ones (`lineItem/UnblendedCost`) and CUR 2.0 (`line_item_unblended_cost`).

What is charged is the unblended cost: the lines of an invoice, negations and discounts among them, come to what it says. Where
the report also has the net unblended cost, its sum is a control total: an invoice is held whose discounts are in columns of their
own and not in lines (export them as lines: manual discount compatibility). An invoice's id stays blank until the month is final:
such lines are shown and never pushed. Line item ids occur more than once, and
nothing is told apart by them. The account is the payer's, the project the account that used the service, the month that of the
billing period. Times are in UTC. What is tax is said by the line item's type, and so is every other category:

| category | line item types |
|---|---|
| `Usage` | `Usage`, `DiscountedUsage`, `SavingsPlanCoveredUsage`, `SavingsPlanNegation` |
| `Purchase` | `Fee`, `RIFee`, `SavingsPlanUpfrontFee`, `SavingsPlanRecurringFee` |
| `Tax` | `Tax` |
| `Credit` | `Credit` |
| `Adjustment` | `Refund`, `Discount` and every `...Discount` |

The category of another type is made from the line's words. A report may be spread over many files, with a manifest beside them
or in a folder of its own.
Source: the AWS Data Exports User Guide, CUR 2.0 table dictionary and legacy data dictionary, line item types. Not confirmed by an
invoice of our own: that all invoices come to their lines to the cent, and what a split cost line has as its unblended cost.
"""

from arcadia_dagster.formats import timestamps
from arcadia_dagster.formats.cost_table import CostTable, CostTableLayout

_TYPES: dict[str, tuple[str, ...]] = {
    "Usage": ("Usage", "DiscountedUsage", "SavingsPlanCoveredUsage", "SavingsPlanNegation"),
    "Purchase": ("Fee", "RIFee", "SavingsPlanUpfrontFee", "SavingsPlanRecurringFee"),
    "Tax": ("Tax",),
    "Credit": ("Credit",),
    "Adjustment": (
        "Refund",
        "Discount",
        "BundledDiscount",
        "EdpDiscount",
        "PrivateRateDiscount",
        "RiVolumeDiscount",
        "SppDiscount",
    ),
}
_CATEGORY = ", ".join(f"'{type_.lower()}': '{category}'" for category, types in _TYPES.items() for type_ in types)


class AwsCurLayout(CostTableLayout):
    """See the module."""

    source = "aws"
    names = {  # noqa: RUF012 - a constant
        "amount": ("line_item_unblended_cost",),
        "net_amount": ("line_item_net_unblended_cost",),
        "currency": ("line_item_currency_code",),
        "category": ("line_item_line_item_type",),
        "billing_start": ("bill_billing_period_start_date",),
        "charge_start": ("line_item_usage_start_date",),
        "charge_end": ("line_item_usage_end_date",),
        "account": ("bill_payer_account_id",),
        "description": ("line_item_line_item_description",),
        "service": ("product_product_name",),
        "service_code": ("line_item_product_code",),
        "invoice": ("bill_invoice_id",),
        "sub_account": ("line_item_usage_account_id",),
        "sub_account_name": ("line_item_usage_account_name",),
        "resource_id": ("line_item_resource_id",),
        "quantity": ("line_item_usage_amount",),
        "unit": ("pricing_unit",),
    }
    required = (
        "amount",
        "currency",
        "category",
        "billing_start",
        "charge_start",
        "charge_end",
        "account",
        "description",
        "service_code",
        "invoice",
    )
    category_sql = f"element_at(MAP {{{_CATEGORY}}}, lower(trim(category)))[1]"
    categories = "a line item type such as Usage"
    needs_known_category = False
    service_sql = "coalesce(service, service_code)"
    end_sql = timestamps.exclusive_end_sql("stated_end")


class AwsCur(CostTable):
    """The format itself."""

    name = "aws_cur"
    layout = AwsCurLayout
    specification = "the report"
