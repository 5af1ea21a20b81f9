"""Members and the ways to recognise them."""

from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from gateway.core.model import Credential, CredentialKind, Member
from gateway.tables.rows import Rows, as_json

_MEMBER: TypeAdapter[Member] = TypeAdapter(Member)


class Members(Rows):
    """The tables `member` and `credential`."""

    def member(self, member_id: str) -> Member | None:
        """The profile, or None for an unknown member."""
        row = self._one("SELECT body FROM member WHERE member_id = ?", member_id)
        return None if row is None else _MEMBER.validate_json(row[0])

    def has_member(self, member_id: str) -> bool:
        return self._one("SELECT 1 FROM member WHERE member_id = ?", member_id) is not None

    def put_member(self, member: Member) -> None:
        self._put("member", member_id=member.member_id, body=as_json(asdict(member)))

    def put_credential(self, credential: Credential) -> None:
        """Add or change a credential. What was learned of the device's clock stays while its key does."""
        self._db.execute(
            """INSERT INTO credential (credential_id, member_id, kind, secret, exponent, clock_zero_s)
               VALUES (?, ?, ?, ?, ?, ?)
               ON CONFLICT (credential_id) DO UPDATE SET member_id = excluded.member_id, kind = excluded.kind,
                 exponent = excluded.exponent, clock_zero_s = excluded.clock_zero_s, secret = excluded.secret,
                 offset_s = CASE WHEN secret = excluded.secret AND clock_zero_s = excluded.clock_zero_s
                   THEN offset_s ELSE 0 END""",
            [
                credential.credential_id,
                credential.member_id,
                credential.kind.value,
                credential.secret,
                credential.exponent,
                credential.clock_zero_s,
            ],
        )

    def keep_offset(self, member_id: str, secret: bytes, offset_s: int) -> None:
        """The clock of this member's device was found to be so far ahead of what HQ said."""
        self._db.execute(
            "UPDATE credential SET offset_s = ? WHERE member_id = ? AND secret = ?", [offset_s, member_id, secret]
        )

    def drop_credential(self, credential_id: str) -> None:
        self._db.execute("DELETE FROM credential WHERE credential_id = ?", [credential_id])

    def owner(self, credential_id: str) -> str | None:
        """The member a credential belongs to, or None."""
        row = self._one("SELECT member_id FROM credential WHERE credential_id = ?", credential_id)
        return None if row is None else str(row[0])

    def holder(self, secret: bytes) -> str | None:
        """Whose static credential has this keyed hash. Reads the whole table: only for the rare moment of a binding."""
        row = self._one("SELECT member_id FROM credential WHERE secret = ?", secret)
        return None if row is None else str(row[0])

    def credentials(self, member_id: str) -> tuple[Credential, ...]:
        """All credentials of a member."""
        rows = self._all("SELECT * FROM credential WHERE member_id = ?", member_id)
        return tuple(_credential(row) for row in rows)

    def holders(self, after: str, limit: int) -> dict[str, tuple[Credential, ...]]:
        """The next members who hold a credential, in the order of their ids."""
        rows = self._all(
            "SELECT DISTINCT member_id FROM credential WHERE member_id > ? ORDER BY member_id LIMIT ?", after, limit
        )
        held: dict[str, tuple[Credential, ...]] = {str(row[0]): () for row in rows}
        if rows:
            for row in self._all("SELECT * FROM credential WHERE member_id BETWEEN ? AND ?", rows[0][0], rows[-1][0]):
                held[row[1]] += (_credential(row),)
        return held

    def is_staff(self, member_id: str) -> bool:
        """Whether HQ calls this member a colleague."""
        member = self.member(member_id)
        return member is not None and member.staff


def _credential(row: Any) -> Credential:
    credential_id, member_id, kind, secret, exponent, clock_zero_s, offset_s = row
    return Credential(credential_id, member_id, CredentialKind(kind), secret, exponent, clock_zero_s, offset_s)
