"""This machine: whether a host is it, and the usual port of finance on it.

Nothing of ours is imported here, so that every room may ask.
"""

import ipaddress
from typing import Final

FINANCE_PORT: Final = 4010
"""Where finance is asked, and its sandbox listens, if nothing else is set."""


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, so that nothing that is sent to it can be seen on a network."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
