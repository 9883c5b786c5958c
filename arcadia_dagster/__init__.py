"""Arcadia Dagster: cloud invoice files in, exact finance records out."""

__version__ = "0.3.0.dev0"
