"""Fixtures and settings that all tests share."""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# No setting of the person who runs the tests may reach them, and Dagster must not call home.
SETTINGS_OF_PEOPLE = ("ARCADIA_", "SKYAI_", "DAGSTER_", "DIGITALOCEAN_")
for name in [name for name in os.environ if name.startswith(SETTINGS_OF_PEOPLE)]:
    del os.environ[name]
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"

# What tests write lies in memory where there is enough of it: on a disk each synced file takes 3.7 ms and each removed one 1.5 ms
# (2026-11-30), and a story writes and removes hundreds. No test loses power, so none needs the disk.
_IN_MEMORY, _ENOUGH = Path("/dev/shm"), 6 << 30  # noqa: S108 - the kernel's folder, in which pytest makes one of its own
if "TMPDIR" not in os.environ and os.access(_IN_MEMORY, os.W_OK) and shutil.disk_usage(_IN_MEMORY).free >= _ENOUGH:
    os.environ["TMPDIR"] = tempfile.tempdir = str(_IN_MEMORY)

from arcadia_dagster.sandbox import RunningSandbox  # noqa: E402
from arcadia_dagster_tests.kit import rooms, shares  # noqa: E402
from arcadia_dagster_tests.kit.documents import Desk  # noqa: E402
from arcadia_dagster_tests.kit.project import Project  # noqa: E402
from arcadia_dagster_tests.kit.sandboxes import empty_sandbox  # noqa: E402
from arcadia_dagster_tests.kit.shares import Share  # noqa: E402
from arcadia_dagster_tests.kit.statements import Recorder  # noqa: E402


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project without finance."""
    return Project(tmp_path / "home")


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """A finance service of the test's own."""
    with empty_sandbox() as running:
        yield running


@pytest.fixture
def project_with_finance(tmp_path: Path, sandbox: RunningSandbox) -> Project:
    """A project that pushes to a sandbox."""
    return Project(tmp_path / "home", sandbox=sandbox)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter and read, unlike those that pytest makes."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--share",
        type=Share.parse,
        metavar="K/N",
        help="of the stories those that always run, and the K-th of N shares",
    )


def pytest_report_header(config: pytest.Config) -> str | None:
    share: Share | None = config.getoption("share")
    if share is None:
        return None
    return (
        f"stories: share {share.number} of {share.count}, {len(share.modules())} of {len(shares.all_modules())} modules; "
        "`make test-stories` runs all of them"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    share: Share | None = config.getoption("share")
    if share is None or collection_path not in shares.all_modules():
        return None
    return collection_path not in share.modules() or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The modules that take longest first."""
    items.sort(key=lambda item: shares.place(item.path.name))


def pytest_collection_finish() -> None:
    """What is imported by now stays: the collector need not look through it each time, which takes 8% of a build."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.reader.close()


@pytest.fixture(scope="module")
def large_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk for the many cases of a module, which are read at once."""
    desk = Desk(tmp_path_factory.mktemp("desk"))
    yield desk
    desk.reader.close()


@pytest.fixture(scope="session", autouse=True)
def recorder_of_statements() -> Iterator[Recorder]:
    """Looks at every statement that runs, for the next fixture."""
    with Recorder(rooms.may).recording() as recorder:
        yield recorder


@pytest.fixture(autouse=True)
def each_room_uses_its_tables_only(recorder_of_statements: Recorder) -> Iterator[None]:
    """Fails a test in which a room reads or writes a table that docs/architecture.md does not list for it."""
    yield
    assert recorder_of_statements.take() == []
