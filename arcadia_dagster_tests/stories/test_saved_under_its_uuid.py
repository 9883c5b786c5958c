"""What people save of one invoice of DigitalOcean, as CSV and as JSON, under the uuid that they asked for is one invoice."""

import itertools

import pytest

from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.digitalocean_json import doctl, written
from arcadia_dagster_tests.kit.outcomes import pushed
from arcadia_dagster_tests.kit.project import Project, digitalocean, line

UUID = "22737513-0ea7-4206-8ceb-000000000001"


@case("152")
@pytest.mark.parametrize("amount", ["$6.00", "$7.00"])
def test_items_as_json_and_the_csv_of_one_uuid_are_one_invoice_in_whatever_order_they_come(
    project: Project, amount: str
) -> None:
    """The items come to 6.00 USD: another sum is held, whichever came first."""
    ids = [UUID, UUID.replace("2273", "2274")]
    orders = list(itertools.permutations(range(2)))
    for step in range(2):
        for uuid, order in zip(ids, orders, strict=True):
            kind = order[step]
            content = written(doctl()) if kind == 0 else digitalocean(line(amount=amount))
            project.drop(f"{uuid}{'.csv' if kind else '.json'}", content.replace(b"web-01", f"web-{uuid[:4]}".encode()))
        project.build()
    rows = project.query("SELECT external_id, status FROM tax_split_totals ORDER BY external_id")
    assert [row["external_id"] for row in rows] == ids
    if amount == "$7.00":
        assert [row["status"] for row in rows] == ["held", "held"]
        reasons = project.query("SELECT hold_reasons FROM tax_split_totals")
        assert all("a new version, or another invoice?" in " ".join(row["hold_reasons"]) for row in reasons)
    else:
        assert pushed(project) == dict.fromkeys(ids, 600)
