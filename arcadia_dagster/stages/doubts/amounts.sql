WITH invoice AS MATERIALIZED (
  SELECT
    raw.source,
    raw.account_id,
    raw.external_id,
    raw.invoice_month,
    raw.lines_sketch,
    -- What a provider's API or an electronic invoice states, and a number in a provider's own file name, is no draft.
    raw.may_be_part AND raw.id_basis = 'document' AND raw.account_id <> 'unknown' AS may_be_draft,
    total.currency,
    total.amount_gross_minor
  FROM raw JOIN rounded AS total USING (source, account_id, external_id)
  ANTI JOIN apart USING (source, account_id, external_id)
  ANTI JOIN unstated USING (source, account_id, external_id)
  WHERE
    raw.is_final AND raw.open_until IS NULL AND raw.id_basis IN ('document', 'file_name')
    AND total.amount_gross_minor <> 0 AND NOT raw.is_only_stated
  QUALIFY count(*) OVER (PARTITION BY raw.source, raw.account_id, raw.invoice_month, total.currency) > 1
),

charge AS MATERIALIZED (
  SELECT
    source,
    account_id,
    external_id,
    charge_period_start AS starts_at,
    coalesce(charge_period_end, charge_period_start) AS ends_at,
    amount,
    resource_id,
    charge_category,
    hash($line, resource_id, resource_name, quantity, charge_period_end) AS line
  FROM cost_lines SEMI JOIN invoice USING (source, account_id, external_id)
  WHERE invoice_month IN ($months) AND charge_category <> 'Tax' AND line_number > 0
),

known AS MATERIALIZED (
  SELECT * FROM invoice JOIN (
    SELECT
      source,
      account_id,
      external_id,
      min(starts_at) AS starts_at,
      max(ends_at) AS ends_at,
      count(resource_id) > 0 AS has_resources,
      count(DISTINCT amount) AS amounts,
      -- Accounts that are not known may be two, with one plan; what names its resource is of one.
      CASE WHEN count(*) < 3 AND (account_id <> 'unknown' OR count(resource_id) = count(*)) THEN list_sort(list(line)) END
        AS lines,
      bool_and(charge_category = 'Purchase')
      OR (count(*) = 1 AND coalesce(max(ends_at) - min(starts_at), INTERVAL 0 DAY) <= INTERVAL 1 DAY) AS is_order
    FROM charge
    GROUP BY source, account_id, external_id
  ) USING (source, account_id, external_id)
),

same_sum AS (
  FROM known
  WHERE may_be_draft
  QUALIFY
    count(*) OVER (PARTITION BY source, account_id, invoice_month, currency, amount_gross_minor)
    BETWEEN 2 AND $most_alike
),

amount AS MATERIALIZED (
  SELECT
    source,
    account_id,
    external_id,
    invoice_month,
    currency,
    amount,
    list(DISTINCT resource_id) AS resources,
    count(resource_id) < count(*) AS may_be_any
  FROM charge JOIN (
    FROM known
    WHERE may_be_draft AND amounts >= 3
  ) AS known
    USING (source, account_id, external_id)
  GROUP BY source, account_id, external_id, invoice_month, currency, amount
  QUALIFY count(*) OVER (PARTITION BY source, account_id, invoice_month, currency, amount) BETWEEN 2 AND $most_alike
),

same_lines AS (
  FROM known
  WHERE lines IS NOT NULL
  QUALIFY count(*) OVER (PARTITION BY source, account_id, invoice_month, currency, lines) BETWEEN 2 AND $most_alike
),

pair AS (
  SELECT
    own.source,
    own.account_id,
    own.external_id,
    other.external_id AS other_id
  FROM same_lines AS own JOIN same_lines AS other USING (source, account_id, invoice_month, currency, lines)
  WHERE own.external_id <> other.external_id
  UNION
  SELECT
    own.source,
    own.account_id,
    own.external_id,
    other.external_id AS other_id
  FROM same_sum AS own
  JOIN same_sum AS other USING (source, account_id, invoice_month, currency, amount_gross_minor)
  WHERE
    own.external_id <> other.external_id
    AND NOT (own.has_resources AND other.has_resources) AND NOT (own.is_order AND other.is_order)
  UNION
  SELECT
    own.source,
    own.account_id,
    own.external_id,
    other.external_id
  FROM amount AS own JOIN amount AS other USING (source, account_id, invoice_month, currency, amount)
  JOIN known ON known.source = own.source AND known.account_id = own.account_id AND known.external_id = own.external_id
  JOIN known AS known_other
    ON
      known_other.source = own.source AND known_other.account_id = own.account_id
      AND known_other.external_id = other.external_id
  WHERE
    own.external_id <> other.external_id
    AND (own.may_be_any OR other.may_be_any OR list_has_any(own.resources, other.resources))
  GROUP BY own.source, own.account_id, own.external_id, other.external_id, known.amounts, known_other.amounts
  HAVING count(*) >= 3 AND count(*) * 2 > greatest(known.amounts, known_other.amounts)
)

SELECT
  pair.source,
  pair.account_id,
  pair.external_id,
  'it has the amounts of ' || string_agg(DISTINCT other_id, ' and ' ORDER BY other_id)
  || ' of the same account and month: a draft and its invoice, or one invoice under two ids? Void the one that is too much ('
  || $void || ' or ' || $void_other
  || '), or release what is real (' || $release || ')' AS text
FROM pair
ANTI JOIN ($stated_together) AS together USING (source, account_id, external_id, other_id)
JOIN known AS own USING (source, account_id, external_id)
JOIN known AS other
  ON
    other.source = pair.source AND other.account_id = pair.account_id
    AND other.external_id = pair.other_id
WHERE
  NOT $own_ends_before AND NOT $other_ends_before
  AND NOT (
    pair.account_id <> 'unknown'
    AND len(list_intersect(own.lines_sketch, other.lines_sketch)) >= 3
    AND len(list_intersect(own.lines_sketch, other.lines_sketch)) * 2
    > least(len(own.lines_sketch), len(other.lines_sketch))
  )
GROUP BY pair.source, pair.account_id, pair.external_id
