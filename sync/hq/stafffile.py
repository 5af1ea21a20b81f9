"""An operator's file of colleagues, with PINs in clear, as the `staff.put` op in which they are hashed."""

import json
import tomllib
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from gateway.core.changes import StaffPut
from gateway.core.staff import MAX_COLLEAGUES, SALT_BYTES, Colleague, PinHash, fits, hashed, is_pin
from gateway.errors import ConfigError, PeerError
from sync import messages, staff
from sync.hq import orders
from sync.hq.file import Db, Row
from sync.hq.ledger import Ledger

EXPECTED = (
    'expected [[colleague]] tables (TOML), or {"colleague": [..]} (JSON), each with staff_id, name, initials and a '
    "pin of six digits; role, opens, badge and active where they differ"
)
MAX_BYTES = 256 * 1024
_FIELDS = {"staff_id", "name", "initials", "pin", "role", "opens", "badge", "active"}


def put(db: Db, path: Path, random: Callable[[int], bytes], *, empty: bool = False) -> tuple[int, int, bool]:
    """Make the colleagues of all shops what a file says: how many there are, the version, whether that is news.
    `empty`: it may be that none is left, so tablets have no lock. Raises ConfigError."""
    listed = _listed(path)
    with closing(Ledger(db)) as ledger:
        before = ledger.version()
        standing = {one.staff_id: one.pin for one in _standing(ledger)}
        if standing and not listed and not empty:
            raise ConfigError(f"{path}: expected a colleague, or --empty; found none, and no tablet would have a lock")
        version = orders.record(ledger, [_op(path, listed, standing, random)])
    return len(listed), version, version > before


def _listed(path: Path) -> list[Row]:
    text = b"".join(orders.lines(path))
    if len(text) > MAX_BYTES:
        raise ConfigError(f"{path}: expected at most {MAX_BYTES} bytes; found {len(text)}")
    try:
        found = json.loads(text) if path.suffix == ".json" else tomllib.loads(text.decode())
    except (ValueError, RecursionError):
        raise ConfigError(f"{path}: {EXPECTED}; found no {'JSON' if path.suffix == '.json' else 'TOML'}") from None
    rows = found.get("colleague", []) if isinstance(found, dict) and found.keys() <= {"colleague"} else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f"{path}: {EXPECTED}")
    if len(rows) > MAX_COLLEAGUES:
        raise ConfigError(f"{path}: expected at most {MAX_COLLEAGUES} colleagues; found {len(rows)}")
    return rows


def _standing(ledger: Ledger) -> tuple[Colleague, ...]:
    op = ledger.staff_op()
    return () if op is None else staff.parse(op["body"]).colleagues


def _op(path: Path, rows: list[Row], standing: Mapping[str, PinHash], random: Callable[[int], bytes]) -> Row:
    for number, row in enumerate(rows):
        where, surplus = f"{path}: colleague {number + 1}", sorted(row.keys() - _FIELDS)
        if surplus:
            raise ConfigError(f"{where}: {surplus[0]!r:.40} is no field; {EXPECTED}")
        pin = row.get("pin")
        if not isinstance(pin, str) or not is_pin(pin):
            raise ConfigError(
                f"{where}: pin: expected a text of six digits, not all the same and no run such as 123456"
            )
    bodies: list[Any] = []
    for row in rows:
        kept = standing.get(str(row.get("staff_id")))
        # The same PIN keeps its hash: whoever is signed in stays so, and nothing is news.
        pin = kept if kept is not None and fits(row["pin"], kept) else hashed(row["pin"], random(SALT_BYTES))
        bodies.append(row | {"pin": staff.pin_body(pin)})
    try:
        return messages.op_of(StaffPut(staff.parse({"colleagues": bodies}).colleagues))
    except PeerError as error:
        raise ConfigError(f"{path}: {_place(error.field)}; {EXPECTED}") from None


def _place(field: str) -> str:
    """Where it is wrong, as an operator counts."""
    first, _, rest = field.partition(".")
    number, _, name = rest.partition(".")
    if first == "colleagues" and number.isdecimal():
        return f"colleague {int(number) + 1}: {name or 'something'} is missing or of the wrong form"
    return (
        "a staff_id or a badge stands twice" if field == "colleagues" else "something is missing or of the wrong form"
    )
