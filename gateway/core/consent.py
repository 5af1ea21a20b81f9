"""The consent gate: may this member's data be used for this purpose now? A "no" is a value with a reason."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from gateway.core.model import AgeGate, ClockQuality, ConsentRecord, ConsentState, CredentialKind, Purpose

_NO = (ConsentState.WITHDRAWN, ConsentState.REFUSED, ConsentState.EXPIRED)
_PURPOSES = frozenset(Purpose)

# A clock this far below the latest time that was ever shown is wrong. NTP corrects by less, two clocks differ by less.
CLOCK_SLACK_MS = 300_000
# A synchronised clock or headquarters that shows an earlier time for so long is right, and what showed the later one
# was not.
BELIEVED_MS = 3_600_000

Consents = Mapping[Purpose, ConsentRecord]  # the record in force per purpose; a missing purpose was never given


@dataclass(frozen=True, slots=True, eq=False)
class Standing(Mapping[Purpose, ConsentRecord]):
    """The records in force of one member, and what else a yes depends on.

    `tampered`: the log was changed from outside, so nothing counts. `floor_ms`: the latest time that a synchronised
    clock or headquarters has shown. `notices`: (version, language) -> SHA-256 of the text, as far as it is known
    here. `parked`: why a record is not followed yet, by purpose.
    """

    records: Mapping[Purpose, ConsentRecord] = field(default_factory=dict)
    tampered: bool = False
    age: AgeGate = AgeGate.UNKNOWN
    child_programme: bool = False
    floor_ms: int = 0
    notices: Mapping[tuple[str, str], str] = field(default_factory=dict)
    parked: Mapping[Purpose, str] = field(default_factory=dict)

    def __getitem__(self, purpose: Purpose) -> ConsentRecord:
        return self.records[purpose]

    def __iter__(self) -> Iterator[Purpose]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)


_NOTHING_ELSE = Standing()


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is a stable code such as "consent.withdrawn"; a "yes" holds from `from_ms` until `until_ms`, None = no
    end. A "no" with a `from_ms` in the future becomes a "yes" by then."""

    ok: bool
    reason: str
    until_ms: int | None = None
    from_ms: int = 0


def in_force(records: Iterable[ConsentRecord]) -> dict[Purpose, ConsentRecord]:
    """The record in force per purpose. `records` stand in the order of the log; among those that headquarters has
    numbered it never matters, because their numbers count.

    A withdrawal wins over every grant that is not newer both by headquarters' sequence and by the member's own act.
    An act of this shop has no number yet. A withdrawal so made wins over every grant with a number, because it will
    get a higher one; if a clock dated it ahead, it gets an earlier time as well. A grant so made is newer by sequence
    than what the log held when it was made, and than nothing else, until it comes back with its number. The two copies
    of an act are one; copies that say different things are no grant at all, and a grant that headquarters calls
    superseded is void.
    """
    by_purpose: dict[Purpose, list[tuple[int, ConsentRecord]]] = {}
    for place, record in enumerate(_acts(list(records))):
        if record.state is not ConsentState.SUPERSEDED:
            by_purpose.setdefault(record.purpose, []).append((place, record))
    return {purpose: _strongest(entries) for purpose, entries in by_purpose.items()}


def may(purpose: Purpose | str, consents: Consents, now_ms: int) -> Verdict:
    """Whether `purpose` is given at `now_ms`. Of `consents` that are no Standing, the records alone are known."""
    if purpose not in _PURPOSES:
        return Verdict(False, "consent.unknown_purpose")
    purpose = Purpose(purpose)
    standing = consents if isinstance(consents, Standing) else _NOTHING_ELSE
    if standing.tampered:
        return Verdict(False, "consent.tampered")
    record = consents.get(purpose)
    if record is None:
        return Verdict(False, f"consent.{standing.parked.get(purpose, 'not_given')}")
    if record.state is not ConsentState.GIVEN:
        return Verdict(False, f"consent.{record.state}")
    doubt = _doubt(record, standing, now_ms)
    if doubt is not None:
        return Verdict(False, f"consent.{doubt}")
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


def is_same_act(one: ConsentRecord, other: ConsentRecord) -> bool:
    """Whether two records of one event say the same; headquarters' number is not part of what they say, nor is how far
    ahead a clock dated a no that headquarters numbered as of an earlier time."""
    if one == other:
        return True
    if one.state in _NO and (one.hq_seq == 0) is not (other.hq_seq == 0):
        told, numbered = (one, other) if one.hq_seq == 0 else (other, one)
        if numbered.given_at_ms < told.given_at_ms:
            one, other = numbered, replace(told, given_at_ms=numbered.given_at_ms)
    return replace(one, hq_seq=0) == replace(other, hq_seq=0)


def is_void(copies: Iterable[ConsentRecord], record: ConsentRecord) -> bool:
    """Whether `record` is headquarters' word that the grants which `copies` are do not count."""
    return record.state is ConsentState.SUPERSEDED and all(
        copy.state is ConsentState.GIVEN and copy.purpose is record.purpose for copy in copies
    )


def shows_other_notice(record: ConsentRecord, notices: Mapping[tuple[str, str], str]) -> bool:
    """Whether the text that was shown is known to be another than the version that the record names."""
    if not record.notice_sha256:
        return False
    known = notices.get((record.notice_version, record.language))
    return known is not None and known != record.notice_sha256


def _doubt(record: ConsentRecord, standing: Standing, now_ms: int) -> str | None:
    """Why a grant does not count, whatever its times say."""
    ages = (standing.age, record.age_gate)
    if AgeGate.UNDER_16 in ages or (standing.child_programme and not any(age.known for age in ages)):
        return "age"
    if shows_other_notice(record, standing.notices):
        return "notice"
    undated = record.hq_seq == 0 and record.clock is not ClockQuality.SYNCHRONISED
    if undated or now_ms < standing.floor_ms - CLOCK_SLACK_MS:
        return "clock_in_doubt"
    return None


def _acts(records: list[ConsentRecord]) -> Iterable[ConsentRecord]:
    """One record for each act, where it first stood in the log."""
    if len({record.event_id for record in records}) == len(records):
        return records
    return _merged(records)


def _merged(records: list[ConsentRecord]) -> Iterator[ConsentRecord]:
    acts: dict[str, list[ConsentRecord]] = {}
    for record in records:
        acts.setdefault(record.event_id, []).append(record)
    contradicted: list[ConsentRecord] = []
    for copies in acts.values():
        first = min(copies, key=_counts_first)
        if all(is_same_act(first, copy) for copy in copies):
            numbers = [copy.hq_seq for copy in copies if copy.hq_seq] or [0]
            number = min(numbers) if first.state is ConsentState.GIVEN else max(numbers)
            yield first if first.hq_seq == number else replace(first, hq_seq=number)
        else:
            contradicted += _contradicted(copies)
    yield from contradicted  # last in the log: no grant that this shop made counts as made in their knowledge


def _counts_first(copy: ConsentRecord) -> tuple[bool, int]:
    """Headquarters' time counts where there is one, whatever came first."""
    return copy.hq_seq == 0, copy.given_at_ms


def _contradicted(copies: list[ConsentRecord]) -> Iterable[ConsentRecord]:
    copies.sort(key=repr)  # which of them came first tells nothing
    if any(copy.state is ConsentState.SUPERSEDED for copy in copies):
        return (copy for copy in copies if copy.state in _NO)
    return map(_no_grant, copies)


def _no_grant(copy: ConsentRecord) -> ConsentRecord:
    return replace(copy, state=ConsentState.WITHDRAWN) if copy.state is ConsentState.GIVEN else copy


def _strongest(entries: list[tuple[int, ConsentRecord]]) -> ConsentRecord:
    if len(entries) == 1:
        return entries[0][1]
    refusals = [entry for entry in entries if entry[1].state in _NO]
    grants = [
        entry
        for entry in entries
        if entry[1].state is ConsentState.GIVEN and all(_is_newer(entry, refusal) for refusal in refusals)
    ]
    return max((record for _, record in grants or refusals or entries), key=_rank)


def _rank(entry: ConsentRecord) -> tuple[int, int, str, int]:
    """The latest act first; of two that claim to be the same act the one that ends earlier."""
    ends_ms = entry.valid_until_ms if entry.valid_until_ms is not None else 2**63
    return (entry.given_at_ms, entry.hq_seq, entry.event_id, -ends_ms)


def _is_newer(grant: tuple[int, ConsentRecord], refusal: tuple[int, ConsentRecord]) -> bool:
    (grant_place, given), (no_place, no) = grant, refusal
    if given.given_at_ms <= no.given_at_ms:
        return False
    if given.hq_seq:
        return 0 < no.hq_seq < given.hq_seq
    return no_place < grant_place
