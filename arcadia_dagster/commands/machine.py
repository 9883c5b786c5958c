"""`arcadia init`, `doctor`, `up`, `finance-sandbox`: the commands for this machine."""

import argparse
import contextlib
import os
import platform
import shlex
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from arcadia_dagster import __version__, dagster_home
from arcadia_dagster.buckets.url import names_bucket
from arcadia_dagster.commands import pages
from arcadia_dagster.commands.common import (
    FAILED,
    MISUSED,
    OK,
    CommandError,
    complaints,
    harmless,
    print_json,
)
from arcadia_dagster.commands.home import Home
from arcadia_dagster.home_sandbox import SECRET_FILE, HomeSandbox
from arcadia_dagster.how_many import how_many
from arcadia_dagster.loopback import FINANCE_PORT
from arcadia_dagster.private_files import make_private, readers_of
from arcadia_dagster.settings import ALERT_VARIABLE, SECRET_VARIABLE
from arcadia_dagster.store.lock import NO_LOCKS, keeps_apart

if TYPE_CHECKING:
    from arcadia_dagster.launcher import Deployment

_LEAST_FREE_BYTES = 1 << 30


def init(options: argparse.Namespace) -> int:  # noqa: ARG001 - every command takes its options
    """Make the folders and the warehouse. Doing it again changes nothing."""
    home = Home.open()
    with complaints():
        if home.settings.home.is_dir() and not any(home.settings.home.iterdir()):
            # The root of a volume may be somebody else's: `arcadia doctor` says who can read it.
            with contextlib.suppress(PermissionError):
                make_private(home.settings.home, group_reads=home.settings.group_reads)
        for folder in (home.settings.home, home.settings.inbox, home.archive.folder, home.settings.dagster_storage):
            folder.mkdir(parents=True, exist_ok=True)
        home.place_dagster_files()
        warehouse = home.warehouse
        warehouse.create()
    print(
        f"inbox      {', '.join(home.settings.inboxes)}\narchive    {home.settings.archive}\nwarehouse  {warehouse.name}"
    )
    if warehouse.is_lake:
        print(f"its data   {home.settings.data_path}")
    print(f"dagster    {home.dagster_home}")
    if (place := pages.folder()) is not None:
        print(f"docs       {place / 'docs'}")
    return OK


@dataclass(frozen=True, slots=True)
class Verdict:
    """One verdict of the doctor."""

    what: str
    verdict: Literal["ok", "note", "failed"]
    text: str


def doctor(options: argparse.Namespace) -> int:
    """Check everything that a deployment needs, and print a verdict for each."""
    verdicts = list(_verdicts(Home.open()))
    if options.json:
        print_json([asdict(verdict) for verdict in verdicts])
    else:
        for verdict in verdicts:
            print(f"{verdict.verdict:<7} {verdict.what:<10} {verdict.text}")
    return FAILED if any(verdict.verdict == "failed" for verdict in verdicts) else OK


def up(options: argparse.Namespace) -> int:
    """Run the whole deployment on this machine until Ctrl-C."""
    home = Home.open(in_sandbox=False)
    from arcadia_dagster import launcher

    # The processes that it starts read these settings too: a wrong one stops the start here, with one clear message.
    _ = home.resources
    with complaints(launcher.LaunchError), launcher.interrupted_by_signals():
        deployment = launcher.plan(
            home.settings,
            os.environ,
            port=options.port,
            statements_port=options.statements_port,
            sandbox_port=options.finance_port,
        )
        running = launcher.Launcher(deployment, dagster_home.dagster_home(deployment.home))
        print("starting ...", flush=True)
        with running.running():
            print(_where_to_look(deployment), flush=True)
            running.watch()
            print("stopping ...", flush=True)
    return OK


def _where_to_look(deployment: "Deployment") -> str:
    lines = [
        f"  Dagster UI       {deployment.url}",
        f"  statements       {deployment.statements_url}",
        f"  inbox            {', '.join(deployment.settings.inboxes)}",
        f"  logs             {deployment.logs}",
    ]
    if deployment.sandbox is not None:
        lines += [
            f"  finance sandbox  {deployment.sandbox.url}",
            f"  commands         export ARCADIA_HOME={shlex.quote(str(deployment.home))}; arcadia status",
            "No finance is configured: this is a home of its own, with sample invoices and a finance sandbox.",
            f"Set SKYAI_FINANCE_URL and {SECRET_VARIABLE} for the real thing.",
        ]
    return "\n".join(["running; files dropped into the inbox are taken within a minute. Ctrl-C stops it.", *lines])


def finance_sandbox(options: argparse.Namespace) -> int:
    """Run a stand-in for the finance service until Ctrl-C."""
    home = Home.open(in_sandbox=False)
    from arcadia_dagster.sandbox import SandboxStartError, serve

    with complaints(SandboxStartError):
        own = HomeSandbox.of(home.settings.home)
        secret = home.settings.finance_secret.get_secret_value() or (own.secret if own else "")
        if not secret:
            raise CommandError(f"{SECRET_VARIABLE} is not set; set it to the secret that pushes will use", MISUSED)

        def accepting(port: int) -> None:
            # Let the commands in this home find it.
            if own is not None and own.secret == secret:
                replace(own, port=port).remember()

        port = (own.port if own else FINANCE_PORT) if options.port is None else options.port
        file = options.file or home.settings.home / "finance.sqlite"
        file.parent.mkdir(parents=True, exist_ok=True)
        serve(
            host=options.host,
            port=port,
            database=file,
            secret=secret,
            hosts=home.settings.hosts,
            on_accepting=accepting,
        )
    return OK


def _verdicts(home: Home) -> Iterator[Verdict]:
    versions = ", ".join(f"{name} {version(name)}" for name in ("dagster", "duckdb", "httpx", "pandas", "PyJWT"))
    yield Verdict("versions", "ok", f"arcadia {__version__}, Python {platform.python_version()}, {versions}")
    yield _docs()
    yield Verdict("settings", "ok", f"home {home.settings.home}, first month {home.settings.first_month:%Y-%m}")
    yield from _inboxes(home)
    yield _tried("archive", home.archive.check)
    yield _tried("warehouse", lambda: _warehouse(home))
    yield _tried("records", lambda: _records(home))
    yield _verified(home)
    yield _tried("tenants", lambda: _tenants(home))
    yield _tried("sources", lambda: _sources(home))
    yield _tried("budgets", lambda: _budgets(home))
    yield _tried("formats", lambda: _formats(home))
    yield _dagster(home)
    yield _tried("disk", lambda: _disk(home.settings.home))
    yield _tried("locks", lambda: _locks(home))
    yield from _readers(home)
    yield from _findings(home)
    yield from _finance(home)
    yield from _providers(home)
    if home.settings.alert_webhook:
        yield Verdict(
            "alerts", "ok", f"failures go to the webhook of {ALERT_VARIABLE}, with links to {home.settings.ui_url}"
        )
    else:
        yield Verdict("alerts", "note", f"off, because {ALERT_VARIABLE} is not set: failures are shown in the UI only")


def _tried(what: str, look: Callable[[], str]) -> Verdict:
    try:
        with complaints():
            return Verdict(what, "ok", look())
    except CommandError as error:
        return Verdict(what, "failed", str(error))


def _docs() -> Verdict:
    place = pages.folder()
    if place is None:
        return Verdict("docs", "note", "the pages that messages name were removed: install the wheel anew to have them")
    return Verdict("docs", "ok", f"{place / 'docs'} has the pages that messages name")


def _inboxes(home: Home) -> Iterator[Verdict]:
    from arcadia_dagster.buckets.url import BucketUrl
    from arcadia_dagster.landing.bucket_inbox import BucketInbox

    for name in home.settings.inboxes:
        if names_bucket(name):
            yield _tried("inbox", BucketInbox(BucketUrl.parse(name)).check)
        else:
            yield _tried("inbox", lambda: _inbox(Path(name)))  # noqa: B023 - called at once


def _inbox(inbox: Path) -> str:
    if not inbox.is_dir():
        raise CommandError(f"{inbox} is not a folder: run `arcadia init`, or set ARCADIA_INBOX")
    return f"{inbox}, {how_many(sum(1 for _ in os.scandir(inbox)), 'entry', 'entries')}"


def _records(home: Home) -> str:
    """Whether the records of all documents can be read, every line of them."""
    from arcadia_dagster.landing.records import RESTORE, unsound_records

    archive = home.archive
    damaged = unsound_records(home.warehouse, archive, every=True)
    if damaged:
        names_and_damage = "; ".join(harmless(f"{name}: {damage}") for name, damage in damaged.values())
        raise CommandError(
            f"{how_many(len(damaged), 'damaged record')}, so nothing of their documents is pushed: {names_and_damage}; {RESTORE}"
        )
    return f"{how_many(len(archive.records()), 'document')} in the archive, and no record is damaged"


def _verified(home: Home) -> Verdict:
    """When everything at rest was last verified."""
    from arcadia_dagster.verification.at_rest import noted

    last = noted(home.settings.home)
    if last is None:
        return Verdict(
            "verified", "note", "never in this home: run `arcadia verify --full`; a deployment does it each week"
        )
    when = f"on {last.at:%Y-%m-%d %H:%M} UTC, {'every byte' if last.is_full else 'lengths only'}"
    if last.doubts:
        return Verdict("verified", "failed", f"{when}: {last.doubts} doubts; run `arcadia verify` to see them")
    return Verdict("verified", "ok", f"{when}: nothing was doubted")


def _tenants(home: Home) -> str:
    with complaints():
        routes = home.landing.get_routes().routes
    file, own = home.settings.tenants, home.settings.finance_tenant_id
    if not routes:
        return f"no routes in {file}: {own} bears everything"
    tenants = sorted({route.tenant_id for route in routes})
    return f"{how_many(len(routes), 'route')} in {file}, to {', '.join(tenants)}; {own} bears the rest"


def _budgets(home: Home) -> str:
    with complaints():
        budgets = home.landing.get_budgets()
    return f"{how_many(len(budgets), 'budget')} in {home.settings.budgets}"


def _sources(home: Home) -> str:
    from arcadia_dagster.landing.rule_use import of_nothing
    from arcadia_dagster.landing.rules import said

    path = home.settings.sources
    with complaints():
        rules = home.landing.get_rules()
    if not rules.says_anything:
        return f"no rules in {path}: everything is as documents state it"
    words = [
        f"{rule.name}: {', '.join(f'{key} = {value}' for key, value in said(rule).items())} ({rule.reason})"
        for rule in rules.rules
    ]
    words += of_nothing(home.existing_warehouse, home.archive, rules, home.formats())
    if rules.buyer_tax_ids:
        words.insert(0, f"we are {', '.join(rules.buyer_tax_ids)}")
    return f"{how_many(len(rules.rules), 'rule')} in {path}: {'; '.join(words)}"


def _formats(home: Home) -> str:
    from arcadia_dagster.landing.descriptions import kept_documents, problems

    formats, warehouse = home.formats(), home.warehouse
    kept: set[str] = set()
    if warehouse.exists():
        with warehouse.read() as connection:
            wrong, kept = problems(connection, formats), kept_documents(connection)
    else:
        wrong = problems(None, formats)
    if wrong:
        raise CommandError("; ".join(wrong))
    names = ", ".join(format_.name for format_ in formats.descriptions.formats)
    held = (
        f"; the invoices of {how_many(len(kept), 'document')} are held, because a changed description reads them otherwise: run "
        "`arcadia status`"
        if kept
        else ""
    )
    return f"described in {home.settings.formats} or shipped: {names}{held}"


def _dagster(home: Home) -> Verdict:
    """Whether Dagster finds its files, and in the home those of this version."""
    folder = home.dagster_home
    in_home = folder == home.settings.home
    if not (folder / dagster_home.INSTANCE).is_file():
        remedy = "run `arcadia init`" if in_home else f"unset {dagster_home.VARIABLE}, or put the instance's file there"
        return Verdict("dagster", "failed", f"{folder} has no {dagster_home.INSTANCE}: {remedy}")
    if in_home and (names := dagster_home.changed(folder)):
        compare = "; ".join(shlex.join(("diff", str(folder / name), str(dagster_home.FOLDER / name))) for name in names)
        return Verdict("dagster", "note", f"{folder} has another {' and '.join(names)} than this version: {compare}")
    return Verdict("dagster", "ok", f"{folder} has {dagster_home.INSTANCE}")


def _warehouse(home: Home) -> str:
    from arcadia_dagster.reports.documents import count_documents
    from arcadia_dagster.reports.figures import months_with_invoices
    from arcadia_dagster.warehouse.schema import SCHEMA_VERSION

    warehouse = home.existing_warehouse
    with warehouse.read() as connection:
        documents = count_documents(connection)
        oldest = min(months_with_invoices(connection), default=None)
    told = f"{warehouse.name}, schema {SCHEMA_VERSION}, {how_many(documents, 'document')}"
    if oldest is None or oldest <= home.settings.first_month or home.settings.is_set("first_month"):
        return told
    return f"{told}; the UI shows months from {oldest:%Y-%m} on: where it shows others, reload the code location in it"


def _findings(home: Home) -> Iterator[Verdict]:
    """What waits for a person, as the checks show it; nothing where nothing does, or there is nothing to look at."""
    from arcadia_dagster.reports.findings import waiting

    try:
        with complaints(), home.existing_warehouse.read() as connection:
            findings = waiting(connection, home.recipient)
    except CommandError:
        # The verdict about the warehouse says why.
        return
    advice = {finding.kind: finding.advice for finding in findings}
    counts = Counter(finding.kind for finding in findings)
    if counts:
        words = "; ".join(f"{kind}: {count} found: {advice[kind]}" for kind, count in counts.items())
        yield Verdict("findings", "note", words)


def _disk(home: Path) -> str:
    if not home.is_dir():
        raise CommandError(f"there is no home {home} yet: run `arcadia init`, or set ARCADIA_HOME")
    free = shutil.disk_usage(home).free
    if free < _LEAST_FREE_BYTES:
        raise CommandError(f"{home} has {free >> 20} MiB left; free some space")
    return f"{free >> 30} GiB free"


def _locks(home: Home) -> str:
    values = home.settings
    beside = values.home if values.has_lake else Path(values.warehouse).parent
    folder = beside if beside.is_dir() else values.home
    if not folder.is_dir():
        return "nothing is written yet"
    if not keeps_apart(folder):
        raise CommandError(f"{folder}: {NO_LOCKS}")
    return f"{folder} keeps processes apart"


def _readers(home: Home) -> Iterator[Verdict]:
    """Who can read the secrets, and what is written, besides its owner; nothing of what is not there."""
    values = home.settings
    secrets = [Path(".env").absolute(), values.home / SECRET_FILE]
    # An inbox is not ours alone: other people and programs put files there.
    written = [values.home, *(Path(place) for place in values.written_places if not names_bucket(place))]
    readers = {
        place: who
        for place in dict.fromkeys(written)
        if place.exists() and (place == values.home or not place.is_relative_to(values.home))
        if (who := readers_of(place)) is not None
    }
    close = shlex.join(("chmod", "-R", "o-rwx" if values.group_reads else "go-rwx", *map(str, readers)))
    shown = ", ".join(f"{who} can read {place}" for place, who in readers.items())
    if "everybody" in readers.values():
        yield Verdict("private", "failed", harmless(f"{shown}: run `{close}`"))
    elif readers and not values.group_reads:
        yield Verdict(
            "private",
            "note",
            harmless(f"{shown}: run `{close}`, or set ARCADIA_GROUP_READS=true if the group is meant to"),
        )
    else:
        yield Verdict("private", "ok", "what is written is for its owner" + (" and group" if readers else ""))
    for place in secrets:
        if place.is_file() and (who := readers_of(place)) is not None:
            closing = shlex.join(("chmod", "go-rwx", str(place)))
            yield Verdict(
                "secret", "failed", harmless(f"{who} can read {place}, which may have the secret: run `{closing}`")
            )


def _finance(home: Home) -> Iterator[Verdict]:
    """Whether finance answers and takes our token: an empty body is not accepted, but only after the token was."""
    from arcadia_dagster.finance.errors import FinanceError, PayloadRefused

    if not home.settings.finance_secret:
        yield Verdict("finance", "note", f"{home.not_configured}; until then invoices are kept and wait")
        return
    if (sandbox := home.sandbox) is not None:
        yield _tried("finance", lambda: _home_sandbox(sandbox, home))
        return
    finance = home.resources.finance
    if finance.remark is not None:
        yield Verdict("secret", "note", finance.remark)
    try:
        with finance.client() as client:
            client.import_invoice({})
    except PayloadRefused:
        yield Verdict("finance", "ok", f"{finance.recipient.target} answers, and takes the token")
    except FinanceError as error:
        yield Verdict("finance", "failed", str(error))
    else:
        yield Verdict("finance", "note", f"{finance.recipient.target} answered an empty body as if it were an invoice")


def _home_sandbox(sandbox: HomeSandbox, home: Home) -> str:
    home.assert_answers(sandbox)
    return f"{sandbox.url}, the finance sandbox of this home, answers, and takes the token"


def _providers(home: Home) -> Iterator[Verdict]:
    """What the credentials of each configured provider may read."""
    from arcadia_dagster.providers.catalogue import NONE_IS_CONFIGURED
    from arcadia_dagster.providers.errors import ProviderError

    providers = home.resources.providers
    if not providers.configured:
        yield Verdict("provider", "note", f"{NONE_IS_CONFIGURED}: nothing is fetched")
    for provider in providers.configured:
        try:
            account = providers.open(provider)
        except ProviderError as error:
            yield Verdict(provider.name, "failed", str(error))
            continue
        with account:
            for right in account.rights():
                try:
                    answer = right.try_it()
                except ProviderError as error:
                    yield Verdict(provider.name, "failed", f"{right.what}: {error}")
                else:
                    yield Verdict(provider.name, "ok", f"{right.what}: {account.api.url} {answer}")
