"""The files for containers: they parse, start what exists, set what is known, and name what is there. No container is started."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from arcadia_dagster.cli import main
from arcadia_dagster.settings import Settings, load

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")

OF_OTHERS = {
    # https://www.postgresql.org/docs/current/libpq-envars.html, the image of Postgres, redis-cli --help
    *("PGPASSWORD", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB", "REDISCLI_AUTH"),
    *("DAGSTER_DISABLE_TELEMETRY", "DAGSTER_HOME", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"),
    # Read by deploy/dagster.yaml.
    *("ARCADIA_BROKER", "ARCADIA_DAGSTER_POSTGRES"),
}
KNOWN = OF_OTHERS | {str(field.validation_alias) for field in Settings.model_fields.values()}

ANY = None
"""Whatever is below: what Kubernetes, Dagster or a class of ours defines, and not the chart."""

_IMAGE = {"repository": ANY, "tag": ANY, "pullPolicy": ANY}
_POD = {
    "image": _IMAGE,
    **dict.fromkeys(("env", "envSecrets", "volumes", "volumeMounts", "podSecurityContext", "securityContext")),
}
_CLASS = {"module": ANY, "class": ANY, "config": ANY}
CHART: dict[str, Any] = {
    # What the chart knows of what we say: helm/dagster/values.yaml of dagster-io/dagster at 835892b45aaa, read on 2026-11-29.
    "global": {"postgresqlSecretName": ANY, "dagsterInstanceConfigMap": ANY},
    "generatePostgresqlPasswordSecret": ANY,
    "postgresql": {
        **dict.fromkeys(("enabled", "postgresqlHost", "postgresqlUsername", "postgresqlDatabase", "postgresqlScheme")),
        "service": {"port": ANY},
    },
    "telemetry": {"enabled": ANY},
    "dagster-user-deployments": {
        "enabled": ANY,
        "includeInstance": ANY,
        "deployments": [
            {
                **_POD,
                "name": ANY,
                "codeServerArgs": ANY,
                "port": ANY,
                "includeConfigInLaunchedRuns": {"enabled": ANY},
            }
        ],
    },
    "runLauncher": {
        "type": ANY,
        "config": {
            "k8sRunLauncher": {
                "imagePullPolicy": ANY,
                "runK8sConfig": {"containerConfig": ANY, "podSpecConfig": ANY},
            }
        },
    },
    "dagsterWebserver": {**_POD, "service": {"port": ANY}, "readinessProbe": {"httpGet": {"path": ANY, "port": ANY}}},
    "dagsterDaemon": {
        **_POD,
        "runCoordinator": {"enabled": ANY, "type": ANY, "config": {"customRunCoordinator": _CLASS}},
        "runMonitoring": {"enabled": ANY},
        "runRetries": {"enabled": ANY},
        "sensors": {"useThreads": ANY, "numWorkers": ANY},
    },
    "computeLogManager": {"type": ANY, "config": {"customComputeLogManager": _CLASS}},
    "retention": {
        "enabled": ANY,
        **{name: {"purgeAfterDays": ANY} for name in ("schedule", "sensor", "autoMaterialize")},
    },
    "additionalInstanceConfig": ANY,
}


def yaml_of(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml_of("compose.yaml")["services"]
    assert len(found) == 7
    return found


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml_of("helm-values.yaml")
    return found


def is_ours(service: dict[str, Any]) -> bool:
    return str(service["image"]).startswith("arcadia-dagster:")


def commands_of(service: dict[str, Any]) -> Iterator[list[str]]:
    """What a service of ours runs, and what asks whether it is healthy: without the shell around it."""
    for command in (service.get("command"), service.get("healthcheck", {}).get("test")):
        match command:
            case ["sh", "-c", line] | ["CMD-SHELL", line]:
                yield from (shlex.split(part) for part in line.split("&&"))
            case ["CMD", *words]:
                yield words
            case [*words]:
                yield words


def assert_exists(command: list[str]) -> None:
    scripts = {script.name for script in entry_points(group="console_scripts")}
    match command:
        case ["python", "-m", module, *_]:
            assert find_spec(module) is not None, command
        case ["python", "-c", source]:
            compile(source, "health check", "exec")
        case ["celery", "--app", module, *_]:
            # Celery comes with an extra, which tests of every day do not have.
            assert find_spec(module) is not None, command
            assert "scale" in extras_of_image()
        case [program, *_]:
            assert program in scripts & {"arcadia", "dagster", "dagster-daemon"}, command


def extras_of_image() -> set[str]:
    [extras] = re.findall(r"^ARG EXTRAS=(\S+)$", DOCKERFILE, flags=re.MULTILINE)
    return set(extras.split(","))


def test_each_service_of_ours_runs_a_program_that_exists(services: dict[str, Any]) -> None:
    commands = [command for service in services.values() if is_ours(service) for command in commands_of(service)]
    [default] = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, flags=re.MULTILINE)
    [healthy] = re.findall(r"^ +CMD (\[.*\])$", DOCKERFILE, flags=re.MULTILINE)
    commands += [yaml.safe_load(default), yaml.safe_load(healthy)]
    assert len(commands) == 10
    for command in commands:
        assert_exists(command)


def test_the_sandbox_of_the_compose_file_is_started_as_the_command_line_takes_it(
    services: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    [command] = [command for command in commands_of(services["finance-sandbox"]) if command[0] == "arcadia"]
    with pytest.raises(SystemExit) as ended:
        main([*command[1:], "--help"])
    assert ended.value.code == 0
    assert "--host" in capsys.readouterr().out


def test_each_variable_is_a_setting_or_one_of_postgres_redis_or_dagster(
    services: dict[str, Any], values: dict[str, Any]
) -> None:
    named = {name for service in services.values() for name in service.get("environment", {})}
    named |= {one["name"] for one in values["dagsterDaemon"]["env"]}
    named |= set(re.findall(r"^(?:ENV| {3}) (\w+)=", DOCKERFILE, flags=re.MULTILINE))
    assert len(named) >= 20
    assert named - KNOWN == set()


def test_the_settings_of_the_compose_file_can_be_right(services: dict[str, Any]) -> None:
    """With what docs/containers.md has people set, as Compose puts it in."""
    page = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
    given = dict(re.findall(r"^ {7}echo ([A-Z_]+)=(\S+) >> deploy/\.env$", page, flags=re.MULTILINE))
    [made] = re.findall(r"for name in ([A-Z_ ]+); do", page)
    given |= dict.fromkeys(made.split(), "0" * 64)

    def put_in(found: re.Match[str]) -> str:
        name, default = found.groups()
        assert default is not None or name in given, f"nobody is told to set {name}"
        return given.get(name) or default or ""

    text = str(services["worker"]["environment"])
    environ = yaml.safe_load(re.sub(r"\$\{(\w+):(?:\?|-([^}]*))\}", put_in, text))
    settings = load({**environ, "ARCADIA_HOME": "/srv/arcadia"})
    assert settings.has_lake
    assert settings.finance_url == settings.sandbox_url == "http://finance-sandbox:4010"
    assert settings.finance_allow_http
    assert services["finance-sandbox"]["environment"]["ARCADIA_HOSTS"] == "finance-sandbox"


def test_no_secret_is_in_a_file_and_none_goes_to_the_builder(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|AUTH|WEBHOOK|BROKER", name):
                assert "${" in str(value), name
    assert not goes_to_the_builder("deploy/.env")
    assert not goes_to_the_builder("arcadia_dagster/.env")
    assert not goes_to_the_builder(".git")


def test_each_service_is_confined_and_has_a_health_check(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "/tmp" in service["tmpfs"], name  # noqa: S108 - a container's own
        assert "healthcheck" in service or name == "webserver", name
        assert is_ours(service) or service["user"] in {"postgres", "redis"}, name
    assert re.findall(r"^USER (\S+)$", DOCKERFILE, flags=re.MULTILINE) == ["10001:10001"]
    assert "\nHEALTHCHECK " in DOCKERFILE


def test_each_volume_is_named(services: dict[str, Any]) -> None:
    mounted = {mount.split(":")[0] for service in services.values() for mount in service["volumes"]}
    files = {name for name in mounted if name.startswith("./")}
    assert mounted - files == set(yaml_of("compose.yaml")["volumes"])
    assert all((DEPLOY / name).is_file() for name in files)


def test_there_is_a_worker_for_each_run_that_may_be_under_way(services: dict[str, Any]) -> None:
    assert (
        services["worker"]["deploy"]["replicas"]
        == yaml_of("dagster.yaml")["concurrency"]["runs"]["max_concurrent_runs"]
    )


def goes_to_the_builder(name: str) -> bool:
    """Whether .dockerignore lets a file through: its last line that fits the file, or a folder of it, counts."""
    goes = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        parts = name.split("/")
        above = ["/".join(parts[: number + 1]) for number in range(len(parts))]
        if not line.startswith("#") and any(fnmatch(one, pattern) for one in (*above, parts[-1])):
            goes = line.startswith("!")
    return goes


def test_each_file_of_the_image_exists_and_goes_to_the_builder() -> None:
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, flags=re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert len(copied) >= 7
    for name in copied:
        assert (ROOT / name).exists(), name
        assert goes_to_the_builder(name), name


def test_the_extras_of_the_image_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert extras_of_image() <= set(project["optional-dependencies"])
    page = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
    [of_kubernetes] = re.findall(r"--build-arg EXTRAS=(\S+)", page)
    assert {"kubernetes", "scale"} <= set(of_kubernetes.split(",")) <= set(project["optional-dependencies"])


def unknown(found: Any, known: Any, at: str = "") -> Iterator[str]:
    """The keys that the chart does not know."""
    if known is ANY:
        return
    if isinstance(known, list):
        for one in found:
            yield from unknown(one, known[0], at)
        return
    for name, value in found.items():
        if name in known:
            yield from unknown(value, known[name], f"{at}{name}.")
        else:
            yield f"{at}{name}"


def test_the_helm_values_name_only_what_the_chart_knows(values: dict[str, Any]) -> None:
    assert list(unknown(values, CHART)) == []
    assert list(unknown({"runLauncher": {"typ": "x"}}, CHART)) == ["runLauncher.typ"]


def test_the_chart_gets_what_the_compose_file_gets(values: dict[str, Any]) -> None:
    """What `deploy/dagster.yaml` says and the chart does not say by itself."""
    ours, theirs = yaml_of("dagster.yaml"), values["additionalInstanceConfig"]
    for name in ("instance_class", "nux", "run_retries", "concurrency"):
        assert theirs[name] == ours[name]
    assert values["dagsterDaemon"]["runCoordinator"]["config"]["customRunCoordinator"] == ours["run_coordinator"]
    assert values["dagsterDaemon"]["sensors"] == {"useThreads": True, "numWorkers": ours["sensors"]["num_workers"]}
    in_the_chart = {"schedule": "schedule", "sensor": "sensor", "auto_materialize": "autoMaterialize"}
    for name, of_chart in in_the_chart.items():
        assert values["retention"][of_chart]["purgeAfterDays"] == ours["retention"][name]["purge_after_days"]
