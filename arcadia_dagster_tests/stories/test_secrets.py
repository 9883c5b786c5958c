"""The secret and the tokens made of it are nowhere, even where finance repeats them in every answer."""

import logging
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from arcadia_dagster.definitions import build_defs
from arcadia_dagster.defs.ingest import IngestError, ingest
from arcadia_dagster.finance.resource import FinanceResource
from arcadia_dagster_tests.kit.leaks import files_with, tables_with
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.scripted_server import Request, ScriptedServer, answer

MARKED = "marked-secret-that-must-be-seen-nowhere-at-all-of-64-bytes------"
STATUSES = {"each its own way": (200, 201, 400, 422, 429, 500, 503), "redirect": (302,)}


def repeating(handler: Any, request: Request) -> bool:
    """An answer of the status that the invoice's id ends with, which repeats all that it was sent and knows."""
    status = int(request.json()["external_id"][-3:])
    words = f"secret {MARKED}, {request.headers['authorization']}, token {request.token}"
    headers: dict[str, Any] = {
        "Location": f"https://elsewhere.example/{request.token}",
        "Retry_After": 0,
        "X_Secret": MARKED,
    }
    return answer(status, {"error": words, "invoice_id": None}, **headers)(handler, request)


@pytest.mark.parametrize("answers", STATUSES)
def test_no_answer_of_finance_makes_the_secret_or_a_token_visible(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: Any, answers: str
) -> None:
    caplog.set_level(logging.DEBUG)
    project = Project(tmp_path / "home")
    for status in STATUSES[answers]:
        project.drop(invoice_name(number=f"1{status}"), digitalocean(line(amount=f"${status}.00"), tax()))
    (tmp_path / "dagster").mkdir()
    told = ""
    with ScriptedServer(repeating) as server, dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        finance = FinanceResource(base_url=server.url, secret=MARKED, retry_delays=[0.01, 0.01])
        definitions = build_defs(environ=project.environ, resource_overrides={"finance": finance})
        months = project.new_months()
        try:
            ingest(definitions, instance, months)
        except IngestError as error:
            told = str(error)
        tokens = {request.token for request in server.requests}
        events = str([record for run in instance.get_runs() for record in instance.all_logs(run.run_id)])
        runs = str(instance.get_runs())
        assert {request.json()["external_id"] for request in server.requests} == {f"1{n}" for n in STATUSES[answers]}
    records = project.query("SELECT last_error FROM finance_records")
    assert all("secret" in record["last_error"] or answers == "redirect" for record in records), (
        "finance's words are kept"
    )
    needles = [MARKED, *tokens, *(token.rpartition(".")[2] for token in tokens)]
    printed = capfd.readouterr()
    for text in (told, events, runs, printed.out, printed.err, caplog.text, repr(definitions)):
        assert not [needle for needle in needles if needle in text]
    assert files_with(tmp_path, needles) == []
    assert tables_with(project.warehouse, needles) == []
