"""Invoices by account and month, of which only a part has come when their month is over."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

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
ORACLE = {"InvoiceIssuerName": "Oracle", "ProviderName": "Oracle"}


class Trial(NamedTuple):
    """What is delivered of an account's April, by path, and what holds it; its amount in minor units."""

    files: Mapping[str, bytes]
    holds: str | None
    gross: int


def at(day: int) -> str:
    return f"2026-{4 + (day - 1) // 30:02}-{(day - 1) % 30 + 1:02}T00:00:00Z"


def days(account: str, *of: int, hours: int = 24, **values: str | None) -> bytes:
    """A charge of a dollar for one resource on each of these days of April; 31 is the first of May."""
    return as_csv(
        *(
            charge(
                **{
                    "BilledCost": "1.00",
                    "BillingAccountId": account,
                    "ChargePeriodStart": at(day),
                    "ChargePeriodEnd": at(day + 1) if hours == 24 else at(day).replace("T00", f"T{hours:02}"),
                    "InvoiceId": None,
                    **values,
                }
            )
            for day in of
        )
    )


def oracle(account: str, *folders: int, hours: int = 24) -> dict[str, bytes]:
    """A folder for each of these days, as they lie in Oracle's bucket."""
    return {
        f"{account}/FOCUS Reports/{at(day)[:10].replace('-', '/')}/00{day}-00001.csv": days(
            account, day, hours=hours, BillingPeriodStart=at(day)[:8] + "01T00:00:00Z", **ORACLE
        )
        for day in folders
    }


def aws(account: str, path: str, of: Iterable[int]) -> dict[str, bytes]:
    return {path.format(account): days(account, *of)}


TRIALS = {
    "the last days": Trial(oracle("601", 27, 28, 29, 30), None, 400),
    "the first day": Trial(oracle("602", 1), f"{MISSING}2026-04-02 to 2026-04-30 have not come", 100),
    "a day of all": Trial(oracle("603", 27, 28, 30), f"{MISSING}2026-04-29 have not come", 300),
    "a quiet end, and the next month": Trial(oracle("604", 9, 10, 31), None, 200),
    "some days have no charge": Trial(oracle("605", 3, 9, 20, 30, hours=8), None, 400),
    "lines of April among those of May": Trial(
        oracle("606", 29, 30) | {"606/FOCUS Reports/2026/05/01/x.csv": days("606", 30, hours=3, **ORACLE)}, None, 300
    ),
    "an export of the 15th": Trial(aws("611", "{}/2026-04-15.csv", range(1, 16)), SO_FAR, 1500),
    "a run of the 15th": Trial(aws("612", "{}/20260401-20260430/202604151200/part_0.csv", range(1, 15)), SO_FAR, 1400),
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
