"""Headquarters confirms all streams up to a number, for tests that are not about streams."""

from gateway.core.streams import Stream
from gateway.records import Tx
from gateway.store import Store


def confirm(tx: Tx, seq: int) -> bool:
    """As `Tx.acknowledge`, of every stream."""
    told = {stream: tx.acknowledge(stream, seq) for stream in Stream}
    return any(told.values())


async def confirmed(store: Store, seq: int) -> None:
    """As `Store.acknowledge`, of every stream."""
    for stream in Stream:
        await store.acknowledge(stream, seq)
