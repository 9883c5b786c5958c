"""What goes wrong with a warehouse."""


class WarehouseError(Exception):
    """The warehouse cannot be used; the message says why and what to do."""
