WITH stated AS MATERIALIZED (
  SELECT
    source,
    account_id,
    external_id,
    any_value(invoice_month) AS invoice_month,
    list_sort(list(DISTINCT document.format)) AS formats,
    min(current_invoices.file_name) AS file_name,
    bool_and(coalesce(yields, false) OR coalesce(is_statement, false)) AS is_witness,
    coalesce(bool_and(may_be_part), false) AS may_be_part,
    coalesce(bool_or(lacks_tax), false) AS lacks_tax,
    max(issued_on) AS issued_on
  FROM current_invoices JOIN (SELECT
    document_sha256,
    format
  FROM documents) AS document USING (document_sha256)
  SEMI JOIN (SELECT DISTINCT source FROM raw) AS concerned USING (source)
  WHERE
    is_final AND open_until IS NULL AND withdrawn IS NULL
    AND invoice_month BETWEEN
    (SELECT min(invoice_month) - INTERVAL 1 MONTH FROM raw) AND (SELECT max(invoice_month) + INTERVAL 1 MONTH FROM raw)
  GROUP BY source, account_id, external_id
),

-- An API and the paper that is sent may name one account otherwise, as an organisation's UUID and a customer's number.
named_otherwise AS (
  SELECT source
  FROM (
    SELECT
      source,
      account_id,
      bool_or(is_witness) AND NOT bool_and(is_witness) AS is_in_both
    FROM stated
    WHERE account_id <> 'unknown'
    GROUP BY source, account_id
  )
  GROUP BY source
  HAVING NOT bool_or(is_in_both)
),

total AS (
  SELECT
    source,
    account_id,
    external_id,
    currency,
    amount_net_minor,
    amount_tax_minor
  FROM rounded
  UNION ALL
  SELECT
    source,
    account_id,
    external_id,
    currency,
    amount_net_minor,
    amount_tax_minor
  FROM tax_split_totals
  WHERE invoice_month NOT IN ($months)
),

invoice AS MATERIALIZED (
  SELECT
    stated.*,
    total.currency,
    total.amount_net_minor,
    total.amount_tax_minor,
    arrived.received_at,
    record.source IS NOT NULL AS is_pushed
  FROM stated JOIN total USING (source, account_id, external_id)
  JOIN (
    SELECT
      source,
      account_id,
      external_id,
      min(received_at) AS received_at
    FROM document_invoices
    GROUP BY source, account_id, external_id
  ) AS arrived USING (source, account_id, external_id)
  ANTI JOIN apart USING (source, account_id, external_id)
  ANTI JOIN unstated USING (source, account_id, external_id)
  LEFT JOIN (
    SELECT DISTINCT
      source,
      account_id,
      invoice_external_id AS external_id
    FROM unsettled_records
  ) AS record USING (source, account_id, external_id)
  WHERE amount_net_minor <> 0
  QUALIFY
    count(DISTINCT stated.formats) OVER (PARTITION BY source, total.currency, total.amount_net_minor) > 1
    AND count(*) OVER (
      PARTITION BY source, account_id, stated.invoice_month, total.currency, total.amount_net_minor, stated.formats
    ) <= $most_alike
),

known AS MATERIALIZED (
  SELECT
    *,
    row_number() OVER (ORDER BY NOT is_pushed, received_at, is_witness, source, account_id, external_id) AS place
  FROM invoice LEFT JOIN (
    SELECT
      source,
      account_id,
      external_id,
      min(charge_period_start) AS starts_at,
      max(coalesce(charge_period_end, charge_period_start)) AS ends_at
    FROM cost_lines SEMI JOIN invoice USING (source, account_id, external_id)
    WHERE charge_category <> 'Tax'
    GROUP BY source, account_id, external_id
  ) AS period USING (source, account_id, external_id)
),

settled AS (
  SELECT
    source,
    account_id,
    external_id,
    unnest(overruled) AS seen
  FROM releases
),

pair AS MATERIALIZED (
  SELECT
    own.source,
    own.account_id,
    own.external_id,
    other.external_id AS other_id,
    other.file_name AS other_file,
    $void_other AS other_void
  FROM known AS own JOIN known AS other USING (source, currency, amount_net_minor)
  ANTI JOIN settled
    ON
      settled.source = other.source AND settled.account_id = other.account_id
      AND settled.external_id = other.external_id
      AND contains(settled.seen, '$asked') AND contains(settled.seen, $void_own)
  WHERE
    other.place < own.place
    AND (own.amount_tax_minor = other.amount_tax_minor OR own.lacks_tax OR other.lacks_tax)
    AND NOT list_has_any(own.formats, other.formats)
    AND CASE
      WHEN own.is_witness OR other.is_witness
        THEN
          own.account_id = other.account_id
          OR 'unknown' IN (own.account_id, other.account_id)
          OR (own.is_witness <> other.is_witness AND own.source IN (SELECT source FROM named_otherwise))
      -- What may be in parts is compared by its lines and sums, whatever its format.
      ELSE own.account_id = other.account_id AND own.account_id <> 'unknown' AND NOT (own.may_be_part AND other.may_be_part)
    END
    AND CASE
      WHEN own.starts_at IS NOT NULL AND other.starts_at IS NOT NULL
        THEN
          (own.invoice_month = other.invoice_month AND own.starts_at < other.ends_at AND other.starts_at < own.ends_at)
          OR coalesce(own.issued_on = other.issued_on, false)
      WHEN own.issued_on IS NOT NULL AND other.issued_on IS NOT NULL
        THEN date_trunc('month', own.issued_on) = date_trunc('month', other.issued_on)
      -- What is issued in the first half of a month is mostly for the month before.
      ELSE
        own.invoice_month = other.invoice_month
        OR own.invoice_month = date_trunc('month', other.issued_on - INTERVAL 15 DAY)
        OR other.invoice_month = date_trunc('month', own.issued_on - INTERVAL 15 DAY)
    END
)

SELECT
  pair.source,
  pair.account_id,
  pair.external_id,
  'it comes to the same as ' || string_agg(DISTINCT pair.other_id, ' and ' ORDER BY pair.other_id) || ' ('
  || min(pair.other_file) || ')$asked If it is, void the one that is too much (' || $void || ' or '
  || string_agg(DISTINCT pair.other_void, ' or ' ORDER BY pair.other_void)
  || '); if each is an invoice of its own: '
  || $release AS text
FROM pair SEMI JOIN raw USING (source, account_id, external_id)
GROUP BY pair.source, pair.account_id, pair.external_id
