"""What operators do about settings: push a document to gateways, and see what each was given and runs with."""

from pathlib import Path

from gateway.core.trial import SettingsPut
from gateway.errors import ConfigError
from gateway.merging import Misfit, read
from sync import messages
from sync.hq import orders
from sync.hq.file import Db, Row, must_be_made
from sync.hq.ledger import Ledger
from sync.settings import ALL


def push(db: Db, path: Path, gateway: str, window_ms: int) -> tuple[str, int]:
    """Record settings for one gateway ("tenant/store/id") or "all"; their id, and the version. Raises ConfigError."""
    document = b"".join(orders.lines(path)).decode(errors="replace")
    found = read(document)
    if isinstance(found, Misfit):
        where = f": {found.place}" if found.place else ""
        raise ConfigError(f"{path}{where}: expected settings as docs/settings.md has them; found {found.reason}")
    must_be_made(db)
    ledger = Ledger(db)
    try:
        if gateway != ALL:
            orders.chosen(ledger, gateway)
        settings_id = ledger.new_id()[:12]
        put = SettingsPut(settings_id, "" if gateway == ALL else gateway, window_ms, document)
        return settings_id, orders.record(ledger, [messages.op_of(put)])
    finally:
        ledger.close()


def listed(db: Db) -> list[Row]:
    """Every gateway with what it was to run with and what it tells (sync.hq.settings)."""
    must_be_made(db)
    ledger = Ledger(db)
    try:
        return [{"gateway": "/".join(place)} | told for place, told in sorted(ledger.settings_told().items())]
    finally:
        ledger.close()
