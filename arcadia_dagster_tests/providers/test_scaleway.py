"""What is special about Scaleway: the consumption of an invoice's month, which becomes its lines where it comes to its totals."""

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster.providers.download import Fetched
from arcadia_dagster_tests.kit.documents import Desk
from arcadia_dagster_tests.kit.fetching import FetchingHome, failing
from arcadia_dagster_tests.kit.scaleway_api import ORGANIZATION, SCALEWAY, ScalewayApi, consumed, invoice
from arcadia_dagster_tests.kit.scripted_server import Request, Step, answer

APRIL = date(2026, 4, 1)
Lines = Callable[[str], list[tuple[Any, ...]]]

CONSUMPTION = "/billing/v2beta1/consumptions"


class Home(FetchingHome):
    """A home that is fetched into from Scaleway."""

    def fetch(self, api: ScalewayApi, **options: Any) -> Fetched:
        settings = SCALEWAY.settings(api.url)
        return self.fetch_from(SCALEWAY.provider.open(settings, self.pace), "scaleway", **options)

    def content(self) -> bytes:
        """The newest document of an invoice."""
        return max(self.inbox.glob("*.json"), key=lambda path: path.stat().st_mtime_ns).read_bytes()

    def consumption(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.content())["consumption"]
        return found


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def lines(home: Home, desk: Desk) -> Lines:
    """Reads columns of the lines of the newest document."""

    def read(columns: str) -> list[tuple[Any, ...]]:
        [found] = desk.read(home.content(), columns=columns)
        assert (found.format, found.reason) == ("scaleway_json", None)
        return found.lines

    return read


def served(*rows: dict[str, Any], discount: float = 0, total: str = "119.00", **fields: Any) -> ScalewayApi:
    """One invoice of April, of 100 before tax unless told otherwise, and April's consumption."""
    api = ScalewayApi([invoice(1, APRIL, total, **fields)])
    api.consumption["2026-04"] = (list(rows), discount)
    return api


def test_consumption_that_comes_to_the_invoice_is_its_lines(home: Home, lines: Lines) -> None:
    bucket = {"category_name": "Storage", "product_name": "Object Storage", "sku": "", "project_id": "p-2"}
    with served(consumed("70.25"), consumed("30.25", **bucket), discount=0.5) as api:
        home.fetch(api)
        asked = [request.path for request in api.requests if request.path.startswith(CONSUMPTION)]
    assert len(asked) == 1
    assert f"organization_id={ORGANIZATION}&billing_period=2026-04&" in asked[0]
    project = "105bdce1-64c0-48ab-899d-868455867ecf"
    assert lines("charge_category, service_name, description, project, amount") == [
        ("Usage", "Compute", "DEV1-S, /compute/dev1_s/run_par1", project, Decimal("70.25")),
        ("Usage", "Storage", "Object Storage", "p-2", Decimal("30.25")),
        ("Credit", "Scaleway", "Discount", None, Decimal("-0.5")),
        ("Tax", "Taxes", "Total tax", None, 19),
    ]
    details = lines("resource_name, quantity, unit, CAST(charge_period_start AS DATE)")
    assert details[0] == ("web-01", 720, "hour", APRIL)
    home.land()
    assert home.rows("SELECT amount_gross, amount_net, amount_tax FROM stated_invoices") == [(119, 100, 19)]


def test_all_pages_of_the_consumption_are_fetched(home: Home, lines: Lines) -> None:
    with served(*(consumed("0.40", resource_name=f"web-{number}") for number in range(250))) as api:
        home.fetch(api)
        assert api.count(CONSUMPTION) == 3
    rows = home.consumption()["consumptions"]
    assert [row["resource_name"] for row in rows] == [f"web-{number}" for number in range(250)]
    assert len(lines("amount")) == 251


def test_consumption_that_changes_between_two_pages_is_read_again(home: Home, lines: Lines) -> None:
    def brought_up_to_date(api: ScalewayApi) -> Callable[[Request], Step | None]:
        def before(request: Request) -> None:
            if "page=2" in request.path and api.count(CONSUMPTION) == 2:
                rows = [consumed("50.00"), consumed("40.00"), consumed("10.00")]
                api.consumption["2026-04"] = (rows, 0)
                api.updated_at = "2026-05-02T01:00:00Z"

        return before

    with served(consumed("45.00"), consumed("30.00"), consumed("20.00")) as api:
        api.most = 2
        api.before = brought_up_to_date(api)
        assert home.fetch(api).left == {}
        assert api.count(CONSUMPTION) == 4
    assert lines("amount") == [(50,), (40,), (10,), (19,)]


@pytest.mark.parametrize(
    ("rows", "discount", "remark"),
    [
        ([], 0.0, ""),
        ([consumed("99.99")], 0.0, "; the month's consumption comes to 99.99 EUR"),
        ([consumed("100.00")], 0.5, "; the month's consumption comes to 99.5 EUR"),
        ([consumed("100.00") | {"value": None}], 0.0, "; the month's consumption cannot be read"),
    ],
    ids=["none", "less", "discount", "no value"],
)
def test_consumption_of_something_else_is_told_and_the_invoice_has_its_own_totals(
    home: Home, lines: Lines, rows: list[dict[str, Any]], discount: float, remark: str
) -> None:
    with served(*rows, discount=discount) as api:
        assert home.fetch(api).left == {}
    assert lines("description, amount") == [(f"Total before tax{remark}", 100), ("Total tax", 19)]


def test_of_what_is_bought_ahead_no_consumption_is_asked_for(home: Home) -> None:
    with served(consumed("100.00"), type="purchase") as api:
        home.fetch(api)
        assert api.count(CONSUMPTION) == 0
    assert "consumption" not in json.loads(home.content())


def test_an_invoice_whose_total_changes_comes_again_with_its_consumption(home: Home, lines: Lines) -> None:
    with served(consumed("100.00")) as api:
        home.fetch(api)
        home.land()
        api.entries[0] = SCALEWAY.changed(api.entries[0], "139.00")
        api.consumption["2026-04"] = ([consumed("100.00"), consumed("20.00")], 0)
        home.fetch(api)
    assert lines("amount") == [(100,), (20,), (19,)]


def test_whoever_may_read_invoices_but_no_consumption_is_told_so(home: Home) -> None:
    with served(consumed("100.00")) as api:
        api.before = failing(CONSUMPTION, step=answer(403, {"message": "insufficient permissions"}))
        fetched = home.fetch(api)
    assert "BillingReadOnly" in str(fetched.left)
    assert "consumptions" in str(fetched.left)
    assert home.names() == []
