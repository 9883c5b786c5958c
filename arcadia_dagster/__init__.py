"""Arcadia Dagster: cloud invoice files in, exact finance records out."""

__version__ = "0.2.0"
