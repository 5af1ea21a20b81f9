"""What is remembered of a database that was made anew."""

from gateway.records import Tx
from gateway.tables.mended import Mended

MENDED = Mended(5, "copy", {"outbox": 3}, {"audit": 1}, ("play",))


def test_it_is_in_pieces_until_headquarters_has_sent_the_rest(tx: Tx) -> None:
    assert tx.mended() is None and not tx.is_in_pieces
    tx.make_whole()
    assert tx.mended() is None
    tx.note_mended(MENDED)
    assert tx.mended() == MENDED and tx.is_in_pieces
    tx.note_withdrawals(b"\x01" * 16, 4)
    tx.make_whole()
    mended = tx.mended()
    assert mended is not None and mended.whole and not tx.is_in_pieces
    assert tx.withdrawals_noted == (None, 0)  # so the next start reads all of the ledger
