"""The tables of the warehouse: one description that makes the DDL, the column schema in the UI, and the documentation.

Types are those that DuckDB and DuckLake share. There are no keys, constraints or sequences (a primary key costs three
times as much on insert, and DuckLake has none): uniqueness is asserted before commit, see `warehouse.months`.
Every TIMESTAMP is in UTC. Months are DATEs, the first day of the month.
"""

from dataclasses import replace
from typing import Any, Final

import duckdb

from arcadia_dagster.billing.currency import AMOUNT_TYPE
from arcadia_dagster.store.table import Column, Table
from arcadia_dagster.warehouse import relations, version_1

SCHEMA_VERSION: Final = 10


_SHA256 = Column("document_sha256", "VARCHAR", "SHA-256 of the document's bytes, in hexadecimal: its identity.")
_MONTH = Column("invoice_month", "DATE", "The invoice's month, its first day (UTC).")
_SOURCE = Column("source", "VARCHAR", "Who issued the invoice, as finance knows it, such as `digitalocean`.")
_ACCOUNT = Column("account_id", "VARCHAR", "The account at the source; `unknown` where the document does not tell.")
_EXTERNAL_ID = Column("external_id", "VARCHAR", "The invoice's id at its source; finance tells invoices apart by it.")
_INVOICE = (_SOURCE, _ACCOUNT, _EXTERNAL_ID)
_CURRENCY = Column("currency", "VARCHAR", "ISO 4217 code; NULL where the invoice states several.")
_INVOICE_KEY = ("source", "account_id", "external_id")

_STATED_INVOICE = (
    Column("invoice_ordinal", "INTEGER", "Which invoice of its document it is, from 1."),
    *_INVOICE,
    Column("invoice_number", "VARCHAR", "The number printed on the invoice, where it is known."),
    _MONTH,
    Column("period_start", "DATE", "First day of the billing period (UTC)."),
    Column("period_end", "DATE", "Last day of the billing period, inclusive (UTC)."),
    Column("issued_on", "DATE", "The day of issue, where the document states it."),
    _CURRENCY,
    Column("stated_total", AMOUNT_TYPE, "The total that the document or its control file states, or NULL."),
    Column("stated_tax", AMOUNT_TYPE, "The tax total that the document states, or NULL."),
    Column("names_conflict", "VARCHAR", "The different invoices that the names of the same bytes tell, or NULL."),
    Column("lines_sketch", "BIGINT[]", "The 64 smallest hashes of its lines, to tell whether two versions are alike."),
    Column("stated_problem", "VARCHAR", "Why the control file beside the document cannot be used, or NULL."),
    Column("line_count", "BIGINT", "How many cost lines the invoice has."),
    Column("lines_total", AMOUNT_TYPE, "The exact sum of its lines, or NULL where they are in several currencies."),
    Column("id_basis", "VARCHAR", "Where the id is from: `document`, `file_name` (the provider's), or `derived`."),
    Column("month_basis", "VARCHAR", "Where the month is from: `document`, `file_name` or `lines`."),
    Column("lines_month", "DATE", "The month that most lines that are not tax are charged in, or NULL."),
    Column("is_final", "BOOLEAN", "False for a preview or an invoice without an id: shown, never pushed."),
    Column("received_at", "TIMESTAMP", "When the document arrived in the inbox (UTC)."),
)

_STATED_SINCE_2 = (
    Column("vendor_name", "VARCHAR", "The issuer's name as the document states it, or NULL."),
    Column(
        "may_be_part",
        "BOOLEAN",
        "Whether the files of one folder may state one invoice together; NULL or false: each document is whole.",
    ),
)

_STATED_SINCE_4 = (
    Column("lacks_tax", "BOOLEAN", "Whether the document states amounts before tax and does not tell the tax."),
)

_STATED_SINCE_5 = (
    Column(
        "charges_sketch",
        "BIGINT[]",
        "The 64 smallest hashes of what its lines charge for, whatever the amounts, to tell parts from versions.",
    ),
    Column("charge_days", "DATE[]", "The days (UTC) on which its lines that are not tax start."),
    Column("doubts", "VARCHAR[]", "What reading its document left in doubt: each holds it until a person releases it."),
    Column("open_reason", "VARCHAR", "Where it is not final, why not and what to do; NULL where no more is known."),
    Column(
        "rounded_lines",
        "BIGINT",
        "How many of its lines have more than 18 decimals in the document: each amount is off by 5e-19 at most.",
    ),
    Column("refers_to", "VARCHAR", "The id or number of the invoice that it, a credit note, is about, or NULL."),
    Column(
        "withdrawn",
        "VARCHAR",
        "The provider's word for an invoice that it has taken back, such as `outdated`: shown, never pushed; else NULL.",
    ),
    Column(
        "stated_id",
        "VARCHAR",
        "The id in the document, if an invoice more than a month away already has that id; else NULL.",
    ),
    Column(
        "open_until",
        "TIMESTAMP",
        "The end of its billing period (UTC), where the document came before it: its id is not final; else NULL.",
    ),
    Column(
        "final_from",
        "TIMESTAMP",
        "When an invoice by account and month is final by `final_after` of its rule (UTC); NULL for all others.",
    ),
    Column(
        "vendor_by_rule", "VARCHAR", "The vendor's name as a person says it (`issuer` in `sources.toml`); else NULL."
    ),
    Column(
        "states_tax",
        "BOOLEAN",
        "Whether it has a line of tax other than 0, or its document or control file states some.",
    ),
    Column(
        "stated_by",
        "VARCHAR",
        "The control file (its path below the inbox) or its issuer's statement that states its total; NULL: neither does.",
    ),
    Column(
        "billing_ends_at",
        "TIMESTAMP",
        "The end of its billing period (UTC), until which lines may come; NULL for purchases alone, and where its document does "
        "not tell.",
    ),
    Column("is_statement", "BOOLEAN", "Whether its document states the invoice's total, but not its lines."),
    Column(
        "yields",
        "BOOLEAN",
        "Whether its lines count only if no other document has lines of the invoice: otherwise it is a statement of it.",
    ),
    Column(
        "unnamed_issuer",
        "VARCHAR",
        "The provider's name, if no line of it in its document names the issuer; empty if no line names a provider either; NULL "
        "if a line names the issuer.",
    ),
)

_DOCUMENTS_SINCE_2 = (
    Column("record_bytes", "BIGINT", "How long the document's record in the archive was when it was registered."),
)

_DOCUMENTS_SINCE_5 = (
    Column("record_changed_ns", "BIGINT", "The record's change time then, in nanoseconds since 1970 (UTC)."),
    Column("record", "VARCHAR", "What the record said when it was last read whole: it must still begin with that."),
    Column(
        "record_damage",
        "VARCHAR",
        "What is wrong with the record, with its path and line, so that its invoices are held; NULL where it is whole.",
    ),
    Column(
        "described_in",
        "VARCHAR",
        "The file of the description that it is read by; NULL where that, or the format, comes with the program.",
    ),
    Column(
        "is_kept",
        "BOOLEAN",
        "Whether what an earlier description read still counts, because the present one loses an invoice in it: held.",
    ),
    Column("record_count", "BIGINT", "How many records it has, without a header; NULL where it states no invoice."),
    Column(
        "written_as",
        "VARCHAR",
        "Whether it is CSV, Parquet or of another kind, and a hash of its columns: parts of one export have the same. NULL where "
        "it has no lines.",
    ),
)

_DOCUMENTS_SINCE_7 = (
    Column(
        "bytes_damage",
        "VARCHAR",
        "Why its bytes in the archive are not those that were archived, so that its invoices are held; NULL where they were "
        "whole when they were read last.",
    ),
)

DOCUMENTS = Table(
    "documents",
    "Every complete file ever seen in the inbox, whatever became of it.",
    (
        _SHA256,
        Column("file_name", "VARCHAR", "The best name it came under: a provider's own before any other."),
        Column("byte_size", "BIGINT", "Size in bytes."),
        Column("format", "VARCHAR", "The format it was recognised as, or NULL."),
        Column("received_at", "TIMESTAMP", "When it first arrived in the inbox (UTC)."),
        Column("invoice_month", "DATE", "The month of its invoices (the first where it has several), or NULL."),
        Column("status", "VARCHAR", "`accepted`, `rejected`, or `dismissed` by a person."),
        Column(
            "reason",
            "VARCHAR",
            "Why it was rejected or dismissed, with line, column, value and what was expected; of evidence, what it is.",
        ),
        Column(
            "read_by",
            "VARCHAR",
            "The version of its format's reading that read it, and the rules for ids and the descriptions that mattered to it.",
        ),
        *_DOCUMENTS_SINCE_2,
        *_DOCUMENTS_SINCE_5,
        *_DOCUMENTS_SINCE_7,
    ),
    key=("document_sha256",),
)

DOCUMENT_NAMES = Table(
    "document_names",
    "Every name under which a document came.",
    (
        _SHA256,
        Column("file_name", "VARCHAR", "The file's name."),
        Column(
            "inbox_path",
            "VARCHAR",
            "Its path below the inbox; in a further inbox after that one's name, such as `s3:bucket:prefix::`.",
        ),
        Column("received_at", "TIMESTAMP", "When it arrived under this name (UTC)."),
    ),
    key=("document_sha256", "inbox_path"),
)

DOCUMENT_INVOICES = Table(
    "document_invoices",
    "The invoices that the accepted documents state, of whatever month: the register that `raw_invoices` is made of.",
    (_SHA256, *_STATED_INVOICE, *_STATED_SINCE_2, *_STATED_SINCE_4, *_STATED_SINCE_5),
    key=("document_sha256", "invoice_ordinal"),
)

INVENTORIES = Table(
    "inventories",
    "The resources that the accepted inventory documents list: the register that `cloud_resources` is built from.",
    (
        _SHA256,
        Column("line_number", "BIGINT", "The ordinal of the record in its document, from 1."),
        Column("resource_id", "VARCHAR", "The resource's id at its provider."),
        Column("resource_name", "VARCHAR", "The name people gave it, or NULL."),
        Column("resource_type", "VARCHAR", "What it is, in lower case: `droplet`, `volume`, `database` ..."),
        Column("account_id", "VARCHAR", "The account it belongs to; `unknown` where the inventory does not tell."),
        Column("project", "VARCHAR", "The project it belongs to, or NULL."),
        Column("received_at", "TIMESTAMP", "When the inventory arrived (UTC)."),
    ),
    key=("document_sha256", "line_number"),
)

_DELIVERIES_SINCE_5 = (Column("row_count", "BIGINT", "How many records the manifest says that it has, or NULL."),)

DELIVERY_FILES = Table(
    "delivery_files",
    "The files that the manifests list of which a delivery consists: while one is lacking, its invoices are held.",
    (
        _SHA256,
        Column("folder", "VARCHAR", "The folder that the provider put the file into, below the bucket."),
        Column("file_name", "VARCHAR", "The file's name."),
        *_DELIVERIES_SINCE_5,
    ),
    key=("document_sha256", "folder", "file_name"),
)

DOCUMENT_CONTENTS = Table(
    "document_contents",
    "What each document stated when it was registered last, as the archive keeps it apart from the document.",
    (
        _SHA256,
        Column("kept_in", "INTEGER", "The number of the file of the archive, below `contents/`, that says it."),
        Column("invoice_ids", "VARCHAR[]", "The ids of its invoices, as it states them and as they were known."),
        Column(
            "amounts",
            "VARCHAR[]",
            "Month, currency and amount of each of its invoices, to tell whether another one is alike.",
        ),
        Column("content", "VARCHAR", "The line of that file, as JSON: its names too, and what it lists as a manifest."),
    ),
    key=("document_sha256",),
)

BOOK_EXPORTS = Table(
    "book_exports",
    "The exports to the books that the archive keeps on record, so that the last one is missed too where its file is gone.",
    (
        Column("number", "INTEGER", "Which export it is, from 1."),
        Column(
            "name", "VARCHAR", "The name of its file, below `books/` of the archive; it has the hash of its content."
        ),
    ),
    key=("number",),
)

STATED_INVOICES = Table(
    "stated_invoices",
    "What issuers state of their invoices, as each document has it: the second witness beside the lines.",
    (
        _SHA256,
        Column("invoice_ordinal", "INTEGER", "Which invoice of its document it is, from 1."),
        _SOURCE,
        Column("account_id", "VARCHAR", "The account at the source, where the document tells it."),
        Column("external_id", "VARCHAR", "The invoice's id, as the document states it."),
        Column("invoice_number", "VARCHAR", "The number printed on the invoice, where that is another."),
        Column("kind", "VARCHAR", "`invoice`, or `credit_note`, whose amounts are below 0."),
        Column(
            "status",
            "VARCHAR",
            "`issued`, `paid`, `draft` where it is not issued yet, or `voided` where the issuer has taken it back.",
        ),
        Column("currency", "VARCHAR", "ISO 4217 code of the amounts."),
        Column("amount_gross", AMOUNT_TYPE, "What is owed, tax included, in major units; or NULL."),
        Column("amount_net", AMOUNT_TYPE, "The same without tax, or NULL."),
        Column("amount_tax", AMOUNT_TYPE, "The tax, or NULL."),
        Column("amount_credits", AMOUNT_TYPE, "What credits and prepayments have taken from it, below 0; or NULL."),
        Column("issued_on", "DATE", "The day of issue, or NULL."),
        Column("due_on", "DATE", "The day on which it is to be paid, or NULL."),
        Column("period_start", "DATE", "The first day of what it bills, or NULL."),
        Column("period_end", "DATE", "The last day of that, inclusive, or NULL."),
        Column("terms", "VARCHAR", "The terms of payment, in the issuer's words, or NULL."),
        Column("purchase_order", "VARCHAR", "The buyer's order that it refers to, or NULL."),
        Column("seller_name", "VARCHAR", "The legal seller, or NULL."),
        Column("seller_tax_id", "VARCHAR", "The seller's tax or VAT number, or NULL."),
        Column("seller_country", "VARCHAR", "The seller's country, ISO 3166-1 alpha-2, or NULL."),
        Column("buyer_name", "VARCHAR", "The legal buyer, or NULL."),
        Column("buyer_tax_id", "VARCHAR", "The buyer's tax or VAT number, or NULL."),
        Column("refers_to", "VARCHAR", "The id or number of the invoice that a credit note is about, or NULL."),
        Column(
            "replaced_by", "VARCHAR", "The id of the invoice that has taken its place, where it is voided; or NULL."
        ),
        Column("payment_currency", "VARCHAR", "ISO 4217 code of what is paid, where it is another currency; or NULL."),
        Column("payment_amount", AMOUNT_TYPE, "What is paid in that currency, or NULL."),
        Column("payment_rate", AMOUNT_TYPE, "Units of the payment currency for one of the currency, or NULL."),
    ),
    key=("document_sha256", "invoice_ordinal"),
)

STATED_TAXES = Table(
    "stated_taxes",
    "The tax of stated invoices by category and rate (EN 16931, BG-23).",
    (
        _SHA256,
        Column("invoice_ordinal", "INTEGER", "Which invoice of its document it is, from 1."),
        Column("tax_ordinal", "INTEGER", "Which row of its breakdown, from 1."),
        Column(
            "category", "VARCHAR", "The category's code (UNCL 5305), such as `S` or `AE` (reverse charge); or NULL."
        ),
        Column("rate", AMOUNT_TYPE, "In percent, or NULL."),
        Column("taxable_amount", AMOUNT_TYPE, "The amount that is taxed, in major units; or NULL."),
        Column("tax_amount", AMOUNT_TYPE, "The tax, or NULL."),
        Column("reason", "VARCHAR", "Why there is none, in the issuer's words; or NULL."),
    ),
    key=("document_sha256", "invoice_ordinal", "tax_ordinal"),
)

INVOICE_EVIDENCE = Table(
    "invoice_evidence",
    "Which invoices the documents show that are not read (PDF, XML) and lie in the archive for people to look at.",
    (
        _SHA256,
        *_INVOICE,
        Column(
            "basis",
            "VARCHAR",
            "What says so: `file name`, which is that of the invoice's document beside it; `number`, which the invoice and its "
            "name have in common.",
        ),
    ),
    key=("document_sha256", *_INVOICE_KEY),
)

_FILES_SINCE_5 = (
    Column(
        "version", "VARCHAR", "The ETag of an object in a bucket, by which it is known; NULL for a file in a folder."
    ),
)

BILLING_PERIODS = Table(
    "billing_periods",
    "What issuers state of their billing periods, as each document has it (FOCUS 1.4, Billing Period).",
    (
        _SHA256,
        Column("line_number", "BIGINT", "The ordinal of the record in its document, from 1."),
        Column("source", "VARCHAR", "Who issues the invoices of the period, as finance knows it."),
        Column("issuer_name", "VARCHAR", "The issuer's name, as the document has it."),
        Column("account_id", "VARCHAR", "The account that the record is about; NULL: all of the issuer."),
        Column("starts_at", "TIMESTAMP", "When the period begins (UTC)."),
        Column("ends_at", "TIMESTAMP", "When it ends, exclusive (UTC)."),
        Column("is_open", "BOOLEAN", "Whether the issuer may still add or change charges of it."),
        Column("updated_at", "TIMESTAMP", "When the issuer changed the record last (UTC), or NULL."),
        Column("received_at", "TIMESTAMP", "When the document arrived (UTC)."),
    ),
    key=("document_sha256", "line_number"),
)

INBOX_FILES = Table(
    "inbox_files",
    "What the last look at the inbox saw, so that an unchanged file is not read again.",
    (
        Column(
            "inbox_path",
            "VARCHAR",
            "The path below the inbox; in a further inbox after that one's name, such as `s3:bucket:prefix::`.",
        ),
        Column("byte_size", "BIGINT", "Size in bytes."),
        Column("modified_ns", "BIGINT", "Modification time, in nanoseconds since 1970 (UTC)."),
        Column("changed_ns", "BIGINT", "Change time, in nanoseconds since 1970 (UTC): when it arrived here."),
        Column("inode", "BIGINT", "The file's number in its file system; NULL for an object in a bucket."),
        Column("document_sha256", "VARCHAR", "The document it holds; NULL where it could not be taken."),
        Column("problem", "VARCHAR", "Why it was not taken, or NULL."),
        *_FILES_SINCE_5,
    ),
    key=("inbox_path",),
)

_DECISIONS_SINCE_5 = (
    Column(
        "stated_total",
        AMOUNT_TYPE,
        "`release` as stated: the total that the person saw and that finance is to have, in major units; else NULL.",
    ),
    Column(
        "stated_tax", AMOUNT_TYPE, "`release` as stated: the tax that goes with it, where it was stated; else NULL."
    ),
)

_DECISIONS_SINCE_6 = (
    Column("approved_currency", "VARCHAR", "`approve`: the currency of the two amounts (ISO 4217); else NULL."),
    Column("approved_gross", AMOUNT_TYPE, "`approve`: the gross that the person saw, in major units; else NULL."),
    Column("approved_tax", AMOUNT_TYPE, "`approve`: the tax that the person saw, in major units; else NULL."),
)

DECISIONS = Table(
    "decisions",
    "What people decided, with their reason: `release`, `approve`, `dismiss`, `void`, `end`, `mend`.",
    (
        Column("decided_at", "TIMESTAMP", "When (UTC)."),
        Column("decided_by", "VARCHAR", "Who: the name of the person's account on the machine."),
        Column(
            "decision",
            "VARCHAR",
            "`release`; `approve`: a second person has seen it; `dismiss`; `void`; `end`: the invoice is the last of its "
            "account; `mend`: its damaged record was written anew.",
        ),
        _SHA256,
        Column("source", "VARCHAR", "The invoice's source; NULL for a decision about a whole document."),
        Column("account_id", "VARCHAR", "The invoice's account, or NULL."),
        Column("external_id", "VARCHAR", "The invoice's id, or NULL."),
        Column("reason", "VARCHAR", "Why, in the person's words."),
        Column(
            "overruled",
            "VARCHAR[]",
            "`release`: the doubts that the person saw; a new one holds the invoice again. `mend`: the lines that are lost.",
        ),
        *_DECISIONS_SINCE_5,
        *_DECISIONS_SINCE_6,
    ),
)

_ALIASES_SINCE_5 = (
    Column("alias_source", "VARCHAR", "The source under the other name, where it is another; else NULL."),
)

INVOICE_ALIASES = Table(
    "invoice_aliases",
    "Other ids of an invoice that is already known to finance by one: the id that was pushed first stays.",
    (
        _SOURCE,
        Column("alias_account_id", "VARCHAR", "The account under the other name."),
        Column("alias_external_id", "VARCHAR", "The other id."),
        _ACCOUNT,
        _EXTERNAL_ID,
        _SHA256,
        Column("learned_at", "TIMESTAMP", "When the two were seen to be one (UTC)."),
        *_ALIASES_SINCE_5,
    ),
    key=("source", "alias_account_id", "alias_external_id", "alias_source"),
)

RAW_INVOICES = Table(
    "raw_invoices",
    "Every version of every invoice that documents state: who, which month, which version is current.",
    (
        _SHA256,
        *_STATED_INVOICE,
        Column("file_name", "VARCHAR", "The document's name."),
        Column("status", "VARCHAR", "`current`, or `superseded` by a newer document for the same invoice."),
        *_STATED_SINCE_2,
        *_STATED_SINCE_4,
        *_STATED_SINCE_5,
    ),
    key=("document_sha256", "invoice_ordinal"),
)

_LINES_SINCE_5 = (
    Column(
        "added_by",
        "VARCHAR",
        "Why the line is there although its document has none: what is stated of its invoice, and who says so; else NULL.",
    ),
)

COST_LINES = Table(
    "cost_lines",
    "One normalised row for each line of each current invoice, whatever its provider; and what brings it to a stated total.",
    (
        _SHA256,
        Column(
            "line_number",
            "BIGINT",
            "The ordinal of the data record in its document, from 1; negative: the document has no such record, see `added_by`.",
        ),
        *_INVOICE,
        _MONTH,
        Column(
            "charge_category", "VARCHAR", "`Usage`, `Purchase`, `Tax`, `Credit` or `Adjustment` (FOCUS ChargeCategory)."
        ),
        Column("service_name", "VARCHAR", "The provider's product (FOCUS ServiceName)."),
        Column("description", "VARCHAR", "The line's words, exactly as stated (FOCUS ChargeDescription)."),
        Column("project", "VARCHAR", "The provider's project, or NULL."),
        Column("resource_id", "VARCHAR", "The resource's id as the line states it, or NULL (FOCUS ResourceId)."),
        Column("resource_name", "VARCHAR", "The resource's name as the line states it, or NULL (FOCUS ResourceName)."),
        Column("resource_type", "VARCHAR", "What kind of resource the line bills, or NULL (FOCUS ResourceType)."),
        Column(
            "charge_period_start",
            "TIMESTAMP",
            "Inclusive start of the charge (UTC), or NULL (FOCUS ChargePeriodStart).",
        ),
        Column("charge_period_end", "TIMESTAMP", "Exclusive end of the charge (UTC), or NULL (FOCUS ChargePeriodEnd)."),
        Column("quantity", AMOUNT_TYPE, "How much was consumed, in `unit`, or NULL (FOCUS ConsumedQuantity)."),
        Column("unit", "VARCHAR", "The unit of `quantity`, or NULL (FOCUS ConsumedUnit)."),
        Column(
            "amount",
            AMOUNT_TYPE,
            "The cost in major units of `currency`, as stated, to the 18th decimal (FOCUS BilledCost).",
        ),
        Column("currency", "VARCHAR", "ISO 4217 code (FOCUS BillingCurrency)."),
        Column(
            "tax_basis",
            "VARCHAR",
            "On a tax line, what decided: `provider_type`, `description`, or `stated`; else NULL.",
        ),
        Column(
            "is_tax_doubtful", "BOOLEAN", "Whether the earlier rule (description contains gst or tax) would differ."
        ),
        Column("matched_resource_id", "VARCHAR", "The resource in `cloud_resources` that the line is for, or NULL."),
        Column("match_method", "VARCHAR", "`id`, `name`, or `none`."),
        *_LINES_SINCE_5,
    ),
    key=("document_sha256", "line_number"),
    partitioned_by=("invoice_month",),
)

_TOTALS_SINCE_3 = (
    Column("conflict", "VARCHAR", "The other invoice that finance would take it for; this holds it. Else NULL."),
)

_TOTALS_SINCE_5 = (
    Column(
        "is_nothing",
        "BOOLEAN",
        "Whether nobody awaits it: it has no invoice and its lines come to 0 in each currency, its provider has withdrawn it, or "
        "`sources.toml` says that it is no invoice to us; "
        "shown, it counts in no sum and holds nothing up.",
    ),
    Column(
        "lines_gross_minor",
        "BIGINT",
        "The sum of the lines that documents have, with the tax that is stated besides where they have none, rounded once; NULL "
        "where no document has its lines.",
    ),
    Column("stated_gross_minor", "BIGINT", "What is stated that it comes to, in minor units; NULL where nobody says."),
    Column("stated_tax_minor", "BIGINT", "What is stated of its tax, in minor units; NULL where nobody says."),
    Column(
        "stated_by",
        "VARCHAR",
        "The control files and statements of its issuer that say so; NULL: the document with its lines does, or nobody.",
    ),
)

_TOTALS_SINCE_6 = (
    Column(
        "awaits_approval",
        "BOOLEAN",
        "Whether it is held for nothing but the approval of a second person; see `approval_limits`.",
    ),
)

TAX_SPLIT_TOTALS = Table(
    "tax_split_totals",
    "One row for each invoice: gross = net + tax in minor units, and whether it may be pushed.",
    (
        *_INVOICE,
        _MONTH,
        Column("currency", "VARCHAR", "ISO 4217 code; NULL where the lines state several, which are never summed."),
        Column("amount_gross_minor", "BIGINT", "The sum of all lines, rounded once, in minor units of `currency`."),
        Column("amount_net_minor", "BIGINT", "Gross less tax, in minor units."),
        Column("amount_tax_minor", "BIGINT", "The sum of the tax lines, rounded once, in minor units."),
        Column("amount_gross", AMOUNT_TYPE, "The sum of all lines before rounding, in major units."),
        Column("amount_tax", AMOUNT_TYPE, "The sum of the tax lines before rounding, in major units."),
        Column("line_count", "BIGINT", "How many lines were summed."),
        Column("status", "VARCHAR", "`ready` to be pushed, or `held`."),
        Column("hold_reasons", "VARCHAR[]", "Why it is held: each a sentence that a person can act on."),
        Column("can_release", "BOOLEAN", "Whether it is held for doubts only, which a person may overrule."),
        Column("released_reasons", "VARCHAR[]", "What would hold it, had a person not released this version."),
        _SHA256,
        *_TOTALS_SINCE_3,
        *_TOTALS_SINCE_5,
        *_TOTALS_SINCE_6,
    ),
    key=_INVOICE_KEY,
)

TENANT_ROUTES = Table(
    "tenant_routes",
    "The routing table as it was landed last: which tenant bears what. The first route that matches a line decides.",
    (
        Column("route_number", "INTEGER", "Its place in the table, from 1."),
        Column(
            "source",
            "VARCHAR",
            "Who issued the invoice; NULL on the last route: the identity's own tenant bears the rest.",
        ),
        Column("account_id", "VARCHAR", "The account at the source; NULL: any."),
        Column("project", "VARCHAR", "The provider's project; NULL: any, or none."),
        Column("tenant_id", "VARCHAR", "Who bears the lines."),
        Column("first_month", "DATE", "From which invoice month on, its first day (UTC); NULL: always."),
    ),
    key=("route_number",),
)

SOURCE_RULES = Table(
    "source_rules",
    "What people know of a source or an account, from `sources.toml` as it was landed last. An account's rule wins, key by key.",
    (
        Column("source", "VARCHAR", "Whose invoices: the source."),
        Column("account_id", "VARCHAR", "Of which account; NULL: of any."),
        Column("reason", "VARCHAR", "Why, in the person's words."),
        Column(
            "invoice_id",
            "VARCHAR",
            "The column of the provider's table that has the invoice's id, or `account and month`; NULL: as the format has it.",
        ),
        Column(
            "final_after",
            "VARCHAR",
            "How long after the end of its billing period an invoice by account and month is final, such as `5d` or `36h`.",
        ),
        Column(
            "tax",
            "VARCHAR",
            "`not stated`: its documents have no tax, and there is none; `expected`: there is; or NULL.",
        ),
        Column("rows_are_not_invoices_to_us", "BOOLEAN", "Whether somebody else is invoiced for the rows; NULL: no."),
        Column("issuer", "VARCHAR", "The vendor's name for finance; NULL: as usual."),
        Column("time_zone", "VARCHAR", "The time zone (IANA) in which its months begin; NULL: UTC."),
        Column(
            "tolerance",
            AMOUNT_TYPE,
            "How much its lines may differ from the stated total, in major units of the invoice's currency; NULL: nothing.",
        ),
        Column(
            "tax_may_stand_alone", "BOOLEAN", "Whether an invoice of nothing but tax is right; NULL: it is in doubt."
        ),
        Column(
            "only_stated",
            "VARCHAR",
            "`push`: an invoice that is stated, and of which no document has the lines, is pushed as it is stated; `hold`, or "
            "NULL: it waits.",
        ),
        Column(
            "open_period",
            "VARCHAR",
            "`push`: an invoice of a billing period that its issuer states as open is pushed; `hold`, or NULL: it waits.",
        ),
    ),
    key=("source", "account_id"),
)

OWN_TAX_IDS = Table(
    "own_tax_ids",
    "Who we are, from `sources.toml` as it was landed last: an invoice that is addressed to another buyer is held.",
    (Column("tax_id", "VARCHAR", "A tax id of ours: letters and digits alone, in capitals."),),
    key=("tax_id",),
)

APPROVAL_LIMITS = Table(
    "approval_limits",
    "Which invoices wait until a second person approves them, from `ARCADIA_APPROVE_OVER` as it was landed last.",
    (
        Column("currency", "VARCHAR", "ISO 4217 code; NULL: every currency that has no row."),
        Column(
            "over", AMOUNT_TYPE, "An invoice of more, tax included, waits, in major units; NULL: whatever it comes to."
        ),
        Column("first_month", "DATE", "From which invoice month on, its first day (UTC); NULL: always."),
    ),
    key=("currency",),
)

BUDGETS = Table(
    "budgets",
    "What may be spent in a month, net, from `budgets.toml` as it was landed last.",
    (
        Column("budget_number", "INTEGER", "Its place in the file, from 1."),
        Column("source", "VARCHAR", "Of which source; NULL: any."),
        Column("project", "VARCHAR", "Of which project; NULL: any, or none."),
        Column("tenant_id", "VARCHAR", "Borne by whom; NULL: by anybody."),
        Column(
            "invoice_month",
            "DATE",
            "The month, its first day (UTC); NULL: each month that has no budget of its own for the same.",
        ),
        Column("amount", AMOUNT_TYPE, "What may be spent, without tax, in major units."),
        Column("currency", "VARCHAR", "ISO 4217 code; what is spent in others does not count."),
    ),
    key=("budget_number",),
)

ALLOCATIONS = Table(
    "allocations",
    "What each tenant bears of each invoice that has totals: the invoice, or parts that sum to it; and how finance knows it.",
    (
        *_INVOICE,
        _MONTH,
        Column("tenant_id", "VARCHAR", "Who bears it."),
        Column(
            "finance_external_id",
            "VARCHAR",
            "The id by which finance knows it: the invoice's own, or `<external_id>:<tenant>` where its account is split.",
        ),
        Column(
            "projects",
            "VARCHAR[]",
            "Of a split invoice, the projects that the tenant bears; empty text: lines without one.",
        ),
        _CURRENCY,
        Column("amount_gross_minor", "BIGINT", "The tenant's part of gross, in minor units of `currency`."),
        Column("amount_net_minor", "BIGINT", "Gross less tax, in minor units."),
        Column("amount_tax_minor", "BIGINT", "The tenant's part of tax, in minor units."),
        Column("line_count", "BIGINT", "How many lines are its own; tax that all share is nobody's."),
    ),
    key=(*_INVOICE_KEY, "tenant_id"),
)

CLOUD_RESOURCES = Table(
    "cloud_resources",
    "What the company runs at its providers: the inventory that cost lines are matched to.",
    (
        Column("resource_id", "VARCHAR", "The resource's id at its provider."),
        Column("resource_name", "VARCHAR", "The name people gave it, or NULL."),
        Column("resource_type", "VARCHAR", "What it is, in lower case: `droplet`, `volume`, `database` ..."),
        Column("account_id", "VARCHAR", "The account it belongs to; `unknown` where the inventory does not tell."),
        Column("project", "VARCHAR", "The project it belongs to, or NULL."),
        Column("first_seen_at", "TIMESTAMP", "When an inventory first listed it (UTC)."),
        Column("last_seen_at", "TIMESTAMP", "When an inventory last listed it (UTC)."),
        _SHA256,
    ),
    key=("account_id", "resource_type", "resource_id"),
)

_PUSHED_INVOICE = (
    Column("target", "VARCHAR", "The finance service: its base URL without credentials."),
    Column("tenant_id", "VARCHAR", "The tenant the invoice was pushed under."),
    *_INVOICE,
    _MONTH,
    Column("payload_sha256", "VARCHAR", "SHA-256 of the business fields of the payload; evidence does not count."),
)

_PUSHED_SINCE_3 = (
    Column(
        "invoice_external_id",
        "VARCHAR",
        "The invoice that it is, or is a part of, by its own id; `external_id` is that under which finance knows it.",
    ),
)

_RECORDS_SINCE_3 = (
    Column("projects", "VARCHAR[]", "Of a part, the projects that it bore when it was pushed; see `allocations`."),
)

FINANCE_RECORDS = Table(
    "finance_records",
    "One row for each target, tenant and invoice: what was pushed and what finance answered. Never deleted.",
    (
        *_PUSHED_INVOICE,
        Column(
            "state", "VARCHAR", "`pending`, `delivered`, `deferred`, `refused` or `abandoned`; see docs/delivery.md."
        ),
        Column("attempts", "BIGINT", "How many deliveries were begun."),
        Column("action", "VARCHAR", "What finance did last: `created` or `updated`."),
        Column("finance_invoice_id", "VARCHAR", "Finance's id for the invoice."),
        Column("finance_vendor_id", "VARCHAR", "Finance's id for the vendor."),
        Column("pushed_to_finance_at", "TIMESTAMP", "When finance last accepted it (UTC)."),
        Column("not_before", "TIMESTAMP", "When a scheduled delivery tries again what was deferred (UTC), or NULL."),
        Column("last_error", "VARCHAR", "Why the last delivery failed, or NULL."),
        *_PUSHED_SINCE_3,
        *_RECORDS_SINCE_3,
    ),
    key=("target", "tenant_id", *_INVOICE_KEY),
)

FINANCE_ATTEMPTS = Table(
    "finance_attempts",
    "Every delivery that was begun: the intent, committed before it was sent, and the answer, where one came.",
    (
        Column("attempt_id", "VARCHAR", "The attempt's own id (UUID version 4)."),
        Column("delivery_id", "VARCHAR", "The delivery (run) that it was part of (UUID version 4)."),
        *_PUSHED_INVOICE,
        Column("document_sha256", "VARCHAR", "The document that the payload was made from."),
        Column("payload", "VARCHAR", "The body that was sent, as canonical JSON."),
        Column("is_forced", "BOOLEAN", "Whether a person asked for it to be pushed again."),
        Column("intended_at", "TIMESTAMP", "When the intent was committed (UTC)."),
        Column("answered_at", "TIMESTAMP", "When the answer was recorded (UTC); NULL where the process died before."),
        Column(
            "outcome",
            "VARCHAR",
            "`created`, `updated`, `transient`, `unknown`, `refused`, `misconfigured`, `not_sent`.",
        ),
        Column("requests", "BIGINT", "How many HTTP requests it took."),
        Column("status_code", "INTEGER", "The last HTTP status, or NULL."),
        Column("finance_invoice_id", "VARCHAR", "Finance's id for the invoice, or NULL."),
        Column("finance_vendor_id", "VARCHAR", "Finance's id for the vendor, or NULL."),
        Column("error", "VARCHAR", "What went wrong, or NULL."),
        *_PUSHED_SINCE_3,
    ),
    key=("attempt_id",),
)

STAGE_VERSIONS = Table(
    "stage_versions",
    "How often each stage of each month was rebuilt, and from which version of the stage before: this tells what is stale.",
    (
        Column("stage", "VARCHAR", "The table that was rebuilt, or `monthly_statement` for the month's page."),
        _MONTH,
        Column("version", "BIGINT", "How often its content was replaced."),
        Column(
            "built_from",
            "BIGINT",
            "The version of the stage before that it was built from; of a page, a number that stands for all it shows.",
        ),
        Column("built_at", "TIMESTAMP", "When (UTC)."),
    ),
    key=("stage", "invoice_month"),
)

SEALS = Table(
    "seals",
    "What the rows of a table, or of a month of a stage, came to when the program last wrote them; see docs/architecture.md.",
    (
        Column("subject", "VARCHAR", "The table, or the stage; `views` for all views."),
        Column("invoice_month", "DATE", "The month of a stage; else NULL."),
        Column("content", "VARCHAR", "How many rows there are, and a sum of hashes of them."),
        Column("sealed_by", "VARCHAR", "The version of DuckDB that hashed them: another one may hash otherwise."),
    ),
    key=("subject", "invoice_month"),
)

TABLES: tuple[Table, ...] = (
    DOCUMENTS,
    DOCUMENT_NAMES,
    DOCUMENT_INVOICES,
    INVENTORIES,
    DELIVERY_FILES,
    DOCUMENT_CONTENTS,
    BOOK_EXPORTS,
    STATED_INVOICES,
    STATED_TAXES,
    INVOICE_EVIDENCE,
    BILLING_PERIODS,
    INBOX_FILES,
    DECISIONS,
    INVOICE_ALIASES,
    RAW_INVOICES,
    COST_LINES,
    TAX_SPLIT_TOTALS,
    TENANT_ROUTES,
    SOURCE_RULES,
    OWN_TAX_IDS,
    BUDGETS,
    APPROVAL_LIMITS,
    ALLOCATIONS,
    CLOUD_RESOURCES,
    FINANCE_RECORDS,
    FINANCE_ATTEMPTS,
    STAGE_VERSIONS,
    SEALS,
)


def _added(table: Table, columns: tuple[Column, ...]) -> tuple[str, ...]:
    return tuple(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {column.type}" for column in columns)


def _without(table: Table, columns: tuple[Column, ...]) -> Table:
    """The table without the columns, as an earlier version had it."""
    return replace(table, columns=tuple(column for column in table.columns if column not in columns))


MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: version_1.STATEMENTS,
    2: (
        *_added(DOCUMENTS, _DOCUMENTS_SINCE_2),
        *_added(DOCUMENT_INVOICES, _STATED_SINCE_2),
        *_added(RAW_INVOICES, _STATED_SINCE_2),
    ),
    3: (
        TENANT_ROUTES.ddl,
        ALLOCATIONS.ddl,
        *_added(TAX_SPLIT_TOTALS, _TOTALS_SINCE_3),
        *_added(FINANCE_RECORDS, (*_PUSHED_SINCE_3, *_RECORDS_SINCE_3)),
        *_added(FINANCE_ATTEMPTS, _PUSHED_SINCE_3),
        "UPDATE finance_records SET invoice_external_id = external_id",
        "UPDATE finance_attempts SET invoice_external_id = external_id",
        # Totals are built again, for what tenants bear is made with them.
        "UPDATE stage_versions SET version = version + 1 WHERE stage = 'cost_lines'",
    ),
    4: (
        _without(DELIVERY_FILES, _DELIVERIES_SINCE_5).ddl,
        *_added(DOCUMENT_INVOICES, _STATED_SINCE_4),
        *_added(RAW_INVOICES, _STATED_SINCE_4),
    ),
    5: (
        *_added(DOCUMENT_INVOICES, _STATED_SINCE_5),
        *_added(RAW_INVOICES, _STATED_SINCE_5),
        *_added(INVOICE_ALIASES, _ALIASES_SINCE_5),
        *_added(TAX_SPLIT_TOTALS, _TOTALS_SINCE_5),
        *_added(DOCUMENTS, _DOCUMENTS_SINCE_5),
        *_added(DELIVERY_FILES, _DELIVERIES_SINCE_5),
        *_added(COST_LINES, _LINES_SINCE_5),
        *_added(DECISIONS, _DECISIONS_SINCE_5),
        *_added(INBOX_FILES, _FILES_SINCE_5),
        SOURCE_RULES.ddl,
        OWN_TAX_IDS.ddl,
        STATED_INVOICES.ddl,
        STATED_TAXES.ddl,
        INVOICE_EVIDENCE.ddl,
        BILLING_PERIODS.ddl,
        # Totals are built again: what holds an invoice has changed.
        "UPDATE stage_versions SET version = version + 1 WHERE stage = 'cost_lines'",
    ),
    6: (
        *_added(TAX_SPLIT_TOTALS, _TOTALS_SINCE_6),
        *_added(DECISIONS, _DECISIONS_SINCE_6),
        APPROVAL_LIMITS.ddl,
        BUDGETS.ddl,
        # Totals are built again: what holds an invoice has changed.
        "UPDATE stage_versions SET version = version + 1 WHERE stage = 'cost_lines'",
    ),
    7: _added(DOCUMENTS, _DOCUMENTS_SINCE_7),
    8: (DOCUMENT_CONTENTS.ddl,),
    # A column of `stage_versions` cannot be added once an earlier version has changed its rows: DuckDB refuses the transaction.
    9: (SEALS.ddl,),
    # What is on record of finance is sealed too.
    10: (BOOK_EXPORTS.ddl,),
}
"""The statements that bring a warehouse from the version before to each version; a new column is a table's last. The statements
of a version do not change any more once it is released, or a home that it wrote is kept as test data: 5 since 2026-11-29."""


def version_of(connection: Any) -> int:  # noqa: ANN401 - duckdb's connection type is not exported for annotations
    """The schema version of the attached warehouse; 0 where it is new."""
    try:
        return int(connection.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()[0])
    except duckdb.CatalogException:
        return 0


def migrate(connection: Any, from_version: int) -> None:  # noqa: ANN401
    """Bring the attached warehouse forward from a version, within the caller's transaction."""
    for version in range(from_version + 1, SCHEMA_VERSION + 1):
        for statement in MIGRATIONS[version]:
            connection.execute(statement)
        connection.execute(
            "INSERT INTO schema_version VALUES (?, CAST(now() AT TIME ZONE 'UTC' AS TIMESTAMP))", [version]
        )
    for view in relations.VIEWS:
        connection.execute(view.ddl)


def views() -> dict[str, str]:
    """The views of this version by name, as DuckDB words them: 45 ms, for they are made in a database in memory (2026-11-30)."""
    with duckdb.connect(":memory:") as memory:
        memory.execute(";".join([*(table.ddl for table in TABLES), *(view.ddl for view in relations.VIEWS)]))
        rows = memory.execute("SELECT view_name, sql FROM duckdb_views() WHERE NOT internal").fetchall()
    return dict(rows)


def as_markdown() -> str:
    """All tables and columns, as docs/tables.md has them."""
    parts = ["# Tables", "", "Every TIMESTAMP is in UTC; months are DATEs, the first day of the month.", ""]
    for table in TABLES:
        parts += [f"## {table.name}", "", table.description, ""]
        if table.key:
            parts += [f"Unique by {', '.join(f'`{name}`' for name in table.key)}.", ""]
        parts += ["| column | type | meaning |", "|---|---|---|"]
        parts += [f"| `{column.name}` | {column.type} | {column.description} |" for column in table.columns]
        parts.append("")
    for view in relations.VIEWS:
        parts += [f"## {view.name}", "", f"A view. {view.description}", ""]
    return "\n".join(parts)
