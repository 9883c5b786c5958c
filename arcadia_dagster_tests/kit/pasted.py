"""The commands that a reason gives, and a person who pastes them."""

import re
import shlex

from arcadia_dagster.reports.explain import find, hold_reasons
from arcadia_dagster_tests.kit.project import Project
from arcadia_dagster_tests.kit.shell import Shell


def paste(arcadia: Shell, project: Project, command: str) -> None:
    """Type the command as it is given, with a reason in place of the dots; and run what it makes necessary."""
    type_in(arcadia, project, command)
    project.build()


def type_in(arcadia: Shell, project: Project, command: str) -> None:
    """Type the command; where it asks whether all reasons are meant, they are."""
    words = shlex.split(command.replace('"..."', '"looked at"'))[1:]
    if words[0] == "release" and len(hold_reasons(project.warehouse, find(project.warehouse, words[1]))) > 1:
        words += ["--all"]
    arcadia(*words, ARCADIA_HOME=str(project.home))


def commands_in(reason: str) -> list[str]:
    """The commands that it gives, which leave the reason to the person."""
    return re.findall(r'arcadia \w+ .*? --reason "\.\.\."', reason)


_WAYS = re.compile(
    r'arcadia \w+ .*? --reason "\.\.\."'
    r'|at the top of sources\.toml: (?P<rule>"[^"]+" = \{.*?\})'
    r"|sources\.toml: (?P<buyers>buyer_tax_ids = \[.*?\])"
    r"|write (?:(?:total and tax|its total), as .*? does,|that of the whole invoice|(?P<figures>[A-Z]{3} \S+ tax \S+)"
    r"|the word (?P<none>none)) "
    r"into (?P<file>\S+\.total)\b",
    re.IGNORECASE,
)


def ways_in(reason: str) -> list[re.Match[str]]:
    """All that a reason gives to paste: commands, lines of `sources.toml`, and what a file with totals is to say."""
    return list(_WAYS.finditer(reason))


def paste_way(arcadia: Shell, project: Project, way: re.Match[str], total: str = "") -> None:
    """Paste what a reason gives, before the next run.

    Args:
        arcadia: Where commands are typed.
        project: Whose invoice is held.
        way: One of `ways_in`.
        total: What is invoiced, for a reason that gives an example of it.
    """
    rule = way["rule"] or way["buyers"]
    if rule is not None:
        rules = project.home / "sources.toml"
        before = rules.read_text(encoding="utf-8") if rules.exists() else ""
        # It takes the place of the line that says who we are.
        kept = "".join(
            line
            for line in before.splitlines(keepends=True)
            if not (way["buyers"] and line.startswith("buyer_tax_ids"))
        )
        rules.write_text(f"{rule.replace('...', 'looked at')}\n{kept}", encoding="utf-8")
    elif way["file"] is not None:
        # It says beside which file, by that one's name.
        named = "SELECT inbox_path FROM document_names WHERE file_name = ?"
        beside = project.query(named, [way["file"].removesuffix(".total")])
        place = f"{beside[0]['inbox_path']}.total" if beside else way["file"]
        project.drop(place, (way["figures"] or way["none"] or total).encode())
    else:
        type_in(arcadia, project, way[0])


def take(arcadia: Shell, project: Project, way: re.Match[str], total: str = "") -> None:
    """The same, and what it makes necessary."""
    paste_way(arcadia, project, way, total)
    project.build()
