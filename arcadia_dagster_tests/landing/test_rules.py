"""Standing rules: read as they are written, exactly; what is wrong is said by file and line, and half a file says nothing."""

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.billing.rules import ACCOUNT_AND_MONTH, Rule, Rules, comparable_tax_id, comparable_tax_id_sql
from arcadia_dagster.decisions.decision import DecisionError, assert_is_reason
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.reasons import is_reason
from arcadia_dagster.landing.rules import (
    KEPT_IN,
    RulesError,
    assert_not_lost,
    known_rules,
    note_rules,
    parse_rules,
    read_rules,
    said,
    version_to_keep,
)
from arcadia_dagster.warehouse.relations import ruled_sql
from arcadia_dagster_tests.kit.plain import new_warehouse
from arcadia_dagster_tests.kit.properties import quickly

PATH = Path("sources.toml")
BY_MONTH = f'invoice_id = "{ACCOUNT_AND_MONTH}"\nfinal_after = "5d"\nreason = "agreed"\n'

NO_REASONS = ("...", "   ", "TODO", "todo!", "TBD.", "n/a", "-", "?", "…", "none", "xxx", "FIXME:")


@pytest.mark.parametrize("text", NO_REASONS)
def test_what_is_no_reason_in_a_file_is_none_on_the_command_line(text: str) -> None:
    with pytest.raises(
        DecisionError, match="a reason is needed, because it is kept on record: why this is so, in words"
    ):
        assert_is_reason("release", text)
    assert_is_reason("release", f"{text} agreed with Ann")


def rules_of(text: str) -> Rules:
    return parse_rules(text, PATH)


def test_a_file_is_read_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "sources.toml"
    path.write_text(
        '# what we know\n"aws/012345678901" = { tolerance = 0.05, tax_may_stand_alone = true, reason = "it rounds" }\n'
        f'[oci]\n{BY_MONTH}["oci/1"]\ntax = "not stated"\ntime_zone = "Asia/Tokyo"\nissuer = "Oracle Japan"\nreason = "theirs"\n',
        encoding="utf-8-sig",
    )
    assert read_rules(path).rules == (
        Rule("aws", "012345678901", "it rounds", tolerance=Decimal("0.05"), tax_may_stand_alone=True),
        Rule("oci", None, "agreed", invoice_id=ACCOUNT_AND_MONTH, final_after=timedelta(days=5)),
        Rule("oci", "1", "theirs", tax="not stated", time_zone="Asia/Tokyo", issuer="Oracle Japan"),
    )
    assert read_rules(tmp_path / "none.toml") == Rules()
    with pytest.raises(RulesError, match=r"none\.toml does not exist; ARCADIA_SOURCES names it"):
        read_rules(tmp_path / "none.toml", must_exist=True)


def test_an_account_s_rule_wins_over_its_source_s_key_by_key() -> None:
    rules = rules_of(f'[oci]\ntax = "not stated"\n{BY_MONTH}["oci/1"]\ntax = "expected"\nreason = "of its own"\n')
    own, other = rules.of("oci", "1"), rules.of("oci", "2")
    assert (own["tax"], own.by["tax"].reason) == ("expected", "of its own")
    assert (own["final_after"], own.by["final_after"].reason) == (timedelta(days=5), "agreed")
    assert (other["tax"], other.is_by_account_and_month) == ("not stated", True)
    assert rules.of("gcp", "1")["tax"] is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[oci", "is not TOML"),
        ("\xff", "is not TOML"),
        ("a = " + "[" * 100_000, "is not TOML"),
        ('[oci]\ntax = "not stated"\nreason = "a"\n[oci]\nreason = "b"', "each name may occur only once"),
        ('oci = "x"', "line 1: oci: 'x': expected a table"),
        ('\n[OCI]\nreason = "a"', "line 2: OCI: expected a source in small letters, such as [oci]"),
        ('["Snowflake Inc."]\nreason = "a"', "line 1: Snowflake Inc.: expected a source in small letters"),
        ('["oci/"]\nreason = "a"', "line 1: oci/: expected a source in small letters"),
        ('[oci]\ntax = "not stated"', "line 1: oci: reason is missing"),
        ('[oci]\nreason = "a"', "line 1: oci: it says nothing but its reason; expected invoice_id"),
        ('[oci]\nreason = " "\ntax = "not stated"', "line 2: oci: reason = ' ': expected why this is so, in words"),
        ('[aws]\n\ntaxes = "no"\nreason = "a"', "line 3: aws: taxes: there is no such key; expected invoice_id, final_after"),
        ('[aws]\n"oci/1" = { tax = "expected", reason = "a" }', "line 2: aws: oci/1: there is no such key; put this"),
        ('[aws]\ntax = "none"\nreason = "a"', "line 2: aws: tax = 'none': expected \"not stated\" or \"expected\""),
        ('[aws]\ntolerance = "0.05"\nreason = "a"', "line 2: aws: tolerance = '0.05': expected an amount in major units"),
        ('[aws]\ntolerance = 0\nreason = "a"', "line 2: aws: tolerance = 0: expected an amount"),
        ('[aws]\ntolerance = -1\nreason = "a"', "line 2: aws: tolerance = -1: expected an amount"),
        ('[aws]\ntolerance = nan\nreason = "a"', "line 2: aws: tolerance = NaN: expected an amount"),
        ('[aws]\ntolerance = 1e9\nreason = "a"', "line 2: aws: tolerance = 1E+9: expected an amount"),
        ('[aws]\ntolerance = 0.00001\nreason = "a"', "line 2: aws: tolerance = 0.00001: expected an amount"),
        ('[aws]\ntolerance = true\nreason = "a"', "line 2: aws: tolerance = true: expected an amount"),
        ('[aws]\ntax_may_stand_alone = "yes"\nreason = "a"', "line 2: aws: tax_may_stand_alone = 'yes': expected true or false"),
        ('[aws]\nonly_stated = true\nreason = "a"', 'line 2: aws: only_stated = true: expected "push" or "hold"'),
        ('[aws]\nonly_stated = "Push"\nreason = "a"', "did you mean 'push'?"),
        ('[aws]\nrows_are_not_invoices_to_us = 1\nreason = "a"', "expected true or false, without quotes"),
        ('[aws]\ntime_zone = "Mars/Base"\nreason = "a"', "line 2: aws: time_zone = 'Mars/Base': expected a time zone"),
        ('[aws]\ntime_zone = "../etc/passwd"\nreason = "a"', "expected a time zone of the IANA database"),
        ('[aws]\nissuer = ""\nreason = "a"', "line 2: aws: issuer = '': expected the vendor's name"),
        ('[aws]\ninvoice_id = 1\nreason = "a"', "line 2: aws: invoice_id = 1: expected the column that has the invoice's id"),
        (f'[oci]\ninvoice_id = "{ACCOUNT_AND_MONTH}"\nreason = "a"', "line 2: oci: final_after is missing"),
        ('[oci]\nfinal_after = "5d"\nreason = "a"', "line 2: oci: final_after: it is for invoices by account and month"),
        (f'[oci]\n{BY_MONTH.replace("5d", "5 days")}', "line 3: oci: final_after = '5 days': expected days or hours"),
        (f'[oci]\n{BY_MONTH.replace("5d", "401d")}', "expected days or hours after the end of the month"),
        ('[aws]\ntax = "not staetd"\nreason = "a"', "expected \"not stated\" or \"expected\"; did you mean 'not stated'?"),
        ('[aws]\ntax = "Not stated"\nreason = "a"', "did you mean 'not stated'?"),
        ('[aws]\ntolerence = 0.05\nreason = "a"', "line 2: aws: tolerence: there is no such key; expected invoice_id"),
        ('[aws]\ntolerence = 0.05\nreason = "a"', "did you mean 'tolerance'?"),
        ('[oci]\ninvoice_id = "acount and month"\nfinal_after = "5d"\nreason = "a"', "did you mean 'account and month'?"),
        ('[oci]\ninvoice_id = "Account and Month"\nfinal_after = "5d"\nreason = "a"', "did you mean 'account and month'?"),
        ('[aws]\ntime_zone = "europe/berlin"\nreason = "a"', "did you mean 'Europe/Berlin'?"),
        *((f'[aws]\ntax = "expected"\nreason = "{none}"', "line 3: aws: reason = ") for none in NO_REASONS if none.isascii()),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_by_file_line_and_key_and_what_is_allowed(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "sources.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(RulesError) as failure:
        read_rules(path)
    assert str(failure.value).startswith(str(path))
    assert message in str(failure.value)


def test_a_file_that_cannot_be_read_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="cannot be read"):
        read_rules(tmp_path)


TEXTS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=30)
SPANS = st.one_of(
    st.integers(0, 400).map(lambda days: timedelta(days=days)), st.integers(0, 9000).map(lambda h: timedelta(hours=h))
)


@st.composite
def rule_sets(draw: st.DrawFn) -> Rules:
    names = draw(
        st.sets(
            st.tuples(st.sampled_from(["aws", "oci", "snowflake", "alpha-2"]), st.one_of(st.none(), TEXTS)),
            min_size=1,
            max_size=6,
        )
    )
    found = []
    for source, account in sorted(names, key=str):
        is_by_month = draw(st.booleans())
        found.append(
            Rule(
                source,
                account,
                draw(TEXTS.filter(is_reason)),
                invoice_id=ACCOUNT_AND_MONTH if is_by_month else draw(st.one_of(st.none(), st.just("x_InvoiceId"))),
                final_after=draw(SPANS) if is_by_month else None,
                tax=draw(st.sampled_from([None, "not stated", "expected"])),
                rows_are_not_invoices_to_us=draw(st.sampled_from([None, True, False])),
                issuer=draw(st.one_of(st.none(), TEXTS)),
                time_zone=draw(st.sampled_from([None, "Europe/Berlin", "UTC"])),
                tolerance=draw(st.one_of(st.none(), st.decimals("0.0001", "100", places=4))),
                tax_may_stand_alone=draw(st.sampled_from([None, True])),
                only_stated=draw(st.sampled_from([None, "push", "hold"])),
                open_period=draw(st.sampled_from([None, "push", "hold"])),
            )
        )
    return Rules(tuple(found))


def written(rules: Rules) -> str:
    """The rules as a person writes them."""
    return "".join(
        f"[{json.dumps(rule.name, ensure_ascii=False)}]\nreason = {json.dumps(rule.reason, ensure_ascii=False)}\n"
        + "".join(f"{key} = {value}\n" for key, value in said(rule).items())
        for rule in rules.rules
        if said(rule)
    )


@given(rules=rule_sets())
@quickly(60)
def test_rules_are_the_same_read_from_their_file_and_from_the_warehouse(
    tmp_path_factory: pytest.TempPathFactory, rules: Rules
) -> None:
    saying = Rules(tuple(rule for rule in rules.rules if said(rule)))
    assert rules_of(written(rules)) == saying
    warehouse = new_warehouse(tmp_path_factory.mktemp("rules"))
    with warehouse.write() as connection:
        note_rules(connection, saying)
        assert known_rules(connection) == saying
        # SQL decides as Python does.
        accounts = sorted(
            {(rule.source, account) for rule in saying.rules for account in (rule.account_id or "other", "9")}
        )
        for source, account in accounts:
            row = connection.execute(
                f"SELECT tax, tolerance, issuer, tax_reason FROM ({ruled_sql('(SELECT ? AS source, ? AS account_id)')})",
                [source, account],
            ).fetchone()
            ruling = saying.of(source, account)
            by = ruling.by.get("tax")
            assert row == (ruling["tax"], ruling["tolerance"], ruling["issuer"], by and by.reason)


def archive_in(folder: Path) -> Archive:
    return Archive(folder, max_document_bytes=1 << 20)


def keep(archive: Archive, rules: Rules) -> None:
    if (version := version_to_keep(archive, rules)) is not None:
        archive.keep(KEPT_IN, *version)


def test_each_version_of_the_file_is_kept_in_the_archive_once(tmp_path: Path) -> None:
    first, second = f"[oci]\n{BY_MONTH}", f"# a remark\n[oci]\n{BY_MONTH}"
    for text in (first, first, second, first):
        keep(archive_in(tmp_path), rules_of(text))
    kept = sorted((tmp_path / "sources").iterdir())
    assert [path.read_text() for path in kept] == [first, second, first]
    assert [path.name[:7] for path in kept] == ["000001-", "000002-", "000003-"]


def test_a_file_that_is_gone_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "sources.toml"
    assert_not_lost(archive_in(tmp_path), path, read_rules(path))
    keep(archive_in(tmp_path), rules_of(f"[oci]\n{BY_MONTH}"))
    with pytest.raises(RulesError, match=r"is gone, but it had rules: bring it back \(cp .*000001-.*toml"):
        assert_not_lost(archive_in(tmp_path), path, read_rules(path))
    path.write_text("")
    assert_not_lost(archive_in(tmp_path), path, read_rules(path))
    keep(archive_in(tmp_path), read_rules(path))
    path.unlink()
    assert_not_lost(archive_in(tmp_path), path, read_rules(path))


def test_who_we_are_stands_above_all_tables_and_is_kept_with_the_rules(tmp_path: Path) -> None:
    text = 'buyer_tax_ids = ["de 123.456.789", "CHE-123.456.789 MWST", "DE123456789"]\n[oci]\ntax = "expected"\nreason = "so"\n'
    rules = rules_of(text)
    assert rules.buyer_tax_ids == ("CHE123456789", "DE123456789")
    assert rules != rules_of(text.partition("\n")[2])
    warehouse = new_warehouse(tmp_path)
    with warehouse.write() as connection:
        note_rules(connection, rules)
        assert known_rules(connection) == rules
        told = connection.execute(
            f"SELECT {comparable_tax_id_sql('x')} FROM (VALUES ('CHE-1 MWST'), ('at U_1é²')) AS t (x)"
        )
        assert [one for (one,) in told.fetchall()] == [comparable_tax_id(text) for text in ("CHE-1 MWST", "at U_1é²")]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('buyer_tax_ids = "DE1"', "line 1: buyer_tax_ids: 'DE1': expected our tax ids, in quotes and brackets"),
        ("buyer_tax_ids = []", "line 1: buyer_tax_ids: "),
        ('buyer_tax_ids = ["us"]', "line 1: buyer_tax_ids: "),
        ("buyer_tax_ids = [1]", "line 1: buyer_tax_ids: "),
        (
            '[aws]\nbuyer_tax_ids = ["DE1"]\nreason = "so"',
            "line 2: aws: buyer_tax_ids: there is no such key; put this line at the top of the file, above every [...]",
        ),
    ],
)
def test_tax_ids_that_are_none_and_ids_in_a_table_are_named_with_their_line(text: str, line: str) -> None:
    with pytest.raises(RulesError) as raised:
        rules_of(text)
    assert line in str(raised.value)


def test_a_file_that_says_only_who_we_are_is_missed_when_it_is_gone(tmp_path: Path) -> None:
    keep(archive_in(tmp_path), rules_of('buyer_tax_ids = ["DE1"]\n'))
    with pytest.raises(RulesError, match="is gone, but it had rules"):
        assert_not_lost(archive_in(tmp_path), PATH, Rules())
