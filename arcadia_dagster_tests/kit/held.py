"""For each kind of reason that holds an invoice, a home in which it does, and what its ways on lead to."""

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from arcadia_dagster.decisions.decision import Decision
from arcadia_dagster.decisions.mending import mend as mend_record
from arcadia_dagster.landing import contents
from arcadia_dagster_tests.kit import api_documents as api
from arcadia_dagster_tests.kit import aws, azure
from arcadia_dagster_tests.kit.einvoices import Facts, Line, Tax, ubl
from arcadia_dagster_tests.kit.focus import HEADER, as_csv, charge, lines_of, tax
from arcadia_dagster_tests.kit.plain import archive_of
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line
from arcadia_dagster_tests.kit.project import tax as digitalocean_tax
from arcadia_dagster_tests.kit.stated import azure_invoice, details_csv, period

Step = Mapping[str, bytes] | Callable[[Project], None]
"""What is put into the inbox, or the home (`../sources.toml`), before the next run; or what is done then."""

Finance = Mapping[str, int]
"""What finance has: gross amounts in minor units, by id."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way on that the reason gives.

    Attributes:
        leads_to: What finance has then.
        becomes: How the invoice stands then: `ready`, `void`, or `gone` where no document states it any more.
        total: What is invoiced, where the reason gives an example of it.
        before: What the reason asks for before the command or the line is pasted.
        after: What it asks for after it.
    """

    leads_to: Finance
    becomes: str = "ready"
    total: str = ""
    before: Sequence[Step] = ()
    after: Sequence[Step] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """An invoice that is held.

    Attributes:
        external_id: The invoice.
        says: Words of the reason, which no other reason has.
        steps: How it comes to be held.
        ways: The ways on, in the order in which the reason gives them.
        has: What finance has before a way is taken.
    """

    external_id: str
    says: str
    steps: Sequence[Step]
    ways: Sequence[Way]
    has: Finance = field(default_factory=dict)


AZURE = {"InvoiceIssuerName": "Microsoft", "ProviderName": "Microsoft"}
PROFILE = {"BillingAccountId": "/providers/Microsoft.Billing/billingAccounts/1:2_2019-05-31/billingProfiles/AAAA-BBBB"}
PARTNER = {"InvoiceIssuerName": "Contoso Cloud Partner GmbH", "ProviderName": "Microsoft"}
EXAMPLECLOUD = {"InvoiceIssuerName": "Examplecloud", "ProviderName": "Examplecloud"}
UNNAMED: dict[str, str | None] = {"InvoiceIssuerName": None, "ProviderName": "Microsoft"}
ANOTHERS = Facts(number="R-2", buyer="Somebody Else AG", buyer_tax_id="ATU99999999", lines=(Line("100.00", "Backup"),))
SOLD = ANOTHERS.with_(seller="Example GmbH", seller_tax_id="DE123456789")
NOVEMBER = {"issued": "2026-11-28", "due": None, "start": "2026-11-01", "end": "2026-11-28"}
SCALEWAY = api.scaleway_invoice()
SENT = Facts(
    number="SCW-1",
    seller="Scaleway SAS",
    issued="2026-05-03",
    start="2026-04-01",
    end="2026-04-30",
    lines=(Line("12.34"),),
    taxes=(Tax("2.47", "12.34", "20"),),
    buyer_number=None,
)
ISSUER_NAMED_LATER = [
    {"d/1.csv": as_csv(charge(InvoiceId="I-1", ChargeDescription="a", InvoiceIssuerName=None, ProviderName="AWS"))},
    {"d/2.csv": as_csv(charge(InvoiceId="I-1", ChargeDescription="b", **PARTNER), tax(InvoiceId="I-1", **PARTNER))},
]
"""Two files of one invoice, the first of which does not name its issuer."""
BARE: dict[str, str | None] = dict.fromkeys(("ConsumedQuantity", "ConsumedUnit", "ResourceId", "ResourceName"))
NOW = datetime.now(UTC)


def rules(text: str) -> dict[str, bytes]:
    return {"../sources.toml": f'{text}\nreason = "agreed"\n'.encode()}


ORACLE = {"InvoiceIssuerName": "Oracle", "ProviderName": "Oracle"}


def days_of(invoice: str | None, *days: int, **values: str | None) -> list[dict[str, str | None]]:
    """A line of a dollar for each of these days of April."""
    return [
        charge(
            InvoiceId=invoice,
            BilledCost="1.00",
            ChargePeriodStart=f"2026-04-0{day}T00:00:00Z",
            ChargePeriodEnd=f"2026-04-0{day + 1}T00:00:00Z",
            **values,
        )
        for day in days
    ]


BY_MONTH = {
    "../sources.toml": b"".join(
        b'[%s]\ninvoice_id = "account and month"\nfinal_after = "5d"\ntax = "not stated"\nreason = "agreed"\n' % source
        for source in (b"aws", b"oci")
    )
}


TABLE = {
    "../formats/outline.toml": b"""
name = "outline"
source = "outline"
currency = "USD"
file_name = '(?P<invoice>[^_]+)_(?P<month>\\d{4}-\\d{2})'
[columns]
service = "Service"
description = "Item"
amount = "Amount"
quantity = "Count"
[tax]
none = "not due"
"""
}


def of_month(year: int, month: int) -> dict[str, str]:
    return {
        "BillingPeriodStart": f"{year}-{month:02}-01T00:00:00Z",
        "ChargePeriodStart": f"{year}-{month:02}-01T00:00:00Z",
        "ChargePeriodEnd": f"{year}-{month:02}-02T00:00:00Z",
    }


def void(external_id: str) -> Step:
    return lambda project: _decided(project, "void", external_id)


def release(external_id: str) -> Step:
    return lambda project: _decided(project, "release", external_id)


def release_as_stated(external_id: str) -> Step:
    def done(project: Project) -> None:
        project.release_as_stated(external_id)

    return done


def _decided(project: Project, decision: Decision, external_id: str) -> None:
    project.settle(decision, external_id)


def damage(name: str, old: bytes, new: bytes) -> Step:
    """The record of a document is damaged."""

    def done(project: Project) -> None:
        path = archive_of(project.warehouse).record_path(project.document(name)["document_sha256"])
        whole = path.read_bytes()
        assert old in whole
        path.write_bytes(whole.replace(old, new))

    return done


def lose(name: str) -> Step:
    """The bytes of a document change, and nobody has its file."""

    def done(project: Project) -> None:
        sha256 = hashlib.sha256((project.inbox / name).read_bytes()).hexdigest()
        path = archive_of(project.warehouse).path_of(sha256)
        whole = path.read_bytes()
        path.unlink()
        path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
        (project.inbox / name).unlink()

    return done


def forget(project: Project) -> None:
    """The warehouse is gone, and the inbox was cleared."""
    shutil.rmtree(project.inbox)
    project.inbox.mkdir()
    project.forget_warehouse()


def forget_contents(project: Project) -> None:
    """The same, and the archive is that of an earlier version, which did not keep what documents state."""
    forget(project)
    shutil.rmtree(archive_of(project.warehouse).folder / contents.KEPT_IN)


def mend(project: Project) -> None:
    """The damaged record is written anew."""
    [row] = project.query("SELECT document_sha256 FROM documents WHERE record_damage IS NOT NULL")
    sha256, archive = row["document_sha256"], archive_of(project.warehouse)
    mend_record(project.warehouse, archive, document_sha256=sha256, reason="no backup", by="ada", now=NOW)


def renamed(rows: Sequence[Mapping[str, Any]], column: str, values: Sequence[str]) -> bytes:
    """The rows with a further column."""
    return as_csv(*({**row, column: value} for row, value in zip(rows, values, strict=True)), header=(*HEADER, column))


NOTHING_STATED = dict.fromkeys(("totalAmount", "billedAmount", "subTotal", "taxAmount"))
BARE_TOTAL = {"BaseCurrencyAmount": {"TotalAmount": "6.60", "CurrencyCode": "USD"}}
TWO = [charge(BillingCurrency="EUR", ChargeDescription="in Europe"), charge()]


def grown(invoice: str, amount: str) -> bytes:
    return as_csv(
        *(
            charge(InvoiceId=invoice, ChargeDescription=f"server {n}", ResourceId=f"i-{n}", BilledCost=amount)
            for n in range(4)
        )
    )


CASES: dict[str, Held] = {
    "a damaged record": Held(
        "1001",
        "people decided about it may be lost",
        [
            {invoice_name(): digitalocean(line(), digitalocean_tax())},
            void("1001"),
            damage(invoice_name(), b'"void"', b'"vo'),
        ],
        [Way({"1001": 660}, becomes="void")],
        {"1001": 660},
    ),
    "bytes that are lost": Held(
        "1001",
        "nobody can prove its figures any more",
        [
            {invoice_name(): digitalocean(line(), digitalocean_tax())},
            lose(invoice_name()),
            {invoice_name(number="1002"): digitalocean(line(amount="$7.00"), digitalocean_tax(amount="$0.70"))},
        ],
        [
            Way(
                {"1001": 660, "1002": 770},
                before=[{invoice_name(): digitalocean(line(), digitalocean_tax(), newline="\r\n")}],
            )
        ],
        {"1001": 660, "1002": 770},
    ),
    "a document that stated it too and is lost": Held(
        "1001",
        "stated it too, and may be a part or a newer version of it",
        [
            {invoice_name(): digitalocean(line(), digitalocean_tax())},
            {invoice_name(): digitalocean(line(amount="$7.00"), digitalocean_tax(amount="$0.70"))},
            lose(invoice_name()),
            forget,
        ],
        [Way({"1001": 660}), Way({"1001": 660})],
        {"1001": 770},
    ),
    "an invoice of the same amount that is lost": Held(
        "INV-2",
        "stated an invoice of the same month and amount, and its bytes in the archive are lost",
        [
            {"1.csv": as_csv(charge(InvoiceId="INV-1"))},
            {"2.csv": as_csv(charge(InvoiceId="INV-2", ChargeDescription="another"))},
            lose("1.csv"),
            forget,
        ],
        [Way({"INV-1": 600, "INV-2": 600}), Way({"INV-1": 600, "INV-2": 600})],
        {"INV-1": 600, "INV-2": 600},
    ),
    "a later version that is lost": Held(
        "1001",
        "a later file of the same name may be a newer version of it",
        [
            {invoice_name(): digitalocean(line(), digitalocean_tax())},
            {invoice_name(): digitalocean(line(amount="$7.00"), digitalocean_tax(amount="$0.70"))},
            lose(invoice_name()),
            forget_contents,
        ],
        [Way({"1001": 660}), Way({"1001": 660})],
        {"1001": 770},
    ),
    "a mended record with lines lost": Held(
        "unknown-2026-04-x",
        "which may have said that this invoice is void",
        [
            {"x.csv": digitalocean(line(), digitalocean_tax())},
            void("unknown-2026-04-x"),
            damage("x.csv", b'"decision": "void"', b'"decision"; "void"'),
            forget,
            mend,
        ],
        [Way({"unknown-2026-04-x": 660}), Way({"unknown-2026-04-x": 660}, becomes="void")],
        {"unknown-2026-04-x": 660},
    ),
    "several currencies": Held(
        "INV-1",
        "which are never summed",
        [{"a.csv": as_csv(*TWO)}],
        [
            Way(
                {"E": 600, "U": 600},
                before=[{"a.csv": renamed(TWO, "x_Own", ["E", "U"])}],
                after=[void("INV-1")],
                becomes="void",
            ),
            Way({}, becomes="void"),
        ],
    ),
    "no currency": Held(
        "INV-1", "is not in ISO 4217", [{"a.csv": as_csv(charge(BillingCurrency="XQQ"))}], [Way({}, becomes="void")]
    ),
    "no id": Held(
        "111-2026-04-uninvoiced",
        "if its issuer states no ids and invoices once a month",
        [{"a.csv": as_csv(charge(InvoiceId=None))}],
        [Way({"111-2026-04": 600}, becomes="gone")],
    ),
    "before the first month": Held(
        "INV-1",
        " in the environment or in .env",
        [{"a.csv": as_csv(charge(**of_month(2016, 4)))}],
        [Way({}, becomes="void")],
    ),
    "in the future": Held(
        "INV-1",
        "it waits until that month begins",
        [{"a.csv": as_csv(charge(**of_month(2098, 4)))}],
        [Way({}, becomes="void")],
    ),
    "a month by its name and another by its lines": Held(
        "1001", "most of its lines start in", [{invoice_name("2026 May"): digitalocean(line())}], [Way({"1001": 600})]
    ),
    "an open period": Held(
        "INV-1",
        "its id and its lines may change. Export it again after that",
        [{"a.csv": as_csv(charge(**of_month(NOW.year, NOW.month)))}],
        [Way({"INV-1": 600})],
    ),
    "stated without a total": Held(
        "G7",
        "states this invoice without its total",
        [{"i.json": json.dumps([azure_invoice("G7") | NOTHING_STATED]).encode()}],
        [Way({"G7": 660}, total="USD 6.60 tax 0.60", after=[release("G7")])],
    ),
    "only stated": Held(
        "INV-1",
        "states it, and no document has its lines",
        [{"s.json": aws.summaries({})}],
        [Way({"INV-1": 660}), Way({"INV-1": 660})],
    ),
    "only stated, without its tax": Held(
        "INV-1",
        "states its total, and not which part of it is tax",
        [rules('[aws]\nonly_stated = "push"'), {"s.json": aws.summaries(BARE_TOTAL)}],
        [Way({"INV-1": 660}, total="USD 6.60 tax 0.60"), Way({"INV-1": 660}), Way({"INV-1": 660})],
    ),
    "an open billing period": Held(
        "INV-1",
        "the Billing Period file that says Closed",
        [{"periods.csv": details_csv(period())}, {"a.csv": as_csv(charge(), tax())}],
        [Way({"INV-1": 660}), Way({"INV-1": 660})],
    ),
    "for another buyer": Held(
        "R-2",
        "]; if we owe it all the same: ",
        [{"../sources.toml": b'buyer_tax_ids = ["DE123456789"]\n'}, {"x.xml": ubl(ANOTHERS)}],
        [Way({}, becomes="void"), Way({"R-2": 11900}), Way({"R-2": 11900})],
    ),
    "sold by us": Held(
        "R-2",
        ": an invoice that we have sent? If it is, ",
        [
            {"../sources.toml": b'buyer_tax_ids = ["DE123456789"]\n'},
            {"x.xml": ubl(SOLD).replace(b"<cbc:CompanyID>ATU99999999</cbc:CompanyID>", b"")},
        ],
        [Way({}, becomes="void"), Way({"R-2": 11900})],
    ),
    "a credit that stands on an invoice too": Held(
        "CN-1001",
        " gives back, which has its number in its words: the same credit twice? If it is, ",
        [
            {
                "a.csv": as_csv(
                    *lines_of("INV-1", 1, 2),
                    charge(InvoiceId="INV-1", ChargeDescription="Credit note CN-1001", BilledCost="-5.00"),
                ),
                "b.csv": as_csv(charge(InvoiceId="CN-1001", ChargeDescription="Refund of a disk", BilledCost="-5.00")),
            },
        ],
        [Way({"INV-1": 1500}, becomes="void"), Way({"INV-1": 1500, "CN-1001": -500})],
        {"INV-1": 1500},
    ),
    "for another buyer than before": Held(
        "R-2",
        "or say who we are, at the top of ",
        [{"a.xml": ubl(Facts(number="R-1", buyer="Example GmbH"))}, {"b.xml": ubl(ANOTHERS.with_(**NOVEMBER))}],
        [
            Way({"R-1": 11900}, becomes="void"),
            Way({"R-1": 11900, "R-2": 11900}),
            Way({"R-1": 11900, "R-2": 11900}),
        ],
        {"R-1": 11900},
    ),
    "taken back": Held(
        "G1",
        "says that its issuer has taken it back",
        [
            {"l.csv": as_csv(charge(InvoiceId="G1", **AZURE, **PROFILE), tax(InvoiceId="G1", **AZURE, **PROFILE))},
            {"i.json": json.dumps([azure_invoice("G1", 6.6, 0.6, status="Void")]).encode()},
        ],
        [Way({"G1": 660}, becomes="void"), Way({"G1": 660})],
        {"G1": 660},
    ),
    "a control total that cannot be read": Held(
        "INV-1",
        "cannot be used: ",
        [{"a.csv": as_csv(charge()), "a.csv.total": b"about 6"}],
        [Way({"INV-1": 600}), Way({"INV-1": 600})],
    ),
    "a file and an issuer that part": Held(
        "INV-1",
        "; or write the word none into the file, if that is wrong",
        [{"a.csv": as_csv(charge(), tax()), "a.csv.total": b"USD 7.00", "s.json": aws.summaries({})}],
        [Way({"INV-1": 660}, after=[{"a.csv.total": b"none"}]), Way({"INV-1": 660})],
    ),
    "a statement of a wrong currency": Held(
        "INV-1",
        "what its issuer states of it",
        [
            {
                "a.csv": as_csv(charge(), tax()),
                "s.json": aws.summaries({"BaseCurrencyAmount": {"TotalAmount": "6.60", "CurrencyCode": "EUR"}}),
            }
        ],
        [Way({"INV-1": 660}), Way({"INV-1": 660})],
    ),
    "two totals that differ": Held(
        "INV-1",
        "a total is that of the whole invoice, beside any of its files",
        [
            {
                "e/a.csv": as_csv(*lines_of("INV-1", 1)),
                "e/b.csv": as_csv(*lines_of("INV-1", 2)),
                "e/a.csv.total": b"USD 20.00",
                "e/b.csv.total": b"USD 10.00",
            }
        ],
        [Way({"INV-1": 2000})],
    ),
    "a total in one part alone": Held(
        "2001",
        "only some of the files that state it together have one",
        [
            {
                "e/a.csv": aws.as_csv(aws.item(NetUnblendedCost="6.00")),
                "e/b.csv": aws.as_csv(aws.item(LineItemDescription="b")),
            }
        ],
        [Way({"2001": 1200}, total="USD 12.00"), Way({"2001": 1200})],
    ),
    "a statement in another currency": Held(
        "INV-1",
        "amounts of different currencies are not compared",
        [
            {
                "a.csv": as_csv(charge(), tax()),
                "s.json": aws.summaries(
                    {
                        "BaseCurrencyAmount": {
                            "TotalAmount": "6.00",
                            "TotalAmountBeforeTax": "5.50",
                            "CurrencyCode": "EUR",
                        }
                    }
                ),
            }
        ],
        [Way({"INV-1": 660}), Way({"INV-1": 660})],
    ),
    "a total that differs": Held(
        "INV-1",
        "differs from the sum of its lines",
        [{"a.csv": as_csv(charge(), tax()), "a.csv.total": b"USD 6.70"}],
        [Way({"INV-1": 670}), Way({"INV-1": 670}), Way({"INV-1": 660}), Way({"INV-1": 660})],
    ),
    "a total of an issuer that differs": Held(
        "INV-1",
        " is wrong: drop the right one under its name, or take it out: ",
        [{"a.csv": as_csv(charge(), tax()), "s.json": aws.summaries(aws.comes_to("9.00", "8.40"))}],
        [Way({"INV-1": 900}), Way({"INV-1": 660}), Way({"INV-1": 660})],
    ),
    "a tax that differs": Held(
        "INV-1",
        "differs from the sum of its tax lines",
        [{"a.csv": as_csv(charge(), tax()), "a.csv.total": b"USD 6.60 tax 0.50"}],
        [Way({"INV-1": 660}), Way({"INV-1": 660}), Way({"INV-1": 660}), Way({"INV-1": 660})],
    ),
    "decimals of a currency without any": Held(
        "INV-1",
        " has no decimals: thousands behind a point? ",
        [{"a.csv": as_csv(charge(BillingCurrency="JPY", BilledCost="1.500"))}],
        [Way({"INV-1": 1500}, total="JPY 1500 tax 0", after=[release_as_stated("INV-1")]), Way({"INV-1": 2})],
    ),
    "a total of too many decimals": Held(
        "INV-1",
        "has more decimals than",
        [{"a.csv": as_csv(charge()), "a.csv.total": b"USD 6.005"}],
        [Way({"INV-1": 600}), Way({"INV-1": 600})],
    ),
    "rounded lines": Held(
        "INV-1",
        "has more than 18 decimals and is rounded at the 18th",
        [
            {
                "a.csv": as_csv(
                    *(charge(BilledCost="0.0049999999999999999999", ChargeDescription=str(n)) for n in range(1))
                )
            }
        ],
        [Way({"INV-1": 1})],
    ),
    "before tax": Held(
        "G1",
        "its document states amounts before tax, and not the tax",
        [{"a.csv": as_csv(charge(InvoiceId="G1", **AZURE))}],
        [Way({"G1": 714}, total="USD 7.14 tax 1.14"), Way({"G1": 600}), Way({"G1": 600})],
    ),
    "a net amount for a total": Held(
        "G1",
        ": if it was stated without tax too, write ",
        [{"a.csv": as_csv(charge(InvoiceId="G1", **AZURE)), "a.csv.total": b"USD 6.00 tax 1.14"}],
        [Way({"G1": 714}, total="USD 7.14 tax 1.14"), Way({"G1": 600}, after=[release("G1")])],
    ),
    "tax alone": Held(
        "INV-1", "without anything that is taxed", [{"a.csv": as_csv(tax())}], [Way({"INV-1": 60}), Way({"INV-1": 60})]
    ),
    "more tax than net": Held(
        "INV-1",
        "is more than its net of",
        [{"a.csv": as_csv(charge(), tax(BilledCost="9.00"))}],
        [Way({"INV-1": 1500})],
    ),
    "an unknown account of a routed source": Held(
        "unknown-2026-04-x",
        "routes lead invoices of its source by account",
        [
            {"../tenants.toml": b'[[route]]\nsource = "digitalocean"\naccount = "77"\ntenant = "acme"\n'},
            {"x.csv": digitalocean(line())},
        ],
        [Way({"unknown-2026-04-x": 600})],
    ),
    "an account that only one of two says": Held(
        "123",
        "and one of the two does not say its account",
        [
            {"../tenants.toml": b'[[route]]\nsource = "linode"\naccount = "acc-1"\ntenant = "acme"\n'},
            {"a.json": api.written({key: value for key, value in api.linode().items() if key != "account"})},
            release("123"),
            {"b.json": api.written(api.linode())},
        ],
        [Way({"123": 2772}, becomes="void"), Way({"123": 2772}), Way({"123": 2772})],
        {"123": 2772},
    ),
    "names of two invoices": Held(
        "1001",
        "if it is the one that it is called by here",
        [{invoice_name(): digitalocean(line()), invoice_name(number="1002"): digitalocean(line())}],
        [Way({"1001": 600})],
    ),
    "an unknown category": Held(
        "INV-1", "; if that is right: ", [{"a.csv": as_csv(charge(ChargeCategory="Fee"))}], [Way({"INV-1": 600})]
    ),
    "nobody named": Held(
        "INV-1",
        "no line of it names who issued it",
        [{"a.csv": as_csv(charge(InvoiceIssuerName=None, ProviderName=None))}],
        [Way({"INV-1": 600})],
    ),
    "read by other rules": Held(
        "111-2026-04",
        "has rows of the same account and month that name no issuer",
        [
            rules('[contoso-cloud-partner]\ninvoice_id = "account and month"\nfinal_after = "5d"'),
            {
                "d/0.csv": as_csv(charge(InvoiceId=None, **PARTNER), tax(InvoiceId=None, **PARTNER)),
                "d/1.csv": as_csv(charge(InvoiceId=None, ChargeDescription="b", **UNNAMED)),
            },
        ],
        [Way({"111-2026-04": 1260}), Way({"111-2026-04": 660})],
    ),
    "no tax any more": Held(
        "INV-2",
        "it states no tax, and all invoices of its account did in",
        [{"a.csv": as_csv(charge(), tax())}, {"b.csv": as_csv(charge(InvoiceId="INV-2", **of_month(2026, 5)))}],
        [
            Way({"INV-1": 660, "INV-2": 660}, total="USD 6.60 tax 0.60"),
            Way({"INV-1": 660, "INV-2": 600}),
            Way({"INV-1": 660, "INV-2": 600}),
        ],
        {"INV-1": 660},
    ),
    "its tax is gone": Held(
        "INV-1",
        "which came earlier, states some: exported without it?",
        [
            {"a.csv": as_csv(charge(), charge(ChargeDescription="b"), tax())},
            {"a.csv": as_csv(charge(), charge(ChargeDescription="b"))},
        ],
        [Way({"INV-1": 1260}, total="USD 12.60 tax 0.60"), Way({"INV-1": 1200})],
        {"INV-1": 1260},
    ),
    "numbers that begin anew": Held(
        "INV-1-2026-05",
        "numbers that begin anew, or the same invoice under another month",
        [{"a.csv": as_csv(charge())}, {"b.csv": as_csv(charge(BilledCost="7.00", **of_month(2026, 5)))}],
        [
            Way({"INV-1": 600, "INV-1-2026-05": 700}),
            Way({"INV-1": 700}, becomes="gone"),
            Way({"INV-1": 600}, becomes="gone"),
        ],
        {"INV-1": 600},
    ),
    "a number that is in another month too": Held(
        "INV-1-2026-05",
        "is in 2026-04: numbers that begin anew, or the same invoice under another month",
        [
            {"a.csv": as_csv(charge(), charge(InvoiceId="INV-2", ChargeDescription="b"))},
            {"b.csv": as_csv(charge(BilledCost="7.00", **of_month(2026, 5)))},
        ],
        [
            Way({"INV-1": 600, "INV-1-2026-05": 700, "INV-2": 600}),
            # Finance keeps what is void until a person removes it there.
            Way({"INV-1": 600, "INV-1-2026-05": 700, "INV-2": 600}),
            Way({"INV-1": 600, "INV-2": 600}, becomes="gone"),
        ],
        {"INV-1": 600, "INV-2": 600},
    ),
    "lines of another account than the electronic invoice": Held(
        "R-1",
        "two names, or another invoice with its number? If it is one invoice, finance updates its row (if the accounts belong ",
        [
            {"e.xml": ubl(ANOTHERS.with_(number="R-1", seller="Amazon Web Services EMEA SARL", buyer_number="K"))},
            {
                "l.csv": as_csv(
                    charge(InvoiceId="R-1", BillingAccountId="A", BillingCurrency="EUR", BilledCost="119.00")
                )
            },
        ],
        [Way({"R-1": 11900}), Way({"R-1": 11900})],
        {"R-1": 11900},
    ),
    "another invoice at the name": Held(
        "unknown-2026-04-x",
        "a file of the same name stated mostly other lines before",
        [
            {"x.csv": digitalocean(line(description="a"), line(description="b"))},
            {"x.csv": digitalocean(line(description="c"), line(description="d"))},
        ],
        [
            Way({"unknown-2026-04-x": 1200}),
            Way(
                {"unknown-2026-04-x": 1200, "unknown-2026-04-y": 1200},
                after=[{"y.csv": digitalocean(line(description="c"), line(description="d")) + b"\n"}],
            ),
        ],
        {"unknown-2026-04-x": 1200},
    ),
    "the number of another invoice in its name": Held(
        "unknown-2026-04-corrected DigitalOcean Invoice 2026 Apr (77-1001)",
        "that invoice, corrected or copied?",
        [
            {invoice_name(): digitalocean(line())},
            {f"corrected {invoice_name()}": digitalocean(line(amount="$7.00"))},
        ],
        [
            Way({"1001": 700}, becomes="gone", after=[{invoice_name(): digitalocean(line(amount="$7.00")) + b"\n"}]),
            Way({"1001": 600, "unknown-2026-04-corrected DigitalOcean Invoice 2026 Apr (77-1001)": 700}),
        ],
        {"1001": 600},
    ),
    "a name that says that it is a copy": Held(
        f"unknown-2026-04-Copy of {invoice_name().removesuffix('.csv')}",
        "says by its name that it is a copy or a correction",
        [{f"Copy of {invoice_name()}": digitalocean(line(amount="$7.00"))}],
        [
            Way({"1001": 700}, becomes="gone", after=[{invoice_name(): digitalocean(line(amount="$7.00")) + b"\n"}]),
            Way({f"unknown-2026-04-Copy of {invoice_name().removesuffix('.csv')}": 700}),
        ],
    ),
    "a name that says that it is a draft": Held(
        "unknown-2026-04-preview",
        "are its lines on an invoice? If they are, or will be, ",
        [{"preview.csv": digitalocean(line())}],
        [Way({}, becomes="void"), Way({"unknown-2026-04-preview": 600})],
    ),
    "zeros that a spreadsheet has taken": Held(
        "801",
        "only by zeros at the beginning of both",
        [
            {"a.csv": as_csv(charge(BillingAccountId="00123", InvoiceId="00801", **EXAMPLECLOUD))},
            {"b.csv": as_csv(charge(BillingAccountId="123", InvoiceId="801", **EXAMPLECLOUD))},
        ],
        [Way({"00801": 600}, becomes="void"), Way({"00801": 600, "801": 600}), Way({"00801": 600, "801": 600})],
        {"00801": 600},
    ),
    "one id of two sources": Held(
        "INV-1",
        "has its id: the same invoice from another export?",
        [
            {
                "a.csv": as_csv(charge(InvoiceIssuerName="Alphacloud", ProviderName=None)),
                "b.csv": as_csv(charge(InvoiceIssuerName="Betacloud", ProviderName=None, ChargeDescription="b")),
            }
        ],
        [Way({"INV-1": 600}, becomes="void"), Way({"INV-1": 600})],
    ),
    "pushed before its issuer was named": Held(
        "I-1",
        "for no file named its issuer yet when it was pushed",
        ISSUER_NAMED_LATER,
        [Way({"I-1": 1260})],
        {"I-1": 600},
    ),
    "pushed under another id": Held(
        "I-1",
        "which no document states any more: are these its lines under another id?",
        ISSUER_NAMED_LATER,
        [Way({"I-1": 1260})],
        {"I-1": 600},
    ),
    "not stated any more": Held(
        "A",
        "states the account's month without it",
        [{"a.csv": as_csv(*lines_of("A", 1, 2))}, {"a.csv": as_csv(*lines_of("B", 3, 4, 5))}],
        [Way({"A": 2000, "B": 3000}, becomes="void"), Way({"A": 2000, "B": 3000})],
        {"A": 2000, "B": 3000},
    ),
    "ids by rule beside a provider's": Held(
        "111-2026-04",
        "is made of account and month by a rule of sources.toml",
        [
            rules('[aws]\ninvoice_id = "account and month"\nfinal_after = "5d"'),
            {"a.csv": as_csv(charge(InvoiceId=None), tax(InvoiceId=None))},
            {"b.csv": as_csv(charge(InvoiceId="INV-9", BilledCost="90.00", ChargeDescription="other"))},
        ],
        [Way({"111-2026-04": 660, "INV-9": 9000}, becomes="void"), Way({"111-2026-04": 660, "INV-9": 9000})],
        {"111-2026-04": 660, "INV-9": 9000},
    ),
    "another currency": Held(
        "INV-1",
        "column that sources.toml names with invoice_id) and drop the files again",
        [{"a.csv": as_csv(charge())}, {"b.csv": as_csv(charge(BillingCurrency="EUR", ChargeDescription="b"))}],
        [Way({"INV-1": 600}), Way({"INV-1": 600})],
        {"INV-1": 600},
    ),
    "mostly the same lines of a file without a name": Held(
        "unknown-2026-04-x",
        "of this month: one invoice twice?",
        [
            {invoice_name(): digitalocean(line(description="a"), line(description="b"))},
            {"x.csv": digitalocean(line(description="a"), line(description="b"), line(description="c"))},
        ],
        [
            Way({"1001": 1200}, becomes="void"),
            Way({"1001": 1200, "unknown-2026-04-x": 1800}),
            Way({"1001": 1200, "unknown-2026-04-x": 1800}),
        ],
        {"1001": 1200},
    ),
    "mostly the same lines under two ids": Held(
        "INV-1",
        "of the same account and month: one invoice under two ids?",
        [{"a.csv": as_csv(*lines_of("INV-1", 1, 2, 3)), "b.csv": as_csv(*lines_of("INV-2", 1, 2, 3, 4))}],
        [Way({"INV-2": 4000}, becomes="void"), Way({"INV-1": 3000}), Way({"INV-1": 3000})],
    ),
    "one of two others": Held(
        "A",
        " of the same account and month: the same charges twice? Void ",
        [{f"{k}.csv": as_csv(*lines_of(k, *n)) for k, n in {"A": (1,), "B": (2,), "C": (1, 2)}.items()}],
        [
            Way({"A": 1000, "B": 1000}),
            Way({"B": 1000, "C": 2000}, becomes="void"),
            Way({"A": 1000, "C": 2000}),
            Way({"A": 1000}),
        ],
    ),
    "a draft by its id": Held(
        "2026-04-draft",
        " is of the same account and month: the same charges twice? ",
        [{"a.csv": as_csv(*lines_of("2026-04-draft", 1))}, {"b.csv": as_csv(*lines_of("INV-9", 2, 3))}],
        [Way({"2026-04-draft": 1000, "INV-9": 2000}, becomes="void"), Way({"2026-04-draft": 1000, "INV-9": 2000})],
        {"2026-04-draft": 1000, "INV-9": 2000},
    ),
    "a draft that has grown": Held(
        "P-17",
        "a draft that has grown, and its invoice?",
        [{"a.csv": grown("P-17", "7.00"), "b.csv": grown("INV-9", "9.00")}],
        [Way({"INV-9": 3600}, becomes="void"), Way({"P-17": 2800}), Way({"P-17": 2800})],
    ),
    "the amounts of another": Held(
        "P-17",
        "a draft and its invoice, or one invoice under two ids?",
        [
            {
                "a.csv": as_csv(
                    charge(
                        InvoiceId="P-17", ChargeDescription="a", ResourceId=None, ChargePeriodEnd="2026-05-01T00:00:00Z"
                    )
                ),
                "b.csv": as_csv(
                    charge(
                        InvoiceId="INV-9",
                        ChargeDescription="b",
                        ResourceId=None,
                        ChargePeriodEnd="2026-05-01T00:00:00Z",
                    )
                ),
            }
        ],
        [Way({"INV-9": 600}, becomes="void"), Way({"P-17": 600}), Way({"P-17": 600})],
    ),
    "one invoice in two formats": Held(
        SCALEWAY["id"],
        "in another format and under another number: one invoice twice?",
        [{"e.xml": ubl(SENT)}, {"s.json": api.written(api.scaleway(SCALEWAY))}],
        [
            Way({"SCW-1": 1481}, becomes="void"),
            # What was voided is taken out of finance by hand.
            Way({"SCW-1": 1481, SCALEWAY["id"]: 1481}),
            Way({"SCW-1": 1481, SCALEWAY["id"]: 1481}),
        ],
        {"SCW-1": 1481},
    ),
    "one invoice in two currencies and formats": Held(
        "SCW-1",
        "in another format and under another number: one invoice twice?",
        [{"s.json": api.written(api.scaleway(SCALEWAY))}, {"e.xml": ubl(SENT.with_(currency="USD"))}],
        [
            Way({SCALEWAY["id"]: 1481}, becomes="void"),
            Way({SCALEWAY["id"]: 1481, "SCW-1": 1481}),
            Way({SCALEWAY["id"]: 1481, "SCW-1": 1481}),
        ],
        {SCALEWAY["id"]: 1481},
    ),
    "a part that is not there": Held(
        "INV-1",
        "that the manifest of its delivery lists are not there",
        [{"e/manifest.json": azure.manifest("e/a.csv", "e/b.csv", rows=1), "e/a.csv": as_csv(charge())}],
        [Way({"INV-1": 600})],
    ),
    "a part that is cut off": Held(
        "INV-1",
        "cut off, or of another run of the export?",
        [{"e/manifest.json": azure.manifest("e/a.csv", rows=2), "e/a.csv": as_csv(charge())}],
        [Way({"INV-1": 600})],
    ),
    "a part that is not listed": Held(
        "INV-1",
        "or dismiss the documents that are out of date",
        [
            {"e/manifest.json": azure.manifest("e/a.csv", rows=1), "e/a.csv": as_csv(charge())},
            {"e/b.csv": as_csv(charge(ChargeDescription="b"))},
        ],
        [Way({"INV-1": 1200})],
        {"INV-1": 600},
    ),
    "a rejected file beside it": Held(
        "INV-1",
        "beside it in the folder is rejected, and may have lines of it",
        [{"e/a.csv": as_csv(charge()), "e/b.csv": b"cut off"}],
        [Way({"INV-1": 600}), Way({"INV-1": 600})],
    ),
    "a part or a replacement": Held(
        "INV-1",
        "a part of it, or a replacement?",
        [{"a.csv": as_csv(*lines_of("INV-1", 1, 2))}, {"b.csv": as_csv(*lines_of("INV-1", 3, 4, 5))}],
        [Way({"INV-1": 3000}), Way({"INV-1": 2000})],
        {"INV-1": 2000},
    ),
    "nothing says that it is newer": Held(
        "INV-1",
        "a correction, an older export, or a part of the invoice?",
        [{"a.csv": as_csv(*lines_of("INV-1", 1, 2))}, {"b.csv": as_csv(*lines_of("INV-1", 1, 2, 3))}],
        [Way({"INV-1": 3000}), Way({"INV-1": 2000})],
        {"INV-1": 2000},
    ),
    "another sum in another format": Held(
        "INV-1",
        ", in another format: which of them is the invoice?",
        [
            {"a.csv": as_csv(charge(BillingAccountId="111111111111"))},
            {"b.csv": aws.as_csv(aws.item(InvoiceId="INV-1", PayerAccountId="111111111111", UnblendedCost="7.00"))},
        ],
        [Way({"INV-1": 700}), Way({"INV-1": 600})],
        {"INV-1": 600},
    ),
    "most lines twice": Held(
        "INV-1",
        "or put each delivery into a folder of its own; if all of them are parts",
        [{"e/a.csv": as_csv(*lines_of("INV-1", 1, 2)), "e/b.csv": as_csv(*lines_of("INV-1", 1, 2, 3))}],
        [Way({"INV-1": 3000}), Way({"INV-1": 2000}), Way({"INV-1": 5000})],
    ),
    "the same charges otherwise": Held(
        "INV-1",
        "lie in one delivery and charge for the same days",
        [{"e/a.csv": as_csv(*lines_of("INV-1", 1, 2)), "e/b.csv": as_csv(charge(BilledCost="20.00"))}],
        [Way({"INV-1": 2000}), Way({"INV-1": 2000}), Way({"INV-1": 4000})],
    ),
    "parts that overlap": Held(
        "INV-1",
        "do its parts overlap?",
        [{"e/a.csv": as_csv(*lines_of("INV-1", 1, 2, 3)), "e/b.csv": as_csv(*lines_of("INV-1", 3, 4, 5))}],
        [Way({"INV-1": 6000})],
    ),
    "every line twice": Held(
        "INV-1",
        "stands in it twice, or another even number of times",
        [{"a.csv": as_csv(*[charge(), tax()] * 2)}],
        [Way({"INV-1": 1320})],
    ),
    "a tax that counts as usage": Held(
        "INV-1",
        "reads like a tax and is counted as none: if it is one, write the invoice's total and tax",
        [{"a.csv": as_csv(charge(), charge(ChargeDescription="MwSt. 10 %", BilledCost="0.60", **BARE))}],
        [Way({"INV-1": 660})],
    ),
    "a payment among the lines": Held(
        "INV-1",
        "reads like a payment, which is no part of what is invoiced",
        [{"a.csv": as_csv(charge(), charge(ChargeDescription="Payment by card", BilledCost="-1.00", **BARE))}],
        [Way({"INV-1": 500})],
    ),
    "a sum above its lines": Held(
        "O-1",
        "is the sum of other lines: a total, or a charge?",
        [TABLE, {"O-1_2026-04.csv": b"Service,Item,Amount,Count\nCompute,,15,\nCompute,web,10,\nCompute,db,5,\n"}],
        [Way({"O-1": 3000})],
    ),
    "an amount in two columns": Held(
        "O-1",
        "in two columns beside each other seem to be one amount, for other amounts have decimals",
        [TABLE, {"O-1_2026-04.csv": b"Service,Item,Amount,Count\nCompute,web,$1,200.50\nCompute,db,$5.00,3\n"}],
        [Way({"O-1": 600})],
    ),
    "an export of the month so far": Held(
        "111-2026-04",
        ": the month so far? Drop an export of the whole month; if nothing was charged after it: ",
        [BY_MONTH, {"2026-04-15.csv": as_csv(charge(InvoiceId=None))}],
        [Way({"111-2026-04": 600})],
    ),
    "days whose reports have not come": Held(
        "111-2026-04",
        " have not come: put the folders of these days beside the others; if nothing was charged on these days: ",
        [BY_MONTH, {"2026/04/15/a.csv": as_csv(charge(InvoiceId=None, **ORACLE))}],
        [Way({"111-2026-04": 600})],
    ),
    "only lines that it had before": Held(
        "INV-1",
        ", has too, and fewer of them: cut off, or a correction?",
        [
            {"2026-05-01/a.csv": as_csv(*lines_of("INV-1", 1, 2, 3))},
            {"2026-05-02/a.csv": as_csv(*lines_of("INV-1", 1, 2))},
        ],
        [Way({"INV-1": 2000}), Way({"INV-1": 3000})],
        {"INV-1": 3000},
    ),
    "a window of the last days": Held(
        "INV-1",
        ", charges for: the last days only, a part, or a correction?",
        [
            {"2026-05-01/a.csv": as_csv(*days_of("INV-1", 1, 2, 3, 4, 5))},
            {"2026-05-06/a.csv": as_csv(*days_of("INV-1", 2, 3, 4, 5, 6, 7))},
        ],
        [Way({"INV-1": 600}), Way({"INV-1": 500})],
        {"INV-1": 500},
    ),
    "a part of an invoice that is held": Held(
        "INV-2",
        "whose newer version is held: was that invoice split?",
        [
            {"2026-05-01/a.csv": as_csv(*lines_of("INV-1", 1, 2, 3))},
            {"2026-05-02/a.csv": as_csv(*lines_of("INV-1", 1, 2), *lines_of("INV-2", 3))},
        ],
        [Way({"INV-1": 2000, "INV-2": 1000})],
        {"INV-1": 3000},
    ),
    "two versions in one folder": Held(
        "INV-1",
        " are versions of one file by their names, lie in one delivery, and count together: ",
        [{"a/april.csv": as_csv(*lines_of("INV-1", 1)), "a/april-v2.csv": as_csv(*lines_of("INV-1", 2, 3))}],
        [Way({"INV-1": 1000}), Way({"INV-1": 2000}), Way({"INV-1": 3000})],
    ),
    "a day with a file less": Held(
        "111-2026-04",
        ": put the missing file into that folder; if nothing was charged: ",
        [
            BY_MONTH,
            {
                f"2026/04/0{day}/{server}.csv": as_csv(*days_of(None, day, ResourceId=server, **ORACLE))
                for day, server in ((1, "a"), (1, "b"), (2, "a"), (3, "a"), (3, "b"), (4, "a"), (4, "b"))
            }
            | {"2026/05/01/a.csv": as_csv(charge(InvoiceId=None, BillingPeriodStart="2026-05-01T00:00:00Z", **ORACLE))},
        ],
        [Way({"111-2026-04": 700})],
    ),
}


def _is_focus(step: Step) -> bool:
    return not callable(step) and all(
        name.endswith(".total") or content.startswith(HEADER[0].encode()) for name, content in step.items()
    )


SHARING = {
    name: f"k{number:02}-"
    for number, (name, held) in enumerate(CASES.items())
    if all(map(_is_focus, held.steps))
    and not any(way.before or way.after for way in held.ways)
    # A key would take the place of the zeros.
    and not held.says.startswith("only by zeros")
}
"""The cases of FOCUS files alone, each with a key that tells it from others in one home."""


def keyed(held: Held, key: str) -> Held:
    """The same case with the key in its accounts, its ids, and the names of its files."""
    steps = [
        {
            f"{key}{name}": content if name.endswith(".total") else _keyed_rows(content, key)
            for name, content in step.items()
        }
        for step in held.steps
        if not callable(step)
    ]
    return replace(held, external_id=f"{key}{held.external_id}", steps=steps)


def _keyed_rows(content: bytes, key: str) -> bytes:
    names = ("InvoiceId", "BillingAccountId")
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    # Where words name an invoice they name this one.
    keyed_rows = (
        {**row, **{name: key + row[name] for name in names if row[name]}}
        | {"ChargeDescription": row["ChargeDescription"].replace(" CN-", f" {key}CN-")}
        for row in rows
    )
    return as_csv(*keyed_rows, header=tuple(rows[0]))
