"""Who looked at a member's data or acted for them, when, and by which purposes."""

import json
from collections.abc import Mapping
from typing import Any

from gateway.tables.rows import Rows, as_json


class Audit(Rows):
    """The table `audit`: rows are added, aged out, and erased with their member; never changed."""

    def note(
        self, at_ms: int, member_id: str, actor: str, action: str, purpose: str, detail: Mapping[str, object]
    ) -> None:
        """Append one row; `Tx.audit` does this and tells headquarters too."""
        self._db.execute(
            """INSERT INTO audit (at_ms, kept_from_ms, member_id, actor, action, purpose, detail)
               VALUES (?, ?, ?, ?, ?, ?, ?)""",
            [at_ms, self.kept_from(at_ms), member_id, actor, action, purpose, as_json({**detail})],
        )

    def audits(self, member_id: str) -> list[dict[str, Any]]:
        """All about a member, oldest first: at_ms, actor, action, purposes, detail."""
        rows = self._all(
            "SELECT at_ms, actor, action, purpose, detail, kept_from_ms FROM audit WHERE member_id = ? ORDER BY seq",
            member_id,
        )
        return [
            {
                "at_ms": at_ms,
                "actor": actor,
                "action": action,
                "purposes": purpose.split(),
                "detail": json.loads(detail),
                "kept_from_ms": kept_from_ms,
            }
            for at_ms, actor, action, purpose, detail, kept_from_ms in rows
        ]
