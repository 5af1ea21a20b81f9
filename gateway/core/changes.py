"""What HQ may change in a shop, one frozen value a change. `sync.messages` parses them, `gateway.flow` applies them."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.core.basket import ScanRules
from gateway.core.brand import BrandPut
from gateway.core.content import ContentPut, ContentRefused
from gateway.core.coupon import PublicKey
from gateway.core.keyring import KeyUse
from gateway.core.learning import Learning
from gateway.core.model import ConsentRecord, CredentialKind, Member, Offer, ShopConfig
from gateway.core.points import Counted, PointsPolicy
from gateway.core.prices import Article
from gateway.core.redemption import CouponClass, Unit
from gateway.core.segment import Segment
from gateway.core.staff import Colleague
from gateway.core.trial import SettingsPut, SettingsRefused
from gateway.core.usual import Purchases


@dataclass(frozen=True, slots=True)
class MemberPut:
    member: Member


@dataclass(frozen=True, slots=True)
class MemberErase:
    """Forget everything about this member."""

    member_id: str


@dataclass(frozen=True, slots=True)
class CredentialPut:
    """Keyed kinds: `value` is the 16-byte key. Static kinds: `value` is the identifier in clear; the gateway keeps only
    its keyed hash. `trackable_wording`: the version of the wording that the member agreed to, for trackable kinds."""

    credential_id: str
    member_id: str
    kind: CredentialKind
    value: bytes
    exponent: int = 10
    clock_zero_s: int = 0
    trackable_wording: str = ""


@dataclass(frozen=True, slots=True)
class CredentialDrop:
    credential_id: str


@dataclass(frozen=True, slots=True)
class ConsentAdd:
    record: ConsentRecord


@dataclass(frozen=True, slots=True)
class ConsentPark:
    """A consent that this release can't read: it waits, and what it denies is obeyed. `purpose` and `state` as they
    came, "" where nothing can be made out; `body` is the op's body as JSON text."""

    event_id: str
    member_id: str
    purpose: str
    state: str
    reason: str  # "unknown_purpose", "unknown_state" or "fields"
    body: str


@dataclass(frozen=True, slots=True)
class ConsentRestore:
    """A member's consents as HQ holds them: a gateway whose own log is broken begins anew with these."""

    member_id: str
    records: tuple[ConsentRecord, ...]


@dataclass(frozen=True, slots=True)
class OfferPut:
    offer: Offer


@dataclass(frozen=True, slots=True)
class OfferDrop:
    offer_id: str


@dataclass(frozen=True, slots=True)
class OfferRefused:
    """An offer of a delta that is passed over: what stood under its id stays, and HQ is told.

    `offer_id` "" = not even that could be read. `reason`: of a PeerError; `field`: only where it is a word of ours.
    """

    offer_id: str
    reason: str
    field: str = ""


# Of one catalogue. A large retailer has some hundreds at a time; deciding among 1,000 is measured. 10 MB.
MAX_OFFERS = 5_000


@dataclass(frozen=True, slots=True)
class CataloguePart:
    """Part `part`, from 1, of the `parts` of a catalogue that replaces all offers at once when all of them are here.

    `refused`: something in it was wrong, so nothing of its catalogue is taken; then the id alone counts, "" = not even
    that could be read.
    """

    catalogue_id: str
    part: int
    parts: int
    offers: tuple[Offer, ...]
    refused: OfferRefused | None = None


@dataclass(frozen=True, slots=True)
class ConfigPut:
    config: ShopConfig


@dataclass(frozen=True, slots=True)
class PurchasesPut:
    """What a member bought, in place of what was known of it; only kept while they agree to `purchase_history`."""

    member_id: str
    purchases: Purchases


@dataclass(frozen=True, slots=True)
class LearningPut:
    """Whether and how is learned from what is taken; it replaces the former whole. Counts stay."""

    learning: Learning


@dataclass(frozen=True, slots=True)
class KeyPut:
    """A reader or terminal key, sealed for one gateway (gateway.core.sealing); others pass over it.

    `gateway`: "tenant/store/id". `use`: gateway.core.keyring.KeyUse. It serves from `from_ms` until `until_ms`.
    """

    gateway: str
    key_id: str
    use: KeyUse
    from_ms: int
    until_ms: int | None
    sealed: bytes


@dataclass(frozen=True, slots=True)
class KeyDrop:
    gateway: str
    key_id: str


@dataclass(frozen=True, slots=True)
class BindingPut:
    """A one-time code (8 digits) that was shown to a member: whoever types it binds the next card to that member."""

    binding_id: str
    member_id: str
    code: str
    valid_until_ms: int


@dataclass(frozen=True, slots=True)
class BindingDrop:
    binding_id: str


@dataclass(frozen=True, slots=True)
class LeasePut:
    """So much of a budget is lent to one gateway ("tenant/store/id"); others pass over it. The same id again can only
    bring its end forward."""

    gateway: str
    lease_id: str
    budget_id: str
    unit: Unit
    amount: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class StockPut:
    """How much of these articles one gateway's shop ("tenant/store/id") has at `at_ms`; others pass over it. None = not
    known. An older word never replaces a newer one. `whole`: of every other article nothing is known any more."""

    gateway: str
    units: Mapping[str, int | None]
    at_ms: int
    whole: bool = False


@dataclass(frozen=True, slots=True)
class CouponsPut:
    """The classes of offers at tills and the keys under which coupons count; it replaces the former whole."""

    classes: tuple[CouponClass, ...] = ()
    keys: tuple[PublicKey, ...] = ()


@dataclass(frozen=True, slots=True)
class SegmentsPut:
    """All running segments; it replaces the former ones whole."""

    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True)
class PointsPut:
    """What brings how many points; it replaces the former whole."""

    policy: PointsPolicy


@dataclass(frozen=True, slots=True)
class BalancePut:
    """A member's points as headquarters has counted them, by a number that rises with each change of this balance.

    `counted`: how far each gateway's own steps are in it; what a gateway did since then it adds itself.
    """

    member_id: str
    points: int
    version: int
    counted: tuple[Counted, ...] = ()


@dataclass(frozen=True, slots=True)
class PricesPut:
    """One part of the price list (core.prices.part_of), in place of what that part held; empty = nothing is left of it.

    `list_version`: of the file from which headquarters made it.
    """

    list_version: int
    part: int
    articles: tuple[Article, ...]


@dataclass(frozen=True, slots=True)
class ScanPut:
    """How the shop handles baskets that customers scan themselves; it replaces the former whole."""

    rules: ScanRules


@dataclass(frozen=True, slots=True)
class CouponUsed:
    """A coupon was redeemed somewhere in the chain, so it counts nowhere any more. Kept until it is surely over."""

    coupon: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class Booked:
    """What headquarters has booked of one gateway's open leases, for a database that was restored from a backup.

    `epoch`: how that database's outbox is called since then. A lease that is not named is not open there any more.
    """

    gateway: str
    epoch: str
    leases: tuple[tuple[str, int], ...] = ()  # id, spent


@dataclass(frozen=True, slots=True)
class StaffPut:
    """All colleagues; it replaces the former ones whole. With none, tablets have no lock."""

    colleagues: tuple[Colleague, ...] = ()


Change = (
    MemberPut
    | MemberErase
    | CredentialPut
    | CredentialDrop
    | ConsentAdd
    | ConsentPark
    | ConsentRestore
    | OfferPut
    | OfferDrop
    | CataloguePart
    | ConfigPut
    | PurchasesPut
    | LearningPut
    | KeyPut
    | KeyDrop
    | BindingPut
    | BindingDrop
    | LeasePut
    | CouponsPut
    | SegmentsPut
    | StockPut
    | PointsPut
    | BalancePut
    | PricesPut
    | ScanPut
    | CouponUsed
    | Booked
    | ContentPut
    | BrandPut
    | StaffPut
    | SettingsPut
)


@dataclass(frozen=True, slots=True)
class SegmentsRefused:
    """A segments.put of a delta that is passed over: the segments before it stay, and HQ is told, as OfferRefused."""

    reason: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Delta:
    """Changes that lead from HQ version `parent` to `version`; applied whole or not at all.

    `refused`: what may be left out, because a bad offer must not hold up a withdrawal behind it.
    `at_ms`: HQ's time when it sent them, 0 = not said. `without`: what concerns members up to this version is left
    out, because the snapshot of this version brings it; None = nothing is.
    """

    parent: int
    version: int
    changes: tuple[Change, ...]
    at_ms: int = 0
    refused: tuple[OfferRefused | SegmentsRefused | ContentRefused | SettingsRefused, ...] = ()
    without: int | None = None


@dataclass(frozen=True, slots=True)
class Erasure:
    """Headquarters' order number `seq` of its line of erasures: forget everything about this member."""

    seq: int
    member_id: str


@dataclass(frozen=True, slots=True)
class Erasures:
    """All erasures that headquarters ordered after number `parent` up to `seq`, by rising number."""

    parent: int
    seq: int
    orders: tuple[Erasure, ...]


DIGEST_BYTES = 16  # two of a million members share one with a probability of 10^-27


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What a ledger beside the database says of somebody, by a keyed hash. `seq`: HQ's number, 0 = none yet."""

    digest: bytes
    seq: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class EraseReceipt:
    """What a shop cleared for order `seq`: rows by table, places by kind of surface; nothing of the member."""

    seq: int
    places: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One event that HQ has not confirmed; `body` is its JSON text."""

    seq: int
    at_ms: int
    type: str
    body: str
