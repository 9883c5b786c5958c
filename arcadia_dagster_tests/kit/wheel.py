"""The wheel of the working tree, installed in an environment of its own, as a server has it."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Server:
    """An environment that has the wheel, and a folder elsewhere that a person works in."""

    environment: Path
    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PATH": f"{self.environment}/bin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "ARCADIA_SETTLE_SECONDS": "0",
            **self.settings,
        }

    def arcadia(self, *arguments: str) -> str:
        command = [self.program, *arguments]
        ended = subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=250, check=False
        )
        assert ended.returncode == 0, ended.stderr
        assert "Traceback" not in ended.stderr
        return ended.stdout

    @property
    def program(self) -> str:
        return str(self.environment / "bin" / "arcadia")

    def installed(self) -> dict[str, tuple[int, int]]:
        """Every file of the environment, with its size and the time of its last change."""
        files = (path for path in self.environment.rglob("*") if path.is_file())
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def server_with(folder: Path, *extras: str) -> Server:
    """A server with the wheel. What it needs comes from the environment of the tests, which must have the extras.

    Args:
        folder: Where all of it lies.
        extras: The extras that are installed with it, by the constraints file.
    """
    wheel = built(folder)
    made = Server(folder / "environment", folder / "work")
    made.folder.mkdir()
    done((sys.executable, "-m", "venv", "--without-pip", str(made.environment)))
    [packages] = made.environment.glob("lib/python*/site-packages")
    # What is installed in the environment of the tests as editable is not seen from here.
    (packages / "dependencies.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n", encoding="utf-8")
    python = str(made.environment / "bin" / "python")
    [daemon] = entry_points(group="console_scripts", name="dagster-daemon")
    program = made.environment / "bin" / daemon.name
    program.write_text(f"#!{python}\nfrom {daemon.module} import {daemon.attr}\n{daemon.attr}()\n", encoding="utf-8")
    program.chmod(0o755)
    install = (*PIP, "--python", python, "install", "--quiet", "--no-index")
    if extras:
        done((*install, "--constraint", str(ROOT / "constraints.txt"), f"{wheel}[{','.join(extras)}]"))
    else:
        done((*install, "--no-deps", str(wheel)))
    return made


PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def built(folder: Path) -> Path:
    """The wheel of the working tree, built in a copy of it, as building writes beside the sources."""
    sources, wheels = folder / "sources", folder / "wheels"
    for name in ("arcadia_dagster", "deploy", "docs", "pyproject.toml", "README.md", "LICENSE"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, sources / name)
    done((*PIP, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(sources)))
    [wheel] = wheels.iterdir()
    return wheel


def done(command: Sequence[str]) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
