"""Old names of modules that `dagster.yaml` files and commands of operators name; they are in `defs` now."""

import warnings


def warn(name: str) -> None:
    """Warn that a module has moved, in words for whoever has its old name in a file.

    Args:
        name: The module's name, in this package and in `defs`.
    """
    warnings.warn(
        f"arcadia_dagster.automation.{name} is arcadia_dagster.defs.{name} now: write the new name in dagster.yaml, or in the "
        "command that starts it",
        FutureWarning,
        stacklevel=3,
    )
