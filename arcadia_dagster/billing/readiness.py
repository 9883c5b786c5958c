"""Whether an invoice may be pushed: the reasons that hold it, each a sentence that a person can act on.

Two kinds. A *doubt* is something a person can look at and release, for this version of the invoice, with a reason on
record. A *bar* stands whatever a person says: amounts that cannot be summed, a preview, an invoice somebody has voided.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from arcadia_dagster.billing.adjustment import TAX_FROM, TAX_FROM_MINOR
from arcadia_dagster.billing.advice import (
    as_stated_sql,
    dismiss_sql,
    mend_sql,
    release_sql,
    rule_sql,
    total_line_sql,
    void_sql,
)
from arcadia_dagster.billing.currency import (
    EXPONENTS,
    from_minor_sql,
    minor_text_sql,
    plain_sql,
    rounding_bound_sql,
    to_minor_sql,
)
from arcadia_dagster.billing.rules import TAX_NOT_STATED


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason to hold an invoice.

    Attributes:
        condition: SQL over the columns of `rounded` in `stages.tax_split_totals`: when it holds.
        text: SQL: the sentence.
        can_release: Whether a person may overrule it.
    """

    condition: str
    text: str
    can_release: bool = True


def reasons(*, first_month: date, last_month: date) -> tuple[Reason, ...]:
    """All reasons, in the order in which people should see them.

    Args:
        first_month: The first month that has a partition.
        last_month: The last one: the present month.
    """
    return (
        Reason(
            "damaged_record IS NOT NULL",
            "'the record of ' || damaged_file || ' in the archive is damaged (' || damaged_record || '), so that what "
            "people decided about it may be lost: restore that file from the newest backup, then run `arcadia ingest`; without "
            f"a backup run ' || {mend_sql('damaged_document')}",
            can_release=False,
        ),
        Reason(
            "lost_bytes IS NOT NULL",
            "'nobody can prove its figures any more, for its file ' || lost_file || ' is not in the archive as it came: ' || "
            f"lost_bytes || '; if nobody has it: ' || {dismiss_sql('lost_document')} || ', and download the invoice again'",
            can_release=False,
        ),
        Reason(
            "len(lost) > 0 AND void_reason IS NULL",
            "'the record of ' || mended_file || ' was mended, and some of its lines could not be read (' || "
            "array_to_string(lost, ' | ') || '), which may have said that this invoice is void: look it up in finance, then "
            f"run ' || {release_sql()} || ' or ' || {void_sql()}",
        ),
        Reason(
            "len(currencies) > 1",
            "'its lines are in several currencies (' || array_to_string(currencies, ', ') || "
            "'), which are never summed: ask the provider for one invoice a currency, and put them into the inbox; or give the "
            "lines of each currency an id of their own, in a column x_Own of the file, drop it again under its name, and say, ' "
            f"|| {_OWN_IDS} || '; if all of them have other ids: ' || {void_sql()}",
            can_release=False,
        ),
        Reason(
            "len(currencies) = 1 AND exponent IS NULL",
            "'its currency ' || currency || ' is not in ISO 4217: put a file with the code of its currency, such as EUR, in its "
            f"place; if it is not owed: ' || {void_sql()}",
            can_release=False,
        ),
        Reason(
            "NOT is_final AND NOT is_nothing",
            f"'it is a preview or has no id: shown, never pushed' || {_not_final(last_month)}",
            can_release=False,
        ),
        Reason(
            "coalesce(rows_are_not_invoices_to_us, false)",
            "'a rule of sources.toml says that its rows are no invoice to us (' || rows_reason || '): kept for analysis, never "
            "pushed; if finance has it, remove it there by hand, then run `arcadia reconcile`'",
            can_release=False,
        ),
        Reason(
            "is_nothing AND withdrawn IS NULL AND NOT coalesce(rows_are_not_invoices_to_us, false)",
            "'its lines have no invoice and come to 0: there is nothing to push'",
            can_release=False,
        ),
        Reason(
            "withdrawn IS NOT NULL",
            f"'its provider says that it is ' || withdrawn || {_REPLACED} || ': it is not pushed; if finance has it, remove it "
            "there by hand, then run `arcadia reconcile`'",
            can_release=False,
        ),
        Reason(
            "void_reason IS NOT NULL",
            "'voided by ' || void_by || ': ' || void_reason || '; if finance has it, remove it there by hand'",
            can_release=False,
        ),
        Reason(
            f"invoice_month < DATE '{first_month}'",
            "'its month ' || strftime(invoice_month, '%Y-%m') || ' is before the first month, "
            f"ARCADIA_FIRST_MONTH={first_month:%Y-%m}: set ARCADIA_FIRST_MONTH=' || strftime(invoice_month, '%Y-%m') || ' in the "
            f"environment or in .env, then run `arcadia ingest`; to leave this invoice out: ' || {void_sql()}",
            can_release=False,
        ),
        Reason(
            f"invoice_month > DATE '{last_month}'",
            "'its month ' || strftime(invoice_month, '%Y-%m') || ' is in the future (after "
            f"{last_month:%Y-%m}): it waits until that month begins; if the month is wrong, put a good file in its place; "
            f"to leave this invoice out: ' || {void_sql()}",
            can_release=False,
        ),
        Reason(
            "month_basis = 'file_name' AND lines_month <> invoice_month",
            "'its file name says ' || strftime(invoice_month, '%Y-%m') || ', most of its lines start in ' || "
            f"strftime(lines_month, '%Y-%m') || ': if the name is right: ' || {release_sql()}",
        ),
        Reason(
            "open_until IS NOT NULL",
            "'its billing period was open until ' || strftime(open_until, '%Y-%m-%d %H:%M') || ' UTC when its document came: "
            "its id and its lines may change. Export it again after that; if it is the invoice all the same: ' || "
            f"{release_sql()} || CASE WHEN id_basis = 'derived' THEN '; if its lines are on another invoice: ' || {void_sql()} "
            "ELSE '' END",
        ),
        Reason(
            f"{_ONLY_STATED} AND stated_total IS NULL AND stated_problem IS NULL",
            "file_name || ' states this invoice without its total, and no document has its lines: put the document with its "
            f"lines into the inbox; or write its total, as ' || {_TOTAL_LINE} || ' does, into ' || file_name || "
            "'.total beside it'",
            can_release=False,
        ),
        Reason(
            f"{_ONLY_STATED} AND (stated_total IS NOT NULL OR stated_problem IS NOT NULL) AND NOT is_pushed_as_stated",
            "coalesce(stated_by, file_name) || ' states it, and no document has its lines: put the document with its lines into "
            f"the inbox; or, for it to be pushed as it is stated: ' || {release_sql()} || '; for all such of its account, ' || "
            f"{_PUSHED_AS_STATED}",
        ),
        Reason(
            f"{_ONLY_STATED} AND stated_total IS NOT NULL AND is_pushed_as_stated AND stated_tax IS NULL "
            f"AND tax_rule IS DISTINCT FROM '{TAX_NOT_STATED}'",
            "coalesce(stated_by, file_name) || ' states its total, and not which part of it is tax: write total and tax, as ' || "
            f"{_TOTAL_LINE} || ' does, into ' || file_name || '.total beside it; if no tax is due: ' || {release_sql()} || "
            f"'; if none is due on any invoice of its account, ' || {_TAX_NOT_STATED}",
        ),
        Reason(
            "voided_by IS NOT NULL AND NOT is_only_stated",
            f"voided_by || ' says that its issuer has taken it back' || {_REPLACED} || ': ' || {void_sql()} || '; if it is owed "
            f"all the same: ' || {release_sql()}",
        ),
        Reason(
            "stated_problem IS NOT NULL",
            "CASE WHEN stated_by_issuer IS NULL THEN 'its control total' ELSE 'what its issuer states of it' END || "
            f"' cannot be used: ' || stated_problem || '; to go without it: ' || {release_sql()}",
        ),
        *_stated(
            "stated_total", "amount_gross_minor", "total", "the sum of its lines", "coalesce('; ' || difference, '')"
        ),
        *_stated("stated_tax", "amount_tax_minor", "tax", "the sum of its tax lines"),
        Reason(
            f"rounded_lines > 0 AND stated_total IS NULL AND ({_rounding_counts()})",
            "'in ' || rounded_lines || ' of its lines the amount has more than 18 decimals and is rounded at the 18th, which "
            "could change its total by a minor unit: put the total beside it (a file of its name with .total at the end), or: "
            f"' || {release_sql()}",
        ),
        Reason(
            # A person who writes a total without tax has seen the invoice; an issuer's may say nothing of tax.
            "is_before_tax AND stated_tax IS NULL AND stated_by_file IS NULL AND NOT is_only_stated "
            "AND (stated_by_issuer IS NULL OR stated_total_minor = amount_gross_minor)",
            f"'its document states amounts before tax, and not the tax: write total and tax, as ' || {_TOTAL_LINE} || ' does, "
            f"into ' || file_name || '.total beside it; if no tax is due: ' || {release_sql()} || '; if none is due on any "
            f"invoice of its account, ' || {_TAX_NOT_STATED}",
        ),
        Reason(
            "amount_tax_minor <> 0 AND amount_net_minor = 0 AND NOT coalesce(tax_may_stand_alone, false)",
            f"'it has tax of ' || {_amount('amount_tax_minor')} || ' without anything that is taxed: if the provider invoices "
            f"tax by itself: ' || {release_sql()} || '; for all of its account, ' || {_TAX_MAY_STAND_ALONE}",
        ),
        Reason(
            "amount_net_minor <> 0 AND abs(amount_tax_minor) > abs(amount_net_minor)",
            f"'its tax of ' || {_amount('amount_tax_minor')} || ' is more than its net of ' || "
            f"{_amount('amount_net_minor')} || ': if that is right: ' || {release_sql()}",
        ),
        Reason(
            "is_routed_by_account AND account_id = 'unknown'",
            "'its account is not known, and routes lead invoices of its source by account; release it, if it may be routed as "
            f"one of no account that they name: ' || {release_sql()}",
        ),
        Reason(
            "names_conflict IS NOT NULL",
            "'the same bytes came under the names of different invoices (' || names_conflict || '): if both are real, ask the "
            f"provider for a file of each; if it is the one that it is called by here: ' || {release_sql()}",
        ),
    )


def reasons_sql(doubts: tuple[Reason, ...], *, can_release: bool) -> str:
    """SQL: the list of the reasons of one kind that hold the invoice."""
    arms = ", ".join(
        f"CASE WHEN {reason.condition} THEN {reason.text} END" for reason in doubts if reason.can_release is can_release
    )
    return f"list_filter(CAST([{arms}] AS VARCHAR[]), lambda reason: reason IS NOT NULL)"


def _not_final(last_month: date) -> str:
    """SQL: why a preview, or an invoice without an id, is not final yet, and what makes it final."""
    by_month = rule_sql("""'invoice_id = "account and month", final_after = "5d"'""")
    return (
        "coalesce('; ' || open_reason, '') || CASE "
        "WHEN final_from IS NOT NULL THEN '; by its rule in sources.toml it is final from ' || "
        "strftime(final_from, '%Y-%m-%d %H:%M') || ' UTC on' "
        f"WHEN id_basis = 'derived' AND withdrawn IS NULL AND (open_reason IS NOT NULL OR invoice_month < DATE '{last_month}') "
        f"THEN '; or, if its issuer states no ids and invoices once a month, ' || {by_month} ELSE '' END"
    )


_ONLY_STATED = "is_only_stated AND is_final AND NOT is_nothing"

_REPLACED = (
    "CASE WHEN withdrawn = 'outdated' OR replaced_by IS NOT NULL "
    "THEN ', and ' || coalesce(replaced_by, 'another') || ' takes its place' ELSE '' END"
)
"""SQL: what its issuer billed in place of an invoice that it has taken back, where that is known."""

_OWN_IDS = rule_sql("""'invoice_id = "x_Own"'""")
_TAX_NOT_STATED = rule_sql("""'tax = "not stated"'""")
_TAX_MAY_STAND_ALONE = rule_sql("'tax_may_stand_alone = true'")
_PUSHED_AS_STATED = rule_sql("""'only_stated = "push"'""")


_TOTAL_LINE = total_line_sql("'119.00 tax 19.00'")
"""SQL: what the file beside a document says, for example."""

_MAY_BE_TAX = (
    "(amount_tax = 0 AND stated_total_minor - amount_gross_minor > "
    f"greatest(abs(amount_gross_minor) * {TAX_FROM}, {TAX_FROM_MINOR}))"
)
"""SQL: see `billing.adjustment.Stated.lacks_its_tax`."""


_HAS_TAX_BESIDE = "(is_before_tax AND stated_by_file IS NOT NULL AND stated_tax <> 0)"
"""SQL: whether a person has written the tax of lines that are before tax, and does not want them without it."""

_IS_NET = f"({_HAS_TAX_BESIDE} AND stated_total_minor = amount_gross_minor)"
"""SQL: whether that person seems to have written the net amount for the total."""


def _line_of_gross() -> str:
    """SQL: what that file says with the tax on top of the total."""
    return total_line_sql(f"{plain_sql('(stated_total + stated_tax)')} || ' tax ' || {plain_sql('stated_tax')}")


def _line_with_tax() -> str:
    """SQL: what that file says where its document's lines are before tax, and what is stated above them is the tax."""
    tax = f"(stated_total - {from_minor_sql('amount_gross_minor', 'exponent')})"
    return total_line_sql(f"{plain_sql('stated_total')} || ' tax ' || {plain_sql(tax)}")


def _stated(column: str, computed: str, what: str, of_what: str, hint: str = "''") -> tuple[Reason, Reason]:
    """The reasons to hold for a stated total: it has too many decimals, or differs from the lines by a minor unit or more.

    Args:
        column: What is stated, in major units.
        computed: What the lines come to, in minor units.
        what: What is stated, in a word.
        of_what: What that is compared with, in words.
        hint: SQL: what is known of the difference. It stands after the commands, for a release is for the reason's beginning.
    """
    in_minor = f"{column}_minor"
    in_major = from_minor_sql(in_minor, "exponent")
    # Total and tax must both be within it.
    differs = "greatest({}, {})".format(
        *(
            f"coalesce(abs({from_minor_sql(f'{stated}_minor', 'exponent')} - {from_minor_sql(of_lines, 'exponent')}), 0)"
            for stated, of_lines in (("stated_total", "amount_gross_minor"), ("stated_tax", "amount_tax_minor"))
        )
    )
    tolerance = rule_sql(f"'tolerance = ' || {plain_sql(differs)}")
    return (
        Reason(
            f"{column} <> {in_major}",
            f"'the {what} that it states, ' || {plain_sql(column)} || ' ' || currency || ', has more decimals than '"
            f" || currency || ' has: if its lines are right: ' || {release_sql()} || {_taken_back()}",
        ),
        Reason(
            f"{column} = {in_major} AND {in_minor} <> {computed}",
            f"'the {what} that it states, ' || {_amount(in_minor)} || ', differs from {of_what}, ' || "
            f"{_amount(computed)} || CASE WHEN stated_tax IS NULL AND (is_before_tax OR {_MAY_BE_TAX}) "
            f"THEN ', which have no tax: if the difference is its tax, write ' || {_line_with_tax()} || ' into ' || file_name "
            f"|| '.total' WHEN {_IS_NET} THEN ', and its total is that of its lines, which are before tax: if it was stated "
            f"without tax too, write ' || {_line_of_gross()} || ' into ' || stated_by_file "
            f"ELSE ': to push what it states: ' || {as_stated_sql()} || CASE WHEN {differs} <= 1 "
            f"THEN '; for all such differences of its account, ' || {tolerance} ELSE '' END END || "
            f"CASE WHEN {_HAS_TAX_BESIDE} THEN '' "
            f"ELSE '; to push what its lines come to: ' || {release_sql()} END || {_taken_back()} || {hint}",
        ),
    )


def _taken_back() -> str:
    """SQL: what to do about what is stated, where it is wrong; nothing where the document states the total itself."""
    return (
        "(coalesce('; if what ' || stated_by_file || ' states is wrong: correct it, or write the word none into ' || "
        "stated_by_file || ', to take it back', '') || coalesce('; if ' || stated_by_issuer || ' is wrong: drop the right one "
        "under its name, or take it out: ' || dismisses, ''))"
    )


def _rounding_counts() -> str:
    """SQL: whether what rounding may have made of the sums reaches a hundredth of a minor unit, or another minor unit."""
    bound = rounding_bound_sql("rounded_lines")
    hundredths = " ".join(
        f"WHEN {digits} THEN {Decimal(1).scaleb(-digits - 2):f}" for digits in sorted(set(EXPONENTS.values()))
    )
    changes = [
        f"{to_minor_sql(f'({amount} - {bound})', 'exponent')} <> {to_minor_sql(f'({amount} + {bound})', 'exponent')}"
        for amount in ("amount_gross", "amount_tax")
    ]
    return " OR ".join((f"{bound} >= CASE exponent {hundredths} END", *changes))


def _amount(minor: str) -> str:
    """SQL: minor units as `86.92 USD`, with as many decimals as the currency has."""
    return f"({minor_text_sql(minor, 'exponent')} || ' ' || currency)"
