from collections.abc import Iterator

import pytest

from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster_tests.kit.handmade import ISSUER, SECRET, Client


@pytest.fixture(scope="session")
def finance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One sandbox for all tests that do not need one to themselves; each pushes invoices of its own."""
    database = tmp_path_factory.mktemp("finance") / "finance.sqlite"
    with RunningSandbox(database=database, secret=SECRET, issuer=ISSUER) as sandbox:
        client = Client(sandbox)
        with client.http:
            yield client
