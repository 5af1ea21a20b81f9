"""Operators' tables of members, consents and credentials as ops: JSON lines, CSV as Excel saves it, Parquet."""

import datetime
import gzip
import json
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigError
from sync.hq import tabular

ZONE = "Europe/Berlin"


def ops(path: Path, zone: str = ZONE) -> list[Any]:
    return [line.op if isinstance(line.op, dict) else str(line.op) for line in tabular.lines(path, zone)]


def bodies(path: Path) -> list[dict[str, Any]]:
    return [op["body"] for op in ops(path)]


def table(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.write_bytes("\r\n".join(lines).encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("first", [(), ("sep=;",)])
def test_members_as_excel_saves_them(tmp_path: Path, encoding: str, first: tuple[str, ...]) -> None:
    rows = ("Member_ID;call_name;language;interests;usual;staff;age", 'm-1;"Müller; Jürgen";de;tea|coffee;;ja;16plus')
    path = table(tmp_path / "m.csv", *first, *rows, ";;;;;;", "m-2;;;;;nein;", encoding=encoding)
    found = list(tabular.lines(path, ZONE))
    assert [line.number for line in found] == [len(first) + 2, len(first) + 4]
    assert [line.op for line in found] == [
        {
            "op": "member.put",
            "body": {
                "member_id": "m-1",
                "call_name": "Müller; Jürgen",
                "language": "de",
                "interests": ["tea", "coffee"],
                "staff": True,
                "age": "16plus",
            },
        },
        {"op": "member.put", "body": {"member_id": "m-2", "staff": False}},
    ]
    assert found[-1].read == tabular.size(path)


def test_consents_with_german_or_iso_times_and_ids_that_stay(tmp_path: Path) -> None:
    head = "member_id,purpose,state,given_at,notice_version"
    path = table(
        tmp_path / "c.csv",
        head,
        "m-1,staff_advice,given,01.07.2026 12:30,v1",
        "m-1,staff_advice,given,2026-07-01T10:30:00Z,v1",
        "m-1,recognise_nfc,given,1.1.2026,v1",
    )
    german, iso, day = bodies(path)
    assert german["given_at_ms"] == iso["given_at_ms"] == 1_782_901_800_000
    assert day["given_at_ms"] == 1_767_222_000_000, "midnight in Berlin"
    assert german["event_id"] == iso["event_id"] != day["event_id"], "the same act is the same event"
    assert ops(path, "UTC")[0]["body"]["given_at_ms"] == iso["given_at_ms"] + 2 * 3_600_000


def test_credentials_keep_their_numbers(tmp_path: Path) -> None:
    path = table(
        tmp_path / "k.csv", "credential_id\tmember_id\tkind\tidentity_key\texponent", f"c-1\tm-1\teid\t{'0a' * 16}\t10"
    )
    assert bodies(path)[0] == {
        "credential_id": "c-1",
        "member_id": "m-1",
        "kind": "eid",
        "identity_key": "0a" * 16,
        "exponent": 10,
    }


@pytest.mark.parametrize(
    ("head", "row", "why"),
    [
        ("member_id;staff", "m-1;vielleicht", "staff: expected yes or no, ja or nein; found vielleicht"),
        ("member_id", "4,71E+15", "a spreadsheet rounded this number"),
        ("member_id;call_name", "m-1;Ada;zu viel", "expected at most 2 cells"),
        ("member_id;age", "m-1;old", "expected member.put"),
        ("credential_id;member_id;kind;identity_key;exponent", "c;m;eid;00;ten", "exponent: expected a whole number"),
        (
            "member_id;purpose;state;given_at",
            "m-1;staff_advice;given;31.02.2026",
            "given_at: expected 2026-03-01T10:00",
        ),
        ("member_id;purpose;state;given_at", "m-1;staff_advice;given;gestern", "found gestern"),
        ("member_id;purpose;state;given_at_ms", "m-1;dancing;given;1", "expected consent.add"),
    ],
)
def test_a_row_that_is_wrong_is_named_and_the_next_one_read(tmp_path: Path, head: str, row: str, why: str) -> None:
    path = table(tmp_path / "x.csv", head, row, row.replace("m-1", "m-2"))
    wrong, other = ops(path)
    assert wrong.startswith(f"{path}:2: ")
    assert why in wrong
    assert other.startswith(f"{path}:3: ")


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ("name;age", "expected a column member_id"),
        ("", "expected a column member_id"),
        ("member_id;shoe_size", "found shoe_size"),
        ("member_id;member_id", "each column once"),
    ],
)
def test_a_table_with_other_columns_is_refused(tmp_path: Path, head: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        ops(table(tmp_path / "x.csv", head, "m-1"))


def test_what_is_no_table_and_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected CSV"):
        ops(table(tmp_path / "x.csv", "member_id", '"' + "x" * 200_000))
    for head in (b"", b"sep=;\n"):
        (tmp_path / "x.csv").write_bytes(head + b"member_id;\x8d\nm-1;x\n")  # no text in any encoding that is tried
        with pytest.raises(ConfigError, match=r"x.csv:1: expected CSV .*can't decode"):
            ops(tmp_path / "x.csv")
    for name in ("none.csv", "none.jsonl"):
        with pytest.raises(ConfigError, match="cannot be read"):
            ops(tmp_path / name)
        with pytest.raises(ConfigError, match="cannot be read"):
            tabular.size(tmp_path / name)


def test_a_quotation_mark_that_is_not_closed_swallows_no_row(tmp_path: Path) -> None:
    path = table(tmp_path / "x.csv", "member_id;call_name", "m-1;Ada", 'm-2;"Ben', "m-3;Cem")
    with pytest.raises(ConfigError, match=r"x.csv:3: expected CSV .* a quotation mark that is not closed"):
        ops(path)
    with pytest.raises(ConfigError, match=r"x.csv:2: expected CSV .* inside a cell that is not written twice"):
        ops(table(tmp_path / "x.csv", "member_id;call_name", 'm-1;"Ada "die Erste" Lovelace"'))
    with pytest.raises(ConfigError, match=r"x.csv:1: expected CSV"):
        ops(table(tmp_path / "x.csv", 'member_id;"call_name', "m-1;Ada"))
    wrong, other = ops(table(tmp_path / "x.csv", "member_id;call_name", 'm-1;"Ada', 'm-2;Ben"', "m-3;Cem"))
    assert wrong.startswith(f"{tmp_path / 'x.csv'}:2: expected a row in one line; this one has 2; perhaps a quotation")
    assert other["body"] == {"member_id": "m-3", "call_name": "Cem"}


@pytest.mark.parametrize("name", ["Ada\x00", "a\u202eda", "a\u2066da", "A\x1bda", "Ada\nLovelace"])
def test_a_name_that_would_garble_a_screen_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps({"op": "member.put", "body": {"member_id": "m-1", "call_name": name}}))
    (wrong,) = ops(path)
    assert "call_name: expected no control character" in wrong


def test_json_lines_as_windows_editors_save_them(tmp_path: Path) -> None:
    line = json.dumps({"op": "member.put", "body": {"member_id": "m-1"}})
    path = table(tmp_path / "m.jsonl", line, line, encoding="utf-8-sig")
    assert ops(path) == [json.loads(line)] * 2
    assert [one.read for one in tabular.lines(path)][-1] == tabular.size(path)


@pytest.mark.parametrize("name", ["m.csv", "m.xlsx", "m", "m.jsonl"])
@pytest.mark.parametrize(
    ("first", "why"),
    [
        ("[Content_Types].xml", "a spreadsheet's own file, such as Excel's .xlsx; save it as CSV UTF-8"),
        ("_rels/.rels", "save it as CSV UTF-8"),
        ("mimetype", "save it as CSV UTF-8"),
        ("members.csv", "a packed file .*; unpack it first"),
    ],
)
def test_what_is_no_text_is_named(tmp_path: Path, name: str, first: str, why: str) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as packed:
        packed.writestr(first, "application/vnd.oasis.opendocument.spreadsheet")
    with pytest.raises(ConfigError, match=why):
        ops(tmp_path / name)


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "CSV UTF-8"),
        (gzip.compress(b"member_id", mtime=0), "unpack it"),
        (b"PAR1", r"ends with \.parquet"),
    ],
)
def test_other_files_that_are_no_text_are_named(tmp_path: Path, head: bytes, why: str) -> None:
    (tmp_path / "m.csv").write_bytes(head)
    with pytest.raises(ConfigError, match=why):
        ops(tmp_path / "m.csv")


def test_a_line_of_any_length_takes_no_more_memory_than_a_message(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    member = json.dumps({"op": "member.put", "body": {"member_id": "m-1"}})
    path.write_bytes(b'{"op": "' + b"x" * 20_000_000 + b'"}\n' + member.encode())
    tracemalloc.start()
    try:
        (first, second) = tabular.lines(path)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert isinstance(first.op, ConfigError)
    assert (second.number, second.op, second.read) == (2, json.loads(member), path.stat().st_size)


def test_parquet_says_the_same(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed (pip install 'store-gateway[parquet]')")
    parquet = pytest.importorskip("pyarrow.parquet")
    given = datetime.datetime(2026, 7, 1, 10, 30, tzinfo=datetime.UTC)
    columns = {
        "member_id": ["m-1"],
        "purpose": ["staff_advice"],
        "state": ["given"],
        "given_at": [given],
        "channel": [None],
    }
    parquet.write_table(pyarrow.table(columns | {"channel": [None]}), tmp_path / "c.parquet")
    assert bodies(tmp_path / "c.parquet")[0]["given_at_ms"] == 1_782_901_800_000
    members = {"member_id": [f"m-{n}" for n in range(2_500)], "interests": [["tea"]] * 2_500, "staff": [False] * 2_500}
    parquet.write_table(pyarrow.table(members), tmp_path / "m.parquet")
    found = list(tabular.lines(tmp_path / "m.parquet"))
    assert found[-1].number == found[-1].read == tabular.size(tmp_path / "m.parquet") == 2_500
    assert found[-1].op == {"op": "member.put", "body": {"member_id": "m-2499", "interests": ["tea"], "staff": False}}
    (tmp_path / "no.parquet").write_bytes(b"no")
    with pytest.raises(ConfigError, match="as Parquet"):
        ops(tmp_path / "no.parquet")


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"store-gateway\[parquet\]"):
        ops(tmp_path / "m.parquet")
