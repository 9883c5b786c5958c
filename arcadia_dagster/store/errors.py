"""What goes wrong with a warehouse."""


class WarehouseError(Exception):
    """The warehouse cannot be used; the message says why and what to do."""


class WarehouseClosedError(WarehouseError):
    """It cannot be opened now, but nothing is known to be wrong with it: another program has it open."""
