"""What every HTTP client of the tests shares: they speak to servers of this machine, and never over TLS."""

import ssl

# Without it each client reads all certificate authorities, for 30 ms.
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
