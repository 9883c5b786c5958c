"""Where the pages are that messages name, such as docs/manual.md: in the clone, or where the wheel was installed."""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Final

_PACKAGE: Final = "arcadia-dagster"
_A_PAGE: Final = Path("docs", "manual.md")
_CLONE: Final = Path(__file__).resolve().parents[2]


def folder() -> Path | None:
    """The folder that has `docs/`; None where somebody has removed it."""
    if (_CLONE / "pyproject.toml").is_file() and (_CLONE / _A_PAGE).is_file():
        return _CLONE
    try:
        installed = files(_PACKAGE) or ()
    except PackageNotFoundError:
        return None
    found = (Path(str(file.locate())) for file in installed if file.parts[-2:] == _A_PAGE.parts)
    return next((page.resolve().parents[1] for page in found if page.is_file()), None)
