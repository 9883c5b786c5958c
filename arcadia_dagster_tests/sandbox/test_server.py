import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from arcadia_dagster.sandbox import RunningSandbox, SandboxStartError, create_app, serve
from arcadia_dagster_tests.kit.handmade import IMPORT, SECRET, invoice, token
from arcadia_dagster_tests.kit.loopback import NO_AUTHORITIES

SERVE = "import pathlib, sys; from arcadia_dagster.sandbox import serve; "


@pytest.mark.parametrize("secret", ["", " ", f"{SECRET}\n", f" {SECRET}", f"{SECRET}\t", "\udcff" * 64])
def test_a_secret_that_cannot_be_right_is_refused_without_being_shown(tmp_path: Path, secret: str) -> None:
    database = tmp_path / "finance.sqlite"
    starts: list[Callable[[], object]] = [
        lambda: create_app(database, secret),
        lambda: RunningSandbox(database=database, secret=secret),
        lambda: serve(database=database, secret=secret, port=0),
    ]
    for start in starts:
        with pytest.raises(SandboxStartError, match="SKYAI_FINANCE_SECRET") as refusal:
            start()
        assert "\n" not in str(refusal.value)
        assert SECRET not in str(refusal.value)


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        expected = f"port {port} on 127.0.0.1 is in use: stop what runs there, or choose another port"
        with pytest.raises(SandboxStartError, match=f"^{re.escape(expected)}$"):
            serve(port=port, database=tmp_path / "finance.sqlite", secret=SECRET)
        with (
            pytest.raises(SandboxStartError, match="is in use"),
            RunningSandbox(port=port, database=tmp_path / "finance.sqlite", secret=SECRET),
        ):
            pass


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("192.0.2.1", 0)])
def test_an_address_that_cannot_be_had_is_one_clear_line(tmp_path: Path, host: str, port: int) -> None:
    with pytest.raises(SandboxStartError, match=f"cannot listen on {host} port {port}: "):
        serve(host=host, port=port, database=tmp_path / "finance.sqlite", secret=SECRET)


def test_a_database_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    no_database = tmp_path / "notes.txt"
    no_database.write_text("This is not a database, however long one looks at it.\n" * 100)
    for unusable in (no_database, tmp_path, no_database / "finance.sqlite"):
        with pytest.raises(SandboxStartError, match="cannot keep its rows in") as refusal:
            serve(port=0, database=unusable, secret=SECRET)
        assert "\n" not in str(refusal.value)


def test_the_sandbox_accepts_requests_at_once_and_none_after_it_stopped(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with RunningSandbox(database=tmp_path / "finance.sqlite", secret=SECRET) as sandbox:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", sandbox.url)
        assert (
            httpx.get(f"{sandbox.url}/api/v1/health", trust_env=False, verify=NO_AUTHORITIES).json()["status"] == "ok"
        )
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{sandbox.url}/api/v1/health", trust_env=False, verify=NO_AUTHORITIES)
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=30)  # those that ran a request are told to end, and do so in their own time
        assert not thread.is_alive(), thread


def test_the_sandbox_stops_though_a_client_hangs_in_the_middle_of_a_request(tmp_path: Path) -> None:
    with RunningSandbox(database=tmp_path / "finance.sqlite", secret=SECRET) as sandbox:
        port = int(sandbox.url.rsplit(":", 1)[1])
        idle = socket.create_connection(("127.0.0.1", port))
        hanging = socket.create_connection(("127.0.0.1", port))
        hanging.sendall(f"POST {IMPORT} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{{".encode())
        httpx.get(f"{sandbox.url}/api/v1/health", trust_env=False, verify=NO_AUTHORITIES)
    idle.close()
    hanging.close()


def test_an_error_inside_the_with_block_comes_through_and_stops_the_sandbox(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with (
        pytest.raises(ZeroDivisionError),
        RunningSandbox(database=tmp_path / "finance.sqlite", secret=SECRET),
    ):
        raise ZeroDivisionError
    assert set(threading.enumerate()) <= before


def test_the_url_of_a_sandbox_that_never_ran_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="has not been started"):
        _ = RunningSandbox(database=tmp_path / "finance.sqlite", secret=SECRET).url


def test_serve_prints_one_line_and_ends_cleanly_on_ctrl_c(tmp_path: Path) -> None:
    database = tmp_path / "finance.sqlite"
    code = SERVE + "serve(port=0, database=pathlib.Path(sys.argv[1]), secret=sys.argv[2])"
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, str(database), SECRET],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        started = re.fullmatch(r"Finance sandbox: (http://127\.0\.0\.1:\d+) \(rows in .*, Ctrl-C stops it\)\n", line)
        assert started, line
        answer = httpx.post(
            started[1] + IMPORT, json=invoice(), headers={"Authorization": f"Bearer {token()}"}, trust_env=False
        )
        assert answer.json()["action"] == "created"
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=20)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    database = tmp_path / "finance.sqlite"
    code = SERVE + "serve(port=0, database=pathlib.Path(sys.argv[1]), secret=sys.argv[2])"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(database), SECRET], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[2]
        headers = {"Authorization": f"Bearer {token()}"}
        invoice_id = httpx.post(
            url + IMPORT, json=invoice(), headers=headers, trust_env=False, verify=NO_AUTHORITIES
        ).json()["invoice_id"]
        process.kill()
    with RunningSandbox(database=database, secret=SECRET) as sandbox:
        assert [row["invoice_id"] for row in sandbox.invoices()] == [invoice_id]


def test_a_sandbox_that_others_can_reach_says_so(tmp_path: Path) -> None:
    code = SERVE + "serve(host='0.0.0.0', port=0, database=pathlib.Path(sys.argv[1]), secret=sys.argv[2])"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "finance.sqlite"), SECRET], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "other machines can reach it and read its rows without a token" in process.stdout.readline()
        process.terminate()
    assert process.returncode == -signal.SIGTERM


def test_the_sandbox_shares_no_code_with_the_client_that_it_checks() -> None:
    foreign = ("jwt", "httpx", "dagster", "arcadia_dagster.finance")
    code = f"import sys, arcadia_dagster.sandbox; print([n for n in sys.modules if n.startswith({foreign})])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"
