"""Small help with queries."""

from arcadia_dagster.store.query import fetch, text_list, text_literal

__all__ = ["fetch", "text_list", "text_literal"]
