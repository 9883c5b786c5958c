"""What several rooms ask of the tables, each defined once, under a name from the domain: views, which a person may query too.

They are made anew whenever the tables change (`schema.migrate`), so that they may name all columns of one.
"""

from dataclasses import dataclass
from typing import Final


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


VOID_INVOICES: Final = View(
    "void_invoices",
    "The invoices that a person has voided, and who said so last (`void_by`), and why (`void_reason`).",
    """
SELECT source, account_id, external_id, arg_max(decided_by, decided_at) AS void_by, arg_max(reason, decided_at) AS void_reason
FROM decisions WHERE decision = 'void' GROUP BY ALL
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
"""Characters of a text that finance is told, at most: a column of a Phoenix application holds no more, and half an id is none."""


def _newest(value: str) -> str:
    """SQL: what the newest document that states a value has."""
    return f"arg_max({value}, (received_at, document_sha256)) FILTER ({value} IS NOT NULL)"


def _newest_text(name: str, stated: str | None = None) -> str:
    """SQL: the same of a text, on one line; NULL where the newest is too long to be handed on."""
    text = _newest(f"nullif(trim(regexp_replace({stated or f'stated.{name}'}, '[\\s\\pC]+', ' ', 'g')), '')")
    return f"CASE WHEN length({text}) <= {_LONGEST_TEXT} THEN {text} END AS {name}"


INVOICE_TERMS: Final = View(
    "invoice_terms",
    "What issuers state of an invoice besides its amounts, one row for each invoice of which something is stated, as finance is "
    "told it: `due_on`, `purchase_order`, `seller_tax_id`, `buyer_tax_id`, `kind` (`invoice`, `credit_note`), `refers_to`: the "
    "id or number of the invoice that it is about. Of several documents that state one the newest counts; NULL: not known.",
    f"""
SELECT source, account_id, external_id, {_newest("stated.due_on")} AS due_on,
  {_newest_text("purchase_order")}, {_newest_text("seller_tax_id")}, {_newest_text("buyer_tax_id")},
  coalesce({_newest("stated.kind")}, CASE WHEN count(own.refers_to) > 0 THEN 'credit_note' END) AS kind,
  {_newest_text("refers_to", "coalesce(stated.refers_to, own.refers_to)")}
FROM current_invoices AS own
LEFT JOIN (
  SELECT document_sha256, invoice_ordinal, due_on, purchase_order, seller_tax_id, buyer_tax_id, kind, refers_to
  FROM stated_invoices
) AS stated USING (document_sha256, invoice_ordinal)
WHERE stated.kind IS NOT NULL OR own.refers_to IS NOT NULL
GROUP BY ALL
""",
)

INVOICES: Final = View(
    "invoices",
    "A row for each part of an invoice, or for the invoice where it is whole, so that amounts may be summed, and for each "
    "finance service that it was pushed to: name the `target` before summing.",
    """
SELECT
  totals.source, totals.account_id, totals.external_id, totals.invoice_month, raw.invoice_number, totals.currency,
  coalesce(part.amount_gross_minor, totals.amount_gross_minor) AS amount_gross_minor,
  coalesce(part.amount_net_minor, totals.amount_net_minor) AS amount_net_minor,
  coalesce(part.amount_tax_minor, totals.amount_tax_minor) AS amount_tax_minor,
  coalesce(part.line_count, totals.line_count) AS line_count,
  totals.status, totals.hold_reasons, totals.document_sha256, raw.file_name, raw.received_at,
  finance.target, part.tenant_id, finance.state AS finance_state, finance.action, finance.attempts,
  finance.finance_invoice_id, finance.pushed_to_finance_at, finance.last_error
FROM tax_split_totals AS totals
LEFT JOIN current_invoices AS raw
  ON raw.source = totals.source AND raw.account_id = totals.account_id AND raw.external_id = totals.external_id
  AND raw.document_sha256 = totals.document_sha256
LEFT JOIN allocations AS part
  ON part.source = totals.source AND part.account_id = totals.account_id AND part.external_id = totals.external_id
LEFT JOIN finance_records AS finance
  ON finance.source = part.source AND finance.account_id = part.account_id
  AND finance.tenant_id = part.tenant_id AND finance.external_id = part.finance_external_id
""",
)

VIEWS: Final = (VOID_INVOICES, CURRENT_INVOICES, INVOICE_TERMS, INVOICES)
"""All of them; one that another is made of stands before it."""
