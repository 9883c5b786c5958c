"""One delivery at a time: who waits in vain is told who holds the lock, and what can be done about it."""

from pathlib import Path

import pytest

from arcadia_dagster.finance.client import FinanceClient
from arcadia_dagster.finance.delivery import Delivery
from arcadia_dagster.finance.outstanding import Recipient
from arcadia_dagster.finance.token import Identity, TokenMint
from arcadia_dagster.warehouse import LockTimeoutError
from arcadia_dagster_tests.kit.books import SECRET, TENANT
from arcadia_dagster_tests.kit.plain import warehouse_of
from arcadia_dagster_tests.kit.processes import Holder

URL = "http://127.0.0.1:9"


def test_a_delivery_that_waits_in_vain_advises_no_setting_that_would_not_help(tmp_path: Path) -> None:
    warehouse = warehouse_of(tmp_path)
    mint = TokenMint(SECRET, Identity(TENANT, ("admin",), "arcadia_cloud", TENANT))
    delivery = Delivery(warehouse, Recipient(URL, is_sandbox=True), lock_timeout=0.05)
    with Holder(warehouse.delivery_lock_path) as holder, FinanceClient(URL, mint) as client:
        with pytest.raises(LockTimeoutError) as raised:
            delivery.deliver(client)
        assert f"for more than 0.05 s by process {holder.pid} " in str(raised.value)
    assert str(raised.value).endswith("; wait for it to end, then deliver again")
