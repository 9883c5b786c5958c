"""Where the Parquet files of a lake lie: a folder that all machines share, or a bucket that DuckDB itself reads and writes."""

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import duckdb

from arcadia_dagster.buckets.environment import VariableError, config, endpoint
from arcadia_dagster.buckets.url import BucketUrl, names_bucket
from arcadia_dagster.store.errors import WarehouseError
from arcadia_dagster.store.query import text_literal

# The extensions that each kind of bucket needs: wheels with one file each, of the same version as DuckDB.
_EXTENSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "s3": ("duckdb_extension_httpfs", "duckdb_extension_aws"),
    "az": ("duckdb_extension_httpfs", "duckdb_extension_azure"),
}


class LakeFiles(Protocol):
    """Where the files of a lake lie."""

    @property
    def place(self) -> str:
        """The folder's path, or the bucket's URL, without `/` at its end; never with a secret."""

    @property
    def work(self) -> Path:
        """A path on this machine that temporary files lie beside."""

    def make(self) -> None:
        """Make it, where that is needed."""

    def prepare(self, engine: duckdb.DuckDBPyConnection) -> None:
        """Load into a new engine what it needs to read and write there. Raises WarehouseError."""


class FolderFiles:
    """A folder; see `LakeFiles`.

    Args:
        folder: Where it is.
        work: A path on this machine. Beside the folder itself nothing can be written where that is the root of a volume.
    """

    def __init__(self, folder: Path, work: Path) -> None:
        """Note where it is. Nothing is made yet."""
        self.place, self.work = str(folder.absolute()), work

    def make(self) -> None:
        """Make the folder, and that of temporary files."""
        Path(self.place).mkdir(parents=True, exist_ok=True)
        self.work.parent.mkdir(parents=True, exist_ok=True)

    def prepare(self, engine: duckdb.DuckDBPyConnection) -> None:
        """Nothing: DuckDB knows folders."""


class BucketFiles:
    """A bucket, or a folder in it; see `LakeFiles`.

    Args:
        url: Where it is.
        work: A path on this machine.

    Raises:
        WarehouseError: DuckDB cannot write there.
    """

    def __init__(self, url: BucketUrl, work: Path) -> None:
        """Note where it is. Nothing is asked yet."""
        if url.scheme not in _EXTENSIONS:
            raise WarehouseError(
                f"ARCADIA_DATA_PATH={url}: DuckDB writes to Google Cloud Storage only with keys of another kind: expected a "
                "folder, s3://bucket/prefix or az://container/prefix"
            )
        self.url, self.work, self.place = url, work, str(url)

    def make(self) -> None:
        """Nothing: a bucket has no folders. Only the folder of temporary files is made."""
        self.work.parent.mkdir(parents=True, exist_ok=True)

    def prepare(self, engine: duckdb.DuckDBPyConnection) -> None:
        """Load the extensions, and give DuckDB the credentials of the environment, for this bucket alone."""
        for package in _EXTENSIONS[self.url.scheme]:
            engine.execute(f"LOAD {text_literal(str(extension(package, 'ARCADIA_DATA_PATH', 'buckets')))}")
        try:
            options = self._options()
            engine.execute(
                f"CREATE SECRET arcadia_lake ({', '.join(f'{key} {value}' for key, value in options.items())})"
            )
        except VariableError as error:
            raise WarehouseError(f"ARCADIA_DATA_PATH={self.url}: {error}") from None
        except duckdb.Error:
            # The error may quote the statement, and with it the credentials.
            raise WarehouseError(
                f"ARCADIA_DATA_PATH={self.url}: the credentials in the environment cannot be used, or there are none: see "
                "docs/buckets.md"
            ) from None

    def _options(self) -> dict[str, str]:
        values = self._of_s3() if self.url.scheme == "s3" else self._of_azure()
        scope = f"{self.url.scheme}://{self.url.bucket}"
        words = {"TYPE": {"s3": "s3", "az": "azure"}[self.url.scheme], **values, "SCOPE": text_literal(scope)}
        return {key: value for key, value in words.items() if value}

    def _of_s3(self) -> dict[str, str]:
        named = {
            "KEY_ID": os.environ.get("AWS_ACCESS_KEY_ID", ""),
            "SECRET": os.environ.get("AWS_SECRET_ACCESS_KEY", ""),
            "SESSION_TOKEN": os.environ.get("AWS_SESSION_TOKEN", ""),
        }
        options = {key: text_literal(value) for key, value in named.items() if value}
        if "KEY_ID" not in options:
            # The machine's role: its credentials are temporary, and are had anew.
            options = {"PROVIDER": "credential_chain", "REFRESH": "auto"}
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        options["REGION"] = text_literal(region)
        if (named_endpoint := endpoint("s3")) is not None:
            parts = urlsplit(named_endpoint)
            options["ENDPOINT"] = text_literal(parts.netloc)
            options["USE_SSL"] = str(parts.scheme != "http").lower()
            options["URL_STYLE"] = "'path'"
        return options

    def _of_azure(self) -> dict[str, str]:
        if text := os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "").strip():
            config("az")
            return {"CONNECTION_STRING": text_literal(text)}
        account = os.environ.get("AZURE_STORAGE_ACCOUNT_NAME") or config("az").get("account_name")
        if not account:
            raise VariableError(
                "no storage account is named: set AZURE_STORAGE_ACCOUNT_NAME, or AZURE_STORAGE_CONNECTION_STRING"
            )
        key = os.environ.get("AZURE_STORAGE_ACCOUNT_KEY") or config("az").get("account_key")
        if key:
            parts = (
                f"DefaultEndpointsProtocol=https;AccountName={account};AccountKey={key};EndpointSuffix=core.windows.net"
            )
            return {"CONNECTION_STRING": text_literal(parts)}
        return {"PROVIDER": "credential_chain", "ACCOUNT_NAME": text_literal(account)}


def files_at(data_path: str | Path, work: Path) -> LakeFiles:
    """The files at a place: a folder's path, or a bucket's URL.

    Args:
        data_path: Where they are.
        work: A path on this machine that temporary files lie beside.

    Raises:
        WarehouseError: They cannot lie there.
    """
    if not names_bucket(str(data_path)):
        return FolderFiles(Path(data_path), work)
    try:
        return BucketFiles(BucketUrl.parse(str(data_path)), work)
    except ValueError as error:
        raise WarehouseError(f"ARCADIA_DATA_PATH: {error}") from None


def extension(package: str, variable: str, extra: str) -> Path:
    """The file of an extension of DuckDB, from its wheel: nothing is downloaded when the program runs.

    Args:
        package: The wheel's package.
        variable: The setting that needs it, for the message.
        extra: The extra that it is of.

    Raises:
        WarehouseError: It is not installed, or of another version of DuckDB.
    """
    spec = find_spec(package)
    folder = None if spec is None or spec.origin is None else Path(spec.origin).parent
    version = re.sub(r"^v?", "v", duckdb.__version__)
    file = None if folder is None else next(folder.glob(f"extensions/{version}/*.duckdb_extension"), None)
    if file is None:
        raise WarehouseError(
            f"{variable}: {package.replace('_', '-')} {duckdb.__version__} is not installed; "
            f"pip install 'arcadia-dagster[{extra}]'"
        )
    return file
