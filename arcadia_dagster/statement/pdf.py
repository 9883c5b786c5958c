"""A page as PDF, by the browser that prints it: Chromium, where this machine has it."""

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_SECONDS: Final = 60


class NoBrowserError(RuntimeError):
    """No PDF can be made here; the message says what to do."""


def browser() -> str:
    """The path of the browser.

    Raises:
        NoBrowserError: There is none.
    """
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        raise NoBrowserError(
            "there is no Chromium here that makes a PDF: install it (on Debian: apt-get install chromium), or open the page in "
            "a browser and print it into a file, for which it has a style of its own"
        )
    return found


def write_pdf(page: Path) -> Path:
    """Print a page into a PDF beside it, of the same name; a PDF that is there is replaced in one step.

    Raises:
        NoBrowserError: There is no browser, or it made no PDF.
        OSError: The PDF cannot be written.
    """
    target = page.with_suffix(".pdf")
    # Its profile and its work go with the folder; Chromium writes no PDF into a folder that it cannot see.
    with TemporaryDirectory(dir=page.parent, prefix=".pdf-") as folder:
        made = Path(folder) / "page.pdf"
        command = [
            browser(),
            *("--headless", "--disable-gpu", "--no-pdf-header-footer"),
            # Chromium's own sandbox does not work for root.
            *(("--no-sandbox",) if os.geteuid() == 0 else ()),
            f"--user-data-dir={folder}/profile",
            f"--print-to-pdf={made}",
            page.absolute().as_uri(),
        ]
        try:
            subprocess.run(command, check=False, capture_output=True, timeout=_SECONDS)  # noqa: S603 - a browser on a page of ours
        except subprocess.TimeoutExpired as error:
            raise NoBrowserError(
                f"{command[0]} made no PDF of {page} within {_SECONDS} s: print it yourself"
            ) from error
        if not made.is_file():
            raise NoBrowserError(f"{command[0]} made no PDF of {page}: print it yourself")
        made.replace(target)
    return target
