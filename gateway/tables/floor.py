"""The floor plan that the installer drew: one value, with a number that rises at each change."""

import json

from gateway.core.floor import Floor, floor_of, plain
from gateway.tables.rows import Rows, as_json

_FLOOR, _REVISION = "floor", "floor_revision"


class FloorPlan(Rows):
    """Kept in `meta`: where things hang says nothing of anybody, and stays as long as the box does."""

    def floor(self) -> Floor | None:
        """The plan, None while none was drawn."""
        body = self.meta(_FLOOR)
        return None if body is None else floor_of(json.loads(body))

    @property
    def floor_revision(self) -> int:
        """0 = none was drawn."""
        return int(self.meta(_REVISION) or 0)

    def put_floor(self, floor: Floor, revision: int) -> bool:
        """Keep the plan that was made from `revision`; False = somebody changed it meanwhile, and that one stays."""
        if revision != self.floor_revision:
            return False
        self.put_meta(_FLOOR, as_json(plain(floor)))
        self.put_meta(_REVISION, str(revision + 1))
        return True
