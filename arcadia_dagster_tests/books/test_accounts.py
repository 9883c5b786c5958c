"""The most specific rule wins, and a file that cannot be right says where."""

from itertools import combinations
from pathlib import Path

import pytest

from arcadia_dagster.books.accounts import PAYABLE, PRECEDENCE, AccountRule, Accounts, Subject
from arcadia_dagster.books.accounts_file import AccountsError, read_accounts

SHOP = Subject("aws", "Amazon S3", "shop", "acme")


def test_the_rule_that_names_the_most_wins_whatever_its_place() -> None:
    rules = (
        AccountRule("expense", "all"),
        AccountRule("expense", "s3 of the shop", service="Amazon S3", project="shop"),
        AccountRule("expense", "aws", provider="aws"),
    )
    for ordered in (rules, rules[::-1]):
        winner = Accounts(ordered).rule_of("expense", SHOP)
        assert winner is not None
        assert winner.account == "s3 of the shop"


def test_of_two_rules_that_name_as_many_the_project_wins_then_service_tenant_and_provider() -> None:
    values = {"provider": "aws", "service": "Amazon S3", "project": "shop", "tenant": "acme"}
    for first, second in combinations([key for key in PRECEDENCE if key != "code"], 2):
        rules = (
            AccountRule("expense", "late", **{second: values[second]}),
            AccountRule("expense", "won", **{first: values[first]}),
        )
        winner = Accounts(rules).rule_of("expense", SHOP)
        assert winner is not None
        assert winner.account == "won"


def test_a_rule_matches_only_what_has_all_that_it_names() -> None:
    accounts = Accounts((AccountRule("expense", "x", provider="aws", tenant="other"), AccountRule("tax", "y")))
    assert accounts.rule_of("expense", SHOP) is None


def test_what_is_owed_has_an_account_without_any_rule() -> None:
    assert Accounts().payable_of("aws") == PAYABLE


def test_a_file_is_read_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text(
        'suspense = "0999"\ndue_days = 30\ndate_format = "YYYY-MM-DD"\n[[expense]]\nservice = "Droplets"\naccount = "6100"\n'
        '[[tax]]\ncode = "GST (10%)"\naccount = "1200"\ntax_type = "GST on Expenses"\n[[payable]]\naccount = "2000"\n'
    )
    assert read_accounts(path) == Accounts(
        (
            AccountRule("expense", "6100", service="Droplets"),
            AccountRule("tax", "1200", code="GST (10%)", tax_type="GST on Expenses"),
            AccountRule("payable", "2000"),
        ),
        suspense="0999",
        due_days=30,
        date_format="YYYY-MM-DD",
    )


def test_without_a_file_there_are_no_accounts_unless_a_person_has_named_it(tmp_path: Path) -> None:
    assert read_accounts(tmp_path / "none.toml") is None
    with pytest.raises(AccountsError, match="ARCADIA_ACCOUNTS names it"):
        read_accounts(tmp_path / "none.toml", must_exist=True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[expense]]\nservice = 'x'", "expense 1: account is missing"),
        ("[[expense]]\naccount = 6100", "account = 6100: expected text in quotes"),
        ("[[expense]]\nacount = '1'", "did you mean 'account'"),
        ("[[expense]]\naccount = ' 1'", "without blanks around it"),
        ("[expense]\naccount = '1'", r"expected \[\[expense\]\], in two brackets"),
        ("payabel = '1'", "did you mean 'payable'"),
        ("payable = '2000'", r"expected \[\[payable\]\]"),
        ("due_days = -1", "expected a number of days"),
        ("due_days = true", "expected a number of days"),
        ("date_format = 'D.M.Y'", "expected one of DD/MM/YYYY"),
        (
            "[[tax]]\naccount = '1'\n[[expense]]\naccount = '1'\nproject = 'p'\n[[expense]]\nproject = 'p'\naccount = '2'",
            "expense 2: it names the same as .*expense 1",
        ),
        ("[[expense]", "is not TOML"),
    ],
)
def test_a_file_that_cannot_be_right_says_what_is_expected(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text(text)
    with pytest.raises(AccountsError, match=says):
        read_accounts(path)
