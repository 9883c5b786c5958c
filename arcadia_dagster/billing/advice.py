"""The commands that settle a doubt, ready to paste, as SQL over the invoice or document that they are about."""


def release_sql(external_id: str = "external_id") -> str:
    """SQL: the command by which a person takes the invoice as it is."""
    return f"""('arcadia release ' || {quoted_sql(external_id)} || ' --reason "..."')"""


def void_sql(external_id: str = "external_id") -> str:
    """SQL: the command by which a person says that there is no such invoice."""
    return f"""('arcadia void ' || {quoted_sql(external_id)} || ' --reason "..."')"""


def dismiss_sql(document_sha256: str = "document_sha256") -> str:
    """SQL: the command by which a person takes a document out, by the beginning of its hash: a name may stand for several."""
    return f"""('arcadia dismiss ' || left({document_sha256}, 12) || ' --reason "..."')"""


def mend_sql(document_sha256: str = "document_sha256") -> str:
    """SQL: the command by which a person has a damaged record written anew from what is still known."""
    return f"""('arcadia mend ' || left({document_sha256}, 12) || ' --reason "..."')"""


def quoted_sql(text: str) -> str:
    """SQL: text as one word of a POSIX shell."""
    return (
        f"CASE WHEN regexp_full_match({text}, '[A-Za-z0-9_./:@%+=,-]+') THEN {text} "
        f"""ELSE '''' || replace({text}, '''', '''"''"''') || '''' END"""
    )
