WITH invoice AS MATERIALIZED (
  SELECT
    raw.source,
    raw.account_id,
    raw.external_id,
    raw.invoice_month,
    raw.id_basis = 'derived' AS is_derived,
    record.source IS NOT NULL OR released.source IS NOT NULL AS is_pushed,
    regexp_replace(raw.external_id, '\d+', '#', 'g') AS unnumbered,
    stated.charges_sketch
  FROM raw JOIN (
    SELECT
      source,
      account_id,
      external_id,
      list_distinct(flatten(list(charges_sketch))) AS charges_sketch
    FROM part
    GROUP BY ALL
  ) AS stated USING (source, account_id, external_id)
  LEFT JOIN (
    SELECT DISTINCT
      source,
      account_id,
      invoice_external_id AS external_id
    FROM unsettled_records
  ) AS record USING (source, account_id, external_id)
  LEFT JOIN (
    SELECT DISTINCT
      source,
      account_id,
      external_id,
      document_sha256
    FROM release
  ) AS released USING (source, account_id, external_id, document_sha256)
  ANTI JOIN void USING (source, account_id, external_id)
  ANTI JOIN unstated USING (source, account_id, external_id)
  -- What a person released while its month was open goes to finance, and counts.
  WHERE
    raw.is_final AND (raw.open_until IS NULL OR record.source IS NOT NULL OR released.source IS NOT NULL)
  QUALIFY raw.line_count > 2 OR bool_or(raw.id_basis = 'derived') OVER (PARTITION BY raw.source, raw.invoice_month)
),

alike AS MATERIALIZED (
  SELECT DISTINCT
    source,
    account_id,
    external_id,
    is_derived
  FROM (
    SELECT
      * EXCLUDE (charges_sketch),
      unnest(charges_sketch) AS charge
    FROM invoice
  )
  QUALIFY
    count(*) OVER (PARTITION BY source, account_id, invoice_month, charge) BETWEEN 2 AND $most_alike
    OR (
      count(*) OVER (PARTITION BY source, invoice_month, charge) BETWEEN 2 AND $most_alike
      AND bool_or(account_id = 'unknown') OVER (PARTITION BY source, invoice_month, charge)
    )
),

charge AS MATERIALIZED (
  SELECT
    source,
    account_id,
    external_id,
    invoice_month,
    hash($charge, charge_category) AS charge,
    bool_or(resource_id IS NOT NULL) AS is_of_resource,
    sum(amount) AS amount,
    CASE WHEN count(charge_period_end) = count(*) THEN max(charge_period_end) END AS ends_at,
    count(*) OVER (PARTITION BY source, account_id, external_id) AS charges,
    count_if(bool_or(resource_id IS NOT NULL)) OVER (PARTITION BY source, account_id, external_id) AS of_resources,
    count_if(NOT bool_or(is_derived)) OVER (PARTITION BY source, invoice_month, charge) AS numbered,
    count(*) OVER (PARTITION BY source, invoice_month, charge) AS invoices
  FROM cost_lines JOIN alike USING (source, account_id, external_id)
  WHERE invoice_month IN ($months) AND charge_category <> 'Tax'
  GROUP BY source, account_id, external_id, invoice_month, charge
),

rare AS (
  -- Of n charges of the smaller of two invoices at least k are those of the other one too: three, and more than half; of one or
  -- two all. So of any n - k + 3 charges at least three are, also of its rarest. Of 3,000 invoices these have few pairs in
  -- common, and all charges have millions (2026-11-29).
  SELECT
    *,
    row_number() OVER by_rarity <= charges - greatest(3, charges // 2 + 1) + 3 AS is_rare,
    is_of_resource
    AND count_if(is_of_resource) OVER by_rarity <= of_resources - greatest(3, of_resources // 2 + 1) + 3 AS is_rare_resource
  FROM charge
  WINDOW by_rarity AS (
    PARTITION BY source, account_id, external_id ORDER BY invoices, charge ROWS UNBOUNDED PRECEDING
  )
),

close AS MATERIALIZED (
  SELECT
    a.source,
    a.account_id,
    a.external_id,
    b.account_id AS other_account,
    b.external_id AS other_id
  FROM (
    FROM rare
    WHERE is_rare OR is_rare_resource
  ) AS a JOIN charge AS b USING (source, invoice_month, charge)
  WHERE
    (a.account_id, a.external_id) <> (b.account_id, b.external_id) AND sign(a.amount) = sign(b.amount)
    AND (a.account_id = b.account_id OR 'unknown' IN (a.account_id, b.account_id))
  GROUP BY ALL
  HAVING count_if(a.is_rare) >= least(3, any_value(a.charges)) OR count_if(a.is_rare_resource) >= 3
),

pair AS MATERIALIZED (
  FROM close
  UNION
  SELECT
    source,
    other_account,
    other_id,
    account_id,
    external_id
  FROM close
),

shared AS (
  SELECT
    a.source,
    a.account_id,
    a.external_id,
    b.account_id AS other_account,
    b.external_id AS other_id,
    count(*) AS charges,
    max(a.numbered) AS numbered,
    least(any_value(a.charges), any_value(b.charges)) AS of_charges,
    count_if(a.is_of_resource) AS resources,
    least(any_value(a.of_resources), any_value(b.of_resources)) AS of_resources,
    bool_or(a.is_of_resource AND a.amount <> b.amount) AS has_other_resources_amount,
    count_if(a.amount <> b.amount) AS changed,
    bool_and(abs(a.amount) <= abs(b.amount)) OR bool_and(abs(a.amount) >= abs(b.amount)) AS is_one_way,
    coalesce(bool_and(a.ends_at < b.ends_at) OR bool_and(a.ends_at > b.ends_at), false)
    AND count(a.ends_at) = count(*) AND count(b.ends_at) = count(*) AS has_other_ends,
    -- 0 amounts have not grown.
    coalesce(max(b.amount / nullif(a.amount, 0)) <= 1.25 * min(b.amount / nullif(a.amount, 0)), false) AS is_alike
  FROM pair JOIN charge AS a USING (source, account_id, external_id)
  JOIN charge AS b
    ON
      b.source = pair.source AND b.account_id = pair.other_account AND b.external_id = pair.other_id
      AND b.charge = a.charge AND b.invoice_month = a.invoice_month
  WHERE sign(a.amount) = sign(b.amount)
  GROUP BY ALL
)

SELECT
  own.source,
  own.account_id,
  own.external_id,
  'it charges mostly for what ' || string_agg(DISTINCT other.external_id, ' and ' ORDER BY other.external_id)
  || ' charges for in the same '
  || CASE WHEN bool_and(own.account_id = other.account_id AND own.account_id <> 'unknown') THEN 'account and ' ELSE '' END
  || 'month, with other amounts: a draft that has grown, and its invoice? Void the one that is too much ('
  || $void || ' or ' || $void_other || '), or release what is real (' || $release || ')' AS text
FROM shared
ANTI JOIN ($stated_together) AS together USING (source, account_id, external_id, other_id)
JOIN invoice AS own USING (source, account_id, external_id)
JOIN invoice AS other
  ON
    other.source = shared.source AND other.account_id = shared.other_account
    AND other.external_id = shared.other_id
WHERE
  (own.is_derived OR NOT other.is_derived OR other.is_pushed)
  AND (
    (shared.resources >= 3 AND shared.resources * 2 > shared.of_resources AND shared.has_other_resources_amount)
    -- A file without a number or an account, such as DigitalOcean's preview of one droplet or two.
    OR (
      own.is_derived <> other.is_derived AND 'unknown' IN (own.account_id, other.account_id)
      AND shared.charges = shared.of_charges AND shared.changed > 0 AND shared.is_one_way
      -- What several accounts have by one plan tells nothing.
      AND shared.numbered = 1
      -- What its name says of it has a doubt of its own.
      AND NOT CASE
        WHEN own.is_derived THEN contains(lower(own.external_id), lower(other.external_id))
        ELSE contains(lower(other.external_id), lower(own.external_id))
      END
      AND NOT regexp_matches(lower(CASE WHEN own.is_derived THEN own.external_id ELSE other.external_id END), '$says')
    )
    OR (
      shared.charges >= 3 AND shared.charges * 2 > shared.of_charges AND shared.changed > 0 AND shared.is_one_way
      AND (
        'unknown' NOT IN (own.account_id, other.account_id)
        OR (
          shared.changed = shared.charges
          AND (
            shared.has_other_ends OR shared.is_alike
            OR (own.is_derived AND other.is_derived AND own.unnumbered = other.unnumbered)
          )
        )
      )
    )
  )
GROUP BY own.source, own.account_id, own.external_id
