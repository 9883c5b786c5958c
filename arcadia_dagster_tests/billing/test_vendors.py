"""Who issued an invoice: the provider, whichever of its companies sells."""

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcadia_dagster.billing.vendors import VENDORS, source_of, source_sql


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


_WORDS = [
    *(
        "amazon",
        "web",
        "services",
        "internet",
        "com",
        "aws",
        "alibaba",
        "cloud",
        "aliyun",
        "microsoft",
        "azure",
        "google",
    ),
    *(
        "gcp",
        "digital",
        "ocean",
        "digitalocean",
        "hetzner",
        "huawei",
        "ibm",
        "linode",
        "akamai",
        "oracle",
        "oci",
        "ovh",
    ),
    *(
        "ovhcloud",
        "scaleway",
        "tencent",
        "inc",
        "incorporated",
        "llc",
        "l",
        "c",
        "ltd",
        "limited",
        "gmbh",
        "co",
        "kg",
        "and",
    ),
    *(
        "ag",
        "se",
        "s",
        "a",
        "r",
        "sarl",
        "spa",
        "b",
        "v",
        "bv",
        "z",
        "o",
        "sp",
        "d",
        "k",
        "g",
        "kk",
        "company",
        "sdn",
        "bhd",
    ),
    *(
        "Inc.",
        "B.V.",
        "S.à r.l.",
        "Limited Şirketi",
        "İstanbul",
        "ΣΑΣ",
        "straße",
        "Ω",
        "e\u0301",
        "Ⅷ",
        "²",
        "_",
        "x_y",
        "\u00a0",
    ),
]


_NAMES = st.lists(
    st.one_of(
        st.sampled_from(_WORDS),
        st.sampled_from(_WORDS).map(str.title),
        st.sampled_from(sorted(VENDORS.values())),
        st.text(st.characters(max_codepoint=0x24FF, exclude_characters="\0"), max_size=6),
    ),
    max_size=6,
).flatmap(lambda words: st.sampled_from([" ", ", ", "-", "_", "."]).map(lambda mark: mark.join(words)))


@settings(max_examples=20, deadline=None)
@given(st.lists(_NAMES, min_size=1, max_size=60))
def test_the_source_of_one_name_is_the_same_in_python_and_in_sql(names: list[str]) -> None:
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT name, {source_sql('name')} FROM (SELECT unnest(?) AS name)", [names]
        ).fetchall()
    assert found == [(name, source_of(name)) for name in names]
