"""The commands that settle a doubt, ready to paste, as SQL over the invoice or document that they are about.

They name an invoice by source, account and id: another account or source may have the same id, now or later, and an id may
begin as an option does. A release is for the exact words of a doubt, so the words must stay the same when another invoice with
that id comes.
"""


def name_sql(row: str = "", *, external_id: str | None = None) -> str:
    """SQL: an invoice's whole name, `source/account/id`, which tells it from every other one.

    Args:
        row: The name of the row that has source, account and id; blank where its columns need none.
        external_id: SQL: the id, where it is not that row's column.
    """
    prefix = f"{row}." if row else ""
    return f"({prefix}source || '/' || {prefix}account_id || '/' || {external_id or f'{prefix}external_id'})"


def release_sql(name: str = name_sql()) -> str:
    """SQL: the command by which a person takes the invoice as it is."""
    return f"""('arcadia release ' || {quoted_sql(name)} || ' --reason "..."')"""


def as_stated_sql(name: str = name_sql()) -> str:
    """SQL: the command by which a person has what the invoice states pushed, whatever its lines come to."""
    return f"""('arcadia release ' || {quoted_sql(name)} || ' --as-stated --reason "..."')"""


def rule_sql(said: str, *, source: str = "source", account_id: str = "account_id") -> str:
    """SQL: where a person says what they know of the invoice's account, and the line that says it, ready to paste.

    Args:
        said: SQL: what the rule says, such as `tax = "not stated"`.
        source: SQL: the invoice's source.
        account_id: SQL: its account.
    """
    account = f"""replace(replace({account_id}, '\\', '\\\\'), '"', '\\"')"""
    return (
        f"""('at the top of sources.toml: "' || {source} || '/' || {account} || '" = {{ ' || {said} || """
        """', reason = "..." }')"""
    )


def void_sql(name: str = name_sql()) -> str:
    """SQL: the command by which a person says that there is no such invoice."""
    return f"""('arcadia void ' || {quoted_sql(name)} || ' --reason "..."')"""


def dismiss_sql(document_sha256: str = "document_sha256") -> str:
    """SQL: the command by which a person takes a document out, by the beginning of its hash: a name may stand for several."""
    return f"""('arcadia dismiss ' || left({document_sha256}, 12) || ' --reason "..."')"""


def approve_sql(name: str = name_sql()) -> str:
    """SQL: the command by which a second person lets an invoice of a large amount go to finance."""
    return f"""('arcadia approve ' || {quoted_sql(name)} || ' --reason "..."')"""


def mend_sql(document_sha256: str = "document_sha256") -> str:
    """SQL: the command by which a person has a damaged record written anew from what is still known."""
    return f"""('arcadia mend ' || left({document_sha256}, 12) || ' --reason "..."')"""


def total_line_sql(figures: str, prefix: str = "") -> str:
    """SQL: a line of the file with totals beside a document: with the invoice's id where the document has several.

    Args:
        figures: SQL: total and tax as they are written after the currency.
        prefix: The name of the row, with a dot.
    """
    named = f"CASE WHEN {prefix}is_one_of_several THEN {prefix}external_id || ' ' ELSE '' END"
    return f"({named} || {prefix}currency || ' ' || {figures})"


def quoted_sql(text: str) -> str:
    """SQL: text as one word of a POSIX shell."""
    return (
        f"CASE WHEN regexp_full_match({text}, '[A-Za-z0-9_./:@%+=,-]+') THEN {text} "
        f"""ELSE '''' || replace({text}, '''', '''"''"''') || '''' END"""
    )
