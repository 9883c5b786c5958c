import gzip
import io
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from arcadia_dagster_tests.kit.documents import Desk, invoices_of
from arcadia_dagster_tests.kit.focus import HEADER, as_csv, as_parquet, charge, tax
from arcadia_dagster_tests.kit.properties import quickly
from arcadia_dagster_tests.kit.texts import AMOUNTS, TEXTS

APRIL = date(2026, 4, 1)
USUAL = ("aws", "111", "INV-1", APRIL, True, Decimal("6.60"))


@quickly(8)
@given(
    st.lists(
        st.tuples(AMOUNTS, TEXTS, st.sampled_from(("Usage", "Purchase", "Tax", "Credit", "Adjustment"))), min_size=1
    )
)
def test_whatever_is_charged_comes_out_to_the_last_digit_in_csv_and_in_parquet(
    tmp_path_factory: pytest.TempPathFactory, charges: list[tuple[str, str, str]]
) -> None:
    desk = Desk(tmp_path_factory.mktemp("focus"))
    rows = [charge(BilledCost=cost, ChargeDescription=text, ChargeCategory=kind) for cost, text, kind in charges]
    # A blank description, and the word NULL, are no description.
    expected = [
        (number, "" if text.strip() in {"", "NULL"} or text == "NULL" else text, Decimal(cost), kind)
        for number, (cost, text, kind) in enumerate(charges, start=1)
    ]
    columns = "line_number, description, amount, charge_category"
    for document in desk.read(as_csv(*rows), as_parquet(*rows), columns=columns):
        assert document.reason is None
        found = [(number, text if text.strip() else "", amount, kind) for number, text, amount, kind in document.lines]
        assert found == expected


def test_the_names_of_every_version_are_known_in_any_order_and_case(desk: Desk) -> None:
    versions = {
        "1.0, without an invoice's id": [name for name in HEADER if name != "InvoiceId"],
        "1.3, of the service's provider": [*[name for name in HEADER if "Provider" not in name], "ProviderName"],
        "lower case with underscores": list(HEADER),
        "reversed": list(reversed(HEADER)),
    }
    documents = {label: as_csv(charge(), tax(), header=header) for label, header in versions.items()}
    lower = ",".join("".join(f"_{c.lower()}" if c.isupper() else c for c in name).strip("_") for name in HEADER)
    documents["lower case with underscores"] = documents["lower case with underscores"].replace(
        ",".join(HEADER).encode(), lower.encode()
    )
    documents["1.3, of the service's provider"] = (
        documents["1.3, of the service's provider"]
        .replace(b"InvoiceIssuerName", b"x_Issuer")
        .replace(b"ProviderName", b"ServiceProviderName")
    )
    found = {label: invoices_of(document) for label, document in desk.read_cases(documents).items()}
    assert found == {
        "1.0, without an invoice's id": [("aws", "111", None, APRIL, False, Decimal("6.60"))],
        "1.3, of the service's provider": [USUAL],
        "lower case with underscores": [USUAL],
        "reversed": [USUAL],
    }


@pytest.mark.parametrize("null", ["", "NULL"])
def test_null_is_empty_or_the_word(desk: Desk, null: str) -> None:
    columns = "resource_id, quantity, unit, project"
    [document] = desk.read(as_csv(tax(SubAccountName=None, SubAccountId=None), null=null), columns=columns)
    assert document.reason is None
    assert document.lines == [(None, None, None, None)]


def test_a_row_with_a_total_is_named_as_what_it_is(desk: Desk) -> None:
    (found,) = desk.read(as_csv(charge(), tax()) + b"6.60" + b"," * (len(HEADER) - 1) + b"\n")
    assert str(found.reason).startswith(
        "line 4, column BilledCost: '6.60'; expected a charge, with its account, its currency and"
    )
    assert "a row with a total is none: take it out" in str(found.reason)


@pytest.mark.parametrize(
    ("start", "end", "month"),
    [
        ("2026-03-31T15:00:00Z", "2026-04-30T15:00:00Z", APRIL),  # a month in Tokyo
        ("2026-03-31T22:00:00Z", "2026-04-30T22:00:00Z", APRIL),
        ("2026-04-01T07:00:00Z", "2026-05-01T07:00:00Z", APRIL),
        ("2026-03-31T15:00:00Z", None, APRIL),
        ("2026-03-31T15:00:00Z", "no time", APRIL),
        ("2026-03-16T00:00:00Z", "2026-04-16T00:00:00Z", date(2026, 3, 1)),
        ("2026-03-17T00:00:00Z", "2026-04-17T00:00:00Z", APRIL),
        ("2025-10-01", "2026-10-01", APRIL),  # a year
    ],
)
def test_an_invoices_month_is_that_of_the_middle_of_its_billing_period(
    desk: Desk, start: str, end: str | None, month: date
) -> None:
    row = charge(BillingPeriodStart=start)
    (document,) = desk.read(as_csv({**row, "BillingPeriodEnd": end}, header=(*HEADER, "BillingPeriodEnd")))
    assert [one.month for one in document.invoices] == [month]


def test_many_invoices_accounts_currencies_and_months_in_one_file(desk: Desk) -> None:
    [document] = desk.read(
        as_csv(
            charge(),
            charge(InvoiceId="INV-2", BillingAccountId="222", BillingCurrency="EUR", BilledCost="1.81E-8"),
            charge(InvoiceId="INV-1", BillingAccountId="222", BillingPeriodStart="2026-03-01 00:00:00"),
            tax(),
            charge(InvoiceId=None),
            charge(InvoiceId=None, BillingPeriodStart="2026-05-01"),
            charge(InvoiceId="H-1", InvoiceIssuerName="Hetzner Online GmbH"),
            charge(InvoiceIssuerName="AWS", BilledCost="1"),
        ),
        columns="line_number, invoice_ordinal, currency",
    )
    assert invoices_of(document) == [
        ("aws", "111", "INV-1", APRIL, True, Decimal("7.60")),
        ("aws", "222", "INV-2", APRIL, True, Decimal("0.0000000181")),
        ("aws", "222", "INV-1", date(2026, 3, 1), True, Decimal("6.00")),
        ("aws", "111", None, APRIL, False, Decimal("6.00")),
        ("aws", "111", None, date(2026, 5, 1), False, Decimal("6.00")),
        ("hetzner", "111", "H-1", APRIL, True, Decimal("6.00")),
    ]
    assert document.lines == [
        *((1, 1, "USD"), (2, 2, "EUR"), (3, 3, "USD"), (4, 1, "USD"), (5, 4, "USD"), (6, 5, "USD"), (7, 6, "USD")),
        (8, 1, "USD"),  # another of the issuer's names
    ]
    assert document.invoices[5].vendor_name == "Hetzner Online GmbH"


def test_an_invoice_whose_rows_name_several_issuers_is_one_invoice_and_in_doubt(desk: Desk) -> None:
    rows = (charge(BilledCost="20.00"), charge(), charge(InvoiceIssuerName="Hetzner Online GmbH", BilledCost="10.00"))
    [document] = desk.read(as_csv(*rows))
    assert invoices_of(document) == [("aws", "111", "INV-1", APRIL, True, Decimal("36.00"))]
    [doubt] = document.invoices[0].doubts
    assert "its rows name several issuers (Amazon Web Services, Inc., Hetzner Online GmbH)" in doubt


def test_the_companies_of_one_provider_are_one_issuer(desk: Desk) -> None:
    names = ("Amazon Web Services Canada, Inc.", "AWS EMEA SARL", "Amazon Web Services India Private Limited")
    [document] = desk.read(as_csv(*(charge(InvoiceIssuerName=name) for name in names)))
    assert invoices_of(document) == [("aws", "111", "INV-1", APRIL, True, Decimal("18.00"))]
    assert document.invoices[0].doubts == ()


at = datetime.fromisoformat

TIMES = {
    "2026-04-01T00:00:00Z": at("2026-04-01"),
    "2026-04-01 00:00:00": at("2026-04-01"),
    "2026-04-01T00:00:00": at("2026-04-01"),
    "2026-04-01 00:00:00Z": at("2026-04-01"),
    "2026-04-01 00:00:00 UTC": at("2026-04-01"),
    "2026-04-01T02:00:00+02:00": at("2026-04-01"),
    "2026-04-01T00:00:00.000Z": at("2026-04-01"),
    "2026-04-01T00:00:00.0000000Z": at("2026-04-01"),
    "2026-04-01T00:00Z": at("2026-04-01"),
    "2026-04-01": at("2026-04-01"),
    " 2026-04-01T00:00:00Z ": at("2026-04-01"),
    "2026-04-01T12:34:56.789Z": at("2026-04-01 12:34:56.789"),
}


def test_times_are_in_utc_with_and_without_t_and_z(desk: Desk) -> None:
    documents = [as_csv(charge(ChargePeriodStart=text, ChargeDescription=text)) for text in TIMES]
    found = desk.read(*documents, columns="charge_period_start")
    assert {text: document.lines for text, document in zip(TIMES, found, strict=True)} == {
        text: [(time,)] for text, time in TIMES.items()
    }


BAD = {
    "BilledCost": ("", "NULL", "NaN", "Infinity", "1.234,56", "1,234", "0x10", "100000000000000000000"),
    "BillingCurrency": ("", "NULL"),
    "BillingPeriodStart": ("", "NULL", "04/2026", "2026-13-01"),
    "ChargePeriodStart": ("", "NULL", "2026-02-31T00:00:00Z", "03/04/2026"),
    "ChargePeriodEnd": ("", "NULL", "2026-03-31T00:00:00Z"),
    "ConsumedQuantity": ("many", "NaN"),
    "BillingAccountId": ("", "NULL"),
}


def test_a_value_that_cannot_be_read_is_told_with_its_line_and_column(desk: Desk) -> None:
    cases = {
        f"{column} {value!r}": as_csv(charge(), charge(**{column: value}))
        for column, values in BAD.items()
        for value in values
    }
    found = desk.read_cases(cases)
    wrong = {
        label: document.reason
        for label, document in found.items()
        if not (document.reason or "").startswith(f"line 3, column {label.partition(' ')[0]}: ")
    }
    assert wrong == {}


@quickly(8)
@given(st.data())
def test_a_row_without_an_issuer_is_of_the_issuer_that_the_others_of_its_invoice_name(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    issuers = {"INV-1": "AWS", "INV-2": "Hetzner Online GmbH", "INV-3": "Example & Sons"}
    ids = data.draw(st.permutations([*issuers] * 3))
    # One row of each invoice names it, wherever in the file that is.
    naming = {data.draw(st.sampled_from([n for n, own in enumerate(ids) if own == one])) for one in issuers}
    naming |= data.draw(st.frozensets(st.integers(0, len(ids) - 1)))
    assume(len(naming) < len(ids))
    null = data.draw(st.sampled_from(["", "NULL", " "]))
    named = [charge(InvoiceId=own, InvoiceIssuerName=issuers[own], ProviderName="Another") for own in ids]
    some = [row if n in naming else row | {"InvoiceIssuerName": null} for n, row in enumerate(named)]
    full, gaps = Desk(tmp_path_factory.mktemp("issuer")).read(
        as_csv(*named), as_csv(*some), columns="line_number, invoice_ordinal"
    )
    assert (gaps.reason, gaps.lines, gaps.invoices) == (None, full.lines, full.invoices)


def test_the_provider_stands_in_for_an_issuer_that_no_row_names_and_where_there_is_none_it_is_doubtful(
    desk: Desk,
) -> None:
    columns = "line_number, invoice_ordinal"
    nobody = {"InvoiceIssuerName": None, "ProviderName": None}
    for document in desk.read(
        as_csv(
            charge(InvoiceIssuerName=None, ProviderName="Examplecloud"),
            charge(InvoiceId="INV-2", **nobody),
            charge(InvoiceId=None, InvoiceIssuerName=None, ProviderName="Examplecloud"),
            charge(InvoiceId=None, InvoiceIssuerName="Thirdparty Inc."),
        ),
        as_parquet(
            charge(InvoiceIssuerName=None, ProviderName="Examplecloud"),
            charge(InvoiceId="INV-2", **nobody),
            charge(InvoiceId=None, InvoiceIssuerName=None, ProviderName="Examplecloud"),
            charge(InvoiceId=None, InvoiceIssuerName="Thirdparty Inc."),
        ),
        columns=columns,
    ):
        assert document.reason is None
        assert [(one.source, one.vendor_name, one.external_id) for one in document.invoices] == [
            ("examplecloud", "Examplecloud", "INV-1"),
            ("unknown", None, "INV-2"),
            ("examplecloud", "Examplecloud", None),
            ("thirdparty", "Thirdparty Inc.", None),
        ]
        assert [one.unnamed_issuer for one in document.invoices] == ["Examplecloud", "", None, None]


KNOWN = {name.lower(): name for name in ("Usage", "Purchase", "Tax", "Credit", "Adjustment")}
CATEGORY_TEXTS = st.one_of(
    TEXTS,
    st.sampled_from([*KNOWN, "TAX", " Usage ", "Support", "Refund", "", "NULL", "Taxes"]),
)


@quickly(8)
@given(st.lists(CATEGORY_TEXTS, min_size=1, max_size=20))
def test_a_category_that_is_not_known_is_by_its_words_and_leaves_a_doubt_that_names_it(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    rows = [
        charge(
            ChargeCategory=text,
            ConsumedQuantity=None,
            ResourceId=None,
            ChargeDescription="GST 10%",
            SubAccountName=f"{number}",
        )
        for number, text in enumerate(texts)
    ]
    rows += [row | {"ChargeDescription": "support plan"} for row in rows]
    rows += [charge(InvoiceId="INV-2")]
    [document] = Desk(tmp_path_factory.mktemp("category")).read(as_csv(*rows), columns="charge_category")
    known = [KNOWN.get(text.strip(" ").lower()) for text in texts]
    assert document.reason is None
    assert [category for (category,) in document.lines] == [
        *(one or "Tax" for one in known),
        *(one or "Usage" for one in known),
        "Usage",
    ]
    first, *others = document.invoices
    assert all(one.doubts == () for one in others)
    unknown = [(line, text) for line, (text, one) in enumerate(zip(texts, known, strict=True), start=2) if one is None]
    assert bool(first.doubts) == bool(unknown)
    if unknown:
        line, text = unknown[0]
        shown = "blank" if text.strip(" ") == "" or text == "NULL" else f"'{text.strip(' ')}'"
        assert first.doubts[0].startswith(
            f"line {line}, column ChargeCategory: {shown}; expected one of Usage, Purchase, Tax, Credit, Adjustment; it counts as"
        )


def test_many_categories_that_are_not_known_are_told_in_four_sentences(desk: Desk) -> None:
    rows = [charge(ChargeCategory=f"kind {number}") for number in (1, 2, 1, 3, 4, 5)]
    csv_, parquet = desk.read(as_csv(*rows), as_parquet(*rows))
    expected = "one of Usage, Purchase, Tax, Credit, Adjustment; it counts as Usage"
    for document, place in ((csv_, "line {}"), (parquet, "record {}")):
        first = 2 if document is csv_ else 1
        assert document.invoices[0].doubts == (
            f"{place.format(first)}, column ChargeCategory: 'kind 1'; expected {expected}, and so do 1 more",
            f"{place.format(first + 1)}, column ChargeCategory: 'kind 2'; expected {expected}",
            f"{place.format(first + 3)}, column ChargeCategory: 'kind 3'; expected {expected}",
            "2 other values of its lines are as doubtful",
        )


COSTS = (pa.decimal128(38, 18), pa.decimal128(12, 2), pa.float64(), pa.string())
MOMENTS = (
    pa.timestamp("us", tz="UTC"),
    pa.timestamp("ns"),
    pa.timestamp("ms", tz="Europe/Berlin"),
    pa.string(),
    pa.date32(),
)


def test_parquet_of_any_types_is_read_exactly(desk: Desk) -> None:
    rows = [charge(BilledCost="0.10"), charge(BilledCost="-0.30"), tax(BilledCost="123456789.01")]
    kinds = [*zip(COSTS, MOMENTS, strict=False), (COSTS[0], MOMENTS[-1])]
    documents = [as_parquet(*rows, cost=cost, times=times) for cost, times in kinds]
    for document in desk.read(*documents, columns="amount, charge_period_start, charge_period_end, quantity"):
        assert document.reason is None
        assert document.lines == [
            (Decimal("0.10"), at("2026-04-01"), at("2026-04-02"), Decimal(24)),
            (Decimal("-0.30"), at("2026-04-01"), at("2026-04-02"), Decimal(24)),
            (Decimal("123456789.01"), at("2026-04-01"), at("2026-04-02"), None),
        ]
        [(*_, month, _, total)] = invoices_of(document)
        assert (month, total) == (APRIL, Decimal("123456788.81"))


def test_parquet_that_is_damaged_or_no_cost_and_usage_is_rejected(desk: Desk) -> None:
    good = as_parquet(charge(), charge())
    found = desk.read_cases(
        {
            "cut off": good[:-9],
            "only the start": b"PAR1",
            "no rows": as_parquet(),
            "other columns": _parquet({"a": [1]}),
            "NaN": _with_costs([1.0, float("nan")]),
            "NULL": _with_costs([1.0, None]),
            "good": good,
        }
    )
    expected = {
        "cut off": "it cannot be read as Parquet: Invalid Input Error: No magic",
        "only the start": "it cannot be read as Parquet: Invalid Input Error: File 'it' too small",
        "no rows": "it has no lines; expected at least one",
        "other columns": "it is Parquet, and its columns (a) are those of no known format: put in a FOCUS export",
        "NaN": "record 2, column BilledCost: 'nan'; expected an amount such as",
        "NULL": "record 2, column BilledCost: blank; expected an amount such as",
    }
    assert found.pop("good").reason is None
    assert {label: (document.reason or "")[: len(expected[label])] for label, document in found.items()} == expected
    assert all(str(desk.folder) not in (document.reason or "") for document in found.values())


def _parquet(columns: Mapping[str, pa.Array]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def _with_costs(costs: Sequence[float | None]) -> bytes:
    row = charge()
    columns = {name: pa.array([row[name]] * len(costs), pa.string()) for name in HEADER}
    return _parquet({**columns, "BilledCost": pa.array(costs, pa.float64())})


def test_a_packed_file_gives_what_the_plain_one_does(desk: Desk) -> None:
    plain = as_csv(charge(), tax())
    first, second = desk.read(plain, gzip.compress(plain))
    assert (first.lines, invoices_of(first)) == (second.lines, invoices_of(second))


HEADERS = {
    "twice": ((*HEADER, "BilledCost"), "line 1: column billedcost occurs more than once; expected each once"),
    "missing": (
        tuple(name for name in HEADER if name not in {"ServiceName", "ChargeDescription"}),
        "line 1: column ChargeDescription, ServiceName is missing, which FOCUS has as mandatory",
    ),
}


def test_a_header_that_lacks_what_every_version_has_is_named(desk: Desk) -> None:
    found = desk.read_cases({label: as_csv(charge(), header=header) for label, (header, _) in HEADERS.items()})
    assert {label: document.reason for label, document in found.items()} == {
        label: reason for label, (_, reason) in HEADERS.items()
    }


def test_blanks_around_an_id_make_no_other_invoice_and_a_blank_id_is_none(tmp_path: Path) -> None:
    rows = (
        charge(),
        charge(InvoiceId=" INV-1 ", BillingAccountId="111 ", InvoiceIssuerName=" Amazon Web Services, Inc."),
        charge(InvoiceId=" "),
        charge(SubAccountName=" ", SubAccountId="55"),
    )
    [found] = Desk(tmp_path).read(as_csv(*rows), columns="line_number, project")
    assert [(one.external_id, one.account_id, one.line_count) for one in found.invoices] == [
        ("INV-1", "111", 3),
        (None, "111", 1),
    ]
    assert found.lines == [(1, "shop"), (2, "shop"), (3, "shop"), (4, "55")]
