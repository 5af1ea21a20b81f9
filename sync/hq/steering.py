"""What operators do about settings and configurations: push them, and see what each gateway was given and runs with."""

from contextlib import closing
from pathlib import Path

from gateway.core import notice as notices
from gateway.core.localtime import is_known
from gateway.core.model import Notice
from gateway.core.trial import SettingsPut
from gateway.errors import ConfigError, PeerError
from gateway.merging import Misfit, read
from sync import messages
from sync.hq import orders
from sync.hq.file import Db, Row, must_be_made
from sync.hq.ledger import Ledger
from sync.settings import ALL


def push(db: Db, path: Path, gateway: str, window_ms: int) -> tuple[str, int]:
    """Record settings for one gateway ("tenant/store/id") or "all"; their id, and the version. Raises ConfigError."""
    document = read_document(path)
    must_be_made(db)
    with closing(Ledger(db)) as ledger:
        if gateway != ALL:
            orders.chosen(ledger, gateway)
        settings_id = ledger.new_id()[:12]
        put = SettingsPut(settings_id, "" if gateway == ALL else gateway, window_ms, document)
        return settings_id, orders.record(ledger, [messages.op_of(put)])


def push_config(db: Db, path: Path, gateway: str = ALL, *, without_notice: bool = False) -> int:
    """Record the shop configuration that a JSON file holds, for one gateway or "all", for whom it takes the place of
    those of single ones; the version then. `without_notice`: nobody is to be recognised. Raises ConfigError."""
    op = read_config(path, without_notice=without_notice)
    with closing(Ledger(db)) as ledger:
        check_notice(ledger, op)
        if gateway == ALL:
            return orders.record(ledger, [op])
        orders.chosen(ledger, gateway)
        try:
            return ledger.configure(gateway, op)
        except PeerError as error:
            raise ConfigError(f"nothing was recorded: {orders.refusal(error)}") from None


def read_document(path: Path) -> str:
    """The settings in a file. Raises ConfigError."""
    document = b"".join(orders.lines(path)).decode(errors="replace")
    found = read(document)
    if isinstance(found, Misfit):
        where = f": {found.place}" if found.place else ""
        raise ConfigError(f"{path}{where}: expected settings as docs/settings.md has them; found {found.reason}")
    return document


def check_notice(ledger: Ledger, op: Row) -> None:
    """Raises ConfigError where the words of a notice change and not its version, and where shops that recognise people
    would not any more, though nobody said that this is meant."""
    orders.check_notice(ledger, op)
    lacks = _lacks(op["body"])
    if not lacks or op["body"].get("without_notice"):
        return
    if any(not _lacks(config) for config in ledger.configs()):
        raise ConfigError(
            f"nothing was recorded: the notice has no {', '.join(lacks)}, so nobody would be recognised in a shop"
            " that gets it; expected a whole notice (docs/mqtt.md), or --without-notice if that is meant"
        )


def _lacks(config: Row) -> tuple[str, ...]:
    said = config.get("notice") or {}
    version, controller, contact = (str(said.get(name, "")) for name in ("version", "controller", "contact"))
    return notices.missing(Notice(version, controller, contact, text=said.get("text", {})))


def read_config(path: Path, *, without_notice: bool = False) -> Row:
    """A config.put op from a file that holds one JSON object with the fields of ShopConfig. Raises ConfigError."""
    op = orders.read_config(path)
    if without_notice:
        op["body"]["without_notice"] = True
    zone = op["body"].get("restraint", {}).get("time_zone", "UTC")
    if not is_known(zone):
        raise ConfigError(f"{path}: restraint.time_zone: expected an IANA name such as Europe/Berlin; found {zone!r}")
    return op


def listed(db: Db) -> list[Row]:
    """Every gateway with what it was to run with and what it tells (sync.hq.settings)."""
    must_be_made(db)
    with closing(Ledger(db)) as ledger:
        return [{"gateway": "/".join(place)} | told for place, told in sorted(ledger.settings_told().items())]
