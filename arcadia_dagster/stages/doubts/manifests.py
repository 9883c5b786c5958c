"""Deliveries that differ from their manifest: files that are missing, and files that it does not list."""

from arcadia_dagster.billing.advice import release_sql
from arcadia_dagster.landing.deliveries import problems_sql
from arcadia_dagster.stages.doubts.doubt import Doubt, Scope


def doubts(scope: Scope) -> tuple[Doubt, ...]:
    """Empty where there is no manifest: most warehouses need no query about them."""
    if not scope.has_manifests:
        return ()
    problem = f"""
      SELECT part.source, part.account_id, part.external_id, max(problem.listed) AS listed, max(problem.lacking) AS lacking,
        min(problem.first_lacking) AS first_lacking, min(problem.miscounted) AS miscounted, min(problem.not_listed) AS not_listed
      FROM part JOIN ({problems_sql()}) AS problem USING (document_sha256)
      WHERE part.may_be_part GROUP BY ALL"""
    return (
        Doubt(f"""
      SELECT source, account_id, external_id, lacking || ' of the ' || listed ||
        ' files that the manifest of its delivery lists are not there, or cannot be read (' || first_lacking ||
        CASE WHEN lacking > 1 THEN ' and others' ELSE '' END || '): put them beside the rest; if it is whole without them: ' ||
        {release_sql()} AS text
      FROM ({problem}) WHERE lacking > 0"""),
        Doubt(f"""
      SELECT source, account_id, external_id, 'the manifest of its delivery counts otherwise (' || miscounted ||
        '): cut off, or of another run of the export? Put the files there as the provider has them; if they are whole: ' ||
        {release_sql()} AS text
      FROM ({problem}) WHERE miscounted IS NOT NULL"""),
        Doubt(f"""
      SELECT source, account_id, external_id, 'its folder has files that the manifest of its delivery does not list (' ||
        not_listed || '): put each delivery into a folder of its own; or dismiss the documents that are out of date; if all of '
        'them belong together: ' || {release_sql()} AS text
      FROM ({problem}) WHERE not_listed IS NOT NULL"""),
    )
