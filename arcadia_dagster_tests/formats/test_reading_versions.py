"""A format's reading has a version: where documents come out otherwise it is raised, so that they are read anew everywhere."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from arcadia_dagster.formats.described import DescribedFormat
from arcadia_dagster.formats.registry import _NOT_READ, FORMATS, Formats
from arcadia_dagster_tests.kit import aws, azure, papers, stated
from arcadia_dagster_tests.kit.api_documents import linode, money, ovh_detail, ovhcloud_refund, scaleway, written
from arcadia_dagster_tests.kit.charges import Account, metered, monthly
from arcadia_dagster_tests.kit.documents import Desk
from arcadia_dagster_tests.kit.einvoices import Facts, cii, ubl, zugferd

KNOWN = Path(__file__).with_name("reading_versions.json")
"""For each format the version of its reading, and a hash of what the documents below come out as."""

ACCOUNT = Account("123456789012", "EUR", Decimal("0.19"))
MONTHLY = monthly(ACCOUNT, date(2026, 4, 1), "1001")
METERED = metered(ACCOUNT, date(2026, 4, 1), "A-1")
METERED_DRAFT = metered(ACCOUNT, date(2026, 4, 1), "1002")
OPEN = metered(ACCOUNT, date(2026, 4, 1), None, through=4)
CONSUMED = written(
    scaleway()
    | {
        "consumption": {
            "consumptions": [{"product_name": "P", "value": money(13)}],
            "total_discount_untaxed_value": 0.66,
        }
    }
)

DOCUMENTS: Mapping[str, Sequence[bytes]] = {
    "digitalocean_csv": [papers.digitalocean_csv(MONTHLY)],
    "digitalocean_json": [papers.digitalocean_json(MONTHLY)],
    "focus": [papers.focus_csv(papers.focus_rows(one, "Alphacloud Ltd", "Alphacloud")) for one in (METERED, OPEN)],
    "aws_cur": [papers.cur_csv(papers.cur_items(one)) for one in (METERED, OPEN)],
    "linode_json": [papers.linode(MONTHLY), written(linode(total=-1))],
    "ovhcloud_json": [papers.ovhcloud(MONTHLY), written(ovhcloud_refund(ovh_detail(-10.0)))],
    "scaleway_json": [papers.scaleway([MONTHLY], [METERED_DRAFT]), CONSUMED],
    "aws_invoice_summaries": [aws.summaries({}), aws.summaries(aws.credit_memo("INV-1"), {})],
    "einvoice": [ubl(), cii(Facts(type_code="381", preceding=("R-0",))), zugferd(Facts(lines=()))],
    "azure_invoices": [stated.azure_answer(stated.azure_invoice(), stated.azure_invoice("G2", status="Void"))],
    "focus_invoice_detail": [stated.details_csv(stated.detail(), stated.detail_of_tax())],
    "focus_billing_period": [
        (
            b"BillingPeriodStart,BillingPeriodEnd,BillingPeriodStatus,InvoiceIssuerName\n"
            b"2026-04-01T00:00:00Z,2026-05-01T00:00:00Z,Closed,Examplecloud Ltd\n"
        )
    ],
    "gcp_cost_table": [
        stated.cost_table(
            stated.cost_row("Usage", "6.00", "6.00"), stated.cost_row("Tax", "0.60", "0.60"), total="$6.60"
        )
    ],
    "aws_manifest": [aws.manifest("a/1.csv"), aws.manifest_of_export("a/1.csv")],
    "azure_manifest": [azure.manifest("a/1.csv")],
    "inventory_csv": [b"id,name,type,account,project\n1,web,Droplet,77,shop\n"],
    "inventory_json": [b'[{"id": "1", "name": "web", "type": "Droplet", "account": "77"}]'],
    "described": [papers.hetzner(MONTHLY)],
}
"""Documents of each format; `described` is what reads people's descriptions."""


def come_out(desk: Desk, contents: Sequence[bytes]) -> str:
    """A hash of all that reading gives: the invoices and their facts, the lines with every column."""
    documents = [desk.archive(content) for content in contents]
    readings = desk.reader.read(documents)
    known = {document.document_sha256: str(number) for number, document in enumerate(documents)}
    facts = [repr(replace(readings[sha256], document_sha256=name)) for sha256, name in known.items()]
    staged = [sha256 for sha256 in known if desk.reader.has(sha256)]
    lines: list[Any] = desk.lines(*sorted(staged), columns="*") if staged else []
    text = "\n".join(facts + sorted(repr(row) for row in lines))
    for sha256, name in known.items():
        text = text.replace(sha256, name)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def test_documents_come_out_as_the_version_of_their_reading_says(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Formats.of(tmp_path))
    try:
        found = {name: come_out(desk, contents) for name, contents in DOCUMENTS.items()}
    finally:
        desk.reader.close()
    versions = {one.name: one.reading for one in FORMATS if one.name not in _NOT_READ}
    versions["described"] = DescribedFormat.reading
    assert versions.keys() == found.keys(), "every format has documents here"
    now = {name: [versions[name], found[name]] for name in sorted(found)}
    known = json.loads(KNOWN.read_text(encoding="utf-8"))
    changed = [name for name in now if now[name] != known.get(name)]
    written_down = json.dumps(now, indent=1)
    assert changed == [], (
        f"raise `reading` of these formats by one (of a new one it is 1), then write to {KNOWN.name}:\n{written_down}"
    )
