"""The queries that several packages need, each defined once, under a name from the domain.

Views, which a person may query too, where the answer follows from the tables alone. They are made anew whenever the tables change
(`schema.migrate`), so that they may name all columns of one; a view that changes after a release is a new version of the schema.
Functions that return SQL where the answer also follows from what the program knows, such as vendors' names, or from a parameter.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from arcadia_dagster.billing.payload import BUSINESS_FIELDS, NO_NEWS, TERMS
from arcadia_dagster.billing.rules import KEYS
from arcadia_dagster.billing.vendors import vendor_sql
from arcadia_dagster.warehouse.keys import DELIVERY_KEY_COLUMNS

STAGES: Final = ("document_invoices", "raw_invoices", "cost_lines", "tax_split_totals")
"""The stages in order; each is built from the one before it."""

VOID: Final = "void"
"""`standing` in `standing_invoices` of an invoice that a person has voided."""

NOTHING: Final = "nothing"
"""`standing` in `standing_invoices` of an invoice that nobody awaits."""

SETTLED_PAYLOAD: Final = ""
"""The `payload_sha256` in `finance_records` of an invoice that counts as removed from finance: no payload has it."""


@dataclass(frozen=True, slots=True)
class View:
    """One view: its name, its meaning, and the query behind it."""

    name: str
    description: str
    query: str

    @property
    def ddl(self) -> str:
        """The statement that makes it, or makes it anew."""
        return f"CREATE OR REPLACE VIEW {self.name} AS{self.query}"


ACCEPTED_DOCUMENTS: Final = View(
    "accepted_documents",
    "The documents that count: neither rejected nor dismissed.",
    """
SELECT * FROM documents WHERE status = 'accepted'
""",
)

REPLACED_DOCUMENTS: Final = View(
    "replaced_documents",
    "Each path of a document at which an accepted document came later, or was put back (`replaced_by`). The whole path counts, "
    "because files of different deliveries have the same names in different folders. A document that lies at the path again is "
    "not replaced.",
    """
SELECT DISTINCT name.document_sha256, name.inbox_path, other.document_sha256 AS replaced_by
FROM document_names AS name
JOIN document_names AS other USING (inbox_path)
JOIN accepted_documents AS replacement ON replacement.document_sha256 = other.document_sha256
LEFT JOIN inbox_files AS lies USING (inbox_path)
WHERE name.document_sha256 <> other.document_sha256
  AND lies.document_sha256 IS DISTINCT FROM name.document_sha256
  AND (other.received_at > name.received_at OR lies.document_sha256 = other.document_sha256)
""",
)

UNREPLACED_DOCUMENTS: Final = View(
    "unreplaced_documents",
    "The rejected documents that accepted ones have not replaced at all of their paths: one error page may lie in the place of "
    "several invoices, and then all of them are missing. If a damaged record has lost its document's paths, the document is not "
    "replaced.",
    """
SELECT * FROM documents AS document
WHERE status = 'rejected' AND document_sha256 NOT IN (
  SELECT document_sha256 FROM (SELECT document_sha256, inbox_path FROM document_names) AS name
  LEFT JOIN (SELECT DISTINCT document_sha256, inbox_path, true AS is_replaced FROM replaced_documents) AS replaced
    USING (document_sha256, inbox_path)
  GROUP BY document_sha256 HAVING bool_and(coalesce(is_replaced, false)))
""",
)

DAMAGED_DOCUMENTS: Final = View(
    "damaged_documents",
    "The documents whose records in the archive were damaged when they were read last; nothing of them is pushed.",
    """
SELECT * FROM documents WHERE record_damage IS NOT NULL
""",
)

VOID_INVOICES: Final = View(
    "void_invoices",
    "The invoices that a person has voided, with who did so last (`void_by`) and why (`void_reason`).",
    """
SELECT source, account_id, external_id, arg_max(decided_by, decided_at) AS void_by, arg_max(reason, decided_at) AS void_reason
FROM decisions WHERE decision = 'void' GROUP BY ALL
""",
)

RELEASES: Final = View(
    "releases",
    "The decisions by which people let held invoices go to finance: each for one version of an invoice, `document_sha256`.",
    """
SELECT * FROM decisions WHERE decision = 'release'
""",
)

APPROVALS: Final = View(
    "approvals",
    "The decisions by which second persons let invoices go to finance: each for the figures that the person saw, in whatever "
    "version of the invoice. It does not count for a version that the same person has released.",
    """
SELECT * FROM decisions WHERE decision = 'approve'
""",
)

CURRENT_INVOICES: Final = View(
    "current_invoices",
    "The rows of `raw_invoices` that count: of each invoice the newest version, from one document or several together.",
    """
SELECT * FROM raw_invoices WHERE status = 'current'
""",
)

_LONGEST_TEXT: Final = 255
"""The most characters of a text for finance: a column of a Phoenix application holds no more, and half an id is useless."""


def _newest(value: str) -> str:
    """SQL: the value of the newest document that states one."""
    return f"arg_max({value}, (received_at, document_sha256)) FILTER ({value} IS NOT NULL)"


def _newest_text(name: str, stated: str | None = None) -> str:
    """SQL: the newest stated text, on one line; NULL where that is too long for finance."""
    text = _newest(f"nullif(trim(regexp_replace({stated or f'stated.{name}'}, '[\\s\\pC]+', ' ', 'g')), '')")
    return f"CASE WHEN length({text}) <= {_LONGEST_TEXT} THEN {text} END AS {name}"


INVOICE_TERMS: Final = View(
    "invoice_terms",
    "What issuers state of an invoice besides its amounts, one row for each invoice of which something is stated, as finance is "
    "told it: `due_on`, `purchase_order`, `seller_tax_id`, `buyer_tax_id`, `kind` (`invoice`, `credit_note`), `refers_to`: the "
    "id or number of the invoice that it is about; and as the books are told it: `terms`, `seller_name`, `seller_country`, and "
    "of the currency that is paid in `payment_currency`, `payment_amount`, `payment_rate`, as one document states them. Of "
    "several documents that state one the newest counts; NULL: not known.",
    f"""
SELECT * EXCLUDE (payment), payment.currency AS payment_currency, payment.amount AS payment_amount, payment.rate AS payment_rate
FROM (
SELECT source, account_id, external_id, {_newest("stated.due_on")} AS due_on,
  {_newest_text("purchase_order")}, {_newest_text("seller_tax_id")}, {_newest_text("buyer_tax_id")},
  coalesce({_newest("stated.kind")}, CASE WHEN count(own.refers_to) > 0 THEN 'credit_note' END) AS kind,
  {_newest_text("refers_to", "coalesce(stated.refers_to, own.refers_to)")},
  {_newest_text("terms")}, {_newest_text("seller_name")}, {_newest_text("seller_country")},
  arg_max(struct_pack(currency := payment_currency, amount := payment_amount, rate := payment_rate),
    (received_at, document_sha256)) FILTER (payment_currency IS NOT NULL) AS payment
FROM current_invoices AS own
LEFT JOIN (
  SELECT document_sha256, invoice_ordinal, due_on, purchase_order, seller_tax_id, buyer_tax_id, kind, refers_to, terms,
    seller_name, seller_country, payment_currency, payment_amount, payment_rate
  FROM stated_invoices
) AS stated USING (document_sha256, invoice_ordinal)
WHERE stated.kind IS NOT NULL OR own.refers_to IS NOT NULL
GROUP BY ALL
)
""",
)

STANDING_INVOICES: Final = View(
    "standing_invoices",
    "`tax_split_totals` with how each invoice stands (`standing`): `ready`, `held`, `void` where it is held and a person has "
    "decided that it must not go to finance, `nothing` where nobody awaits it: it has no invoice and comes to nothing, its "
    "provider has withdrawn it, or it is no invoice to us.",
    f"""
SELECT total.*,
  CASE
    WHEN total.is_nothing THEN '{NOTHING}'
    WHEN total.status = 'held'
      AND (total.source, total.account_id, total.external_id) IN (SELECT (source, account_id, external_id) FROM void_invoices)
    THEN '{VOID}'
    ELSE total.status
  END AS standing
FROM tax_split_totals AS total
""",
)

AWAITED_INVOICES: Final = View(
    "awaited_invoices",
    "The rows of `standing_invoices` that somebody awaits: held and void ones too, but not what is `nothing`.",
    f"""
SELECT * FROM standing_invoices WHERE standing <> '{NOTHING}'
""",
)

WAITING_INVOICES: Final = View(
    "waiting_invoices",
    "The rows of `standing_invoices` that are held and wait for a person: of what is void, one has decided.",
    """
SELECT * FROM standing_invoices WHERE standing = 'held'
""",
)

INVOICE_PARTS: Final = View(
    "invoice_parts",
    "`allocations` by the key of `finance_records`: `external_id` is what finance knows the part by, `invoice_external_id` the "
    "invoice's own id.",
    """
SELECT * EXCLUDE (external_id), external_id AS invoice_external_id, finance_external_id AS external_id FROM allocations
""",
)

REFERRED_INVOICES: Final = View(
    "referred_invoices",
    "For each invoice that refers to another one, and each tenant: the id by which finance knows that other invoice "
    "(`reference`). No row if there is no such invoice here.",
    """
SELECT note.source, note.account_id, note.external_id, part.tenant_id,
  arg_min(part.external_id, (part.account_id <> note.account_id, part.account_id, part.external_id)) AS reference
FROM (FROM invoice_terms WHERE refers_to IS NOT NULL) AS note
JOIN (
  SELECT DISTINCT source, account_id, external_id, unnest([external_id, stated_id, invoice_number]) AS name FROM current_invoices
) AS named ON named.source = note.source AND named.name = note.refers_to
JOIN invoice_parts AS part
  ON part.source = named.source AND part.account_id = named.account_id AND part.invoice_external_id = named.external_id
WHERE (named.account_id, named.external_id) <> (note.account_id, note.external_id)
GROUP BY ALL
""",
)

RECORDS_IN_FINANCE: Final = View(
    "records_in_finance",
    "The rows of `finance_records` for which the finance service has given an id: it has the part, or had it.",
    """
SELECT * FROM finance_records WHERE finance_invoice_id IS NOT NULL
""",
)

UNSETTLED_RECORDS: Final = View(
    "unsettled_records",
    "The rows of `finance_records` whose part finance has, or may have: all except those that finance has removed, as it should.",
    f"""
SELECT * FROM finance_records WHERE payload_sha256 <> '{SETTLED_PAYLOAD}'
""",
)

FINANCE_AMOUNTS: Final = View(
    "finance_amounts",
    "What each finance service (`target`) took last of each invoice that it has: `amount_gross_minor`, of all parts together.",
    """
SELECT target, source, account_id, invoice_external_id AS external_id,
  CAST(sum(CAST(json_extract_string(payload, '$.amount_gross_minor') AS BIGINT)) AS BIGINT) AS amount_gross_minor
FROM (
  SELECT target, tenant_id, source, account_id, external_id, arg_max(payload, answered_at) AS payload
  FROM finance_attempts WHERE outcome IN ('created', 'updated') GROUP BY ALL
) AS taken
JOIN (
  SELECT target, tenant_id, source, account_id, external_id, invoice_external_id FROM records_in_finance
  SEMI JOIN unsettled_records USING (target, tenant_id, source, account_id, external_id)
) AS record USING (target, tenant_id, source, account_id, external_id)
GROUP BY ALL
""",
)

UNWANTED_INVOICES: Final = View(
    "unwanted_invoices",
    "The invoices that should not be in finance because a person or their provider has decided so, each with `why`. A person has "
    "voided it; its provider has withdrawn it; or no document states it any more, and a person has dismissed each one of which "
    "it was pushed. If documents merely stop stating it, nobody has decided anything, and nobody is asked to remove it.",
    f"""
SELECT source, account_id, external_id AS invoice_external_id, 'it is void' AS why
FROM void_invoices
UNION ALL
SELECT source, account_id, external_id AS invoice_external_id, 'its provider has withdrawn it, or it is no invoice to us' AS why
FROM standing_invoices ANTI JOIN void_invoices USING (source, account_id, external_id)
WHERE standing = '{NOTHING}' GROUP BY ALL
UNION ALL
SELECT source, account_id, invoice_external_id, 'its document was dismissed' AS why
FROM (
  SELECT attempt.source, attempt.account_id, attempt.invoice_external_id, dismissed.is_dismissed
  FROM finance_attempts AS attempt
  LEFT JOIN (SELECT DISTINCT document_sha256, true AS is_dismissed FROM decisions WHERE decision = 'dismiss') AS dismissed
    USING (document_sha256)
  ANTI JOIN document_invoices AS stated
    ON stated.source = attempt.source AND stated.account_id = attempt.account_id
    AND stated.external_id = attempt.invoice_external_id
  ANTI JOIN void_invoices AS void
    ON void.source = attempt.source AND void.account_id = attempt.account_id
    AND void.external_id = attempt.invoice_external_id
)
GROUP BY source, account_id, invoice_external_id HAVING bool_and(coalesce(is_dismissed, false))
""",
)

_PAIRS = ", ".join(f"('{before}', '{after}')" for before, after in pairwise(STAGES))

STALE_MONTHS: Final = View(
    "stale_months",
    "The months (`invoice_month`) of which a stage (`stage`) is behind the one before it, and is to be built again.",
    f"""
SELECT pair.stage, earlier.invoice_month
FROM (VALUES {_PAIRS}) AS pair (before, stage)
JOIN stage_versions AS earlier ON earlier.stage = pair.before
LEFT JOIN stage_versions AS later ON later.stage = pair.stage AND later.invoice_month = earlier.invoice_month
WHERE later.built_from IS DISTINCT FROM earlier.version
""",
)


def newly_named_sql() -> str:
    """SQL: the records of invoices without an account of which documents tell one account now (`new_account_id`).

    An electronic invoice need not state its account, and is pushed before its lines come, which do: from then on no document
    states it without one. Finance does not tell invoices apart by account, so its row is that of the same invoice. Where finance
    has an invoice of that account and id already, the record stays what it is.
    """
    return f"""
    WITH nameless AS (
      SELECT target, {DELIVERY_KEY_COLUMNS}, invoice_external_id FROM finance_records
      WHERE account_id = 'unknown'
    ), stated AS (
      SELECT source, account_id AS stated_account, external_id AS invoice_external_id, document_sha256 FROM document_invoices
      SEMI JOIN nameless ON nameless.source = document_invoices.source
        AND nameless.invoice_external_id = document_invoices.external_id
    ), named AS (
      SELECT target, tenant_id, source, account_id, external_id, invoice_external_id, min(stated_account) AS new_account_id
      FROM nameless
      JOIN (SELECT DISTINCT target, {DELIVERY_KEY_COLUMNS}, document_sha256 FROM finance_attempts) AS pushed
        USING (target, {DELIVERY_KEY_COLUMNS})
      JOIN stated USING (source, invoice_external_id, document_sha256)
      GROUP BY ALL HAVING count(DISTINCT stated_account) = 1
    )
    FROM named
    ANTI JOIN (FROM stated WHERE stated_account = 'unknown') AS still USING (source, invoice_external_id)
    ANTI JOIN finance_records AS other ON other.target = named.target AND other.source = named.source
      AND other.account_id = named.new_account_id AND other.invoice_external_id = named.invoice_external_id"""


def joined_invoices_sql(is_recipients: str = "true") -> str:
    """SQL: what `invoices` is made of, to select from: `total`, `raw`, `part` and `record`.

    Of an invoice that several files state together, `raw` is the one that its totals name.

    Args:
        is_recipients: SQL: which records count, a condition on `record`.
    """
    return f"""tax_split_totals AS total
LEFT JOIN current_invoices AS raw
  ON raw.source = total.source AND raw.account_id = total.account_id AND raw.external_id = total.external_id
  AND raw.document_sha256 = total.document_sha256
LEFT JOIN invoice_parts AS part
  ON part.source = total.source AND part.account_id = total.account_id AND part.invoice_external_id = total.external_id
LEFT JOIN finance_records AS record
  ON record.source = part.source AND record.account_id = part.account_id
  AND record.tenant_id = part.tenant_id AND record.external_id = part.external_id AND {is_recipients}"""


INVOICES: Final = View(
    "invoices",
    "A row for each part of an invoice, or for the invoice where it is whole, so that amounts may be summed, and for each "
    "finance service that it was pushed to: name the `target` before summing.",
    f"""
SELECT
  total.source, total.account_id, total.external_id, total.invoice_month, raw.invoice_number, total.currency,
  coalesce(part.amount_gross_minor, total.amount_gross_minor) AS amount_gross_minor,
  coalesce(part.amount_net_minor, total.amount_net_minor) AS amount_net_minor,
  coalesce(part.amount_tax_minor, total.amount_tax_minor) AS amount_tax_minor,
  coalesce(part.line_count, total.line_count) AS line_count,
  total.status, total.hold_reasons, total.document_sha256, raw.file_name, raw.received_at,
  record.target, part.tenant_id, record.state AS finance_state, record.action, record.attempts,
  record.finance_invoice_id, record.pushed_to_finance_at, record.last_error
FROM {joined_invoices_sql()}
""",
)

VIEWS: Final = (
    ACCEPTED_DOCUMENTS,
    REPLACED_DOCUMENTS,
    UNREPLACED_DOCUMENTS,
    DAMAGED_DOCUMENTS,
    VOID_INVOICES,
    RELEASES,
    APPROVALS,
    CURRENT_INVOICES,
    STANDING_INVOICES,
    AWAITED_INVOICES,
    WAITING_INVOICES,
    INVOICE_PARTS,
    INVOICE_TERMS,
    REFERRED_INVOICES,
    RECORDS_IN_FINANCE,
    UNSETTLED_RECORDS,
    FINANCE_AMOUNTS,
    UNWANTED_INVOICES,
    STALE_MONTHS,
    INVOICES,
)
"""All of them; one that another is made of stands before it."""


def ready_invoices_sql() -> str:
    """SQL: every invoice that is ready to be pushed, with the fields of its payload and `payload_sha256`; a row for each part.

    `tenant_id` bears the part, `external_id` is its id in finance, `invoice_external_id` the invoice's own id, and `projects`
    the projects that the part bears.

    An invoice is left out while its totals are out of date: its document was dismissed, it was voided, it has another id or
    month, or its month is not yet built from the present lines or by the present routes.
    """
    fields = ", ".join(
        [
            *(f"coalesce(CAST({name} AS VARCHAR), '')" for name in BUSINESS_FIELDS),
            *(f"'{name}=' || nullif(CAST({name} AS VARCHAR), '{NO_NEWS.get(name, '')}')" for name in TERMS),
        ]
    )
    return f"""
    SELECT *, sha256(concat_ws(chr(31), {fields})) AS payload_sha256
    FROM (
      SELECT total.source, total.account_id, total.external_id AS invoice_external_id, total.invoice_month, total.currency,
        part.tenant_id, part.external_id, part.projects, part.amount_gross_minor,
        part.amount_net_minor, part.amount_tax_minor, part.line_count,
        total.document_sha256, raw.invoice_number, raw.issued_on, raw.period_start, raw.period_end,
        {vendor_sql("total.source", "raw.vendor_name", "raw.vendor_by_rule")} AS vendor_name,
        terms.due_on, terms.purchase_order, terms.seller_tax_id, terms.buyer_tax_id, terms.kind,
        coalesce(referred.reference, terms.refers_to) AS reference
      FROM tax_split_totals AS total
      JOIN current_invoices AS raw USING (source, account_id, external_id, document_sha256, invoice_month)
      JOIN invoice_parts AS part
        ON part.source = total.source AND part.account_id = total.account_id
        AND part.invoice_external_id = total.external_id AND part.invoice_month = total.invoice_month
      LEFT JOIN invoice_terms AS terms
        ON terms.source = total.source AND terms.account_id = total.account_id AND terms.external_id = total.external_id
      LEFT JOIN referred_invoices AS referred
        ON referred.source = total.source AND referred.account_id = total.account_id
        AND referred.external_id = total.external_id AND referred.tenant_id = part.tenant_id
      SEMI JOIN document_invoices AS stated
        ON stated.source = total.source AND stated.account_id = total.account_id
        AND stated.external_id = total.external_id AND stated.document_sha256 = total.document_sha256
        AND (stated.invoice_month = total.invoice_month OR stated.may_be_part)
      ANTI JOIN void_invoices AS void
        ON void.source = total.source AND void.account_id = total.account_id AND void.external_id = total.external_id
      ANTI JOIN (FROM stale_months WHERE stage = 'tax_split_totals') AS behind
        ON behind.invoice_month = total.invoice_month
      WHERE total.status = 'ready'
    )
    """


def ruled_sql(accounts: str) -> str:
    """SQL: the rules for each account: `source`, `account_id`, each key and its reason; NULL for a key without a rule.

    The reason of `tax` is `tax_reason`; and so on.

    Args:
        accounts: SQL: a relation with `source` and `account_id`.
    """
    keys = ", ".join(
        f"coalesce(own.{key}, general.{key}) AS {key}, "
        f"CASE WHEN own.{key} IS NOT NULL THEN own.reason "
        f"WHEN general.{key} IS NOT NULL THEN general.reason END AS {key}_reason"
        for key in KEYS
    )
    return f"""
    SELECT account.source, account.account_id, {keys}
    FROM (SELECT DISTINCT source, account_id FROM {accounts}) AS account
    LEFT JOIN (FROM source_rules WHERE account_id IS NOT NULL) AS own
      ON own.source = account.source AND own.account_id = account.account_id
    LEFT JOIN (FROM source_rules WHERE account_id IS NULL) AS general ON general.source = account.source"""
