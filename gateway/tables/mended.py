"""What is remembered of a database that was damaged and made anew from what could be read of it."""

import json
from dataclasses import asdict, dataclass

from gateway.tables.rows import Rows, as_json

_MENDED = "mended"


@dataclass(frozen=True, slots=True)
class Mended:
    """`kept`, `dropped`: rows by table; `torn`: tables that could not be read to their end. `keys`: where the data keys
    came from, "file", "copy" or "none" = new ones. `whole`: headquarters has sent the rest again."""

    at_ms: int
    keys: str
    kept: dict[str, int]
    dropped: dict[str, int]
    torn: tuple[str, ...]
    whole: bool = False


class MendedRow(Rows):
    """Stands in `meta`."""

    def mended(self) -> Mended | None:
        """The last time; None = never."""
        kept = self.meta(_MENDED)
        return None if kept is None else mended_of(kept)

    @property
    def is_in_pieces(self) -> bool:
        """Whether headquarters has not sent everything again since; until then nobody is to be recognised."""
        mended = self.mended()
        return mended is not None and not mended.whole

    def note_mended(self, mended: Mended) -> None:
        self.put_meta(_MENDED, as_json(asdict(mended)))

    def make_whole(self) -> None:
        """Headquarters has sent everything again. The next start compares all of it with the ledger of withdrawals."""
        mended = self.mended()
        if mended is not None:
            self.put_meta(_MENDED, as_json(asdict(mended) | {"whole": True}))
            self.drop_meta("withdrawals")


def mended_of(kept: str) -> Mended:
    """As it stands in `meta`."""
    values = json.loads(kept)
    return Mended(**(values | {"torn": tuple(values["torn"])}))
