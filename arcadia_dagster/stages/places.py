"""What the paths of an invoice's files say of their order: a date, a count of runs, a browser's count, words such as `final`.

A path that says so decides, in whatever order the files come; where no path says anything, the one that came last is the newest.
"""

from arcadia_dagster.store.query import text_list

# A time or a count in a path that says which of two runs of one export is later. A bare number does not: regions, projects and
# parts (`export-00001`) have some too. Folders of a month and a day do.
_STAMP = (
    r"20\d{6}(?:t?\d{4,6}z?)?|\b20\d\d/\d\d\b|\b(?:day|week|run|version|v|rev|revision|delivery|refresh)[-_ ]?\d+\b"
    r"|(?:^|/)(?:0[1-9]|1[0-2])/(?:0[1-9]|[12]\d|3[01])/|(?:^|/)r\d{1,4}/|\bfinal\b"
)
_LATER_THAN_ANY = 10**18


def _stamps_sql(path: str) -> str:
    """SQL: the times and counts in a path, in their order."""
    return (
        f"list_transform(regexp_extract_all({path}, '{_STAMP}'), lambda stamp: CASE stamp WHEN 'final' THEN {_LATER_THAN_ANY} "
        r"ELSE CAST(left(regexp_replace(stamp, '\D', '', 'g'), 18) AS BIGINT) END)"
    )


CORRECTED = "correct(ed|ion)|revised|amended"
"""What a name in small letters says that a file is a correction: pieces of a regular expression."""

_WITHOUT_MARK = rf"regexp_replace(unpacked, '[-_ .](final|v\d+|rev\d*|{CORRECTED})\b', '')"

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_OF_MONTH = f"({'|'.join(_MONTH_NAMES)})[a-z]*"
_NAMED = {
    rf"(^|[^a-z0-9])([0-3]?\d)[-_. ]?{_OF_MONTH}[-_., ]*(20\d\d)": "['before', 'day', 'month', 'year']",
    rf"(^|[^a-z0-9]){_OF_MONTH}[-_. ]?([0-3]?\d)[-_., ]+(20\d\d)": "['before', 'month', 'day', 'year']",
}

# Dates in digits, and what they become: whatever stands between year, month and day, 20260503. Of two such parts of a path in a
# row the first has taken the slash of the second, so that single digits are padded twice. A dot says that the day stands before
# the month, and a number above 12 that it is the day: 05-04-2026 may be of April or of May, and stays.
_IN_DIGITS = (
    (r"(^|[/=])(\d)(/|$)", r"\10\2\3"),
    (r"(^|[/=])(\d)(/|$)", r"\10\2\3"),
    (r"year=(20\d\d)/month=(\d\d)/day=(\d\d)", r"\1\2\3"),
    (r"(20\d\d)[-_./](\d\d)[-_./](\d\d)", r"\1\2\3"),
    (r"(^|\D)([0-3]\d)[.]([01]\d)[.](20\d\d)(\D|$)", r"\1\4\3\2\5"),
    (r"(^|\D)(1[3-9]|[23]\d)[-_]([01]\d)[-_](20\d\d)(\D|$)", r"\1\4\3\2\5"),
    (r"(^|\D)([01]\d)[-_](1[3-9]|[23]\d)[-_](20\d\d)(\D|$)", r"\1\4\2\3\5"),
)


def _dates_in_digits_sql(path: str) -> str:
    """SQL: a path in small letters in which each date is written as 20260503: the only way in which dates are compared."""
    for pattern, digits in _IN_DIGITS:
        path = f"regexp_replace({path}, '{pattern}', '{digits}', 'g')"
    for named, groups in _NAMED.items():
        parts = f"regexp_extract(path, '{named}', {groups})"
        month = f"lpad(CAST(strpos('{''.join(_MONTH_NAMES)}', {parts}.month) // 3 + 1 AS VARCHAR), 2, '0')"
        path = (
            f"list_transform([{path}], lambda path: CASE WHEN {parts}.year = '' THEN path "
            rf"ELSE regexp_replace(path, '{named}', '\1' || {parts}.year || {month} || lpad({parts}.day, 2, '0')) END)[1]"
        )
    return path


def places_sql(names: str = "document_names") -> str:
    """SQL: each path of each document, with what it says: see `is_later`, `folder_is_later` and `counts_more`.

    Args:
        names: The rows of `document_names` to look at: expressions over all of a large register take seconds.
    """
    return rf"""
      SELECT document_sha256, inbox_path, received_at, nullif(regexp_extract(inbox_path, '^(.*)/', 1), '') AS folder,
        -- The id of a run, as Azure has it behind the run's time, says nothing, nor does how a file is packed.
        regexp_replace(lower(inbox_path), '\.(gz|zip|zst)$', '') AS unpacked,
        regexp_replace(unpacked, '[0-9a-f]{{8}}(-?[0-9a-f]{{4}}){{3}}-?[0-9a-f]{{12}}', '*', 'g') AS unnamed,
        {_dates_in_digits_sql("unnamed")} AS path,
        regexp_extract(path, '^.*/') AS path_of_folder,
        regexp_replace(path, '{_STAMP}', '#', 'g') AS unstamped, {_stamps_sql("path")} AS stamps,
        regexp_replace(path_of_folder, '{_STAMP}', '#', 'g') AS unstamped_folder,
        {_stamps_sql("path_of_folder")} AS folder_stamps,
        regexp_replace(inbox_path, ' \(\d+\)(\.[^./]*)$', '\1') AS uncounted,
        coalesce(TRY_CAST(regexp_extract(inbox_path, ' \((\d+)\)\.[^./]*$', 1) AS BIGINT), 0) AS copy
      FROM {names}"""


def is_later(own: str, other: str) -> str:
    """SQL: whether a place says that what lies there is newer than what lies at another one."""
    return (
        f"({own}.unstamped = {other}.unstamped AND {own}.stamps > {other}.stamps "
        # `april-final.csv` and `april-v2.csv` beside `april.csv`.
        f"OR {_without_mark(own)} = {other}.unpacked AND {own}.unpacked <> {other}.unpacked)"
    )


def are_versions(own: str, other: str) -> str:
    """SQL: whether the names of two places are those of two versions of one file, so that they are no parts.

    `april.csv` and `april-v2.csv`, or `april.csv.gz`. Dates do not say so: there are exports of each day.
    """
    return f"({own}.inbox_path <> {other}.inbox_path AND {_without_mark(own)} = {_without_mark(other)})"


def _without_mark(place: str) -> str:
    return _WITHOUT_MARK.replace("unpacked", f"{place}.unpacked")


def folder_is_later(own: str, other: str) -> str:
    """SQL: whether the folder of a place says that it is newer than that of another one."""
    return f"({own}.unstamped_folder = {other}.unstamped_folder AND {own}.folder_stamps > {other}.folder_stamps)"


def counts_more(own: str, other: str) -> str:
    """SQL: whether a browser saved what lies at a place later, under the same name."""
    return f"({own}.uncounted = {other}.uncounted AND {own}.copy > {other}.copy)"


_OF_A_DAY = r"(?:^|/)20\d\d/\d\d?/\d\d?$"
# Oracle's bucket has `FOCUS Reports`, and in it a folder for each year, month and day, with what came in these 24 hours (Oracle,
# Cost Reports and Listing Cost Reports). AWS, Azure and Google write the whole month so far each time.
SOURCES_OF_DAYS = text_list(("oci",))


def root_of_days_sql(source: str, path: str) -> str:
    """SQL: the folder in which a source's reports lie in a folder for each day, for a file of a path; NULL for other files.

    The files of all days below it are one delivery, of each month's invoice.
    """
    folder = f"regexp_extract({path}, '^(.*)/', 1)"
    return (
        f"CASE WHEN {source} IN ({SOURCES_OF_DAYS}) AND regexp_matches({folder}, '{_OF_A_DAY}') "
        f"THEN regexp_replace({folder}, '{_OF_A_DAY}', '') || '/*' END"
    )


def day_of_folder_sql(path: str) -> str:
    """SQL: the day of the folder of a file whose root is that of `root_of_days_sql` (DATE)."""
    parts = rf"regexp_extract({path}, '(20\d\d)/(\d\d?)/(\d\d?)/[^/]*$', ['year', 'month', 'day'])"
    return f"TRY_CAST({parts}.year || '-' || lpad({parts}.month, 2, '0') || '-' || lpad({parts}.day, 2, '0') AS DATE)"


def latest_date_sql(path: str) -> str:
    """SQL: the latest date in a path (DATE); NULL where it has none.

    The first and last day of a period as a folder's name, as Azure writes it (`20260401-20260430/202604151200/`), do not count.
    """
    plain = _dates_in_digits_sql(rf"regexp_replace(lower({path}), '20\d{{6}}-20\d{{6}}/', '', 'g')")
    return (
        f"list_max(list_transform(list_filter(regexp_extract_all({plain}, '\\d+'), "
        "lambda digits: len(digits) IN (8, 12, 14)), "
        "lambda digits: CAST(TRY_STRPTIME(left(digits, 8), '%Y%m%d') AS DATE)))"
    )


NOTHING_IS_OLDER = (
    "SELECT '' AS source, '' AS account_id, '' AS external_id, '' AS delivery, 0 AS steps_back WHERE false"
)
"""SQL: `older_sql` where no invoice has several documents."""


def older_sql(placed: str) -> str:
    """SQL: the deliveries of each invoice that give way to another one: a path says that it is newer, or a person has said so.

    Columns: `source`, `account_id`, `external_id`, `delivery` and `steps_back` (1 or 2: by how much it gives way).
    The files of a folder are one delivery: the folder's path speaks for all of them. The order of the paths is whole within a
    group of like paths, so a window shows it, and no pairs need be made of thousands of files.

    Args:
        placed: The relation of the documents' places: these columns, `document_sha256`, `place` (a path, or the document's hash
            if it is whole) and `may_be_part`.
    """
    invoice = "source, account_id, external_id"
    places = places_sql(f"document_names SEMI JOIN {placed} AS placed USING (document_sha256)")
    return f"""
  SELECT {invoice}, delivery, 1 AS steps_back
  FROM (
    SELECT {invoice}, delivery,
      CASE WHEN is_of_folder THEN folder_stamps < max(folder_stamps) OVER of_folder
        ELSE stamps < max(stamps) OVER of_path
          OR unpacked = without_mark AND bool_or(unpacked <> without_mark) OVER of_mark
          OR NOT may_be_part AND copy < max(copy) OVER of_count END AS is_older,
      CASE WHEN is_of_folder THEN folder_stamps > min(folder_stamps) OVER of_folder
        ELSE stamps > min(stamps) OVER of_path OR NOT may_be_part AND copy > min(copy) OVER of_count END AS is_newer
    FROM (
      SELECT placed.{invoice.replace(", ", ", placed.")}, placed.delivery, placed.may_be_part,
        place.* EXCLUDE (received_at), placed.may_be_part AND place.folder IS NOT NULL AS is_of_folder,
        {_WITHOUT_MARK} AS without_mark
      FROM {placed} AS placed
      SEMI JOIN (
        SELECT {invoice} FROM {placed} GROUP BY ALL HAVING count(DISTINCT delivery) > 1
      ) AS several USING ({invoice})
      JOIN ({places}) AS place ON place.document_sha256 = placed.document_sha256
        AND (NOT placed.may_be_part OR place.inbox_path = placed.place)
    )
    WINDOW
      of_folder AS (PARTITION BY {invoice}, is_of_folder, unstamped_folder),
      of_path AS (PARTITION BY {invoice}, is_of_folder, unstamped),
      of_mark AS (PARTITION BY {invoice}, is_of_folder, without_mark),
      of_count AS (PARTITION BY {invoice}, is_of_folder, uncounted)
  )
  -- What lay at an old path, and lies at the newest one again, is the newest.
  GROUP BY ALL HAVING bool_or(is_older) AND NOT bool_or(is_newer AND NOT is_older)
  UNION ALL
  -- What is left of a folder of which a person has dismissed a file, if all of it lies in another delivery too.
  SELECT {invoice}, delivery, 2
  FROM {placed} AS placed
  JOIN (
    SELECT {invoice}, document_sha256, count(DISTINCT delivery) AS deliveries FROM {placed} GROUP BY ALL
  ) AS lying USING ({invoice}, document_sha256)
  SEMI JOIN (
    SELECT regexp_extract(inbox_path, '^(.*)/', 1) AS folder FROM document_names
    SEMI JOIN (FROM documents WHERE status = 'dismissed') AS dismissed USING (document_sha256)
  ) AS dismissed ON dismissed.folder = regexp_extract(placed.place, '^(.*)/', 1)
  GROUP BY ALL HAVING bool_and(deliveries > 1)"""
