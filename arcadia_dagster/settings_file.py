"""The error of the files in which people say something: descriptions, routes, rules, budgets and accounts."""


class SettingsFileError(ValueError):
    """A file in which people say something cannot be right, or is gone; the message names it, and says why."""
