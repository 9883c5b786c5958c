"""Two ids of an account and month that come to the same: a draft and its invoice in other words, or a small invoice twice.

A draft may word its lines otherwise than the invoice that it becomes, and name no resource: then nothing but amounts and days
tells that they are one. Two invoices may have equal amounts as well. What says that they are two is a document or a manifest that
states both, resources that differ, other days, or that they are orders: purchases, or one charge for one day each. Where all
charges are equal to the word, the resource and the period, orders may be one order under two numbers as well.
"""

from arcadia_dagster.billing import likeness
from arcadia_dagster.billing.advice import name_sql, release_sql, void_sql
from arcadia_dagster.stages.doubts.doubt import Doubt, Scope, several_of_an_account
from arcadia_dagster.stages.doubts.identity import STATED_TOGETHER
from arcadia_dagster.store.query import statement


def doubts(scope: Scope) -> tuple[Doubt, ...]:
    """See the module."""
    return (Doubt(_same_amounts_sql(scope), needs=several_of_an_account("id_basis IN ('document', 'file_name')")),)


_MOST_ALIKE = 16
"""A sum or an amount that more invoices of an account and month have tells nothing."""


def _same_amounts_sql(scope: Scope) -> str:
    """Invoices that come to the same sum; or most of whose amounts, at least three different ones, another one has too.

    Of any format: invoices of one charge or two, which another one has too. What has at least three lines of the same words, and
    most of them, is for `identity`.
    """
    return statement(
        __name__,
        months=scope.month_list,
        most_alike=str(_MOST_ALIKE),
        line=likeness.LINE,
        void=void_sql(name_sql("pair")),
        void_other=void_sql(name_sql("pair", external_id="min(other_id)")),
        release=release_sql(name_sql("pair")),
        stated_together=STATED_TOGETHER,
        own_ends_before=_ends_before("own", "other"),
        other_ends_before=_ends_before("other", "own"),
    )


def _ends_before(one: str, other: str) -> str:
    """SQL: whether all charges of an invoice end before those of another one; not where their days are not known."""
    return f"coalesce({one}.ends_at <= {other}.starts_at AND {one}.starts_at < {other}.starts_at, false)"
