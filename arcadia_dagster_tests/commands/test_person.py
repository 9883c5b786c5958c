import os
import pwd
from pathlib import Path

import pytest

from arcadia_dagster.commands.person import person


def test_a_person_is_the_account_of_the_login_whatever_account_the_command_runs_as(tmp_path: Path) -> None:
    login = tmp_path / "loginuid"
    login.write_text("1\n", encoding="ascii")
    assert person(login) == pwd.getpwuid(1).pw_name


@pytest.mark.parametrize("content", ["4294967295", "", None])
def test_without_a_login_a_person_is_the_account_that_the_command_runs_as(tmp_path: Path, content: str | None) -> None:
    login = tmp_path / "loginuid"
    if content is not None:
        login.write_text(content, encoding="ascii")
    assert person(login) == pwd.getpwuid(os.getuid()).pw_name


def test_nobody_takes_the_name_of_another_person_by_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LOGNAME", "USER"):
        monkeypatch.setenv(variable, "bea")
    assert person(tmp_path / "none") == pwd.getpwuid(os.getuid()).pw_name


def test_an_account_without_a_name_is_told_by_its_number(tmp_path: Path) -> None:
    login = tmp_path / "loginuid"
    login.write_text("3999999999", encoding="ascii")
    assert person(login) == "uid 3999999999"
