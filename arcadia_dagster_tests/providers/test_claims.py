"""What every provider in the catalogue keeps, each against a server that answers as its public documentation says."""

import json
import logging
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster.providers.catalogue import CATALOGUE
from arcadia_dagster.providers.download import Fetched
from arcadia_dagster.providers.errors import ConfigurationFailure, ProviderError, TransientFailure
from arcadia_dagster_tests.kit.aws_invoicing_api import AWS
from arcadia_dagster_tests.kit.azure_billing_api import AZURE
from arcadia_dagster_tests.kit.digitalocean_api import DIGITALOCEAN
from arcadia_dagster_tests.kit.fetching import NOW, FetchingHome, failing
from arcadia_dagster_tests.kit.linode_api import LINODE
from arcadia_dagster_tests.kit.ovhcloud_api import OVHCLOUD
from arcadia_dagster_tests.kit.provider_api import PDF, Case, ProviderApi
from arcadia_dagster_tests.kit.scaleway_api import SCALEWAY
from arcadia_dagster_tests.kit.scripted_server import Request, ScriptedServer, Step, answer, hang_up, head, raw

CASES = (DIGITALOCEAN, LINODE, SCALEWAY, OVHCLOUD, AWS, AZURE)
each_provider = pytest.mark.parametrize("case", CASES, ids=lambda case: case.provider.name)
each_with_papers = pytest.mark.parametrize(
    "case", [case for case in CASES if case.paper], ids=lambda case: case.provider.name
)
each_that_asks_for_one = pytest.mark.parametrize(
    "case", [case for case in CASES if case.whole], ids=lambda case: case.provider.name
)

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
LATER = NOW + timedelta(days=1)
IN_ORDER = "SELECT amount_gross FROM stated_invoices JOIN documents USING (document_sha256) ORDER BY received_at"


class Home(FetchingHome):
    """A home that is fetched into from one provider, its inventory left out."""

    def __init__(self, folder: Path, case: Case) -> None:
        super().__init__(folder)
        self.case = case

    def fetch(self, api: ProviderApi, **options: Any) -> Fetched:
        account = self.case.provider.open(self.case.settings(api.url), self.pace)
        options = {"months": [MARCH, APRIL], **options}
        return self.fetch_from(account, self.case.provider.name, **options)

    def invoices(self) -> list[str]:
        """The names of the documents of invoices in the inbox."""
        return [name for name in self.names() if name.endswith(".json")]


@pytest.fixture
def home(tmp_path: Path, case: Case) -> Home:
    return Home(tmp_path, case)


def served(case: Case, *entries: dict[str, Any], before: Callable[[Request], Step | None] | None = None) -> ProviderApi:
    """The provider's server with these invoices; without any, with one of April."""
    api = case.api()
    api.entries.extend(entries or (case.entry(1, APRIL, "119.00"),))
    api.before = before or api.before
    return api


def once(step: Step, *paths: str) -> Callable[[Request], Step | None]:
    """Does this to the first request with one of these in its address."""
    left = [step]
    return lambda request: left.pop() if left and any(path in request.path for path in paths) else None


def addresses(case: Case) -> list[str]:
    """What the addresses of the list and of one invoice have in them."""
    return [case.lists, *([case.one(1)] if case.whole else [])]


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


@each_provider
def test_a_changed_total_is_a_later_version_and_so_is_one_that_is_changed_back(home: Home, case: Case) -> None:
    entry = case.entry(1, APRIL, "119.00")
    with served(case, entry) as api:
        for number, total in enumerate(("119.00", "238.00", "119.00")):
            api.entries[0] = entry if number == 0 else case.changed(api.entries[0], total)
            fetched = home.fetch(api, now=NOW + timedelta(hours=number))
            assert fetched.known == 0
            home.land()
    assert home.invoices() == sorted(home.invoices())
    assert [int(gross) for (gross,) in home.rows(IN_ORDER)] == [119, 238, 119]


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


# Answers that are not whole


@each_provider
@pytest.mark.parametrize(
    "step",
    [hang_up, raw(head(200, Content_Length=500) + b'{"data"'), answer(500), answer(503, Retry_After=7)],
    ids=["dropped", "half an answer", "500", "503"],
)
def test_a_failure_that_passes_is_tried_again(home: Home, case: Case, step: Step) -> None:
    for address in addresses(case):
        with served(case, before=once(step, address)) as api:
            fetched = home.fetch(api)
        assert len(home.invoices()) == 1
        assert fetched.left == {}
        for path in home.inbox.iterdir():
            path.unlink()


@each_that_asks_for_one
@pytest.mark.parametrize(
    "step",
    [answer(500), answer(404), answer(200, b'{"half": ['), answer(200, b"<html>"), answer(200, b"[" * 100_000)],
    ids=["500", "404", "half JSON", "HTML", "nested"],
)
def test_an_invoice_that_cannot_be_had_whole_is_left_and_the_others_go_on(home: Home, case: Case, step: Step) -> None:
    entries = [case.entry(1, MARCH, "119.00"), case.entry(2, APRIL, "119.00")]
    with served(case, *entries, before=failing(case.one(1), step=step)) as api:
        fetched = home.fetch(api)
        assert len(fetched.left) == 1
        assert len(home.invoices()) == 1, "nothing of it was kept"
        api.before = lambda _: None
        again = home.fetch(api)
    assert len(home.invoices()) == 2
    assert (again.known, again.left) == (1, {})


@each_provider
@pytest.mark.parametrize(
    "body", [b"", b"<html>down for maintenance</html>", b'"text"', b'{"a": NaN}', b"\xff\xfe{\x00"]
)
def test_a_list_of_another_shape_fetches_nothing(home: Home, case: Case, body: bytes) -> None:
    with served(case, before=failing(case.lists, step=answer(200, body))) as api, pytest.raises(ProviderError):
        home.fetch(api)
    assert home.names() == []


@each_provider
def test_a_list_that_stays_away_fetches_nothing(home: Home, case: Case) -> None:
    with served(case, before=failing(case.lists, step=answer(500))) as api, pytest.raises(TransientFailure):
        home.fetch(api)
    assert home.names() == []
    assert home.sleeper.pauses == [1.0, 2.0, 5.0]


# Limits and rights


@each_that_asks_for_one
def test_the_provider_is_left_alone_as_long_as_it_asks(home: Home, case: Case) -> None:
    with served(case, before=once(answer(429, Retry_After=37), case.one(1))) as api:
        assert home.fetch(api).left == {}
    assert sum(home.sleeper.pauses) == pytest.approx(37)


@each_that_asks_for_one
def test_whoever_asks_to_be_left_alone_for_long_is_asked_nothing_more(home: Home, case: Case) -> None:
    entries = [case.entry(number, month, "119.00") for number, month in ((1, MARCH), (2, APRIL))]
    with served(case, *entries, before=failing(case.one(1), step=answer(429, Retry_After=3000))) as api:
        fetched = home.fetch(api)
    assert home.names() == []
    assert "fetch again later" in str(fetched.left)
    assert case.one(1).rstrip("?") in api.requests[-1].path


@each_provider
@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_stop_at_once_and_name_their_setting(home: Home, case: Case, status: int) -> None:
    variables = [case.provider.settings.variable(name) for name in case.provider.settings.needed]
    with (
        served(case, before=failing(case.lists, step=answer(status, {"message": "no"}))) as api,
        pytest.raises(ConfigurationFailure) as refused,
    ):
        home.fetch(api)
    assert any(variable in str(refused.value) for variable in variables)
    assert home.sleeper.pauses == []
    assert home.names() == []


@each_provider
def test_the_doctor_tells_each_right_apart(home: Home, case: Case) -> None:
    with served(case) as api:
        account = case.provider.open(case.settings(api.url), home.pace)
        with account:
            assert all(right.try_it() for right in account.rights())
            names = [right.what for right in account.rights()]
            api.before = failing(case.lists, step=answer(403))
            invoices = next(right for right in account.rights() if right.what == "invoices")
            with pytest.raises(ConfigurationFailure):
                invoices.try_it()
    assert names[0] == "invoices"
    assert len(set(names)) == len(names)


# Settings and secrets


@each_provider
def test_nothing_is_sent_where_others_could_read_it(home: Home, case: Case) -> None:
    for url in ("http://api.example.com", "http://10.0.0.1", "https://x.example?y=z"):
        with pytest.raises(ConfigurationFailure, match="|".join((case.url, *case.other_urls))):
            case.provider.open(case.settings(url), home.pace)


@each_provider
def test_each_setting_that_is_needed_and_missing_is_named(case: Case) -> None:
    needed = [case.provider.settings.variable(name) for name in case.provider.settings.needed]
    assert not case.provider.settings.model_validate({}).is_wanted
    assert case.settings("http://127.0.0.1:1").is_wanted
    for variable in needed[1:]:
        with pytest.raises(ConfigurationFailure, match=variable):
            case.settings("http://127.0.0.1:1", **{variable: ""}).assert_complete()


@each_provider
def test_a_secret_that_cannot_be_one_is_refused_without_being_shown(home: Home, case: Case) -> None:
    secrets = [variable for variable, value in case.environ.items() if value in case.secrets]
    for variable in secrets:
        for wrong in ("two words", "line\nbreak", "ümlaut"):
            with pytest.raises(ConfigurationFailure) as refused:
                case.provider.open(case.settings("http://127.0.0.1:1", **{variable: wrong}), home.pace)
            assert variable in str(refused.value)
            assert wrong not in str(refused.value)


@each_provider
def test_no_redirect_is_followed(home: Home, case: Case) -> None:
    with ScriptedServer(hang_up) as elsewhere:
        step = answer(302, Location=f"{elsewhere.url}/")
        with served(case, before=failing(case.lists, step=step)) as api, pytest.raises(ConfigurationFailure) as refused:
            home.fetch(api)
    assert case.url in str(refused.value)
    assert elsewhere.requests == []


@each_provider
def test_the_secrets_are_seen_nowhere(home: Home, case: Case, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    words = " ".join(case.secrets)
    told = []
    for status in (302, 401, 403, 404, 429, 500):
        repeating = answer(
            status, {"message": f"you sent {words}"}, X_Sent=words, Location=f"https://x.example/{words}"
        )
        for address in addresses(case):
            with served(case, before=failing(address, step=repeating)) as api:
                try:
                    told.append(str(home.fetch(api)))
                except ProviderError as error:
                    told += [f"{found} {found!r} {vars(found)}" for found in (error, error.__cause__ or error)]
    with served(case) as api:
        settings = case.settings(api.url)
        account = case.provider.open(settings, home.pace)
        told += [repr(account), str(account), repr(settings), str(settings), caplog.text]
        home.fetch_from(account, case.provider.name, months=[APRIL])
    told += [path.read_text(errors="replace") for path in home.inbox.iterdir()]
    assert len(told) > 10
    assert not [text for text in told for secret in case.secrets if secret in text]


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
            home.land()
            api.before = lambda _: None
            again = home.fetch(api)
        assert [name.rpartition(".")[2] for name in again.files] == ["pdf"]
        assert again.left == {}
        for path in home.inbox.iterdir():
            path.unlink()
        home.warehouse.path.unlink()


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
