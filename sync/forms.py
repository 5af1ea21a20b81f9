"""The forms of operations' bodies: which fields, of which type, in which bounds. What they say is in sync.ops. Pure."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from gateway.core import trial
from gateway.core.keyring import MAX_MATERIAL_BYTES, KeyUse
from gateway.core.learning import HALF_LIVES, Learning, Prior
from gateway.core.model import AgeGate, ClockQuality, ConsentState, Keep, Purpose, Restraint, ShopConfig
from gateway.core.onetime import CODE_FORM
from gateway.core.sealing import OVERHEAD_BYTES
from gateway.core.spans import DAY_MS
from sync.fields import EXACT, INT64_MAX, MAX_TEXT, ONE_LINE, Category, Gateway, Id, Language, Ms, Said, Text, Word

# Bounds on what one shop page can show; the whole message is bounded to 96 KiB anyway.
MAX_ITEMS = 64  # interests, habits, talking points, zones of an offer
MAX_ZONES = 256  # of a shop
MAX_SEALED = 2_048  # characters of base64
MAX_PREFIXES = 16  # a retailer has one or two addresses on its tags, and some older ones
MAX_NOTICE = 8_000  # characters of a privacy notice; some 3,000 of each language fit one printed page
MAX_NOTICE_LANGUAGES = 4  # 4 x 8,000 characters of up to two bytes are 64 KB of the message's 96 KiB
MAX_CONSENT_DAYS = 3_650
MAX_PARKED_TEXT = 4_000  # characters of a consent that waits; an honest one has 1,000
MAX_WORD = 64  # characters of a purpose or state that nobody knows
MAX_RESTORED = 64  # consents of one member in one op: 64 of at most 1 kB fit it
MAX_CATEGORIES = 64  # that a retailer adds to the two dozen built-in sensitive ones
MAX_KEEP_DAYS = 3_650  # ten years; nothing here has to be kept longer
MAX_STALE_DAYS = 90  # a shop without headquarters for a season serves no one by name
MAX_CAPS = 8  # of one offer: two windows for each of three counts, and some more
MAX_CAP = 1_000  # times, and contacts in a row
MAX_GROUPS = 4
MAX_PERIOD_MS = 90 * DAY_MS  # decisions are kept no longer by default, and what is gone can't be counted
MAX_SEGMENTS = 256  # with 256 names of 60 characters 20 KB
MAX_PRIORS = 300  # some 130 bytes each are 40 of an op's 64 KiB; of very long names fewer fit
MAX_PRIOR_WEIGHT = 10_000  # outcomes: as sure as a chain's year, but not so sure that nothing is learned
MAX_WINDOW_MS = 7 * DAY_MS  # whoever takes an offer a week later took it for another reason
MAX_CLASSES = 64  # of coupons; a retailer has a handful
MAX_COUPON_KEYS = 256  # one for each shop that signs for phones, headquarters' own and some older ones: 50 KB
MAX_PHONE_DAYS = 90  # a stolen box signs no coupon that counts longer
MAX_LENT = 10**12  # units or cents of one lease
MAX_URL = 200  # what a QR code still shows in modules that a phone reads across a counter
assert (MAX_MATERIAL_BYTES + OVERHEAD_BYTES + 2) // 3 * 4 <= MAX_SEALED

_PlaceId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,23}$")]  # as config.Id
_Short = Annotated[str, StringConstraints(max_length=120)]
_Name = Annotated[str, StringConstraints(max_length=120, pattern=ONE_LINE)]
_Words = Annotated[list[Word], Field(max_length=MAX_ITEMS)]
_CategoryWord = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
_Int64 = Annotated[int, Field(ge=-INT64_MAX - 1, le=INT64_MAX)]
_Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,31}$")]
_IdOrNone = Annotated[str, StringConstraints(pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._:-]{0,63})?$")]
_Days = Annotated[int, Field(ge=1, le=MAX_KEEP_DAYS)]
_Small = Annotated[int, Field(ge=0, le=1_000_000)]
_BasisPoints = Annotated[int, Field(ge=0, le=10_000)]
_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_JoinUrl = Annotated[
    str,
    StringConstraints(pattern=r"^(?:https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[!#-;=?-~]*)?)?$", max_length=MAX_URL),
]

# Whole up to a slash behind the host, or "https://shop.example" would let https://shop.example.evil in.
_Prefix = Annotated[
    str, StringConstraints(pattern=r"^https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/[!#-;=?-~]*$", max_length=MAX_URL)
]


class Body(BaseModel):
    """A body has exactly the fields of its form."""

    model_config = EXACT


class TalkingPointBody(Body):
    """core.model.TalkingPoint."""

    text: Text
    because: Text
    category: Category = ""


class HabitBody(Body):
    """core.model.Habit."""

    text: Word
    category: Category = ""


class MemberBody(Body):
    """core.model.Member; what is usual may be a bare word."""

    member_id: Id
    call_name: _Name = ""
    language: Language = "de"
    interests: _Words = []
    usual: Annotated[list[Word | HabitBody], Field(max_length=MAX_ITEMS)] = []
    talking_points: Annotated[list[TalkingPointBody], Field(max_length=MAX_ITEMS)] = []
    staff: bool = False
    age: Annotated[AgeGate, Field(strict=False)] = AgeGate.UNKNOWN


class MemberRef(Body):
    """Names a member."""

    member_id: Id


class CredentialRef(Body):
    """Names a credential."""

    credential_id: Id


class ConsentBody(Body):
    """core.model.ConsentRecord."""

    event_id: Id
    member_id: Id
    purpose: Annotated[Purpose, Field(strict=False)]
    state: Annotated[ConsentState, Field(strict=False)]
    given_at_ms: Ms
    valid_until_ms: Ms | None = None
    hq_seq: Annotated[int, Field(ge=0, le=INT64_MAX)] = 0
    notice_version: _Short = ""
    channel: _Code = "unknown"
    receipt_id: _IdOrNone = ""
    supersedes: _IdOrNone = ""
    notice_id: _IdOrNone = ""
    notice_sha256: Annotated[str, StringConstraints(pattern=r"^(?:[0-9a-f]{64})?$")] = ""
    language: Annotated[str, StringConstraints(pattern=r"^(?:[a-z]{2})?$")] = ""
    jurisdiction: Annotated[str, StringConstraints(pattern=r"^(?:[A-Z]{2})?$")] = ""
    method: _Code = "unknown"
    device_id: _IdOrNone = ""
    store_id: Annotated[str, StringConstraints(pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._:/-]{0,79})?$")] = ""
    staff_id: _IdOrNone = ""
    age_gate: Annotated[AgeGate, Field(strict=False)] = AgeGate.UNKNOWN
    clock: Annotated[ClockQuality, Field(strict=False)] = ClockQuality.UNKNOWN


class RestoreBody(Body):
    """A member's whole log; that every record is theirs is checked by `ops.parse`."""

    member_id: Id
    records: Annotated[list[ConsentBody], Field(max_length=MAX_RESTORED)]


class ConsentRef(BaseModel):
    """What must be readable of a consent, so that it can wait by its name."""

    event_id: Id
    member_id: Id


class CapBody(Body):
    """core.model.Cap; that it has one period is checked by `ops.parse`."""

    what: Literal["impressions", "acceptances", "redemptions"]
    limit: Annotated[int, Field(ge=1, le=MAX_CAP)]
    per: Literal["offer", "placement", "store"] = "offer"
    period_ms: Annotated[int, Field(ge=0, le=MAX_PERIOD_MS)] = 0
    calendar: Literal["", "day", "week", "month"] = ""


_Pause = Annotated[int, Field(ge=0, le=MAX_PERIOD_MS)]


class PauseBody(Body):
    """core.model.Pause."""

    shown_ms: _Pause = 0
    dismissed_ms: _Pause = 0
    redeemed_ms: _Pause = 0


class OfferBody(Body):
    """core.model.Offer; `eligibility` is read by core.eligible."""

    offer_id: Id
    title: Said
    text: Said
    badge: Said = {}
    more: Said = {}
    art: _PlaceId = "bag"
    zones: Annotated[list[_PlaceId], Field(max_length=MAX_ITEMS)] = []
    interests: _Words = []
    audience: Literal["everyone", "members"] = "members"
    value_cents: _Small = 0
    public_safe: bool = False
    priority: _Int64 = 0
    valid_from_ms: Ms = 0
    valid_until_ms: Ms | None = None
    cap_per_member: _Small | None = None
    purpose: Annotated[Purpose, Field(strict=False)] = Purpose.PERSONALISE_OFFERS
    category: Category = ""
    stores: Annotated[list[_PlaceId], Field(max_length=MAX_ITEMS)] = []
    placements: Annotated[list[_PlaceId], Field(max_length=MAX_ITEMS)] = []
    channels: Annotated[list[Literal["public", "tablet", "phone", "till"]], Field(max_length=4)] = []
    eligibility: dict[str, Any] | None = None
    groups: Annotated[list[_PlaceId], Field(max_length=MAX_GROUPS)] = []
    caps: Annotated[list[CapBody], Field(max_length=MAX_CAPS)] = []
    pause: PauseBody = PauseBody()
    control_bp: _BasisPoints = 0
    budget_id: _IdOrNone = ""
    coupon_class: _IdOrNone = ""
    stock_ref: _IdOrNone = ""
    price_ref: _IdOrNone = ""
    price_cents: Annotated[int, Field(ge=0, le=10_000_000)] = 0


class OfferRef(Body):
    """Names an offer."""

    offer_id: Id


# A browser would change a carriage return, and what is shown must have the hash of what was sent.
_NoticeText = Annotated[
    str, StringConstraints(pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]*$", min_length=1, max_length=MAX_NOTICE)
]


class NoticeBody(Body):
    """core.model.Notice."""

    version: Word
    controller: Annotated[str, StringConstraints(max_length=MAX_TEXT)]
    contact: Annotated[str, StringConstraints(max_length=MAX_TEXT)]
    notice_id: Annotated[str, StringConstraints(pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._:-]{0,63})?$")] = ""
    text: Annotated[dict[Language, _NoticeText], Field(max_length=MAX_NOTICE_LANGUAGES)] = {}
    jurisdiction: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = "EU"


class KeepBody(Body):
    """core.model.Keep, in days."""

    decisions: _Days = Keep().decisions
    audit: _Days = Keep().audit
    counts: _Days = Keep().counts
    redemptions: _Days = Keep().redemptions


class RestraintBody(Body):
    """core.model.Restraint."""

    time_zone: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9+_/-]{0,40}$")] = "UTC"
    quiet_from_min: Annotated[int, Field(ge=0, lt=1_440)] = 0
    quiet_until_min: Annotated[int, Field(ge=0, lt=1_440)] = 0
    ignored: Annotated[int, Field(ge=1, le=MAX_CAP)] = Restraint().ignored
    backoff_ms: _Pause = 0
    holdout_bp: _BasisPoints = 0
    holdout_salt: Annotated[str, StringConstraints(max_length=MAX_WORD)] = ""


class ConfigBody(Body):
    """core.model.ShopConfig; what is not said has its default."""

    store_name: Text = {}
    zones: Annotated[dict[_PlaceId, Text], Field(max_length=MAX_ZONES)] = {}
    notice: NoticeBody | None = None
    without_notice: bool = False
    contacts_per_day: _Small = ShopConfig().contacts_per_day
    contact_gap_ms: Ms = ShopConfig().contact_gap_ms
    zone_offer_ms: Ms = ShopConfig().zone_offer_ms
    dialogue_ms: Ms = ShopConfig().dialogue_ms
    ask_ms: Ms = ShopConfig().ask_ms
    card_ms: Ms = ShopConfig().card_ms
    sale_ms: Ms = ShopConfig().sale_ms
    bearer_limit_cents: _Small = ShopConfig().bearer_limit_cents
    join_url: _JoinUrl = ""
    bind_prefixes: Annotated[list[_Prefix], Field(max_length=MAX_PREFIXES)] = []
    consent_days: Annotated[int, Field(ge=0, le=MAX_CONSENT_DAYS)] = 0
    child_programme: bool = False
    sensitive: Annotated[list[_CategoryWord], Field(max_length=MAX_CATEGORIES)] = []
    public_safe: Annotated[list[_CategoryWord], Field(max_length=MAX_CATEGORIES)] = list(ShopConfig().public_safe)
    retention: KeepBody = KeepBody()
    stale_days: Annotated[int, Field(ge=1, le=MAX_STALE_DAYS)] = ShopConfig().stale_days
    restraint: RestraintBody = RestraintBody()
    trial_ms: Annotated[int, Field(ge=trial.MIN_WINDOW_MS, le=trial.MAX_WINDOW_MS)] = ShopConfig().trial_ms


_Segment = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}(?:\.[a-z0-9][a-z0-9_-]{0,31}){0,3}$")]


class PriorBody(Body):
    """core.learning's Arm and its Prior; `slot` or `segment` "" = all of them."""

    offer_id: Id
    slot: _PlaceId | Literal[""] = ""
    segment: _Segment | Literal[""] = ""
    mean_ppm: Annotated[int, Field(ge=1, le=999_999)]
    weight: Annotated[int, Field(ge=1, le=MAX_PRIOR_WEIGHT)] = Prior(1).weight


class LearningBody(Body):
    """core.learning.Learning."""

    on: bool = False
    half_life_days: Annotated[int, Field(ge=HALF_LIVES[0], le=HALF_LIVES[-1])] = Learning().half_life_days
    window_ms: Annotated[int, Field(ge=1, le=MAX_WINDOW_MS)] = Learning().window_ms
    people: Annotated[dict[_Segment, _Small], Field(max_length=MAX_SEGMENTS)] = {}
    priors: Annotated[list[PriorBody], Field(max_length=MAX_PRIORS)] = []


class KeyRef(Body):
    """Names a key of one gateway."""

    gateway: Gateway
    key_id: Id


class KeyBody(KeyRef):
    """changes.KeyPut; `sealed` in base64."""

    use: Annotated[KeyUse, Field(strict=False)]
    from_ms: Ms
    until_ms: Ms | None = None
    sealed: Annotated[str, StringConstraints(pattern=_BASE64, min_length=1, max_length=MAX_SEALED)]


class BindingRef(Body):
    """Names a one-time code."""

    binding_id: Id


class BindingBody(BindingRef):
    """changes.BindingPut."""

    member_id: Id
    code: Annotated[str, StringConstraints(pattern=CODE_FORM)]
    valid_until_ms: Ms


class LeaseBody(Body):
    """changes.LeasePut."""

    gateway: Gateway
    lease_id: Id
    budget_id: Id
    unit: Literal["units", "cents"]
    amount: Annotated[int, Field(ge=1, le=MAX_LENT)]
    until_ms: Ms


class CouponClassBody(Body):
    """core.redemption.CouponClass."""

    name: Id
    offline: Literal["allow", "lease", "deny"] = "lease"
    max_cents: _Small | None = None
    member_day: _Small | None = None
    member_day_cents: _Small | None = None
    day_cents: Annotated[int, Field(ge=0, le=MAX_LENT)] | None = None
    phone_days: Annotated[int, Field(ge=0, le=MAX_PHONE_DAYS)] = 0


class CouponKeyBody(Body):
    """core.coupon.PublicKey; the key as 64 hex digits."""

    key_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~-]{1,16}$")]
    key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    until_ms: Ms | None = None
    store: Annotated[str, StringConstraints(pattern=r"^(?:[a-z0-9][a-z0-9-]{0,23}/[a-z0-9][a-z0-9-]{0,23})?$")] = ""


class CouponsBody(Body):
    """changes.CouponsPut."""

    classes: Annotated[list[CouponClassBody], Field(max_length=MAX_CLASSES)] = []
    keys: Annotated[list[CouponKeyBody], Field(max_length=MAX_COUPON_KEYS)] = []
