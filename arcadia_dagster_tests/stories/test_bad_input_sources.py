"""What people know of sources and accounts and say once, in sources.toml: from a file in the inbox to the row in finance."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.rule_use import of_nothing
from arcadia_dagster.landing.rules import RulesError, read_rules
from arcadia_dagster.reports.explain import explain, find
from arcadia_dagster.stages.cost_lines import build_cost_lines
from arcadia_dagster.warehouse import WarehouseError
from arcadia_dagster_tests.kit import aws
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.focus import HEADER, as_csv, as_parquet, charge, tax
from arcadia_dagster_tests.kit.plain import RANGE, archive_of, new_warehouse, reader_of
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line
from arcadia_dagster_tests.kit.project import tax as tax_line

WITHOUT_ID = tuple(name for name in HEADER if name != "InvoiceId")
PUT_THERE = '[aws]\ninvoice_id = "x_Bill"\nreason = "the exporter puts it there"\n'
BY_MONTH = 'invoice_id = "account and month"\nfinal_after = "5d"\nreason = "one invoice a month"\n'


OWN = """
name = "own"
source = "own"
currency = "USD"
date_format = "%Y-%m-%dT%H:%M:%SZ"
columns = {amount = "BilledCost", invoice = "x_Bill", month = "BillingPeriodStart", service = "ServiceName"}
tax = {column = "ChargeCategory", values = ["Tax"]}
"""
"""A description that reads another invoice in a cost table than the program's own format does."""


def say(project: Project, text: str) -> None:
    (project.home / "sources.toml").write_text(text)
    project.build()


def in_finance(project: Project) -> dict[str, tuple[int, int]]:
    """Gross and tax of each invoice that finance has, in minor units."""
    assert project.sandbox is not None
    return {
        row["external_id"]: (row["amount_gross_minor"], row["amount_tax_minor"]) for row in project.sandbox.invoices()
    }


def decided(project: Project, name: str) -> dict[str, str]:
    """The rules that decided about an invoice, with their reasons, as `arcadia explain` tells them."""
    found = explain(project.warehouse, archive_of(project.warehouse), find(project.warehouse, name))
    return {rule["key"]: rule["reason"] for rule in found["rules"]}


def without_id(**values: str | None) -> bytes:
    return as_csv(charge(InvoiceId=None, **values), tax(InvoiceId=None, **values), header=WITHOUT_ID)


@case("100")
def test_a_source_without_ids_has_one_invoice_of_account_and_month(project: Project) -> None:
    project.drop("day 1.csv", without_id())
    project.build()
    [reason] = project.invoice("111-2026-04-uninvoiced")["hold_reasons"]
    [paste] = [part for part in reason.split("; or, if ") if "sources.toml" in part]
    assert paste.endswith(
        'at the top of sources.toml: "aws/111" = { invoice_id = "account and month", final_after = "5d", reason = "..." }'
    )
    assert in_finance(project) == {}

    say(project, paste.partition("sources.toml: ")[2].replace("...", "one a month") + "\n")
    assert in_finance(project) == {"111-2026-04": (660, 60)}
    assert decided(project, "111-2026-04") == {"invoice_id": "one a month", "final_after": "one a month"}

    # What is taken back is not pushed any more, under the id that finance knows.
    say(project, "")
    assert project.invoice("111-2026-04")["status"] == "held"


def test_lines_without_id_are_final_only_so_long_after_their_month(project: Project) -> None:
    present = datetime.now(UTC)
    begins = present.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    project.drop(
        "this month.csv",
        without_id(
            BillingPeriodStart=f"{begins:%Y-%m-%dT%H:%M:%SZ}",
            ChargePeriodStart=f"{begins:%Y-%m-%dT%H:%M:%SZ}",
            ChargePeriodEnd=f"{begins + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
        ),
    )
    say(project, f"[aws]\n{BY_MONTH}")
    invoice = project.invoice(f"111-{present:%Y-%m}")
    assert invoice["can_release"] is False
    assert "by its rule in sources.toml it is final from" in invoice["hold_reasons"][0]
    [row] = project.query("SELECT final_from FROM document_invoices")
    assert row["final_from"] == ((begins + timedelta(days=40)).replace(day=1) + timedelta(days=5)).replace(tzinfo=None)

    # The time comes, without a file or a rule that is new.
    with project.warehouse.write() as connection:
        connection.execute("UPDATE document_invoices SET final_from = TIMESTAMP '2026-01-01'")
    project.build()
    assert project.query("SELECT is_final FROM raw_invoices WHERE status = 'current'") == [{"is_final": True}]
    # Its file came while its month was open, so that it may lack some days.
    [reason] = project.invoice(f"111-{present:%Y-%m}")["hold_reasons"]
    assert reason.startswith("its billing period was open until")


def test_an_account_s_own_rule_wins_and_an_id_of_the_provider_s_is_no_invoice_beside_it(project: Project) -> None:
    say(project, f'[aws]\n{BY_MONTH}["aws/222"]\ninvoice_id = "x_Extra"\nreason = "its invoice is there"\n')
    project.drop("one.csv", without_id())
    project.drop("other.csv", without_id(BillingAccountId="222", x_Extra="X-7"))
    project.build()
    assert in_finance(project) == {"111-2026-04": (660, 60), "X-7": (660, 60)}
    assert decided(project, "X-7") == {"invoice_id": "its invoice is there"}

    project.drop("with ids.csv", as_csv(charge(InvoiceId="INV-9", BilledCost="90.00", ChargeDescription="other")))
    project.build()
    [reason] = project.invoice("111-2026-04")["hold_reasons"]
    assert "made of account and month by a rule of sources.toml, and its provider states ids" in reason


@case("101")
def test_a_column_that_a_rule_names_has_the_ids_of_documents_that_are_there_already(project: Project) -> None:
    project.drop("a.csv", without_id(x_Extra=" E-1 "))
    project.build()
    assert in_finance(project) == {}
    say(project, '[aws]\ninvoice_id = "X_Extra"\nreason = "the exporter puts it there"\n')
    assert in_finance(project) == {"E-1": (660, 60)}
    [document] = project.query("SELECT DISTINCT document_sha256 FROM cost_lines")
    assert document["document_sha256"] == project.document("a.csv")["document_sha256"]


def test_a_rule_for_the_rows_of_a_provider_counts_in_a_document_of_an_issuer_that_is_there_already(
    project: Project,
) -> None:
    """The rows that name no issuer are read by the rule for their provider; the invoice is of the issuer that others name."""
    issuer = {"InvoiceIssuerName": "Contoso Cloud Partner GmbH"}
    nobody = {"InvoiceIssuerName": None, "ProviderName": "AWS"}
    rows = [
        charge(InvoiceId="I-1", ChargeDescription="named", **issuer) | {"x_Bill": None},
        charge(InvoiceId="I-1", ChargeDescription="not named", BilledCost="5", **nobody) | {"x_Bill": "B-1"},
    ]
    content = as_csv(*rows, header=(*HEADER, "x_Bill"))
    project.drop("a.csv", content)
    project.build()
    lines = "SELECT source, external_id, description, amount FROM cost_lines ORDER BY ALL"
    before = project.query(lines)
    say(project, PUT_THERE)
    after = project.query(lines)
    assert [row["external_id"] for row in before] == ["I-1", "I-1"]
    assert [row["external_id"] for row in after] == ["B-1", "I-1"]
    project.forget_warehouse()
    project.build()
    assert project.query(lines) == after


@pytest.mark.parametrize("rules", [["", PUT_THERE], [PUT_THERE, ""]], ids=["made", "withdrawn"])
@pytest.mark.parametrize("names", ["ab", "ba"])
def test_a_changed_rule_names_rows_anew_whose_issuer_only_another_document_names(
    project: Project, rules: list[str], names: str
) -> None:
    """Two rows of AWS without an issuer are the reseller's, for another document has invoices of it with their ids."""
    issuer = {"InvoiceIssuerName": "Contoso Cloud Partner GmbH"}
    nobody = {"InvoiceIssuerName": None, "ProviderName": "AWS"}
    contents = {
        "a": as_csv(
            charge(InvoiceId="I-1", ChargeDescription="named", **issuer) | {"x_Bill": None},
            charge(InvoiceId="I-2", ChargeDescription="not named", BilledCost="5", **nobody) | {"x_Bill": "B-1"},
            charge(InvoiceId="I-3", ChargeDescription="nor this", BilledCost="7", **nobody) | {"x_Bill": "B-1"},
            header=(*HEADER, "x_Bill"),
        ),
        "b": as_csv(*[charge(InvoiceId=id_, ChargeDescription=id_, **issuer) for id_ in ("I-2", "I-3", "B-1")]),
    }
    (project.home / "sources.toml").write_text(rules[0])
    for name in names:
        project.drop(f"{name}.csv", contents[name])
        project.build()
    ids = "SELECT external_id, line_count FROM document_invoices JOIN documents USING (document_sha256) WHERE file_name = 'a.csv'"
    before = project.query(f"{ids} ORDER BY ALL")
    (project.home / "sources.toml").write_text(rules[1])
    with (
        reader_of(project.warehouse) as reader,
        pytest.raises(
            WarehouseError, match="a rule for ids in the file of ARCADIA_SOURCES has changed since it was read"
        ),
    ):
        build_cost_lines(project.warehouse, archive_of(project.warehouse), reader, [date(2026, 4, 1)], RANGE)
    project.build()
    after = project.query(f"{ids} ORDER BY ALL")
    one_each, by_column = [("I-1", 1), ("I-2", 1), ("I-3", 1)], [("B-1", 2), ("I-1", 1)]
    told = [[tuple(row.values()) for row in rows] for rows in (before, after)]
    assert told == ([one_each, by_column] if rules[1] else [by_column, one_each])
    assert project.landed_problems() == {}
    project.drop("c.csv", as_csv(charge(InvoiceId="I-9", **issuer)))
    project.build()
    lines = "SELECT source, external_id, description, amount FROM cost_lines ORDER BY ALL"
    built = project.query(lines)
    project.forget_warehouse()
    project.build()
    assert project.query(lines) == built


def drop_refused(project: Project, *, named_by_another: bool = False) -> None:
    """A cost table of the invoices I-2 and I-3, which a description would read as B-1 alone: it stays as it was accepted."""
    issuer = {"InvoiceIssuerName": "Contoso Cloud Partner GmbH"}
    nobody = {"InvoiceIssuerName": None, "ProviderName": "AWS"} if named_by_another else {}
    if named_by_another:
        project.drop("b.csv", as_csv(*[charge(InvoiceId=id_, BilledCost="1", **issuer) for id_ in ("I-2", "I-3")]))
        project.build()
    rows = [
        charge(InvoiceId=id_, BilledCost=cost, **nobody) | {"x_Bill": "B-1"}
        for id_, cost in (("I-2", "5"), ("I-3", "7"))
    ]
    project.drop("a.csv", as_csv(*rows, header=(*HEADER, "x_Bill")))
    project.build()
    project.describe(own=OWN)
    project.build()


LINES_OF_A = (
    "SELECT source, external_id, amount::INTEGER AS amount FROM cost_lines JOIN documents USING (document_sha256) "
    "WHERE file_name = 'a.csv' ORDER BY ALL"
)


@pytest.mark.parametrize("rules", ["", PUT_THERE], ids=["without rules", "with one"])
def test_a_refused_reading_stays_refused_whatever_rule_of_another_provider_changes(
    project: Project, rules: str
) -> None:
    (project.home / "sources.toml").write_text(rules.replace("aws", "azure"))
    drop_refused(project)
    before = project.query(LINES_OF_A)
    assert [(row["external_id"], row["amount"]) for row in before] == [("I-2", 5), ("I-3", 7)]
    say(project, PUT_THERE.replace("aws", "oci"))
    [problem] = project.landed_problems().values()
    assert problem.startswith(
        "a.csv was accepted with aws/111/I-2, aws/111/I-3, but the program now reads own/unknown/B-1"
    )
    assert project.query(LINES_OF_A) == before
    assert {row["external_id"] for row in project.query("FROM tax_split_totals")} == {"I-2", "I-3"}


def test_the_lines_of_a_refused_document_go_with_its_invoices_to_another_source(project: Project) -> None:
    drop_refused(project, named_by_another=True)
    assert {row["source"] for row in project.query(LINES_OF_A)} == {"contoso-cloud-partner"}
    project.decide("dismiss", file_name="b.csv")
    project.build()
    lines = [(row["source"], row["external_id"], row["amount"]) for row in project.query(LINES_OF_A)]
    assert lines == [("aws", "I-2", 5), ("aws", "I-3", 7)]
    totals = project.query("SELECT source, external_id, amount_gross_minor FROM tax_split_totals ORDER BY ALL")
    assert [tuple(row.values()) for row in totals] == [("aws", "I-2", 500), ("aws", "I-3", 700)]


def test_a_month_that_has_lost_the_lines_of_a_refused_document_is_not_built_without_them(project: Project) -> None:
    drop_refused(project)
    project.drop("b.csv", as_csv(*[charge(InvoiceId=id_, BilledCost="9") for id_ in ("I-2", "I-3")]))
    project.build()
    project.decide("dismiss", file_name="b.csv")
    with pytest.raises(
        WarehouseError, match=r"a\.csv: the lines of its invoice I-2 are not in the warehouse .* `arcadia dismiss"
    ):
        project.build()
    project.decide("dismiss", file_name="a.csv")
    project.build()
    assert project.query("FROM tax_split_totals") == []


def test_a_refused_document_whose_lost_bytes_are_back_is_held_no_more(project: Project) -> None:
    drop_refused(project)
    sha256 = project.document("a.csv")["document_sha256"]
    path = archive_of(project.warehouse).path_of(sha256)
    content = path.read_bytes()
    path.unlink()
    (project.inbox / "a.csv").unlink()
    project.build()
    lost = [project.invoice("I-2")["hold_reasons"], [*project.landed_problems().values()]]
    assert all("is missing: restore it" in text for [text] in lost)
    path.write_bytes(content)
    project.build()
    assert not any("is missing" in reason for reason in project.invoice("I-2")["hold_reasons"])
    [problem] = project.landed_problems().values()
    assert problem.startswith("a.csv was accepted with")


def test_a_changed_rule_of_a_provider_counts_for_an_invoice_whose_issuer_only_another_document_names(
    project: Project,
) -> None:
    rules = f"[contoso-cloud-partner]\n{BY_MONTH}[aws]\n{BY_MONTH}"
    (project.home / "sources.toml").write_text(rules)
    named = {"InvoiceIssuerName": "Contoso Cloud Partner GmbH"}
    project.drop("b.csv", as_csv(charge(InvoiceId=None, **named), header=WITHOUT_ID))
    project.build()
    project.drop("a.csv", as_csv(charge(InvoiceId=None, InvoiceIssuerName=None, ProviderName="AWS"), header=WITHOUT_ID))
    project.build()
    assert {row["source"] for row in project.query("FROM document_invoices")} == {"contoso-cloud-partner"}
    say(project, rules.replace("5d", "300d").replace("300d", "5d", 1))
    [reason] = project.invoice("111-2026-04")["hold_reasons"]
    assert "it is final from 2027-02-25 00:00 UTC on" in reason
    invoices = project.query("FROM document_invoices ORDER BY ALL")
    project.forget_warehouse()
    project.build()
    assert project.query("FROM document_invoices ORDER BY ALL") == invoices


def test_that_column_is_found_whatever_the_table_is_written_as(project: Project) -> None:
    def row(name: str) -> dict[str, str | None]:
        return charge(InvoiceId=None, x_Extra=name, ChargeDescription=name, BilledCost="6.50", Tags=None)

    say(project, '[aws]\ninvoice_id = "x_Extra"\nreason = "the exporter puts it there"\n')
    stated = {name: value for name, value in row("lines").items() if value is not None}
    project.drop("a.jsonl", json.dumps(stated).encode())
    project.drop("b.parquet", as_parquet(row("parquet"), header=WITHOUT_ID))
    commas = as_csv(row("semicolons"), header=WITHOUT_ID).replace(b",", b";").replace(b"6.50", b"6,50")
    project.drop("c.csv", commas)
    project.build()
    assert in_finance(project) == dict.fromkeys(("lines", "parquet", "semicolons"), (650, 0))


def test_an_issuer_whose_documents_have_no_tax_is_pushed_as_its_lines_are(project: Project) -> None:
    azure = {"InvoiceIssuerName": "Microsoft Ireland", "ProviderName": "Microsoft"}
    project.drop("azure.csv", as_csv(charge(InvoiceId="G1", **azure)))
    project.build()
    [reason] = project.invoice("G1")["hold_reasons"]
    assert '"azure/111" = { tax = "not stated", reason = "..." }' in reason
    say(project, '[azure]\ntax = "not stated"\nreason = "reverse charge"\n')
    assert in_finance(project) == {"G1": (600, 0)}
    assert decided(project, "G1") == {"tax": "reverse charge"}


def test_an_issuer_of_which_tax_is_expected_is_held_without_it(project: Project) -> None:
    project.drop("a.csv", as_csv(charge()))
    say(project, '[aws]\ntax = "expected"\nreason = "VAT is always due"\n')
    assert in_finance(project) == {}
    [reason] = project.invoice("INV-1")["hold_reasons"]
    assert (
        "write total and tax, as USD 119.00 tax 19.00 does, into a.csv.total beside it; if no tax is due: arcadia release"
        in reason
    )
    project.drop("a.csv.total", b"USD 6.60 tax 0.60")
    project.build()
    assert in_finance(project) == {"INV-1": (660, 60)}


@case("102")
def test_rows_that_are_no_invoices_to_us_are_kept_and_never_pushed(project: Project) -> None:
    project.drop("reseller.csv", as_csv(charge(), tax()))
    say(project, '["aws/111"]\nrows_are_not_invoices_to_us = true\nreason = "our reseller invoices us"\n')
    assert in_finance(project) == {}
    invoice = project.invoice("INV-1")
    assert (invoice["is_nothing"], invoice["can_release"]) == (True, False)
    assert "(our reseller invoices us)" in invoice["hold_reasons"][0]
    assert len(project.lines("INV-1")) == 2
    assert decided(project, "INV-1") == {"rows_are_not_invoices_to_us": "our reseller invoices us"}

    # The reseller's own invoice has its lines and its id.
    project.drop(
        "theirs.csv",
        as_csv(
            charge(InvoiceIssuerName="Reseller AG", BillingAccountId="R"),
            tax(InvoiceIssuerName="Reseller AG", BillingAccountId="R"),
        ),
    )
    project.build()
    assert project.sandbox is not None
    assert [(row["source"], row["external_id"]) for row in project.sandbox.invoices()] == [("reseller", "INV-1")]


def test_the_issuer_that_a_rule_names_is_the_vendor_in_finance(project: Project) -> None:
    project.drop("a.csv", as_csv(charge(), tax()))
    project.build()
    say(project, '[aws]\nissuer = "Amazon Web Services EMEA SARL"\nreason = "as its invoices have it"\n')
    assert project.sandbox is not None
    [row] = project.sandbox.invoices()
    assert (row["vendor_name"], row["source"]) == ("Amazon Web Services EMEA SARL", "aws")
    assert decided(project, "INV-1") == {"issuer": "as its invoices have it"}


@pytest.mark.parametrize(
    ("total", "offered"),
    [
        # The total differs by 1.00 because the tax differs by 19.00, and a credit of 20.00 was taken from it.
        (b"USD 119.00 tax 19.00", None),
        (b"USD 120.02 tax 0.04", '"aws/111" = { tolerance = 0.03, reason = "..." }'),
    ],
)
def test_a_tolerance_is_offered_only_where_it_settles_total_and_tax(
    project: Project, total: bytes, offered: str | None
) -> None:
    project.drop("a.csv", as_csv(charge(BilledCost="119.99"), tax(BilledCost="0.01")))
    project.drop("a.csv.total", total)
    project.build()
    reasons = project.invoice("INV-1")["hold_reasons"]
    assert len(reasons) == 2
    assert ["tolerance" in reason for reason in reasons] == [offered is not None] * 2
    if offered is not None:
        assert all(offered in reason for reason in reasons)
        say(project, offered.replace('"..."', '"it rounds"') + "\n")
        project.build()
        assert project.invoice("INV-1")["hold_reasons"] == []


def test_a_difference_within_the_tolerance_is_a_line_of_its_own(project: Project) -> None:
    project.drop("a.csv", as_csv(*(charge(BilledCost="1.0049", ChargeDescription=f"{n}") for n in range(10))))
    project.drop("a.csv.total", b"USD 10.00")
    project.build()
    [reason] = project.invoice("INV-1")["hold_reasons"]
    assert '"aws/111" = { tolerance = 0.05, reason = "..." }' in reason
    say(project, '[aws]\ntolerance = 0.04\nreason = "too little"\n')
    assert in_finance(project) == {}
    say(project, '[aws]\ntolerance = 0.05\nreason = "it rounds each service"\n')
    assert in_finance(project) == {"INV-1": (1000, 0)}
    added = [row for row in project.lines("INV-1") if row["added_by"]]
    assert [(row["charge_category"], row["service_name"], f"{row['amount'].normalize():f}") for row in added] == [
        ("Adjustment", "Rounding", "-0.049")
    ]
    assert added[0]["added_by"] == (
        "a.csv.total states USD 10; a rule of sources.toml tolerates 0.05 (it rounds each service)"
    )
    assert decided(project, "INV-1") == {"tolerance": "it rounds each service"}


def test_what_is_only_stated_is_pushed_by_a_rule_and_its_lines_must_agree_when_they_come(project: Project) -> None:
    project.drop("statement.json", aws.summaries({}))
    project.build()
    [reason] = project.invoice("INV-1")["hold_reasons"]
    assert '"aws/111" = { only_stated = "push", reason = "..." }' in reason
    say(
        project,
        '[aws]\nonly_stated = "push"\nreason = "we have no reports"\n["aws/111"]\nonly_stated = "hold"\nreason = "but here"\n',
    )
    assert in_finance(project) == {}
    say(project, '[aws]\nonly_stated = "push"\nreason = "we have no reports"\n')
    assert in_finance(project) == {"INV-1": (660, 60)}
    assert decided(project, "INV-1") == {"only_stated": "we have no reports"}
    project.drop("lines.csv", as_csv(charge(BilledCost="5.99"), tax()))
    project.build()
    [reason] = project.invoice("INV-1")["hold_reasons"]
    assert "the total that it states, 6.60 USD, differs from the sum of its lines, 6.59 USD" in reason
    project.drop("lines.csv", as_csv(charge(), tax()))
    project.build()
    assert (project.invoice("INV-1")["status"], project.invoice("INV-1")["line_count"]) == ("ready", 2)
    assert decided(project, "INV-1") == {}


def test_what_is_only_stated_and_says_nothing_of_tax_is_not_pushed_by_that_rule_alone(project: Project) -> None:
    amount = {"BaseCurrencyAmount": {"TotalAmount": "6.60", "CurrencyCode": "USD"}}
    project.drop("statement.json", aws.summaries(amount))
    say(project, '[aws]\nonly_stated = "push"\nreason = "we have no reports"\n')
    [reason] = project.invoice("INV-1")["hold_reasons"]
    assert (
        "statement.json states its total, and not which part of it is tax: write total and tax, as USD 119.00 tax 19.00"
        in reason
    )
    assert '"aws/111" = { tax = "not stated", reason = "..." }' in reason
    say(project, '[aws]\nonly_stated = "push"\ntax = "not stated"\nreason = "reverse charge, and no reports"\n')
    assert in_finance(project) == {"INV-1": (660, 0)}


def test_tax_that_may_stand_alone_is_no_doubt(project: Project) -> None:
    project.drop("a.csv", as_csv(charge(InvoiceId="1"), tax(InvoiceId="2", BilledCost="36.00")))
    project.build()
    [reason] = project.invoice("2")["hold_reasons"]
    assert '"aws/111" = { tax_may_stand_alone = true, reason = "..." }' in reason
    say(project, '["aws/111"]\ntax_may_stand_alone = true\nreason = "AWS Europe invoices tax by itself"\n')
    assert in_finance(project) == {"1": (600, 0), "2": (3600, 3600)}
    assert decided(project, "2") == {"tax_may_stand_alone": "AWS Europe invoices tax by itself"}
    assert decided(project, "1") == {}


def test_a_month_is_the_one_in_the_provider_s_time_zone(project: Project) -> None:
    # Without an end of its period, as FOCUS requires none of old exports; 20:00 UTC is the morning of May in Tokyo.
    project.drop(
        "a.csv",
        as_csv(charge(BillingPeriodStart="2026-04-29T20:00:00Z"), tax(BillingPeriodStart="2026-04-29T20:00:00Z")),
    )
    project.build()
    assert f"{project.invoice('INV-1')['invoice_month']:%Y-%m}" == "2026-05"
    say(project, '[aws]\ntime_zone = "America/Los_Angeles"\nreason = "its months begin there"\n')
    assert f"{project.invoice('INV-1')['invoice_month']:%Y-%m}" == "2026-04"
    assert decided(project, "INV-1") == {"time_zone": "its months begin there"}


@case("107")
def test_half_a_file_says_nothing_and_nothing_is_taken(project: Project) -> None:
    project.drop("a.csv", as_csv(charge(), tax()))
    (project.home / "sources.toml").write_text('[aws]\ntax = "never"\nreason = "x"\n')
    with pytest.raises(RulesError, match=r"sources\.toml, line 2: aws: tax = 'never': expected"):
        project.new_months()
    assert project.query("SELECT * FROM documents") == []


def test_a_warehouse_is_rebuilt_by_what_people_said(project: Project) -> None:
    project.drop("a.csv", without_id())
    project.drop(invoice_name(), digitalocean(line(), tax_line()))
    project.drop(f"{invoice_name()}.total", b"USD 6.61")
    say(project, f'[aws]\n{BY_MONTH}[digitalocean]\ntolerance = 0.01\nreason = "a cent"\n')

    def tables() -> dict[str, list[dict[str, Any]]]:
        names = ("document_invoices", "raw_invoices", "cost_lines", "tax_split_totals", "source_rules", "allocations")
        return {name: project.query(f"SELECT * FROM {name} ORDER BY ALL") for name in names}

    before = tables()
    assert in_finance(project) == {"111-2026-04": (660, 60), "1001": (661, 60)}
    project.forget_warehouse()
    # What they said is not forgotten with the file either.
    kept = (project.home / "sources.toml").rename(project.home / "moved.toml")
    with pytest.raises(RulesError, match="is gone, but it had rules: bring it back"):
        project.new_months()
    kept.rename(project.home / "sources.toml")
    project.build()
    assert tables() == before


def test_a_net_total_of_the_document_itself_does_not_say_what_its_tax_is(project: Project) -> None:
    def month(number: int, *, taxed: bool) -> bytes:
        start, end = f"2026-0{number}-01T00:00:00Z", f"2026-0{number}-02T00:00:00Z"
        values = {
            "UsageStartDate": start,
            "UsageEndDate": end,
            "InvoiceId": f"M-{number}",
            "BillingPeriodStartDate": start,
        }
        values["BillingPeriodEndDate"] = f"2026-0{number + 1}-01T00:00:00Z"
        rows = [aws.item(**values, UnblendedCost="6.00", NetUnblendedCost="6.00")]
        if taxed:
            rows.append(aws.tax(**values, UnblendedCost="0.60", NetUnblendedCost="0.60"))
        return aws.as_csv(*rows)

    project.drop("3.csv", month(3, taxed=True))
    project.drop("4.csv", month(4, taxed=False))
    project.build()
    assert "it states no tax, and all invoices of its account did in 2026-03" in " ".join(
        project.invoice("M-4")["hold_reasons"]
    )


@case("103")
def test_invoices_without_tax_are_held_where_those_of_the_month_before_had_some(project: Project) -> None:
    def month(number: int, *, taxed: bool, account: str = "111") -> bytes:
        times = {
            "BillingPeriodStart": f"2026-0{number}-01T00:00:00Z",
            "ChargePeriodStart": f"2026-0{number}-01T00:00:00Z",
        }
        times["ChargePeriodEnd"] = f"2026-0{number}-02T00:00:00Z"
        values = {**times, "InvoiceId": f"{account}-{number}", "BillingAccountId": account}
        return as_csv(charge(**values), *([tax(**values)] if taxed else []))

    # The order of arrival makes no difference.
    for number, taxed in ((5, False), (3, True), (6, False)):
        project.drop(f"{number}.csv", month(number, taxed=taxed))
        project.build()
    project.drop("never.csv", month(5, taxed=False, account="999"))
    project.build()
    [reason] = project.invoice("111-5")["hold_reasons"]
    assert reason.startswith(
        "it states no tax, and all invoices of its account did in 2026-03: exported without it? Write total and tax, "
        "as USD 119.00 tax 19.00 does, into 5.csv.total beside it; if no tax is due on it: arcadia release aws/111/111-5"
    )
    assert '"aws/111" = { tax = "not stated", reason = "..." }' in reason
    # May had none, so that June is as the month before.
    assert {"111-3", "111-6", "999-5"} <= in_finance(project).keys()
    project.drop("5.csv.total", b"USD 6.60 tax 0.60")
    project.build()
    assert in_finance(project)["111-5"] == (660, 60)


@case("110")
@pytest.mark.parametrize("as_file", [as_csv, as_parquet])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[aws]\ninvoice_id = "InvoceId"',
            'aws: invoice_id = "InvoceId": no document of it has such a column, so the rule ',
        ),
        ('[aws]\ninvoice_id = "InvoceId"', "does nothing; did you mean 'InvoiceId'?"),
        (
            '["aws/111"]\ninvoice_id = "Rechnung"',
            'aws/111: invoice_id = "Rechnung": no document of it has such a column',
        ),
        (
            '["aws/112"]\ntax = "expected"',
            "aws/112: no document has this name yet: is it spelled as in the documents? did you",
        ),
        ('[awss]\ntax = "expected"', "did you mean 'aws'?"),
        ('[aws]\ninvoice_id = "invoiceid"', None),
        ('["aws/111"]\ninvoice_id = "Invoice_Id"', None),
        ('[aws]\ntax = "expected"', None),
    ],
)
def test_a_rule_about_nothing_that_documents_have_is_said_with_the_nearest_name(
    project: Project, text: str, said: str | None, as_file: Any
) -> None:
    project.drop("a", as_file(charge(), tax()))
    say(project, f'{text}\nreason = "as they say"\n')
    rules = read_rules(project.home / "sources.toml")
    idle = of_nothing(project.warehouse, archive_of(project.warehouse), rules, Formats())
    assert [said in sentence for sentence in idle] == [True] if said else idle == []


BILLS = '[aws]\ninvoice_id = "x_Bill"\nreason = "theirs"\n'


@pytest.mark.parametrize(("first", "then"), [(BILLS, ""), ("", BILLS)])
@pytest.mark.parametrize("invoices", [1, 3])
def test_a_pushed_invoice_keeps_its_id_when_the_rule_for_ids_is_withdrawn_or_made(
    project: Project, first: str, then: str, invoices: int
) -> None:
    rows = [
        charge(InvoiceId=f"I{number}", BilledCost=f"{number}0", ChargeDescription=f"{number}")
        | {"x_Bill": f"B{number}"}
        for number in range(invoices)
    ]
    project.drop("a.csv", as_csv(*rows, header=(*HEADER, "x_Bill")))
    say(project, first)
    before = in_finance(project)
    assert len(before) == invoices
    say(project, then)
    assert in_finance(project) == before
    project.warehouse.path.unlink()
    project.warehouse = new_warehouse(project.home)
    project.build()
    assert in_finance(project) == before


@case("113")
def test_what_a_withdrawn_rule_took_for_one_invoice_is_not_pushed_beside_it(project: Project) -> None:
    rows = [charge(InvoiceId=f"I{number}", ChargeDescription=f"{number}") | {"x_Bill": "B"} for number in range(2)]
    project.drop("a.csv", as_csv(*rows, header=(*HEADER, "x_Bill")))
    say(project, BILLS)
    before = in_finance(project)
    assert set(before) == {"B"}
    say(project, "")
    assert in_finance(project) == before
    for name in ("I0", "I1"):
        assert any("finance has B of the same document" in reason for reason in project.invoice(name)["hold_reasons"])
    say(project, BILLS)
    assert in_finance(project) == before
    assert project.invoice("B")["hold_reasons"] == []


@case("114")
def test_an_account_s_second_currency_does_not_take_the_place_of_its_first(project: Project) -> None:
    say(project, f"[aws]\n{BY_MONTH}")
    project.drop("a.csv", without_id(BilledCost="10"))
    project.build()
    before = in_finance(project)
    project.drop("b.csv", without_id(BilledCost="7", BillingCurrency="EUR"))
    project.build()
    assert in_finance(project) == before
    [reason] = project.invoice("111-2026-04")["hold_reasons"]
    assert "it is in EUR, and a.csv, which came earlier and states it too, in USD" in reason
