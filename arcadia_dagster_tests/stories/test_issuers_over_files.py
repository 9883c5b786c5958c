"""An issuer that one part of an invoice names and another does not: the invoice is one, of the issuer that is named."""

import itertools
import re
from collections.abc import Callable, Sequence

import pytest

from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.focus import HEADER, as_csv, as_json, as_parquet, charge, tax
from arcadia_dagster_tests.kit.project import Project

Row = dict[str, str | None]

NAMED: Row = {"InvoiceIssuerName": "Contoso Cloud Partner GmbH", "ProviderName": "Microsoft"}
UNNAMED: dict[str, Row] = {
    "with its provider": {"InvoiceIssuerName": None, "ProviderName": "Microsoft"},
    "without a name": {"InvoiceIssuerName": None, "ProviderName": None},
    "blank": {"InvoiceIssuerName": "  ", "ProviderName": "NULL"},
}
WRITTEN: dict[str, Callable[..., bytes]] = {"csv": as_csv, "parquet": as_parquet, "json": as_json}


def of(number: str, named: Row, *names: str) -> Sequence[Row]:
    return [charge(InvoiceId=number, ChargeDescription=f"{number} {name}", **named) for name in names]


def in_finance(project: Project) -> list[tuple[str, str, str, int, int | None]]:
    assert project.sandbox is not None
    return sorted(
        (row["source"], row["vendor_name"], row["external_id"], row["amount_gross_minor"], row["line_count"])
        for row in project.sandbox.invoices()
    )


@pytest.mark.parametrize(
    ("unnamed", "written"),
    [*((unnamed, "csv") for unnamed in UNNAMED), ("blank", "parquet"), ("without a name", "json")],
)
def test_the_issuer_that_one_file_of_a_delivery_names_is_that_of_the_others_in_any_order(
    project_with_finance: Project, unnamed: str, written: str
) -> None:
    project, write = project_with_finance, WRITTEN[written]
    expected = []
    for number, order in enumerate(itertools.permutations(range(3))):
        parts = [
            write(*of(f"I-{number}", UNNAMED[unnamed], "a", "b", "c", "d")),
            write(*of(f"I-{number}", NAMED, "e"), tax(InvoiceId=f"I-{number}", **NAMED)),
            write(*of(f"I-{number}", UNNAMED[unnamed], "f")),
        ]
        for place, part in enumerate(order):
            project.drop(f"{number}/{place}.{written}", parts[part])
        expected.append(("contoso-cloud-partner", "Contoso Cloud Partner GmbH", f"I-{number}", 3660, 7))
    project.build()
    assert in_finance(project) == sorted(expected)
    project.forget_warehouse()
    project.build()
    assert in_finance(project) == sorted(expected)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_file_without_the_column_names_no_issuer(project_with_finance: Project, is_first: bool) -> None:
    project = project_with_finance
    header = tuple(name for name in HEADER if name != "InvoiceIssuerName")
    contents = [
        as_csv(*of("I-1", NAMED, "a", "b"), header=header),
        as_csv(*of("I-1", NAMED, "c"), tax(InvoiceId="I-1", **NAMED)),
    ]
    for number, content in enumerate(contents if is_first else contents[::-1]):
        project.drop(f"d/{number}.csv", content)
        project.build()
    assert in_finance(project) == [("contoso-cloud-partner", "Contoso Cloud Partner GmbH", "I-1", 1860, 4)]


@pytest.mark.parametrize("is_first", [True, False])
def test_a_part_that_comes_in_another_run_splits_nothing(project_with_finance: Project, is_first: bool) -> None:
    project = project_with_finance
    contents = {
        "d/unnamed.csv": as_csv(*of("I-1", UNNAMED["without a name"], "a", "b")),
        "d/named.csv": as_csv(*of("I-1", NAMED, "c"), tax(InvoiceId="I-1", **NAMED)),
    }
    names = list(contents) if is_first else [*contents][::-1]
    for name in names:
        project.drop(name, contents[name])
        project.build()
    assert in_finance(project) == [("contoso-cloud-partner", "Contoso Cloud Partner GmbH", "I-1", 1860, 4)]


def test_what_was_pushed_under_its_provider_is_held_and_says_so_when_a_file_names_its_issuer(
    project_with_finance: Project,
) -> None:
    project = project_with_finance
    provider: Row = {"InvoiceIssuerName": None, "ProviderName": "AWS"}
    project.drop("d/1.csv", as_csv(*of("I-1", provider, "a", "b")))
    project.build()
    assert in_finance(project) == [("aws", "Amazon Web Services", "I-1", 1200, 2)]
    project.drop("d/2.csv", as_csv(*of("I-1", NAMED, "c"), tax(InvoiceId="I-1", **NAMED)))
    project.build()
    [held] = project.query("SELECT * FROM tax_split_totals")
    assert (held["source"], held["status"], held["amount_gross_minor"]) == ("contoso-cloud-partner", "held", 1860)
    assert held["hold_reasons"][0].startswith("finance has it as an invoice of aws, for no file named its issuer yet")
    project.settle("release", "I-1")
    project.build()
    assert ("contoso-cloud-partner", "Contoso Cloud Partner GmbH", "I-1", 1860, 4) in in_finance(project)


@pytest.mark.parametrize("again", ["a.csv", "b.csv", "2/a.csv"])
@pytest.mark.parametrize("unnamed", UNNAMED)
def test_an_export_that_names_the_issuer_is_never_pushed_beside_the_one_that_did_not(
    project_with_finance: Project, unnamed: str, again: str
) -> None:
    project = project_with_finance
    first = UNNAMED[unnamed]
    project.drop("a.csv", as_csv(*of("I-1", first, "a"), tax(InvoiceId="I-1", **first)))
    project.build()
    if project.invoice("I-1")["status"] == "held":  # nobody is named, not even a provider
        project.settle("release", "I-1")
        project.build()
    project.drop(again, as_csv(*of("I-1", NAMED, "a"), tax(InvoiceId="I-1", **NAMED)))
    project.build()
    [before] = in_finance(project)
    for _ in range(2):
        [held] = project.query("SELECT * FROM tax_split_totals")
        assert (held["status"], held["source"]) == ("held", "contoso-cloud-partner")
        assert held["hold_reasons"][0].startswith("finance has it as an invoice of ")
        assert in_finance(project) == [before]
        project.build()


def test_without_the_file_that_names_it_the_issuer_is_not_known_any_more(project_with_finance: Project) -> None:
    project = project_with_finance
    project.drop("d/1.csv", as_csv(*of("I-1", UNNAMED["without a name"], "a")))
    project.drop("d/2.csv", as_csv(*of("I-1", NAMED, "c"), tax(InvoiceId="I-1", **NAMED)))
    project.build()
    project.decide("dismiss", file_name="2.csv")
    project.build()
    [held] = project.query("SELECT * FROM tax_split_totals")
    assert (held["source"], held["status"]) == ("unknown", "held")
    assert "no line of it names who issued it" in held["hold_reasons"][0]


def test_two_issuers_for_one_id_are_never_chosen_between(project_with_finance: Project) -> None:
    project = project_with_finance
    other: Row = {"InvoiceIssuerName": "Alphacloud Ltd", "ProviderName": "Alphacloud"}
    project.drop("d/1.csv", as_csv(*of("I-1", UNNAMED["without a name"], "a")))
    project.drop("d/2.csv", as_csv(*of("I-1", NAMED, "c")))
    project.drop("d/3.csv", as_csv(*of("I-1", other, "d")))
    project.build()
    assert in_finance(project) == []
    assert {row["source"] for row in project.query("SELECT source FROM tax_split_totals")} == {
        "unknown",
        "contoso-cloud-partner",
        "alphacloud",
    }


def say(project: Project, text: str) -> None:
    (project.home / "sources.toml").write_text(text, encoding="utf-8")


def line_in(reason: str) -> str:
    """The line of `sources.toml` that a reason gives, with a reason in place of the dots."""
    [line] = re.findall(r'sources\.toml: ("[^"]+" = \{.*?\})', reason)
    return str(line).replace('"..."', '"they are on one invoice"')


RULED: dict[str, tuple[str, Row, str]] = {
    "an id in a column of its own": (
        'invoice_id = "x_Extra"\nreason = "the partner puts it there"\n',
        {"InvoiceId": None, "x_Extra": "C-7"},
        "C-7",
    ),
    "an id in a column of its own, and another one in the usual": (
        'invoice_id = "x_Extra"\nreason = "the partner puts it there"\n',
        {"InvoiceId": "M-1", "x_Extra": "C-7"},
        "C-7",
    ),
    "an id of account and month": (
        'invoice_id = "account and month"\nfinal_after = "5d"\nreason = "one a month"\n',
        {"InvoiceId": None},
        "111-2026-04",
    ),
}


@case("139")
@pytest.mark.parametrize("files", [1, 2])
@pytest.mark.parametrize("unnamed", ["with its provider", "without a name"])
@pytest.mark.parametrize("name", RULED)
def test_rows_without_an_issuer_never_miss_on_the_invoice_of_the_issuer_whose_rule_says_what_its_ids_are(
    project_with_finance: Project, name: str, unnamed: str, files: int
) -> None:
    project = project_with_finance
    rule, values, external_id = RULED[name]
    say(project, f"[contoso-cloud-partner]\n{rule}")
    named = [charge(ChargeDescription="a", **NAMED, **values), tax(**NAMED, **values)]
    other = [charge(ChargeDescription="b", BilledCost="5.00", **UNNAMED[unnamed], **values)]
    for number, rows in enumerate([[*named, *other]] if files == 1 else [named, other]):
        project.drop(f"d/{number}.csv", as_csv(*rows))
    project.build()
    if in_finance(project) == []:
        reason = next(
            reason
            for row in project.query("SELECT hold_reasons FROM tax_split_totals WHERE external_id = ?", [external_id])
            for reason in row["hold_reasons"]
            if "name no issuer" in reason
        )
        say(project, f"{line_in(reason)}\n[contoso-cloud-partner]\n{rule}")
        project.build()
    assert in_finance(project) == [("contoso-cloud-partner", "Contoso Cloud Partner GmbH", external_id, 1160, 3)]
    assert len(project.query("SELECT * FROM tax_split_totals")) == 1


def test_rows_that_name_no_issuer_and_are_no_part_of_its_invoice_are_released(project_with_finance: Project) -> None:
    project = project_with_finance
    rule, values, external_id = RULED["an id of account and month"]
    say(project, f"[contoso-cloud-partner]\n{rule}")
    project.drop("d/0.csv", as_csv(charge(**NAMED, **values), tax(**NAMED, **values)))
    project.drop("d/1.csv", as_csv(charge(**UNNAMED["with its provider"], **values)))
    project.build()
    assert in_finance(project) == []
    project.settle("release", external_id)
    project.build()
    assert in_finance(project) == [("contoso-cloud-partner", "Contoso Cloud Partner GmbH", external_id, 660, 2)]


def test_what_another_provider_charges_is_never_counted_to_the_issuer_of_an_account(
    project_with_finance: Project,
) -> None:
    project = project_with_finance
    rule, values, external_id = RULED["an id of account and month"]
    say(project, f"[contoso-cloud-partner]\n{rule}")
    third: Row = {"InvoiceIssuerName": None, "ProviderName": "Thirdparty"}
    project.drop("a.csv", as_csv(charge(**NAMED, **values), tax(**NAMED, **values), charge(**third, **values)))
    project.build()
    [own] = project.query("SELECT * FROM tax_split_totals WHERE external_id = ?", [external_id])
    assert own["amount_gross_minor"] == 660
