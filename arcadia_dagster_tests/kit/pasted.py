"""The commands that a reason gives, and a person who pastes them."""

import re
import shlex

from arcadia_dagster_tests.kit.project import Project
from arcadia_dagster_tests.kit.shell import Shell


def paste(arcadia: Shell, project: Project, command: str) -> None:
    """Type the command as it is given, with a reason in place of the dots; and run what it makes necessary."""
    arcadia(*shlex.split(command.replace('"..."', '"looked at"'))[1:], ARCADIA_HOME=str(project.home))
    project.build()


def commands_in(reason: str) -> list[str]:
    """The commands that it gives, which leave the reason to the person."""
    return re.findall(r'arcadia \w+ .*? --reason "\.\.\."', reason)
