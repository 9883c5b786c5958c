"""What waits for a person, from one query a kind: checks show it, alerts send it, and commands list it.

How a finding is shown is not here. Programs take findings as objects, or by `Finding.as_json`; none reads a table that was made
for people.
"""

import hashlib
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

import duckdb

from arcadia_dagster.billing.currency import exponents_sql, format_minor, to_minor_sql
from arcadia_dagster.books.bill import Bill
from arcadia_dagster.books.budgets import BudgetStanding, State
from arcadia_dagster.finance.outstanding import REROUTED, REROUTED_ADVICE, Recipient, missing_sql, unwanted_sql
from arcadia_dagster.landing.records import RESTORE
from arcadia_dagster.ledger.states import NEEDS_A_PERSON
from arcadia_dagster.ledger.states import State as DeliveryState
from arcadia_dagster.reports.close import Close, Standing
from arcadia_dagster.reports.witnesses import NOT_STATED as _NOT_STATED
from arcadia_dagster.store.query import fetch, text_list, text_literal
from arcadia_dagster.warehouse.keys import InvoiceKey

# The facts that identify the cause of a finding; the others may change while it lasts.
_IDENTITY: Final = (
    *("file", "problem", "month", "source", "account_id", "external_id", "line_number", "currency", "state"),
    *("held_because", "finance_invoice_id", "what", "tenant_id", "account", "project"),
)
# The facts that say what is wrong.
_WORDS: Final = ("amount_gross", "held_because", "problem", "damage", "state", "error", "why", "what", "description")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a person should look at.

    Attributes:
        kind: Of which kind: its name, see `KINDS`.
        identity: A key of its cause, 16 hexadecimal digits, which stays the same while the cause lasts. It means nothing to a
            person.
        subject: Which invoice, file, account or route: `2026-04 digitalocean/77/1001`. It may be a stranger's words.
        what: What is wrong with it; empty where its kind says all. It may be a stranger's words too.
        advice: What to do about findings of its kind.
        command: What to type, ready for a shell; empty where nothing can be typed.
        facts: What its query says of it, as text, by column: amounts with their currency, nothing where there is none.
    """

    kind: str
    identity: str
    subject: str
    what: str
    advice: str
    command: str
    facts: Mapping[str, str]

    @property
    def invoice(self) -> str:
        """How commands name the invoice that it is about: `source/account/id`; only of kinds that are about invoices."""
        return InvoiceKey.of(self.facts).name

    def as_json(self) -> dict[str, Any]:
        """Plain values; `of_json` has the finding back."""
        return asdict(self)

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "Finding":
        """The finding that `as_json` gave.

        Raises:
            TypeError: It gave no such values.
        """
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding, and the query that finds all of it.

    Attributes:
        name: Its name, which is also that of the check that shows it, if one does.
        advice: What to do about it.
        query: SQL whose rows are findings, those to look at first before all others. `month` is `2026-04`, columns that end with
            `_minor` are minor units of the row's `currency`. For facts that only a finance service has, it depends on the
            recipient.
        command: What to type, with `{invoice}`, `{account}` or `{file}` for what it is about; empty where nothing can be typed.
        words: What is wrong, with `{column}` for what a row has; empty where the usual columns say it, see `_WORDS`.
        identity: The columns that say which cause a row is.
        is_settled_by_commands: Whether a person's command may settle it, so that the command has the check evaluated.
        invoice_id: The column with the id of the one invoice that a row is about; None where rows are about something else.
    """

    name: str
    advice: str
    query: str | Callable[[Recipient], str]
    command: str = ""
    words: str = ""
    identity: tuple[str, ...] = _IDENTITY
    is_settled_by_commands: bool = False
    invoice_id: str | None = None

    @property
    def is_about_finance(self) -> bool:
        """Whether only a finance service can tell, so that the query needs a recipient."""
        return not isinstance(self.query, str)

    def sql(self, recipient: Recipient | None) -> str:
        """The query.

        Raises:
            ValueError: It needs a recipient, and there is none.
        """
        if isinstance(self.query, str):
            return self.query
        if recipient is None:
            raise ValueError(f"{self.name}: expected a finance service to look for")
        return self.query(recipient)

    def finding(self, row: Mapping[str, Any]) -> Finding:
        """A row of the query as a finding."""
        facts = facts_of(row)
        # A route has an account and a project instead, `(any)` or named.
        parts = ("source", "account_id", "external_id") if "account_id" in facts else ("source", "account", "project")
        names = [facts[name] for name in parts if facts.get(name)]
        where = ("month",) if names else ("month", "file")
        subject = [*(facts[name] for name in where if facts.get(name)), *(["/".join(names)] if names else [])]
        command = self.command.format(
            invoice=shlex.quote("/".join(names)),
            account=shlex.quote("/".join(names[:2])),
            file=shlex.quote(facts.get("file", "")),
        )
        if facts.get("state") in NEEDS_A_PERSON:
            # Only for what finance has refused: finance would have an invoice twice that is routed otherwise since.
            command += " --again"
        return Finding(
            kind=self.name,
            identity=identity_of(*(facts.get(name, "") for name in self.identity)),
            subject=" ".join(subject) or self.name,
            what=self.words.format(**facts) or "; ".join(facts[name] for name in _WORDS if facts.get(name)),
            advice=self.advice,
            command=command,
            facts=facts,
        )


def identity_of(*parts: str) -> str:
    """The key of a cause."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def facts_of(row: Mapping[str, Any]) -> dict[str, str]:
    """A row as text; what ends with `_minor` as an amount of the row's `currency`, without that ending."""
    return {
        name.removesuffix("_minor"): format_minor(value, row["currency"]) if name.endswith("_minor") else _text(value)
        for name, value in row.items()
    }


def _text(value: object) -> str:
    return "" if value is None else str(value)


# Spend on a resource that no inventory has is spend that nobody can assign. Where there is no inventory, nothing is expected.
_UNMATCHED: Final = """
WITH share AS (
  SELECT invoice_month, source, account_id, currency, sum(abs(amount)) AS spend,
    coalesce(sum(abs(amount)) FILTER (match_method <> 'none'), 0) AS matched
  FROM cost_lines WHERE charge_category = 'Usage' AND (resource_id IS NOT NULL OR resource_name IS NOT NULL) GROUP BY ALL
)
SELECT strftime(invoice_month, '%Y-%m') AS month, source, account_id, currency, round(spend, 2)::VARCHAR AS spend_on_resources,
  round(matched, 2)::VARCHAR AS matched
FROM share
WHERE spend > 0 AND matched * 2 < spend AND EXISTS (
  FROM cloud_resources AS resource WHERE resource.account_id IN (share.account_id, 'unknown') OR share.account_id = 'unknown')
ORDER BY invoice_month DESC, source, account_id
"""

_NOT_TAKEN: Final = """
SELECT * FROM (
SELECT file_name AS file, reason AS problem, strftime(received_at, '%Y-%m-%d %H:%M UTC') AS received
FROM unreplaced_documents
UNION ALL
SELECT inbox_path, problem, '' FROM inbox_files WHERE problem IS NOT NULL
)
ORDER BY received <> '', received DESC, file
"""

_DAMAGED: Final = """
SELECT file_name AS file, record_damage AS damage, document_sha256
FROM damaged_documents ORDER BY file_name, document_sha256
"""

_HELD: Final = """
SELECT strftime(invoice_month, '%Y-%m') AS month, source, account_id, external_id, currency, amount_gross_minor,
  array_to_string(hold_reasons, '; ') AS held_because
FROM waiting_invoices WHERE NOT coalesce(awaits_approval, false)
ORDER BY invoice_month DESC, source, external_id
"""

_UNAPPROVED: Final = """
SELECT strftime(invoice_month, '%Y-%m') AS month, source, account_id, external_id, currency, amount_gross_minor,
  array_to_string(hold_reasons, '; ') AS held_because
FROM waiting_invoices WHERE awaits_approval
ORDER BY invoice_month DESC, source, external_id
"""

_DOUBTFUL: Final = """
SELECT strftime(invoice_month, '%Y-%m') AS month, source, account_id, external_id, line_number, service_name, description,
  charge_category = 'Tax' AS is_tax, CASE WHEN charge_category = 'Tax' THEN amount ELSE -amount END::VARCHAR
    AS tax_more_than_by_the_earlier_rule, currency,
  coalesce(tax_basis = 'provider_type', false) OR resource_id IS NOT NULL OR resource_name IS NOT NULL AS is_clear_by_other_facts
FROM cost_lines WHERE is_tax_doubtful ORDER BY invoice_month DESC, source, account_id, external_id, line_number
"""

# What each account's month comes to in each currency; a person has said of what is void that there is no such invoice.
_SUMMED: Final = """
summed AS (
  SELECT source, account_id, currency, invoice_month, sum(amount_gross_minor)::BIGINT AS amount_gross_minor,
    coalesce(sum(amount_gross_minor) FILTER (standing = 'ready'), 0)::BIGINT AS amount_ready_minor
  FROM awaited_invoices ANTI JOIN void_invoices USING (source, account_id, external_id)
  WHERE currency IS NOT NULL GROUP BY ALL
)"""

# A file that was cut off between two lines looks like a small invoice: nobody can tell, so a strong fall is shown.
_FALLS: Final = f"""
WITH {_SUMMED}, compared AS (
  SELECT *, lag(amount_gross_minor) OVER account AS amount_month_before_minor, lag(invoice_month) OVER account AS before
  FROM summed WINDOW account AS (PARTITION BY source, account_id, currency ORDER BY invoice_month)
)
SELECT strftime(invoice_month, '%Y-%m') AS month, source, account_id, currency, amount_month_before_minor, amount_gross_minor
FROM compared
WHERE before + INTERVAL 1 MONTH = invoice_month AND amount_gross_minor * 2 < amount_month_before_minor
  AND invoice_month < date_trunc('month', now() AT TIME ZONE 'UTC')
ORDER BY invoice_month DESC, source, account_id
"""

# What is counted twice comes to twice as much: of spend by the day at least to 1.8 times the month before, for a February after a
# March has 28/31 of its days. A quiet month is no measure, so the largest of three is. What is held is not in finance, and is
# listed elsewhere; an open month may rise too.
_RISES: Final = f"""
WITH {_SUMMED}, compared AS (
  SELECT *, max(amount_gross_minor) OVER before AS most_before_minor
  FROM summed WINDOW before AS (PARTITION BY source, account_id, currency ORDER BY invoice_month
    RANGE BETWEEN INTERVAL 3 MONTH PRECEDING AND INTERVAL 1 MONTH PRECEDING)
)
SELECT strftime(invoice_month, '%Y-%m') AS month, source, account_id, currency,
  most_before_minor AS most_of_three_months_before_minor, amount_ready_minor AS amount_gross_minor
FROM compared
WHERE most_before_minor > 0 AND CAST(amount_ready_minor AS HUGEINT) * 5 >= CAST(most_before_minor AS HUGEINT) * 9
ORDER BY invoice_month DESC, source, account_id
"""

# A route that matches nothing may be misspelt, and what it is for is then borne by somebody else.
_UNUSED_ROUTES: Final = """
WITH known AS (
  SELECT source, account_id, trim(project) AS project, max(invoice_month) AS last_month FROM cost_lines GROUP BY ALL
)
SELECT route_number, source, coalesce(account_id, '(any)') AS account, coalesce(project, '(any)') AS project, tenant_id
FROM tenant_routes AS route
WHERE route.source IS NOT NULL AND NOT EXISTS (
  FROM known WHERE known.source = route.source AND (route.account_id IS NULL OR known.account_id = route.account_id)
    AND (route.first_month IS NULL OR known.last_month >= route.first_month)
    AND (route.project IS NULL OR known.project = route.project))
ORDER BY route_number
"""


def _share(percent: str) -> str:
    """SQL: so many percent of an invoice's net, in minor units."""
    return f"CAST(round(CAST(total.amount_net_minor AS DECIMAL(24,0)) * rate.{percent} * 0.01, 0) AS BIGINT)"


# A rate as the tax lines of an invoice state it: `GST (10%)`, `QST (9.975%)`. Several rates are of one amount, and add up, or of
# parts of it, as 7 % and 19 % in Germany: then the tax is what the issuer's breakdown comes to, else it lies between them.
_RATES: Final = f"""
WITH rate AS (
  SELECT source, account_id, external_id, invoice_month, count(*) AS tax_lines,
    count(*) FILTER (regexp_matches(description, '\\d\\s*%')) AS rated_lines,
    sum(percent) AS percent, min(percent) AS lowest, max(percent) AS highest
  FROM (
    SELECT *, TRY_CAST(regexp_extract(description, '(\\d{{1,2}}(?:\\.\\d{{1,4}})?)\\s*%', 1) AS DECIMAL(9,4)) AS percent
    FROM cost_lines WHERE charge_category = 'Tax'
  ) GROUP BY ALL
), breakdown AS (
  SELECT source, account_id, external_id, count(*) AS rates,
    sum(CAST(taxable_amount AS DECIMAL(20,4)) * CAST(rate AS DECIMAL(9,4)) * 0.01) AS amount_tax
  FROM current_invoices JOIN stated_taxes USING (document_sha256, invoice_ordinal)
  GROUP BY source, account_id, external_id
  HAVING count(DISTINCT document_sha256) = 1 AND count(taxable_amount) = count(*) AND count(rate) = count(*)
), expected AS (
  SELECT total.*, rate.percent, coalesce(breakdown.rates, 1) AS roundings,
    coalesce({to_minor_sql("breakdown.amount_tax", "iso.exponent")}, {_share("percent")}) AS expected_minor,
    breakdown.rates IS NULL AND amount_tax_minor BETWEEN least({_share("lowest")}, {_share("highest")}) - 1
      AND greatest({_share("lowest")}, {_share("highest")}) + 1 AS is_between
  FROM tax_split_totals AS total JOIN rate USING (source, account_id, external_id, invoice_month)
  LEFT JOIN breakdown USING (source, account_id, external_id)
  JOIN {exponents_sql()} AS iso USING (currency)
  WHERE rate.tax_lines = rate.rated_lines
)
SELECT strftime(invoice_month, '%Y-%m') AS month, source, account_id, external_id, currency, amount_net_minor,
  percent::VARCHAR AS percent,
  amount_tax_minor, expected_minor
FROM expected WHERE abs(amount_tax_minor - expected_minor) > roundings AND NOT is_between
ORDER BY invoice_month DESC, source, external_id
"""


def _left_over_sql(recipient: Recipient) -> str:
    """SQL: invoices in finance that we would not push any more, until `arcadia reconcile` sees that they are gone.

    What went to another target, such as a sandbox, is nobody's concern here.
    """
    return f"""
    SELECT strftime(invoice_month, '%Y-%m') AS month, tenant_id, source, account_id, external_id, finance_invoice_id, why,
      invoice_external_id AS invoice
    FROM records_in_finance JOIN ({unwanted_sql(recipient.is_recipients_sql)}) AS unwanted
      USING (target, tenant_id, source, account_id, external_id, invoice_external_id)
    WHERE {recipient.is_recipients_sql}
    ORDER BY invoice_month DESC, source, external_id, tenant_id
    """


NOT_PUSHED: Final = "not pushed"
"""The state of an invoice of which no push is on record."""


def _missing_sql(recipient: Recipient) -> str:
    return f"""
    SELECT strftime(invoice_month, '%Y-%m') AS month, tenant_id, source, account_id, invoice_external_id AS external_id, currency,
      amount_gross_minor,
      CASE WHEN rerouted IS NOT NULL THEN '{REROUTED}' ELSE coalesce(state, '{NOT_PUSHED}') END AS state,
      coalesce(rerouted, last_error, '') AS error
    FROM ({missing_sql(recipient)}) ORDER BY invoice_month DESC, source, external_id
    """


UNMATCHED: Final = Kind(
    "spend_is_matched",
    "drop an inventory of that month into the inbox; a later one does not list resources that were deleted since",
    _UNMATCHED,
    words="{matched} of {spend_on_resources} {currency} is matched",
)
REJECTED: Final = Kind(
    "nothing_rejected",
    "drop a good file in its place, in the same folder under the same name, or `arcadia dismiss 'FILE NAME' --reason ...`",
    _NOT_TAKEN,
    command="arcadia dismiss {file} --reason '...'",
    is_settled_by_commands=True,
)
DAMAGED: Final = Kind("archive_records_are_whole", RESTORE, _DAMAGED, is_settled_by_commands=True)
HELD: Final = Kind(
    "nothing_held",
    "`arcadia explain INVOICE` says why; correct the cause, or run `arcadia release INVOICE --reason ...` to push it as it is",
    _HELD,
    command="arcadia explain {invoice}",
    is_settled_by_commands=True,
    invoice_id="external_id",
)
UNAPPROVED: Final = Kind(
    "nothing_awaits_approval",
    "another person than the one who released it looks at it with `arcadia explain INVOICE`, and runs "
    "`arcadia approve INVOICE --reason ...`",
    _UNAPPROVED,
    command="arcadia approve {invoice} --reason '...'",
    is_settled_by_commands=True,
    invoice_id="external_id",
)
DOUBTFUL_TAX: Final = Kind(
    # No check shows it: such a line comes again on each month's invoice, and there is nothing to do about most of them.
    "doubtful_tax_lines",
    "the provider's own type of a line decides what is tax, then whole words in its description; if that is wrong for this line, "
    "tell the provider, or describe its format (docs/describing-a-format.md)",
    _DOUBTFUL,
    command="arcadia explain {invoice}",
    invoice_id="external_id",
)
FALL: Final = Kind(
    "no_strong_fall",
    "compare with the provider's invoice; put its total beside the file as `<file>.total` to have it checked",
    _FALLS,
)
RISE: Final = Kind(
    "no_strong_rise",
    "compare with the provider's invoice; `arcadia explain INVOICE` shows its files and lines; `arcadia dismiss 'FILE NAME' "
    "--reason ...` takes out a file that is there twice, `arcadia void INVOICE --reason ...` an invoice",
    _RISES,
)
UNUSED_ROUTE: Final = Kind(
    "every_route_is_used",
    "compare it with `source`, `account_id` and `project` in cost_lines; with a misspelt route another tenant bears its lines",
    _UNUSED_ROUTES,
)
LEFT_OVER: Final = Kind(
    "finance_has_nothing_else",
    "remove a void or dismissed invoice in finance by hand, then run `arcadia reconcile`, which sees that it is gone; if no "
    "route leads to the tenant any more, `arcadia push INVOICE` says what you can do",
    _left_over_sql,
    command="arcadia reconcile",
    is_settled_by_commands=True,
    invoice_id="invoice",
)
TAX_RATE: Final = Kind(
    "tax_rate_is_plausible",
    "compare with the provider's invoice: some services have another rate, or a line is missing; `arcadia explain INVOICE`",
    _RATES,
    command="arcadia explain {invoice}",
    words="tax {amount_tax}, by its rates {expected}",
    invoice_id="external_id",
)
NOT_STATED: Final = Kind(
    "every_invoice_is_stated",
    "its issuer stated the totals of earlier invoices of the account: put its statement of this one into the inbox too "
    "(docs/formats.md), or write its total into `<file>.total` beside its file",
    _NOT_STATED,
    command="arcadia explain {invoice}",
    invoice_id="external_id",
)
MISSING: Final = Kind(
    "every_ready_invoice_is_in_finance",
    "once finance is configured, the schedule pushes what was not pushed yet and what is deferred, and `arcadia push INVOICE` "
    "does so at once; a refused or abandoned one needs a person: correct what its error says, then run "
    "`arcadia push INVOICE --again`; if its routes have changed since it was pushed, `arcadia push INVOICE` says what you can do",
    _missing_sql,
    command="arcadia push {invoice}",
    is_settled_by_commands=True,
    invoice_id="external_id",
)

KINDS: Final = (
    UNMATCHED,
    REJECTED,
    DAMAGED,
    HELD,
    UNAPPROVED,
    DOUBTFUL_TAX,
    FALL,
    RISE,
    UNUSED_ROUTE,
    LEFT_OVER,
    TAX_RATE,
    NOT_STATED,
    MISSING,
)
"""All kinds with a query. `of_close` finds what a month's close lacks."""

_CLOSE: Final = Kind(
    "month_is_complete",
    "put its invoice into the inbox, release what is held, or say that the account has ended with "
    "`arcadia end ACCOUNT --reason ...`",
    # No query: the finding is about an invoice that is missing.
    "",
    command="arcadia end {account} --reason '...'",
    is_settled_by_commands=True,
)

_SUSPENSE: Final = Kind(
    "nothing_in_suspense",
    "write a rule for it into accounts.toml (docs/books.md); what was exported already is in the suspense account of the books, "
    "and is moved there by hand",
    # No query: which rule matches is not a question to tables.
    "",
    words="{row} {what}: {amount}",
    identity=("source", "row", "what", "project", "tenant_id", "currency"),
)


def find(
    connection: duckdb.DuckDBPyConnection,
    kind: Kind,
    recipient: Recipient | None,
    *,
    about: InvoiceKey | None = None,
    months: Collection[date] | None = None,
) -> list[Finding]:
    """All findings of a kind, those to look at first before all others.

    Args:
        connection: An open warehouse.
        kind: One of `KINDS`.
        recipient: The finance service that the settings name; kinds that are not about one need none.
        about: Only those about this invoice; the kind must be about invoices.
        months: Only those about these months; the kind must be about months.
    """
    query = kind.sql(recipient)
    if about is not None:
        columns = zip(("source", "account_id", kind.invoice_id), about, strict=True)
        conditions = (f"{name} = {text_literal(value)}" for name, value in columns)
        query = f"SELECT * FROM ({query}) WHERE {' AND '.join(conditions)}"
    if months is not None:
        query = f"SELECT * FROM ({query}) WHERE month IN ({text_list(f'{month:%Y-%m}' for month in months)})"
    return [kind.finding(row) for row in fetch(connection, query)]


def was_tried(missing: Finding) -> bool:
    """Whether a push of what finance does not have was tried, or is kept back until a person acts; of kind `MISSING`."""
    return missing.facts["state"] != NOT_PUSHED


def has_no_answer(missing: Finding) -> bool:
    """Whether it was about to be sent, and nothing is on record of what finance said; of kind `MISSING`."""
    return missing.facts["state"] == DeliveryState.PENDING.value


def why_missing(missing: Finding) -> str:
    """Why finance does not have an invoice, and what a person does where its routes have changed; of kind `MISSING`."""
    facts = missing.facts
    if facts["state"] == REROUTED:
        return REROUTED_ADVICE.format(rerouted=facts["error"], invoice_external_id=facts["external_id"])
    return facts["error"] or "no answer is recorded"


def find_about(
    connection: duckdb.DuckDBPyConnection, invoice: InvoiceKey, recipient: Recipient | None
) -> list[Finding]:
    """All findings about an invoice.

    Args:
        connection: An open warehouse.
        invoice: The invoice.
        recipient: The finance service that the settings name; without one nothing is told of what it has.
    """
    kinds = [kind for kind in _of(recipient) if kind.invoice_id is not None]
    return [finding for kind in kinds for finding in find(connection, kind, recipient, about=invoice)]


def waiting(connection: duckdb.DuckDBPyConnection, recipient: Recipient | None) -> list[Finding]:
    """What waits for a person: the findings that a command may settle.

    Args:
        connection: An open warehouse.
        recipient: The finance service that the settings name; without one nothing is told of what it has.
    """
    kinds = [kind for kind in _of(recipient) if kind.is_settled_by_commands]
    return [finding for kind in kinds for finding in find(connection, kind, recipient)]


def _of(recipient: Recipient | None) -> list[Kind]:
    return [kind for kind in KINDS if recipient is not None or not kind.is_about_finance]


def of_suspense(bills: Iterable[Bill]) -> list[Finding]:
    """What no rule of `accounts.toml` matches, those of the latest months first: for each service or tax one finding."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for bill in sorted(bills, key=lambda one: one.month, reverse=True):
        for row in bill.rows:
            if row.is_suspense:
                key = (bill.source, *row.key, bill.currency)
                one = rows.setdefault(
                    key,
                    {
                        "month": f"{bill.month:%Y-%m}",
                        "source": bill.source,
                        "row": row.key.kind,
                        "what": row.key.what,
                        "account": "(any)",
                        "project": row.key.project,
                        "tenant_id": row.key.tenant_id,
                        "currency": bill.currency,
                        "amount_minor": 0,
                    },
                )
                one["amount_minor"] += row.amount_minor
    return [_SUSPENSE.finding(row) for row in rows.values()]


_BUDGET: Final = Kind(
    "budgets_are_kept",
    "see the month's statement for what it was spent on; `budgets.toml` has the budget (docs/books.md)",
    # No query: the pace of an open month is no question to tables.
    "",
    words="{state}: {spent} of {budget} {currency} spent, {expected} expected ({basis})",
    identity=("month", "what", "currency", "state"),
)


def of_budgets(standings: Iterable[BudgetStanding]) -> list[Finding]:
    """The budgets that are over, or will be; those that are over first."""
    found = sorted((one for one in standings if one.state != State.WITHIN), key=lambda one: one.state != State.OVER)
    return [
        _BUDGET.finding(
            {
                "month": f"{one.month:%Y-%m}",
                "what": one.budget.name,
                "state": one.state.value,
                "budget": f"{one.budget.amount:,f}",
                "spent": f"{one.spent:,.2f}",
                "expected": f"{one.expected:,.2f}",
                "currency": one.budget.currency,
                "basis": one.basis,
            }
        )
        for one in found
    ]


def of_close(month: Close, standings: Iterable[Standing]) -> list[Finding]:
    """Accounts of the closed month as findings: for the open ones, what the month lacks."""
    return [
        _CLOSE.finding(
            {
                "month": f"{month.month:%Y-%m}",
                "source": standing.account.source,
                "account_id": standing.account.account_id,
                "what": standing.state,
                "last_month": f"{standing.last_month:%Y-%m}",
            }
        )
        for standing in standings
    ]
