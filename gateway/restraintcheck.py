"""Whether one person was left in peace: the rules of restraint, worked out a second time from the log of what happened.

It shares no rule with the code that decides: windows are counted from the log, the shop's hours come from `zoneinfo`,
and who is left out for comparison is computed from the published form of the hash. Pure.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from gateway.core.model import Offer, ShopConfig
from gateway.core.spans import DAY_MS

How = Literal["beacon", "tap", "card", "till", "phone"]  # only a beacon speaks unasked
_REMEMBERED_MS = 30 * DAY_MS  # contacts that are older say nothing of whether somebody answers
_MOST_DOUBLINGS = 10
_COUNTED = {"impressions": "", "acceptances": "accepted", "redemptions": "redeemed"}


class Moment(NamedTuple):
    """One thing that happened to a person. `said`: the offers; without any, `reasons` (candidate, code) say why.

    `answer`: this is no contact, but what the person did about `said`.
    """

    at_ms: int
    how: How
    placement: str
    said: tuple[str, ...]
    reasons: tuple[tuple[str, str], ...] = ()
    answer: Literal["", "accepted", "dismissed", "redeemed"] = ""


class Breach(NamedTuple):
    """A rule that was broken, and when."""

    rule: str
    at_ms: int


@dataclass(slots=True)
class Log:
    """What the checker remembers of one person while it reads, each list by time."""

    contacts: list[tuple[int, bool]] = field(default_factory=list)  # when, and whether unasked; a card is one
    in_row: list[int] = field(default_factory=list)  # unasked contacts since the last answer or gesture
    of_offer: dict[str, list[Moment]] = field(default_factory=dict)


def check(moments: Sequence[Moment], member_id: str, shop: ShopConfig, offers: Iterable[Offer]) -> Iterator[Breach]:
    """Every rule that was broken in one person's time, in its order. `moments` by time."""
    catalogue = {offer.offer_id: offer for offer in offers}
    zone = ZoneInfo(shop.restraint.time_zone)
    log = Log()
    for one in moments:
        if one.answer:
            if one.answer != "dismissed":
                log.in_row.clear()
        elif one.said:
            if one.how == "beacon":
                yield from _unasked(one, log, shop, zone)
            for offer_id in one.said:
                yield from _offer(one, catalogue[offer_id], log, member_id, shop, zone, catalogue)
            if one.how == "beacon":
                log.in_row.append(one.at_ms)
            else:
                log.in_row.clear()
            log.contacts.append((one.at_ms, one.how == "beacon"))
        elif not any(code for _, code in one.reasons):
            yield Breach("row_without_reason", one.at_ms)
        for offer_id in one.said:
            log.of_offer.setdefault(offer_id, []).append(one)
    yield from _windows([at_ms for at_ms, unasked in log.contacts if unasked], shop.contacts_per_day)


def fullest(moments: Sequence[Moment]) -> tuple[int, int]:
    """The most contacts, and the most unasked ones, in any 24 hours."""
    shown = [one for one in moments if one.said and not one.answer]
    return (
        _most([one.at_ms for one in shown]),
        _most([one.at_ms for one in shown if one.how == "beacon"]),
    )


def held_out(share_bp: int, salt: str, said: str) -> bool:
    """By the published form: the first 8 bytes of HMAC-SHA256, big endian, modulo 10,000."""
    first = hmac.new(salt.encode(), said.encode(), hashlib.sha256).digest()[:8]
    return bool(salt) and int.from_bytes(first, "big") % 10_000 < share_bp


def _unasked(one: Moment, log: Log, shop: ShopConfig, zone: ZoneInfo) -> Iterator[Breach]:
    rules = shop.restraint
    clock = datetime.fromtimestamp(one.at_ms // 1_000, zone)
    minute = clock.hour * 60 + clock.minute
    quiet = rules.quiet_from_min <= minute < rules.quiet_until_min
    if rules.quiet_from_min > rules.quiet_until_min:
        quiet = not rules.quiet_until_min <= minute < rules.quiet_from_min
    if quiet:
        yield Breach("quiet_hours", one.at_ms)
    # Of every channel, those that were asked for too: they use up the budget, and are never refused by it.
    if sum(one.at_ms - at_ms < DAY_MS for at_ms, _ in log.contacts) >= shop.contacts_per_day:
        yield Breach("budget", one.at_ms)
    if log.contacts and one.at_ms - log.contacts[-1][0] < shop.contact_gap_ms:
        yield Breach("gap", one.at_ms)
    row = [at_ms for at_ms in log.in_row if one.at_ms - at_ms < _REMEMBERED_MS]
    if rules.backoff_ms and len(row) >= rules.ignored:
        silence_ms = rules.backoff_ms * 2 ** min(len(row) - rules.ignored, _MOST_DOUBLINGS)
        if one.at_ms - row[-1] < silence_ms:
            yield Breach("back_off", one.at_ms)


def _offer(
    one: Moment,
    offer: Offer,
    log: Log,
    member_id: str,
    shop: ShopConfig,
    zone: ZoneInfo,
    catalogue: dict[str, Offer],
) -> Iterator[Breach]:
    past = log.of_offer.get(offer.offer_id, [])
    if offer.audience == "members":
        rules = shop.restraint
        if held_out(rules.holdout_bp, rules.holdout_salt, member_id):
            yield Breach("hold_out", one.at_ms)
        if held_out(offer.control_bp, rules.holdout_salt, f"{offer.offer_id}\n{member_id}"):
            yield Breach("hold_out_of_offer", one.at_ms)
    for cap in offer.caps:
        counted = [it for it in past if it.answer == _COUNTED[cap.what]]
        if cap.per == "placement":
            counted = [it for it in counted if it.placement == one.placement]
        if cap.calendar:
            times = sum(_same(cap.calendar, it.at_ms, one.at_ms, zone) for it in counted)
        else:
            times = sum(one.at_ms - it.at_ms < cap.period_ms for it in counted)
        if times >= cap.limit:
            yield Breach("cap", one.at_ms)
    shown = sum(not it.answer and one.at_ms - it.at_ms < DAY_MS for it in past)
    if offer.cap_per_member is not None and shown >= offer.cap_per_member:
        yield Breach("cap", one.at_ms)
    waits = {"": offer.pause.shown_ms, "dismissed": offer.pause.dismissed_ms, "redeemed": offer.pause.redeemed_ms}
    if any(one.at_ms - it.at_ms < waits.get(it.answer, 0) for it in past):
        yield Breach("pause", one.at_ms)
    for other_id, theirs in log.of_offer.items():
        if other_id == offer.offer_id or not set(offer.groups) & set(catalogue[other_id].groups):
            continue
        if any(it.answer != "dismissed" and one.at_ms - it.at_ms < DAY_MS for it in theirs):
            yield Breach("group", one.at_ms)


def _same(calendar: str, former_ms: int, now_ms: int, zone: ZoneInfo) -> bool:
    """Whether both are of the same day, week (from Monday) or month of the shop."""
    former, now = (datetime.fromtimestamp(at_ms // 1_000, zone) for at_ms in (former_ms, now_ms))
    if calendar == "day":
        return former.date() == now.date()
    if calendar == "week":
        return former.isocalendar()[:2] == now.isocalendar()[:2]
    return (former.year, former.month) == (now.year, now.month)


def _windows(instants: Sequence[int], most: int) -> Iterator[Breach]:
    """Every window of 24 hours: it is enough to look at those that begin with a contact."""
    end = 0
    for start, from_ms in enumerate(instants):
        while end < len(instants) and instants[end] - from_ms < DAY_MS:
            end += 1
        if end - start > most:
            yield Breach("window", from_ms)


def _most(instants: Sequence[int]) -> int:
    most = end = 0
    for start, from_ms in enumerate(instants):
        while end < len(instants) and instants[end] - from_ms < DAY_MS:
            end += 1
        most = max(most, end - start)
    return most
