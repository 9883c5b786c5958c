"""Cost and Usage Reports of AWS, CSV or Parquet: legacy ones (`lineItem/UnblendedCost`) and CUR 2.0 (`line_item_unblended_cost`).

The amount is the unblended cost, the cost on a cash basis: the sum of all line items is the invoiced total. Usage that
a Savings Plan covers is a line at the on-demand price, and a `SavingsPlanNegation` takes it away. Usage that a
reservation covers costs 0. Fees, discounts, credits and refunds are separate lines. So the program sums all types and
leaves none out. Blended, amortized and effective costs are not read. If every line has a net unblended cost too, the
sum of these is a control total. So the invoice is held if its discounts are in separate columns and not in lines
(export them as lines: manual discount compatibility).

An invoice is a payer account's `bill/InvoiceId`. It is blank until the report is final: such lines are shown and never
pushed. The project is the account that used the service. The month is the month of the middle of the billing period.
Times are in UTC; an end of `23:59:59` is the next midnight. Line item ids occur more than once, so the program does not
tell lines apart by them. The line item's type gives the category, also for tax, as in FOCUS's supporting content:

| category | line item types |
|---|---|
| `Usage` | `Usage`, `DiscountedUsage`, `SavingsPlanCoveredUsage`, `SavingsPlanNegation`, every `...Discount` |
| `Purchase` | `Fee`, `RIFee`, `SavingsPlanUpfrontFee`, `SavingsPlanRecurringFee` |
| `Tax` | `Tax` |
| `Credit` | `Credit` |
| `Adjustment` | `Refund` |

For another type the line's words decide. A number of more than 18 decimals is rounded at the 18th; in Parquet a number
is a binary fraction, and the program takes the shortest decimal that stands for it. A report may be spread over many
files, with a manifest beside them or in a folder of its own (`aws_manifest`), each packed with gzip, as ZIP, or not at
all.
Source: the AWS Data Exports User Guide (data dictionaries of the legacy report and of CUR 2.0); FOCUS_Spec,
supporting_content/columns/chargecategory.md. Not confirmed by a report of our own: which type a refund of tax has (one of the
type `Refund` is no tax here), and what a split cost line has as its unblended cost.
"""

from arcadia_dagster.formats.cost_table import CostTable, CostTableLayout
from arcadia_dagster.reading import timestamps

_TYPES: dict[str, tuple[str, ...]] = {
    "Usage": (
        *("Usage", "DiscountedUsage", "SavingsPlanCoveredUsage", "SavingsPlanNegation"),
        *("BundledDiscount", "Discount", "EdpDiscount", "PrivateRateDiscount", "RiVolumeDiscount", "SppDiscount"),
    ),
    "Purchase": ("Fee", "RIFee", "SavingsPlanUpfrontFee", "SavingsPlanRecurringFee"),
    "Tax": ("Tax",),
    "Credit": ("Credit",),
    "Adjustment": ("Refund",),
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
        "billing_end": ("bill_billing_period_end_date",),
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
        "invoice",
    )
    may_be_blank = ("quantity", "charge_start", "charge_end")
    category_sql = f"element_at(MAP {{{_CATEGORY}}}, lower(trim(category)))[1]"
    categories = "a line item type such as Usage"
    has_closed_categories = False
    service_sql = "coalesce(service, service_code)"
    end_sql = timestamps.exclusive_end_sql("stated_end")


class AwsCur(CostTable):
    """The format itself."""

    name = "aws_cur"
    reading = 4
    layout = AwsCurLayout
    mandatory_by = "tells which invoice a line is on; select it for the export"
