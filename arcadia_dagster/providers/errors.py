"""What can go wrong between us and a provider's API, sorted by what to do next.

::

    ProviderError
     |- ConfigurationFailure   nothing can be fetched: stop, a person must change a setting
     |- GivenUp                the provider wants to be left alone, or fails too often: stop, the next fetch goes on
     |- TransientFailure       this could not be fetched now: go on with the others, the next fetch tries again
     |- UnusableAnswer         an answer is not what the provider describes: go on with the others

The client has already made its retries when it raises. Every message is fit for a log and the Dagster UI: it never holds
the token, and the provider's own words in it are short and on one line.
"""

from arcadia_dagster.transport.service import ServiceError


class ProviderError(ServiceError):
    """Something was not fetched; nothing of it was kept."""


class ConfigurationFailure(ProviderError):  # noqa: N818 - says what happened
    """Nothing can be fetched as things are set up; the message names the setting."""


class GivenUp(ProviderError):  # noqa: N818 - says what happened
    """A pause longer than a fetch should wait, or failures that took too much of its time in all."""


class TransientFailure(ProviderError):  # noqa: N818 - says what happened
    """The provider was away, overloaded or too slow for all requests, or changed what it lists each time it was read."""


class UnusableAnswer(ProviderError):  # noqa: N818 - says what happened
    """No JSON, a field that is missing, pages that do not come to the total that they state; or a refusal of this alone."""
