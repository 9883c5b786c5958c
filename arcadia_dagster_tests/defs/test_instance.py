"""Where Dagster stores what it keeps, by the project's dagster.yaml files."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.instance import InstanceRef
from dagster._core.scheduler.instigation import TickStatus

from arcadia_dagster.defs.instance import InstanceInHome
from arcadia_dagster.settings import SettingsError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def folders_of(ref: InstanceRef) -> set[Path]:
    """Every folder that the instance writes to."""
    kept = (ref.local_artifact_storage_data, ref.storage_data, ref.compute_logs_data)
    return {Path(data.config_dict["base_dir"]) for data in kept if data is not None and "base_dir" in data.config_dict}


def test_without_any_setting_all_that_dagster_stores_lies_in_var(tmp_path: Path) -> None:
    """By DAGSTER_HOME, and by the folder that `dagster dev` makes for what is not placed elsewhere."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    storage = tmp_path / "var" / "dagster"
    for base in (ROOT, temporary):
        ref = InstanceRef.from_dir(str(base), config_dir=str(ROOT))
        assert folders_of(ref) == {storage, storage / "storage"}


def test_it_follows_the_home_and_its_own_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCADIA_HOME", "other")
    assert folders_of(InstanceRef.from_dir(str(ROOT))) >= {tmp_path / "other" / "dagster"}
    monkeypatch.setenv("ARCADIA_DAGSTER_STORAGE", "kept/here")
    assert folders_of(InstanceRef.from_dir(str(ROOT))) >= {tmp_path / "kept" / "here"}


def test_on_several_machines_its_logs_lie_there_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ARCADIA_DAGSTER_POSTGRES", "ARCADIA_BROKER"):
        monkeypatch.setenv(name, "postgresql+psycopg2://arcadia@db/dagster")
    storage = tmp_path / "var" / "dagster"
    assert folders_of(InstanceRef.from_dir(str(ROOT / "deploy"))) == {storage, storage / "storage"}


def test_a_process_that_is_started_elsewhere_has_the_same_instance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster hands the instance to the processes that it starts, whatever their folder is."""
    ref = InstanceRef.from_dir(str(ROOT))
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    with dg.DagsterInstance.from_ref(ref) as instance:
        assert isinstance(instance, InstanceInHome)
        assert instance.storage_directory() == str(tmp_path / "var" / "dagster" / "storage")
        assert not instance.telemetry_enabled
    assert list((tmp_path / "below").iterdir()) == []


@pytest.mark.parametrize("folder", [ROOT, ROOT / "deploy"], ids=["one machine", "several"])
def test_ticks_are_not_kept_for_ever(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The inbox's sensor has 8,640 a day that find nothing."""
    for name in ("ARCADIA_DAGSTER_POSTGRES", "ARCADIA_BROKER"):
        monkeypatch.setenv(name, "postgresql+psycopg2://arcadia@db/dagster")
    retention = InstanceRef.from_dir(str(folder)).settings["retention"]
    with dg.DagsterInstance.ephemeral(settings={"retention": retention}) as instance:
        for kind in (InstigatorType.SENSOR, InstigatorType.AUTO_MATERIALIZE, InstigatorType.SCHEDULE):
            days = dict(instance.get_tick_retention_settings(kind))
            assert set(days) == set(TickStatus)
            assert days.pop(TickStatus.SKIPPED) == (90 if kind is InstigatorType.SCHEDULE else 2)
            assert set(days.values()) == {90}


def test_a_new_home_has_an_inbox_and_one_that_went_missing_is_not_made_again(tmp_path: Path) -> None:
    InstanceRef.from_dir(str(ROOT))
    inbox = tmp_path / "var" / "inbox"
    inbox.rmdir()
    InstanceRef.from_dir(str(ROOT))
    assert not inbox.exists()


def test_an_inbox_elsewhere_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCADIA_INBOX", "share/inbox")
    InstanceRef.from_dir(str(ROOT))
    assert [path.name for path in tmp_path.iterdir()] == ["var"]
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["dagster"]


def test_a_setting_that_cannot_be_right_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCADIA_FIRST_MONTH", "soon")
    with pytest.raises(SettingsError, match=r"^ARCADIA_FIRST_MONTH='soon': expected a month"):
        InstanceRef.from_dir(str(ROOT))
