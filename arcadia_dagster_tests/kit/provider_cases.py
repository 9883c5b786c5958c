"""All providers of the catalogue as the tests that they share see them, and the homes that these fetch into."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster.providers.download import Fetched
from arcadia_dagster_tests.kit.aws_invoicing_api import AWS
from arcadia_dagster_tests.kit.azure_billing_api import AZURE
from arcadia_dagster_tests.kit.digitalocean_api import DIGITALOCEAN
from arcadia_dagster_tests.kit.fetching import FetchingHome
from arcadia_dagster_tests.kit.linode_api import LINODE
from arcadia_dagster_tests.kit.ovhcloud_api import OVHCLOUD
from arcadia_dagster_tests.kit.provider_api import Case, ProviderApi
from arcadia_dagster_tests.kit.scaleway_api import SCALEWAY
from arcadia_dagster_tests.kit.scripted_server import Request, Step

CASES = (DIGITALOCEAN, LINODE, SCALEWAY, OVHCLOUD, AWS, AZURE)
each_provider = pytest.mark.parametrize("case", CASES, ids=lambda case: case.provider.name)
each_with_papers = pytest.mark.parametrize(
    "case", [case for case in CASES if case.paper], ids=lambda case: case.provider.name
)
each_that_asks_for_one = pytest.mark.parametrize(
    "case", [case for case in CASES if case.whole], ids=lambda case: case.provider.name
)

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)


class CaseHome(FetchingHome):
    """A home that is fetched into from one provider, its inventory left out."""

    def __init__(self, folder: Path, case: Case) -> None:
        super().__init__(folder)
        self.case = case

    def fetch(self, api: ProviderApi, **options: Any) -> Fetched:
        account = self.case.provider.open(self.case.settings(api.url), self.pace)
        options = {"months": [MARCH, APRIL], **options}
        return self.fetch_from(account, self.case.provider.name, **options)

    def invoices(self) -> list[str]:
        """The names of the documents of invoices in the inbox."""
        return [name for name in self.names() if name.endswith(".json")]


def served(case: Case, *entries: dict[str, Any], before: Callable[[Request], Step | None] | None = None) -> ProviderApi:
    """The provider's server with these invoices; without any, with one of April."""
    api = case.api()
    api.entries.extend(entries or (case.entry(1, APRIL, "119.00"),))
    api.before = before or api.before
    return api


def once(step: Step, *paths: str) -> Callable[[Request], Step | None]:
    """Does this to the first request with one of these in its address."""
    left = [step]
    return lambda request: left.pop() if left and any(path in request.path for path in paths) else None


def addresses(case: Case) -> list[str]:
    """What the addresses of the list and of one invoice have in them."""
    return [case.lists, *([case.one(1, APRIL)] if case.whole else [])]
