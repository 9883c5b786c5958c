"""The landing as a resource of runs: inbox, archive, and the reader whose stage lives as long as the run."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from arcadia_dagster import settings
from arcadia_dagster.billing.allocation import Routes
from arcadia_dagster.billing.approval import NO_LIMITS, Limits
from arcadia_dagster.billing.rules import Rules
from arcadia_dagster.books.budgets import Budget
from arcadia_dagster.books.budgets_file import read_budgets
from arcadia_dagster.buckets.url import names_bucket
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.approvals import known_limits
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.bucket_archive import archive_at
from arcadia_dagster.landing.descriptions import assert_usable
from arcadia_dagster.landing.inboxes import Inboxes
from arcadia_dagster.landing.routes import RoutesError, known_routes, read_routes
from arcadia_dagster.landing.rules import RulesError, assert_not_lost, known_rules, read_rules
from arcadia_dagster.landing.said import Said, take_said
from arcadia_dagster.settings import Settings
from arcadia_dagster.warehouse import Warehouse

# Commands that only ask for archive, routes and rules need neither: the two take half of what `arcadia status` takes.
if TYPE_CHECKING:
    from arcadia_dagster.formats.reader import Reader
    from arcadia_dagster.landing.landing import Landed


@dataclass(kw_only=True, slots=True)
class LandingResource:
    """Where files arrive and where their bytes are kept.

    Attributes:
        inbox: The folder that invoice files are dropped in. Landing never changes it.
        inbox_named: Whether a person has named that folder, or no other inbox, so that it must exist.
        further_inboxes: The other folders, by their absolute paths, and buckets, by their URLs. Nothing there is changed.
        archive: The folder, or the bucket's URL, that keeps every document's bytes.
        home: The folder of the deployment, where it is noted when the archive was last verified.
        archive_cache: The folder of this machine for copies of what is in a bucket.
        formats: The folder with people's descriptions of formats.
        formats_named: Whether a person has named that folder, so that it must exist.
        max_document_bytes: A larger file is not taken.
        tenants: The file with the routing table: which tenant bears what.
        tenants_named: Whether a person has named that file, so that it must exist.
        own_tenant: The tenant that bears what no route leads elsewhere.
        sources: The file with what people know of sources and accounts.
        sources_named: Whether a person has named that file, so that it must exist.
        budgets: The file with budgets.
        budgets_named: Whether a person has named that file, so that it must exist.
        approve_over: Which invoices wait until a second person approves them.
        settle_seconds: How long a file must lie unchanged to count as complete.
    """

    inbox: str
    archive: str
    home: str = ""
    archive_cache: str = ""
    inbox_named: bool = True
    further_inboxes: tuple[str, ...] = ()
    formats: str = ""
    formats_named: bool = False
    max_document_bytes: int = settings.MAX_DOCUMENT_BYTES
    tenants: str = ""
    tenants_named: bool = False
    own_tenant: str = settings.OWN_TENANT
    sources: str = ""
    sources_named: bool = False
    budgets: str = ""
    budgets_named: bool = False
    approve_over: Limits = NO_LIMITS
    settle_seconds: float = settings.SETTLE_SECONDS
    _reader: "Reader | None" = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, values: Settings) -> Self:
        """The landing that the settings describe."""
        return cls(
            inbox=str(values.inbox),
            inbox_named=values.names_inbox,
            further_inboxes=values.further_inboxes,
            archive=str(values.archive),
            home=str(values.home),
            archive_cache=str(values.archive_cache),
            formats=str(values.formats),
            formats_named=values.is_set("formats"),
            max_document_bytes=values.max_document_bytes,
            settle_seconds=values.settle_seconds,
            tenants=str(values.tenants),
            tenants_named=values.is_set("tenants"),
            own_tenant=values.finance_tenant_id,
            sources=str(values.sources),
            sources_named=values.is_set("sources"),
            budgets=str(values.budgets),
            budgets_named=values.is_set("budgets"),
            approve_over=values.approve_over,
        )

    @property
    def inbox_path(self) -> Path:
        """The folder that people drop files in, and downloads are put in."""
        return Path(self.inbox)

    @property
    def names(self) -> tuple[str, ...]:
        """The inboxes, as settings and messages name them."""
        return (self.inbox, *self.further_inboxes)

    def get_inboxes(self) -> Inboxes:
        """All inboxes, as one."""
        return Inboxes(self.inbox_path, must_exist=self.inbox_named, further=self.further_inboxes)

    @property
    def has_quick_archive(self) -> bool:
        """Whether all records can be looked at in a tick; of a bucket each run looks at them."""
        return not names_bucket(self.archive)

    def get_archive(self) -> Archive:
        """The archive."""
        return archive_at(
            self.archive,
            cache=Path(self.archive_cache),
            max_document_bytes=self.max_document_bytes,
            inbox=self.inbox_path,
        )

    def get_reader(self, warehouse: Warehouse) -> "Reader":
        """The run's reader; it keeps the lines of each document for the next steps.

        Raises:
            RulesError: What people know of sources cannot be right.
        """
        if self._reader is None:
            from arcadia_dagster.formats.reader import Reader  # noqa: PLC0415 - see above

            self._reader = Reader(warehouse.new_work_folder(), warehouse.stage, self.get_formats())
        return self._reader

    def land(self, warehouse: Warehouse) -> "Landed":
        """Take the routing table, what people know of sources, and what is new in the inbox; see `take_said`, `Landing.land`.

        Raises:
            BudgetsError: The budgets cannot be right; nothing was taken.
            FormatsError: A description of a format cannot be used, or is gone; nothing was taken.
            RoutesError: The routing table cannot be right; nothing was taken.
            RulesError: What people know of sources cannot be right; nothing was taken.
        """
        from arcadia_dagster.landing.landing import Landing  # noqa: PLC0415 - see above

        months = take_said(warehouse, self.get_reader(warehouse).formats, self.get_said())
        landing = Landing(warehouse, self.get_archive(), self.get_reader(warehouse))
        landed = landing.land(self.get_inboxes(), settle_seconds=self.settle_seconds)
        landed.months |= months
        return landed

    def get_formats(self) -> Formats:
        """The formats that documents are read by, with people's descriptions and what they know of sources as they are now.

        Raises:
            RulesError: What they know of sources cannot be right, or is gone.
        """
        return self.get_formats_with(self.get_rules())

    def get_formats_with(self, rules: Rules) -> Formats:
        """The formats with these rules, such as none where only the formats matter; what is wrong with one of them is in it."""
        if not self.formats:
            return Formats(rules=rules)
        return Formats.of(Path(self.formats), rules, must_exist=self.formats_named)

    def get_rules(self) -> Rules:
        """What people know of sources, as the file has it now; nothing where there is no file.

        Raises:
            RulesError: It cannot be right, or the file is gone.
        """
        if not self.sources:
            return Rules()
        rules = read_rules(Path(self.sources), must_exist=self.sources_named)
        assert_not_lost(self.get_archive(), Path(self.sources), rules)
        return rules

    def get_routes(self) -> Routes:
        """The routing table, as the file has it now; empty where there is no file.

        Raises:
            RoutesError: It cannot be right.
        """
        if not self.tenants:
            return Routes((), self.own_tenant)
        return read_routes(Path(self.tenants), self.own_tenant, must_exist=self.tenants_named)

    def get_said(self) -> Said:
        """What people say of routes, budgets and limits, as their files have it now.

        Raises:
            BudgetsError, RoutesError: It cannot be right.
        """
        return Said(
            routes=self.get_routes(),
            routes_file=Path(self.tenants),
            budgets=self.get_budgets(),
            budgets_file=Path(self.budgets) if self.budgets else None,
            limits=self.approve_over,
        )

    def get_budgets(self) -> tuple[Budget, ...]:
        """The budgets, as the file has them now; none where there is no file.

        Raises:
            BudgetsError: They cannot be right.
        """
        return read_budgets(Path(self.budgets), must_exist=self.budgets_named) if self.budgets else ()

    def assert_can_deliver(self, warehouse: Warehouse) -> None:
        """Check that the descriptions can be used, and that the warehouse has the present routes, rules and limits.

        Raises:
            FormatsError: A description of a format cannot be used, or is gone.
            RoutesError: The warehouse does not go by the routing table yet, or it cannot be right.
            RulesError: The same of what people know of sources, or of the limits above which invoices wait.
        """
        formats = self.get_formats()
        assert_usable(warehouse, formats)
        routes, rules = self.get_routes(), formats.rules
        with warehouse.read() as connection:
            known = known_routes(connection)
            # Before the first landing there are no invoices to route.
            if known.own_tenant and known != routes:
                raise RoutesError(
                    f"{self.tenants} has changed, but the figures are not built by it yet: run `arcadia ingest` first; a running "
                    "deployment does it by itself"
                )
            if known_rules(connection) != rules:
                raise RulesError(
                    f"{self.sources} has changed, but the figures are not built by it yet: run `arcadia ingest` first; a running "
                    "deployment does it by itself"
                )
            # Without a warehouse's first landing there are no invoices either, and no limits.
            if known.own_tenant and known_limits(connection) != self.approve_over:
                raise RulesError(
                    "ARCADIA_APPROVE_OVER has changed, and no invoice waits by it yet: run `arcadia ingest` first, with the same "
                    "setting; a running deployment does it by itself"
                )

    def close(self) -> None:
        """Delete the stage, as the run ends."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
