"""Strategies of hypothesis for the texts and the amounts of a document."""

from hypothesis import strategies as st

AMOUNTS = st.one_of(*(st.decimals(-(10**6), 10**6, places=places) for places in (0, 2, 9, 10, 14, 15, 18))).map(
    "{:f}".format
)

TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
