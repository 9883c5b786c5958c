"""The two ways the sandbox says no: it does not start, or it refuses a request."""


class SandboxStartError(RuntimeError):
    """The sandbox cannot start. The message is one line that says why and what to do; it never holds the secret."""


class RefusedError(Exception):
    """A request is refused.

    Attributes:
        status: The HTTP status to answer with.
        reasons: What is wrong, a line each, at least one. They never hold the token or the secret.
    """

    def __init__(self, status: int, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.status = status
        self.reasons = reasons
