"""The finance service as a resource of runs: it makes token, client and delivery from the settings."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from arcadia_dagster import settings
from arcadia_dagster.finance.client import RETRY_DELAYS, FinanceClient
from arcadia_dagster.finance.delivery import Delivered, Delivery
from arcadia_dagster.finance.errors import ConfigurationFailure
from arcadia_dagster.finance.outstanding import REROUTED, Recipient, missing_sql, outstanding_sql
from arcadia_dagster.finance.reconcile import Difference, differences, listed, on_record, settle
from arcadia_dagster.finance.target import target_of
from arcadia_dagster.finance.token import Identity, TokenMint, secret_problem, secret_remark
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.keys import InvoiceKey

SANDBOX_LIST_PATH = "/api/v1/invoices"
"""Where the sandbox lists its invoices."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FinanceResource:
    """The finance service and the identity under which invoices are pushed to it.

    Without a secret finance is not configured: nothing is pushed, and everything else works.

    Attributes:
        base_url: The finance service's base URL.
        secret: The shared secret that tokens are signed with; empty: not configured.
        tenant_id: The identity's own tenant; each invoice is pushed under that of its route.
        roles: The identity's roles.
        issuer: The token's issuer.
        subject: The token's subject; empty: the tenant id.
        read_timeout: Seconds to wait for the next bytes of an answer.
        retry_delays: Seconds before each retry, up to 10% longer.
        concurrency: How many invoices are sent at a time.
        abandon_days: How many days an invoice is tried again after passing failures.
        allow_http: Whether plain http may be used to other machines.
        optional_fields: Whether the payload has number, dates and evidence.
        list_path: Where the service lists its invoices; empty: it cannot.
        sandbox_url: The base URL that is a sandbox: sample invoices go only there.
    """

    base_url: str = settings.FINANCE_URL
    secret: str = field(default="", repr=False)
    tenant_id: str = settings.OWN_TENANT
    roles: Sequence[str] = settings.FINANCE_ROLES
    issuer: str = settings.FINANCE_ISSUER
    subject: str = ""
    read_timeout: float = settings.FINANCE_READ_TIMEOUT
    retry_delays: Sequence[float] = RETRY_DELAYS
    concurrency: int = settings.FINANCE_CONCURRENCY
    abandon_days: float = settings.FINANCE_ABANDON_DAYS
    allow_http: bool = False
    optional_fields: bool = True
    list_path: str = ""
    sandbox_url: str = ""

    @classmethod
    def of(cls, values: settings.Settings) -> "FinanceResource":
        """The service that the settings name."""
        return cls(
            base_url=values.finance_url,
            secret=values.finance_secret.get_secret_value(),
            tenant_id=values.finance_tenant_id,
            roles=values.finance_roles,
            issuer=values.finance_issuer,
            subject=values.finance_subject,
            read_timeout=values.finance_read_timeout,
            concurrency=values.finance_concurrency,
            abandon_days=values.finance_abandon_days,
            allow_http=values.finance_allow_http,
            optional_fields=values.finance_optional_fields,
            list_path=values.finance_list_path,
            sandbox_url=values.sandbox_url,
        )

    @property
    def is_configured(self) -> bool:
        """Whether there is a secret, right or wrong."""
        return bool(self.secret)

    @property
    def remark(self) -> str | None:
        """What a person should know about the secret, without the secret; None where there is nothing."""
        return secret_remark(self.secret) if self.is_configured else None

    @property
    def recipient(self) -> Recipient:
        """Where invoices go. Nothing goes anywhere without a secret, so samples need no guard then.

        Raises:
            ConfigurationFailure: The base URL is none.
        """
        target = _target(self.base_url, "SKYAI_FINANCE_URL")
        is_sandbox = bool(self.sandbox_url) and target == _target(self.sandbox_url, "ARCADIA_SANDBOX_URL")
        return Recipient(target, is_sandbox or not self.is_configured)

    def client(self) -> FinanceClient:
        """A client with one connection pool for a whole delivery; to be closed, or used as a context manager.

        Raises:
            ConfigurationFailure: The secret or the base URL cannot be right.
        """
        if (problem := secret_problem(self.secret)) is not None:
            raise ConfigurationFailure(problem)
        identity = Identity(self.tenant_id, tuple(self.roles), self.issuer, self.subject)
        return FinanceClient(
            self.base_url,
            TokenMint(self.secret, identity),
            read_timeout=self.read_timeout,
            retry_delays=tuple(self.retry_delays),
            allow_http=self.allow_http,
        )

    def deliver(
        self,
        warehouse: Warehouse,
        *,
        months: Collection[date] | None = None,
        invoices: Sequence[InvoiceKey] | None = None,
        again: bool = False,
        due_at: datetime | None = None,
        barred: Callable[[], Mapping[InvoiceKey, str]] = dict,
        progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
    ) -> Delivered:
        """Push what finance does not have yet; see `Delivery.deliver`.

        Raises:
            ConfigurationFailure: The secret or the base URL cannot be right; nothing was sent.
        """
        delivery = Delivery(
            warehouse,
            self.recipient,
            concurrency=self.concurrency,
            with_optional_fields=self.optional_fields,
            abandon_after=timedelta(days=self.abandon_days),
        )
        with self.client() as client:
            return delivery.deliver(
                client,
                months=months,
                invoices=invoices,
                again=again,
                due_at=due_at,
                barred=barred,
                progress=progress,
            )

    def reconcile(self, warehouse: Warehouse) -> list[Difference]:
        """Compare what finance lists with what is on record and what is ready; see `reconcile.differences`.

        No delivery runs meanwhile, for its pushes would look like differences. Invoices that finance should not have and does
        not list any more are recorded as removed.

        Raises:
            LockTimeoutError: A delivery took longer than the warehouse's lock's time-out.
            ConfigurationFailure: The settings cannot be right, or finance cannot list its invoices.
            TransientFailure: Finance was away for all requests.
        """
        recipient = self.recipient
        path = self.list_path or (SANDBOX_LIST_PATH if recipient.is_sandbox else "")
        if not path:
            raise ConfigurationFailure(
                "SKYAI_FINANCE_LIST_PATH is not set: set it to the path of finance's list of invoices, if it has one"
            )
        with warehouse.hold("delivery"), self.client() as client:
            ours = on_record(warehouse, recipient)
            sources = {invoice.key.source for invoice in ours}
            differing: list[Difference] = []
            for tenant_id in sorted({self.tenant_id, *(invoice.key.tenant_id for invoice in ours)}):
                of_tenant = [invoice for invoice in ours if invoice.key.tenant_id == tenant_id]
                rows = listed(client.list_invoices(path, tenant_id), sources, client.quoted)
                settle(warehouse, recipient, of_tenant, rows)
                differing += differences(tenant_id, of_tenant, rows, client.quoted)
            return differing

    def outstanding(self, warehouse: Warehouse, *, due_at: datetime | None = None) -> dict[date, int]:
        """How many ready invoices finance does not have as they are now, by month.

        Args:
            warehouse: Where they are.
            due_at: Leave out those that are due only after this time; count all where None.
        """
        with warehouse.read() as connection:
            rows = connection.execute(
                f"SELECT invoice_month, count(*) FROM ({outstanding_sql(self.recipient, due_at=due_at)}) "
                "GROUP BY ALL ORDER BY ALL"
            ).fetchall()
        return dict(rows)

    def lacking(self, warehouse: Warehouse) -> list[tuple[str, int, datetime | None]]:
        """The ready invoices that finance does not have as they are now: state, how many, and when (UTC) the first is due.

        The state is `not pushed` where there is no record, and `routed otherwise since` where its routes have changed since its
        push; there is no time where none waits for one.
        """
        with warehouse.read() as connection:
            return connection.execute(
                f"SELECT CASE WHEN rerouted IS NOT NULL THEN '{REROUTED}' ELSE coalesce(state, 'not pushed') END "
                "AS state, count(*), min(not_before) "
                f"FROM ({missing_sql(self.recipient)}) GROUP BY ALL ORDER BY ALL"
            ).fetchall()


def _target(url: str, setting: str) -> str:
    try:
        return target_of(url)
    except ValueError as error:
        raise ConfigurationFailure(f"{setting}: {error}") from error
