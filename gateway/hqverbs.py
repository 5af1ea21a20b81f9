"""The verbs of `store-gateway hq`: the reference headquarters on the command line."""

import argparse
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from drivers import sun
from gateway import (
    claimverbs,
    contentverbs,
    erasureverbs,
    fleetverbs,
    hqcommandverbs,
    hqkeyverbs,
    hqprovisionverb,
    hqserve,
    hqsettingsverbs,
    importverb,
    rolloutverbs,
    snapshotverb,
    staffverbs,
    tillverbs,
)
from gateway.core import tagid
from gateway.core.keyring import KeyUse
from gateway.core.model import Purpose
from gateway.errors import ConfigError
from gateway.terminal import Defaults, grouped, out, rows, say, whole
from sync.hq import keyfiles, service
from sync.hq.file import must_be_made
from sync.hq.storage import Url, place
from sync.hq.versions import CODE_MINUTES_MAX

_SUN_UID_BYTES = 7


class Verb(Protocol):
    """Adds a verb to the parser."""

    def __call__(
        self, name: str, function: Callable[[argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser: ...


def add_verbs(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, function: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text, formatter_class=Defaults)
        sub.set_defaults(verb=partial(_on_database, function, name in _WITHOUT_FILE))
        sub.add_argument("--db", type=place, default=Path("hq.db"), help="headquarters' own file, or postgresql://..")
        sub.add_argument("--files", type=Path, default=Path("hq.content"), help="with postgresql://: pictures, films")
        return sub

    hqserve.add_verb(verb, _now_ms)
    importverb.add_verb(verb, _now_ms)
    snapshotverb.add_verb(verb, _now_ms)
    verb("publish-offers", _hq_offers, "record the offers of a JSON-lines file").add_argument("file", type=Path)
    whole_text = "put the offers of a JSON file in the place of all others, at once or not at all"
    catalogue = verb("publish-catalogue", _hq_catalogue, whole_text)
    catalogue.add_argument("file", type=Path)
    catalogue.add_argument("--empty", action="store_true", help="also a file without offers, which takes all away")
    verb("push-segments", _hq_segments, "record the running segments (JSON)").add_argument("file", type=Path)
    withdraw = verb("withdraw", _hq_withdraw, "withdraw a member's consents")
    withdraw.add_argument("member")
    withdraw.add_argument(
        "--purpose", action="append", choices=[p.value for p in Purpose], help="may be repeated; all of them without"
    )
    beacon = verb("provision-beacon", _hq_provision, "make the key of an Eddystone-EID beacon; records nothing")
    beacon.add_argument("public_key", help="the beacon's X25519 public key, 64 hex digits")
    beacon.add_argument("--member", required=True, help="whose beacon it is")
    beacon.add_argument("--credential", help="the credential's id; the member's with -eid without")
    beacon.add_argument("--exponent", type=whole(0, 15), default=10, help="a new id every 2^N seconds")
    beacon.add_argument("--clock", type=whole(0, 2**32 - 1), default=0, help="what the beacon's clock shows now, s")
    _add_key_verbs(verb)
    hqkeyverbs.add_verbs(verb, _now_ms)
    hqprovisionverb.add_verb(verb, _now_ms)
    verb("resend", _hq_resend, "send a member's consents anew, for shops that call them changed").add_argument("member")
    erasureverbs.add_verbs(verb, _now_ms)
    claimverbs.add_verbs(verb)
    tillverbs.add_verbs(verb, _now_ms)
    contentverbs.add_verbs(verb, _now_ms)
    staffverbs.add_verbs(verb)
    fleetverbs.add_verbs(verb)
    hqcommandverbs.add_verbs(verb, _now_ms)
    hqsettingsverbs.add_verbs(verb)
    rolloutverbs.add_verbs(verb, _now_ms)
    events = verb("events", _hq_events, "what the shops reported, one JSON object a line")
    which = events.add_mutually_exclusive_group()
    which.add_argument("--after", type=whole(0, 2**53), default=0, help="only those with a larger id, the oldest first")
    which.add_argument("--last", type=whole(1, 1_000_000), metavar="N", help="the newest N, the very newest at the end")
    events.add_argument("--limit", type=whole(1, 1_000_000), default=1_000, help="how many at most after --after")


# They make the file, or read and record nothing.
_WITHOUT_FILE = (
    *("serve", "simulate", "provision-beacon", "make-key", "make-root-key", "make-signing-keys"),
    *("sign-tag", "tag-key", "sign-coupon"),
)


def _on_database(function: Callable[[argparse.Namespace], int], makes: bool, arguments: argparse.Namespace) -> int:
    """A slip of the pen in --db makes no second headquarters."""
    if isinstance(arguments.db, Url):
        arguments.db = replace(arguments.db, files=arguments.files)
    if not makes:
        must_be_made(arguments.db)
    return function(arguments)


def _add_key_verbs(verb: Verb) -> None:
    """Keys of readers and terminals, one-time codes, signed tags: docs/keys.md."""
    made = verb("make-key", _hq_make_key, "make a fresh key file (mode 600); records nothing")
    made.add_argument("use", choices=[use.value for use in KeyUse])
    made.add_argument("--out", type=Path, required=True, help="the new file, which push-key takes")
    made.add_argument("--collector", type=whole(0, 2**32 - 1), help="smarttap: the collector id that Google gave")
    made.add_argument("--version", type=whole(0, 2**32 - 1), default=1, help="smarttap: the key's version at Google")
    made.add_argument("--pass-type-id", help="vas: the pass type identifier")
    made.add_argument(
        "--diversified",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="sun: each tag has a file key of its own (NXP AN10922); no: all share one",
    )
    made.add_argument("--system", default="", help="sun: the system identifier of AN10922, up to 34 hex digits")
    push = verb("push-key", _hq_push_key, "seal a key file for gateways and record it")
    push.add_argument("file", type=Path)
    push.add_argument("--gateway", required=True, help="tenant/store/id, or all (but for coupon)")
    drop = verb("drop-key", _hq_drop_key, "take a key away from gateways")
    drop.add_argument("key", help="its id")
    drop.add_argument("--gateway", required=True, help="tenant/store/id, or all")
    verb("gateways", _hq_gateways, "every gateway with its public key, and the keys that it was given")
    trust = verb("trust-gateway", _hq_trust, "seal for a gateway's changed public key from now on")
    trust.add_argument("gateway", help="tenant/store/id")
    trust.add_argument("key", nargs="+", help="the public key, as store-gateway doctor shows it at the box itself")
    bind = verb("bind", _hq_bind, "make a one-time code with which a member binds a card or phone")
    bind.add_argument("member")
    bind.add_argument("--minutes", type=whole(1, CODE_MINUTES_MAX), default=10, help="how long it counts")
    sign = verb("sign-tag", _hq_sign_tag, "the text to write on a tag with a signed id; records nothing")
    sign.add_argument("--key", type=Path, required=True, help="the issuing file that make-key tag wrote")
    sign.add_argument("--id", required=True, help="the id, as in the credential.put of kind signed")
    sign.add_argument("--base", required=True, help="the https address that the owner's own phone opens")
    sign.add_argument("--uid", type=_uid, help="the tag's number in hex, to bind the text to this one tag")
    tag = verb("tag-key", _hq_tag_key, "the file key to write into one NTAG 424 DNA tag; records nothing")
    tag.add_argument("--key", type=Path, required=True, help="the file that make-key sun wrote")
    tag.add_argument("--uid", type=_uid, required=True, help="the tag's number in hex, 14 digits")


def _hq_offers(arguments: argparse.Namespace) -> int:
    importverb.print_recorded(*service.publish_offers(arguments.db, arguments.file))
    importverb.tell_doubts(service.standing(arguments.db, _now_ms())[1])
    return 0


def _hq_catalogue(arguments: argparse.Namespace) -> int:
    news, version = service.publish_catalogue(arguments.db, arguments.file, empty=arguments.empty)
    count, doubts = service.standing(arguments.db, _now_ms())
    offers = "1 offer stands" if count == 1 else f"{count} offers stand"
    known = "" if news else " (they did before)"
    out.print(f"{offers} in place of all others{known}; version {version}", highlight=False)
    importverb.tell_doubts(doubts)
    return 0


def _hq_segments(arguments: argparse.Namespace) -> int:
    out.print(f"recorded; version {service.push_segments(arguments.db, arguments.file)}", highlight=False)
    return 0


def _hq_withdraw(arguments: argparse.Namespace) -> int:
    purposes = [Purpose(name) for name in arguments.purpose] if arguments.purpose else None
    version = service.withdraw(arguments.db, arguments.member, purposes, _now_ms())
    out.print(f"withdrawn; version {version}", highlight=False)
    return 0


def _hq_resend(arguments: argparse.Namespace) -> int:
    out.print(f"sent again; version {service.resend(arguments.db, arguments.member)}", highlight=False)
    return 0


def _hq_events(arguments: argparse.Namespace) -> int:
    after, limit = (arguments.after, arguments.limit) if arguments.last is None else (None, arguments.last)
    told = service.events(arguments.db, after, limit)
    rows(told, f"no event after {arguments.after}" if arguments.after else "no shop has reported anything yet")
    return 0


def _hq_provision(arguments: argparse.Namespace) -> int:
    key, shown, line = service.provision_beacon(
        arguments.public_key,
        arguments.member,
        arguments.credential or f"{arguments.member}-eid",
        arguments.exponent,
        arguments.clock,
        _now_ms(),
    )
    say(f"Give the beacon's tool the resolver's public key:  {key}")
    say(f"and the rotation exponent:                         {arguments.exponent}")
    say(f"In the window of its clock {arguments.clock} s the beacon then shows:  {shown}")
    say("The line below holds the beacon's secret key. Import it (hq import-members) and delete it.")
    out.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def _hq_make_key(arguments: argparse.Namespace) -> int:
    use = KeyUse(arguments.use)
    own: dict[str, object] = {}
    if use is KeyUse.SMARTTAP:
        if arguments.collector is None:
            raise ConfigError("make-key smarttap: expected --collector with the id that Google gave")
        own = {"collector": f"{arguments.collector:08x}", "version": arguments.version}
    elif use is KeyUse.VAS:
        if arguments.pass_type_id is None:
            raise ConfigError("make-key vas: expected --pass-type-id")
        own = {"pass_type_id": arguments.pass_type_id}
    elif use is KeyUse.SUN:
        own = {"diversified": arguments.diversified}
        if arguments.system:
            own["system"] = arguments.system
    made = keyfiles.make(use, _now_ms(), secrets.token_bytes, own)
    paths = keyfiles.write(made, arguments.out)
    to = "TENANT/STORE/ID gives it to its shop's gateway alone" if use is KeyUse.COUPON else "all gives it out"
    say(f"{paths[0]}: keep it where the keys of the house are kept; hq push-key {paths[0]} --gateway {to}.")
    for path in paths[1:]:
        say(f"{path}: {_OTHER_FILES[use]}")
    return 0


_OTHER_FILES = {  # beside the file for push-key; a use without another file is not here
    KeyUse.HCE: "the public key, for the phones' app.",
    KeyUse.SMARTTAP: "the public key, for the wallet's owner.",
    KeyUse.VAS: "the public key, for the wallet's owner.",
    KeyUse.TAG: "the private key that signs tags (hq sign-tag) or coupons (hq sign-coupon), best one for each. "
    "It never goes to a gateway; keep it offline.",
    KeyUse.COUPON: "the public key: its key_id and key, and the shop as store, for the keys of coupons.put.",
}


def _hq_push_key(arguments: argparse.Namespace) -> int:
    pushed, left_out = service.push_key(arguments.db, arguments.file, arguments.gateway)
    out.print(f"sealed for {pushed} gateway{'' if pushed == 1 else 's'}", highlight=False)
    for name, reason in left_out:
        say(f"not for {name}: it {reason}")
    return 1 if left_out else 0


def _hq_drop_key(arguments: argparse.Namespace) -> int:
    dropped = service.drop_key(arguments.db, arguments.key, arguments.gateway)
    out.print(f"taken from {dropped} gateway{'' if dropped == 1 else 's'}", highlight=False)
    return 0 if dropped else 1


def _hq_gateways(arguments: argparse.Namespace) -> int:
    gateways, keys = service.gateways(arguments.db)
    if not gateways:
        say("no gateway has connected yet")
    for row in gateways:
        name = f"{row['tenant']}/{row['store']}/{row['gateway']}"
        known = {field: grouped(row[field]) or None for field in ("key", "pending_key")}
        given = [{field: key[field] for field in key if field != "gateway"} for key in keys if key["gateway"] == name]
        line = {"gateway": name, "online": row["online"], **known, "keys": given}
        out.print(json.dumps(line), markup=False, highlight=False, soft_wrap=True)
        if row["pending_key"]:
            say(f"{name} shows another public key than before, the pending_key. Have somebody at the box run")
            say("`store-gateway doctor --config FILE`, and compare all eight groups of its public key with it.")
            say(f"Only if they are the same: store-gateway hq trust-gateway {name} KEY, with KEY as the box shows it.")
    return 0


def _hq_trust(arguments: argparse.Namespace) -> int:
    again = service.trust_gateway(arguments.db, arguments.gateway, "".join("".join(arguments.key).split()).lower())
    out.print("trusted", highlight=False)
    if again:
        say(f"Push again what was sealed for the key before: {', '.join(again)}")
    return 0


def _hq_bind(arguments: argparse.Namespace) -> int:
    code = service.bind(arguments.db, arguments.member, arguments.minutes, _now_ms())
    out.print(code, highlight=False)
    if not service.may_bind(arguments.db, arguments.member, _now_ms()):
        say(f"Until {arguments.member} agrees to recognise_nfc it binds nothing: there is no such consent in force.")
    say(f"Show it to the member alone. It counts once, for {arguments.minutes} minutes.")
    return 0


def _hq_sign_tag(arguments: argparse.Namespace) -> int:
    key_id, private = keyfiles.read_issuing(arguments.key)
    text = tagid.issue(private, key_id, arguments.id, arguments.base, arguments.uid)
    out.print(text, markup=False, highlight=False, soft_wrap=True)
    return 0


def _hq_tag_key(arguments: argparse.Namespace) -> int:
    key = keyfiles.read_sun(arguments.key)
    if not key.diversified:
        raise ConfigError(f"{arguments.key}: not diversified; every tag has `file` of its material as its file key")
    if len(arguments.uid) != _SUN_UID_BYTES:
        raise ConfigError("--uid: expected the 14 hex digits of an NTAG 424 DNA's number")
    out.print(sun.file_key_of(key, arguments.uid).hex(), highlight=False)
    say("This is a secret of that one tag: write it there as key 1 (docs/tags-sun.md) and keep no copy.")
    return 0


def _uid(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise argparse.ArgumentTypeError("the tag's number in hex digits") from None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
