"""Matching cost lines to what the company runs: by the resource's id, then by a name that is unique.

An id matches as a whole. The last part of a longer one (`arn:aws:ec2:...:instance/i-0abc`, `do:droplet:123`) matches too, if
only one resource's id ends so. A name counts where, in the line's account and for the line's kind of resource, only one
resource has it. An inventory or a line that does not tell its account may belong to any. What is not matched is charged and
pushed all the same.
"""


def matched_sql(lines: str, accounts: str, resources: str) -> str:
    """SQL: the lines, each with `matched_resource_id` and `match_method` (`id`, `name` or `none`).

    What is looked up is small, so that many lines stream past it: no join is of lines with lines.

    Args:
        lines: A relation with account_id, resource_id, resource_name, resource_type, and whatever else.
        accounts: A relation that has every account_id of the lines.
        resources: A relation like the table cloud_resources.

    Returns:
        A SELECT of the lines' columns and those two; one row for each line.
    """
    return f"""
    WITH account AS (
      SELECT DISTINCT account_id FROM {accounts}
    ), candidate AS (
      SELECT account.account_id AS line_account, resource.resource_id, resource.resource_name, resource.resource_type
      FROM account
      JOIN {resources} AS resource
        ON resource.account_id IN (account.account_id, 'unknown') OR account.account_id = 'unknown'
    ), by_id AS (
      SELECT DISTINCT line_account, resource_id FROM candidate
    ), by_last_part AS (
      SELECT line_account, {_last_part_sql("resource_id")} AS last_part, min(resource_id) AS resource_id
      FROM by_id GROUP BY ALL HAVING count(*) = 1
    ), by_name AS (
      SELECT line_account, resource_type, resource_name, min(resource_id) AS resource_id
      FROM candidate
      WHERE resource_name IS NOT NULL
      GROUP BY ALL
      HAVING count(DISTINCT resource_id) = 1
    )
    SELECT
      line.*,
      coalesce(by_id.resource_id, by_last_part.resource_id, by_name.resource_id) AS matched_resource_id,
      CASE WHEN coalesce(by_id.resource_id, by_last_part.resource_id) IS NOT NULL THEN 'id'
        WHEN by_name.resource_id IS NOT NULL THEN 'name'
        ELSE 'none' END AS match_method
    FROM {lines} AS line
    LEFT JOIN by_id ON by_id.line_account = line.account_id AND by_id.resource_id = line.resource_id
    LEFT JOIN by_last_part
      ON by_last_part.line_account = line.account_id AND by_last_part.last_part = {_last_part_sql("line.resource_id")}
    LEFT JOIN by_name
      ON by_name.line_account = line.account_id
      AND by_name.resource_type = line.resource_type
      AND by_name.resource_name = line.resource_name
    """


def _last_part_sql(resource_id: str) -> str:
    """SQL: what an ARN, URN or path ends with, else the id itself; in lower case, for Azure writes one id in several ways."""
    return f"lower(regexp_extract({resource_id}, '[^:/]*$'))"
