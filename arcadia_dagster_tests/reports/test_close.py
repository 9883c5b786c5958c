"""The month's close: what is awaited, what is missing, and who is not expected any more."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.reports.close import EXPECTED_FOR_MONTHS, Account, accounts, close
from arcadia_dagster.warehouse.months import next_month
from arcadia_dagster_tests.kit.books import APRIL, Books, invoice
from arcadia_dagster_tests.kit.plain import build, new_warehouse
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax

DAYS = st.dates(date(2019, 1, 1), date(2030, 12, 31))
BEFORE = st.frozensets(st.integers(-2, 8), min_size=1)


def back(month: date, months: int) -> date:
    """The month so many months before; after, where it is less than 0."""
    index = month.year * 12 + month.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)


@given(
    today=DAYS,
    close_day=st.integers(1, 28),
    seen=BEFORE,
    held=st.frozensets(st.integers(-2, 8)),
    ended=st.none() | st.integers(-2, 8),
)
def test_an_account_is_missing_just_where_it_was_seen_lately_and_nobody_said_that_it_ended(
    today: date, close_day: int, seen: frozenset[int], held: frozenset[int], ended: int | None
) -> None:
    month = back(today, 1)
    account = Account(
        "s",
        "a",
        frozenset(back(month, n) for n in seen),
        frozenset(back(month, n) for n in held & seen),
        None if ended is None else back(month, ended),
    )
    found = close([account], today=today, close_day=close_day)
    assert (found.month, next_month(found.month)) == (month, today.replace(day=1))
    assert (found.is_due, found.due_on.day) == (today.day >= close_day, close_day)
    up_to = [n for n in seen if n >= 0]
    if not up_to:
        assert found.standings == ()
        return
    [standing] = found.standings
    last = min(up_to)
    assert standing.last_month == back(month, last)
    expected = {
        "complete": last == 0 and 0 not in held,
        "held": last == 0 and 0 in held,
        "ended": last > 0 and ended is not None and ended <= last,
        "missing": 0 < last <= EXPECTED_FOR_MONTHS and (ended is None or ended > last),
        "not seen lately": last > EXPECTED_FOR_MONTHS and (ended is None or ended > last),
    }
    assert [state for state, is_so in expected.items() if is_so] == [standing.state]
    assert (found.open == []) == (standing.state not in {"missing", "held"})


@given(today=DAYS, seen=BEFORE)
def test_an_account_of_which_nothing_comes_fails_for_three_months_and_never_again(
    today: date, seen: frozenset[int]
) -> None:
    account = Account("s", "a", frozenset(back(today, n) for n in seen))
    days = [next_month(max(account.months)) + timedelta(days=31 * n + 20) for n in range(10)]
    failing = [bool(close([account], today=day, close_day=5).open) for day in days]
    assert failing == [False, True, True, True, False, False, False, False, False, False]


def test_the_summary_names_account_last_month_and_day() -> None:
    seen = [Account("s", "a", frozenset({APRIL})), Account("s", "b", frozenset({date(2026, 5, 1)}))]
    late, early = (close(seen, today=date(2026, 6, day), close_day=5).summary for day in (5, 4))
    assert late == "2026-05 is not complete, it lacks: s/a (last 2026-04)"
    assert early == "2026-05 awaits until 2026-06-05: s/a (last 2026-04)"
    assert close(seen[1:], today=date(2026, 6, 5), close_day=5).summary == "2026-05 is complete: 1 account"
    assert "no account is expected" in close([], today=date(2026, 6, 5), close_day=5).summary


def test_a_void_invoice_has_arrived_a_held_one_is_not_done_and_an_end_is_lifted_by_a_later_invoice(
    project: Project,
) -> None:
    books = Books(new_warehouse(project.home))
    may = date(2026, 5, 1)
    books.hold(
        invoice(1, status="held"),
        invoice(2, account_id="88", status="held"),
        invoice(3, account_id="99"),
        invoice(4, account_id="99", invoice_month=may),
    )
    with books.warehouse.write() as connection:
        for decision, account, number in (("void", "88", "2"), ("end", "99", "3")):
            connection.execute(
                "INSERT INTO decisions BY NAME SELECT ? AS decision, 'digitalocean' AS source, ? AS account_id, ? AS external_id",
                [decision, account, number],
            )
        found = accounts(connection)
    states = {one.account.account_id: one.state for one in close(found, today=date(2026, 5, 9), close_day=5).standings}
    assert states == {"77": "held", "88": "complete", "99": "complete"}
    states = {one.account.account_id: one.state for one in close(found, today=date(2026, 7, 9), close_day=5).standings}
    assert states == {"77": "missing", "88": "missing", "99": "missing"}


def test_an_account_that_a_person_ended_stays_ended_in_a_rebuilt_warehouse(project: Project) -> None:
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.build()
    project.decide("end", reason="we left")
    project.forget_warehouse()
    build(project.warehouse)
    with project.warehouse.read() as connection:
        [account] = accounts(connection)
    assert (account.name, account.ended_after) == ("digitalocean/77", APRIL)
    assert project.invoice()["status"] == "ready"
