"""The guarded Dagster UI in a real browser: its own pages work, and a page of another site gets nothing done and sees nothing."""

import functools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import Browser, Page

from arcadia_dagster_tests.browser.conftest import LEADS_HERE
from arcadia_dagster_tests.kit.loopback import NO_AUTHORITIES
from arcadia_dagster_tests.kit.ui import LAUNCH, PLAIN, QUEUED, runs, web_server


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002 - the base class's own


@contextmanager
def another_site(folder: Path) -> Iterator[str]:
    """A site on this machine, whose port is not ours."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


# All that a page can have a browser send without asking its user; what it could read of the answers is written into its title.
_ATTACK = """
<!doctype html><title>waiting</title>
<img src="%(url)s/graphql?%(query)s">
<link rel="stylesheet" href="%(url)s/graphql?%(query)s&as=style">
<iframe name="one"></iframe><iframe name="two"></iframe><iframe name="three"></iframe><iframe src="%(url)s/"></iframe>
<form target="one" method="post" action="%(url)s/graphql?%(query)s"></form>
<form target="two" method="post" action="%(url)s/graphql" enctype="text/plain"><input name='%(json)s, "x": "' value='"}'></form>
<form target="three" method="post" action="%(url)s/graphql" enctype="multipart/form-data">
  <input name="query" value='%(mutation)s'>
</form>
<script>
const url = %(target)s, body = %(body)s, read = [];
for (const form of document.forms) form.submit();
const note = (text) => { if (text) read.push(text); };
const read_answer = (path, options) => fetch(url + path, options).then((answer) => answer.text()).then(note, () => {});
const type = (value) => ({ "Content-Type": value });
const attempts = [
  { method: "POST", mode: "no-cors", body },
  { method: "POST", mode: "no-cors", body, headers: type("text/plain; a=application/json") },
  { method: "POST", body, headers: type("application/json") },
  { method: "POST", body, headers: type("text/plain") },
].map((options) => read_answer("/graphql", options));
attempts.push(read_answer("/server_info", {}));
attempts.push(new Promise((done) => {
  const socket = new WebSocket(url.replace("http", "ws") + "/graphql", "graphql-ws");
  socket.onopen = () => { read.push("websocket"); done(); };
  socket.onerror = done;
}));
addEventListener("load", () => Promise.all(attempts).then(() => { document.title = "read " + JSON.stringify(read); }));
</script>
"""


def attack(browser: Browser, folder: Path, url: str) -> str:
    """What such a page could read of the server's answers."""
    words = {
        "url": url,
        "query": urlencode({"query": LAUNCH}),
        "mutation": LAUNCH.replace('"', "&quot;"),
        "json": json.dumps({"query": LAUNCH})[:-1].replace("'", "&#39;"),
        "target": json.dumps(url),
        "body": json.dumps(json.dumps({"query": LAUNCH})),
    }
    (folder / "index.html").write_text(_ATTACK % words, encoding="utf-8")
    with another_site(folder) as site:
        page = browser.new_page()
        page.set_default_timeout(90_000)  # it is loaded when the attacked server has answered all of it
        page.goto(site)
        page.wait_for_function("document.title.startsWith('read')")
        page.wait_for_load_state("networkidle")
        read: str = page.title().removeprefix("read ")
        page.close()
    return read


def launched(url: str) -> int:
    with httpx.Client(base_url=url, timeout=60, verify=NO_AUTHORITIES) as client:
        return len(runs(client))


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with web_server(tmp_path_factory.mktemp("ui")) as url:
        yield url


def opened(browser: Browser) -> tuple[Page, list[str]]:
    """A page, and what goes wrong on it from now on."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(60_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("response", lambda answer: wrong.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
    return page, wrong


def test_a_page_of_another_site_starts_nothing_and_reads_nothing(browser: Browser, tmp_path: Path, ui: str) -> None:
    before = launched(ui)
    for url in (ui, ui.replace("127.0.0.1", "localhost")):
        assert attack(browser, tmp_path, url) == "[]"
    assert launched(ui) == before


def test_the_same_page_starts_runs_where_nothing_guards_the_server(browser: Browser, tmp_path: Path) -> None:
    """So the page above does what it says. Its runs stay in the queue: that they are there is enough."""
    with web_server(tmp_path / "ui", command=PLAIN, coordinator=QUEUED) as url:
        assert "websocket" in attack(browser, tmp_path, url)
        assert launched(url) >= 4


def test_a_name_that_was_made_to_lead_here_shows_nothing(browser: Browser, ui: str) -> None:
    page, _ = opened(browser)
    answer = page.goto(ui.replace("127.0.0.1", LEADS_HERE))
    assert answer is not None
    assert answer.status == 403
    assert "set ARCADIA_HOSTS=" in page.content()
    page.close()


def test_a_person_launches_a_run_and_watches_it(browser: Browser, ui: str) -> None:
    page, wrong = opened(browser)
    with page.expect_websocket() as websocket:
        page.goto(f"{ui}/locations/arcadia_dagster/jobs/close_month/playground")
    before = launched(ui)
    page.get_by_role("button", name="Launch run").click()
    page.wait_for_url("**/runs/*")
    page.get_by_text("RUN_SUCCESS").wait_for()
    assert (launched(ui), wrong, websocket.value.is_closed()) == (before + 1, [], False)
    page.close()


def test_a_person_sees_the_assets_and_that_no_resource_can_be_configured(browser: Browser, ui: str) -> None:
    page, wrong = opened(browser)
    page.goto(f"{ui}/asset-groups")
    page.get_by_text("3_finance").first.wait_for()
    page.goto(f"{ui}/locations/arcadia_dagster/resources/finance")
    page.get_by_text("This resource has no configuration fields.").wait_for()
    assert wrong == []
    page.close()
