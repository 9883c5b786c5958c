"""Who issued an invoice, as finance knows it: a short source, and the vendor's name.

Well-known issuers write their names in many ways; finance tells invoices apart by source and id, so all of those are one
source. Any other issuer's source is made from its name, and its vendor's name is as the document states it.
"""

VENDORS: dict[str, str] = {
    "alibaba-cloud": "Alibaba Cloud",
    "aws": "Amazon Web Services",
    "azure": "Microsoft Azure",
    "digitalocean": "DigitalOcean",
    "gcp": "Google Cloud",
    "huawei-cloud": "Huawei Cloud",
    "ibm-cloud": "IBM Cloud",
    "linode": "Akamai (Linode)",
    "oci": "Oracle Cloud",
    "ovhcloud": "OVHcloud",
    "scaleway": "Scaleway",
    "tencent-cloud": "Tencent Cloud",
}
"""The vendor's name for each well-known source; finance creates a vendor that it does not have."""

_ISSUERS: dict[str, str] = {
    "akamai": "linode",
    "alibaba cloud": "alibaba-cloud",
    "alibaba": "alibaba-cloud",
    "amazon": "aws",
    "amazon aws": "aws",
    "amazon web services": "aws",
    "aws": "aws",
    "azure": "azure",
    "digital ocean": "digitalocean",
    "digitalocean": "digitalocean",
    "gcp": "gcp",
    "google": "gcp",
    "google cloud": "gcp",
    "google cloud platform": "gcp",
    "huawei cloud": "huawei-cloud",
    "ibm": "ibm-cloud",
    "ibm cloud": "ibm-cloud",
    "linode": "linode",
    "microsoft": "azure",
    "microsoft azure": "azure",
    "oci": "oci",
    "oracle": "oci",
    "oracle cloud": "oci",
    "oracle cloud infrastructure": "oci",
    "ovh": "ovhcloud",
    "ovhcloud": "ovhcloud",
    "scaleway": "scaleway",
    "tencent": "tencent-cloud",
    "tencent cloud": "tencent-cloud",
}
"""What well-known issuers call themselves, in lower case and without their legal form."""

_LEGAL_FORM = (
    r"(,?\s+(inc|llc|ltd|limited|corp|corporation|gmbh|s\.?a\.?s|s\.?a\.?r\.?l|s\.?a|b\.?v|plc|pty|emea|pte|private|co|"
    r"ireland operations|australia)\.?)+$"
)


def vendor_sql(source: str, stated: str) -> str:
    """SQL: the vendor's name.

    Args:
        source: SQL: the source.
        stated: SQL: the issuer's name as the document states it, or NULL.
    """
    names = " ".join(f"WHEN '{known}' THEN '{name}'" for known, name in VENDORS.items())
    return f"CASE {source} {names} ELSE coalesce({stated}, {source}) END"


def source_sql(issuer: str) -> str:
    """SQL: the source for an issuer's name: of a well-known one its own, else the name in lower case with hyphens.

    NULL where the name is NULL or has no letter or digit.
    """
    issuers = {**_ISSUERS, **{name.lower(): source for source, name in VENDORS.items()}}
    entries = ", ".join(f"'{name}': '{source}'" for name, source in issuers.items())
    plain = f"regexp_replace(lower(trim({issuer})), '{_LEGAL_FORM}', '')"
    slug = f"trim(regexp_replace(lower(trim({issuer})), '[^\\p{{L}}\\p{{N}}]+', '-', 'g'), '-')"
    known = f"MAP {{{entries}}}"
    return f"coalesce(element_at({known}, lower({issuer}))[1], element_at({known}, {plain})[1], nullif({slug}, ''))"
