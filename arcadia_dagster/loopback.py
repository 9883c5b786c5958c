"""Whether a host is this machine. Nothing of ours is imported here, so that every room may ask."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, so that nothing that is sent to it can be seen on a network."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
