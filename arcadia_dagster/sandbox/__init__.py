"""A finance service for one's own machine, so that everything runs, and is tested, without the real one.

It is written from the contract alone and shares no code with `arcadia_dagster.finance`, nor a JWT library: a token or
a body that the client gets wrong is refused here as the real service would refuse it, rather than agreed upon by two
users of one mistake. It is for development, tests and the demo: it keeps its rows in one SQLite file and lets anyone
read them who can reach its port, which is why it listens on loopback unless told otherwise.

What belongs here: what finance does as its client sees it. What does not: how we push (`finance`).
"""

from arcadia_dagster.sandbox.app import create_app
from arcadia_dagster.sandbox.errors import SandboxStartError
from arcadia_dagster.sandbox.server import DEFAULT_HOST, RunningSandbox, serve
from arcadia_dagster.sandbox.store import InvoiceRow

__all__ = [
    "DEFAULT_HOST",
    "InvoiceRow",
    "RunningSandbox",
    "SandboxStartError",
    "create_app",
    "serve",
]
