import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from arcadia_dagster.store.lock import keeps_apart
from arcadia_dagster.warehouse import LockTimeoutError, hold
from arcadia_dagster_tests.kit.processes import Holder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "below" / "arcadia.lock"


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.005)


def locks_on(path: Path) -> int:
    """How many have the lock on a file, or wait for it."""
    inode = f":{path.stat().st_ino} " if path.exists() else "nobody"
    return Path("/proc/locks").read_text(encoding="ascii").count(inode)


def settle(count: int) -> int:
    """Wait until the thread that waited in vain has closed its descriptor."""
    deadline = time.monotonic() + 10
    while descriptors() != count and time.monotonic() < deadline:
        time.sleep(0.005)
    return descriptors()


def test_the_lock_s_file_is_made_where_it_is_missing_and_never_deleted(path: Path) -> None:
    with hold(path, timeout=0):
        assert path.exists()
    assert path.exists()


def test_two_processes_cannot_both_hold_it(path: Path) -> None:
    with Holder(path), pytest.raises(LockTimeoutError), hold(path, timeout=0.05):
        pass
    with hold(path, timeout=0):
        pass


def test_case_39_the_message_names_the_holder_and_the_setting(path: Path) -> None:
    with Holder(path) as holder, pytest.raises(LockTimeoutError) as raised, hold(path, timeout=0.05):
        pass
    message = str(raised.value)
    assert message.startswith(f"{path} was locked for more than 0.05 s by process {holder.pid} ({sys.executable} -c")
    assert "ARCADIA_LOCK_TIMEOUT" in message


def test_the_message_names_all_who_share_it(path: Path) -> None:
    with Holder(path, shared=True) as one, Holder(path, shared=True) as two:
        with pytest.raises(LockTimeoutError) as raised, hold(path, timeout=0.05):
            pass
        assert all(f"process {holder.pid} (" in str(raised.value) for holder in (one, two))


def test_those_who_share_it_do_not_wait_for_each_other(path: Path) -> None:
    with Holder(path, shared=True), hold(path, timeout=0, shared=True), hold(path, timeout=0, shared=True):
        pass


@pytest.mark.parametrize(("theirs", "ours"), [(True, False), (False, True)])
def test_who_wants_it_alone_and_who_shares_it_keep_each_other_out(path: Path, theirs: bool, ours: bool) -> None:
    with Holder(path, shared=theirs), pytest.raises(LockTimeoutError), hold(path, timeout=0.05, shared=ours):
        pass


def test_who_wants_it_alone_has_it_before_those_who_come_later_to_share_it(path: Path) -> None:
    turn = path.with_name("turn.lock")
    came: list[str] = []

    def take(name: str, *, shared: bool) -> None:
        with hold(path, timeout=30, shared=shared, turn=turn):
            came.append(name)

    writer = threading.Thread(target=take, args=("writer",), kwargs={"shared": False})
    reader = threading.Thread(target=take, args=("reader",), kwargs={"shared": True})
    with hold(path, timeout=0, shared=True, turn=turn):
        writer.start()
        until(lambda: locks_on(path) == 2)
        reader.start()
        until(lambda: locks_on(turn) == 2 or "reader" in came)
    writer.join()
    reader.join()
    assert came == ["writer", "reader"]


def test_who_shares_it_may_share_it_once_more_though_somebody_waits(path: Path) -> None:
    turn = path.with_name("turn.lock")
    with hold(path, timeout=0, shared=True, turn=turn), Holder(turn), hold(path, timeout=0.1, shared=True, turn=turn):
        pass


def test_threads_of_one_process_keep_each_other_out(path: Path) -> None:
    with (
        hold(path, timeout=0),
        pytest.raises(LockTimeoutError, match=f"process {os.getpid()} "),
        hold(path, timeout=0.05),
    ):
        pass


def test_a_holder_that_is_killed_frees_it(path: Path) -> None:
    with Holder(path) as holder:
        waiting = threading.Timer(0.05, holder.kill)
        waiting.start()
        with hold(path, timeout=20):
            waiting.join()
            assert holder.process.returncode == -9


def test_who_waits_gets_it_as_soon_as_it_is_free(path: Path) -> None:
    got = threading.Event()

    def wait() -> None:
        with hold(path, timeout=20):
            got.set()

    thread = threading.Thread(target=wait)
    with Holder(path) as holder:
        thread.start()
        assert not got.wait(0.05)
        holder.free()
        assert got.wait(20)
    thread.join()


def test_it_is_freed_when_the_block_raises(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), hold(path, timeout=0):
        raise ZeroDivisionError
    with hold(path, timeout=0):
        pass


def test_no_descriptor_is_left_open(path: Path) -> None:
    with hold(path, timeout=0):
        pass
    before = descriptors()
    for _ in range(5):
        with hold(path, timeout=0, shared=True):
            pass
    with Holder(path) as holder:
        for _ in range(5):
            with pytest.raises(LockTimeoutError), hold(path, timeout=0.01):
                pass
        holder.free()
    assert settle(before) == before
    # Those who gave up do not get it after all.
    with hold(path, timeout=1):
        pass


FORKED = """
import os, sys, time
from pathlib import Path
from arcadia_dagster.warehouse import hold
with hold(Path(sys.argv[1]), timeout=1):
    print("held", flush=True)
    if os.fork() == 0:
        sys.stdin.read()
        os._exit(0)
print("freed", flush=True)
os.wait()
"""


def test_a_child_that_was_forked_meanwhile_does_not_keep_it(path: Path) -> None:
    with Holder(path, script=FORKED) as holder:
        assert holder.read_line() == "freed"
        with hold(path, timeout=5):
            assert holder.process.poll() is None


# Whoever runs the tests in the background has Ctrl-C switched off for all their children: on again.
INTERRUPTED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from arcadia_dagster.warehouse import hold
path = Path(sys.argv[1])
print("waiting", flush=True)
try:
    with hold(path, timeout=60):
        print("not reached")
except KeyboardInterrupt:
    print("interrupted", flush=True)
sys.stdin.read()
"""


def test_who_is_interrupted_while_waiting_does_not_hold_it_later(path: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED, str(path)]
    with Holder(path) as holder, Popen(command, stdin=PIPE, stdout=PIPE, text=True) as waiter:
        assert waiter.stdout is not None
        assert waiter.stdout.readline() == "waiting\n"
        time.sleep(0.1)
        waiter.send_signal(signal.SIGINT)
        assert waiter.stdout.readline() == "interrupted\n"
        holder.free()
        with hold(path, timeout=5):
            assert waiter.poll() is None
        waiter.communicate()


def test_a_lock_that_cannot_be_made_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"), hold(tmp_path / "file" / "lock", timeout=0):
        pass


def test_a_folder_in_the_place_of_a_lock_is_told_with_what_to_do(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(IsADirectoryError, match="a lock is a file: remove it"), hold(path, timeout=0):
        pass


COUNT = """
import sys
from pathlib import Path
from arcadia_dagster.warehouse import hold
lock, counter = Path(sys.argv[1]), Path(sys.argv[1] + ".count")
for _ in range(100):
    with hold(lock, timeout=60):
        counter.write_text(str(int(counter.read_text()) + 1))
"""


def test_nothing_is_lost_between_processes_that_take_turns(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    counter = tmp_path / "lock.count"
    counter.write_text("0")
    processes = [Popen([sys.executable, "-c", COUNT, str(lock)]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert counter.read_text() == "300"


def test_a_file_system_that_has_no_locks_is_told_with_what_to_do(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_locks(_descriptor: object, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    path.parent.mkdir()
    assert keeps_apart(path.parent)
    # No machine of ours has such a disk.
    monkeypatch.setattr("fcntl.flock", without_locks)
    with pytest.raises(OSError, match="keeps no two processes apart: put it on a local disk"), hold(path, timeout=0):
        pass
    assert not keeps_apart(path.parent)


def test_a_file_system_that_takes_every_lock_keeps_nobody_apart(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.mkdir()
    # As where each lock is for its own machine's cache only: ours counts for nobody.
    monkeypatch.setattr("fcntl.flock", lambda _descriptor, _operation: None)
    assert not keeps_apart(path.parent)
    assert [*path.parent.iterdir()] == []
