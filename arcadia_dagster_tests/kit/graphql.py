"""Asks a running Dagster web server over GraphQL, as its own UI does; whatever it answers but data is a failure with its text."""

from collections.abc import Iterator
from typing import Any

import httpx

from arcadia_dagster_tests.kit.loopback import NO_AUTHORITIES

LAUNCH = """
mutation (
  $location: String! = "arcadia_dagster", $job: String!, $assets: [AssetKeyInput!], $config: RunConfigData, $tags: [ExecutionTag!]
) {
  launchRun(executionParams: {
    selector: {repositoryName: "__repository__", repositoryLocationName: $location, jobName: $job, assetSelection: $assets}
    runConfigData: $config
    executionMetadata: {tags: $tags}
  }) { __typename ... on Error { message } ... on PythonError { stack } ... on LaunchRunSuccess { run { runId status } } }
}
"""

BACKFILL = """
mutation ($assets: [AssetKeyInput!], $months: [String!]) {
  launchPartitionBackfill(backfillParams: {assetSelection: $assets, partitionNames: $months}) {
    __typename ... on Error { message } ... on PythonError { stack } ... on LaunchBackfillSuccess { backfillId } }
}
"""

BACKFILL_STATUS = """
query ($id: String!) {
  partitionBackfillOrError(backfillId: $id) { __typename ... on Error { message } ... on PythonError { stack }
    ... on PartitionBackfill { status runs { runId status } error { message stack } } }
}
"""


class GraphQLError(AssertionError):
    """The server answered with an error; the message has all that it says."""


class GraphQL:
    """The GraphQL endpoint of a web server."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/graphql"
        self.answers: list[str] = []
        """All that the server ever answered, as it came."""

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data that the query asks for.

        Every union in it should ask for `__typename`, and `... on Error { message }`, `... on PythonError { stack }`.
        """
        response = httpx.post(
            self._url, json={"query": query, "variables": variables}, timeout=90, verify=NO_AUTHORITIES
        )
        self.answers.append(response.text)
        try:
            answer = response.json()
        except ValueError:
            raise GraphQLError(f"HTTP {response.status_code}: {response.text[:2000]}") from None
        told = [str(error.get("message", error)) for error in answer.get("errors") or ()]
        told += [_told(error) for error in _errors(answer.get("data"))]
        if told or response.is_error:
            raise GraphQLError("\n".join([f"HTTP {response.status_code} for {' '.join(query.split())[:120]}", *told]))
        data: dict[str, Any] = answer["data"]
        return data


def _errors(answer: Any) -> Iterator[dict[str, Any]]:
    """Every object of the answer, however deep, that is an error by its type's name."""
    if isinstance(answer, list):
        for value in answer:
            yield from _errors(value)
    elif isinstance(answer, dict):
        name = str(answer.get("__typename", ""))
        if name.endswith(("Error", "NotFound", "Invalid", "Conflict")):
            yield answer
        for value in answer.values():
            yield from _errors(value)


def _told(error: dict[str, Any]) -> str:
    return "\n".join([f"{error['__typename']}: {error.get('message', error)}", *error.get("stack", ())])
