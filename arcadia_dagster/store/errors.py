"""What goes wrong with a warehouse."""


class WarehouseError(Exception):
    """The warehouse cannot be used; the message says why and what to do."""


class DamagedFileError(WarehouseError):
    """The file is no warehouse, or was damaged.

    Attributes:
        problem: What is wrong, for somebody who has already done what there is to do.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        """Say both.

        Args:
            problem: What is wrong.
            remedy: What a person does about it, in words that follow the problem.
        """
        super().__init__(problem + remedy)
        self.problem = problem


class WarehouseClosedError(WarehouseError):
    """It cannot be opened now, but nothing is known to be wrong with it: another program has it open."""
