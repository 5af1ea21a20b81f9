"""What gateways report, taken once: many batches in a few statements, for each is a way to the server and back.

What an event brings to all shops is followed one by one, in the order of the batches; the modules behind Intake do it.
"""

import json
import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.core.changes import MemberErase, OutboxRow
from gateway.core.streams import stream_of
from gateway.errors import PeerError
from sync import messages
from sync.event_messages import EventBatch
from sync.fields import is_id
from sync.hq import settings
from sync.hq.bindings import Bindings
from sync.hq.clones import Clones
from sync.hq.consents import RECORDED, Consents
from sync.hq.enrolments import ENROLLED, PERSONAL, Enrolments
from sync.hq.file import Row, dump
from sync.hq.marks import Held, Marks, Place
from sync.hq.points import CHANGED, Points
from sync.hq.redemptions import TOLD, Redemptions
from sync.hq.settings import SettingsReports
from sync.hq.storage import REFUSALS
from sync.topics import Topics

log = logging.getLogger(__name__)

# Gateways come from topics that anybody with broker access can invent. A chain of 10,000 shops has room for as many
# boxes again, of those that were replaced or set up for a trial; rows, reports and what a session keeps in mind are
# 2 KB each, and a look at all of them takes 60 MB and a second.
MAX_GATEWAYS = 20_000

POINTS = stream_of(CHANGED)  # a step of points counts once its stream is whole up to it
BOUND = "credential.bound"  # the event that a shop tells when somebody used a one-time code
ERASE_ME = "erasure.requested"  # and when somebody asked there to be forgotten
_FOLLOWED = frozenset({BOUND, ENROLLED, RECORDED, ERASE_ME, *TOLD, *settings.TOLD})  # what brings more than its row


class Reported(NamedTuple):
    """A batch, from which gateway, and when it came."""

    where: Topics
    batch: EventBatch
    received_at_ms: int

    @property
    def place(self) -> Place:
        return self.where.tenant, self.where.store, self.where.gateway, self.batch.epoch


class Ingested(NamedTuple):
    """`held`: what of the stream is here. `refused`: why bindings were not followed, and,
    behind "enrolments.", why members were not taken; `unheeded`: why acts of consent were not. `erasures`: what became
    of requests for erasure, "done" or why not. `redeemed`: what is odd about steps of redemptions. `unfollowed`: the
    types of events that are kept, and what they were to bring could not be recorded. `cloned`:
    another event is held under the number of one of these, so there are two boxes. `unnamed`: events that name a member
    in a form that no member's id has, and are kept without it."""

    held: Held
    refused: tuple[str, ...] = ()
    unheeded: tuple[str, ...] = ()
    erasures: tuple[str, ...] = ()
    redeemed: tuple[str, ...] = ()
    unfollowed: tuple[str, ...] = ()
    cloned: bool = False
    unnamed: int = 0

    def counters(self) -> list[str]:
        """The names under which it is counted, of fixed words of ours."""
        return [
            "hq.batches",
            *(f"hq.{reason}" if "." in reason else f"hq.bindings.{reason}" for reason in self.refused),
            *(f"hq.consents.{reason}" for reason in self.unheeded),
            *(f"hq.erasures.{outcome}" for outcome in self.erasures),
            *(f"hq.redemptions.{reason}" for reason in self.redeemed),
            *("hq.unfollowed" for _ in self.unfollowed),
            *(["hq.clone"] if self.cloned else []),
            *("hq.unnamed" for _ in range(self.unnamed)),
        ]


@dataclass(slots=True)
class _Effects:
    """What the events of a batch brought, in words for counters; None = nothing is to be said of one."""

    refused: list[str | None] = field(default_factory=list)
    unheeded: list[str | None] = field(default_factory=list)
    erasures: list[str | None] = field(default_factory=list)
    redeemed: list[str | None] = field(default_factory=list)
    unfollowed: list[str] = field(default_factory=list)
    bound: bool = False
    unnamed: int = 0

    def told(self, held: Held, odd: tuple[str, ...], cloned: bool) -> Ingested:
        refused, unheeded, erasures, redeemed = (
            tuple(one for one in why if one is not None)
            for why in (self.refused, self.unheeded, self.erasures, [*self.redeemed, *odd])
        )
        return Ingested(held, refused, unheeded, erasures, redeemed, tuple(self.unfollowed), cloned, self.unnamed)


class Intake(Bindings, Consents, Enrolments, Redemptions, Points, Marks, Clones, SettingsReports):
    """The table `event`, and what follows from what comes into it."""

    def ingest(self, where: Topics, batch: EventBatch, received_at_ms: int) -> Ingested:
        """Commit a batch, each event once, and with it what it brings to all shops."""
        (done,) = self.ingest_all([Reported(where, batch, received_at_ms)])
        if isinstance(done, PeerError):
            raise done
        return done

    def ingest_all(self, reports: Sequence[Reported]) -> list[Ingested | PeerError]:
        """The same for many in one transaction, with a PeerError in place of each whose gateway is one too many. One
        that is raised is about one of them, and nothing of any is committed."""
        with self._write():
            known = self._saw_all((one.where, one.received_at_ms) for one in reports)
            taken = [one for one in reports if one.where in known]
            news, unnamed = self._store(taken)
            again: list[tuple[Place, OutboxRow, int]] = []
            effects = [self._follow(one, news, again, count) for one, count in zip(taken, unnamed, strict=True)]
            cloned = self._told_others(again)
            marks = self._advance([(one.place, one.batch.stream, one.batch.first, one.batch.last) for one in taken])
            odd = self._count_points(
                [
                    (one.place, before, held.watermark)
                    for one, (before, held) in zip(taken, marks, strict=True)
                    if one.batch.stream is POINTS
                ]
            )
        if any(one.bound or "done" in one.erasures for one in effects):
            self._truncate_log()  # the code is used, the member forgotten, and both stand there still
        points = iter(odd)
        done = iter(
            what.told(held, next(points) if one.batch.stream is POINTS else (), one.place in cloned)
            for one, what, (_, held) in zip(taken, effects, marks, strict=True)
        )
        return [next(done) if one.where in known else PeerError("too_many_gateways") for one in reports]

    def _saw_all(self, seen: Iterable[tuple[Topics, int]]) -> set[Topics]:
        """Note when each gateway was seen, inside a transaction; those that are known now. Others are too many."""
        at_ms = {(where.tenant, where.store, where.gateway): now_ms for where, now_ms in seen}
        found = self._many(
            """SELECT tenant, store, gateway FROM gateway WHERE (tenant, store, gateway) IN (VALUES ...)""",
            at_ms,
        )
        known = {tuple(one) for one in found}
        new = [place for place in at_ms if place not in known]
        if new:
            room = MAX_GATEWAYS - self._one("SELECT count(*) FROM gateway")
            known.update(new[: max(0, room)])
        self._many(
            """INSERT INTO gateway (tenant, store, gateway, last_seen_ms) VALUES ...
               ON CONFLICT (tenant, store, gateway) DO UPDATE SET last_seen_ms = excluded.last_seen_ms""",
            [(*place, now_ms) for place, now_ms in at_ms.items() if place in known],
        )
        return {Topics(*place) for place in known}

    def _store(self, reports: Sequence[Reported]) -> tuple[set[tuple[object, ...]], list[int]]:
        """Insert what is not here yet; place and number of each that was not, and of each report how many are
        `unnamed`."""
        bodies = [[json.loads(row.body) for row in one.batch.rows] for one in reports]
        named = {_member(body) for listed in bodies for body in listed} - {None}
        erasures = [(f"erase:{member_id}",) for member_id in named]
        found = self._many("SELECT key FROM change WHERE key IN (VALUES ...)", erasures)
        erased = {key.removeprefix("erase:") for (key,) in found}
        rows: list[tuple[object, ...]] = []
        for one, listed in zip(reports, bodies, strict=True):
            for row, body in zip(one.batch.rows, listed, strict=True):
                member_id, left_out = _member(body), _left_out(row.type, body)
                kept = {key: value for key, value in body.items() if key not in left_out}
                if row.type == ERASE_ME or member_id in erased:
                    member_id, kept = None, {}  # who asks to be forgotten is for the line of erasures alone
                rows.append((*one.place, row.seq, row.at_ms, one.received_at_ms, row.type, member_id, dump(kept)))
        stored = self._many(
            """INSERT INTO event (tenant, store, gateway, epoch, seq, at_ms, received_at_ms, type, member_id, body)
               VALUES ... ON CONFLICT DO NOTHING RETURNING tenant, store, gateway, epoch, seq""",
            rows,
        )
        return {tuple(one) for one in stored}, [sum(map(_is_unnamed, listed)) for listed in bodies]

    def _follow(
        self, report: Reported, news: set[tuple[object, ...]], again: list[tuple[Place, OutboxRow, int]], unnamed: int
    ) -> _Effects:
        """What the events of a batch bring that are among the `news`, of which they are taken out; the others are added
        to `again`."""
        done = _Effects(unnamed=unnamed)
        for row in report.batch.rows:
            key = (*report.place, row.seq)
            if key not in news:
                again.append((report.place, row, report.received_at_ms))
            elif row.type in _FOLLOWED:
                try:
                    with self._write():
                        self._follow_one(report, row, done)
                except REFUSALS as error:
                    self._leave(report.where, row.type, error, done)
            news.discard(key)
        return done

    def _leave(self, where: Topics, kind: str, error: Exception, done: _Effects) -> None:
        """The event is kept and confirmed: sent once more it would fail once more, with all that share its commit."""
        if kind not in done.unfollowed:  # one line of a batch and type, whoever sends rubbish
            log.warning("%s: %s is kept, and what it brings is not recorded: %s", where.name, kind, error)
        done.unfollowed.append(kind)

    def _follow_one(self, report: Reported, row: OutboxRow, done: _Effects) -> None:
        body: Row = json.loads(row.body)
        where, received_at_ms = report.where, report.received_at_ms
        place, member_id = report.place[:3], _member(body)
        if row.type == ERASE_ME:
            done.erasures.append(self._erase_at(body.get("member_id"), place, received_at_ms))
        elif row.type in TOLD:  # what was redeemed stays, whoever it was
            facts = {key: value for key, value in body.items() if key != "member_id"}
            done.redeemed.append(self._redeemed(row.type, facts, row.at_ms, place))
        elif body and (member_id is None or not self._is_erased(member_id)):
            if row.type == BOUND:
                done.bound = True
                done.refused.append(self._bind(body, row.at_ms, received_at_ms, place))
            elif row.type == ENROLLED:
                done.refused.append(self._enrol(body, received_at_ms, place))
            elif row.type == RECORDED:
                done.unheeded.append(self._take_act(body, received_at_ms, where))
            else:
                self._reported(row.type, body, row.at_ms, place)

    def _erase_at(self, member_id: object, place: tuple[str, str, str], now_ms: int) -> str:
        """Follow a shop's request for erasure inside its transaction: everywhere at once, or when an operator says so.

        The shop is not believed: it asks for members whom it was sent or told of, and for few of them a day. What it
        erased in its own files it has erased, whatever is decided here. Returns "done" or why not, for a counter.
        """
        try:
            change = messages.parse_op({"op": "member.erase", "body": {"member_id": member_id}})
        except PeerError as error:
            return error.reason
        assert isinstance(change, MemberErase)
        why = self._judge(change.member_id, place, now_ms)
        if why == "erased":
            return why
        if why is not None:
            return self._wait(change.member_id, place, now_ms, why)
        self._record(change, now_ms, "/".join(place))
        return "done"


def _member(body: Row) -> str | None:
    """Whom an event is about; None = nobody, or it is no member's id, which no index of a database has to hold."""
    member_id = body.get("member_id")
    return member_id if isinstance(member_id, str) and is_id(member_id) else None


def _is_unnamed(body: Row) -> bool:
    return body.get("member_id") not in (None, "") and _member(body) is None


def _left_out(kind: str, body: Row) -> Collection[str]:
    """What of an event is not kept beside it."""
    named = ("member_id",) if _is_unnamed(body) else ()
    if kind == BOUND:
        return *named, "value"  # it stands in the credential.put
    return (*named, *PERSONAL) if kind == ENROLLED else named
