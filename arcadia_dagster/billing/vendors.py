"""Who issued an invoice, as finance knows it: a short source, and the vendor's name.

The source is the provider, whichever of its companies sells: Amazon Web Services Canada, Inc. and AWS EMEA SARL are both `aws`,
and an invoice is the same one whatever an export calls its issuer. Any other issuer's source is its name without the legal form:
`Snowflake` and `Snowflake Inc.` are one. The legal seller is kept beside it, as the document states it (`vendor_name`).
"""

import re
from collections.abc import Mapping

VENDORS: dict[str, str] = {
    "alibaba-cloud": "Alibaba Cloud",
    "aws": "Amazon Web Services",
    "azure": "Microsoft Azure",
    "digitalocean": "DigitalOcean",
    "gcp": "Google Cloud",
    "hetzner": "Hetzner Online",
    "huawei-cloud": "Huawei Cloud",
    "ibm-cloud": "IBM Cloud",
    "linode": "Akamai (Linode)",
    "oci": "Oracle Cloud",
    "ovhcloud": "OVHcloud",
    "scaleway": "Scaleway",
    "tencent-cloud": "Tencent Cloud",
}
"""The vendor's name for each well-known source; finance creates a vendor that it does not have."""

_BRANDS: dict[str, tuple[str, ...]] = {
    "alibaba-cloud": ("alibaba cloud", "aliyun"),
    "aws": ("amazon web services", "amazon internet services", "amazon aws", "aws"),
    "azure": ("microsoft",),
    "digitalocean": ("digitalocean", "digital ocean"),
    "gcp": ("google",),
    "hetzner": ("hetzner",),
    "huawei-cloud": ("huawei cloud",),
    "ibm-cloud": ("ibm",),
    "linode": ("linode",),
    "oci": ("oracle",),
    "ovhcloud": ("ovh", "ovhcloud", "ovh cloud"),
    "scaleway": ("scaleway",),
    "tencent-cloud": ("tencent cloud",),
}
"""The words with which the names of a provider's companies begin, wherever they sell: in lower case, a space between."""

_NAMES: dict[str, tuple[str, ...]] = {
    "alibaba-cloud": ("alibaba",),
    "aws": ("amazon", "amazon com"),
    "azure": ("azure",),
    "gcp": ("gcp",),
    "linode": ("akamai", "akamai linode"),
    "oci": ("oci",),
    "tencent-cloud": ("tencent",),
}
"""Names that stand for a provider only as a whole, for other companies' names begin with them."""

_LEGAL_FORMS = (
    *(
        "inc",
        "incorporated",
        "llc",
        "l l c",
        "ltd",
        "limited",
        "corp",
        "corporation",
        "company",
        "co",
        "plc",
        "lp",
        "llp",
    ),
    *("ulc", "gmbh", "gmbh co kg", "gmbh and co kg", "ag", "kg", "se", "ug", "eg", "sa", "s a", "sas", "s a s", "sarl"),
    *(
        "s a r l",
        "srl",
        "s r l",
        "spa",
        "s p a",
        "sl",
        "s l",
        "slu",
        "bv",
        "b v",
        "nv",
        "n v",
        "oy",
        "oyj",
        "ab",
        "as",
        "a s",
    ),
    *(
        "aps",
        "asa",
        "pty",
        "proprietary",
        "pte",
        "private",
        "pvt",
        "sdn bhd",
        "bhd",
        "kk",
        "k k",
        "gk",
        "g k",
        "ltda",
        "lda",
    ),
    *(
        "kft",
        "zrt",
        "sro",
        "s r o",
        "doo",
        "d o o",
        "sp z o o",
        "sp zoo",
        "limited sirketi",
        "limited şirketi",
        "ltd sti",
        "a ş",
    ),
)
"""Legal forms at the end of a company's name, as words in lower case."""


def vendor_sql(source: str, stated: str, named: str = "NULL") -> str:
    """SQL: the vendor's name.

    Args:
        source: SQL: the source.
        stated: SQL: the issuer's name as the document states it, or NULL.
        named: SQL: the issuer's name as a person says (`issuer` of a rule), which comes first; or NULL.
    """
    names = " ".join(f"WHEN '{provider}' THEN '{name}'" for provider, name in VENDORS.items())
    usual = f"CASE {source} {names} ELSE coalesce({stated}, {source}) END"
    return usual if named == "NULL" else f"coalesce({named}, {usual})"


def source_sql(issuer: str) -> str:
    """SQL: the source for an issuer's name: its provider's, else the name in lower case with hyphens, without the legal form.

    NULL where the name is NULL or has no letter or digit.
    """
    words = f"trim(regexp_replace(lower({issuer}), '[^\\p{{L}}\\p{{N}}]+', ' ', 'g'))"
    begins = {begin: source for source, names in _BRANDS.items() for begin in names}
    # One pattern and maps, for DuckDB takes 0.7 s to plan a CASE with an arm for each name (2026-11-28).
    brand = f"regexp_extract({words}, '^({'|'.join(begins)})( |$)', 1)"
    known = (
        _looked_up({name.lower(): source for source, name in VENDORS.items()}, f"lower({issuer})"),
        _looked_up(begins, brand),
        _looked_up({name: source for source, names in _NAMES.items() for name in names}, words),
    )
    forms = "|".join(sorted(_LEGAL_FORMS, key=len, reverse=True))
    plain = f"regexp_replace({words}, '( ({forms}))+$', '')"
    return f"coalesce({', '.join(known)}, nullif(replace({plain}, ' ', '-'), ''))"


def _looked_up(sources: Mapping[str, str], name: str) -> str:
    """SQL: the source of a name, else NULL."""
    entries = ", ".join(f"'{known}': '{source}'" for known, source in sources.items())
    return f"element_at(MAP {{{entries}}}, {name})[1]"


def source_of(issuer: str) -> str | None:
    """The same for one name, as `source_sql` has it; None where it has no letter or digit."""
    # Letter by letter, as DuckDB does it: Python lowers some capitals to two characters, and a sigma at the end of a word to
    # another letter.
    lower = "".join(letter.lower()[:1] for letter in issuer)
    if lower in (names := {name.lower(): source for source, name in VENDORS.items()}):
        return names[lower]
    words = re.sub(r"[\W_]+", " ", lower).strip()
    for source, begins in _BRANDS.items():
        if any(words == begin or words.startswith(f"{begin} ") for begin in begins):
            return source
    for source, whole in _NAMES.items():
        if words in whole:
            return source
    forms = "|".join(sorted(_LEGAL_FORMS, key=len, reverse=True))
    return re.sub(rf"( ({forms}))+$", "", words).replace(" ", "-") or None
