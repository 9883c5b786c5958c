"""Invoices by account and month, of which only a part has come when their month is over."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.focus import as_csv, charge
from arcadia_dagster_tests.kit.project import Project
from arcadia_dagster_tests.kit.sandboxes import empty_sandbox

RULES = """
[oci]
invoice_id = "account and month"
final_after = "5d"
tax = "not stated"
reason = "Oracle states no ids"

[aws]
invoice_id = "account and month"
final_after = "5d"
reason = "FOCUS 1.0 has none"
"""
MISSING = "its reports come in a folder for each day, and those of "
SO_FAR = ": the month so far?"
ORACLE: dict[str, Any] = {"InvoiceIssuerName": "Oracle", "ProviderName": "Oracle"}


class Trial(NamedTuple):
    """What is delivered of an account's April, by path, and what holds it; its amount in minor units."""

    files: Mapping[str, bytes]
    holds: str | None
    gross: int


def at(day: int, hour: int = 0) -> str:
    return (datetime(2026, 4, 1, hour, tzinfo=UTC) + timedelta(days=day - 1)).isoformat().replace("+00:00", "Z")


def days(account: str, *of: int, begins: int = 0, hours: int = 24, **values: Any) -> bytes:
    """A charge of a dollar for one resource on each of these days of April; 31 is the first of May, and 0 the last of March."""
    return as_csv(
        *(
            charge(
                **{
                    "BilledCost": "1.00",
                    "BillingAccountId": account,
                    "ChargePeriodStart": at(day, begins),
                    "ChargePeriodEnd": at(day + 1) if hours == 24 else at(day, begins + hours),
                    "InvoiceId": None,
                    **values,
                }
            )
            for day in of
        )
    )


def oracle(account: str, *folders: int, number: int = 1, begins: int = 0, hours: int = 24) -> dict[str, bytes]:
    """A folder for each of these days, as they lie in Oracle's bucket, with a file of this number."""
    return {
        f"{account}/FOCUS Reports/{at(day)[:10].replace('-', '/')}/00{day}-0000{number}.csv": days(
            account,
            day,
            begins=begins,
            hours=hours,
            ResourceId=f"vm-{number}",
            BillingPeriodStart=at(day)[:8] + "01T00:00:00Z",
            **ORACLE,
        )
        for day in folders
    }


def aws(account: str, path: str, of: Iterable[int]) -> dict[str, bytes]:
    return {path.format(account): days(account, *of)}


TRIALS = {
    "the last days": Trial(oracle("601", 27, 28, 29, 30), f"{MISSING}2026-04-01 to 2026-04-26 have not come", 400),
    "an account that begins in the month": Trial(oracle("607", *range(27, 31), hours=3, begins=9), None, 400),
    "the first days, after a whole month": Trial(
        oracle("608", *range(-2, 1), *range(4, 31)), f"{MISSING}2026-04-01 to 2026-04-03 have not come", 2700
    ),
    "a file less than on other days": Trial(
        oracle("609", *range(1, 31)) | oracle("609", *range(1, 12), *range(13, 31), number=2),
        "2026-04-12 has fewer files than most, and no charge for vm-2",
        5900,
    ),
    "a server that stood still for a day": Trial(
        oracle("610", *range(1, 31)) | oracle("610", *range(1, 12), *range(13, 31), number=2, hours=23), None, 5900
    ),
    "the first day": Trial(oracle("602", 1), f"{MISSING}2026-04-02 to 2026-04-30 have not come", 100),
    "a day of all": Trial(oracle("603", 1, 2, 3, 5, 31), f"{MISSING}2026-04-04 have not come", 400),
    "a quiet end, and the next month": Trial(oracle("604", 1, 2, 3, 31), None, 300),
    "some days have no charge": Trial(oracle("605", 1, 3, 9, 20, 30, hours=8), None, 500),
    "lines of April among those of May": Trial(
        oracle("606", *range(1, 31)) | {"606/FOCUS Reports/2026/05/01/x.csv": days("606", 30, hours=3, **ORACLE)},
        None,
        3100,
    ),
    "an export of the 15th": Trial(aws("611", "{}/2026-04-15.csv", range(1, 16)), SO_FAR, 1500),
    "a run of the 15th": Trial(aws("612", "{}/20260401-20260430/202604151200/part_0.csv", range(1, 15)), SO_FAR, 1400),
    "a day with its month's name": Trial(aws("616", "{}/AWS 15-Apr-2026.csv", range(1, 16)), SO_FAR, 1500),
    "a day before its month": Trial(aws("617", "{}/focus 15-04-2026.csv", range(1, 16)), SO_FAR, 1500),
    "folders of year, month and day": Trial(aws("618", "{}/year=2026/month=4/day=9/f.csv", range(1, 9)), SO_FAR, 800),
    "an export of the last day": Trial(aws("619", "{}/2026-04-30.csv", range(1, 30)), SO_FAR, 2900),
    "a name with the month's last day": Trial(aws("620", "{}/2026-04-30.csv", range(1, 31)), None, 3000),
    "a name with the month's first day": Trial(aws("613", "{}/focus 2026-04-01.csv", range(1, 31)), None, 3000),
    "a quiet month": Trial(aws("614", "{}/2026-05-06/focus.csv", range(1, 9)), None, 800),
    "a quiet month without a date": Trial(aws("615", "{}/focus.csv", range(1, 9)), None, 800),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with empty_sandbox() as sandbox:
        project = Project(tmp_path_factory.mktemp("world") / "home", sandbox=sandbox)
        (project.home / "sources.toml").write_text(RULES, encoding="utf-8")
        for trial in TRIALS.values():
            for path, content in trial.files.items():
                project.drop(path, content)
        project.build()
        yield project


@case("191")
@case("192")
@pytest.mark.parametrize("which", TRIALS)
def test_a_month_of_which_some_days_have_not_come_is_not_pushed(world: Project, which: str) -> None:
    trial = TRIALS[which]
    [path, *_] = trial.files
    external_id = f"{path.partition('/')[0]}-2026-04"
    invoice = world.invoice(external_id)
    assert invoice["amount_gross_minor"] == trial.gross
    reasons = " ".join(invoice["hold_reasons"])
    assert (trial.holds or "") in reasons
    assert bool(reasons) is (trial.holds is not None), reasons
    assert world.sandbox is not None
    finance = {row["external_id"]: row["amount_gross_minor"] for row in world.sandbox.invoices()}
    assert finance.get(external_id) == (None if trial.holds else trial.gross)
