"""The PDF of an invoice comes beside it once, whole, and no invoice waits for it."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster.providers import api as api_module
from arcadia_dagster.providers.digitalocean import DigitalOceanClient
from arcadia_dagster.providers.download import Fetched
from arcadia_dagster_tests.kit.digitalocean_api import LISTS, TOKEN, DigitalOceanApi, invoice, uuid
from arcadia_dagster_tests.kit.fetching import NOW, FetchingHome, failing
from arcadia_dagster_tests.kit.scripted_server import Step, answer, head, raw

WHOLE = b"%PDF-1.4\n1 0 obj <<>> endobj\n%%EOF\n"
APRIL = f"digitalocean-invoice-2026-04-{uuid(1)}-20260428T063150Z.json"
APRIL_PDF = f"{APRIL[:-5]}.pdf"


class Home(FetchingHome):
    """A home that is fetched into from DigitalOcean."""

    def fetch(self, api: DigitalOceanApi, **options: Any) -> Fetched:
        return self.fetch_from(DigitalOceanClient(TOKEN, api.url, self.pace), "digitalocean", **options)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_it_comes_beside_its_invoice_once_and_belongs_to_it(home: Home) -> None:
    with DigitalOceanApi([invoice()], pdfs={uuid(1): WHOLE}) as api:
        assert home.fetch(api).files == [APRIL, APRIL_PDF]
        assert (home.inbox / APRIL_PDF).read_bytes() == WHOLE
        home.land()
        with home.warehouse.read() as connection:
            shown = connection.execute("SELECT external_id, basis FROM invoice_evidence").fetchall()
        assert shown == [(uuid(1), "file name")]
        for path in home.inbox.iterdir():
            path.unlink()
        api.pdfs[uuid(1)] = WHOLE.replace(b"<<>>", b"<</D 2>>")
        assert home.fetch(api) == Fetched(known=1)
        assert api.count(f"/v2/customers/my/invoices/{uuid(1)}/pdf") == 1


def test_one_that_was_missing_is_fetched_once_it_is_there_and_its_invoice_is_not_fetched_again(home: Home) -> None:
    with DigitalOceanApi([invoice()]) as api:
        assert home.fetch(api) == Fetched([APRIL])
        api.pdfs = {uuid(1): WHOLE}
        assert home.fetch(api) == Fetched([APRIL_PDF], known=1)


def test_one_that_is_never_there_is_asked_for_two_weeks_and_then_by_name_only(home: Home) -> None:
    address = f"/v2/customers/my/invoices/{uuid(1)}/pdf"
    with DigitalOceanApi([invoice()]) as api:
        home.fetch(api)
        home.arrived_at(NOW)
        for days, months, asked in ((14, None, 2), (15, None, 2), (400, None, 2), (400, [date(2026, 4, 1)], 3)):
            assert home.fetch(api, now=NOW + timedelta(days=days), months=months).left == {}
            assert api.count(address) == asked


def test_one_that_is_never_there_is_not_asked_for_again_once_its_invoice_has_left_the_inbox(home: Home) -> None:
    with DigitalOceanApi([invoice()]) as api:
        home.fetch(api)
        home.land()
        for path in home.inbox.iterdir():
            path.unlink()
        arrived = datetime.now(UTC)
        for days, asked in ((13, 2), (15, 2)):
            home.fetch(api, now=arrived + timedelta(days=days))
            assert api.count(f"/v2/customers/my/invoices/{uuid(1)}/pdf") == asked


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (answer(403, {"message": "no scope"}), "give it the scope to read it"),
        (answer(500), "answered 500"),
        (answer(400, {"message": "no"}), "answered 400"),
        (answer(302, Location="http://127.0.0.1:1/x.pdf"), "redirects are not followed"),
        (answer(429, Retry_After=3000), "asks us to wait"),
        (answer(200, WHOLE[:-8]), "is not whole: its end is missing"),
        (answer(200, b""), "is no PDF"),
        (answer(200, b"<html>%%EOF"), "is no PDF: <html>"),
        (raw(head(200, Content_Length=len(WHOLE)) + WHOLE[:20]), "no complete answer"),
        (raw(head(200, Transfer_Encoding="chunked") + b"14\r\n" + WHOLE[:20] + b"\r\n"), "no complete answer"),
        (raw(head(200, Connection="close") + WHOLE[:20]), "is not whole: its end is missing"),
        (raw(head(200, Connection="close") + b"%PDF-" + b"x" * 5000 + b"%%EOF"), "has more than 4096 bytes"),
    ],
    ids=[
        *("403", "500", "400", "redirect", "leave alone", "cut", "blank", "page", "dropped", "dropped chunk"),
        *("ends early", "huge"),
    ],
)
def test_one_that_cannot_be_had_whole_stops_no_invoice_and_is_told(
    home: Home, monkeypatch: pytest.MonkeyPatch, step: Step, words: str
) -> None:
    monkeypatch.setattr(api_module, "_PAPER_BYTES", 4096)
    entries = [invoice(n, f"2026-0{n}") for n in (2, 3)]
    with DigitalOceanApi(entries, pdfs={uuid(2): WHOLE, uuid(3): WHOLE}, lists=LISTS) as api:
        api.before = failing(f"{uuid(2)}/pdf", step=step)
        fetched = home.fetch(api)
        assert [name for name in fetched.files if name.endswith(".json")] == [
            *(f"digitalocean-invoice-2026-0{n}-{uuid(n)}-20260{n}28T063150Z.json" for n in (2, 3)),
            "digitalocean-inventory-2026-05-02.json",
        ]
        [(what, why)] = fetched.left.items()
        assert what in {f"the PDF of invoice {uuid(2)} of 2026-02", "PDFs of invoices"}
        assert words in why
        assert not [name for name in home.names() if uuid(2) in name and not name.endswith(".json")]
        api.before = lambda _: None
        assert f"digitalocean-invoice-2026-02-{uuid(2)}-20260228T063150Z.pdf" in home.fetch(api).files


def test_whoever_may_not_read_them_is_asked_for_one_only(home: Home) -> None:
    entries = [invoice(n, f"2026-0{n}") for n in (1, 2, 3)]
    with DigitalOceanApi(entries, before=failing("/pdf", step=answer(403))) as api:
        fetched = home.fetch(api)
    assert len([path for path in api.paths if path.endswith("/pdf")]) == 1
    assert (len(fetched.files), list(fetched.left)) == (3, ["PDFs of invoices"])


def test_one_of_an_invoice_that_is_left_is_not_asked_for(home: Home) -> None:
    with DigitalOceanApi([invoice()], pdfs={uuid(1): WHOLE}, before=failing("/summary")) as api:
        assert home.fetch(api).files == []
        assert api.count(f"/v2/customers/my/invoices/{uuid(1)}/pdf") == 0
