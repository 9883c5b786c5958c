WITH stated AS MATERIALIZED (
  SELECT
    source,
    account_id,
    external_id,
    any_value(invoice_month) AS invoice_month,
    list_sort(list(DISTINCT document.format)) AS formats,
    min(current_invoices.file_name) AS file_name,
    bool_and(coalesce(yields, false) OR coalesce(is_statement, false)) AS is_witness,
    bool_and(coalesce(yields, false)) AS is_electronic,
    bool_or(coalesce(yields, false)) AS has_electronic,
    coalesce(bool_and(may_be_part), false) AS may_be_part,
    coalesce(bool_or(lacks_tax), false) AS lacks_tax,
    max(issued_on) AS issued_on,
    any_value(id_basis) FILTER (NOT coalesce(yields, false)) AS id_basis
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
    amount_gross_minor,
    amount_net_minor,
    amount_tax_minor
  FROM rounded
  UNION ALL
  SELECT
    source,
    account_id,
    external_id,
    currency,
    amount_gross_minor,
    amount_net_minor,
    amount_tax_minor
  FROM tax_split_totals
  WHERE invoice_month NOT IN ($months)
),

invoice AS MATERIALIZED (
  SELECT
    stated.*,
    total.currency,
    total.amount_gross_minor,
    total.amount_net_minor,
    total.amount_tax_minor,
    arrived.received_at,
    record.source IS NOT NULL AS is_pushed,
    coalesce(is_apart, false) AS is_apart
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
  -- What is void is compared with nothing, and yet it is what another one was like.
  LEFT JOIN (SELECT DISTINCT
    *,
    true AS is_apart
  FROM apart) AS apart USING (source, account_id, external_id)
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
    (
      count(DISTINCT stated.formats) OVER (PARTITION BY source, total.currency, total.amount_net_minor) > 1
      AND count(*) OVER (
        PARTITION BY source, account_id, stated.invoice_month, total.currency, total.amount_net_minor, stated.formats
      ) <= $most_alike
    )
    OR (
      bool_or(is_electronic) OVER (PARTITION BY source) AND (is_electronic OR NOT has_electronic)
      AND count(*) OVER (PARTITION BY source, account_id, stated.invoice_month, is_electronic) <= $most_alike
    )
),

known AS MATERIALIZED (
  SELECT
    *,
    $amount || ' ' || currency AS amount,
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
  JOIN $exponents AS iso USING (currency)
),

settled AS (
  SELECT
    source,
    account_id,
    external_id,
    unnest(overruled) AS seen
  FROM releases
),

-- Of a source whose lines came with electronic invoices of their number, another number is another invoice.
same_numbers AS (
  SELECT
    source,
    list(DISTINCT lined.format) AS formats
  FROM (
    SELECT
      source,
      account_id,
      external_id,
      unnest(formats) AS format
    FROM stated
    WHERE has_electronic AND NOT is_electronic AND id_basis IN ('document', 'file_name')
  ) AS lined
  GROUP BY source
),

-- Where a person has told a source's electronic invoice from its lines once, the account has both, each month.
told_apart AS (
  SELECT DISTINCT
    source,
    account_id,
    stated.invoice_month
  FROM settled JOIN document_invoices AS stated USING (source, account_id, external_id)
  WHERE contains(settled.seen, '$asked') AND contains(settled.seen, '$otherwise')
),

near AS (
  SELECT * REPLACE (amount_net_minor + unnest(range(-$few, $few + 1)) AS amount_net_minor) FROM known
  WHERE is_electronic
),

candidate AS (
  SELECT
    own.place,
    other.place AS other_place,
    1 AS rank
  FROM known AS own JOIN known AS other USING (source, currency, amount_net_minor)
  WHERE other.place < own.place
  UNION ALL
  SELECT
    greatest(near.place, known.place),
    least(near.place, known.place),
    2
  FROM near JOIN known USING (source, currency, amount_net_minor)
  WHERE
    NOT known.has_electronic
    AND (abs(near.amount_tax_minor - known.amount_tax_minor) <= $few OR known.lacks_tax)
  UNION ALL
  SELECT
    greatest(own.place, other.place),
    least(own.place, other.place),
    3
  FROM known AS own JOIN known AS other USING (source)
  WHERE
    own.is_electronic AND NOT other.has_electronic AND sign(own.amount_net_minor) = sign(other.amount_net_minor)
    AND other.invoice_month = CASE
      -- What is issued in the first half of a month is mostly for the month before.
      WHEN own.starts_at IS NULL AND own.issued_on IS NOT NULL THEN date_trunc('month', own.issued_on - INTERVAL 15 DAY)
      ELSE own.invoice_month
    END
),

likely AS MATERIALIZED (
  SELECT
    candidate.place,
    candidate.other_place,
    min(candidate.rank) AS rank
  FROM candidate JOIN known AS own USING (place)
  JOIN known AS other ON other.place = candidate.other_place
  WHERE
    (candidate.rank > 1 OR own.amount_tax_minor = other.amount_tax_minor OR own.lacks_tax OR other.lacks_tax)
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
      ELSE
        own.invoice_month = other.invoice_month
        OR own.invoice_month = date_trunc('month', other.issued_on - INTERVAL 15 DAY)
        OR other.invoice_month = date_trunc('month', own.issued_on - INTERVAL 15 DAY)
    END
  GROUP BY candidate.place, candidate.other_place
),

-- How well the best of its likely ones fits each invoice: equal ones are one before others are.
best AS (
  SELECT
    place,
    min(rank) AS rank
  FROM (
    SELECT
      unnest([place, other_place]) AS place,
      rank
    FROM likely
  )
  GROUP BY place
),

chosen AS (
  FROM likely
  WHERE rank < 3
  UNION ALL
  (
    SELECT likely.* FROM likely
    JOIN best AS own USING (place, rank)
    JOIN best AS other ON other.place = likely.other_place AND other.rank = likely.rank
    WHERE rank = 3
    QUALIFY count(*) OVER (PARTITION BY likely.place) = 1 AND count(*) OVER (PARTITION BY likely.other_place) = 1
  )
),

pair AS MATERIALIZED (
  SELECT
    own.source,
    own.account_id,
    own.external_id,
    other.external_id AS other_id,
    other.file_name AS other_file,
    $void_other AS other_void,
    chosen.rank,
    own.amount AS own_amount,
    other.amount AS other_amount
  FROM chosen JOIN known AS own USING (place)
  JOIN known AS other ON other.place = chosen.other_place
  JOIN best AS own_best ON own_best.place = own.place
  JOIN best AS other_best ON other_best.place = other.place
  ANTI JOIN settled
    ON
      settled.source = other.source AND settled.account_id = other.account_id
      AND settled.external_id = other.external_id
      AND contains(settled.seen, '$asked') AND contains(settled.seen, $void_own)
  WHERE
    NOT own.is_apart AND NOT other.is_apart
    AND own_best.rank = chosen.rank AND other_best.rank = chosen.rank
    AND (
      chosen.rank = 1 OR NOT EXISTS (
        FROM same_numbers AS same
        WHERE
          same.source = own.source
          AND CASE
            WHEN own.is_electronic
              THEN other.id_basis IN ('document', 'file_name') AND list_has_any(same.formats, other.formats)
            ELSE own.id_basis IN ('document', 'file_name') AND list_has_any(same.formats, own.formats)
          END
      )
    )
    AND (
      chosen.rank < 3 OR NOT EXISTS (
        FROM told_apart AS told
        WHERE
          told.source = own.source AND told.account_id IN (own.account_id, other.account_id)
          AND told.invoice_month NOT IN (own.invoice_month, other.invoice_month)
      )
    )
)

SELECT
  pair.source,
  pair.account_id,
  pair.external_id,
  CASE
    WHEN min(pair.rank) = 1 THEN 'it comes to the same as '
    ELSE 'it comes to ' || min(pair.own_amount) || '$otherwise'
  END
  || string_agg(
    DISTINCT pair.other_id || CASE WHEN pair.rank = 1 THEN '' ELSE ' comes to ' || pair.other_amount END, ' and '
    ORDER BY pair.other_id || CASE WHEN pair.rank = 1 THEN '' ELSE ' comes to ' || pair.other_amount END
  ) || ' (' || min(pair.other_file) || ')$asked If it is, void the one that is too much (' || $void || ' or '
  || string_agg(DISTINCT pair.other_void, ' or ' ORDER BY pair.other_void)
  || '); if each is an invoice of its own: '
  || $release AS text
FROM pair SEMI JOIN raw USING (source, account_id, external_id)
GROUP BY pair.source, pair.account_id, pair.external_id
