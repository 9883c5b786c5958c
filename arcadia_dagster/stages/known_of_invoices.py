"""What is known of each invoice of some months before anybody judges it: relations, each made from those before it.

They become temporary tables, not one statement: DuckDB plans a relation anew wherever a statement names it, and twenty doubts do.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from arcadia_dagster.billing.currency import exponents_sql, to_minor_sql
from arcadia_dagster.billing.tax import is_before_tax_sql
from arcadia_dagster.landing.deliveries import NOTHING_LISTED, listed_sql
from arcadia_dagster.stages.approval import unapproved_sql
from arcadia_dagster.stages.differences import differences_sql
from arcadia_dagster.stages.doubts import Scope
from arcadia_dagster.stages.doubts.identity import OF_SEVERAL_DOCUMENTS, UNSTATED
from arcadia_dagster.stages.stated import (
    DISMISSES,
    STATED_BY,
    STATED_BY_FILE,
    STATED_BY_ISSUER,
    STATED_PROBLEM,
    STATED_TAX,
    STATED_TOTAL,
)
from arcadia_dagster.warehouse.relations import ruled_sql


@dataclass(frozen=True, slots=True)
class Known:
    """A relation of what is known.

    Attributes:
        name: What the relations after it, and the doubts, call it.
        sql: Its SELECT, which may name the relations before it.
        needs: A SELECT of what it is about: where that has no row the relation is `nothing`, which is much quicker to plan.
            Empty: it is always made.
        nothing: A SELECT with the same columns.
    """

    name: str
    sql: str
    needs: str = ""
    nothing: str = ""


def known_of_invoices(scope: Scope) -> Iterator[Known]:
    """Each relation, in the order in which to make them.

    The last ones are `rounded`, one row an invoice with its totals; `differing`, what its difference from a stated total equals;
    `approval`, the invoices that a second person must see; and `unstated`. `stages.doubts.Scope` says what the others are.
    """
    yield Known("line", _LINE.format(months=scope.month_list))
    yield Known("part", _PART.format(months=scope.month_list))
    yield Known("own", _OWN)
    yield Known("stated", _STATED, needs=_STATES_ANYTHING, nothing=_STATES_NOTHING)
    yield Known("raw", "FROM own JOIN stated USING (source, account_id, external_id, invoice_month)")
    yield Known("listed", listed_sql() if scope.has_manifests else NOTHING_LISTED)
    yield Known("ruled", ruled_sql("part"))
    yield Known("release", _RELEASE)
    yield Known("void", "FROM void_invoices")
    yield Known("damaged", _DAMAGED)
    yield Known("lost", _LOST)
    yield Known("mended", _MENDED)
    yield Known("apart", _APART)
    yield Known("nothing", _NOTHING)
    yield Known("exact", _EXACT)
    yield Known("rounded", _ROUNDED)
    yield Known("differing", differences_sql("rounded"), needs=_DIFFERS, nothing=_NO_WORDS.format("difference"))
    yield Known(
        "approval", unapproved_sql("rounded"), needs="FROM approval_limits", nothing=_NO_WORDS.format("unapproved")
    )
    yield Known("unstated", UNSTATED, needs=OF_SEVERAL_DOCUMENTS, nothing=_NO_WORDS.format("by_sha256"))


_DIFFERS = "SELECT 1 FROM rounded WHERE stated_total_minor <> amount_gross_minor"

_NO_WORDS = "SELECT source, account_id, external_id, '' AS {} FROM rounded WHERE false"

_LINE = """
SELECT source, account_id, external_id, invoice_month, count(*) AS line_count,
  list_sort(list(DISTINCT currency)) AS currencies, sum(amount) AS amount_gross,
  sum(amount) FILTER (added_by IS NULL) + CASE WHEN count(*) FILTER (charge_category = 'Tax' AND added_by IS NULL) = 0
    THEN coalesce(sum(amount) FILTER (charge_category = 'Tax' AND added_by IS NOT NULL), 0) ELSE 0 END AS lines_gross,
  coalesce(sum(amount) FILTER (charge_category = 'Tax'), 0) AS amount_tax,
  count(*) FILTER (charge_category = 'Tax') AS tax_lines,
  coalesce(sum(amount) FILTER (tax_basis <> 'description'), 0) AS named_tax
FROM cost_lines WHERE invoice_month IN ({months}) GROUP BY ALL
"""

_PART = """
SELECT current_invoices.*, replaced_by, amount_credits, coalesce(is_one_of_several, false) AS is_one_of_several,
  -- A statement stands for the invoice only where nothing has its lines.
  NOT coalesce(is_statement, false) OR bool_and(coalesce(is_statement, false)) OVER (
    PARTITION BY source, account_id, external_id) AS is_own
FROM current_invoices
LEFT JOIN (SELECT document_sha256, invoice_ordinal, replaced_by, amount_credits FROM stated_invoices) AS own_word
  USING (document_sha256, invoice_ordinal)
LEFT JOIN (SELECT document_sha256, true AS is_one_of_several FROM document_invoices WHERE invoice_ordinal = 2) AS other
  USING (document_sha256)
WHERE invoice_month IN ({months})
"""

_OWN = """
-- An invoice is the document that states it, or the newest of the files that state it together.
SELECT source, account_id, external_id, invoice_month, arg_max(document_sha256, (received_at, document_sha256))
    AS document_sha256,
  arg_max(file_name, (received_at, document_sha256)) AS file_name, max(final_from) AS final_from,
  bool_or(is_one_of_several) AS is_one_of_several,
  count(*) AS documents, sum(line_count)::BIGINT AS line_count, bool_and(is_final) AS is_final,
  any_value(open_reason) AS open_reason,
  coalesce(bool_or(may_be_part), false) AS may_be_part, coalesce(bool_or(lacks_tax), false) AS lacks_tax,
  coalesce(sum(rounded_lines), 0)::BIGINT AS rounded_lines, any_value(id_basis) AS id_basis,
  any_value(month_basis) AS month_basis, max(lines_month) AS lines_month, max(received_at) AS received_at,
  CASE WHEN count(withdrawn) = count(*) THEN any_value(withdrawn) END AS withdrawn,
  any_value(names_conflict) AS names_conflict, any_value(lines_sketch) AS lines_sketch,
  any_value(stated_id) AS stated_id, sum(lines_total) AS lines_total,
  CASE WHEN count(open_until) = count(*) THEN max(open_until) END AS open_until
FROM part WHERE is_own GROUP BY ALL
"""

_STATED = f"""
SELECT source, account_id, external_id, invoice_month, {STATED_TOTAL} AS stated_total, {STATED_TAX} AS stated_tax,
  {STATED_BY} AS stated_by, {STATED_BY_FILE} AS stated_by_file, {STATED_BY_ISSUER} AS stated_by_issuer, {
    DISMISSES
} AS dismisses, {STATED_PROBLEM} AS stated_problem, bool_and(coalesce(is_statement, false)) AS is_only_stated,
  string_agg(DISTINCT file_name, ' and ' ORDER BY file_name) FILTER (is_statement AND withdrawn IS NOT NULL) AS voided_by,
  string_agg(DISTINCT replaced_by, ' and ' ORDER BY replaced_by) AS replaced_by, max(amount_credits) AS stated_credits
FROM part GROUP BY ALL
"""

_STATES_ANYTHING = """
SELECT 1 FROM part
WHERE is_statement OR stated_by IS NOT NULL OR stated_total IS NOT NULL OR stated_tax IS NOT NULL
  OR stated_problem IS NOT NULL OR replaced_by IS NOT NULL
"""

_STATES_NOTHING = """
SELECT source, account_id, external_id, invoice_month, CAST(NULL AS DECIMAL(38, 18)) AS stated_total,
  CAST(NULL AS DECIMAL(38, 18)) AS stated_tax, CAST(NULL AS VARCHAR) AS stated_by, CAST(NULL AS VARCHAR) AS stated_by_file,
  CAST(NULL AS VARCHAR) AS stated_by_issuer, CAST(NULL AS VARCHAR) AS dismisses, CAST(NULL AS VARCHAR) AS stated_problem,
  false AS is_only_stated, CAST(NULL AS VARCHAR) AS voided_by, CAST(NULL AS VARCHAR) AS replaced_by,
  max(amount_credits) AS stated_credits
FROM part GROUP BY ALL
"""

_RELEASE = """
SELECT source, account_id, external_id, document_sha256, flatten(list(overruled)) AS overruled
FROM releases GROUP BY ALL
"""

_DAMAGED = """
-- Of whatever version the record is: a decision about an invoice is on the record of the version that it was made about.
SELECT source, account_id, external_id, arg_min(file_name, document_sha256) AS damaged_file,
  arg_min(record_damage, document_sha256) AS damaged_record, min(document_sha256) AS damaged_document
FROM document_invoices JOIN (
  SELECT document_sha256, file_name, record_damage FROM damaged_documents
) AS document USING (document_sha256)
GROUP BY ALL
"""

_LOST = """
-- Of the present version alone: bytes of an earlier one count no more.
SELECT source, account_id, external_id, arg_min(part.file_name, document_sha256) AS lost_file,
  arg_min(bytes_damage, document_sha256) AS lost_bytes, min(document_sha256) AS lost_document
FROM part JOIN (SELECT document_sha256, bytes_damage FROM documents WHERE bytes_damage IS NOT NULL) AS document
  USING (document_sha256)
GROUP BY ALL
"""

_MENDED = """
SELECT source, account_id, external_id, arg_min(file_name, document_sha256) AS mended_file,
  flatten(list(lost ORDER BY document_sha256)) AS lost
FROM document_invoices JOIN (
  SELECT document_sha256, any_value(file_name) AS file_name, flatten(list(overruled ORDER BY decided_at)) AS lost
  FROM decisions JOIN documents USING (document_sha256) WHERE decision = 'mend' GROUP BY ALL
) AS document USING (document_sha256)
GROUP BY ALL
"""

_APART = f"""
-- What no invoice is compared with: void ones, and those that are none to us.
SELECT source, account_id, external_id FROM void
UNION SELECT source, account_id, external_id FROM raw_invoices
SEMI JOIN (FROM ({ruled_sql("raw_invoices")}) WHERE rows_are_not_invoices_to_us) AS other USING (source, account_id)
"""

_NOTHING = """
SELECT source, account_id, external_id, bool_and(amount = 0) AS is_nothing
FROM (
  SELECT source, account_id, external_id, currency, sum(amount) AS amount
  FROM cost_lines SEMI JOIN (FROM raw WHERE NOT is_final OR id_basis = 'rule')
    USING (source, account_id, external_id, invoice_month)
  GROUP BY ALL
) GROUP BY ALL
"""

_EXACT = f"""
SELECT line.* EXCLUDE (amount_gross, amount_tax, lines_gross),
  raw.id_basis, raw.file_name, raw.final_from, raw.is_one_of_several,
  ruled.tax AS tax_rule, ruled.rows_are_not_invoices_to_us, ruled.rows_are_not_invoices_to_us_reason AS rows_reason,
  ruled.tax_may_stand_alone, coalesce(ruled.only_stated, 'hold') = 'push' AS is_pushed_as_stated,
  line.source IN (SELECT source FROM tenant_routes WHERE account_id IS NOT NULL) AS is_routed_by_account,
  raw.document_sha256, raw.is_final, raw.open_reason, raw.rounded_lines, raw.withdrawn,
  raw.withdrawn IS NOT NULL OR coalesce(nothing.is_nothing, false)
    OR coalesce(ruled.rows_are_not_invoices_to_us, false) AS is_nothing, raw.month_basis,
  {
    is_before_tax_sql(
        lacks_tax="raw.lacks_tax",
        source="line.source",
        tax="line.named_tax",
        gross="line.amount_gross",
        rule="ruled.tax",
    )
} AS is_before_tax,
  raw.lines_month, raw.stated_total, raw.stated_tax, raw.stated_by, raw.stated_problem, raw.names_conflict,
  raw.is_only_stated, raw.voided_by, raw.replaced_by, raw.stated_by_file, raw.stated_by_issuer, raw.dismisses,
  raw.stated_credits,
  raw.open_until,
  void.void_by, void.void_reason, damaged.damaged_file, damaged.damaged_record, damaged.damaged_document,
  lost.lost_file, lost.lost_bytes, lost.lost_document,
  mended.mended_file, coalesce(mended.lost, CAST([] AS VARCHAR[])) AS lost,
  coalesce(release.overruled, CAST([] AS VARCHAR[])) AS overruled,
  CASE WHEN len(line.currencies) = 1 THEN line.currencies[1] END AS currency,
  CASE WHEN len(line.currencies) = 1 THEN line.amount_gross END AS amount_gross,
  CASE WHEN len(line.currencies) = 1 THEN line.amount_tax END AS amount_tax,
  CASE WHEN len(line.currencies) = 1 THEN line.lines_gross END AS lines_gross
FROM line
JOIN raw USING (source, account_id, external_id, invoice_month)
LEFT JOIN ruled USING (source, account_id)
LEFT JOIN nothing USING (source, account_id, external_id)
LEFT JOIN void USING (source, account_id, external_id)
LEFT JOIN damaged USING (source, account_id, external_id)
LEFT JOIN lost USING (source, account_id, external_id)
LEFT JOIN mended USING (source, account_id, external_id)
LEFT JOIN release
  ON release.source = line.source AND release.account_id = line.account_id
  AND release.external_id = line.external_id AND release.document_sha256 = raw.document_sha256
"""

# Rounding happens here, once: gross = round(all), tax = round(tax lines), net = gross - tax.
_ROUNDED = f"""
SELECT exact.*, iso.exponent,
  {to_minor_sql("amount_gross", "iso.exponent")} AS amount_gross_minor,
  {to_minor_sql("amount_tax", "iso.exponent")} AS amount_tax_minor,
  {to_minor_sql("lines_gross", "iso.exponent")} AS lines_gross_minor,
  amount_gross_minor - amount_tax_minor AS amount_net_minor,
  {to_minor_sql("stated_total", "iso.exponent")} AS stated_total_minor,
  {to_minor_sql("stated_tax", "iso.exponent")} AS stated_tax_minor
FROM exact LEFT JOIN {exponents_sql()} AS iso USING (currency)
"""
