"""How an invoice stands, and each part of it that one tenant bears."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class InvoiceState(StrEnum):
    """How an invoice stands, or the part of it that one tenant bears.

    `pushed`: finance has it as it is now. `sample`: it goes to a sandbox only, and the finance service is none. `ready`: it
    waits for the next delivery. `pending`, `deferred`, `refused`, `abandoned`: as its record in `finance_records` says; see
    docs/delivery.md. `rerouted`: its routes have changed since it was pushed. `held`: it waits for a person. `voided`: a person
    has decided that it must not go to finance. `withdrawn`: nobody awaits it, for its provider has taken it back, or it has no
    invoice and comes to nothing. `unbuilt`: it is registered, or something new is known of it, and its month is not built yet.
    """

    PUSHED = "pushed"
    SAMPLE = "sample"
    READY = "ready"
    PENDING = "pending"
    DEFERRED = "deferred"
    REROUTED = "rerouted"
    REFUSED = "refused"
    ABANDONED = "abandoned"
    HELD = "held"
    VOIDED = "voided"
    WITHDRAWN = "withdrawn"
    UNBUILT = "unbuilt"


DELIVERY_STATES: Final = (
    InvoiceState.PUSHED,
    InvoiceState.SAMPLE,
    InvoiceState.READY,
    InvoiceState.PENDING,
    InvoiceState.DEFERRED,
    InvoiceState.REROUTED,
    InvoiceState.REFUSED,
    InvoiceState.ABANDONED,
)
"""The states of what is ready for finance. Of an invoice in parts, the state that stands last here counts."""

OUTSTANDING: Final = frozenset(DELIVERY_STATES) - {InvoiceState.PUSHED, InvoiceState.SAMPLE}
"""The states in which finance does not have, as it is now, what it should have."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one tenant bears of an invoice that is ready, and how its delivery stands.

    Attributes:
        external_id: What finance knows it by.
        reason: Why finance does not have it, where that is known.
    """

    tenant_id: str
    external_id: str
    state: InvoiceState
    reason: str | None = None
