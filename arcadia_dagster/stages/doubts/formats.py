"""One invoice in documents of two formats that name it otherwise: the JSON of a provider's API, and an electronic invoice.

An API names an invoice by an identifier of its own (a UUID), and what is sent to the buyer by the number printed on it; where the
document with the lines does not state that number, nothing but the figures tells that they are one. So they are in doubt where
source and currency, net and tax, and the month are the same, and where no document says otherwise: each comes in formats in which
the other one does not, or it would be there in that format too; their accounts do not differ, unless the two formats have no
account in common and so may name one account otherwise; their days do not. One of them is what stands for an invoice only where
nothing has its lines (an electronic invoice, an issuer's statement), or both state one account. Two invoices in one format are
never compared here.

An electronic invoice and an invoice with lines are also in doubt where they differ by a few minor units, as sums of rounded lines
do; and where a month has one of each that nothing else is like, whatever their amounts and currencies: a credit, an exchange or a
missing line may lie between them. Two things show that they are two: lines of the same format came with electronic invoices of
their own number, so that another number is another invoice; and, for other amounts, a person has told two such invoices of the
account apart in another month, such as a contract for support beside usage.

The one that finance has goes on, else the one that came first, so that a rebuild, which does not know what finance has, holds the
same one: the other is held. If a person has released one of the two, they are two.
"""

from arcadia_dagster.billing.advice import name_sql, release_sql, void_sql
from arcadia_dagster.billing.currency import exponents_sql, minor_text_sql
from arcadia_dagster.stages.doubts.doubt import Doubt, Scope
from arcadia_dagster.store.query import statement

_ASKED = ", in another format and under another number: one invoice twice?"

_OTHERWISE = ", and "

_OF_TWO_FORMATS = """
      SELECT 1 FROM current_invoices JOIN (SELECT document_sha256, format FROM documents) AS document USING (document_sha256)
      SEMI JOIN (SELECT DISTINCT source FROM raw) AS own USING (source)
      GROUP BY source HAVING count(DISTINCT format) > 1"""
"""SQL: the sources of the months' invoices that have documents of several formats, in whatever month."""

_MOST_ALIKE = 16
"""A sum that more invoices of an account and month have in one format tells nothing."""

_FEW = 5
"""By how many minor units two sums of one invoice may differ because each of its lines was rounded."""


def doubts(scope: Scope) -> tuple[Doubt, ...]:
    """See the module."""
    return (Doubt(_twice_sql(scope), needs=_OF_TWO_FORMATS),)


def _twice_sql(scope: Scope) -> str:
    return statement(
        __name__,
        months=scope.month_list,
        most_alike=str(_MOST_ALIKE),
        asked=_ASKED,
        otherwise=_OTHERWISE,
        few=str(_FEW),
        amount=minor_text_sql("amount_gross_minor", "iso.exponent"),
        exponents=exponents_sql(),
        void=void_sql(name_sql("pair")),
        void_own=void_sql(name_sql("own")),
        void_other=void_sql(name_sql("other")),
        release=release_sql(name_sql("pair")),
    )
