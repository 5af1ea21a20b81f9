"""What the doctor finds of keys that come from headquarters: those of readers, and those with which it signs."""

from collections.abc import Sequence

from gateway import config as local
from gateway import hqkeys, keys
from gateway.core import sealing
from gateway.core.keyring import KeyUse, Sealed
from gateway.dbfile import DATABASE, kept_keys
from gateway.errors import ConfigError, PeerError
from gateway.finding import Finding, moment
from gateway.keychain import ACTION, open_all
from gateway.lines import name_of
from gateway.terminal import grouped
from sync import signing

SIGNATURE = "Headquarters' signature"


def reader_keys(config: local.Config, now_ms: int) -> list[Finding]:
    """Which terminal keys serve, by use and time; of a key itself nothing but our own public one is told."""
    what, data_dir = "Keys", config.gateway.data_dir
    try:
        private = keys.known_gateway_key(data_dir)
        rows = kept_keys(data_dir / DATABASE) or ()
    except ConfigError as error:
        return [Finding(what, "wrong", str(error), "Correct the file named here; the service does not start with it.")]
    if private is None:
        return [Finding(what, "missing", "none yet", "The first start makes this gateway's own key.")]
    ours = Finding("This gateway's public key", "ok", grouped(sealing.public_key(private).hex()))
    return [ours, _terminal_keys(rows, private, name_of(config), now_ms), *_unused(config, rows, now_ms)]


def signature(config: local.Config, now_ms: int) -> list[Finding]:
    """Whether this box looks at headquarters' signatures, and until when the keys serve that it believes."""
    if config.mqtt is None:
        return []
    try:
        root = hqkeys.root_of(config.mqtt.hq_root)
        kept = hqkeys.kept(config.gateway.data_dir / DATABASE)
    except ConfigError as error:
        return [Finding(SIGNATURE, "wrong", str(error), "Correct what is named here; the service does not start.")]
    if root is None:
        found = "not looked at: whoever has headquarters' account at the broker can change this shop"
        return [
            Finding(SIGNATURE, "missing", found, "Set hq_root under [mqtt] once headquarters signs (docs/keys.md).")
        ]
    return [_signers(grouped(root.hex()), _certified(kept, root), now_ms)]


def _signers(root: str, listed: list[signing.Certificate], now_ms: int) -> Finding:
    if not listed:
        step = "They come with the line, if headquarters runs as hq serve --signing-keys and has this root key."
        return Finding(SIGNATURE, "missing", f"root key {root}\nits keys have not come yet, so nothing else may", step)
    told = "\n".join(f"{one.role}: number {one.number}, until {moment(one.until_ms)}" for one in listed)
    if any(one.until_ms <= now_ms for one in listed):
        step = "Have headquarters make new ones: hq make-signing-keys (docs/keys.md)."
        return Finding(SIGNATURE, "wrong", f"root key {root}\n{told}\nnot all of them serve any more", step)
    return Finding(SIGNATURE, "ok", f"root key {root}\n{told}")


def _certified(kept: bytes | None, root: bytes) -> list[signing.Certificate]:
    try:
        listed = () if kept is None else signing.parse_keys(kept)
    except PeerError:
        return []
    return [one for one in listed if signing.is_certified(one, root)]


def _terminal_keys(rows: tuple[Sealed, ...], private: bytes, gateway: str, now_ms: int) -> Finding:
    what = "Keys"
    refused = open_all(rows, private, gateway, now_ms).refused
    if refused:
        bad = ", ".join(key_id for key_id, _ in refused)
        return Finding(what, "wrong", f"{bad}: not for the key of this box", ACTION)
    if not rows:
        return Finding(what, "missing", "no terminal key", "Plain ids work without. docs/keys.md has the others.")
    told = "\n".join(_told(row, now_ms) for row in rows)
    lapsed = {row.use for row in rows} - {row.use for row in rows if row.until_ms is None or row.until_ms > now_ms}
    if lapsed:
        step = "Have headquarters make and push a new key (docs/keys.md)."
        return Finding(what, "wrong", f"no key serves any more for {', '.join(sorted(lapsed))}:\n{told}", step)
    return Finding(what, "ok", told)


def _unused(config: local.Config, rows: Sequence[Sealed], now_ms: int) -> list[Finding]:
    """A key that no reader uses, because the shop did not say that it may."""
    live = any(row.use is KeyUse.VAS and (row.until_ms is None or row.until_ms > now_ms) for row in rows)
    if not live or config.nfc.apple_vas:
        return []
    step = "With Apple's agreement (docs/wallets.md) write apple_vas = true under [nfc]; else drop the key."
    return [Finding("Apple Wallet", "missing", "a vas key is here, but no reader asks for passes", step)]


def _told(row: Sealed, now_ms: int) -> str:
    until = "without end" if row.until_ms is None else f"until {moment(row.until_ms)}"
    if row.until_ms is not None and row.until_ms <= now_ms:
        return f"{row.use} {row.key_id} is over, it served {until}"
    serves = "serves" if row.from_ms <= now_ms else "will serve"
    return f"{row.use} {row.key_id} {serves} from {moment(row.from_ms)} {until}"
