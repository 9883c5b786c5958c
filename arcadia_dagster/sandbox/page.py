"""The page that shows a person what finance has: one HTML document, without scripts and without the network.

Every value is escaped here, on its way into HTML, and nowhere else. Sums are per month and currency, in integers, never
across currencies.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from arcadia_dagster.billing.currency import format_minor
from arcadia_dagster.how_many import how_many
from arcadia_dagster.sandbox.store import InvoiceRow

MAX_ROWS = 1000
"""How many rows the page lists at most; the sums are of all. A browser is no place for a hundred thousand rows."""

NO_PERIOD = "no period"

_COLUMNS = (
    "Tenant",
    "Vendor",
    "Source",
    "External id",
    "Number",
    "Period",
    "Gross",
    "Net",
    "Tax",
    "Received",
    "Finance id",
    "Updated (UTC)",
)
_NUMERIC = frozenset({"Invoices", "Gross", "Net", "Tax", "Received"})

# On a narrow screen each row becomes a card and each cell carries its column's name. Changing `display` takes the
# table's meaning from screen readers, so the markup states the roles that it had anyway.
_STYLE = """
:root { color-scheme: light dark; --text: #1c2430; --soft: #566173; --line: #d7dce3; --back: #fbfcfd; --card: #fff;
  --head: #eef1f5; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6eaf0; --soft: #a3aebd; --line: #343d4a; --back: #12161c; --card: #1a2029; --head: #222a35; }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem clamp(1rem, 3vw, 3rem); background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.2; }
h2 { margin: 2rem 0 .75rem; font-size: 1.15rem; }
p { margin: .5rem 0; color: var(--soft); max-width: 70ch; }
.frame { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; background: var(--card); }
.frame:focus-visible { outline: 3px solid #4c8dff; outline-offset: 2px; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
th, td { padding: .5rem .75rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
tbody tr:last-child > * { border-bottom: 0; }
thead th { background: var(--head); color: var(--soft); font-weight: 600; white-space: nowrap; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.sums { width: fit-content; max-width: 100%; }
code { font: .85em ui-monospace, monospace; overflow-wrap: anywhere; }
time { white-space: nowrap; }
@media (max-width: 60rem) {
  .frame { overflow: visible; border: 0; background: none; }
  .sums { width: auto; }
  table, tbody, tr { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr { margin-bottom: 1rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--card); }
  td { display: flex; justify-content: space-between; gap: 1.5rem; text-align: right; overflow-wrap: anywhere; }
  tbody tr:last-child > * { border-bottom: 1px solid var(--line); }
  tbody tr > :last-child, tbody tr:last-child > :last-child { border-bottom: 0; }
  td::before { content: attr(data-label); color: var(--soft); font-weight: 400; text-align: left;
    white-space: nowrap; }
}
"""


@dataclass(slots=True)
class _Sum:
    """Amounts in minor units of one currency."""

    invoices: int = 0
    gross: int = 0
    net: int = 0
    tax: int = 0


def render(rows: list[InvoiceRow]) -> str:
    """The whole page for these rows, in their order."""
    count = how_many(len(rows), "invoice")
    content = _sums(rows) + _invoices(rows) if rows else "<p>Push one, and it shows here.</p>"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Finance sandbox: {count}</title>
<link rel="icon" href="data:,">
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>Finance sandbox</h1>
<p>{count}. This stands in for the finance service on this machine; nothing here is booked anywhere.
The same rows as JSON: <a href="/api/v1/invoices">/api/v1/invoices</a>.</p>
{content}
</main>
</body>
</html>
"""


def _sums(rows: list[InvoiceRow]) -> str:
    sums: defaultdict[tuple[str, str], _Sum] = defaultdict(_Sum)
    for row in rows:
        month = (row["period_start"] or "")[:7]
        total = sums[month, row["currency"]]
        total.invoices += 1
        total.gross += row["amount_gross_minor"]
        total.net += row["amount_net_minor"]
        total.tax += row["amount_tax_minor"]
    lines = [
        (
            month or NO_PERIOD,
            f"{total.invoices:,}",
            *(format_minor(sum_, currency) for sum_ in (total.gross, total.net, total.tax)),
        )
        # Months newest first, as the rows are; within a month by currency.
        for (month, currency), total in sorted(
            sorted(sums.items(), key=lambda item: item[0][1]), key=lambda item: item[0][0], reverse=True
        )
    ]
    columns = ("Month", "Invoices", "Gross", "Net", "Tax")
    return _table("sums", "Sums per month and currency", columns, [_sum_cells(*line) for line in lines])


def _sum_cells(month: str, *others: str) -> list[str]:
    """A line's cells as HTML; a month is not broken at its hyphen."""
    return [month if month == NO_PERIOD else f"<time>{escape(month)}</time>", *map(escape, others)]


def _invoices(rows: list[InvoiceRow]) -> str:
    note = f"<p>The first {MAX_ROWS:,} of {len(rows):,}; the sums are of all.</p>" if len(rows) > MAX_ROWS else ""
    return _table("invoices", "Invoices", _COLUMNS, [_cells(row) for row in rows[:MAX_ROWS]], note)


def _cells(row: InvoiceRow) -> list[str]:
    """The row's cells as HTML, in the order of `_COLUMNS`."""
    days = (row["period_start"], row["period_end"])
    period = " to ".join(f"<time>{escape(str(day))}</time>" for day in days) if row["period_start"] else NO_PERIOD
    updated = row["updated_at"]
    return [
        escape(row["tenant_id"]),
        escape(row["vendor_name"]),
        escape(row["source"]),
        f"<code>{escape(row['external_id'])}</code>",
        escape(row["invoice_number"] or "none"),
        period,
        escape(format_minor(row["amount_gross_minor"], row["currency"])),
        escape(format_minor(row["amount_net_minor"], row["currency"])),
        escape(format_minor(row["amount_tax_minor"], row["currency"])),
        f"{row['times_received']:,}",
        f"<code>{escape(row['invoice_id'])}</code>",
        f'<time datetime="{escape(updated)}">{escape(updated[:19].replace("T", " "))}</time>',
    ]


def _table(name: str, title: str, columns: tuple[str, ...], lines: Iterable[list[str]], note: str = "") -> str:
    """A titled table of cells that are HTML already. The frame can be focused, so that the keyboard can scroll it."""
    head = "".join(f'<th role="columnheader" scope="col"{_class(column)}>{column}</th>' for column in columns)
    body = "\n".join(f'<tr role="row">{_line(columns, cells)}</tr>' for cells in lines)
    return f"""<h2 id="{name}">{title}</h2>
{note}<div class="frame {name}" role="region" aria-labelledby="{name}" tabindex="0">
<table role="table" aria-labelledby="{name}">
<thead role="rowgroup"><tr role="row">{head}</tr></thead>
<tbody role="rowgroup">
{body}
</tbody>
</table>
</div>
"""


def _line(columns: tuple[str, ...], cells: list[str]) -> str:
    return "".join(
        # One element, so that on a phone the column's name and the value are the two ends of the cell.
        f'<td role="cell" data-label="{column}"{_class(column)}><span>{cell}</span></td>'
        for column, cell in zip(columns, cells, strict=True)
    )


def _class(column: str) -> str:
    return ' class="number"' if column in _NUMERIC else ""
