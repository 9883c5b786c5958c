"""Two ids with mostly the charges of each other, in other amounts: a draft, or a month so far, and the invoice that it became.

Charges are the same if they have the same service, words, project, resource and begin. At least three of them are the same. Where
they name their resource, other amounts are enough: two invoices charge for different things. Where they do not, as in
DigitalOcean's CSV and in most tables that people describe, two invoices may have one list of services, so it takes that no charge
is less than in the other one. If an account is not known, both may be of two accounts with one plan. Then every charge has grown,
and one thing more says so: all charges end later, all have grown alike, or the names of the files differ only in numbers. A file
whose name is not the provider's, and which names no account, is in doubt however few its charges are, if all of them are on one
invoice with a number, and on no other.

A document that states both proves that they are two, and a negative invoice is a credit note. If only one of them has a
provider's id, that one is the invoice, unless finance has the other already, or a person has released it.
"""

from arcadia_dagster.billing import likeness
from arcadia_dagster.billing.advice import name_sql, release_sql, void_sql
from arcadia_dagster.stages.doubts.doubt import Doubt, Scope
from arcadia_dagster.stages.doubts.identity import IS_COPY, IS_DRAFT, STATED_TOGETHER
from arcadia_dagster.store.query import statement


def doubts(scope: Scope) -> tuple[Doubt, ...]:
    """See the module."""
    return (Doubt(_grown_sql(scope), needs=_SEVERAL_ALIKE),)


_SEVERAL_ALIKE = """
SELECT 1 FROM raw WHERE is_final GROUP BY source, invoice_month
HAVING count(*) > 1 AND (count_if(line_count > 2) > 1 OR bool_or(id_basis = 'derived'))
  AND (count(DISTINCT account_id) < count(*) OR bool_or(account_id = 'unknown'))"""
"""Two of an account, or of one that is not known: of more than two lines, or beside one without an id."""

_MOST_ALIKE = 16
"""A charge that more invoices of a month have tells nothing."""


def _grown_sql(scope: Scope) -> str:
    return statement(
        __name__,
        months=scope.month_list,
        most_alike=str(_MOST_ALIKE),
        charge=likeness.CHARGE,
        void=void_sql(name_sql("own")),
        void_other=void_sql(f"min({name_sql('other')})"),
        release=release_sql(name_sql("own")),
        stated_together=STATED_TOGETHER,
        says=f"({IS_COPY})|({IS_DRAFT})",
    )
