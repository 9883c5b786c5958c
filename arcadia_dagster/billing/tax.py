"""What a cost line is: tax, credit, adjustment, purchase or usage. Tax is read from the document, never computed.

The provider's own type decides. Only where it is absent or unknown do the words of the description decide, and then
only on a line that bills no usage. So a droplet called `taxi-api`, and its backup, are never tax.

This refines on purpose the rule of the system that came before ("description contains gst or tax"): lines where the two
rules differ are marked, so that a check can list them with their effect in money.
"""

from arcadia_dagster.billing.rules import TAX_EXPECTED, TAX_NOT_STATED

CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
"""The values of `ChargeCategory` (FOCUS 1.2, Cost and Usage, ChargeCategory)."""

SOURCES_WITHOUT_TAX = ("azure", "gcp", "oci")
"""The sources whose exports without tax do not say that there is none: their amounts are before tax, and not free of it.

Azure: "Not included: support charges, taxes, credits" (Microsoft Learn, Understand Cost Management data). Oracle Cloud: its cost
reports list what resources consume, and their schema has no tax (Oracle, Cost and Usage Reports). Google Cloud: tax is rows of
its own (`cost_type`), which come when the month is invoiced; its export names Google as the issuer also where a partner invoices
(Google Cloud, Cloud Billing data tables in BigQuery).
"""

SOURCES_WITH_TAX = ("aws",)
"""The sources whose exports have all tax that they invoice as rows, whoever's services they sell: without them there is none.

AWS: the line item type and the charge category `Tax` (AWS, Data Exports User Guide, Line item details).
"""


def is_before_tax_sql(*, lacks_tax: str, source: str, tax: str, gross: str, rule: str) -> str:
    """SQL: whether an invoice's lines are before tax, and nothing says that there is none.

    A line of tax that comes to 0 says nothing where the export leaves tax out.

    Args:
        lacks_tax: SQL: whether its document is known to leave the tax out.
        source: SQL: its source.
        tax: SQL: what its lines come to that are tax by more than their words.
        gross: SQL: what its lines come to.
        rule: SQL: what people know of its account's tax (`billing.rules`), or NULL.
    """
    is_expected = f"({source} IN ({_listed(SOURCES_WITHOUT_TAX)}) OR coalesce({rule} = '{TAX_EXPECTED}', false))"
    return (
        f"(coalesce({rule}, '') <> '{TAX_NOT_STATED}' "
        f"AND (coalesce({lacks_tax}, false) OR {is_expected}) AND {tax} = 0 AND {gross} <> 0)"
    )


def leaves_tax_out_sql(issuer: str, providers: str) -> str:
    """SQL: whether an export without tax does not say that there is none: who wrote it does not know what is invoiced.

    So it is where the provider's export has no tax (`SOURCES_WITHOUT_TAX`), and where somebody else than the provider invoices:
    the provider wrote the rows, and a reseller adds the tax.

    Args:
        issuer: SQL: the source of who invoices.
        providers: SQL: a list of the sources of whose services they are.
    """
    return (
        f"({issuer} NOT IN ({_listed(SOURCES_WITH_TAX)}) AND ({issuer} IN ({_listed(SOURCES_WITHOUT_TAX)}) "
        f"OR len(list_filter({providers}, lambda source: source <> {issuer})) > 0))"
    )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


TAX_WORDS = ("gst", "tax", "taxes", "vat", "hst", "qst", "pst", "sst", "iva", "tva")

# RE2 has no look-around: the neighbours are matched instead. A letter of any script is a letter, and so is the mark that
# makes one with the letter before it (an accent that is a character of its own).
_TAX_PATTERN = rf"(?i)(^|[^\p{{L}}\p{{M}}])({'|'.join(TAX_WORDS)})($|[^\p{{L}}\p{{M}}])"


def reads_as_tax_sql(description: str) -> str:
    """SQL: whether the description names a tax as a word: `GST10%` and `Sales tax` do, `taxi` does not."""
    return f"regexp_matches({description}, '{_TAX_PATTERN}')"


def is_tax_by_earlier_rule_sql(description: str) -> str:
    """SQL: whether the system that came before would have called the line tax: it contains gst or tax."""
    return f"(contains(lower({description}), 'gst') OR contains(lower({description}), 'tax'))"


def charge_category_sql(*, typed: str, description: str, amount: str, bills_usage: str) -> str:
    """SQL: the line's charge category.

    Args:
        typed: The category that the provider's own type stands for, or NULL where it is absent or unknown.
        description: The line's words.
        amount: The line's amount; an untyped negative line is a credit by its sign and never tax by its words.
        bills_usage: Whether the line has hours, a quantity or a resource.
    """
    return (
        f"CASE WHEN {typed} IS NOT NULL THEN {typed}"
        f" WHEN {amount} < 0 THEN 'Credit'"
        f" WHEN NOT ({bills_usage}) AND {reads_as_tax_sql(description)} THEN 'Tax'"
        " ELSE 'Usage' END"
    )


def tax_basis_sql(*, typed: str, category: str) -> str:
    """SQL: which rule made a tax line tax, `provider_type` or `description`; NULL on every other line."""
    basis = f"CASE WHEN {typed} IS NOT NULL THEN 'provider_type' ELSE 'description' END"
    return f"CASE WHEN {category} = 'Tax' THEN {basis} END"


def doubtful_sql(*, category: str, description: str) -> str:
    """SQL: whether this rule and the earlier one disagree about the line."""
    return f"(({category} = 'Tax') <> {is_tax_by_earlier_rule_sql(description)})"
