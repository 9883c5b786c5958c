"""Who issued an invoice: the provider, whichever of its companies sells."""

import duckdb
import pytest

from arcadia_dagster.billing.vendors import source_sql


@pytest.mark.parametrize(
    ("source", "names"),
    [
        (
            "aws",
            (
                "Amazon Web Services, Inc.|Amazon Web Services Canada, Inc.|AWS EMEA SARL|"
                "Amazon Web Services India Private Limited|"
                "Amazon Internet Services Private Limited|Amazon Web Services Japan G.K.|Amazon Web Services Korea LLC|"
                "Amazon AWS Serviços Brasil Ltda.|Amazon Web Services South Africa Proprietary Limited|AWS Marketplace|"
                "AWS Turkey Pazarlama Teknoloji Limited|Amazon|  AWS "
            ),
        ),
        ("azure", "Microsoft|Microsoft Ireland Operations Limited|Microsoft Corporation|Azure|Microsoft Azure"),
        ("gcp", "Google LLC|Google Cloud EMEA Limited|Google Cloud Japan G.K.|GCP"),
        ("oci", "Oracle America, Inc.|Oracle Deutschland B.V. & Co. KG|OCI|Oracle Cloud"),
        ("snowflake", "Snowflake|Snowflake Inc.|Snowflake, Inc|SNOWFLAKE INC"),
        ("hetzner", "Hetzner Online GmbH|Hetzner Online"),
        ("amazon-bakery", "Amazon Bakery Ltd"),
        ("awsome", "Awsome LLC"),
        ("limited", "Limited"),
    ],
)
def test_every_company_of_a_provider_is_one_source(source: str, names: str) -> None:
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT list(DISTINCT {source_sql('name')}) FROM (SELECT unnest(?) AS name)", [names.split("|")]
        ).fetchone()
    assert found == ([source],)
