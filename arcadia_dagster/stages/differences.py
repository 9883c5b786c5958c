"""A hint, in words, at the cause of a difference between an invoice's lines and its stated total.

It compares the difference, in this order, with the tax; with credits and prepayments; with all credits or exactly one line,
which the statement may leave out; with the effect of rounding each line, or each service, by itself; with a few cents. The hint
is for people, and decides nothing.
"""

from arcadia_dagster.billing.adjustment import TAX_FROM_MINOR
from arcadia_dagster.billing.currency import minor_text_sql, to_minor_sql

_KEY = "source, account_id, external_id"
_SHOWN = 60


def differences_sql(totals: str) -> str:
    """SQL: `source`, `account_id`, `external_id` and `difference`, a clause or NULL, for the invoices whose total differs.

    Args:
        totals: SQL: invoices with `stated_total_minor`, `stated_tax_minor`, `stated_credits`, `amount_gross_minor`,
            `amount_tax_minor`, `exponent` and `currency`.
    """
    of_it = f"'the difference of ' || {_amount('gap')} || ' is "
    credited = "what credits and prepayments have taken from it"
    words = "coalesce(nullif(description, ''), service_name, charge_category)"
    return f"""
      WITH invoice AS (
        SELECT {_KEY}, exponent, currency, stated_total_minor, stated_total_minor - amount_gross_minor AS gap,
          coalesce(stated_tax_minor - amount_tax_minor, 0) AS tax, stated_tax_minor IS NULL AS is_silent, amount_tax_minor,
          coalesce({to_minor_sql("stated_credits", "exponent")}, 0) AS credits
        FROM {totals} WHERE stated_total_minor <> amount_gross_minor
      ), line AS (
        SELECT {_KEY}, gap, exponent, amount, charge_category, service_name, {words} AS words,
          {to_minor_sql("amount", "exponent")} AS minor
        FROM cost_lines JOIN invoice USING ({_KEY}) WHERE added_by IS NULL
      ), of_service AS (
        SELECT {_KEY}, {to_minor_sql("sum(amount)", "any_value(exponent)")} AS minor FROM line GROUP BY {_KEY}, service_name
      ), by_service AS (
        SELECT {_KEY}, sum(minor) AS by_service FROM of_service GROUP BY ALL
      ), by_line AS (
        SELECT {_KEY}, sum(minor) AS by_line, count(*) FILTER (minor = -gap) AS equal,
          any_value(left(words, {_SHOWN})) FILTER (minor = -gap) AS equal_words,
          coalesce(sum(minor) FILTER (charge_category = 'Credit'), 0) AS credit_lines
        FROM line GROUP BY ALL
      )
      SELECT {_KEY}, CASE
        WHEN tax <> 0 AND gap = tax THEN {of_it}that of the tax'
        WHEN credits <> 0 AND gap = credits THEN {of_it}{credited}'
        WHEN tax <> 0 AND credits <> 0 AND gap = tax + credits
          THEN {of_it}tax of ' || {_amount("tax")} || ' and ' || {_amount("credits")} || ', {credited}'
        WHEN is_silent AND amount_tax_minor <> 0 AND gap = -amount_tax_minor
          THEN {of_it}the tax of its lines: it is stated without it'
        WHEN credit_lines <> 0 AND gap = -credit_lines THEN {of_it}what its credits come to: it is stated without them'
        WHEN equal = 1 THEN {of_it}exactly one of its lines: ' || equal_words
        WHEN by_line = stated_total_minor THEN 'what is stated is what rounding each of its lines by itself gives'
        WHEN by_service = stated_total_minor THEN 'what is stated is what rounding each of its services by itself gives'
        WHEN tax <> 0 AND abs(gap - tax) <= {TAX_FROM_MINOR}
          THEN {of_it}tax of ' || {_amount("tax")} || ' and ' || {_amount("(gap - tax)")} || ', as small as a rounding'
        WHEN abs(gap) <= {TAX_FROM_MINOR} THEN {of_it}as small as a rounding'
        END AS difference
      FROM invoice JOIN by_line USING ({_KEY}) JOIN by_service USING ({_KEY})
    """


def _amount(minor: str) -> str:
    """SQL: minor units as `86.92 USD`."""
    return f"{minor_text_sql(minor, 'exponent')} || ' ' || currency"
