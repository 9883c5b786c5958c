"""A number with its noun, as people read it."""


def how_many(number: int, one: str, many: str = "") -> str:
    """`1 invoice`, `2 invoices`, `1,234 invoices`.

    Args:
        number: How many.
        one: The noun for one of them.
        many: The noun for several; empty: that for one with an s.
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"
