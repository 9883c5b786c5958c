"""The command line in a folder of its own."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import jsonschema
import pytest

from arcadia_dagster import cli
from arcadia_dagster.billing.approval import Limits
from arcadia_dagster_tests.kit.plain import build, warehouse_of
from arcadia_dagster_tests.kit.project import instance_in_memory

FIRST = date(2018, 1, 1)
ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs" / "commands.schema.json").read_text(encoding="utf-8"))


def assert_by_schema(arguments: Sequence[str], printed: str) -> None:
    """What a command prints as JSON is as the documented schema of the command says."""
    words = [word for word in arguments if not word.startswith("-")]
    names = [" ".join(["arcadia", *words[:count]]) for count in (2, 1)]
    name = next(name for name in names if name in SCHEMA["$defs"])
    jsonschema.validate(json.loads(printed), {**SCHEMA, "$ref": f"#/$defs/{name.replace(' ', '%20')}"})


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left: its exit code and what it printed."""

    code: int
    stdout: str
    stderr: str


class Shell:
    """Runs `arcadia` in a folder that looks like a checkout.

    In this process, for importing Dagster takes two seconds, and with Dagster's storage in memory, for making its databases
    takes two more: nothing is decided from what is in them. One test below runs the command itself, with both.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.inbox = folder / "var" / "inbox"
        self.uses_storage_of_dagster = False
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        (folder / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
        self.inbox.mkdir(parents=True)

    def __call__(
        self, *arguments: str, code: int = 0, environ: Mapping[str, str] | None = None, **named: str
    ) -> Result:
        settings = {"COLUMNS": "100", "ARCADIA_SETTLE_SECONDS": "0", **(environ or {}), **named}
        with self._monkeypatch.context() as patch:
            if not self.uses_storage_of_dagster:
                patch.setattr(dg.DagsterInstance, "get", instance_in_memory)
            patch.chdir(self.folder)
            # A copy: what the command sets itself must not outlive it.
            patch.setattr(os, "environ", os.environ.copy())
            os.environ.update(settings)
            try:
                returned = cli.main(arguments)
            except SystemExit as stopped:
                returned = int(stopped.code or 0)
        printed = self._capsys.readouterr()
        assert returned == code, printed.err
        if "--json" in arguments and (printed.out or returned == 0):
            assert_by_schema(arguments, printed.out)
        return Result(returned, printed.out, printed.err)

    def build(self, **finance: str) -> None:
        """What `ingest` does, without its run: for tests of other commands."""
        build(warehouse_of(self.folder / "var"), approve_over=Limits.parse(finance.pop("ARCADIA_APPROVE_OVER", "")))
        if finance:
            self("push", f"{FIRST:%Y-%m}..{datetime.now(UTC):%Y-%m}", environ=finance)

    def status(self) -> dict[str | None, dict[str, Any]]:
        return {month["month"]: month for month in json.loads(self("status", "--json").stdout)["months"]}
