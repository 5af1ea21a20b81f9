"""What screens and tablets are sent, as JSON-ready dicts built field by field; no other field can leave.

Shop time ends here: everything a page counts down is given as remaining real milliseconds.
"""

from dataclasses import asdict, replace

from display.faults import PART, Ear, cause_of
from gateway.core.content import ART, utc_offset_ms
from gateway.core.model import DialogueView, QueueEntry, ScreenContent, ShopConfig, Slide, StaffCard, Text
from gateway.core.notice import missing
from gateway.core.redemption import State
from gateway.core.trial import Report
from gateway.health import Part
from gateway.life import Stale
from gateway.tilldesk import TillOffer, TillView

Json = dict[str, object]

PLACEMENT = "main"  # one slot a screen so far


def real_ms(shop_ms: int, speed: float) -> int:
    """Shop milliseconds left as real ones, never negative."""
    return max(0, round(shop_ms / speed))


def code_of(link: str) -> str:
    """Where the picture of a one-time link's QR code is; `link` ends in "/h/" and its token."""
    return f"/h/{link.rpartition('/')[2]}.svg"


def text(value: Text) -> dict[str, str]:
    return {str(language): str(sentence) for language, sentence in value.items()}


def slide(value: Slide) -> Json:
    """An unknown illustration becomes the bag, so that no name from outside ends in a URL."""
    return {
        "slide_id": value.slide_id,
        "title": text(value.title),
        "text": text(value.text),
        "badge": text(value.badge),
        "art": value.art if value.art in ART else "bag",
    }


def dialogue(value: DialogueView, level: str, ttl_ms: int) -> Json:
    """`ttl_ms` is real time left. A name leaves only at L3."""
    return {
        "dialogue_id": value.dialogue_id,
        "step": value.step,
        "language": value.language,
        "call_name": value.call_name if level == "L3" else None,
        "slide": slide(value.slide) if value.slide is not None else None,
        "more": text(value.more),
        "choices": list(value.choices),
        "ttl_ms": ttl_ms,
        "link": {"url": value.link, "code": code_of(value.link)} if value.link else None,
        "digits": value.digits or None,
        "points": None
        if value.points is None or level != "L3"
        else {"change": value.points[0], "now": value.points[1]},
    }


def anew(content: ScreenContent) -> ScreenContent:
    """The same for a page that is loaded anew: somebody else may stand there by now, so nobody is called by name."""
    view = content.dialogue
    if view is None or content.level != "L3":
        return content
    if view.points is not None:
        return ScreenContent("L1" if content.slides else "L0", content.slides)
    return replace(content, dialogue=replace(view, call_name=None))


def neutral(content: ScreenContent) -> Json:
    """The level that is always right; what is kept from leaving leaves nothing of itself."""
    loop = content.slides if content.level in ("L0", "L1") else ()
    return screen(ScreenContent("L0", loop), 0, 1.0)


def screen(content: ScreenContent, left_ms: int, speed: float) -> Json:
    """`left_ms` is the shop time a dialogue still has; without any left it is not sent at all."""
    view = content.dialogue
    if view is not None and left_ms <= 0:
        content, view = ScreenContent("L0", content.slides), None
    return {
        "placement": PLACEMENT,
        "kind": "slides" if view is None else "dialogue",
        "level": content.level,
        "decision_id": content.decision_id,
        "slides": [slide(one) for one in content.slides],
        "dialogue": None if view is None else dialogue(view, content.level, real_ms(left_ms, speed)),
    }


def queue_entry(entry: QueueEntry, guest: int, tablet: str, now_ms: int, speed: float) -> Json:
    """`guest` numbers people without a label (0 = has one). Another tablet's id never leaves, only `mine`."""
    return {
        "handshake_id": entry.handshake_id,
        "label": entry.label,
        "guest": guest,
        "zone": entry.zone,
        "via": entry.via,
        "waited_ms": real_ms(now_ms - entry.asked_at_ms, speed),
        "state": entry.state,
        "mine": entry.tablet == tablet,
        "colleagues_near": entry.colleagues_near,
        "usual": list(entry.usual),
        "usual_offered": entry.usual_offered,
    }


def card(value: StaffCard, now_ms: int, speed: float) -> Json:
    return {
        "handshake_id": value.handshake_id,
        "call_name": value.call_name,
        "language": value.language,
        "zone": value.zone,
        "via": value.via,
        "waited_ms": real_ms(now_ms - value.asked_at_ms, speed),
        "usual": list(value.usual),
        "talking_points": [
            {"text": text(point.text), "because": text(point.because)} for point in value.talking_points
        ],
        "offers": [
            {
                "offer_id": one.offer_id,
                "title": text(one.title),
                "badge": text(one.badge),
                "may_take": one.may_take,
                "redeems": one.redeems,
            }
            for one in value.offers
        ],
        "consents": list(value.consents),
        "points": value.points,
        "usual_offered": value.usual_offered,
        "ttl_ms": real_ms(value.closes_at_ms - now_ms, speed),
    }


def till(value: TillView, now_ms: int, speed: float) -> Json:
    """What a till's page shows; who stands there is a name at most."""
    buyer = value.buyer
    return {
        "till": value.till,
        "hq_there": value.hq_there,
        "buyer": None
        if buyer is None
        else {
            "sale_id": buyer.sale_id,
            "label": buyer.label,
            "proof": buyer.proof.value,
            "ttl_ms": real_ms(buyer.until_ms - now_ms, speed),
            "may_redeem_cents": buyer.most_cents,
            "points": None if buyer.points is None else {"now": buyer.points.points, "new": buyer.points.new},
        },
        "offers": [_till_offer(one, now_ms, speed) for one in value.offers],
        "lines": [
            {
                "redemption_id": one.redemption_id,
                "offer_id": one.offer_id,
                "title": text(one.title),
                "cents": one.cents,
                "reversed_cents": one.reversed_cents,
                "state": one.state.value,
                "receipt": one.receipt,
                "at_ms": one.at_ms,
                "ttl_ms": real_ms(one.left_ms, speed) if one.state is State.RESERVED else None,
                "coupon": one.coupon,
                "sale": one.sale if one.state is State.RESERVED else None,
            }
            for one in value.lines
        ],
    }


def _till_offer(value: TillOffer, now_ms: int, speed: float) -> Json:
    return {
        "offer_id": value.offer_id,
        "title": text(value.title),
        "text": text(value.text),
        "badge": text(value.badge),
        "value_cents": value.value_cents,
        "ends_in_ms": None if value.until_ms is None else real_ms(value.until_ms - now_ms, speed),
        "offline": value.offline,
        "max_cents": value.max_cents,
        "member_day": value.member_day,
        "left": value.left,
        "unit": value.unit,
        "reason": value.reason,
        "kept": value.kept,
    }


def part(value: Part, ear: Ear) -> Json:
    """A part's state; `cause` says what ails it, where the state does not."""
    return {
        "name": value.name,
        "state": value.state,
        "cause": value.cause or cause_of(value, ear),
        "detail": value.detail,
        "action": value.action,
        "since_ms": value.since_ms,
    }


def trouble(value: Part, ear: Ear, now_ms: int, speed: float) -> Json:
    """A reader or radio that needs somebody; `detail` and `action` are the driver's own English words."""
    return {
        "receiver": value.name.removeprefix(PART),
        "kind": ear.kind,
        "zone": ear.zone,
        "alone": ear.alone,
        "state": value.state,
        "cause": cause_of(value, ear),
        "detail": value.detail,
        "action": value.action,
        "for_ms": real_ms(now_ms - value.since_ms, speed),
    }


def stale(value: Stale) -> Json:
    """How old profiles are: "fresh", "soon", "paused" or "wiped", and how many days are left."""
    return {"state": value.state, "days_left": value.days_left}


def settings(report: Report) -> Json | None:
    """What headquarters steers of this box, and what became of what it sent last; None while it never sent any."""
    return asdict(report) if report.given else None


def shop(value: ShopConfig, speed: float, now_ms: int | None = None) -> Json:
    """What pages say about the shop itself: names, whether there is a whole notice, how long a request waits; and, for
    pages that follow its hours, how far its clock is ahead of UTC at `now_ms`."""
    hours = {} if now_ms is None else {"utc_offset_ms": utc_offset_ms(now_ms, value.restraint.time_zone)}
    return hours | {
        "name": text(value.store_name),
        "zones": {zone: text(name) for zone, name in value.zones.items()},
        "notice": not missing(value.notice),
        "ask_ms": real_ms(value.ask_ms, speed),
        "speed": speed,
    }
