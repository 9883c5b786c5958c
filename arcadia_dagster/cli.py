"""The command `arcadia`: which commands there are, and what each exit code means.

Exit codes: 0 done; 1 it failed, and the message says what to do; 2 the command line or a setting is wrong; 130 interrupted.
"""

import argparse
import difflib
import errno
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from arcadia_dagster import __version__, commands
from arcadia_dagster.garbage import collect_seldom
from arcadia_dagster.home_sandbox import HOST as SANDBOX_HOST
from arcadia_dagster.loopback import FINANCE_PORT

_FAILED, _INTERRUPTED = 1, 130

_Command: TypeAlias = Callable[[argparse.Namespace], int]
"""Carries out a command; it returns the exit code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the process's exit code is returned.

    Args:
        arguments: Those of the command; None: those of this process, which is the command's alone.
    """
    if arguments is None:
        collect_seldom()
    try:
        try:
            return _carried_out(arguments)
        finally:
            # What Python itself writes as it ends, it complains of in its own words and with exit code 120.
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has ended, as `head` does.
        _forget_output()
        return 0
    except OSError as error:
        # An error of a file has the file's name.
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        _forget_output()
        print(f"arcadia: the output cannot be written ({error.strerror})", file=sys.stderr)
        return _FAILED


def _forget_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _carried_out(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(_as_one_command(sys.argv[1:] if arguments is None else arguments))
    command: _Command = options.command
    from arcadia_dagster.commands.common import CommandError, harmless
    from arcadia_dagster.private_files import writing_privately

    try:
        with writing_privately():
            return command(options)
    except CommandError as error:
        print("\n".join(map(harmless, f"arcadia: {error}".split("\n"))), file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("arcadia: interrupted; what was finished is kept, run it again to go on", file=sys.stderr)
        return _INTERRUPTED


def _as_one_command(arguments: Sequence[str]) -> list[str]:
    """The command line with a command of two words as one: `export bills`, beside `export MONTH`."""
    return ["export bills", *arguments[2:]] if [*arguments[:2]] == ["export", "bills"] else [*arguments]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="arcadia",
        description="Turn cloud invoice files into exact records in finance.",
        epilog="First steps: arcadia init; drop invoice files into the inbox; arcadia ingest; arcadia status. `arcadia doctor` "
        "says where the pages are that messages name, such as docs/manual.md.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"arcadia {__version__}")
    parsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_months(parsers)
    _add_invoices(parsers)
    _add_machine(parsers)
    _add_warehouse(parsers)
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser that names what is nearest to a mistyped command, as argparse does from Python 3.14 on."""

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is None or value in action.choices:
            return
        near = difflib.get_close_matches(str(value), [str(choice) for choice in action.choices], n=1)
        meant = f"did you mean {near[0]}?" if near else f"{self.prog} --help lists what there is"
        raise argparse.ArgumentError(action, f"there is no {str(value)!r}; {meant}")


_MOST_PORT = 65535


def _port(text: str, least: int = 1) -> int:
    """A TCP port, as argparse takes it."""
    if not text.isdecimal() or not least <= int(text) <= _MOST_PORT:
        raise argparse.ArgumentTypeError(f"{text}: expected a port from {least} to {_MOST_PORT}")
    return int(text)


def _any_port(text: str) -> int:
    """A TCP port, or 0 for any free one."""
    return _port(text, least=0)


def _month_of_export(text: str) -> str:
    """What `export` is followed by, where it is no mistyped `bills`."""
    if difflib.get_close_matches(text, ["bills"], n=1):
        raise argparse.ArgumentTypeError(f"there is no 'export {text}'; did you mean export bills?")
    return text


def _text(text: str) -> str:
    """What a person typed, as text that can be kept: of bytes that are not UTF-8 each is escaped."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


_Parsers: TypeAlias = "argparse._SubParsersAction[_Parser]"  # noqa: SLF001 - it has no public name


def _add(parsers: _Parsers, name: str, command: _Command, text: str, *, has_json: bool = False) -> _Parser:
    """A command: what carries it out, whose module is imported when it is called, and what it does."""
    parser = parsers.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)
    parser.set_defaults(command=command)
    if has_json:
        parser.add_argument(
            "--json", action="store_true", help="print JSON; each amount in minor units (cents) and as decimal text"
        )
    return parser


def _add_months(parsers: _Parsers) -> None:
    ingest = _add(
        parsers,
        "ingest",
        lambda options: commands.months.ingest(options),
        "take new files from the inbox and bring months up to date",
        has_json=True,
    )
    ingest.add_argument(
        "months", nargs="?", metavar="MONTH[..MONTH]", help="such as 2026-04 or 2026-01..2026-12; default: what is new"
    )
    fetch = _add(
        parsers,
        "fetch",
        lambda options: commands.fetch.fetch(options),
        "download new and changed invoices, and an inventory, into the inbox",
        has_json=True,
    )
    fetch.add_argument(
        "provider",
        nargs="?",
        metavar="PROVIDER",
        help="such as digitalocean or linode; default: all that are configured",
    )
    fetch.add_argument(
        "months",
        nargs="?",
        metavar="MONTH[..MONTH]",
        help="only the invoices of these months; default: all that is new",
    )
    _add(
        parsers, "status", lambda options: commands.months.status(options), "show how each month stands", has_json=True
    )
    statement = _add(
        parsers,
        "statement",
        lambda options: commands.statement.statement(options),
        "write a month's statement, a web page to read or print",
    )
    statement.add_argument(
        "months",
        nargs="?",
        metavar="MONTH[..MONTH]|YEAR",
        help="such as 2026-04, 2026-01..2026-04, or 2026 for the year's page; default: the latest month with invoices",
    )
    statement.add_argument(
        "--tenant", type=_text, metavar="TENANT", help="only what this tenant bears, ready to be sent"
    )
    statement.add_argument("--open", action="store_true", help="show it in the browser")
    statement.add_argument("--pdf", action="store_true", help="also print it into a PDF beside it; needs Chromium")
    tax = _add(
        parsers,
        "tax",
        lambda options: commands.tax.tax(options),
        "show net, tax and gross of a period by seller, country, rate and kind, and write its page",
        has_json=True,
    )
    tax.add_argument(
        "period",
        metavar="PERIOD",
        help="such as 2026-Q3, 2026, 2026-04 or 2026-01..2026-06; the months of the invoices",
    )
    tax.add_argument("--pdf", action="store_true", help="also print the page into a PDF beside it; needs Chromium")
    tax.add_argument("--by", choices=["month"], help="each month has rows of its own")
    _add_export(parsers)


def _add_export(parsers: _Parsers) -> None:
    export = _add(
        parsers,
        "export",
        lambda options: commands.export.export(options),
        "write invoices and lines as CSV or Parquet for other programs",
        has_json=True,
    )
    export.add_argument(
        "months",
        nargs="?",
        type=_month_of_export,
        metavar="MONTH[..MONTH]",
        help="such as 2026-04 or 2026-01..2026-12; default: all",
    )
    export.add_argument("--invoices", action="store_true", help="write only the invoices; default: invoices and lines")
    export.add_argument("--lines", action="store_true", help="write only the lines")
    export.add_argument("--format", choices=["csv", "parquet"], help="default: what the ending of --to says, else csv")
    export.add_argument(
        "--to",
        type=Path,
        default=Path(),
        metavar="FOLDER|FILE",
        help="a folder, or a file that ends with .csv or .parquet; files of the same name are replaced; default: here",
    )
    bills = _add(
        parsers,
        "export bills",
        lambda options: commands.books.export_bills(options),
        "write a month's invoices as bills or as a journal for the books; each once, and a changed one as a correction",
        has_json=True,
    )
    bills.add_argument("months", metavar="MONTH[..MONTH]", help="such as 2026-04 or 2026-01..2026-03")
    bills.add_argument(
        "--as",
        dest="layout",
        choices=["xero", "quickbooks", "bills", "journal", "beancount"],
        default="bills",
        help="for which program; each has a record of its own of what was exported; default: %(default)s",
    )
    bills.add_argument("--to", type=Path, default=Path(), metavar="FOLDER", help="where the files go; default: here")
    bills.add_argument("--again", action="store_true", help="also write what was exported; the record notes this")
    accruals = _add(
        parsers,
        "accruals",
        lambda options: commands.books.accruals(options),
        "show what a month comes to that is not invoiced yet, and what its invoices differ by from what was accrued",
        has_json=True,
    )
    accruals.add_argument("month", metavar="MONTH", help="such as 2026-11")
    accruals.add_argument(
        "--to",
        type=Path,
        metavar="FOLDER",
        help="also write it as a journal, dated on the month's last day and reversed on the next, and put it on record",
    )
    accruals.add_argument("--as", dest="layout", choices=["journal", "beancount"], default="journal")
    accruals.add_argument(
        "--again",
        action="store_true",
        help="also write what is on record, such as in the other layout; the record notes this",
    )


def _add_invoices(parsers: _Parsers) -> None:
    which = "its id or number, or source/account/id"
    explain = _add(
        parsers,
        "explain",
        lambda options: commands.invoices.explain_invoice(options),
        "show which lines of which file an invoice's figures come from, or what became of a file",
        has_json=True,
    )
    explain.add_argument(
        "what",
        metavar="INVOICE|FILE",
        help=f"an invoice: {which}; or a file: its path, its name, or 8 or more digits of its SHA-256",
    )
    documents = parsers.add_parser(
        "documents",
        help="write out a document as it came",
        description="The documents that the archive keeps.",
        allow_abbrev=False,
    )
    actions = documents.add_subparsers(required=True, metavar="ACTION")
    get = _add(
        actions,
        "get",
        lambda options: commands.documents.get(options),
        "write a document's bytes, as they came, into a file",
    )
    get.add_argument("document", metavar="DOCUMENT", help="its path, its name, or 8 or more digits of its SHA-256")
    get.add_argument(
        "--to",
        type=Path,
        default=Path(),
        metavar="FILE|FOLDER",
        help="a file, or a folder in which it gets its own name; no other file is replaced; default: here",
    )
    invoices = _add(
        parsers,
        "invoices",
        lambda options: commands.listing.invoices(options),
        "list invoices with their amounts and states, or the files that are rejected",
        has_json=True,
    )
    invoices.add_argument(
        "months", nargs="?", metavar="MONTH[..MONTH]", help="such as 2026-04 or 2026-01..2026-12; default: all"
    )
    only = invoices.add_mutually_exclusive_group()
    only.add_argument("--held", action="store_true", help="list only invoices that wait for a person, and why")
    only.add_argument(
        "--outstanding",
        action="store_true",
        help="list only ready invoices whose current version finance does not have",
    )
    only.add_argument(
        "--rejected", action="store_true", help="list the files that could not be read or not be taken, and why"
    )
    push = _add(
        parsers,
        "push",
        lambda options: commands.invoices.push(options),
        "push to finance the invoices that it does not have yet",
        has_json=True,
    )
    push.add_argument("what", metavar="INVOICE|MONTH[..MONTH]", help=f"{which}; or a month such as 2026-04")
    push.add_argument("--again", action="store_true", help="also push what finance already has; the record notes this")
    _add(
        parsers,
        "reconcile",
        lambda options: commands.invoices.reconcile(options),
        "compare finance's list with what was pushed; where they differ, say what to do",
        has_json=True,
    )
    release = _add(
        parsers,
        "release",
        lambda options: commands.invoices.release(options),
        "let a held invoice go to finance",
        has_json=True,
    )
    release.add_argument("invoice", metavar="INVOICE", help=which)
    release.add_argument(
        "--as-stated",
        action="store_true",
        help="push the stated total, not the sum of its lines; the difference becomes a separate line",
    )
    release.add_argument(
        "--all", action="store_true", help="release it for all reasons that hold it, if there are several"
    )
    void = _add(
        parsers,
        "void",
        lambda options: commands.invoices.void(options),
        "stop all further pushes of an invoice that must not be in finance",
        has_json=True,
    )
    void.add_argument("invoice", metavar="INVOICE", help=which)
    dismiss = _add(
        parsers,
        "dismiss",
        lambda options: commands.invoices.dismiss(options),
        "take a document out; the earlier version of its invoices counts again",
        has_json=True,
    )
    dismiss.add_argument("document", metavar="DOCUMENT", help="its file name, or the beginning of its SHA-256")
    mend = _add(
        parsers,
        "mend",
        lambda options: commands.invoices.mend(options),
        "write a new record for a document whose record is damaged, if there is no backup",
        has_json=True,
    )
    mend.add_argument("document", metavar="DOCUMENT", help="its file name, or the beginning of its SHA-256")
    end = _add(
        parsers,
        "end",
        lambda options: commands.invoices.end(options),
        "say that an account has ended; no month waits for its invoices until a new one comes",
        has_json=True,
    )
    end.add_argument("account", type=_text, metavar="ACCOUNT", help="the account's id, or source/account")
    approve = _add(
        parsers,
        "approve",
        lambda options: commands.invoices.approve(options),
        "as a second person, let an invoice over ARCADIA_APPROVE_OVER go to finance",
        has_json=True,
    )
    approve.add_argument("invoice", metavar="INVOICE", help=which)
    for parser in (release, approve, void, dismiss, mend, end):
        parser.add_argument("--reason", required=True, type=_text, help="why you decide this; it is kept on record")


def _add_machine(parsers: _Parsers) -> None:
    _add(
        parsers,
        "init",
        lambda options: commands.machine.init(options),
        "make the folders and the warehouse, the database of the program",
    )
    formats = _add(
        parsers,
        "formats",
        lambda options: commands.formats.formats(options),
        "list the formats that the program reads, or try a description of a format on a file",
        has_json=True,
    )
    actions = formats.add_subparsers(metavar="ACTION")
    _add(
        actions,
        "list",
        lambda options: commands.formats.formats(options),
        "list the formats that the program reads",
        has_json=True,
    )
    try_ = actions.add_parser(
        "try",
        help="show how a description reads a file; nothing is written",
        description="Show how a description reads a file. Nothing is written.",
        allow_abbrev=False,
    )
    try_.set_defaults(command=lambda options: commands.formats.try_description(options))
    try_.add_argument("description", type=Path, metavar="DESCRIPTION", help="the TOML file")
    try_.add_argument("file", type=Path, metavar="FILE", help="a document of that format")
    retire = _add(
        actions,
        "retire",
        lambda options: commands.invoices.retire(options),
        "take out all documents that only this description reads; use it to remove a description",
        has_json=True,
    )
    retire.add_argument("name", metavar="NAME", help="the description's name")
    retire.add_argument("--reason", required=True, help="why you decide this; it is kept on record")
    _add(
        parsers,
        "doctor",
        lambda options: commands.machine.doctor(options),
        "check everything that a deployment needs, and say of each item whether it is right",
        has_json=True,
    )
    up = _add(
        parsers,
        "up",
        lambda options: commands.machine.up(options),
        "run the Dagster UI, the daemon and, if no finance service is configured, a finance sandbox",
    )
    up.add_argument("--port", type=_port, default=3000, help="port of the Dagster UI; default: %(default)s")
    up.add_argument("--statements-port", type=_port, default=3001, help="port of the statements; default: %(default)s")
    up.add_argument(
        "--finance-port",
        type=_port,
        help=(
            f"port of the finance sandbox; default: the last one, else {FINANCE_PORT}. "
            "Another port counts as another finance service"
        ),
    )
    sandbox = _add(
        parsers,
        "finance-sandbox",
        lambda options: commands.machine.finance_sandbox(options),
        "run a stand-in for the finance service on this machine, to try things on",
    )
    sandbox.add_argument(
        "--port",
        type=_any_port,
        help=f"0 for any free port; default: the port of the home's sandbox, else {FINANCE_PORT}",
    )
    sandbox.add_argument(
        "--host",
        default=SANDBOX_HOST,
        help="address to listen on; default: %(default)s, this machine only. Others read its rows without a token",
    )
    sandbox.add_argument("--file", type=Path, help="where it keeps its rows; default: finance.sqlite in the home")
    completion = _add(
        parsers,
        "completion",
        _completion,
        "print the script by which a shell completes commands and options",
    )
    completion.add_argument("shell", metavar="SHELL", choices=["bash", "zsh", "tcsh"], help="bash, zsh or tcsh")
    demo = _add(
        parsers,
        "demo",
        _demo,
        "show the sample months from file to finance, in a temporary home",
    )
    demo.add_argument("--sample", type=Path, help="a folder of your own, with the folders inbox, reissued and rejected")


def _add_warehouse(parsers: _Parsers) -> None:
    verify = _add(
        parsers,
        "verify",
        lambda options: commands.verify.verify(options),
        "compare everything at rest: archive, register, totals and finance's records; exit 1 where something is doubted",
        has_json=True,
    )
    verify.add_argument(
        "--full",
        action="store_true",
        help="hash every byte of the archive, and build all months beside to compare; default: compare the lengths of documents",
    )
    verify.add_argument(
        "--seal", type=Path, metavar="FILE", help="write where each record stands, for an auditor to keep"
    )
    verify.add_argument(
        "--against",
        type=Path,
        metavar="FILE",
        help="a seal: say whether anything from before it was changed or removed",
    )
    _add(
        parsers,
        "rebuild",
        lambda options: commands.rebuild.rebuild(options),
        "move the warehouse away and build a new one from the archive, where it is damaged or doubted; nothing is pushed",
    )
    warehouse = parsers.add_parser(
        "warehouse",
        help="copy all tables from a file to a lake, or back",
        description="Copy the warehouse: all tables of the program.",
    )
    actions = warehouse.add_subparsers(required=True, metavar="ACTION")
    copy = _add(
        actions,
        "copy",
        lambda options: commands.warehouse.copy(options),
        "copy a warehouse into one that is new, and compare them",
        has_json=True,
    )
    copy.add_argument("source", metavar="FROM", help="a DuckDB file, or ducklake:postgres:...")
    copy.add_argument("target", metavar="TO", help="the same; it must have no rows")
    for name, which in (("--from-data", "FROM"), ("--to-data", "TO")):
        copy.add_argument(
            name,
            type=Path,
            metavar="FOLDER",
            help=f"the folder of the files of {which}, if a lake; default: ARCADIA_DATA_PATH",
        )


def _completion(options: argparse.Namespace) -> int:
    """Print the script by which a shell completes commands and options."""
    import shtab

    print(shtab.complete(_parser(), options.shell))
    return 0


def _demo(options: argparse.Namespace) -> int:
    """Show the sample months from file to finance, in a temporary home."""
    # The demo has a home, a port and a secret of its own, whatever the caller has set.
    from arcadia_dagster.commands.common import MISUSED, OK, CommandError, new_console
    from arcadia_dagster.providers.catalogue import VARIABLES

    ours = ("SKYAI_", "ARCADIA_", "DAGSTER_")
    for name in [name for name in os.environ if name.startswith(ours) or name in VARIABLES]:
        del os.environ[name]
    from arcadia_dagster import demo as sample_run
    from arcadia_dagster.defs.ingest import IngestError

    folder = options.sample or sample_run.SAMPLE
    if missing := [name for name in ("inbox", "reissued", "rejected") if not (folder / name).is_dir()]:
        raise CommandError(f"--sample {folder} has no folder {', '.join(missing)}", MISUSED)
    try:
        sample_run.run(folder, console=new_console())
    except (sample_run.DemoError, IngestError) as error:
        raise CommandError(f"the demo failed: {error}") from error
    return OK


if __name__ == "__main__":
    sys.exit(main())
