"""Temporary folders whose names have their process, so that leftovers of killed processes can be deleted."""

import os
import shutil
import socket
from pathlib import Path
from uuid import uuid4


def scratch_path(beside: Path, kind: str) -> Path:
    """A new name `<beside>.<kind>.<host>.<process>.<random>`. Nothing is made."""
    return beside.with_name(f"{_prefix(beside, kind)}{socket.gethostname()}.{os.getpid()}.{uuid4().hex[:12]}")


def sweep(beside: Path, kind: str) -> None:
    """Delete what processes of this machine left under such names when they were killed."""
    prefix = _prefix(beside, kind)
    for path in beside.parent.glob(f"{prefix}*"):
        host, _, rest = path.name.removeprefix(prefix).rpartition(".")[0].rpartition(".")
        if host == socket.gethostname() and rest.isdigit() and not _is_alive(int(rest)):
            shutil.rmtree(path, ignore_errors=True)


def _prefix(beside: Path, kind: str) -> str:
    return f"{beside.name}.{kind}."


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
