"""Inboxes in buckets: what lies there lands as from a folder, once, whole, and whatever the store does."""

import json
import time
import tracemalloc
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster import cli
from arcadia_dagster.buckets.bucket import Bucket, Patience
from arcadia_dagster.buckets.url import BucketUrl
from arcadia_dagster.landing import bucket_inbox
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.bucket_inbox import BucketInbox
from arcadia_dagster.landing.inbox import InboxError, NotTakenError, label_of
from arcadia_dagster.landing.inboxes import Inboxes
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster_tests.kit import aws, azure, focus
from arcadia_dagster_tests.kit.buckets import ACCOUNT, SECRET, Azure, Fault, Store, Way
from arcadia_dagster_tests.kit.project import SECRET as FINANCE_SECRET
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax

APRIL = date(2026, 4, 1)
INVOICE = digitalocean(line(), tax())
PARTS = {
    "exports/cur/20260401-20260501/run-1/cur-00001.csv": aws.as_csv(aws.item(), aws.tax()),
    "exports/cur/20260401-20260501/run-1/cur-00002.csv": aws.as_csv(aws.item(LineItemId="b", UnblendedCost="4.00")),
}
FOCUS_FOLDER = "focus/20260401-20260430/run-1"
FOCUS_PARTS = {
    f"{FOCUS_FOLDER}/part_0_0001.csv": focus.as_csv(focus.usage(0), focus.usage(1)),
    f"{FOCUS_FOLDER}/part_1_0001.csv": focus.as_csv(focus.usage(2), focus.usage(3)),
}
TREE = {
    invoice_name(): INVOICE,
    f"{invoice_name()}.total": b"USD 6.60",
    "broken.csv": b"nothing,that,anybody,knows\n1,2,3,4\n",
    "exports/cur/20260401-20260501/run-1/cur-Manifest.json": aws.manifest(*PARTS),
    **PARTS,
    f"{FOCUS_FOLDER}/manifest.json": azure.manifest(*FOCUS_PARTS, rows=2),
    **FOCUS_PARTS,
}
OUTCOME = """
SELECT source, account_id, external_id, amount_gross_minor AS gross, amount_tax_minor AS tax, hold_reasons
FROM tax_split_totals ORDER BY ALL
"""


def with_bucket(home: Path, *inboxes: str, folder: bool = True) -> Project:
    named = [str(home / "inbox"), *inboxes] if folder else list(inboxes)
    return Project(home, ARCADIA_INBOX=",".join(named))


def problems(project: Project) -> dict[str, str]:
    rows = project.query("SELECT inbox_path, problem FROM inbox_files WHERE problem IS NOT NULL ORDER BY ALL")
    return {row["inbox_path"]: row["problem"] for row in rows}


def names(project: Project) -> list[str]:
    return [row["inbox_path"] for row in project.query("SELECT inbox_path FROM document_names ORDER BY ALL")]


def test_what_lies_in_a_bucket_comes_out_as_from_a_folder(store: Store, tmp_path: Path) -> None:
    bucket = store.new_bucket()
    in_folder, in_bucket = Project(tmp_path / "a"), with_bucket(tmp_path / "b", f"{bucket}/deep/prefix")
    for path, content in TREE.items():
        in_folder.drop(path, content)
        store.put(bucket, f"deep/prefix/{path}", content)
        store.put(bucket, f"beside/{path}", b"not ours")
    for project in (in_folder, in_bucket):
        project.run([APRIL])
    assert in_bucket.query(OUTCOME) == in_folder.query(OUTCOME)
    assert len(in_bucket.query(OUTCOME)) == 3
    label = label_of(f"{bucket}/deep/prefix")
    assert names(in_bucket) == sorted(label + path for path in TREE if not path.endswith(".total"))
    documents = "SELECT document_sha256, file_name, status, reason FROM documents ORDER BY ALL"
    assert in_bucket.query(documents) == in_folder.query(documents)


def test_an_object_that_was_taken_is_not_read_again_and_a_new_version_is(way: Way, s3: Store, tmp_path: Path) -> None:
    bucket = s3.new_bucket()
    s3.put(bucket, invoice_name(), INVOICE)
    project = with_bucket(tmp_path, bucket)
    project.run([APRIL])
    assert len(way.reads) == 1
    project.run([APRIL])
    assert len(way.reads) == 1
    s3.put(bucket, invoice_name(), digitalocean(line(amount="$7.00"), tax()))
    project.run([APRIL])
    assert len(way.reads) == 2
    assert [row["gross"] for row in project.query(OUTCOME)] == [760]


def test_nothing_is_ever_written_to_a_bucket(way: Way, s3: Store, tmp_path: Path) -> None:
    bucket = s3.new_bucket()
    for path, content in TREE.items():
        s3.put(bucket, path, content)
    with_bucket(tmp_path, bucket).run([APRIL])
    assert {one.partition(" ")[0] for one in way.requests} == {"GET"}


def test_files_at_the_same_path_of_two_inboxes_are_two(s3: Store, tmp_path: Path) -> None:
    first, second = s3.new_bucket(), s3.new_bucket()
    project = with_bucket(tmp_path, first, f"{second}/a")
    for number, inbox in enumerate(("", first, second)):
        content = digitalocean(line(amount=f"${number + 1}.00"))
        name = f"2026-04/{invoice_name(number=str(number))}"
        # The same path in each, with the invoice of each.
        if inbox:
            s3.put(inbox, f"{'a/' if inbox == second else ''}2026-04/same.csv", content)
            s3.put(inbox, f"{'a/' if inbox == second else ''}{name}", content)
        else:
            project.drop("2026-04/same.csv", content)
            project.drop(name, content)
    project.run([APRIL])
    assert sorted(row["gross"] for row in project.query(OUTCOME)) == [100, 200, 300]
    assert len([name for name in names(project) if name.endswith("same.csv")]) == 3
    project.run([APRIL])
    assert len(project.query("SELECT * FROM documents")) == 3


def test_a_manifest_counts_for_the_folder_of_its_own_inbox_alone(s3: Store, tmp_path: Path) -> None:
    first, second = s3.new_bucket(), s3.new_bucket()
    path, content = next(iter(PARTS.items()))
    s3.put(first, "exports/cur/20260401-20260501/run-1/cur-Manifest.json", aws.manifest(*PARTS))
    s3.put(first, path, content)
    other = aws.as_csv(
        aws.item(InvoiceId="7001", PayerAccountId="999"), aws.tax(InvoiceId="7001", PayerAccountId="999")
    )
    s3.put(second, path, other)
    project = with_bucket(tmp_path, first, second)
    project.run([APRIL])
    reasons = {row["external_id"]: row["hold_reasons"] for row in project.query(OUTCOME)}
    assert any("manifest" in reason for reason in reasons["2001"])
    assert not any("manifest" in reason for reason in reasons["7001"])


def test_an_object_that_is_replaced_between_list_and_read_is_taken_at_the_next_look(
    way: Way, s3: Store, tmp_path: Path
) -> None:
    bucket = s3.new_bucket()
    s3.put(bucket, invoice_name(), INVOICE)
    newer = digitalocean(line(amount="$9.00"), tax())
    is_replaced: list[bool] = []

    def replace(request: str, before: int) -> Fault | None:
        if request.startswith("GET") and "list-type" not in request and not is_replaced:
            is_replaced.append(True)
            s3.put(bucket, invoice_name(), newer)
        return None

    way.fault = replace
    project = with_bucket(tmp_path, bucket)
    project.run([APRIL])
    assert project.query("SELECT * FROM documents") == []
    assert problems(project) == {}
    project.run([APRIL])
    assert [row["gross"] for row in project.query(OUTCOME)] == [960]
    assert len(project.query("SELECT * FROM documents")) == 1


def test_an_object_that_is_replaced_half_way_is_never_taken_in_part(way: Way, s3: Store, tmp_path: Path) -> None:
    bucket = s3.new_bucket()
    s3.put(bucket, "large.csv", b"a" * (40 << 20))

    def replace(request: str, before: int) -> Fault | None:
        if len(way.reads) == 1:
            s3.put(bucket, "large.csv", b"b" * (40 << 20))
        return None

    way.fault = replace
    project = with_bucket(tmp_path, bucket)
    project.run([APRIL])
    assert project.query("SELECT * FROM documents") == []
    assert list((tmp_path / "archive").rglob("*large*")) == list((tmp_path / "archive").glob(".incoming*")) == []


SENTENCES = {
    "403": (
        Fault(403, "AccessDenied"),
        "this program may not list there (403 AccessDenied): give its identity the right s3:",
    ),
    "404": (Fault(404, "NoSuchBucket"), "there is no such bucket (404 NoSuchBucket): make it"),
    "503": (Fault(503, "SlowDown"), "the store asked for fewer requests at each try (503 SlowDown)"),
    "500": (Fault(500, "InternalError"), "the store has a fault of its own (500 InternalError)"),
    "slow": (Fault(seconds=1.5), "the store did not answer in time"),
    "cut off": (Fault(cut_after=30), "the answer was cut off at each try"),
}


@pytest.mark.parametrize("kind", SENTENCES)
def test_a_fault_of_one_inbox_is_told_in_a_sentence_and_the_others_go_on(
    kind: str, way: Way, s3: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    bucket, other = s3.new_bucket(), s3.new_bucket()
    s3.put(bucket, "a.csv", INVOICE)
    s3.put(other, invoice_name("2026 May", "2"), digitalocean(line(amount="$2.00")))
    fault, sentence = SENTENCES[kind]
    way.fault = lambda request, _: fault if bucket.partition("://")[2] + "?" in request else None
    project = with_bucket(tmp_path, bucket, other)
    project.drop(invoice_name(), INVOICE)
    project.run([APRIL])
    assert len(project.query("SELECT * FROM documents")) == 2
    found = problems(project)
    assert list(found) == [bucket]
    assert found[bucket].startswith(sentence)
    assert SECRET not in str(found)
    assert "http://" not in found[bucket]
    way.fault = lambda *_: None
    project.run([APRIL])
    assert problems(project) == {}
    assert len(project.query("SELECT * FROM document_names")) == 3


def test_what_was_listed_before_a_fault_in_mid_list_is_taken(way: Way, s3: Store, tmp_path: Path) -> None:
    bucket = s3.new_bucket()
    s3.put_many(bucket, [f"x{number:04}.csv" for number in range(1_001)])
    way.fault = lambda request, _: Fault(404, "NoSuchBucket") if "continuation-token" in request else None
    look = BucketInbox(BucketUrl.parse(bucket)).look({}, now_ns=0, settle_seconds=0)
    assert len(look.complete) == 1_000
    assert list(look.problems) == [bucket]
    assert "there is no such bucket" in look.problems[bucket]


@pytest.mark.parametrize("kind", ["403", "503", "slow"])
def test_an_object_that_cannot_be_read_is_told_and_the_others_are_taken(
    kind: str, way: Way, s3: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    bucket = s3.new_bucket()
    s3.put(bucket, "closed.csv", INVOICE)
    s3.put(bucket, invoice_name(), INVOICE)
    way.fault = lambda request, _: SENTENCES[kind][0] if "closed.csv" in request else None
    project = with_bucket(tmp_path, bucket)
    project.run([APRIL])
    found = problems(project)
    assert list(found) == [f"{label_of(bucket)}closed.csv"]
    [problem] = found.values()
    assert problem.startswith("it cannot be read: ")
    assert bucket not in problem
    assert [row["gross"] for row in project.query(OUTCOME)] == [660]


def test_a_piece_that_is_cut_off_is_asked_for_again(way: Way, s3: Store, tmp_path: Path) -> None:
    bucket = s3.new_bucket()
    s3.put(bucket, invoice_name(), INVOICE)
    way.fault = lambda request, _: Fault(cut_after=5) if "list-type" not in request and not way.reads else None
    project = with_bucket(tmp_path, bucket)
    project.run([APRIL])
    assert len(way.reads) == 2
    assert [row["gross"] for row in project.query(OUTCOME)] == [660]


def test_where_no_inbox_can_be_looked_at_landing_fails_and_says_why_of_each(way: Way, s3: Store) -> None:
    bucket, other = s3.new_bucket(), s3.new_bucket()
    way.fault = lambda *_: Fault(403, "AccessDenied")
    inboxes = Inboxes(Path("/nowhere/at/all"), must_exist=True, further=(bucket, other))
    with pytest.raises(InboxError) as raised:
        inboxes.look({}, now_ns=0, settle_seconds=0)
    assert str(raised.value).count("this program may not list there") == 2
    assert "the inbox /nowhere/at/all cannot be read" in str(raised.value)
    assert SECRET not in repr(raised.getrepr(chain=True))


def test_a_look_that_runs_out_of_time_goes_on_where_it_stopped(s3: Store, tmp_path: Path) -> None:
    buckets = [s3.new_bucket(), s3.new_bucket()]
    for bucket in buckets:
        s3.put_many(bucket, [f"{number:04}.csv" for number in range(1_100)])
    inboxes = Inboxes(tmp_path, further=buckets)
    whole = inboxes.look({}, now_ns=0, settle_seconds=0)
    assert whole.resume is None
    assert len(whole.complete) == 2_200
    seen: set[str] = set()
    resume: str | None = None
    # Hardly any time: a page of the bucket whose turn it is; on a busy machine none.
    for _ in range(100):
        look = inboxes.look({}, now_ns=0, settle_seconds=0, until=time.monotonic() + 0.001, resume=resume)
        assert len(look.complete) < len(whole.complete)
        seen |= {file.inbox_path for file in look.complete}
        resume = look.resume
        if len(seen) == len(whole.complete):
            break
    assert seen == {file.inbox_path for file in whole.complete}


def test_marks_of_folders_and_unfinished_uploads_are_left_alone(s3: Store, tmp_path: Path) -> None:
    bucket = s3.new_bucket()
    for key in ("in/", "in/sub/", "in/.hidden/a.csv", "in/a.csv.part", "in/_tmp/b.csv"):
        s3.put(bucket, key, b"")
    s3.put(bucket, "in/ü n%20x#?+.csv", INVOICE)
    s3.put(bucket, "inside/a.csv", INVOICE)
    look = BucketInbox(BucketUrl.parse(f"{bucket}/in")).look({}, now_ns=0, settle_seconds=0)
    assert [file.name for file in look.complete] == ["ü n%20x#?+.csv"]
    assert b"".join(look.complete[0].content()) == INVOICE


UNLISTED = ("x//a.csv", "x/./a.csv", "x/../a.csv", "x/a\tb.csv", "x/a.csv//", "x/deep/..", "x/\x7f.csv", "//a.csv")
UNREAD = ("/a.csv", "x/a.csv/")
LISTED = (
    *(
        "x/a%2Fb.csv",
        "x/%2e%2e/a.csv",
        "x/a b.csv",
        "x/ a.csv ",
        "x/ü☃.csv",
        "x/e\u0301.csv",
        "x/~*?<>|\"'.csv",
        "x/a:b,c#.csv",
    ),
    f"x/{'é' * 400}.csv",
)


OTHERS = ("a/1.csv", "b.csv", "x0/2.csv", "z.csv")


@pytest.mark.parametrize("any_server", ["s3", "az"], indirect=True)
@pytest.mark.parametrize("name", [*UNLISTED, *UNREAD])
def test_a_name_that_cannot_be_had_is_told_and_the_others_are_taken(store: Store, name: str) -> None:
    bucket = store.new_bucket()
    for key in (name, *OTHERS):
        store.put(bucket, key, key.encode())
    look = BucketInbox(BucketUrl.parse(bucket)).look({}, now_ns=0, settle_seconds=0)
    taken, told = dict[str, bytes](), list(look.problems.values())
    for file in look.complete:
        try:
            taken[file.key] = b"".join(file.content())
        except NotTakenError as error:
            told.append(str(error))
    assert taken == {key: key.encode() for key in OTHERS}
    assert ["rename" in sentence for sentence in told] == [True]


@pytest.mark.parametrize("any_server", ["s3", "az"], indirect=True)
def test_whatever_is_in_names_a_deployment_takes_what_can_be_had_and_tells_of_the_rest(
    store: Store, tmp_path: Path
) -> None:
    bucket = store.new_bucket()
    # Whatever is below a prefix that is followed by an empty part cannot be listed: `in//a.csv` would leave nothing.
    unlisted = [f"in/{name.replace('x/', 'y/')}" for name in UNLISTED if not name.startswith("/")]
    for number, key in enumerate((*unlisted, *(f"in/{name}" for name in (*LISTED, *OTHERS)), "out/c.csv", "index.csv")):
        store.put(bucket, key, b"nothing,that,anybody,knows\n1,2,3,%d\n" % number)
    project = with_bucket(tmp_path, f"{bucket}/in")
    project.run([APRIL])
    assert names(project) == sorted(label_of(f"{bucket}/in") + name for name in (*LISTED, *OTHERS))
    assert list(problems(project)) == [f"{bucket}/in"]


@pytest.mark.parametrize("any_server", ["s3", "az"], indirect=True)
@pytest.mark.parametrize("other", ["/a.csv", "a.csv/"])
def test_of_two_objects_that_are_listed_under_one_name_the_one_that_has_it_is_taken(store: Store, other: str) -> None:
    bucket = store.new_bucket()
    store.put(bucket, "a.csv", INVOICE)
    store.put(bucket, other, b"another")
    look = BucketInbox(BucketUrl.parse(bucket)).look({}, now_ns=0, settle_seconds=0)
    assert [b"".join(file.content()) for file in look.complete] == [INVOICE]
    assert "'a.csv'" in look.problems[bucket]


def test_a_look_folder_by_folder_goes_on_where_it_stopped(s3: Store) -> None:
    bucket = s3.new_bucket()
    s3.put_many(bucket, ["a/1.csv", "a/b/2.csv", "a/b0.csv", "bad//3.csv", "c.csv", "c/4.csv", "c0.csv"])
    inbox, seen = BucketInbox(BucketUrl.parse(bucket)), list[str]()
    resume: str | None = None
    for _ in range(10):
        look = inbox.look({}, now_ns=0, settle_seconds=0, until=time.monotonic(), resume=resume)
        seen += [file.key for file in look.complete]
        resume = look.resume
        if resume is None:
            break
    assert seen == ["a/1.csv", "a/b/2.csv", "a/b0.csv", "c.csv", "c/4.csv", "c0.csv"]


def test_where_nothing_else_lies_in_an_inbox_it_cannot_be_looked_at(s3: Store) -> None:
    bucket = s3.new_bucket()
    s3.put(bucket, "exports//a.csv", INVOICE)
    with pytest.raises(InboxError, match=r"names in 'exports' cannot be read: one has an empty part.* name a prefix"):
        BucketInbox(BucketUrl.parse(bucket)).look({}, now_ns=0, settle_seconds=0)


def test_a_large_object_streams_into_the_archive(s3: Store, tmp_path: Path) -> None:
    bucket, size = s3.new_bucket(), 160 << 20
    s3.put(bucket, "large.bin", b"0123456789abcdef" * (size >> 4))
    [file] = BucketInbox(BucketUrl.parse(bucket)).look({}, now_ns=0, settle_seconds=0).complete
    tracemalloc.start()
    document = Archive(tmp_path, max_document_bytes=1 << 40).take(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert document.byte_size == document.path.stat().st_size == size
    assert peak < 80 << 20


def test_the_doctor_tells_of_each_inbox_whether_it_may_be_listed_and_read(
    way: Way, s3: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full, empty, closed, unread = (s3.new_bucket() for _ in range(4))
    for bucket in (full, closed, unread):
        s3.put(bucket, "a.csv", INVOICE)
    names_ = {bucket: bucket.partition("://")[2] for bucket in (closed, unread)}
    way.fault = lambda request, _: (
        Fault(403, "AccessDenied") if f"/{names_[closed]}" in request or f"/{names_[unread]}/" in request else None
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARCADIA_HOME", str(tmp_path))
    monkeypatch.setenv("ARCADIA_INBOX", ",".join((str(tmp_path / "in"), full, empty, closed, unread)))
    (tmp_path / "in").mkdir()
    cli.main(["doctor", "--json"])
    printed = capsys.readouterr().out
    found: list[dict[str, Any]] = [one for one in json.loads(printed) if one["what"] == "inbox"]
    assert [one["verdict"] for one in found] == ["ok", "ok", "ok", "failed", "failed"]
    assert found[1]["text"] == f"{full} can be listed and read"
    assert "whether its objects can be read is not known" in found[2]["text"]
    assert "this program may not list there" in found[3]["text"]
    assert "s3:GetObject" in found[4]["text"]
    assert SECRET not in printed


def test_the_doctor_names_the_folder_with_a_name_that_cannot_be_listed(
    s3: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = s3.new_bucket()
    s3.put_many(bucket, ["a/1.csv", "exports//2.csv", "z/./3.csv"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARCADIA_HOME", str(tmp_path))
    monkeypatch.setenv("ARCADIA_INBOX", f"{tmp_path},{bucket}")
    cli.main(["doctor", "--json"])
    found = [one for one in json.loads(capsys.readouterr().out) if one["what"] == "inbox"]
    assert [one["verdict"] for one in found] == ["ok", "failed"]
    assert found[1]["text"].startswith(f"{bucket}: names in 'exports', 'z' cannot be read: one has an empty part")


def test_what_is_wrong_with_an_inbox_is_said_after_its_name_once(
    way: Way, s3: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket, odd, folder = s3.new_bucket(), s3.new_bucket(), tmp_path / "gone"
    s3.put_many(odd, ["a.csv", "exports//2.csv"])
    way.fault = lambda request, _: Fault(403, "AccessDenied") if f"/{bucket.partition('://')[2]}" in request else None
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARCADIA_HOME", str(tmp_path))
    monkeypatch.setenv("ARCADIA_INBOX", ",".join((str(tmp_path / "in"), bucket, odd, str(folder))))
    cli.main(["ingest"])
    printed = "".join(capsys.readouterr())
    told = {bucket: "this program may not", odd: "names in 'exports'", str(folder): "it cannot be read (No such file"}
    for place, words in told.items():
        [line_] = [one for one in printed.splitlines() if f"{place}: not taken: {words}" in one]
        assert line_.count(place) == 1


@pytest.mark.parametrize("any_server", ["az"], indirect=True)
@pytest.mark.parametrize("is_in_connection_string", [True, False])
def test_a_sas_counts_where_an_application_reads_azures_billing_api(
    store: Azure, monkeypatch: pytest.MonkeyPatch, *, is_in_connection_string: bool
) -> None:
    """The application may read invoices, and not the storage account."""
    bucket = store.new_bucket()
    store.put(bucket, "a.csv", INVOICE)
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
    endpoint, sas = f"{store.url}/{ACCOUNT}", store.shared()
    for name, value in {
        "AZURE_TENANT_ID": "tenant",
        "AZURE_CLIENT_ID": "application",
        "AZURE_CLIENT_SECRET": SECRET,
        **(
            {
                "AZURE_STORAGE_CONNECTION_STRING": f"BlobEndpoint={endpoint};AccountName={ACCOUNT};SharedAccessSignature={sas}"
            }
            if is_in_connection_string
            else {
                "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
                "AZURE_STORAGE_SAS_TOKEN": f"?{sas}",
                "AZURE_STORAGE_ENDPOINT": endpoint,
            }
        ),
    }.items():
        monkeypatch.setenv(name, value)
    [file] = BucketInbox(BucketUrl.parse(bucket)).look({}, now_ns=0, settle_seconds=0).complete
    assert b"".join(file.content()) == INVOICE


@pytest.mark.parametrize("any_server", ["az"], indirect=True)
def test_a_deployment_takes_a_month_of_aws_and_one_of_azure_from_buckets_into_finance(
    s3: Store, store: Store, tmp_path: Path
) -> None:
    aws_bucket, azure_bucket, archive = s3.new_bucket(), store.new_bucket(), s3.new_bucket()
    for path, content in TREE.items():
        if path.startswith("exports/"):
            s3.put(aws_bucket, path, content)
        if path.startswith("focus/"):
            store.put(azure_bucket, path, content)
    with RunningSandbox(database=tmp_path / "finance.sqlite", secret=FINANCE_SECRET) as sandbox:
        project = Project(
            tmp_path, sandbox=sandbox, ARCADIA_INBOX=f"{aws_bucket}/exports,{azure_bucket}", ARCADIA_ARCHIVE=archive
        )
        project.run([APRIL])
        project.run([APRIL])
        pushed = project.query("SELECT invoice_external_id, state FROM finance_records ORDER BY ALL")
    assert {row["invoice_external_id"] for row in pushed} == {"2001", "INV-1"}
    assert len(pushed) == 2


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up after a second, in runs too."""
    patience = Patience(1.0, 0.5, 1)
    monkeypatch.setattr(bucket_inbox, "Bucket", lambda url, **_: Bucket(url, patience=patience))
