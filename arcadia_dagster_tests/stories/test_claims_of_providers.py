"""What every provider in the catalogue brings, each from a server that answers as its public documentation says."""

import json
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path

import pytest

from arcadia_dagster.providers.catalogue import CATALOGUE
from arcadia_dagster.providers.download import Fetched
from arcadia_dagster_tests.kit.fetching import NOW, FetchingHome, failing
from arcadia_dagster_tests.kit.provider_api import PDF, Case
from arcadia_dagster_tests.kit.provider_cases import (
    APRIL,
    CASES,
    each_provider,
    each_with_papers,
    served,
)
from arcadia_dagster_tests.kit.provider_cases import CaseHome as Home
from arcadia_dagster_tests.kit.scripted_server import answer

LATER = NOW + timedelta(days=1)


@pytest.fixture
def home(tmp_path: Path, case: Case) -> Home:
    return Home(tmp_path, case)


def test_the_claims_are_made_for_every_provider_of_the_catalogue() -> None:
    assert [case.provider.name for case in CASES] == [provider.name for provider in CATALOGUE]


# What arrives


@each_provider
def test_an_invoice_is_fetched_once_and_read_by_its_format(home: Home, case: Case) -> None:
    with served(case) as api:
        first = home.fetch(api)
        assert len(home.invoices()) == 1
        assert home.names()[0].startswith(f"{case.provider.name}-")
        assert set(first.files) == set(home.names())
        assert (first.known, first.left) == (0, {})
        assert home.fetch(api, now=LATER) == Fetched(known=1)
        home.land()
        for path in home.inbox.iterdir():
            path.unlink()
        assert home.fetch(api, now=LATER) == Fetched(known=1), "also once the inbox is empty"
    assert home.rows("SELECT format, status FROM documents WHERE format <> 'evidence'") == [(case.format, "accepted")]
    assert home.rows("SELECT source, amount_gross FROM stated_invoices") == [(case.provider.name, 119)]


@each_provider
def test_the_same_invoice_is_the_same_bytes_for_a_warehouse_that_is_rebuilt(home: Home, case: Case) -> None:
    contents = []
    for now in (NOW, LATER):
        with served(case) as api:
            home.fetch(api, now=now)
        [name] = home.invoices()
        contents.append((home.inbox / name).read_bytes())
        for path in home.inbox.iterdir():
            path.unlink()
    assert contents[0] == contents[1]


@each_provider
def test_every_page_is_read(home: Home, case: Case) -> None:
    entries = [case.entry(number, APRIL, "119.00") for number in range(1, 8)]
    with served(case, *entries) as api:
        api.most = 3
        fetched = home.fetch(api)
    assert len(home.invoices()) == 7
    assert fetched.left == {}


def test_a_changed_total_is_a_later_version_and_so_is_one_that_is_changed_back(tmp_path: Path) -> None:
    # All providers at once, for a landing takes as long for one document as for six.
    home = FetchingHome(tmp_path)
    first = {case.provider.name: case.entry(1, APRIL, "119.00") for case in CASES}
    with ExitStack() as stack:
        apis = {case.provider.name: stack.enter_context(served(case, first[case.provider.name])) for case in CASES}
        for number, total in enumerate(("119.00", "238.00", "119.00")):
            for case in CASES:
                name, api = case.provider.name, apis[case.provider.name]
                api.entries[0] = first[name] if number == 0 else case.changed(api.entries[0], total)
                account = case.provider.open(case.settings(api.url), home.pace)
                now = NOW + timedelta(hours=number)
                assert home.fetch_from(account, name, now=now, months=[APRIL]).known == 0
            home.land()
    rows = home.rows(
        "SELECT source, list(CAST(amount_gross AS INTEGER) ORDER BY received_at) FROM stated_invoices "
        "JOIN documents USING (document_sha256) GROUP BY source"
    )
    assert dict(rows) == {name: [119, 238, 119] for name in first}


@each_provider
def test_only_the_months_asked_for_are_fetched(home: Home, case: Case) -> None:
    entries = [case.entry(1, date(2025, 11, 1), "119.00"), case.entry(2, APRIL, "119.00")]
    with served(case, *entries) as api:
        home.fetch(api, months=[APRIL])
        assert len(home.invoices()) == 1
        older = home.fetch(api, months=[date(2025, 11, 1)], first_month=date(2026, 1, 1))
    assert len(home.invoices()) == 1
    assert older.files == []


@each_provider
def test_an_entry_that_cannot_be_right_is_left_and_the_others_go_on(home: Home, case: Case) -> None:
    for wrong in case.wrong:
        entry = {**case.entry(1, APRIL, "119.00"), **wrong}
        with served(case, entry, case.entry(2, APRIL, "119.00")) as api:
            fetched = home.fetch(api)
        assert len(home.invoices()) == 1
        assert len(fetched.left) == 1, wrong
        for path in home.inbox.iterdir():
            path.unlink()


# Papers


@each_with_papers
def test_the_pdf_lies_beside_its_invoice_and_is_its_evidence(home: Home, case: Case) -> None:
    with served(case) as api:
        fetched = home.fetch(api)
    [document] = home.invoices()
    paper = document.replace(".json", ".pdf")
    assert fetched.files == [document, paper]
    assert (home.inbox / paper).read_bytes() == PDF
    home.land()
    assert home.rows("SELECT source, basis FROM invoice_evidence") == [(case.provider.name, "file name")]


@each_with_papers
def test_a_pdf_that_cannot_be_had_stops_no_document_and_is_fetched_later(home: Home, case: Case) -> None:
    for step in (answer(500), answer(404), answer(200, b"<html>please log in</html>")):
        with served(case, before=failing(case.paper, step=step)) as api:
            fetched = home.fetch(api)
            assert [name.rpartition(".")[2] for name in fetched.files] == ["json"]
            assert len(fetched.left) == 1
            api.before = lambda _: None
            again = home.fetch(api)
        assert [name.rpartition(".")[2] for name in again.files] == ["pdf"]
        assert again.left == {}
        for path in home.inbox.iterdir():
            path.unlink()


@each_with_papers
def test_a_pdf_that_is_never_there_is_asked_for_two_weeks_and_then_by_name_only(home: Home, case: Case) -> None:
    with served(case, before=failing(case.paper, step=answer(404))) as api:
        home.fetch(api)
        home.arrived_at(NOW)
        # Old invoices are read by name only.
        for days, months, is_asked in ((14, [APRIL], True), (15, None, False), (15, [APRIL], True)):
            before = len([path for path in api.paths if case.paper in path])
            home.fetch(api, now=NOW + timedelta(days=days), months=months)
            assert (len([path for path in api.paths if case.paper in path]) > before) == is_asked


@each_with_papers
def test_where_pdfs_are_refused_only_one_is_asked_for(home: Home, case: Case) -> None:
    entries = [case.entry(number, APRIL, "119.00") for number in (1, 2, 3)]
    with served(case, *entries, before=failing(case.paper, step=answer(429, Retry_After=3000))) as api:
        fetched = home.fetch(api)
        asked = [request for request in api.requests if case.paper in request.path]
    assert len(home.invoices()) == 3
    assert list(fetched.left) == ["PDFs of invoices"]
    assert len(asked) == 1


# What lies in the inbox


@each_provider
def test_what_a_crash_left_is_no_version_that_has_arrived(home: Home, case: Case) -> None:
    with served(case) as api:
        files = home.fetch(api).files
        for name in files:
            (home.inbox / name).rename(home.inbox / f"{name}.part")
        again = home.fetch(api, months=None)
    assert set(files) <= set(again.files)
    assert not [name for name in home.names() if name.endswith(".part")]


@each_provider
def test_a_file_is_complete_at_once_and_the_documents_are_canonical(home: Home, case: Case) -> None:
    with served(case) as api:
        home.fetch(api)
    [name] = home.invoices()
    content = (home.inbox / name).read_bytes()
    document = json.loads(content)
    again = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert content.decode() == f"{again}\n"
    status = (home.inbox / name).stat()
    assert status.st_ctime_ns >= status.st_mtime_ns
