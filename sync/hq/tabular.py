"""An operator's file of members, consents or credentials as ops, one after another: JSON lines, CSV or Parquet.

Nothing of a file is kept but the line at hand, so a million lines need no more memory than one.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import closing
from datetime import date, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from zoneinfo import ZoneInfo

from gateway.errors import ConfigError
from sync import messages
from sync.hq import orders
from sync.hq.file import Row

# A line of a file is one op, so it is never longer than a message; what is longer is read past.
MAX_LINE_BYTES = messages.MAX_PAYLOAD_BYTES + 2
ROWS_AT_ONCE = 1_000  # of Parquet, whose columns are read in pieces

_SINGLE = {"text": ("member_id", "call_name", "language", "age"), "list": ("interests", "usual"), "yes": ("staff",)}
_CREDENTIAL = (
    *("credential_id", "member_id", "kind", "value", "identity_key", "key", "irk", "trackable_wording"),
    *("exponent", "clock_zero_s"),
)
_CONSENT = (
    *("event_id", "member_id", "purpose", "state", "given_at", "given_at_ms", "valid_until", "valid_until_ms"),
    *("notice_version", "notice_id", "notice_sha256", "language", "jurisdiction", "channel", "method", "receipt_id"),
    *("supersedes", "device_id", "store_id", "staff_id", "age_gate"),
)
_MEMBER = tuple(name for names in _SINGLE.values() for name in names)
# Columns of each kind of file, and the one by which it is known; a member's file has none of the others'.
COLUMNS = {"consent.add": _CONSENT, "credential.put": _CREDENTIAL, "member.put": _MEMBER}
_KNOWN_BY = {"consent.add": "purpose", "credential.put": "credential_id", "member.put": "member_id"}
_NUMBERS = ("exponent", "clock_zero_s", "given_at_ms", "valid_until_ms")
_TIMES = ("given_at", "valid_until")
_YES, _NO = ("1", "true", "yes", "ja", "wahr"), ("0", "false", "no", "nein", "falsch")
_ROUNDED = re.compile(r"\d+([.,]\d+)?E\+\d+")  # how Excel writes a long number that it has spoilt
_GERMAN = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[ ,]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?")
# How files begin that are no text, and what the first file in a spreadsheet's zip may be called.
_ZIP, _GZIP, _XLS, _PARQUET = b"PK\x03\x04", b"\x1f\x8b", b"\xd0\xcf\x11\xe0", b"PAR1"
_NAME_AT = 30
_SHEETS = (b"[Content_Types].xml", b"_rels/", b"docProps/", b"xl/", b"mimetypeapplication/vnd.oasis.")
_QUOTES = "perhaps a quotation mark that is not closed, or one inside a cell that is not written twice"


class Line(NamedTuple):
    """`number`: of the line, or of the row of Parquet. `op`: what it says, or why it says nothing. `read`: how much of
    the file, or of its rows, is behind us."""

    number: int
    op: Row | ConfigError
    read: int


def lines(path: Path, zone: str = "UTC", allowed: Collection[str] = orders.ALL_OPS) -> Generator[Line]:
    """What each line of a file says; the suffix says which form it has, JSON lines without one. `zone`: of times that
    name none. Raises ConfigError for a file that can't be read at all."""
    kind = path.suffix.lower()
    try:
        if kind == ".parquet":
            yield from _parquet(path, ZoneInfo(zone))
            return
        with path.open("rb") as file:
            _must_be_text(path, file)
            yield from _csv(path, file, ZoneInfo(zone)) if kind == ".csv" else _json(path, file, allowed)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); expected a file of JSON lines, CSV") from error


def _must_be_text(path: Path, file: BinaryIO) -> None:
    """ConfigError for what is sent by mistake in a table's place, with what to do."""
    head = file.read(len(max(_SHEETS, key=len)) + _NAME_AT)
    file.seek(0)
    if head.startswith(_XLS) or (head.startswith(_ZIP) and head[_NAME_AT:].startswith(_SHEETS)):
        raise ConfigError(f"{path}: this is a spreadsheet's own file, such as Excel's .xlsx; save it as CSV UTF-8")
    if head.startswith((_ZIP, _GZIP)):
        raise ConfigError(f"{path}: this is a packed file (zip, gzip); unpack it first")
    if head.startswith(_PARQUET):
        raise ConfigError(f"{path}: this is Parquet; give it a name that ends with .parquet")


def size(path: Path) -> int:
    """What `Line.read` counts up to. Raises ConfigError."""
    if path.suffix.lower() == ".parquet":
        with closing(_parquet_file(path)) as file:
            return int(file.metadata.num_rows)
    try:
        return path.stat().st_size
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); expected a file of JSON lines, CSV") from error


def _json(path: Path, file: BinaryIO, allowed: Collection[str]) -> Generator[Line]:
    number = read = 0
    while line := file.readline(MAX_LINE_BYTES):
        number, read, rest = number + 1, read + len(line), line
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)  # as Windows' editors save it
        while len(rest) == MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE_BYTES)
            read += len(rest)
        if line.strip():
            yield Line(number, _said(partial(orders.read_op, f"{path}:{number}", line, allowed)), read)


def _csv(path: Path, file: BinaryIO, zone: ZoneInfo) -> Generator[Line]:
    """Excel's habits are taken as they are: a mark at the beginning, semicolons, "sep=;", and Windows' own letters."""
    text = io.TextIOWrapper(file, _encoding(file), newline="")
    try:
        yield from _rows(path, text, file.tell, zone)
    finally:
        text.detach()  # the file is closed by who opened it


def _rows(path: Path, text: io.TextIOWrapper, tell: Callable[[], int], zone: ZoneInfo) -> Generator[Line]:
    began = 1
    try:
        first, skipped = text.readline(MAX_LINE_BYTES), 1
        if first.lower().startswith("sep="):
            began = skipped = 2
            first = text.readline(MAX_LINE_BYTES)
        comma = max(";,\t", key=first.count)
        names = [name.strip().lower() for name in next(csv.reader([first], delimiter=comma, strict=True), [])]
        op = _kind(f"{path}:{skipped}", names)
        rows = csv.reader(text, delimiter=comma, strict=True)
        began += 1
        for cells in rows:
            last = rows.line_num + skipped
            if any(cell.strip() for cell in cells):
                yield Line(began, _said(partial(_row, f"{path}:{began}", op, names, cells, zone, last - began)), tell())
            began = last + 1
    except csv.Error as error:
        raise ConfigError(f"{path}:{began}: expected CSV ({error}); {_QUOTES}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}:{began}: expected CSV ({error})") from None


def _encoding(file: BinaryIO) -> str:
    """UTF-8; UTF-16 where a mark says so; and what is neither was saved by Windows in Western Europe."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    try:
        first = part = file.read(1 << 20)
        while part:
            decoder.decode(part)
            part = file.read(1 << 20)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "utf-16" if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "cp1252"
    finally:
        file.seek(0)
    return "utf-8-sig"


def _row(at: str, op: str, names: list[str], cells: list[str], zone: ZoneInfo, more: int) -> Row:
    """`more`: how many lines of the file the row has beside its first."""
    if more:  # no value has two lines, and two rows may be taken for one
        raise ConfigError(f"{at}: expected a row in one line; this one has {more + 1}; {_QUOTES}")
    if len(cells) > len(names) and any(cell.strip() for cell in cells[len(names) :]):
        raise ConfigError(f"{at}: expected at most {len(names)} cells, as the first line has; found {len(cells)}")
    named = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if cell.strip()}
    return _op(at, op, named, zone)


def _parquet(path: Path, zone: ZoneInfo) -> Generator[Line]:
    number = 0
    with closing(_parquet_file(path)) as file:
        op = _kind(str(path), [name.lower() for name in file.schema_arrow.names])
        for batch in file.iter_batches(ROWS_AT_ONCE):
            for row in batch.to_pylist():
                number += 1
                at, found = f"{path}:{number}", {name.lower(): value for name, value in row.items()}
                yield Line(number, _said(partial(_op, at, op, found, zone)), number)


def _parquet_file(path: Path) -> Any:
    try:
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise ConfigError(f"{path}: expected pyarrow for Parquet: pip install 'store-gateway[parquet]'") from None
    try:
        return ParquetFile(path)
    except (ArrowInvalid, OSError) as error:
        raise ConfigError(f"{path}: cannot be read as Parquet ({' '.join(str(error).split())[:200]})") from None


def _kind(at: str, names: list[str]) -> str:
    """Which op the rows of a table with these columns are."""
    op = next((op for op, column in _KNOWN_BY.items() if column in names), None)
    if op is None:
        raise ConfigError(f"{at}: expected a column member_id, and purpose or credential_id beside it (docs/hq.md)")
    if odd := [name for name in names if name not in COLUMNS[op]]:
        raise ConfigError(f"{at}: {op}: expected columns of {', '.join(COLUMNS[op])}; found {', '.join(odd):.200}")
    if len(set(names)) < len(names):
        raise ConfigError(f"{at}: expected each column once")
    return op


def _op(at: str, op: str, cells: Mapping[str, object], zone: ZoneInfo) -> Row:
    """One row as an op. Raises ConfigError."""
    body: dict[str, Any] = {}
    for name, value in cells.items():
        if value is not None:
            as_ms = f"{name}_ms" if name in _TIMES else name
            body[as_ms] = _value(at, name, value, zone)
    if op == "consent.add" and "event_id" not in body:
        said = [str(body.get(name, "")) for name in ("member_id", "purpose", "state", "given_at_ms")]
        body["event_id"] = sha256("/".join(said).encode()).hexdigest()[:32]  # the same row again is the same event
    return orders.read_op(at, json.dumps({"op": op, "body": body}).encode(), (op,))


def _value(at: str, name: str, value: object, zone: ZoneInfo) -> object:
    """A cell as the field of an op."""
    if name in _TIMES:
        return _time_ms(at, name, value, zone)
    if not isinstance(value, str):
        return value
    if _ROUNDED.fullmatch(value):
        raise ConfigError(f"{at}: {name}: a spreadsheet rounded this number ({value:.30}); expected the column as text")
    if name in _SINGLE["list"]:
        return [part.strip() for part in value.split("|") if part.strip()]
    if name in _SINGLE["yes"]:
        if value.lower() not in (*_YES, *_NO):
            raise ConfigError(f"{at}: {name}: expected yes or no, ja or nein; found {value:.30}")
        return value.lower() in _YES
    if name in _NUMBERS:
        if not re.fullmatch(r"-?\d{1,18}", value):
            raise ConfigError(f"{at}: {name}: expected a whole number; found {value:.30}")
        return int(value)
    return value


def _time_ms(at: str, name: str, value: object, zone: ZoneInfo) -> int:
    """A day or an instant, as ISO 8601, as German Excel writes it, or as Parquet has it."""
    found = value
    try:
        if isinstance(value, str) and (german := _GERMAN.fullmatch(value)):
            day, month, year, hour, minute, second = (int(part or 0) for part in german.groups())
            found = datetime(year, month, day, hour, minute, second)
        elif isinstance(value, str):
            found = datetime.fromisoformat(value)
        elif isinstance(value, date) and not isinstance(value, datetime):
            found = datetime(value.year, value.month, value.day)
    except ValueError:
        found = None
    if not isinstance(found, datetime):
        raise ConfigError(f"{at}: {name}: expected 2026-03-01T10:00+01:00 or 01.03.2026 10:00; found {value!s:.40}")
    return round((found if found.tzinfo is not None else found.replace(tzinfo=zone)).timestamp() * 1000)


def _said(read: Callable[[], Row]) -> Row | ConfigError:
    try:
        return read()
    except ConfigError as error:
        return error
