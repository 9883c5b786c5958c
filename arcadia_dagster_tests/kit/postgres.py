"""A Postgres of the tests' own, from Debian's binaries, in a temporary folder; it can be stopped and started, as machines do."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

import psycopg2

from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster_tests.kit.loopback import free_port

_FOLDERS = ("usr/lib/postgresql/*/bin",)


def binary(name: str, package: str, *folders: str) -> str:
    """A program that Debian has; a test that cannot have it fails, and says which package to install."""
    found = _found(name, *folders)
    assert found, f"{name} is missing: apt-get install {package}"
    return found


def is_installed() -> bool:
    """Whether this machine has Debian's package of Postgres."""
    return _found("initdb", *_FOLDERS) is not None


def _found(name: str, *folders: str) -> str | None:
    return shutil.which(name) or next(
        (str(path) for folder in folders for path in sorted(Path("/").glob(f"{folder}/{name}"), reverse=True)), None
    )


class Postgres:
    """A cluster. Where the tests run as root, which Postgres refuses to, it belongs to the user that Debian's package made.

    Args:
        durable: Whether a commit waits until it is on the disk, as it must where anything depends on it.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._fsync = "on" if durable else "off"
        self._programs = Path(binary("initdb", "postgresql", *_FOLDERS)).parent
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="arcadia-pg-"))
        self._folder.chmod(0o755)
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
            self._user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": [], "cwd": self._folder}
        self._run("initdb", "--auth=trust", "--username=arcadia", "--no-sync", "--encoding=UTF8", "--locale=C")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def _run(self, name: str, *arguments: str) -> None:
        command = [str(self._programs / name), "-D", str(self._folder / "data"), *arguments]
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **self._user,
        )
        assert done.returncode == 0, done.stdout.decode()

    def start(self) -> None:
        options = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1 -c fsync={self._fsync} -c max_connections=200"
        self._run("pg_ctl", "-o", options, "-l", str(self._folder / "log"), "-w", "start")

    def stop(self) -> None:
        """As a machine that goes down: every session ends at once."""
        self._run("pg_ctl", "-m", "immediate", "-w", "stop")

    def dsn(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user=arcadia dbname={database}"

    def query(self, database: str, statement: str) -> list[Any]:
        connection = psycopg2.connect(self.dsn(database))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def new_database(self, name: str) -> str:
        """Where it is, as a lake's location has it."""
        self.query("postgres", f"CREATE DATABASE {name}")
        return f"ducklake:postgres:{self.dsn(name)}"


def opened_again(lake: Warehouse, *, lock_timeout: float = 30.0) -> Warehouse:
    """The same lake, as another process opens it."""
    return Warehouse(lake.name, data_path=files_of(lake), work_path=lake.path, lock_timeout=lock_timeout)


def files_of(lake: Warehouse) -> Path:
    """The folder of the Parquet files of a lake that the tests have made: as in a deployment, not beside its temporary files."""
    return lake.path.parent.parent / "volumes" / lake.path.name
