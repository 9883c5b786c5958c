"""What can go wrong between us and the finance service, sorted by what to do next.

::

    FinanceError
     |- TransientFailure       try again later: nothing is wrong with the invoice or the settings
     |- UnknownOutcome         finance may have stored the invoice, but did not say under which id: send it again later
     |- ConfigurationFailure   no invoice would get through: stop at once, a person must change a setting
     |- PayloadRefused         finance will never take this payload: go on with the others

The client has already made its retries when it raises. Every message is fit for a log, the Dagster UI and the
database: it never holds the secret or a token, and finance's own words in it are short and on one line.
"""

from arcadia_dagster.transport.service import ServiceError


class FinanceError(ServiceError):
    """An invoice was not delivered, or nobody can say whether it was."""


class TransientFailure(FinanceError):  # noqa: N818 - says what happened
    """Finance was away, overloaded or too slow, and stayed so for all retries.

    408, 429, 500, 502, 503, 504; time-outs, a whole request beyond its deadline, refused and dropped connections.
    Also, after a single request, a `Retry-After` longer than a run should wait.
    """


class UnknownOutcome(FinanceError):  # noqa: N818 - says what happened
    """A 2xx answer without a usable invoice id: broken JSON, missing fields, an absurdly large body.

    Finance dedups, so sending the same payload again is safe and settles the matter.
    """


class ConfigurationFailure(FinanceError):  # noqa: N818 - says what happened
    """No invoice can get through as things are set up; the message names the setting.

    401, 403, 404, 405, any 3xx; a host name that does not resolve, TLS that fails, an answer that is not HTTP;
    a URL that cannot be used.
    """


class PayloadRefused(FinanceError):  # noqa: N818 - says what happened
    """Finance understood and refused: every other 4xx and 5xx (400, 409, 413, 422, 501 ...). Final for that payload."""
