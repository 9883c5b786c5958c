"""Inventories of resources."""

from typing import Any

RESOURCES: list[dict[str, Any]] = [
    {
        "id": 7,
        "name": "web-01",
        "type": "Droplet",
        "account": 77,
        "project": "shop",
        "region": {"x": [1.5, None, True]},
    },
    {"id": " 8 ", "name": " ", "type": "Block-Storage  Volume", "account": None},
]
