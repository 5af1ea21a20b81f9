"""Publishes a bundle or a brand: first its files, then the ops that name them; then files go that nothing names."""

from contextlib import closing
from pathlib import Path

from gateway.errors import ConfigError
from sync.hq import blobs, bundles, orders
from sync.hq.bundles import Bundle
from sync.hq.file import Db
from sync.hq.ledger import Ledger


def publish_content(db: Db, folder: Path, now_ms: int, *, empty: bool = False) -> tuple[int, int, tuple[str, ...]]:
    """Record a folder as what screens show between offers: how many items, the version then, and doubts. `empty`: none
    may be left. Raises ConfigError, and then nothing is recorded."""
    with closing(Ledger(db)) as ledger:
        bundle = bundles.read_content(folder, set(ledger.config().get("zones") or {}), now_ms)
        count = sum(len(op["body"]["items"]) for op in bundle.ops)
        if not count and not empty:
            raise ConfigError(f"{folder}: expected an [[item]], or --empty; found none, and all would go")
        return count, _publish(ledger, bundle), bundle.doubts


def publish_brand(db: Db, path: Path) -> int:
    """Record a brand file for all shops; the version then. Raises ConfigError likewise."""
    bundle = bundles.read_brand(path)
    with closing(Ledger(db)) as ledger:
        return _publish(ledger, bundle)


def _publish(ledger: Ledger, bundle: Bundle) -> int:
    try:
        for ref, path in bundle.files:
            blobs.put(ledger.folder, path, ref)
    except OSError as error:
        raise ConfigError(f"nothing was recorded: {error}") from None
    version = orders.record(ledger, bundle.ops)
    blobs.drop_others(ledger.folder, ledger.wanted_files())
    return version
