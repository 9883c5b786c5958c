"""Version 1 of the schema, as it was: never changed, so that a warehouse of any age becomes the present one."""

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE schema_version (version INTEGER, migrated_at TIMESTAMP)
    """,
    """
    CREATE TABLE documents (
      document_sha256 VARCHAR,
      file_name VARCHAR,
      byte_size BIGINT,
      format VARCHAR,
      received_at TIMESTAMP,
      invoice_month DATE,
      status VARCHAR,
      reason VARCHAR,
      read_by VARCHAR
    )
    """,
    """
    CREATE TABLE document_names (
      document_sha256 VARCHAR,
      file_name VARCHAR,
      inbox_path VARCHAR,
      received_at TIMESTAMP
    )
    """,
    """
    CREATE TABLE document_invoices (
      document_sha256 VARCHAR,
      invoice_ordinal INTEGER,
      source VARCHAR,
      account_id VARCHAR,
      external_id VARCHAR,
      invoice_number VARCHAR,
      invoice_month DATE,
      period_start DATE,
      period_end DATE,
      issued_on DATE,
      currency VARCHAR,
      stated_total DECIMAL(38,18),
      stated_tax DECIMAL(38,18),
      names_conflict VARCHAR,
      lines_sketch BIGINT[],
      stated_problem VARCHAR,
      line_count BIGINT,
      lines_total DECIMAL(38,18),
      id_basis VARCHAR,
      month_basis VARCHAR,
      lines_month DATE,
      is_final BOOLEAN,
      received_at TIMESTAMP
    )
    """,
    """
    CREATE TABLE inventories (
      document_sha256 VARCHAR,
      line_number BIGINT,
      resource_id VARCHAR,
      resource_name VARCHAR,
      resource_type VARCHAR,
      account_id VARCHAR,
      project VARCHAR,
      received_at TIMESTAMP
    )
    """,
    """
    CREATE TABLE inbox_files (
      inbox_path VARCHAR,
      byte_size BIGINT,
      modified_ns BIGINT,
      changed_ns BIGINT,
      inode BIGINT,
      document_sha256 VARCHAR,
      problem VARCHAR
    )
    """,
    """
    CREATE TABLE decisions (
      decided_at TIMESTAMP,
      decided_by VARCHAR,
      decision VARCHAR,
      document_sha256 VARCHAR,
      source VARCHAR,
      account_id VARCHAR,
      external_id VARCHAR,
      reason VARCHAR,
      overruled VARCHAR[]
    )
    """,
    """
    CREATE TABLE invoice_aliases (
      source VARCHAR,
      alias_account_id VARCHAR,
      alias_external_id VARCHAR,
      account_id VARCHAR,
      external_id VARCHAR,
      document_sha256 VARCHAR,
      learned_at TIMESTAMP
    )
    """,
    """
    CREATE TABLE raw_invoices (
      document_sha256 VARCHAR,
      invoice_ordinal INTEGER,
      source VARCHAR,
      account_id VARCHAR,
      external_id VARCHAR,
      invoice_number VARCHAR,
      invoice_month DATE,
      period_start DATE,
      period_end DATE,
      issued_on DATE,
      currency VARCHAR,
      stated_total DECIMAL(38,18),
      stated_tax DECIMAL(38,18),
      names_conflict VARCHAR,
      lines_sketch BIGINT[],
      stated_problem VARCHAR,
      line_count BIGINT,
      lines_total DECIMAL(38,18),
      id_basis VARCHAR,
      month_basis VARCHAR,
      lines_month DATE,
      is_final BOOLEAN,
      received_at TIMESTAMP,
      file_name VARCHAR,
      status VARCHAR
    )
    """,
    """
    CREATE TABLE cost_lines (
      document_sha256 VARCHAR,
      line_number BIGINT,
      source VARCHAR,
      account_id VARCHAR,
      external_id VARCHAR,
      invoice_month DATE,
      charge_category VARCHAR,
      service_name VARCHAR,
      description VARCHAR,
      project VARCHAR,
      resource_id VARCHAR,
      resource_name VARCHAR,
      resource_type VARCHAR,
      charge_period_start TIMESTAMP,
      charge_period_end TIMESTAMP,
      quantity DECIMAL(38,18),
      unit VARCHAR,
      amount DECIMAL(38,18),
      currency VARCHAR,
      tax_basis VARCHAR,
      is_tax_doubtful BOOLEAN,
      matched_resource_id VARCHAR,
      match_method VARCHAR
    )
    """,
    """
    CREATE TABLE tax_split_totals (
      source VARCHAR,
      account_id VARCHAR,
      external_id VARCHAR,
      invoice_month DATE,
      currency VARCHAR,
      amount_gross_minor BIGINT,
      amount_net_minor BIGINT,
      amount_tax_minor BIGINT,
      amount_gross DECIMAL(38,18),
      amount_tax DECIMAL(38,18),
      line_count BIGINT,
      status VARCHAR,
      hold_reasons VARCHAR[],
      can_release BOOLEAN,
      released_reasons VARCHAR[],
      document_sha256 VARCHAR
    )
    """,
    """
    CREATE TABLE cloud_resources (
      resource_id VARCHAR,
      resource_name VARCHAR,
      resource_type VARCHAR,
      account_id VARCHAR,
      project VARCHAR,
      first_seen_at TIMESTAMP,
      last_seen_at TIMESTAMP,
      document_sha256 VARCHAR
    )
    """,
    """
    CREATE TABLE finance_records (
      target VARCHAR,
      tenant_id VARCHAR,
      source VARCHAR,
      account_id VARCHAR,
      external_id VARCHAR,
      invoice_month DATE,
      payload_sha256 VARCHAR,
      state VARCHAR,
      attempts BIGINT,
      action VARCHAR,
      finance_invoice_id VARCHAR,
      finance_vendor_id VARCHAR,
      pushed_to_finance_at TIMESTAMP,
      not_before TIMESTAMP,
      last_error VARCHAR
    )
    """,
    """
    CREATE TABLE finance_attempts (
      attempt_id VARCHAR,
      delivery_id VARCHAR,
      target VARCHAR,
      tenant_id VARCHAR,
      source VARCHAR,
      account_id VARCHAR,
      external_id VARCHAR,
      invoice_month DATE,
      payload_sha256 VARCHAR,
      document_sha256 VARCHAR,
      payload VARCHAR,
      is_forced BOOLEAN,
      intended_at TIMESTAMP,
      answered_at TIMESTAMP,
      outcome VARCHAR,
      requests BIGINT,
      status_code INTEGER,
      finance_invoice_id VARCHAR,
      finance_vendor_id VARCHAR,
      error VARCHAR
    )
    """,
    """
    CREATE TABLE stage_versions (
      stage VARCHAR,
      invoice_month DATE,
      version BIGINT,
      built_from BIGINT,
      built_at TIMESTAMP
    )
    """,
    """
    CREATE OR REPLACE VIEW invoices AS
    SELECT
      totals.source, totals.account_id, totals.external_id, totals.invoice_month, raw.invoice_number,
      totals.currency, totals.amount_gross_minor, totals.amount_net_minor, totals.amount_tax_minor, totals.line_count,
      totals.status, totals.hold_reasons, totals.document_sha256, raw.file_name, raw.received_at,
      finance.target, finance.tenant_id, finance.state AS finance_state, finance.action, finance.attempts,
      finance.finance_invoice_id, finance.pushed_to_finance_at, finance.last_error
    FROM tax_split_totals AS totals
    LEFT JOIN raw_invoices AS raw
      ON raw.source = totals.source AND raw.account_id = totals.account_id AND raw.external_id = totals.external_id
      AND raw.document_sha256 = totals.document_sha256 AND raw.status = 'current'
    LEFT JOIN finance_records AS finance
      ON finance.source = totals.source AND finance.account_id = totals.account_id
      AND finance.external_id = totals.external_id
    """,
)
