WITH told AS (
  SELECT
    invoice.*,
    document.file_name,
    document.format
  FROM document_invoices AS invoice
  JOIN documents AS document USING (document_sha256)
  SEMI JOIN (
    SELECT * FROM document_invoices
    WHERE invoice_month IN ($months)
  ) AS concerned
    ON
      concerned.source = invoice.source AND concerned.account_id = invoice.account_id
      AND concerned.external_id = invoice.external_id
),

all_stated AS (
  -- A document whose lines yield to those of others is a statement where there are others.
  SELECT
    told.* REPLACE (
      coalesce(is_statement, false) OR (coalesce(yields, false) AND has_lines) AS is_statement,
      CASE WHEN yields AND has_lines THEN 0 ELSE line_count END AS line_count,
      CASE WHEN yields AND has_lines THEN NULL ELSE lines_total END AS lines_total,
      CASE WHEN yields AND has_lines THEN coalesce(stated_by, file_name) ELSE stated_by END AS stated_by
    )
  FROM (
    SELECT
      *,
      bool_or(NOT coalesce(is_statement, false) AND NOT coalesce(yields, false)) OVER invoice AS has_lines,
      bool_or(is_final) OVER invoice AS has_final
    FROM told WINDOW invoice AS (PARTITION BY source, account_id, external_id)
  ) AS told
),

stated AS (
  FROM all_stated
  WHERE NOT is_statement
),

placed AS (
  SELECT
    stated.source,
    stated.account_id,
    stated.external_id,
    stated.document_sha256,
    stated.file_name,
    coalesce(stated.may_be_part, false) AS may_be_part,
    coalesce(name.inbox_path, stated.document_sha256) AS place,
    -- The folders of the days of a month are one delivery.
    coalesce($root_of_days, nullif(regexp_extract(name.inbox_path, '^(.*)/', 1), ''), place)
    || ' ' || stated.format AS delivery,
    coalesce(name.received_at, stated.received_at) AS placed_at
  FROM stated
  LEFT JOIN document_names AS name ON stated.may_be_part AND name.document_sha256 = stated.document_sha256
  ANTI JOIN ($left_out) AS left_out ON left_out.inbox_path = name.inbox_path
),

newest_in_place AS (
  SELECT * FROM placed
  QUALIFY row_number() OVER (
    PARTITION BY source, account_id, external_id, place
    ORDER BY placed_at DESC, length(file_name) DESC, file_name DESC, document_sha256 DESC
  ) = 1
),

older AS (
  -- What a path says of its time counts more than the arrival.
  SELECT
    source,
    account_id,
    external_id,
    delivery,
    max(steps_back) AS steps_back
  FROM ($older) AS older
  GROUP BY ALL
),

newest_delivery AS (
  SELECT
    source,
    account_id,
    external_id,
    delivery
  FROM placed
  LEFT JOIN older USING (source, account_id, external_id, delivery)
  QUALIFY
    row_number()
      OVER (
        PARTITION BY source, account_id, external_id
        ORDER BY coalesce(steps_back, 0), placed_at DESC, length(file_name) DESC, file_name DESC, document_sha256 DESC
      )
    = 1
),

lying AS (
  SELECT
    document_sha256,
    regexp_extract(inbox_path, '^(.*)/', 1) AS folder,
    row_number() OVER (PARTITION BY inbox_path ORDER BY received_at DESC, document_sha256 DESC) = 1 AS is_newest
  FROM document_names SEMI JOIN (
    FROM document_invoices
    WHERE may_be_part
  ) USING (document_sha256)
),

invoiced AS (
  -- What was not invoiced when a document came is on the invoice that came later, but for one that lies beside it.
  SELECT DISTINCT
    open.source,
    open.account_id,
    open.external_id,
    open.document_sha256
  FROM stated AS open JOIN document_invoices AS final USING (source, account_id, invoice_month)
  WHERE
    (NOT open.is_final OR open.open_until IS NOT NULL) AND final.is_final
    -- What had no invoice is on one of the open period's usage too; a draft with an id of its own is not.
    AND (final.open_until IS NULL OR NOT open.is_final)
    AND final.received_at > open.received_at
    -- What is invoiced while the period is open, such as an upfront fee, is not the period's invoice.
    AND (open.open_until IS NULL OR final.received_at >= open.open_until OR final.open_until IS NOT NULL)
    -- An account that is not known may be another one.
    AND (open.open_until IS NULL OR open.account_id <> 'unknown')
    AND NOT EXISTS (
      FROM lying AS own JOIN lying AS beside USING (folder)
      WHERE
        folder <> '' AND own.is_newest AND own.document_sha256 = open.document_sha256
        AND beside.document_sha256 = final.document_sha256
    )
),

replaced AS (
  -- A draft of an open period whose place a file with other invoices of the account's month has taken. What a person released,
  -- or what a later file states again, is no draft any more.
  SELECT
    draft.source,
    draft.account_id,
    draft.external_id,
    draft.document_sha256
  FROM stated AS draft JOIN document_names AS name USING (document_sha256)
  JOIN (
    SELECT
      inbox_path,
      arg_max(document_sha256, (received_at, document_sha256)) AS lies_there
    FROM document_names SEMI JOIN accepted_documents USING (document_sha256)
    WHERE
      inbox_path IN (
        SELECT inbox_path FROM document_names JOIN stated USING (document_sha256)
        WHERE stated.open_until IS NOT NULL
      )
    GROUP BY inbox_path
  ) AS place USING (inbox_path)
  LEFT JOIN (
    SELECT DISTINCT
      source,
      account_id,
      invoice_month,
      document_sha256 AS lies_there,
      true AS states_the_month
    FROM document_invoices
    WHERE is_final
  ) AS other USING (source, account_id, invoice_month, lies_there)
  ANTI JOIN releases AS release
    ON
      release.source = draft.source AND release.account_id = draft.account_id
      AND release.external_id = draft.external_id
  WHERE draft.is_final AND draft.open_until IS NOT NULL
  GROUP BY ALL
  HAVING bool_and(place.lies_there <> draft.document_sha256 AND coalesce(other.states_the_month, false))
),

lined AS (
  SELECT DISTINCT
    source,
    account_id,
    external_id,
    document_sha256
  FROM newest_in_place SEMI JOIN newest_delivery USING (source, account_id, external_id, delivery)
  ANTI JOIN invoiced USING (source, account_id, external_id, document_sha256)
  ANTI JOIN replaced USING (source, account_id, external_id, document_sha256)
),

current AS (
  FROM lined
  UNION
  -- Of each format the newest statement; one that is not the newest says nothing any more, nor does that of a draft beside
  -- the invoice, or its lines.
  SELECT
    source,
    account_id,
    external_id,
    document_sha256
  FROM all_stated
  WHERE is_statement AND (is_final OR NOT (has_lines OR has_final))
  QUALIFY row_number() OVER (
    PARTITION BY source, account_id, external_id, format ORDER BY received_at DESC, document_sha256 DESC
  ) = 1
),

month AS (
  SELECT
    source,
    account_id,
    external_id,
    invoice_month,
    sum(line_count) AS lines
  FROM all_stated SEMI JOIN current USING (source, account_id, external_id, document_sha256)
  GROUP BY ALL
),

current_month AS (
  SELECT
    source,
    account_id,
    external_id,
    max_by(invoice_month, (lines, invoice_month)) AS invoice_month
  FROM month
  GROUP BY ALL
)

SELECT
  stated.* EXCLUDE (format, has_lines, has_final)
  REPLACE (coalesce(current_month.invoice_month, stated.invoice_month) AS invoice_month),
  CASE WHEN current.document_sha256 IS NULL THEN 'superseded' ELSE 'current' END AS status
FROM all_stated AS stated
LEFT JOIN current USING (source, account_id, external_id, document_sha256)
LEFT JOIN current_month
  ON
    current_month.source = current.source AND current_month.account_id = current.account_id
    AND current_month.external_id = current.external_id
WHERE coalesce(current_month.invoice_month, stated.invoice_month) IN ($months)
