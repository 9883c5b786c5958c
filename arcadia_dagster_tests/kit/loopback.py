"""What every HTTP client and server of the tests shares: they speak to this machine only, and never over TLS."""

import socket
import ssl

# Without it each client reads all certificate authorities, for 30 ms.
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def free_port() -> int:
    """A port that nobody listens at just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
