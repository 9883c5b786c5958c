"""A home as a version writes it, kept as test data: `python -m arcadia_dagster_tests.kit.released_home`, once for each release.

It has what a later version could read otherwise: an invoice of two tenants, one that was issued again, one that a person
released, one that is held, one that was voided after its push, and a file that was rejected.
"""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from arcadia_dagster import __version__
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster_tests.kit.project import SECRET, digitalocean, invoice_name, line, tax

FOLDER: Final = Path(__file__).resolve().parents[1] / "stories" / "homes"
PORT: Final = 8923
"""The port of the finance service that the home has pushed to: its address is on record."""
FINANCE: Final = {"SKYAI_FINANCE_URL": f"http://127.0.0.1:{PORT}", "SKYAI_FINANCE_SECRET": SECRET}
FACTS: Final = (
    *("month", "source", "account_id", "external_id", "currency"),
    *("gross_minor", "net_minor", "tax_minor", "state"),
)
INVOICES: Final = "invoices.json"
KEPT: Final = ("archive", "arcadia.duckdb", "inbox", "tenants.toml", INVOICES)

ROUTES = """
[[route]]
source = "digitalocean"
account = "77"
project = "lab"
tenant = "research"
"""


def facts(listed: str) -> list[dict[str, Any]]:
    """What `arcadia invoices --json` says of each invoice, as far as it says it in every version."""
    return [{name: invoice[name] for name in FACTS} for invoice in json.loads(listed)["invoices"]]


def write(folder: Path = FOLDER) -> Path:
    """Write the home of this version; its file is returned."""
    with (
        TemporaryDirectory() as temporary,
        RunningSandbox(database=Path(temporary, "finance.sqlite"), secret=SECRET, port=PORT),
    ):
        home = Path(temporary, "home")
        _fill(home)
        (home / INVOICES).write_text(
            json.dumps(facts(_arcadia(home, "invoices", "--json")), indent=1), encoding="utf-8"
        )
        file = folder / f"home-{__version__}.tar.xz"
        with tarfile.open(file, "w:xz", preset=9) as archive:
            for name in KEPT:
                archive.add(home / name, name, filter=_of_nobody)
    return file


def _fill(home: Path) -> None:
    inbox = home / "inbox"
    inbox.mkdir(parents=True)
    (home / "tenants.toml").write_text(ROUTES, encoding="utf-8")
    lab = _charge("04", "$4.00", "lab-01").replace(",shop,", ",lab,")
    files = {
        invoice_name("2026 Apr", "1001"): digitalocean(_charge("04", "$6.00", "web-01"), lab, tax(amount="$1.00")),
        invoice_name("2026 May", "1002"): digitalocean(_charge("05", "$6.00", "web-01"), tax()),
        invoice_name("2026 May", "1003"): digitalocean(_charge("05", "$9.00", "db-01")),
        invoice_name("2026 May", "1003") + ".total": b"10.00 USD\n",
        invoice_name("2026 Jun", "1004"): digitalocean(_charge("06", "$11.00", "web-01")),
        invoice_name("2026 Jun", "1004") + ".total": b"12.00 USD\n",
        invoice_name("2026 Jun", "1005"): digitalocean(_charge("06", "$8.00", "mail-01"), tax(amount="$0.80")),
        invoice_name("2026 Jun", "1006"): digitalocean(_charge("06", "a lot", "web-01")),
    }
    for name, content in files.items():
        (inbox / name).write_bytes(content)
    _arcadia(home, "ingest")
    again = invoice_name("2026 May", "1002").replace(".csv", " (1).csv")
    (inbox / again).write_bytes(digitalocean(_charge("05", "$7.00", "web-01"), tax(amount="$0.70")))
    _arcadia(home, "ingest")
    _arcadia(home, "release", "1003", "--reason", "the account is not taxed")
    _arcadia(home, "void", "1005", "--reason", "billed twice")
    _arcadia(home, "ingest")


def _charge(month: str, amount: str, host: str) -> str:
    last = {"04": 30, "05": 31, "06": 30}[month]
    ends = {"start": f"2026-{month}-01 00:00:00 +0000", "end": f"2026-{month}-{last} 23:59:59 +0000"}
    return line("Droplets", f"{host} (s-1vcpu-1gb)", amount, **ends)


def _arcadia(home: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "arcadia_dagster.cli", *arguments]
    settings = {"ARCADIA_HOME": str(home), "ARCADIA_SETTLE_SECONDS": "0", **FINANCE}
    return subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=True).stdout


def _of_nobody(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    sys.stdout.write(f"{write()}\n")
