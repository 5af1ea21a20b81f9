"""Members and the ways to recognise them."""

from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from gateway.core.model import Credential, CredentialKind, Member
from gateway.tables.rows import CREDENTIAL_SECRET, MEMBER_BODY, Rows, as_json

_MEMBER: TypeAdapter[Member] = TypeAdapter(Member)
_KINDS = {kind.value: kind for kind in CredentialKind}

_CREDENTIAL = "SELECT credential_id, member_id, kind, secret, exponent, clock_zero_s, offset_s FROM credential"


class Members(Rows):
    """The tables `member` and `credential`: profiles and the keys of keyed kinds are sealed, static kinds are hashes.

    What does not open is as if it were not there: that member is nobody.
    """

    def member(self, member_id: str) -> Member | None:
        """The profile, or None for an unknown member."""
        row = self._one("SELECT body FROM member WHERE member_id = ?", member_id)
        body = None if row is None else self._open(MEMBER_BODY, row[0], member_id)
        return None if body is None else _MEMBER.validate_json(body)

    def has_member(self, member_id: str) -> bool:
        return self._one("SELECT 1 FROM member WHERE member_id = ?", member_id) is not None

    def put_member(self, member: Member) -> None:
        body = self._seal(MEMBER_BODY, as_json(asdict(member)).encode(), member.member_id)
        self._put("member", member_id=member.member_id, body=body)

    def put_credential(self, credential: Credential) -> None:
        """Add or change a credential. What was learned of the device's clock stays while its key does."""
        credential_id, secret = credential.credential_id, credential.secret
        row = self._one(f"{_CREDENTIAL} WHERE credential_id = ?", credential_id)
        before = None if row is None else self._credential(row)
        same = before is not None and (before.secret, before.clock_zero_s) == (secret, credential.clock_zero_s)
        if credential.kind.keyed:
            secret = self._seal(CREDENTIAL_SECRET, secret, credential_id, credential.member_id)
        self._put(
            "credential",
            credential_id=credential_id,
            member_id=credential.member_id,
            kind=credential.kind.value,
            secret=secret,
            exponent=credential.exponent,
            clock_zero_s=credential.clock_zero_s,
            offset_s=before.offset_s if before is not None and same else 0,
        )

    def keep_offset(self, member_id: str, secret: bytes, offset_s: int) -> None:
        """The clock of this member's device was found to be so far ahead of what HQ said."""
        for credential in self.credentials(member_id):
            if credential.secret == secret:
                self._db.execute(
                    "UPDATE credential SET offset_s = ? WHERE credential_id = ?", [offset_s, credential.credential_id]
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
        found = map(self._credential, self._all(f"{_CREDENTIAL} WHERE member_id = ?", member_id))
        return tuple(credential for credential in found if credential is not None)

    def learned_in(self, table: str, member_id: str) -> list[tuple[bytes, int]]:
        """Secrets and learned offsets of a member in a table that stands beside."""
        rows = self._all(f"{_CREDENTIAL.replace('FROM credential', f'FROM {table}')} WHERE member_id = ?", member_id)
        found = [one for one in map(self._credential, rows) if one is not None]
        return [(one.secret, one.offset_s) for one in found if one.offset_s]

    def holders(self, after: str, limit: int) -> dict[str, tuple[Credential, ...]]:
        """The next members who hold a credential, in the order of their ids."""
        rows = self._all(
            "SELECT DISTINCT member_id FROM credential WHERE member_id > ? ORDER BY member_id LIMIT ?", after, limit
        )
        held: dict[str, tuple[Credential, ...]] = {str(row[0]): () for row in rows}
        if rows:
            for row in self._all(f"{_CREDENTIAL} WHERE member_id BETWEEN ? AND ?", rows[0][0], rows[-1][0]):
                credential = self._credential(row)
                if credential is not None:
                    held[credential.member_id] += (credential,)
        return held

    def is_staff(self, member_id: str) -> bool:
        """Whether HQ calls this member a colleague."""
        member = self.member(member_id)
        return member is not None and member.staff

    def _credential(self, row: Any) -> Credential | None:
        """None if it does not open."""
        credential_id, member_id, word, secret, exponent, clock_zero_s, offset_s = row
        kind = _KINDS[word]
        clear = self._open(CREDENTIAL_SECRET, secret, credential_id, member_id) if kind.keyed else secret
        if clear is None:
            return None
        return Credential(credential_id, member_id, kind, clear, exponent, clock_zero_s, offset_s)
