"""What a cost line is: tax, credit, adjustment, purchase or usage. Tax is read from the document, never computed.

The provider's own type decides. Only where it is absent or unknown do the words of the description decide, and then
only on a line that bills no usage. So a droplet called `taxi-api`, and its backup, are never tax.

This refines on purpose the rule of the system that came before ("description contains gst or tax"): lines where the two
rules differ are marked, so that a check can list them with their effect in money.
"""

from arcadia_dagster.billing.rules import TAX_EXPECTED, TAX_NOT_STATED

CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
"""The values of `ChargeCategory` (FOCUS 1.2, Cost and Usage, ChargeCategory)."""

SOURCES_WITHOUT_TAX = ("azure",)
"""The sources whose exports leave the tax out: without a line of tax their amounts are before tax, and not free of it.

Azure: "Not included: support charges, taxes, credits" (Microsoft Learn, Understand Cost Management data).
"""


def is_before_tax_sql(*, lacks_tax: str, source: str, tax_lines: str, gross: str, rule: str) -> str:
    """SQL: whether an invoice's lines are before tax, and nothing says that there is none.

    Args:
        lacks_tax: SQL: whether its document is known to leave the tax out.
        source: SQL: its source.
        tax_lines: SQL: how many lines of tax it has.
        gross: SQL: what its lines come to.
        rule: SQL: what people know of its account's tax (`billing.rules`), or NULL.
    """
    sources = ", ".join(f"'{name}'" for name in SOURCES_WITHOUT_TAX)
    is_expected = f"({source} IN ({sources}) OR coalesce({rule} = '{TAX_EXPECTED}', false))"
    return (
        f"(coalesce({rule}, '') <> '{TAX_NOT_STATED}' "
        f"AND (coalesce({lacks_tax}, false) OR ({is_expected} AND {tax_lines} = 0 AND {gross} <> 0)))"
    )


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
