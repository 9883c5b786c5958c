"""What a person decides in the UI: the form, who is on record, and where the pages lead."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import dagster as dg
import pytest
import yaml
from dagster._core.utils import make_new_run_id

from arcadia_dagster.billing.approval import NO_LIMITS, Limits
from arcadia_dagster.decisions.decision import DecisionError
from arcadia_dagster.defs.checks import _CHECKS, _result
from arcadia_dagster.defs.decisions import person_of
from arcadia_dagster.defs.run_coordinator import AttributedRunCoordinator
from arcadia_dagster.defs.runs import PERSON_TAG
from arcadia_dagster.reports.decision_page import JOB, Form
from arcadia_dagster.reports.good import LookedAt
from arcadia_dagster.settings import load
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.statement.pages import Company, make_pages
from arcadia_dagster_tests.kit.locations import remote_origin
from arcadia_dagster_tests.kit.plain import archive_of
from arcadia_dagster_tests.kit.project import Project, digitalocean, instance_in_memory, invoice_name, line, tax

APRIL = date(2026, 4, 1)
UI = "https://dagster.example.com/below"
HELD, TWICE_HELD = "1001", "1002"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("decisions"))
    project.drop(invoice_name(), digitalocean(line(), tax(amount="$7.00")))
    project.drop(invoice_name(number=TWICE_HELD), digitalocean(line(amount="$2.00"), tax(amount="$9.00")))
    project.drop(f"{invoice_name(number=TWICE_HELD)}.total", b"USD 1.00\n")
    project.build()
    return project


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with instance_in_memory() as instance:
        yield instance


def launched(project: Project, instance: dg.DagsterInstance, **form: str) -> str:
    """What the run says: of a failed one why, of a good one what is decided."""
    job = project.definitions().resolve_job_def(JOB)
    result = job.execute_in_process(run_config=form, instance=instance, raise_on_error=False)
    if not result.success:
        [failure] = [event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure]
        assert failure is not None
        return failure.description or ""
    [output] = [event.step_output_data for event in result.all_events if event.is_successful_output]
    return " | ".join(str(value.value) for value in output.metadata.values() if hasattr(value, "value"))


def test_a_refusal_says_why_and_what_to_choose(project: Project, instance: dg.DagsterInstance) -> None:
    assert launched(project, instance).startswith("nothing was decided: name the invoice")
    assert "there is no invoice 1009" in launched(project, instance, invoice="1009", decision="void", reason="a copy")
    assert "a reason is needed" in launched(project, instance, invoice=HELD, decision="void", reason="todo")
    told = launched(project, instance, invoice=TWICE_HELD, decision="release", reason="seen")
    assert "held for 2 reasons" in told
    assert told.endswith("choose `release_all`")
    assert project.query("SELECT * FROM decisions") == []


def test_nothing_but_the_form_can_be_set(project: Project, instance: dg.DagsterInstance) -> None:
    forms: list[dict[str, object]] = [{"resources": {}}, {"ops": {}}, {"decision": "pay"}, {"invoice": {"env": "HOME"}}]
    for config in forms:
        with pytest.raises(dg.DagsterInvalidConfigError):
            project.definitions().resolve_job_def(JOB).execute_in_process(run_config=config, instance=instance)


def test_a_decision_is_put_on_record_with_the_run_where_nobody_is_named(
    project: Project, instance: dg.DagsterInstance
) -> None:
    assert launched(project, instance, invoice=HELD).startswith(HELD)
    assert project.query("SELECT * FROM decisions") == []
    told = launched(project, instance, invoice=HELD, decision="void", reason="a copy")
    assert "1001: it is not pushed any more" in told
    [decision] = project.query("SELECT decision, reason, decided_by FROM decisions WHERE decision = 'void'")
    assert (decision["decision"], decision["reason"]) == ("void", "a copy")
    assert decision["decided_by"].startswith("somebody in the UI (run ")


class _Instance:
    """An instance of which only the queue matters."""

    def __init__(self, coordinator: object) -> None:
        self.run_coordinator = coordinator


def person(
    decision: str, limits: Limits, *, coordinator: object = None, is_launched: bool = True, name: str = "ann"
) -> str:
    run = dg.DagsterRun(
        job_name=JOB,
        run_id=make_new_run_id(),
        tags={PERSON_TAG: name},
        remote_job_origin=remote_origin() if is_launched else None,
    )
    instance = _Instance(coordinator or AttributedRunCoordinator())
    return person_of(run, instance, limits, decision)  # type: ignore[arg-type]


def test_the_person_is_the_one_that_the_proxy_names_and_no_tag_that_somebody_typed() -> None:
    over = Limits.parse("USD 1000")
    assert person("approve", over) == "ann"
    for somebody in (person("void", over, name=""), person("release", NO_LIMITS, name="")):
        assert somebody.startswith("somebody in the UI (run ")
    assert person("void", over, is_launched=False) != "ann"
    assert person("void", over, coordinator=object()) != "ann"
    for decision in ("approve", "release", "release_all"):
        with pytest.raises(DecisionError, match="ARCADIA_USER_HEADER"):
            person(decision, over, name="")


def test_a_link_opens_the_form_with_what_it_is_about() -> None:
    link = urlsplit(Form(UI).link("release", 'digitalocean/77/1: "2" & \n3'))
    assert f"{link.scheme}://{link.netloc}{link.path}" == f"{UI}/guess/{JOB}/playground/setup"
    form = yaml.safe_load(parse_qs(link.query)["config"][0])
    assert form == {"invoice": 'digitalocean/77/1: "2" & \n3', "decision": "release", "reason": ""}


def test_where_the_form_would_refuse_a_decision_no_link_leads_to_it(project: Project, tmp_path: Path) -> None:
    form = Form.of(load({"ARCADIA_APPROVE_OVER": "USD 5", "ARCADIA_HOME": str(tmp_path)}), UI)
    assert form.link("release", "1") == form.link("approve", "1") == ""
    assert form.link("void", "1")
    [held] = [check for check in _CHECKS if check.kind.name == "nothing_held"]
    with project.warehouse.read() as connection:
        shown = _result(held, connection, project.finance, form, LookedAt.of(connection)).metadata["decide"]
    assert ": `arcadia release`, as the form does not know who decides, [void](/below/guess/" in str(shown.value)
    for named in ({"ARCADIA_USER_HEADER": "X-User"}, {"ARCADIA_APPROVE_OVER": ""}):
        told = Form.of(load({"ARCADIA_APPROVE_OVER": "USD 5", "ARCADIA_HOME": str(tmp_path), **named}), UI)
        assert told.link("release", "1")


def test_checks_and_the_statement_lead_to_the_form(project: Project, tmp_path: Path) -> None:
    [held] = [check for check in _CHECKS if check.kind.name == "nothing_held"]
    with project.warehouse.read() as connection:
        shown = _result(held, connection, project.finance, Form(UI), LookedAt.of(connection)).metadata["decide"]
    assert f"(/below/guess/{JOB}/playground/setup" in str(shown.value)
    for ui_url in (UI, None):
        pages = make_pages(
            project.warehouse,
            archive_of(project.warehouse),
            tmp_path,
            [APRIL],
            MonthRange.since(APRIL),
            company=Company(form=Form(ui_url)),
        )
        assert (f'href="{UI}/guess/{JOB}' in pages[APRIL].path.read_text(encoding="utf-8")) is bool(ui_url)
