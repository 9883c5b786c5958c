"""What a cost line is: tax, credit, adjustment, purchase or usage. Tax is read from the document, never computed.

The provider's own type decides. If it is absent or unknown, the words of the description decide, but only on a line that bills
no usage. So a droplet called `taxi-api`, and its backup, are never tax.

This refines on purpose the rule of the system that came before ("description contains gst or tax"): lines where the two
rules differ are marked, so that a check can list them with their effect in money.
"""

from arcadia_dagster.billing.rules import TAX_EXPECTED, TAX_NOT_STATED

CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
"""The values of `ChargeCategory` (FOCUS 1.2, Cost and Usage, ChargeCategory)."""

SOURCES_WITHOUT_TAX = ("azure", "gcp", "oci")
"""The sources whose exports leave tax out: an export without tax has amounts before tax, and tax may be due.

Azure: "Not included: support charges, taxes, credits" (Microsoft Learn, Understand Cost Management data). Oracle Cloud: its cost
reports list what resources consume, and their schema has no tax (Oracle, Cost and Usage Reports). Google Cloud: tax is rows of
its own (`cost_type`), which come when the month is invoiced; its export names Google as the issuer also where a partner invoices
(Google Cloud, Cloud Billing data tables in BigQuery).
"""

SOURCES_WITH_TAX = ("aws",)
"""The sources whose exports have a row for all tax that they invoice, whoever's services they sell: without such a row no tax
is due.

AWS: the line item type and the charge category `Tax` (AWS, Data Exports User Guide, Line item details).
"""


def is_before_tax_sql(*, lacks_tax: str, source: str, tax: str, gross: str, rule: str) -> str:
    """SQL: whether an invoice's lines are before tax and nothing says that no tax is due.

    Lines of tax that come to 0, or correct the tax of an earlier invoice with the other sign, say nothing where the export leaves
    tax out.

    Args:
        lacks_tax: SQL: whether its document is known to leave the tax out.
        source: SQL: its source.
        tax: SQL: the sum of the lines that are tax by the provider's own type.
        gross: SQL: what its lines come to.
        rule: SQL: what people know of its account's tax (`billing.rules`), or NULL.
    """
    is_expected = f"({source} IN ({_listed(SOURCES_WITHOUT_TAX)}) OR coalesce({rule} = '{TAX_EXPECTED}', false))"
    return (
        f"(coalesce({rule}, '') <> '{TAX_NOT_STATED}' "
        f"AND (coalesce({lacks_tax}, false) OR {is_expected}) AND {gross} <> 0 AND sign({tax}) <> sign({gross}))"
    )


def leaves_tax_out_sql(issuer: str, providers: str) -> str:
    """SQL: whether tax may be due although an export has none: its writer does not know what is invoiced.

    Two cases: the provider leaves tax out of its exports (`SOURCES_WITHOUT_TAX`), or the provider wrote the rows and somebody
    else, such as a reseller, invoices them and adds the tax.

    Args:
        issuer: SQL: the source of the issuer.
        providers: SQL: a list of the sources of the providers whose services are charged.
    """
    return (
        f"({issuer} NOT IN ({_listed(SOURCES_WITH_TAX)}) AND ({issuer} IN ({_listed(SOURCES_WITHOUT_TAX)}) "
        f"OR len(list_filter({providers}, lambda source: source <> {issuer})) > 0))"
    )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


TAX_WORDS = ("gst", "tax", "taxes", "vat", "hst", "qst", "pst", "sst", "iva", "tva")


def _words_sql(text: str) -> str:
    """SQL: the text's words of letters, small, with one space between them, before the first and behind the last.

    A combining mark (an accent that is a character of its own) is a part of its letter. What asks about words asks this text, and
    names no class of all letters itself: DuckDB takes 1.5 ms to compile one, for each statement that has it (2026-11-29).
    """
    return rf"(' ' || trim(regexp_replace(lower({text}), '[^\p{{L}}\p{{M}}]+', ' ', 'g')) || ' ')"


def reads_as_tax_sql(description: str) -> str:
    """SQL: whether the description names a tax as a word: `GST10%` and `Sales tax` do, `taxi` does not."""
    any_of = "|".join(TAX_WORDS)
    # Looking for the letters first, in a CASE, spares nearly all texts the rest: DuckDB computes every side of an AND.
    return (
        f"CASE WHEN regexp_matches(lower({description}), '{any_of}') "
        f"THEN regexp_matches({_words_sql(description)}, ' ({any_of}) ') ELSE false END"
    )


_TAX_NAMES = (
    # English, Canada, Malaysia, India
    *(
        "vat",
        "gst",
        "hst",
        "pst",
        "qst",
        "sst",
        "rst",
        "cgst",
        "sgst",
        "igst",
        "(value[ -]added|goods and services) tax",
    ),
    *(
        "(sales|use|consumption|turnover|withholding|state|city|county|local|telecom|digital services) tax(es)?",
        "tax(es)?",
    ),
    # German, Dutch, Scandinavian, Finnish, Icelandic
    *("ust", "mwst", "umsatzsteuer", "mehrwertsteuer", "steuer", "btw", "moms", "mva", "merverdiavgift", "alv", "vsk"),
    # French, Italian, Spanish, Portuguese, Romanian
    *(
        "tva",
        "tps",
        "tvq",
        "taxe sur la valeur ajout[eé]e",
        "iva",
        "imposta",
        "impuesto",
        "imposto",
        "igv",
        "itbis",
        "igic",
    ),
    *("icms", "iss", "issqn", "pis", "cofins"),
    # Polish, Czech, Hungarian, Croatian and Serbian, Slovenian, Greek, Turkish, Bulgarian, Russian, Indonesian
    *("podatek( vat)?", "ptu", "dph", "[aá]fa", "pdv", "ddv", "φπα", "kdv", "ддс", "ндс", "ppn"),
    *("消費税", "消费税", "增值税", "增值稅", "營業稅", "부가가치세", "부가세"),
)
"""What a tax on sales is called where it is invoiced; a piece of a regular expression each."""

_NO_TAX = "|".join(
    (
        *(
            "service",
            "consult",
            "filing",
            "advis",
            "report",
            "return",
            "software",
            "api",
            "engine",
            "server",
            "calculator",
        ),
        *(
            "id",
            "number",
            "registration",
            "exempt",
            "free",
            "excl",
            "exkl",
            "ohne",
            "without",
            "before",
            "hors",
            "net",
            "netto",
        ),
        *("senza", "sin", "sem", "zonder", "utan"),
    )
)
"""How words begin that make it something that is sold, or an amount without the tax."""

_ABBREVIATIONS = "|".join(
    " ?".join(name)
    for name in (
        *(
            "vat",
            "gst",
            "hst",
            "pst",
            "qst",
            "ust",
            "mwst",
            "btw",
            "mva",
            "alv",
            "tva",
            "tps",
            "tvq",
            "iva",
            "igv",
            "igic",
        ),
        *("icms", "iss", "pis", "dph", "pdv", "ddv", "kdv", "ptu", "ppn"),
    )
)
"""The same with a full stop behind each letter: `I.V.A.`, `M.w.St.`."""

_CORES = rf"{'|'.join(_TAX_NAMES)}|[^ ]\. ?[^ ]"
"""What is in every such name, in small letters."""

_NAMED_TAX = rf" ([^ ]+ ){{0,2}}({'|'.join(_TAX_NAMES)}|{_ABBREVIATIONS})( [^ ]+){{0,3}} "
_WITH_A_NAME_BEHIND = rf"({'|'.join(_TAX_NAMES)})[-_.]\p{{L}}"


def names_a_tax_sql(text: str) -> str:
    """SQL: whether a text is the name of a tax, with its rate and a place or some words: `USt. 19 %`, `HST Ontario (13%)`.

    `Tax filing service` and `Server, excl. VAT` are none, nor is a name such as `moms-web-01`.
    """
    plain = f"lower({text})"
    return (
        f"CASE WHEN length({text}) <= 60 AND regexp_matches({plain}, '{_CORES}') "
        f"THEN regexp_full_match({_words_sql(text)}, '{_NAMED_TAX}') "
        f"AND NOT regexp_matches({plain}, '\\b({_NO_TAX})') AND NOT regexp_matches({plain}, '{_WITH_A_NAME_BEHIND}') "
        "ELSE false END"
    )


def names_a_rate_of_tax_sql(text: str) -> str:
    """SQL: whether a text is the name of a tax with its rate, and nothing else: `MwSt. 19 %`, `消費税 10%`."""
    return f"({names_a_tax_sql(text)} AND regexp_matches({text}, '\\d\\s*[%\N{FULLWIDTH PERCENT SIGN}]'))"


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
        f" WHEN NOT ({bills_usage}) AND ({reads_as_tax_sql(description)} OR {names_a_rate_of_tax_sql(description)}) THEN 'Tax'"
        " ELSE 'Usage' END"
    )


def tax_basis_sql(*, typed: str, category: str) -> str:
    """SQL: which rule made a tax line tax, `provider_type` or `description`; NULL on every other line."""
    basis = f"CASE WHEN {typed} IS NOT NULL THEN 'provider_type' ELSE 'description' END"
    return f"CASE WHEN {category} = 'Tax' THEN {basis} END"


def doubtful_sql(*, category: str, description: str) -> str:
    """SQL: whether this rule and the earlier one disagree about the line."""
    return f"(({category} = 'Tax') <> {is_tax_by_earlier_rule_sql(description)})"
