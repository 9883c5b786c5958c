"""Files of one delivery that state the same charges: the program sums the files, so these charges count twice.

A file may repeat most lines of the others (an earlier export is left over), or a few (two parts overlap), or none and state the
same charges all the same: an hourly export beside a daily one, a month's summary beside its days, a legacy report beside the
one that follows it, the lines of another file in other words. Two names may be those of two versions (`places.are_versions`).
Three things tell files that share no line, each for days in common:

- most services, or the files as a whole, come to the same amount, from another number of lines or in files that are written
  otherwise (other columns, CSV and Parquet);
- a service is charged hour by hour or day by day in one file, and for all that time at once in the other one;
- most amounts are alike, line by line, at least three different ones, and no resource says otherwise.

Parts of one export have none of these: they are written alike, in one detail, and each charge is in one of them. That two parts
come to the same amount from as many lines says nothing. What one manifest lists is the provider's own delivery, and is not
looked at.
"""

from arcadia_dagster.billing.advice import dismiss_sql, name_sql, release_sql
from arcadia_dagster.stages.doubts.doubt import Doubt, Scope
from arcadia_dagster.stages.doubts.parts import amount_sql
from arcadia_dagster.stages.places import are_versions, places_sql

# Lines are equal if all their columns are. Equal lines in one file are two charges.
_LINE = """hash(service_name, description, project, resource_id, charge_period_start, charge_period_end, quantity, amount,
              charge_category)"""

# The same charge, whatever it comes to by now: an export that has grown since. Where a file has several lines of it, such as the
# tiers of a price, they prove nothing.
_CHARGE = (
    "hash(service_name, description, project, resource_id, charge_period_start, charge_period_end, charge_category)"
)

_ROUNDED = "0.005"
"""How much an amount may differ for each line, where one of two exports is rounded to two decimals."""

_OVERLAP = "coalesce(own.starts_at < other.ends_at AND other.starts_at < own.ends_at, true)"
"""SQL: whether two files, or their lines of one service, charge for time in common; those without times may."""

_LONGEST_GRAIN = 24 * 3600
"""The longest period of a series of charges, in seconds: exports are by the hour, by the day, or by the month."""


_OF_SEVERAL_FILES = "SELECT 1 FROM part WHERE is_own GROUP BY source, account_id, external_id HAVING count(*) > 1"
"""SQL: the invoices that several files state together."""

_MOST_FILES = 16
"""An amount that more files have is a usual price, and tells nothing."""


def doubts(scope: Scope) -> tuple[Doubt, ...]:
    """See the module."""
    return (Doubt(_repeated_sql(scope), needs=_OF_SEVERAL_FILES),)


def _repeated_sql(scope: Scope) -> str:
    return f"""
      WITH together AS MATERIALIZED (
        SELECT source, account_id, external_id, document_sha256
        FROM part LEFT JOIN listed USING (document_sha256)
        WHERE is_own
        WINDOW invoice AS (PARTITION BY source, account_id, external_id)
        QUALIFY count(*) OVER invoice > 1
          AND (count(manifest_sha256) OVER invoice < count(*) OVER invoice
            OR min(manifest_sha256) OVER invoice <> max(manifest_sha256) OVER invoice)
      ), placed AS MATERIALIZED (
        SELECT together.*, place, document.file_name
        FROM together
        JOIN ({places_sql("document_names SEMI JOIN together USING (document_sha256)")}) AS place USING (document_sha256)
        JOIN (SELECT document_sha256, file_name FROM documents) AS document USING (document_sha256)
      ), charge AS MATERIALIZED (
        SELECT source, account_id, external_id, document_sha256, line_number, {_LINE} AS line, {_CHARGE} AS charge,
          coalesce(service_name, '') AS service, charge_category, charge_period_start AS starts_at,
          coalesce(charge_period_end, charge_period_start) AS ends_at, amount, resource_id, quantity,
          epoch(charge_period_end) - epoch(charge_period_start) AS seconds
        FROM cost_lines SEMI JOIN together USING (source, account_id, external_id, document_sha256)
        WHERE invoice_month IN ({scope.month_list}) AND added_by IS NULL
      ), line AS MATERIALIZED (
        SELECT source, account_id, external_id, document_sha256, line, charge, count(*) AS lines,
          bool_or(resource_id IS NOT NULL AND quantity <> 0 AND amount <> 0) AS is_of_resource, min(line_number) AS line_number
        FROM charge GROUP BY ALL
      ), shared AS (
        SELECT source, account_id, external_id, document_sha256, least(lines, elsewhere) AS shared
        FROM (
          SELECT *, sum(lines) OVER (PARTITION BY source, account_id, external_id, line) - lines AS elsewhere FROM line
        )
      ), grown AS (
        SELECT source, account_id, external_id, document_sha256, 1 AS shared
        FROM (SELECT source, account_id, external_id, document_sha256, charge, sum(lines) AS lines FROM line GROUP BY ALL)
        WHERE lines = 1
        QUALIFY count(*) OVER (PARTITION BY source, account_id, external_id, charge) > 1
      ), counted AS (
        SELECT source, account_id, external_id, document_sha256, sum(lines) AS lines FROM line GROUP BY ALL
      ), found AS MATERIALIZED (
        SELECT source, account_id, external_id, document_sha256
        FROM (SELECT *, true AS is_equal FROM shared UNION ALL BY NAME SELECT *, false AS is_equal FROM grown) AS one
        JOIN counted USING (source, account_id, external_id, document_sha256)
        GROUP BY source, account_id, external_id, document_sha256, is_equal HAVING sum(shared) * 2 > any_value(lines)
      ), version AS (
        SELECT DISTINCT own.source, own.account_id, own.external_id, own.document_sha256, own.file_name
        FROM placed AS own JOIN placed AS other USING (source, account_id, external_id)
        WHERE own.document_sha256 <> other.document_sha256 AND own.place.folder IS NOT DISTINCT FROM other.place.folder
          AND {are_versions("own.place", "other.place")}
      ), {_SAME_CHARGES_OTHERWISE}
      SELECT found.source, found.account_id, found.external_id,
        'most lines of ' || min(document.file_name) || ' are also in the other files of its folder: left over from an earlier '
        'export, or a newer version? Dismiss what is out of date (' ||
        {_dismissals("found.document_sha256", "document.file_name")} ||
        '), or put each delivery into a folder of its own; if all of them are parts: ' || {release_sql(name_sql("found"))} AS text
      FROM found JOIN documents AS document USING (document_sha256)
      GROUP BY found.source, found.account_id, found.external_id
      UNION ALL
      SELECT version.source, version.account_id, version.external_id,
        array_to_string(list_sort(list(DISTINCT version.file_name)), ' and ') ||
        ' are versions of one file by their names, lie in one delivery, and count together: dismiss what is out of date (' ||
        {_dismissals("version.document_sha256", "version.file_name")} ||
        '); if all of them are parts: ' || {release_sql(name_sql("version"))} AS text
      FROM version ANTI JOIN found USING (source, account_id, external_id)
      GROUP BY version.source, version.account_id, version.external_id
      UNION ALL
      SELECT pair.source, pair.account_id, pair.external_id,
        array_to_string(list_sort(list(DISTINCT pair.file_name || ' (' || {amount_sql("whole.amount")} || ' before tax)')),
          ' and ') ||
        ' lie in one delivery and charge for the same days, in other words, columns or detail: the same charges twice? If they '
        'are, dismiss what is too much (' || {_dismissals("pair.document_sha256", "pair.file_name")} ||
        '); if all of them are parts: ' || {release_sql(name_sql("pair"))} AS text
      FROM (
        FROM (
          SELECT source, account_id, external_id, document_sha256 FROM pair
          UNION SELECT source, account_id, external_id, other_sha256 FROM pair
        ) JOIN (SELECT document_sha256, file_name FROM documents) AS document USING (document_sha256)
      ) AS pair
      JOIN whole USING (source, account_id, external_id, document_sha256)
      ANTI JOIN found USING (source, account_id, external_id)
      ANTI JOIN version USING (source, account_id, external_id)
      GROUP BY pair.source, pair.account_id, pair.external_id
      UNION ALL
      SELECT overlap.source, overlap.account_id, overlap.external_id,
        arg_min(
          'record ' || overlap.line_number || ' of ' || own.file_name || ' is also record ' || overlap.other_number || ' of ' ||
          other.file_name, (own.file_name, overlap.line_number, other.file_name, overlap.other_number)
        ) || CASE WHEN count(*) > 1
          THEN ', and ' || (count(*) - 1) || ' more lines are in two of its files' ELSE '' END ||
        ': do its parts overlap? If they do, put files without the repeated lines in their place, under their names; if each is '
        'a charge of its own: ' || {release_sql(name_sql("overlap"))} AS text
      FROM overlap
      JOIN documents AS own USING (document_sha256)
      JOIN documents AS other ON other.document_sha256 = overlap.other_sha256
      ANTI JOIN found USING (source, account_id, external_id)
      ANTI JOIN version USING (source, account_id, external_id)
      ANTI JOIN pair USING (source, account_id, external_id)
      GROUP BY overlap.source, overlap.account_id, overlap.external_id"""


def _dismissals(document_sha256: str, file_name: str) -> str:
    """SQL: the commands that dismiss one of several files each, by the file's name: at most four of them."""
    named = f"struct_pack(name := {file_name}, command := {dismiss_sql(document_sha256)} || ' for ' || {file_name})"
    first = f"list_sort(list_distinct(list({named})))[:4]"
    return f"array_to_string(list_transform({first}, lambda one: one.command), ' or ')"


def _comes_to_the_same(own: str, other: str) -> str:
    """SQL: whether two sums are of the same charges."""
    return (
        f"({own}.amount = {other}.amount AND {own}.lines <> {other}.lines "
        f"OR {own}.written_as <> {other}.written_as AND sign({own}.amount) = sign({other}.amount) "
        f"AND abs({own}.amount - {other}.amount) <= {_ROUNDED} * least({own}.lines, {other}.lines))"
    )


_FILE = "source, account_id, external_id, document_sha256"
_OWN_PAIR = "own.source, own.account_id, own.external_id, own.document_sha256"

_SAME_CHARGES_OTHERWISE = f"""cost AS MATERIALIZED (
        FROM charge JOIN (SELECT document_sha256, written_as FROM documents) AS document USING (document_sha256)
        WHERE charge_category <> 'Tax' AND amount <> 0
      ), service AS MATERIALIZED (
        SELECT {_FILE}, written_as, service, sum(amount) AS amount, count(*) AS lines, min(starts_at) AS starts_at,
          max(ends_at) AS ends_at, count(*) OVER (PARTITION BY {_FILE}) AS services
        FROM cost GROUP BY {_FILE}, written_as, service
      ), whole AS MATERIALIZED (
        SELECT {_FILE}, written_as, sum(amount) AS amount, count(*) AS lines, min(starts_at) AS starts_at,
          max(ends_at) AS ends_at
        FROM cost GROUP BY ALL
      ), grain AS MATERIALIZED (
        SELECT {_FILE}, service, charge_category, min(seconds) AS shortest, max(seconds) AS longest,
          count(DISTINCT starts_at) AS periods, min(starts_at) AS starts_at, max(ends_at) AS ends_at
        FROM cost WHERE seconds > 0 GROUP BY ALL
      ), amount AS MATERIALIZED (
        SELECT {_FILE}, amount, list(DISTINCT resource_id) AS resources, count(resource_id) < count(*) AS may_be_any,
          list(DISTINCT (starts_at, ends_at)) AS times, any_value(amounts) AS amounts
        FROM cost JOIN (
          SELECT {_FILE}, amount, count(*) OVER (PARTITION BY {_FILE}) AS amounts FROM (SELECT DISTINCT {_FILE}, amount FROM cost)
          QUALIFY count(*) OVER (PARTITION BY source, account_id, external_id, amount) BETWEEN 2 AND {_MOST_FILES}
        ) AS shared USING ({_FILE}, amount)
        GROUP BY {_FILE}, amount
      ), pair AS MATERIALIZED (
        SELECT {_OWN_PAIR}, other.document_sha256 AS other_sha256
        FROM service AS own JOIN service AS other USING (source, account_id, external_id, service)
        WHERE own.document_sha256 < other.document_sha256 AND {_OVERLAP} AND {_comes_to_the_same("own", "other")}
        GROUP BY {_OWN_PAIR}, other.document_sha256
        HAVING count(*) * 2 > greatest(any_value(own.services), any_value(other.services))
        UNION
        SELECT {_OWN_PAIR}, other.document_sha256
        FROM whole AS own JOIN whole AS other USING (source, account_id, external_id)
        WHERE own.document_sha256 < other.document_sha256 AND {_OVERLAP} AND {_comes_to_the_same("own", "other")}
        UNION
        SELECT own.source, own.account_id, own.external_id, least(own.document_sha256, other.document_sha256),
          greatest(own.document_sha256, other.document_sha256)
        FROM grain AS own JOIN grain AS other USING (source, account_id, external_id, service, charge_category)
        WHERE own.document_sha256 <> other.document_sha256 AND own.periods > 1 AND own.longest <= {_LONGEST_GRAIN}
          AND own.longest * 2 <= other.shortest AND own.starts_at >= other.starts_at AND own.ends_at <= other.ends_at
        UNION
        SELECT {_OWN_PAIR}, other.document_sha256
        FROM amount AS own JOIN amount AS other USING (source, account_id, external_id, amount)
        WHERE own.document_sha256 < other.document_sha256 AND list_has_any(own.times, other.times)
          AND (own.may_be_any OR other.may_be_any OR list_has_any(own.resources, other.resources))
        GROUP BY {_OWN_PAIR}, other.document_sha256
        HAVING count(*) >= 3 AND count(*) * 2 > greatest(any_value(own.amounts), any_value(other.amounts))
      ), bound AS (
        SELECT {_FILE}, min(line_number) AS first, max(line_number) AS last FROM charge GROUP BY ALL
      ), overlap AS MATERIALIZED (
        -- A resource is charged for once; and parts that overlap end and begin with the same line.
        SELECT {_OWN_PAIR}, other.document_sha256 AS other_sha256, own.line_number, other.line_number AS other_number
        FROM (FROM line JOIN bound USING ({_FILE}) WHERE lines = 1) AS own
        JOIN (FROM line JOIN bound USING ({_FILE}) WHERE lines = 1) AS other USING (source, account_id, external_id, line)
        WHERE own.document_sha256 < other.document_sha256
          AND (own.is_of_resource OR own.last > own.first AND other.last > other.first
            AND (own.line_number = own.last AND other.line_number = other.first
              OR own.line_number = own.first AND other.line_number = other.last))
      )"""
