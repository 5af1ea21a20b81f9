"""What an offer is and how often it may be shown, as frozen values. Whether it is shown is decided in core.offers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gateway.core.act import Purpose
from gateway.core.eligible import Rule

Text = Mapping[str, str]

# Where somebody meets an offer: a screen of the shop, a colleague's tablet, their own phone, the till.
Channel = Literal["public", "tablet", "phone", "till"]


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `limit` times: of `what`, of this offer, in a window that rolls (`period_ms`) or begins
    with the shop's day, week (Monday) or month (`calendar`).

    For one member: `per` "offer", or "placement" = for each screen, tablet or till alone. "store": of all members of
    this shop together.
    """

    what: Literal["impressions", "acceptances", "redemptions"]
    limit: int
    per: Literal["offer", "placement", "store"] = "offer"
    period_ms: int = 0  # 0 where `calendar` says it
    calendar: Literal["", "day", "week", "month"] = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """How long one member is not shown this offer again after it was shown, dismissed or redeemed; 0 = no pause."""

    shown_ms: int = 0
    dismissed_ms: int = 0
    redeemed_ms: int = 0


@dataclass(frozen=True, slots=True)
class Restraint:
    """How the shop holds back, beside its budget of contacts. The defaults hold nothing back.

    Quiet: no unasked contact from one minute of the shop's day to the other, also over midnight; equal = never quiet.
    Back-off: after `ignored` unasked contacts in a row that nobody answered, `backoff_ms` of silence, doubled with each
    one more. Hold-out: `holdout_bp` of 10,000 members, drawn by the secret `holdout_salt`, get no targeted offer.
    """

    time_zone: str = "UTC"  # IANA name
    quiet_from_min: int = 0
    quiet_until_min: int = 0
    ignored: int = 3
    backoff_ms: int = 0
    holdout_bp: int = 0
    holdout_salt: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """`zones` empty = the whole shop; `interests` empty = fits everybody; `audience` everyone = shown anonymously.

    `stores`, `placements`, `channels` empty = all of them. `eligibility`: whom and when it is meant for, beside all
    that; only a True makes eligible. `priority` is the tier: what is liked better never beats a higher one.
    `purpose`: why a member's data may cause it; one of gate.OFFER_PURPOSES. `category`: of what it offers, "" = none
    that matters; a sensitive one (core.sensitive) is shown in the anonymous loop or to nobody.
    """

    offer_id: str
    title: Text
    text: Text
    badge: Text = field(default_factory=dict)  # the short line on the price tag, e.g. "2 for 1"
    more: Text = field(default_factory=dict)  # what the dialogue says after "more"
    art: str = "bag"  # name of a built-in illustration
    zones: tuple[str, ...] = ()
    interests: tuple[str, ...] = ()
    audience: Literal["everyone", "members"] = "members"
    value_cents: int = 0  # what redeeming it is worth; above ShopConfig.bearer_limit_cents a bearer id is too weak
    public_safe: bool = False  # may appear on a public screen because one opted-in person is near (L2)
    priority: int = 0
    valid_from_ms: int = 0
    valid_until_ms: int | None = None
    cap_per_member: int | None = None  # impressions in 24 hours
    purpose: Purpose = Purpose.PERSONALISE_OFFERS
    category: str = ""
    stores: tuple[str, ...] = ()  # the middle part of a gateway's "tenant/store/id"
    placements: tuple[str, ...] = ()
    channels: tuple[Channel, ...] = ()
    eligibility: Rule | None = None
    groups: tuple[str, ...] = ()  # one offer of a group excludes the others for 24 hours, for one member
    caps: tuple[Cap, ...] = ()
    pause: Pause = field(default_factory=Pause)
    control_bp: int = 0  # of 10,000 members, so many are never shown this one offer, for comparison
    budget_id: str = ""  # what redeeming it takes comes out of this budget, lent to the shop; "" = of none
    coupon_class: str = ""  # headquarters' limits at the till (core.redemption.CouponClass); "" = none of them
    stock_ref: str = ""  # the article whose stock must be above 0, "" = none
    price_ref: str = ""  # the article that it is about, a GTIN of the price list, "" = none
    price_cents: int = 0  # what it says that this article costs without it, 0 = it says no price

    @property
    def texts(self) -> tuple[Text, Text, Text, Text]:
        """All that it says."""
        return self.title, self.text, self.badge, self.more
