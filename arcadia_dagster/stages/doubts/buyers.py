"""Doubts about whom an invoice is from and to: sold by us; to another buyer than us, or than the account's had until now."""

from arcadia_dagster.billing.advice import name_sql, release_sql, void_sql
from arcadia_dagster.billing.rules import comparable_tax_id_sql, same_tax_id_sql
from arcadia_dagster.stages.doubts.doubt import Doubt, Scope


def doubts(scope: Scope) -> tuple[Doubt, ...]:
    """Of invoices whose documents state the tax id of the seller or the buyer; of the others nobody knows."""
    addressed = f"""SELECT 1 FROM document_invoices
      SEMI JOIN (FROM stated_invoices WHERE buyer_tax_id IS NOT NULL) AS stated USING (document_sha256, invoice_ordinal)
      WHERE invoice_month IN ({scope.month_list})"""
    return (
        Doubt(_OF_OURS, needs=addressed.replace("buyer_tax_id", "seller_tax_id")),
        Doubt(_OF_ANOTHERS, needs=addressed),
        Doubt(_OF_ANOTHER_THAN_BEFORE, needs=addressed),
    )


def _addressed_sql(invoices: str) -> str:
    """SQL: whom documents address invoices to, of a relation of invoices with their documents."""
    return f"""
        SELECT invoice.source, invoice.account_id, invoice.external_id, invoice.invoice_month, stated.buyer_tax_id AS stated_id,
          {comparable_tax_id_sql("stated.buyer_tax_id")} AS tax_id,
          left(coalesce(stated.buyer_name || ' ', ''), 100) || '(' || stated.buyer_tax_id || ')' AS buyer
        FROM {invoices} AS invoice JOIN (FROM stated_invoices WHERE buyer_tax_id IS NOT NULL) AS stated
          USING (document_sha256, invoice_ordinal)
        WHERE tax_id <> ''"""


def _quoted_sql(text: str) -> str:
    """SQL: a text as TOML has it."""
    return f"""('"' || replace(replace({text}, '\\', '\\\\'), '"', '\\"') || '"')"""


_LISTED = f"(SELECT string_agg({_quoted_sql('tax_id')}, ', ' ORDER BY tax_id) FROM own_tax_ids)"

# What we sell lies in the same mailboxes as what we buy. Where nobody said who we are, other sellers' invoices tell it.
_OF_OURS = f"""
      WITH seller AS MATERIALIZED (
        SELECT part.source, part.account_id, part.external_id, stated.seller_tax_id AS stated_id,
          {comparable_tax_id_sql("stated.seller_tax_id")} AS tax_id, left(coalesce(stated.seller_name, ''), 100) AS seller
        FROM part JOIN stated_invoices AS stated USING (document_sha256, invoice_ordinal)
        WHERE tax_id <> ''
      ), ours AS (
        SELECT tax_id, 'buyer_tax_ids in sources.toml has' AS told_by FROM own_tax_ids
        UNION ALL
        SELECT {comparable_tax_id_sql("buyer_tax_id")} AS tax_id, 'invoices of others are addressed to'
        FROM stated_invoices
        WHERE NOT EXISTS (FROM own_tax_ids) AND buyer_tax_id IS NOT NULL
          AND {comparable_tax_id_sql("coalesce(seller_tax_id, '')")} <> tax_id
      )
      SELECT source, account_id, external_id,
        'its seller is ' || min(seller) || ' (' || min(stated_id) || '), whom ' || min(told_by) ||
        ': an invoice that we have sent? If it is, ' || {void_sql()} || '; if we owe it: ' || {release_sql()} AS text
      FROM seller JOIN ours ON {same_tax_id_sql("ours.tax_id", "seller.tax_id")}
      GROUP BY source, account_id, external_id"""

_OF_ANOTHERS = f"""
      SELECT source, account_id, external_id,
        'it is addressed to ' || min(buyer) || ', and buyer_tax_ids in sources.toml has no such tax id: if it is not ours, ' ||
        {void_sql()} || '; if that is us too, write this in place of the line in sources.toml: buyer_tax_ids = [' ||
        {_LISTED} || ', ' || {_quoted_sql("min_by(stated_id, buyer)")} || ']; if we owe it all the same: ' ||
        {release_sql()} AS text
      FROM ({_addressed_sql("part")}) AS addressed
      WHERE EXISTS (FROM own_tax_ids) AND NOT EXISTS (
        FROM own_tax_ids WHERE {same_tax_id_sql("own_tax_ids.tax_id", "addressed.tax_id")})
      GROUP BY source, account_id, external_id"""

# Where the account is not known, one seller may have several buyers among us.
_OF_ANOTHER_THAN_BEFORE = f"""
      WITH addressed AS MATERIALIZED (
        FROM ({_addressed_sql("document_invoices")}) AS stated
        ANTI JOIN apart USING (source, account_id, external_id)
        WHERE account_id <> 'unknown'
      ), own AS (
        FROM addressed SEMI JOIN part USING (source, account_id, external_id)
      )
      SELECT own.source, own.account_id, own.external_id,
        'it is addressed to ' || min(own.buyer) || ', and invoices of its account to ' || min(other.buyer) || ': if it is not '
        'ours, ' || {void_sql(name_sql("own"))} || '; if it is: ' ||
        {release_sql(name_sql("own"))} || '; or say who we are, at the top of '
        'sources.toml: buyer_tax_ids = [' || {_quoted_sql("min_by(other.stated_id, other.buyer)")} || ', ' ||
        {_quoted_sql("min_by(own.stated_id, own.buyer)")} || ']' AS text
      FROM own JOIN addressed AS other
        ON other.source = own.source AND other.account_id = own.account_id AND other.invoice_month <= own.invoice_month
        AND other.external_id <> own.external_id AND NOT {same_tax_id_sql("own.tax_id", "other.tax_id")}
      WHERE NOT EXISTS (FROM own_tax_ids) AND NOT EXISTS (
        FROM addressed AS earlier WHERE earlier.source = own.source AND earlier.account_id = own.account_id
          AND earlier.invoice_month < own.invoice_month AND {same_tax_id_sql("own.tax_id", "earlier.tax_id")})
      GROUP BY own.source, own.account_id, own.external_id"""
