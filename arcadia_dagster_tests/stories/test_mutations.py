"""Files that are damaged anywhere: each is read whole and to the cent, or rejected whole with a reason; nothing ever raises.

What an accepted file must sum to is found by another reader, in Python, that knows nothing of the first.
"""

import csv
import gzip
import io
import json
import random
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard

from arcadia_dagster.billing.currency import EXPONENTS
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster_tests.kit import api_documents as api
from arcadia_dagster_tests.kit import aws
from arcadia_dagster_tests.kit.described import HETZNER
from arcadia_dagster_tests.kit.described import as_csv as hetzner_csv
from arcadia_dagster_tests.kit.digitalocean_api import item
from arcadia_dagster_tests.kit.digitalocean_json import doctl, document, written
from arcadia_dagster_tests.kit.documents import Desk
from arcadia_dagster_tests.kit.focus import as_csv, as_parquet, charge, tax
from arcadia_dagster_tests.kit.generate import digitalocean_invoice

MUTANTS = 25
APRIL = date(2026, 4, 1)

_ITEMS = [item(description=f"web-{number}", amount=f"{number}.25") for number in range(6)]
_CHARGES = [charge(ChargeDescription=f'web-{number}, "{number}"', BilledCost=f"{number}.125") for number in range(6)]
_AWS = [aws.item(LineItemDescription=f'web-{number}, "{number}"', UnblendedCost=f"{number}.125") for number in range(6)]

GOOD: dict[str, bytes] = {
    "digitalocean csv": digitalocean_invoice(seed=3, month=APRIL, lines=12).content,
    "digitalocean csv, 8 columns": digitalocean_invoice(seed=4, month=APRIL, lines=12, header=8).content,
    "digitalocean json": written(document(*_ITEMS)),
    "doctl json": written(doctl(*_ITEMS)),
    "focus csv": as_csv(*_CHARGES, tax()),
    "focus csv, packed": gzip.compress(as_csv(*_CHARGES, tax())),
    "focus csv, Zstandard": zstandard.ZstdCompressor().compress(as_csv(*_CHARGES, tax())),
    "aws report": gzip.compress(aws.as_csv(*_AWS)),
    "aws report, CUR 2.0": aws.as_csv(*_AWS, is_cur2=True),
    "aws report, parquet": aws.as_parquet(*_AWS),
    "hetzner csv": hetzner_csv(*HETZNER, header=(), delimiter=","),
    "linode json": api.written(api.linode()),
    "ovhcloud json": api.written(api.ovhcloud()),
    "scaleway json": api.written(api.scaleway(api.scaleway_invoice(), api.scaleway_invoice(id="second"))),
    "focus parquet": as_parquet(*_CHARGES, tax()),
    "inventory csv": b"id,name,type\n1,web-01,droplet\n2,web-02,droplet\n",
    "inventory json": b'[{"id": "1", "name": "web-01", "type": "droplet"}, {"id": "2", "name": "b", "type": "volume"}]',
}

INTERESTING = (
    *(b'"', b",", b"\n", b"\r", b"\r\n", b"0", b"-", b".", b"e9", b"$", b"(", b" "),
    *(b"\x00", b"\xff", b"{", b"]", b"NULL", b"\\"),
)


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The content with a few bytes changed, taken out, put in, doubled or cut off."""
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(content) + 1)
        to = min(len(content), at + chance.choice((1, 1, 2, 8, 40)))
        match chance.randrange(6):
            case 0:
                content = content[:at] + bytes([chance.randrange(256)]) + content[at + 1 :]
            case 1:
                content = content[:at] + content[to:]
            case 2:
                content = content[:at] + chance.choice(INTERESTING) + content[at:]
            case 3:
                content = content[:at] + content[at:to] * 2 + content[to:]
            case 4:
                content = content[:at]
            case _:
                content = content[:at] + chance.choice(INTERESTING) + content[to:]
    return content


def amount_of(text: str) -> Decimal:
    """An amount as people write it. What two readers could take for different amounts raises."""
    text = text.strip().replace("\N{MINUS SIGN}", "-")
    if match := re.fullmatch(r"\((.*)\)", text, re.DOTALL):
        text = "-" + match[1]
    if match := re.fullmatch(r"([^-]*[0-9.])-", text):
        text = "-" + match[1]
    text = re.sub(r"^(-?)\$ ?(-?)", r"\1\2", text)
    text = re.sub(r"^\+(?=[0-9.])", "", text)
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+\.\d+", text, re.ASCII):
        text = text.replace(",", "")
    if re.fullmatch(r"-?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", text, re.ASCII) is None:
        raise ValueError(text)
    return Decimal(text)


def csv_amounts(content: bytes, is_amount: Callable[[str], bool]) -> list[Decimal]:
    reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
    header = [column.strip() for column in next(reader)]
    positions = [number for number, column in enumerate(header) if is_amount(column)]
    rows = [row for row in reader if row]
    assert {len(row) for row in rows} == {len(header)}, content
    filled = [[row[position] for position in positions if len(positions) == 1 or row[position].strip()] for row in rows]
    return [amount_of(value) for [value] in filled]


def expected_amounts(format_name: str, content: bytes) -> list[Decimal]:
    """What the document charges, line by line, by a reader of our own."""
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    elif content.startswith(b"\x28\xb5\x2f\xfd"):
        content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
    match format_name:
        case "digitalocean_csv":
            fixed = {"product", "group_description", "description", "hours", "start", "end", "project_name", "category"}
            header = content.decode("utf-8-sig")
            codes = [column.strip() for column in re.split(r"[,\r\n]", header.splitlines()[0])]
            known = [code for code in codes if code.upper() in EXPONENTS and code.lower() not in fixed]
            chosen = {code for code in known if code.isupper()} or set(known)
            return csv_amounts(content, lambda column: column in chosen)
        case "digitalocean_json":
            found = json.loads(content.decode("utf-8-sig"))
            return [amount_of(entry["amount"]) for entry in found["items" if "items" in found else "invoice_items"]]
        case "linode_json" | "ovhcloud_json" | "scaleway_json":
            return api_amounts(json.loads(content.decode("utf-8-sig"), parse_float=Decimal, parse_int=Decimal))
        case "hetzner":
            rows = [row for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True) if row]
            assert {len(row) for row in rows} == {8}, content
            return [amount_of(row[6]) for row in rows]
        case _ if content.startswith(b"PAR1"):
            [cost] = [name for name in pq.read_schema(io.BytesIO(content)).names if is_cost(name)]
            table = pq.read_table(io.BytesIO(content), columns=[cost])
            return [Decimal(str(value)) for value in table[cost].to_pylist()]
        case _:
            return csv_amounts(content, is_cost)


def is_cost(column: str) -> bool:
    """Whether a column of FOCUS or of an AWS report is what is charged."""
    return re.sub("[_/]", "", column.lower()) in {"billedcost", "lineitemunblendedcost"}


def api_amounts(found: Any) -> list[Decimal]:
    """The amounts of a Linode, an OVHcloud or a Scaleway document."""
    if "invoices" in found:
        parts = [entry[name] for entry in found["invoices"] for name in ("total_untaxed", "total_tax")]
        return [Decimal(part["units"]) + Decimal(part["nanos"]).scaleb(-9) for part in parts]
    if "bill" in found:
        prices = [*(detail["totalPrice"] for detail in found["details"]), found["bill"]["tax"]]
        return [amount_of(str(entry["value"])) for entry in prices]
    items = [entry["amount"] for entry in found["items"]]
    taxes = [entry["tax"] for entry in found["invoice"].get("tax_summary") or [found["invoice"]]]
    return [amount_of(str(value)) for value in (*items, *taxes)]


@pytest.mark.parametrize("label", GOOD)
def test_a_damaged_file_is_read_to_the_last_digit_or_rejected_with_a_reason(tmp_path: Path, label: str) -> None:
    chance = random.Random(label)
    mutants = list(dict.fromkeys([GOOD[label], *(mutated(GOOD[label], chance) for _ in range(MUTANTS))]))
    found = Desk(tmp_path, Formats.of(tmp_path)).read(*mutants, columns="line_number, amount")

    outcomes = set()
    for content, stated in zip(mutants, found, strict=True):
        outcomes.add(stated.reason is None)
        if stated.reason is not None:
            assert stated.lines == []
            assert (stated.invoices, stated.inventory) == ((), ())
            assert 0 < len(stated.reason) < 2_000
            assert str(tmp_path) not in stated.reason
        elif not stated.inventory:
            amounts = expected_amounts(str(stated.format), content)
            assert stated.lines == list(enumerate(amounts, start=1)), content
            assert sum_of_invoices(stated) == exact_sum(amounts)
    assert outcomes == ({True, False}), "some are good still, and some are not"
    assert found[0].reason is None


def sum_of_invoices(stated: Any) -> Decimal | None:
    totals = [invoice.lines_total for invoice in stated.invoices]
    return None if None in totals else exact_sum(totals)


def exact_sum(amounts: list[Decimal]) -> Decimal:
    with localcontext(prec=60):
        return sum(amounts, Decimal(0))
