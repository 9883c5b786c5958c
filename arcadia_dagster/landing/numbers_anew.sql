WITH stated AS (
  SELECT
    document_sha256,
    invoice_ordinal,
    source,
    account_id,
    external_id,
    invoice_month,
    received_at,
    coalesce(stated_id, external_id) AS own_id,
    charge_days,
    is_final,
    coalesce(yields, false) AS is_witness,
    may_be_part OR document.format NOT IN ($own_formats) AS may_begin_anew
  FROM document_invoices JOIN (SELECT
    document_sha256,
    format
  FROM documents) AS document USING (document_sha256)
  WHERE NOT coalesce(is_statement, false)
),

concerned AS (
  FROM stated SEMI JOIN (
    FROM stated
    WHERE document_sha256 IN ($documents)
  ) AS own
    USING (source, account_id, own_id)
),

first AS (
  SELECT
    source,
    account_id,
    own_id,
    arg_min(invoice_month, (received_at, invoice_month, document_sha256)) AS first_month,
    arg_min(document_sha256, (received_at, invoice_month, document_sha256)) AS first_sha256
  FROM concerned
  GROUP BY ALL
  HAVING count(DISTINCT invoice_month) > 1
),

pushed AS (
  SELECT
    source,
    account_id,
    invoice_external_id AS own_id,
    min(invoice_month) AS pushed_month
  FROM finance_records
  GROUP BY ALL
),

folder AS (
  SELECT DISTINCT
    document_sha256,
    regexp_extract(inbox_path, '^(.*)/', 1) AS folder
  FROM document_names
  WHERE contains(inbox_path, '/')
),

together AS (
  SELECT DISTINCT
    own.document_sha256,
    first.own_id
  FROM first JOIN folder AS beside ON beside.document_sha256 = first.first_sha256 JOIN folder AS own USING (folder)
),

own AS (
  SELECT
    source,
    account_id,
    own_id,
    coalesce(pushed_month, first_month) AS own_month
  FROM first LEFT JOIN pushed USING (source, account_id, own_id)
),

days AS (
  SELECT
    source,
    account_id,
    own_id,
    list_distinct(flatten(list(charge_days))) AS own_days,
    bool_and(is_final) AS was_final,
    bool_and(is_witness) AS was_witness
  FROM concerned JOIN own USING (source, account_id, own_id)
  WHERE invoice_month = own_month
  GROUP BY ALL
),

kept AS (
  SELECT
    concerned.*,
    together.own_id IS NULL AND concerned.document_sha256 <> first.first_sha256 AND CASE
    abs(
      datediff('month', own_month, invoice_month))
      WHEN 0 THEN false
      WHEN 1
        THEN
          may_begin_anew AND coalesce(was_final AND is_final, false)
          -- An electronic invoice without a period tells its day of issue only, and its lines may be of the month before.
          AND NOT (
            CASE WHEN invoice_month < own_month THEN was_witness AND NOT is_witness ELSE is_witness AND NOT was_witness END
            AND least(len(charge_days), len(own_days)) = 0
          )
          AND len(list_intersect(charge_days, own_days)) * 2 < greatest(least(len(charge_days), len(own_days)), 1)
      ELSE true
    END AS is_another
  FROM concerned
  JOIN first USING (source, account_id, own_id)
  JOIN own USING (source, account_id, own_id)
  LEFT JOIN days USING (source, account_id, own_id)
  LEFT JOIN together USING (document_sha256, own_id)
)

SELECT
  CASE WHEN is_another THEN own_id || '-' || strftime(invoice_month, '%Y-%m') ELSE own_id END AS kept_id,
  CASE WHEN is_another THEN own_id END AS stated_id,
  document_sha256,
  invoice_ordinal
FROM kept
WHERE kept_id <> external_id
