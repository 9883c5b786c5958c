"""When two lines of cost are the same charge: how versions, parts and duplicates of invoices are told from each other.

Both are SQL over the columns of a stated line or of `cost_lines`, a BIGINT that is not negative.
"""

LINE = "CAST(hash(service_name, description, amount, charge_period_start) // 2 AS BIGINT)"
"""Equal for lines that state the same amount for the same thing."""

CHARGE = "CAST(hash(service_name, description, project, resource_id, charge_period_start) // 2 AS BIGINT)"
"""Equal for lines that charge for the same thing, whatever the amount: a charge that has grown, or is corrected, is the same."""
