"""The consent gate: may this member's data be used for this purpose now? A "no" is a value with a reason."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.core.model import ConsentRecord, ConsentState, CredentialKind, Purpose

_NO = (ConsentState.WITHDRAWN, ConsentState.REFUSED, ConsentState.EXPIRED)

Consents = Mapping[Purpose, ConsentRecord]  # the record in force per purpose; a missing purpose was never given


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is a stable code such as "consent.withdrawn"; a "yes" holds from `from_ms` until `until_ms`, None = no
    end. A "no" with a `from_ms` in the future becomes a "yes" by then."""

    ok: bool
    reason: str
    until_ms: int | None = None
    from_ms: int = 0


def in_force(records: Iterable[ConsentRecord]) -> dict[Purpose, ConsentRecord]:
    """The record in force per purpose, whatever the order in which the records arrived.

    A withdrawal wins over every grant that is not newer both by HQ's sequence and by the member's own act.
    """
    by_purpose: dict[Purpose, list[ConsentRecord]] = {}
    for record in records:
        if record.state is not ConsentState.SUPERSEDED:
            by_purpose.setdefault(record.purpose, []).append(record)
    return {purpose: _strongest(entries) for purpose, entries in by_purpose.items()}


def may(purpose: Purpose, consents: Consents, now_ms: int) -> Verdict:
    """Whether `purpose` is given at `now_ms`."""
    record = consents.get(purpose)
    if record is None:
        return Verdict(False, "consent.not_given")
    if record.state is not ConsentState.GIVEN:
        return Verdict(False, f"consent.{record.state}")
    if now_ms < record.given_at_ms:
        return Verdict(False, "consent.from_the_future", record.valid_until_ms, record.given_at_ms)
    if record.valid_until_ms is not None and now_ms >= record.valid_until_ms:
        return Verdict(False, "consent.expired")
    return Verdict(True, "consent.given", record.valid_until_ms, record.given_at_ms)


def recognisable(kind: CredentialKind, consents: Consents, now_ms: int) -> Verdict:
    """Whether a credential of this kind may be resolved to its member at all."""
    return may(kind.purpose, consents, now_ms)


def given(consents: Consents, now_ms: int) -> tuple[str, ...]:
    """The purposes in force, sorted."""
    return tuple(sorted(purpose.value for purpose in consents if may(purpose, consents, now_ms).ok))


def _strongest(entries: list[ConsentRecord]) -> ConsentRecord:
    refusals = [entry for entry in entries if entry.state in _NO]
    grants = [
        entry
        for entry in entries
        if entry.state is ConsentState.GIVEN and all(_is_newer(entry, refusal) for refusal in refusals)
    ]
    return max(grants or refusals or entries, key=_rank)


def _rank(entry: ConsentRecord) -> tuple[int, int, str, int]:
    """The latest act first; of two that claim to be the same act the one that ends earlier."""
    ends_ms = entry.valid_until_ms if entry.valid_until_ms is not None else 2**63
    return (entry.given_at_ms, entry.hq_seq, entry.event_id, -ends_ms)


def _is_newer(grant: ConsentRecord, refusal: ConsentRecord) -> bool:
    return grant.hq_seq > refusal.hq_seq and grant.given_at_ms > refusal.given_at_ms
