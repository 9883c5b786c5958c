"""What is new at a provider becomes whole files in the inbox, once."""

import json
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster.formats.inventory import InventoryJson
from arcadia_dagster.landing.inbox import InboxError
from arcadia_dagster.providers.digitalocean import DigitalOceanClient
from arcadia_dagster.providers.download import INVENTORY, Fetched
from arcadia_dagster.providers.errors import ConfigurationFailure, TransientFailure
from arcadia_dagster.warehouse import LockTimeoutError, Warehouse, hold
from arcadia_dagster_tests.kit.digitalocean_api import LISTS, TOKEN, DigitalOceanApi, invoice, item, summary, uuid
from arcadia_dagster_tests.kit.fetching import NOW, FetchingHome, failing
from arcadia_dagster_tests.kit.scripted_server import Step, answer

APRIL = f"digitalocean-invoice-2026-04-{uuid(1)}-20260428T063150Z.json"


class Home(FetchingHome):
    """A home that is fetched into from DigitalOcean."""

    def fetch(self, api: DigitalOceanApi, **options: Any) -> Fetched:
        return self.fetch_from(DigitalOceanClient(TOKEN, api.url, self.pace), "digitalocean", **options)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def api() -> Iterator[DigitalOceanApi]:
    with DigitalOceanApi([invoice()]) as running:
        yield running


def test_an_invoice_is_one_document_with_all_that_the_api_states(home: Home) -> None:
    items = [item(description=f"droplet {number} é") for number in range(450)]
    with DigitalOceanApi([invoice()], {uuid(1): items}) as api:
        fetched = home.fetch(api)
    assert fetched == Fetched([APRIL])
    assert home.names() == [APRIL]
    content = (home.inbox / APRIL).read_bytes()
    assert json.loads(content) == {
        "kind": "digitalocean_invoice",
        "invoice": invoice(),
        "items": items,
        "summary": summary(invoice()),
    }
    assert content.startswith(b'{"invoice":{"amount":"86.92"')
    assert "é".encode() in content


def test_the_same_content_is_the_same_bytes(home: Home, tmp_path: Path) -> None:
    backwards = dict(reversed(list(invoice().items())))
    contents = []
    for entry in (invoice(), backwards):
        with DigitalOceanApi([entry]) as api:
            home.fetch(api)
        contents.append((home.inbox / APRIL).read_bytes())
        (home.inbox / APRIL).unlink()
    assert contents[0] == contents[1]


def test_the_oldest_invoice_comes_first(home: Home) -> None:
    entries = [invoice(3, "2026-03"), invoice(2, "2026-02"), invoice(12, "2025-12")]
    with DigitalOceanApi(entries) as api:
        fetched = home.fetch(api)
    assert [name[21:28] for name in fetched.files] == ["2025-12", "2026-02", "2026-03"]
    assert home.steps == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_what_lies_in_the_inbox_is_not_fetched_again(home: Home, api: DigitalOceanApi) -> None:
    home.fetch(api)
    before = len(api.requests)
    assert home.fetch(api, months=[date(2026, 4, 1)]) == Fetched(known=1)
    assert api.paths[before:] == ["/v2/customers/my/invoices", f"/v2/customers/my/invoices/{uuid(1)}/pdf"]


def test_what_was_registered_is_not_fetched_again_even_when_the_inbox_was_emptied(
    home: Home, api: DigitalOceanApi
) -> None:
    home.fetch(api)
    home.land()
    (home.inbox / APRIL).unlink()
    assert home.fetch(api) == Fetched(known=1)
    assert home.names() == []


def test_a_changed_invoice_is_fetched_again_beside_the_first(home: Home, api: DigitalOceanApi) -> None:
    home.fetch(api)
    api.invoices[0] = invoice(amount="90.00", updated_at="2026-05-01T10:00:00Z")
    fetched = home.fetch(api)
    assert fetched.files == [APRIL.replace("20260428T063150Z", "20260501T100000Z")]
    assert len(home.names()) == 2


def test_an_invoice_without_a_time_of_change_is_new_when_its_amount_is(home: Home) -> None:
    entry = {name: value for name, value in invoice().items() if name != "updated_at"}
    with DigitalOceanApi([entry]) as api:
        assert home.fetch(api).files == [f"digitalocean-invoice-2026-04-{uuid(1)}-86.92.json"]
        assert home.fetch(api).known == 1
        api.invoices[0] = {**entry, "amount": "-1.00"}
        assert home.fetch(api).files == [f"digitalocean-invoice-2026-04-{uuid(1)}--1.00.json"]


def test_a_download_for_a_rebuilt_warehouse_is_no_new_document(home: Home, api: DigitalOceanApi) -> None:
    home.fetch(api)
    home.land()
    (home.inbox / APRIL).unlink()
    home.warehouse.path.unlink()
    assert home.fetch(api).files == [APRIL]
    home.land()
    assert home.count("documents") == 1


def test_only_the_months_asked_for_are_fetched_and_no_inventory(home: Home) -> None:
    with DigitalOceanApi([invoice(n, f"2026-0{n}") for n in range(1, 6)], lists=LISTS) as api:
        fetched = home.fetch(api, months=[date(2026, 2, 1), date(2026, 3, 1)])
    assert [name[21:28] for name in fetched.files] == ["2026-02", "2026-03"]
    assert "/v2/droplets" not in api.paths


def test_invoices_of_months_without_a_partition_are_left_out_and_counted(home: Home) -> None:
    with DigitalOceanApi([invoice(1, "2017-12"), invoice(2, "2018-01")]) as api:
        fetched = home.fetch(api)
    assert (len(fetched.files), fetched.older) == (1, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"invoice_uuid": "../../etc/passwd"},
        {"invoice_uuid": None},
        {"invoice_uuid": 17},
        {"invoice_period": "2026-13"},
        {"invoice_period": "../2026-04"},
        {"invoice_period": None},
    ],
)
def test_an_entry_that_cannot_be_right_is_left_and_the_others_go_on(home: Home, wrong: dict[str, Any]) -> None:
    with DigitalOceanApi([invoice(**wrong), invoice(2, "2026-03")]) as api:
        fetched = home.fetch(api)
    assert len(fetched.files) == 1
    [(what, why)] = fetched.left.items()
    assert what.startswith("invoice ")
    assert "expected" in why


def test_a_name_holds_nothing_that_leads_elsewhere(home: Home) -> None:
    with DigitalOceanApi([invoice(updated_at="/../../2026:x\n" + "9" * 500)]) as api:
        [name] = home.fetch(api).files
    assert "/" not in name
    assert "\n" not in name
    assert len(name) < 200
    assert home.names() == [name]


@pytest.mark.parametrize("path", [uuid(2) + "?", uuid(2) + "/summary"])
def test_an_invoice_that_cannot_be_had_whole_is_left_for_the_next_fetch_and_the_others_go_on(
    home: Home, path: str
) -> None:
    with DigitalOceanApi([invoice(n, f"2026-0{n}") for n in (1, 2, 3)], before=failing(path)) as api:
        fetched = home.fetch(api)
        assert [name[21:28] for name in fetched.files] == ["2026-01", "2026-03"]
        assert list(fetched.left) == [f"invoice {uuid(2)} of 2026-02"]
        assert "500" in fetched.left[f"invoice {uuid(2)} of 2026-02"]
        assert len(home.names()) == 2, "nothing of it was kept"
        api.before = lambda _: None
        assert [name[21:28] for name in home.fetch(api).files] == ["2026-02"]


def test_items_that_do_not_come_to_their_total_are_never_a_document(home: Home) -> None:
    short = answer(200, {"invoice_items": [item()], "meta": {"total": 2}, "links": {}})
    with DigitalOceanApi([invoice()], before=failing(uuid(1) + "?", step=short)) as api:
        fetched = home.fetch(api)
    assert home.names() == []
    assert "1 entry came, and its total is 2" in fetched.left[f"invoice {uuid(1)} of 2026-04"]


def test_a_token_that_is_withdrawn_on_the_way_ends_the_fetch_and_what_was_fetched_stays(home: Home) -> None:
    entries = [invoice(n, f"2026-0{n}") for n in (1, 2, 3)]
    with DigitalOceanApi(entries, before=failing(uuid(2), step=answer(401))) as api:
        fetched = home.fetch(api)
    assert [name[21:28] for name in fetched.files] == ["2026-01"]
    assert "DIGITALOCEAN_TOKEN" in fetched.left[f"invoice {uuid(2)} of 2026-02"]
    assert not [path for path in api.paths if uuid(3) in path]


def test_whoever_asks_to_be_left_alone_for_long_is_asked_nothing_more(home: Home) -> None:
    entries = [invoice(n, f"2026-0{n}") for n in (1, 2, 3)]
    with DigitalOceanApi(entries, before=failing(uuid(2), step=answer(429, Retry_After=3000))) as api:
        fetched = home.fetch(api)
    assert [name[21:28] for name in fetched.files] == ["2026-01"]
    assert api.paths[-1].endswith(uuid(2))


@pytest.mark.parametrize(("step", "error"), [(answer(401), ConfigurationFailure), (answer(503), TransientFailure)])
def test_without_a_list_of_invoices_nothing_is_fetched(home: Home, step: Step, error: type[Exception]) -> None:
    with DigitalOceanApi([invoice()], before=lambda _: step) as api, pytest.raises(error):
        home.fetch(api)
    assert home.names() == []


def test_half_a_character_makes_no_file(home: Home) -> None:
    with DigitalOceanApi([invoice()], {uuid(1): [item(description="\ud800")]}) as api:
        fetched = home.fetch(api)
    assert home.names() == []
    assert "half a character" in fetched.left[f"invoice {uuid(1)} of 2026-04"]


# The inventory


def test_what_the_account_runs_is_an_inventory_of_the_day(home: Home) -> None:
    with DigitalOceanApi(lists=LISTS) as api:
        fetched = home.fetch(api)
        assert fetched.files == ["digitalocean-inventory-2026-05-02.json"]
        before = len(api.requests)
        assert home.fetch(api).files == [], "once a day"
        assert len(api.requests) == before + 1
        assert home.fetch(api, now=NOW.replace(day=3)).files == ["digitalocean-inventory-2026-05-03.json"]
    home.land()
    with home.warehouse.read() as connection:
        rows = connection.execute(
            "SELECT DISTINCT resource_id, resource_name, resource_type, project FROM inventories ORDER BY 1 LIMIT 2"
        ).fetchall()
        formats = connection.execute("SELECT DISTINCT format, status FROM documents").fetchall()
    assert rows == [("31", "web-02", "droplet", "my-web-api"), ("4126873", "web-01", "droplet", None)]
    assert formats == [(InventoryJson.name, "accepted")]
    assert home.count("inventories") == 20


def test_an_account_that_runs_nothing_has_no_inventory(home: Home) -> None:
    with DigitalOceanApi() as api:
        assert home.fetch(api) == Fetched()
    assert home.names() == []


def test_an_inventory_that_cannot_be_had_whole_is_left_and_invoices_are_not(home: Home) -> None:
    with DigitalOceanApi([invoice()], lists=LISTS, before=failing("/v2/apps", step=answer(403))) as api:
        fetched = home.fetch(api)
    assert fetched.files == [APRIL]
    assert "scope" in fetched.left[INVENTORY]


# The inbox


def test_a_file_in_the_inbox_is_complete_at_once(home: Home, api: DigitalOceanApi) -> None:
    home.fetch(api)
    status = (home.inbox / APRIL).stat()
    assert status.st_ctime_ns >= status.st_mtime_ns
    home.land()
    assert home.count("documents") == 1


def test_what_a_crash_left_is_replaced(home: Home, api: DigitalOceanApi) -> None:
    (home.inbox / f"{APRIL}.part").write_bytes(b"{" * 100_000)
    home.fetch(api)
    assert home.names() == [APRIL]
    assert json.loads((home.inbox / APRIL).read_bytes())["invoice"] == invoice()


def test_a_missing_inbox_is_named(home: Home, api: DigitalOceanApi) -> None:
    home.inbox.rmdir()
    with pytest.raises(InboxError, match="ARCADIA_INBOX"):
        home.fetch(api)
    assert api.requests == []


def test_an_inbox_that_cannot_be_written_is_named_and_holds_no_half_file(home: Home, api: DigitalOceanApi) -> None:
    (home.inbox / f"{APRIL}.part").mkdir()
    with pytest.raises(InboxError, match="ARCADIA_INBOX"):
        home.fetch(api)


def test_two_fetches_at_once_fetch_everything_once(home: Home) -> None:
    entries = [invoice(n, f"2026-{n:02}") for n in range(1, 5)]
    fetched: list[Fetched] = []
    with DigitalOceanApi(entries) as api:
        threads = [threading.Thread(target=lambda: fetched.append(home.fetch(api))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(len(one.files) for one in fetched) == [0, 0, 4]
    assert len(home.names()) == 4


def test_a_fetch_that_takes_too_long_is_not_waited_for_without_end(home: Home, api: DigitalOceanApi) -> None:
    impatient = Warehouse(home.warehouse.path, lock_timeout=0.1)
    home.warehouse, before = impatient, home.warehouse
    with hold(before.fetch_lock_path, timeout=1), pytest.raises(LockTimeoutError):
        home.fetch(api)
