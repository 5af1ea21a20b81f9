"""The forms of operations' bodies: which fields, of which type, in which bounds. What they say is in sync.ops. Pure."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from gateway.core.keyring import MAX_MATERIAL_BYTES, KeyUse
from gateway.core.model import AgeGate, ClockQuality, ConsentState, Keep, Purpose, ShopConfig
from gateway.core.onetime import CODE_FORM
from gateway.core.sealing import OVERHEAD_BYTES
from sync.fields import EXACT, INT64_MAX, Id, Ms, Word

# Bounds on what one shop page can show; the whole message is bounded to 96 KiB anyway.
MAX_TEXT = 2_000  # characters of one sentence or paragraph
MAX_LANGUAGES = 16
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
MAX_CLASSES = 64  # of coupons; a retailer has a handful
MAX_COUPON_KEYS = 16  # one signs, some older ones still count
MAX_LENT = 10**12  # units or cents of one lease
MAX_URL = 200  # what a QR code still shows in modules that a phone reads across a counter
assert (MAX_MATERIAL_BYTES + OVERHEAD_BYTES + 2) // 3 * 4 <= MAX_SEALED

_PlaceId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,23}$")]  # as config.Id
_Short = Annotated[str, StringConstraints(max_length=120)]
_Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
_Text = Annotated[
    dict[_Language, Annotated[str, StringConstraints(max_length=MAX_TEXT)]], Field(max_length=MAX_LANGUAGES)
]
_Words = Annotated[list[Word], Field(max_length=MAX_ITEMS)]
_Category = Annotated[str, StringConstraints(pattern=r"^(?:[a-z0-9][a-z0-9_.-]{0,63})?$")]  # "" or "alcohol.wine"
_CategoryWord = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
_Int64 = Annotated[int, Field(ge=-INT64_MAX - 1, le=INT64_MAX)]
_Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,31}$")]
_IdOrNone = Annotated[str, StringConstraints(pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._:-]{0,63})?$")]
_Days = Annotated[int, Field(ge=1, le=MAX_KEEP_DAYS)]
_Small = Annotated[int, Field(ge=0, le=1_000_000)]
_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_Gateway = Annotated[str, StringConstraints(pattern=r"^(?:[a-z0-9][a-z0-9-]{0,23}/){2}[a-z0-9][a-z0-9-]{0,23}$")]
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

    text: _Text
    because: _Text
    category: _Category = ""


class HabitBody(Body):
    """core.model.Habit."""

    text: Word
    category: _Category = ""


class MemberBody(Body):
    """core.model.Member; what is usual may be a bare word."""

    member_id: Id
    call_name: _Short = ""
    language: _Language = "de"
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


class OfferBody(Body):
    """core.model.Offer."""

    offer_id: Id
    title: _Text
    text: _Text
    badge: _Text = {}
    more: _Text = {}
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
    category: _Category = ""
    budget_id: _IdOrNone = ""
    coupon_class: _IdOrNone = ""


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
    text: Annotated[dict[_Language, _NoticeText], Field(max_length=MAX_NOTICE_LANGUAGES)] = {}
    jurisdiction: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = "EU"


class KeepBody(Body):
    """core.model.Keep, in days."""

    decisions: _Days = Keep().decisions
    audit: _Days = Keep().audit
    counts: _Days = Keep().counts
    redemptions: _Days = Keep().redemptions


class ConfigBody(Body):
    """core.model.ShopConfig; what is not said has its default."""

    store_name: _Text = {}
    zones: Annotated[dict[_PlaceId, _Text], Field(max_length=MAX_ZONES)] = {}
    notice: NoticeBody | None = None
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
    retention: KeepBody = KeepBody()
    stale_days: Annotated[int, Field(ge=1, le=MAX_STALE_DAYS)] = ShopConfig().stale_days


class KeyRef(Body):
    """Names a key of one gateway."""

    gateway: _Gateway
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

    gateway: _Gateway
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


class CouponKeyBody(Body):
    """core.coupon.PublicKey; the key as 64 hex digits."""

    key_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~-]{1,16}$")]
    key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    until_ms: Ms | None = None


class CouponsBody(Body):
    """changes.CouponsPut."""

    classes: Annotated[list[CouponClassBody], Field(max_length=MAX_CLASSES)] = []
    keys: Annotated[list[CouponKeyBody], Field(max_length=MAX_COUPON_KEYS)] = []
