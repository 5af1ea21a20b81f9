"""What a gateway holds after headquarters' changes, in dictionaries: a model to compare deltas and snapshots by."""

from collections.abc import Iterable
from typing import Any

from gateway.core.changes import Change
from sync import messages


class Mirror:
    """Members by id, each with all that is held of them, and everything else by its key."""

    def __init__(self) -> None:
        self.members: dict[str, dict[str, Any]] = {}
        self.rest: dict[str, Any] = {}

    def apply(self, changes: Iterable[Change]) -> None:
        for change in changes:
            op = messages.op_of(change)
            self._apply(op["op"], op["body"])

    def _apply(self, name: str, body: dict[str, Any]) -> None:
        match name:
            case "member.erase":
                self.members.pop(body["member_id"], None)
            case "credential.put":
                self._drop(body["credential_id"])
                self._of(body)[f"credential:{body['credential_id']}"] = body
            case "credential.drop":
                self._drop(body["credential_id"])
            case "consent.add":
                self._of(body)[f"consent:{body['event_id']}"] = body
            case "consent.restore":
                mine = self._of(body)
                for key in [key for key in mine if key.startswith("consent:")]:
                    del mine[key]
                for record in body["records"]:
                    mine[f"consent:{record['event_id']}"] = record
            case "member.put" | "purchases.put" | "balance.put":
                self._of(body)[name] = body
            case _:
                self.rest[f"{name} {next(iter(body.values()))}"] = body

    def _of(self, body: dict[str, Any]) -> dict[str, Any]:
        return self.members.setdefault(body["member_id"], {})

    def _drop(self, credential_id: str) -> None:
        for held in self.members.values():
            held.pop(f"credential:{credential_id}", None)
