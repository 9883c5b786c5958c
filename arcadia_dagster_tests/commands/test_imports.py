"""What a command waits for before it says anything."""

import os
import subprocess
import sys

from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax

_IMPORTED = """
import sys
from arcadia_dagster.cli import main
code = main(["status"])
heavy = {"dagster", "pandas", "numpy", "pyarrow", "jwt", "cryptography", "lxml", "facturx", "httpx"}
heavy |= {"arcadia_dagster.formats.reader", "arcadia_dagster.landing.landing"}
print("imported:", *sorted(heavy & set(sys.modules)))
sys.exit(code)
"""


def test_status_waits_for_none_of_the_large_libraries(project: Project) -> None:
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.build()
    environ = {"PATH": os.environ["PATH"], **project.environ}
    told = subprocess.run([sys.executable, "-c", _IMPORTED], env=environ, capture_output=True, text=True, check=True)
    assert "2026-04" in told.stdout
    assert told.stdout.splitlines()[-1] == "imported:"
