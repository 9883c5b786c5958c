"""The Dagster UI behind the guard: `python -m arcadia_dagster.defs.webserver`, with the options of `dagster-webserver`.

Dagster's own server answers any `Host` and any `Origin`, takes mutations by GET and by forms, and any site may open its
websocket (seen in 1.13.27). It has no option that would change that.
"""

import logging
import os
from http import HTTPStatus
from typing import Any

import click
import dagster as dg
import uvicorn
from dagster_shared.cli import WorkspaceOpts
from dagster_webserver.cli import dagster_webserver
from dagster_webserver.version import __version__
from dagster_webserver.webserver import DagsterWebserver
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.config import LOGGING_CONFIG

from arcadia_dagster import settings
from arcadia_dagster.defs.code_servers import kept_running
from arcadia_dagster.defs.health import PATIENCE_SECONDS, problems
from arcadia_dagster.defs.internals import (
    WorkspaceProcessContext,
    WorkspaceRequestContext,
    configure_loggers,
    setup_interrupt_handlers,
    workspace_opts_to_load_target,
)
from arcadia_dagster.defs.metrics import CONTENT_TYPE, exposition
from arcadia_dagster.defs.noted_months import partitioned
from arcadia_dagster.finance.errors import ConfigurationFailure
from arcadia_dagster.finance.resource import FinanceResource
from arcadia_dagster.private_files import write_privately
from arcadia_dagster.serving.guard import FORBIDDEN, Guard, Names, refused
from arcadia_dagster.warehouse import LockTimeoutError, WarehouseError
from arcadia_dagster.warehouse.resource import WarehouseResource

_DEFAULT_PORT = 3000

# `dagster dev` uses the first two between its own processes.
_NOT_OFFERED = frozenset({"instance_ref", "shutdown_pipe", "suppress_warnings"})


class GuardedWebserver(DagsterWebserver[WorkspaceProcessContext, WorkspaceRequestContext]):
    """Dagster's server behind the guard.

    Args:
        process: Dagster's own: the instance and the code locations.
        names: What the server is called.
        path_prefix: Where below the host it is served.
        live_data_poll_rate: How often (ms) the UI asks for what is new.
    """

    def __init__(
        self, process: WorkspaceProcessContext, names: Names, path_prefix: str, live_data_poll_rate: int | None
    ) -> None:
        """Note the names, which the base class asks for."""
        self._names = names
        super().__init__(process, path_prefix, live_data_poll_rate)

    def build_middleware(self) -> list[Middleware]:
        """The guard, before all of Dagster's own."""
        return [Middleware(Guard, names=self._names, only_json=True), *super().build_middleware()]

    def build_routes(self) -> list[Any]:
        """Dagster's own, and the pages that say whether the deployment works, and in figures how."""
        own = [Route("/health", self._health), Route("/metrics", self._metrics)]
        return [*own, *super().build_routes()]  # type: ignore[no-untyped-call]

    def _health(self, request: Request) -> Response:
        """200 where all works, 503 where something does not; it asks afresh, in a thread of its own."""
        with self.request_context(request) as context:
            warehouse = WarehouseResource.of(settings.load()).get_within(PATIENCE_SECONDS)
            wrong = problems(context.instance, warehouse, _unloaded(context))
        status = HTTPStatus.SERVICE_UNAVAILABLE if wrong else HTTPStatus.OK
        return JSONResponse({"problems": wrong}, status, {"Cache-Control": "no-store"})

    def _metrics(self, request: Request) -> Response:
        """The figures for Prometheus, where ARCADIA_METRICS is set; 503 with the reason where they cannot be had."""
        values = settings.load()
        if not values.metrics:
            return PlainTextResponse("set ARCADIA_METRICS=true to have this page", HTTPStatus.NOT_FOUND)
        with self.request_context(request) as context:
            try:
                text = exposition(
                    context.instance,
                    WarehouseResource.of(values).get_within(PATIENCE_SECONDS),
                    FinanceResource.of(values),
                    values.prefix,
                    unloaded=_unloaded(context),
                )
            except LockTimeoutError:
                # Who has the lock, and with which words it was started, is nothing for whoever may read figures.
                return PlainTextResponse("others write the warehouse: ask again", HTTPStatus.SERVICE_UNAVAILABLE)
            except (WarehouseError, ConfigurationFailure) as error:
                return PlainTextResponse(str(error), HTTPStatus.SERVICE_UNAVAILABLE)
        return Response(text, headers={"Cache-Control": "no-store", "Content-Type": CONTENT_TYPE})

    async def graphql_http_endpoint(self, request: Request) -> Response:
        """Answers no query by GET, which an image or a link of any page can send; a browser gets the page to type queries in."""
        if request.method != "POST" and "query" in request.query_params:
            return refused(
                FORBIDDEN, "refused: send the query by POST, as JSON, with the header Content-Type: application/json"
            )
        answer: Response = await super().graphql_http_endpoint(request)
        return answer


def _unloaded(context: WorkspaceRequestContext) -> list[str]:
    """The names of the code locations that could not be loaded."""
    return [name for name in sorted(context.code_location_names) if context.has_code_location_error(name)]


def _serve(
    *,
    host: str,
    port: int | None,
    path_prefix: str,
    read_only: bool,
    db_statement_timeout: int,
    db_pool_recycle: int,
    db_pool_max_overflow: int,
    uvicorn_log_level: str,
    dagster_log_level: str,
    log_format: str,
    code_server_log_level: str,
    live_data_poll_rate: int | None,
    **workspace: Any,  # noqa: ANN401 - Dagster's own options
) -> None:
    # A SIGTERM is a Ctrl-C: the code server ends with us, and not when it has heard nothing for 45 s.
    setup_interrupt_handlers()
    try:
        values = _values()
        write_privately(group_reads=values.group_reads)
        names = names_of(values, host)
        log_format = "json" if values.log == "json" else log_format
        configure_loggers(formatter=log_format, log_level=dagster_log_level.upper())
    except settings.SettingsError as error:
        raise click.ClickException(str(error)) from error
    shown = partitioned(values)
    target = workspace_opts_to_load_target(WorkspaceOpts.extract_from_cli_options(workspace))
    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(db_statement_timeout, db_pool_recycle, db_pool_max_overflow)
        with WorkspaceProcessContext(
            instance, target, __version__, read_only, code_server_log_level=code_server_log_level
        ) as process:
            app = GuardedWebserver(process, names, path_prefix, live_data_poll_rate).create_asgi_app()
            port = port or _DEFAULT_PORT
            address = f"http://{host}:{port}{path_prefix}"
            started = f"serving the Dagster UI on {address}, by the names {', '.join(sorted(names.hosts))}"
            logging.getLogger("dagster-webserver").info(started)
            with kept_running(process, values, shown):
                uvicorn.run(
                    app, host=host, port=port, log_level=uvicorn_log_level, log_config=_log_of_requests(log_format)
                )


def _values() -> settings.Settings:
    """The settings; where none says otherwise, this server and its code servers end the partitions with the last month known.

    Its catalog counts no month as missing of which nothing has come. All other processes know the present month, so a command or
    a run may be for it; this server learns of it when something of it is known, and loads the code location anew.
    """
    values = settings.load()
    if values.is_set("partitions"):
        return values
    os.environ["ARCADIA_PARTITIONS"] = "known"
    return settings.load()


def _log_of_requests(log_format: str) -> dict[str, Any] | None:
    """The configuration of uvicorn's own log: in JSON its lines go where Dagster's do, and look like them."""
    if log_format != "json":
        return LOGGING_CONFIG
    logging.getLogger("uvicorn").handlers = logging.getLogger("dagster-webserver").handlers
    return None


def names_of(values: settings.Settings, listening: str) -> Names:
    """What the server is called.

    Args:
        values: The settings.
        listening: The name or address that it listens at.
    """
    url = values.named_ui_url
    return Names.of(listening, hosts=values.hosts, url=url, setting="ARCADIA_UI_URL")


main = click.Command(
    "arcadia_dagster.defs.webserver",
    params=[option for option in dagster_webserver.params if option.name not in _NOT_OFFERED],
    callback=_serve,
    help="Serve the Dagster UI, but to no page of another site. The options are those of `dagster-webserver`.",
)

if __name__ == "__main__":
    main(auto_envvar_prefix="DAGSTER_WEBSERVER")
