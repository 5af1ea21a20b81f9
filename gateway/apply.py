"""Applies HQ's changes inside one transaction and says whom and what they touched, so that the path can act at once."""

from collections import Counter

from gateway.core.brand import BrandPut
from gateway.core.changes import (
    MAX_OFFERS,
    BalancePut,
    BindingDrop,
    BindingPut,
    Booked,
    CataloguePart,
    Change,
    ConfigPut,
    ConsentAdd,
    ConsentPark,
    ConsentRestore,
    CouponsPut,
    CouponUsed,
    CredentialDrop,
    CredentialPut,
    Delta,
    KeyDrop,
    KeyPut,
    LearningPut,
    LeasePut,
    MemberErase,
    MemberPut,
    OfferDrop,
    OfferPut,
    OfferRefused,
    PointsPut,
    PricesPut,
    PurchasesPut,
    ScanPut,
    SegmentsPut,
    SegmentsRefused,
    StaffPut,
    StockPut,
)
from gateway.core.consent import BELIEVED_MS, CLOCK_SLACK_MS, Consents, recognisable
from gateway.core.content import ContentPut, ContentRefused
from gateway.core.identity import static_digest
from gateway.core.keyring import Sealed
from gateway.core.model import AgeGate, ConsentState, Credential, CredentialKind, Event, Purpose
from gateway.core.onetime import code_digest
from gateway.core.trial import Fault, SettingsPut, SettingsRefused
from gateway.errors import PeerError
from gateway.records import Tx
from gateway.tables.consents import SYNCHRONISED
from gateway.touched import Recognised, Touched

# HQ numbers one by one, and jumps by about its own version after it was restored. A larger jump would put the line
# of versions out of reach for ever.
MAX_STEP = 1_000_000_000

# The key under which it is kept since when headquarters shows an earlier time than was shown: its time, and ours.
EARLIER = "hq_earlier"


def apply(tx: Tx, delta: Delta, site_key: bytes, now_ms: int, gateway: str = "") -> Touched:
    """Apply a delta whole, or not at all if it does not follow on what is here.

    `gateway`: our own "tenant/store/id"; keys that are sealed for another one are passed over.
    """
    touched = Touched(version=delta.version)
    if delta.version - delta.parent > MAX_STEP:
        raise PeerError("version_jump")
    fits = tx.place_delta(delta)
    have = tx.hq_version
    if delta.version <= have or delta.parent != have or not fits:
        touched.outcome = "stale" if delta.version <= have else "gap"
        return touched
    if delta.without is not None:
        tx.left_out_members()
    for change in delta.changes:
        member_id = _about(change)
        if member_id is not None and tx.is_erased(member_id):
            touched.suppressed += 1
        elif isinstance(change, KeyPut | KeyDrop | BindingPut | BindingDrop):
            _apply_secret(tx, change, site_key, gateway, touched)
        elif isinstance(change, CouponsPut):
            tx.put_coupon_rules(change)
        elif isinstance(change, StaffPut):
            tx.put_staff(change, site_key)
            touched.staff = True
        elif isinstance(change, PointsPut):
            tx.put_points_policy(change.policy)
        elif isinstance(change, BalancePut):
            tx.put_balance(change, gateway)
        elif isinstance(change, PricesPut | ScanPut):
            _apply_prices(tx, change, touched)
        elif isinstance(change, CouponUsed):
            if not tx.put_coupon_used(change):
                touched.counts.append("coupon.too_many_used")
        elif isinstance(change, Booked):
            if change.gateway == gateway and tx.end_doubt(change):
                touched.counts.append("redemption.doubt_ended")
        elif isinstance(change, LeasePut):
            if change.gateway == gateway and not tx.put_lease(change):
                touched.counts.append("lease.too_many")
        elif isinstance(change, StockPut):
            if change.gateway == gateway and not tx.put_stock(change):
                touched.counts.append("stock.too_many")
        elif isinstance(change, ContentPut | BrandPut):
            tx.put_content(change)
            touched.content = True
        elif isinstance(change, SettingsPut):
            if change.gateway in ("", gateway):
                touched.settings = tx.want_settings(change) or touched.settings
        else:
            _apply_one(tx, change, site_key, now_ms, touched)
    _tell_refused(tx, delta, now_ms, touched)
    if touched.catalogue:
        for event in tx.withheld_news(now_ms):
            tx.emit(event)
    tx.purge_bindings(now_ms)
    for member_id in touched.members | touched.erased:
        touched.recognised[member_id] = recognised(tx, member_id, now_ms)
    tx.put_meta("hq_version", str(delta.version))
    unsure = tx.meta("clock") != SYNCHRONISED  # a synchronised clock knows better than the way from headquarters
    if unsure and delta.at_ms and _hear_time(tx, delta.at_ms, now_ms):
        touched.counts.append("clock.floor_lowered")
    return touched


def _tell_refused(tx: Tx, delta: Delta, now_ms: int, touched: Touched) -> None:
    """Tell headquarters what of the delta was passed over."""
    for refused in delta.refused:
        why = {"reason": refused.reason, "field": refused.field}
        if isinstance(refused, SegmentsRefused):
            tx.emit(Event("segments.refused", now_ms, why))
            touched.refused_segments += 1
        elif isinstance(refused, SettingsRefused):
            tx.tell_settings("refused", refused.settings_id, [Fault(refused.reason)], now_ms, refused.field)
        elif isinstance(refused, ContentRefused):
            tx.emit(Event(f"{refused.what}.refused", now_ms, why))
            touched.counts.append(f"{refused.what}.refused")
        else:
            _refuse_offer(tx, refused, now_ms, touched)


def _hear_time(tx: Tx, at_ms: int, now_ms: int) -> bool:
    """Follow headquarters' time; whether that lowered the latest time that was shown.

    An earlier one counts after BELIEVED_MS in which it went as our own clock did: so one wrong time does not stop the
    shop for good, and old deltas that come again lower nothing.
    """
    if at_ms >= tx.floor_ms - CLOCK_SLACK_MS:
        tx.drop_meta(EARLIER)
        tx.show_time(at_ms)
        return False
    since = tx.meta(EARLIER)
    first_at_ms, first_now_ms = map(int, since.split()) if since is not None else (at_ms, now_ms)
    passed_ms = at_ms - first_at_ms
    if since is None or abs(passed_ms - (now_ms - first_now_ms)) > CLOCK_SLACK_MS:
        tx.put_meta(EARLIER, f"{at_ms} {now_ms}")
        return False
    if passed_ms < BELIEVED_MS:
        return False
    tx.drop_meta(EARLIER)
    tx.put_meta("floor_ms", str(at_ms))
    return True


def _about(change: Change) -> str | None:
    """The member about whom a change says something, None for an erasure and for what is nobody's."""
    match change:
        case MemberPut(member):
            return member.member_id
        case ConsentAdd(record):
            return record.member_id
        case MemberErase():
            return None
    member_id: str | None = getattr(change, "member_id", None)  # every other change that is about somebody says so
    return member_id


def taken_from(delta: Delta) -> set[str]:
    """Members to whom this delta denies something: to be obeyed even while the disk cannot take it."""
    found = set()
    for change in delta.changes:
        if isinstance(change, ConsentAdd) and change.record.state is not ConsentState.GIVEN:
            found.add(change.record.member_id)
        elif isinstance(change, MemberErase | ConsentRestore) or (isinstance(change, ConsentPark) and denies(change)):
            found.add(change.member_id)
    return found


def denies(park: ConsentPark) -> bool:
    """Whether a consent that can't be read takes something away, as far as it says."""
    return park.purpose in list(Purpose) and park.state != ConsentState.GIVEN


def recognised(tx: Tx, member_id: str, now_ms: int) -> Recognised:
    """The credentials of a member that the resolver may hold now."""
    return _recognised(tx, tx.credentials(member_id), tx.consents(member_id), now_ms)


def recognised_after(tx: Tx, member_id: str, limit: int, now_ms: int) -> dict[str, Recognised]:
    """The same for the next members, in the order of their ids, who hold a credential; empty at the end."""
    return {
        holder: _recognised(tx, credentials, consents, now_ms)
        for holder, credentials, consents in tx.holders_after(member_id, limit)
    }


def _recognised(tx: Tx, credentials: tuple[Credential, ...], consents: Consents, now_ms: int) -> Recognised:
    found = []
    for credential in credentials:
        if credential.kind is CredentialKind.RPA and not tx.is_staff(credential.member_id):
            continue
        verdict = recognisable(credential.kind, consents, now_ms)
        if verdict.ok or verdict.from_ms > now_ms:  # a grant from the future counts once its time has come
            found.append((credential, verdict.from_ms, verdict.until_ms))
    return tuple(found)


def apply_member(tx: Tx, change: Change, site_key: bytes, gateway: str, now_ms: int, touched: Touched) -> None:
    """One change of a snapshot, which is about a member; of somebody who was erased it changes nothing."""
    member_id = _about(change)
    if member_id is None or tx.is_erased(member_id):
        touched.suppressed += 1
    elif isinstance(change, BalancePut):
        tx.put_balance(change, gateway)
    else:
        _apply_one(tx, change, site_key, now_ms, touched)


def _apply_secret(
    tx: Tx, change: KeyPut | KeyDrop | BindingPut | BindingDrop, site_key: bytes, gateway: str, touched: Touched
) -> None:
    match change:
        case BindingPut():
            digest = code_digest(site_key, change.code)
            tx.put_binding(change.binding_id, change.member_id, digest, change.valid_until_ms)
        case BindingDrop(binding_id):
            tx.spend_binding(binding_id)
            touched.bindings.add(binding_id)
        case KeyPut() if change.gateway == gateway:
            tx.put_terminal_key(Sealed(change.key_id, change.use, change.from_ms, change.until_ms, change.sealed))
            touched.keys = True
        case KeyDrop() if change.gateway == gateway:
            tx.drop_terminal_key(change.key_id)
            touched.keys = True


def _apply_prices(tx: Tx, change: PricesPut | ScanPut, touched: Touched) -> None:
    if isinstance(change, ScanPut):
        tx.put_scan_rules(change.rules)
        return
    touched.catalogue = True
    if not tx.put_prices(change):
        touched.counts.append("prices.too_many")


def _apply_one(tx: Tx, change: Change, site_key: bytes, now_ms: int, touched: Touched) -> None:
    match change:
        case MemberPut(member):
            tx.put_member(member)
            touched.members.add(member.member_id)
            if member.age is AgeGate.UNDER_16:
                tx.drop_purchases(member.member_id)
                touched.cleared.add(member.member_id)
        case MemberErase(member_id):
            touched.bindings |= tx.bindings_of(member_id)
            tx.erase_member(member_id, 0, now_ms)
            touched.erased.add(member_id)
            touched.cleared.add(member_id)
        case CredentialPut():
            owner = tx.owner(change.credential_id)
            tx.put_credential(_sealed(change, site_key))
            touched.members.add(change.member_id)
            if owner is not None and owner != change.member_id:  # handed on: its former owner is known by it no more
                touched.members.add(owner)
                touched.cleared.add(owner)
        case CredentialDrop(credential_id):
            owner = tx.owner(credential_id)
            tx.drop_credential(credential_id)
            if owner is not None:
                touched.members.add(owner)
                touched.cleared.add(owner)
        case ConsentAdd() | ConsentPark() | ConsentRestore():
            _apply_consent(tx, change, now_ms, touched)
        case PurchasesPut(member_id, purchases):
            if not tx.put_purchases(member_id, purchases, now_ms):
                touched.counts.append("purchases.refused")
        case OfferPut(offer):
            if tx.has_room_for(offer.offer_id, MAX_OFFERS):
                _try_offers(tx, "", now_ms, touched)
                tx.put_offer(offer)
                touched.catalogue = True
            else:
                _refuse_offer(tx, OfferRefused(offer.offer_id, "too_many"), now_ms, touched)
        case OfferDrop(offer_id):
            _try_offers(tx, "", now_ms, touched)
            tx.drop_offer(offer_id)
            tx.forget_offer(offer_id)
            touched.catalogue = True
        case CataloguePart():
            _apply_catalogue(tx, change, now_ms, touched)
        case LearningPut(learning):
            tx.put_learning(learning)
        case SegmentsPut():
            tx.put_segments(change)
            touched.segments = True
        case ConfigPut(config):
            if not tx.take_config(config, touched.version, now_ms):
                touched.counts.append("hq.undone_before")
                return
            touched.shop = True
            touched.members |= tx.look_again(("notice",), now_ms)


def _try_offers(tx: Tx, name: str, now_ms: int, touched: Touched) -> None:
    """Offers change; a shop's first ones have nothing before them, and are not tried."""
    if touched.tries_offers is None:
        touched.tries_offers = tx.has_offers()
    if touched.tries_offers:
        tx.try_catalogue(name, touched.version, now_ms)


def _refuse_offer(tx: Tx, refused: OfferRefused, now_ms: int, touched: Touched) -> None:
    body = {"offer_id": refused.offer_id, "reason": refused.reason, "field": refused.field}
    tx.emit(Event("offer.refused", now_ms, body))
    touched.refused_offers += 1


def _apply_catalogue(tx: Tx, part: CataloguePart, now_ms: int, touched: Touched) -> None:
    """Take in a part; with the last one the whole catalogue replaces the former, or is refused and nothing changes."""
    refused, offers = part.refused, None
    if refused is None:
        try:
            offers = tx.stage(part)
        except PeerError as error:  # a part of it that was kept can't be read
            refused = OfferRefused("", error.reason, error.field)
        twice = [one for one, count in Counter(offer.offer_id for offer in offers or ()).items() if count > 1]
        if twice:
            refused = OfferRefused(twice[0], "twice")
        elif offers is not None and len(offers) > MAX_OFFERS:
            refused = OfferRefused("", "too_many")
    if refused is not None:
        tx.refuse_catalogue(part.catalogue_id)
        touched.counts.append("hq.refused_catalogues")
        body = {"offer_id": refused.offer_id, "reason": refused.reason, "field": refused.field}
        tx.emit(Event("catalogue.refused", now_ms, {"catalogue_id": part.catalogue_id} | body))
    elif offers is not None:
        _try_offers(tx, part.catalogue_id, now_ms, touched)
        for offer_id in tx.replace_offers(offers):
            tx.forget_offer(offer_id)
        touched.catalogue = True
        told = {"catalogue_id": part.catalogue_id, "offers": len(offers)}
        tx.emit(Event("catalogue.applied", now_ms, told))


def _apply_consent(tx: Tx, change: ConsentAdd | ConsentPark | ConsentRestore, now_ms: int, touched: Touched) -> None:
    match change:
        case ConsentAdd(record):
            member_id = record.member_id
            outcome = tx.take_consent(record, now_ms)
            if outcome in ("parked", "differs", "tampered", "full"):
                touched.counts.append(f"consent.{outcome}")
            news = outcome not in ("known", "numbered")  # else it was followed when it first came, or was made here
            if news and record.state is not ConsentState.GIVEN:
                touched.cleared.add(member_id)
                body = {"member_id": member_id, "purpose": record.purpose, "state": record.state}
                tx.emit(Event("consent.applied", now_ms, body))
            elif outcome == "differs":
                touched.cleared.add(member_id)
        case ConsentPark():
            member_id = change.member_id
            tx.park(change.event_id, member_id, change.reason, change.body, denies(change), now_ms)
            touched.counts.append("consent.parked")
            if denies(change):
                touched.cleared.add(member_id)
        case ConsentRestore(member_id, records):
            tx.restore_consents(member_id, records, now_ms)
            touched.cleared.add(member_id)
    tx.end_purchases(member_id, now_ms)
    touched.members.add(member_id)


def _sealed(change: CredentialPut, site_key: bytes) -> Credential:
    secret = change.value if change.kind.keyed else static_digest(site_key, change.kind, change.value)
    return Credential(change.credential_id, change.member_id, change.kind, secret, change.exponent, change.clock_zero_s)
