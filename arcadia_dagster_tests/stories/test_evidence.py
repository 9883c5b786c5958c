"""What shows an invoice to people and is not read: a PDF, or XML of another kind, kept with its invoice whichever comes first."""

import hashlib
import shlex
from itertools import permutations
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest

from arcadia_dagster.reports.documents import explain_document
from arcadia_dagster.reports.explain import explain, find
from arcadia_dagster.reports.standing import standings
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.einvoices import Facts, cii, pdf
from arcadia_dagster_tests.kit.focus import as_csv, charge, tax
from arcadia_dagster_tests.kit.loopback import NO_AUTHORITIES
from arcadia_dagster_tests.kit.plain import archive_of
from arcadia_dagster_tests.kit.project import Project, checks_of
from arcadia_dagster_tests.kit.shell import Shell
from arcadia_dagster_tests.kit.statement_pages import folder_of, made, parse
from arcadia_dagster_tests.kit.statements_server import statements

FATTURA = b'<?xml version="1.0"?><p:FatturaElettronica xmlns:p="urn:x" versione="FPR12"><a/></p:FatturaElettronica>'


def lines(number: str = "INV-40015", **values: str | None) -> bytes:
    return as_csv(charge(InvoiceId=number, **values), tax(InvoiceId=number, **values))


def evidence(project: Project) -> dict[str, str]:
    """The invoice that each file shows."""
    rows = project.query(
        "FROM invoice_evidence JOIN (SELECT document_sha256, file_name FROM documents) USING (document_sha256)"
    )
    assert len({row["document_sha256"] for row in rows}) == len(rows)
    return {row["file_name"]: f"{row['source']}/{row['account_id']}/{row['external_id']}" for row in rows}


def rejected(project: Project) -> dict[str, str]:
    return {row["file_name"]: row["reason"] for row in project.query("FROM unreplaced_documents")}


@case("137")
@pytest.mark.parametrize("order", list(permutations(["lines", "evidence"])), ids=" then ".join)
@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("aws/April.PDF", pdf({})),
        ("aws/april.xml", FATTURA),
        ("mails/Rechnung_INV-40015_vom_2026-05-02.pdf", pdf({})),
        ("inv-40015.pdf", b"%PDF-1.4\n1 0 obj <<>> endobj"),
    ],
    ids=["by stem", "XML by stem", "by number", "by number, in small letters"],
)
def test_it_belongs_to_its_invoice_whichever_comes_first_and_after_a_rebuild(
    project: Project, path: str, content: bytes, order: tuple[str, ...]
) -> None:
    files = {"lines": ("aws/april.csv", lines()), "evidence": (path, content)}
    name = path.rpartition("/")[2]
    for number, what in enumerate(order):
        project.drop(*files[what])
        project.build()
        if what == "evidence" and number == 0:
            assert (
                "it belongs to no invoice yet. If it shows an invoice, drop it again under another name"
                in rejected(project)[name]
            )
    for _ in range(2):
        assert evidence(project) == {name: "aws/111/INV-40015"}
        assert rejected(project) == {}
        assert project.document(name)["status"] == "accepted"
        project.forget_warehouse()
        project.build()
    assert project.invoice("INV-40015")["status"] == "ready"


@case("137")
def test_it_is_shown_wherever_its_invoice_is(project: Project) -> None:
    project.drop("april.csv", lines())
    project.drop("april.pdf", pdf({}))
    result = project.run()
    assert checks_of(result)["nothing_rejected"].passed
    archive = archive_of(project.warehouse)
    sha256 = project.document("april.pdf")["document_sha256"]
    told = explain(project.warehouse, archive, find(project.warehouse, "INV-40015"))
    assert [(one["file_name"], Path(one["archived_at"]).read_bytes()) for one in told["evidence"]] == [
        ("april.pdf", pdf({}))
    ]
    with project.warehouse.read() as connection:
        found = explain_document(connection, archive, sha256, [])
        [standing] = standings(connection, [project.invoice("INV-40015")["invoice_month"]]).values()
    assert [one["external_id"] for one in found["evidence_of"]] == ["INV-40015"]
    assert found["document"]["reason"] is None
    assert [one.file_name for one in standing.invoices[0].evidence] == ["april.pdf"]
    [listed] = [
        one.metadata["evidence"]
        for one in result.asset_materializations_for_node("raw_invoices")
        if "evidence" in one.metadata
    ]
    assert isinstance(listed, dg.TableMetadataValue)
    assert [dict(record.data)["document_sha256"] for record in listed.records] == [sha256]


@case("137")
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("scan.pdf", "nothing in its name"),
        ("invoice 2026-04.pdf", "a month is no number"),
        ("20260502.pdf", "a day is no number"),
        ("INV-400151.pdf", "the number is part of another"),
        ("XINV-40015.pdf", "the number is the end of another"),
        ("other/april.pdf", "the file of that name lies elsewhere"),
        ("111.pdf", "an account is no invoice"),
    ],
)
def test_what_its_name_does_not_say_is_never_guessed(project: Project, name: str, why: str) -> None:
    project.drop("april.csv", lines())
    project.drop("20260502.csv.d/x.csv", lines("20260502", BillingAccountId="333"))
    project.drop(name, pdf({}))
    project.build()
    assert evidence(project) == {}, why
    assert list(rejected(project)) == [name.rpartition("/")[2]]


@case("137")
def test_a_number_that_two_invoices_have_is_settled_by_the_issuer_s_name_or_not_at_all(project: Project) -> None:
    project.drop("a.csv", lines())
    other: dict[str, Any] = {"ProviderName": "Snowflake Inc.", "InvoiceIssuerName": "Snowflake Inc."}
    project.drop("b.csv", lines(**other, BillingAccountId="9"))
    project.drop("INV-40015.pdf", pdf({}))
    project.drop("snowflake INV-40015.pdf", pdf({}) + b"\n")
    project.build()
    assert evidence(project) == {"snowflake INV-40015.pdf": "snowflake/9/INV-40015"}
    assert list(rejected(project)) == ["INV-40015.pdf"]


@case("137")
def test_it_is_evidence_of_nothing_again_once_its_invoice_is_gone(project: Project) -> None:
    project.drop("april.csv", lines())
    project.drop("april.pdf", pdf({}))
    project.build()
    assert evidence(project) == {"april.pdf": "aws/111/INV-40015"}
    project.decide("dismiss", file_name="april.csv")
    project.build()
    assert evidence(project) == {}
    assert list(rejected(project)) == ["april.pdf"]


@case("137")
def test_the_next_month_s_pair_at_the_same_paths_leaves_each_with_its_own(project: Project) -> None:
    project.drop("invoice.csv", lines())
    project.drop("invoice.pdf", pdf({}))
    project.build()
    may = {"BillingPeriodStart": "2026-05-01T00:00:00Z"}
    may |= {"ChargePeriodStart": "2026-05-01T00:00:00Z", "ChargePeriodEnd": "2026-05-02T00:00:00Z"}
    project.drop("invoice.csv", lines("INV-50015", **may))
    project.drop("invoice.pdf", pdf({}) + b"\n")
    project.build()
    rows = project.query("SELECT external_id, count(*) AS files FROM invoice_evidence GROUP BY ALL ORDER BY ALL")
    assert rows == [{"external_id": "INV-40015", "files": 1}, {"external_id": "INV-50015", "files": 1}]


@case("137")
def test_nothing_is_read_anew_or_built_again_for_evidence_that_has_not_changed(project: Project) -> None:
    project.drop("april.csv", lines())
    project.drop("april.pdf", pdf({}))
    project.drop("alone.pdf", pdf({}) + b"\n")
    project.build()
    before = project.query("FROM stage_versions ORDER BY ALL")
    project.build()
    assert project.query("FROM stage_versions ORDER BY ALL") == before


def test_the_page_links_to_it_and_to_an_electronic_invoice_in_both_ways_that_a_page_is_opened(project: Project) -> None:
    project.drop("april.csv", lines())
    project.drop("april.pdf", pdf({}))
    project.drop("INV-40015.xml", FATTURA)
    hybrid = pdf({"factur-x.xml": cii(Facts(number="R-77"))})
    project.drop("rechnung.pdf", hybrid)
    project.build()
    months = {project.invoice(number)["invoice_month"] for number in ("INV-40015", "R-77")}
    pages = made(project, *months)
    links = {
        link.text: link.attributes["href"] or ""
        for page in pages.values()
        for link in parse(page.path.read_text("utf-8")).all("a")
        if (link.attributes["href"] or "").startswith("documents/")
    }
    contents = {"april.pdf": pdf({}), "INV-40015.xml": FATTURA, "rechnung.pdf": hybrid}
    assert {name: (folder_of(project) / link).read_bytes() for name, link in links.items()} == contents
    assert {name: Path(link).suffix for name, link in links.items()} == {
        "april.pdf": ".pdf",
        "INV-40015.xml": ".txt",
        "rechnung.pdf": ".pdf",
    }
    environ = {"ARCADIA_HOME": str(project.home)}
    with statements(folder_of(project), environ) as url:
        for name, link in links.items():
            served = [
                httpx.get(f"{url}/{address}", verify=NO_AUTHORITIES) for address in (link, Path(link).with_suffix(""))
            ]
            assert [one.content for one in served] == [contents[name]] * 2


def test_a_copy_of_what_shows_no_invoice_any_more_is_removed(project: Project) -> None:
    project.drop("april.csv", lines())
    project.drop("april.pdf", pdf({}))
    project.build()
    month = project.invoice("INV-40015")["invoice_month"]
    made(project, month)
    folder = folder_of(project) / "documents"
    sha256 = project.document("april.pdf")["document_sha256"]
    (folder / "killed.part").write_bytes(b"x")
    assert (folder / f"{sha256}.pdf").exists()
    project.decide("dismiss", file_name="april.pdf")
    project.build()
    [page] = made(project, month).values()
    assert list(folder.iterdir()) == []
    assert "documents/" not in page.path.read_text("utf-8")


def test_a_page_is_made_without_a_link_where_the_archive_has_lost_the_document(project: Project) -> None:
    project.drop("april.csv", lines())
    project.drop("april.pdf", pdf({}))
    project.build()
    archive_of(project.warehouse).path_of(project.document("april.pdf")["document_sha256"]).unlink()
    [page] = made(project, project.invoice("INV-40015")["invoice_month"]).values()
    assert "april.pdf" in page.path.read_text("utf-8")
    assert page.links == {}


def test_explain_says_how_to_open_it_and_a_command_writes_it_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arcadia = Shell(tmp_path, monkeypatch, capsys)
    (arcadia.inbox / "april.csv").write_bytes(lines())
    (arcadia.inbox / "april.pdf").write_bytes(pdf({}))
    arcadia.build()
    arcadia("statement", "2026-04")
    sha256 = hashlib.sha256(pdf({})).hexdigest()
    file = tmp_path / "var" / "statements" / "documents" / f"{sha256}.pdf"
    for what in ("INV-40015", "april.pdf"):
        assert f"to open it: {file.as_uri()}\n" in arcadia("explain", what).stdout
        served = arcadia("explain", what, environ={"ARCADIA_STATEMENTS_URL": "http://127.0.0.1:3001/"}).stdout
        assert f"to open it: http://127.0.0.1:3001/documents/{sha256}\n" in served
        [command] = [line for line in served.splitlines() if f"documents get {sha256[:12]}" in line]
    words = shlex.split(command.partition(": ")[2].replace("FILE", "out.pdf"))
    assert arcadia(*words[1:]).stdout == "out.pdf\n"
    assert (tmp_path / "out.pdf").read_bytes() == pdf({})
    assert arcadia("documents", "get", "april.pdf").stdout == "april.pdf\n"
    assert arcadia("documents", "get", "april.pdf").stdout == "april.pdf\n"
    (tmp_path / "april.pdf").write_bytes(b"mine")
    told = arcadia("documents", "get", "april.pdf", code=1).stderr
    assert "april.pdf is there already, with other content: name another file with --to" in told
    assert (tmp_path / "april.pdf").read_bytes() == b"mine"
    assert "there is no invoice nothing.pdf" in arcadia("documents", "get", "nothing.pdf", code=1).stderr
    archived = tmp_path / "var" / "archive" / sha256[:2] / sha256
    archived.chmod(0o644)
    archived.write_bytes(b"%PDF-1.4 other")
    # The inbox still has the right bytes: they are taken again.
    arcadia("documents", "get", sha256, "--to", "again.pdf")
    assert (tmp_path / "again.pdf").read_bytes() == pdf({})
    (arcadia.inbox / "april.pdf").unlink()
    archived.chmod(0o644)
    archived.write_bytes(b"%PDF-1.4 other")
    assert "restore it from the newest backup" in arcadia("documents", "get", sha256, "--to", "x.pdf", code=1).stderr
    assert not (tmp_path / "x.pdf").exists()


ZUGFERD_1 = b'<rsm:CrossIndustryDocument xmlns:rsm="urn:ferd:CrossIndustryDocument:invoice:1p0"/>'


@case("137")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pdf({"factur-x.xml": cii(Facts())}, password="geheim"), "it is a PDF with a password: take the password off"),
        (pdf({"factur-x.xml": cii(Facts())})[:-400], "it is a PDF that is damaged or not whole"),
        (pdf({"ZUGFeRD-invoice.xml": ZUGFERD_1}), "what is attached to this PDF is not read"),
    ],
    ids=["password", "damaged", "ZUGFeRD 1"],
)
@pytest.mark.parametrize("name", ["april.pdf", "Rechnung INV-40015.pdf"])
def test_a_pdf_that_nothing_is_read_from_is_evidence_beside_its_invoice_and_refused_alone(
    project: Project, name: str, content: bytes, words: str
) -> None:
    project.drop(name, content)
    project.build()
    assert words in rejected(project)[name]
    assert "it belongs to no invoice yet" in rejected(project)[name]
    project.drop("april.csv", lines())
    project.build()
    assert evidence(project) == {name: "aws/111/INV-40015"}
    assert rejected(project) == {}
    assert project.invoice("INV-40015")["status"] == "ready"
