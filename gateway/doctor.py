"""What is there, what is missing, in plain words, with the next step. Looks only; changes nothing."""

import asyncio
import platform
import shutil
import stat
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from drivers import mgmtwire
from drivers.bluez import adapters
from drivers.nfc import readers, serial_port
from drivers.pcsc import INSTALL
from gateway import config as local
from gateway import erasures, keycheck, keys, ledgerfile, localca, withdrawals
from gateway.cardcheck import card
from gateway.clock import ShopClock, world_ms
from gateway.core import certs
from gateway.core import notice as notices
from gateway.core.model import ShopConfig
from gateway.dbfile import DATABASE, broken_logs, examined, kept_shop
from gateway.diskstate import READ_ONLY, READ_ONLY_HELP, is_read_only
from gateway.errors import ConfigError
from gateway.finding import Finding, moment
from gateway.linecheck import line
from gateway.origins import origins
from gateway.preflight import check
from gateway.provisioncheck import WHAT as WHOSE
from gateway.provisioncheck import provisioned
from gateway.recognition import NOTICE_HELP
from gateway.terminal import grouped
from gateway.updatecheck import updates

LOW_DISK_MB = 500  # a week without HQ needs 52 MB of outbox at 20,000 events a day, plus updates and logs
BLUETOOTH = Path("/sys/class/bluetooth")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

_DEVICES = ("ble", "mgmt", "nfc", "pcsc", "serial")
PCSCD = Path("/run/pcscd/pcscd.comm")  # its socket, also while systemd listens in its place


async def examine(config_path: Path | None, *, thorough: bool = True) -> list[Finding]:
    """Everything that the service needs, in the order in which an installer meets it. Not `thorough`: without opening
    every sealed value, which takes a Pi seconds."""
    findings = [_system(), await _bluetooth(), _nfc(), _browser()]
    if config_path is None:
        findings.append(
            Finding(
                "Configuration",
                "missing",
                "no configuration file was named",
                "Run `store-gateway doctor --config FILE` to check one; the demo brings its own.",
            )
        )
        return findings
    findings += provisioned(config_path)
    if findings[-1].what == WHOSE and findings[-1].state == "missing":
        return findings
    try:
        config = local.load(config_path)
    except ConfigError as error:
        findings.append(Finding("Configuration", "wrong", str(error), "Correct the lines named here."))
        return findings
    findings.append(_configuration(config, config_path))
    present = await adapters()
    findings += [_device(source, present) for source in config.source if source.scheme in _DEVICES]
    findings.append(_data(config.gateway.data_dir))
    findings += await asyncio.to_thread(card, config.gateway.data_dir, thorough)
    findings += _root(config.gateway.data_dir, thorough)
    findings.append(_erasures(config.gateway.data_dir))
    findings.append(_withdrawals(config.gateway.data_dir))
    findings += keycheck.reader_keys(config, ShopClock(1.0).now_ms())
    findings += keycheck.signature(config, world_ms())
    findings += _consents(config.gateway.data_dir) if thorough else []
    findings.append(_notice(config))
    findings += _https(config)
    findings += _steered(config)
    findings += updates(config.gateway.update_folder)
    findings += await line(config)
    return findings


def brief(config_path: Path | None) -> list[dict[str, str]]:
    """The same for a diagnostic bundle, not thorough; takes seconds, so a service asks in a thread of its own."""
    return [asdict(one) for one in asyncio.run(examine(config_path, thorough=False))]


def _configuration(config: local.Config, path: Path) -> Finding:
    """What `check-config` says beyond the form."""
    try:
        check(config, path)
    except ConfigError as error:
        return Finding("Configuration", "wrong", str(error), "Correct what is named here; the service does not start.")
    return Finding("Configuration", "ok", str(path))


def _steered(config: local.Config) -> list[Finding]:
    """What headquarters steers of this box, and what of it the file overrules."""
    found = origins(config)
    if found is None:
        return []
    return [Finding("Headquarters' settings", "missing" if found.misfit else "ok", found.told, found.step)]


def _system() -> Finding:
    version = platform.python_version()
    found = f"Python {version} on {platform.system()} {platform.machine()}"
    if sys.maxsize < 2**32:
        return Finding("System", "wrong", f"{found}, 32 bit", "Install the 64-bit Raspberry Pi OS.")
    return Finding("System", "ok", found)


async def _bluetooth() -> Finding:
    names = await adapters()
    if names:
        return Finding("Bluetooth", "ok", f"adapter {', '.join(names)}", "")
    if shutil.which("bluetoothd", path="/usr/libexec/bluetooth:/usr/lib/bluetooth") is None:
        step = "Install it with `sudo apt install bluez`, then plug in or enable an adapter."
        return Finding("Bluetooth", "missing", "no Bluetooth adapter: the Bluetooth service is not installed", step)
    return Finding(
        "Bluetooth",
        "missing",
        "no Bluetooth adapter",
        "Plug in a USB adapter, or enable the built-in one: `sudo rfkill unblock bluetooth`, then "
        "`sudo systemctl restart bluetooth`.",
    )


def _nfc() -> Finding:
    found = readers()
    plugged_in = [port for port in found if "USB" in port or "ACM" in port]
    if plugged_in:
        return Finding("NFC", "ok", f"a serial device that may be a reader: {', '.join(plugged_in)}")
    step = (
        "Plug in a USB reader, or put a PN532 on the serial port and enable it: `sudo raspi-config`, "
        "Interface Options, Serial Port: login shell no, hardware yes."
    )
    if found:  # every machine with a UART has these; whether something is wired to it cannot be seen
        return Finding(
            "NFC", "missing", f"no NFC reader, unless one is wired to the built-in port {', '.join(found)}", step
        )
    return Finding("NFC", "missing", "no NFC reader", step)


def _browser() -> Finding:
    for name in BROWSERS:
        path = shutil.which(name)
        if path is not None:
            return Finding("Browser for a screen", "ok", path)
    step = "Only a box with its own screen needs it: `sudo apt install chromium`."
    return Finding("Browser for a screen", "missing", "no Chromium", step)


def _device(source: local.SourceTable, present: dict[str, str]) -> Finding:
    """Whether the device that a source names is there."""
    what = f"Source {source.path}"
    if source.scheme == "ble":
        if source.target in present or source.target.upper() in present.values():
            return Finding(what, "ok", f"adapter {source.target} is there")
        return Finding(what, "wrong", f"no adapter {source.target}", "See Bluetooth above, or name another adapter.")
    if source.scheme == "mgmt":
        return _management(what, source.target)
    if source.scheme == "pcsc":
        return _pcsc(what)
    port = source.target if source.scheme == "serial" else serial_port(source.target)
    if port is None:
        return Finding(what, "ok", "not a serial device; it is tried when the service starts")
    if Path(port).exists():
        return Finding(what, "ok", f"{port} is there")
    return Finding(what, "wrong", f"no device {port}", "See NFC above, or name another device.")


def _pcsc(what: str) -> Finding:
    if find_spec("smartcard") is None:
        return Finding(what, "wrong", "pyscard is not installed", INSTALL)
    if not PCSCD.exists():
        return Finding(what, "wrong", "pcscd does not run", "sudo systemctl enable --now pcscd.socket")
    return Finding(what, "ok", "pcscd is there; the reader is looked for when the service starts")


def _management(what: str, adapter: str) -> Finding:
    """The kernel's own socket; whether the service may use it is up to its unit, not to who asks here."""
    if not (BLUETOOTH / adapter).exists():
        return Finding(what, "wrong", f"no adapter {adapter}", "See Bluetooth above, or name another adapter.")
    try:
        mgmtwire.connect().close()
    except OSError:
        step = "Use ble: in place of mgmt:, or run outside the container."
        return Finding(what, "wrong", "this kernel or container has no management socket", step)
    return Finding(what, "ok", f"{adapter} is there; the service needs systemd/store-gateway.service.d/mgmt.conf")


def _data(data_dir: Path) -> Finding:
    existing = next(path for path in (data_dir, *data_dir.parents) if path.exists())
    free_mb = shutil.disk_usage(existing).free // 1_000_000
    found = f"{data_dir}{'' if existing == data_dir else ' (will be made)'}, {free_mb:,} MB free"
    if existing == data_dir and stat.S_IMODE(data_dir.stat().st_mode) & 0o077:
        return Finding("Data folder", "wrong", f"{found}; others may read it", f"chmod 700 {data_dir}")
    if is_read_only(existing):
        return Finding("Data folder", "wrong", f"{found}; {READ_ONLY}", READ_ONLY_HELP)
    if free_mb < LOW_DISK_MB:
        return Finding("Data folder", "wrong", found, f"Free at least {LOW_DISK_MB} MB on that disk.")
    return Finding("Data folder", "ok", found)


def _root(data_dir: Path, thorough: bool) -> list[Finding]:
    """Where the root key lies, which is as much as the sealing is worth, and whether everything opens with it."""
    what, path = "The key of this box", data_dir / DATABASE
    try:
        found = keys.roots(data_dir, make=False)
        if not found:
            return [Finding(what, "missing", "none yet", "The first start makes it.")]
        unopened = examined(path, *(root.key for root in found)) if thorough else None
    except ConfigError as error:
        if not (data_dir / keys.ROOT).exists() and keys.systemd_brings(keys.ROOT):
            told = "systemd brings it; what is stored can be looked at by the service alone"
            return [Finding(what, "ok", told), *_other_keys(data_dir)]
        return [
            Finding(what, "wrong", str(error), "The service does not start like this. docs/keys.md has the ways out.")
        ]
    place = _place(what, found[-1], data_dir)
    findings = [place, *(_other_keys(data_dir) if place.state == "ok" else ())]
    if unopened:
        told = ", ".join(f"{table} {count}" for table, count in sorted(unopened.items()))
        step = "Headquarters sends them again while the service runs. If it comes back, replace the card."
        findings.append(Finding("Stored members", "wrong", f"values that do not open: {told}", step))
    return findings


def _place(what: str, root: keys.Root, data_dir: Path) -> Finding:
    if root.from_systemd:
        return Finding(what, "ok", "systemd brings it")
    if root.path.stat().st_dev != data_dir.stat().st_dev:
        return Finding(what, "ok", f"{root.path}, on another disk than the data")
    found = (
        f"{root.path}, on the same disk as the data.\n"
        "It protects copies of the database, and protects against nothing that takes the whole card."
    )
    step = "Let systemd bring it, bound to a TPM: LoadCredentialEncrypted=site.key:... (docs/keys.md)."
    return Finding(what, "missing", found, step)


def _other_keys(data_dir: Path) -> list[Finding]:
    """Whether a thief of the card would find the box's other keys on it, though the root key is elsewhere."""
    left = keys.beside(data_dir)
    if not left:
        return []
    opens = {"gateway.key": "readers' keys", "tablet.key": "the staff's pages as a manager"}
    told = "\n".join(f"{data_dir / name}: opens {opens[name]}" for name in left)
    step = "Let systemd bring these too, then delete the files and have readers' keys pushed anew (docs/keys.md)."
    return [Finding("Other keys of this box", "missing", f"a thief of the card finds\n{told}", step)]


def _erasures(data_dir: Path) -> Finding:
    """Whether the ledger of erasures is what was written."""
    return _ledger(
        data_dir,
        erasures.KIND,
        "none yet: nobody was erased here",
        lambda found: f"{len(erasures.by_digest(found)):,} erased",
        "Nothing: the next start mends it, and nobody is recognised until headquarters has told all again.",
    )


def _withdrawals(data_dir: Path) -> Finding:
    """Whether the ledger of withdrawals is what was written."""
    return _ledger(
        data_dir,
        withdrawals.KIND,
        "none yet: nobody withdrew here",
        lambda found: f"{len(found.entries):,} changes",
        "Nothing, unless a backup is put back: let the gateway reach headquarters then before it recognises anybody.",
    )


def _ledger(
    data_dir: Path, kind: ledgerfile.LedgerKind, none_yet: str, count: Callable[[ledgerfile.Found], str], damaged: str
) -> Finding:
    what, path = kind.title.removeprefix("the ").capitalize(), data_dir / kind.name
    try:
        found = ledgerfile.read(path, kind)
    except ConfigError as error:
        return Finding(what, "wrong", str(error), "Correct the file named here; the service does not start with it.")
    if found is None:
        return Finding(what, "ok", none_yet)
    told = f"{path}, {count(found)}"
    if found.damaged:
        return Finding(what, "missing", f"{told}, {found.damaged:,} entries damaged", damaged)
    return Finding(what, "ok", f"{told}{', the last one half written' if found.torn else ''}")


def _notice(config: local.Config) -> Finding:
    """Whether there is a privacy notice with all that recognition needs."""
    what = "Privacy notice"
    try:
        shop = kept_shop(config.gateway.data_dir / DATABASE) or ShopConfig()
    except ConfigError as error:
        return Finding(what, "wrong", str(error), "Correct the file named here; the service does not start with it.")
    lacks = notices.missing(shop.notice)
    if shop.notice is None or lacks:
        found = "none yet" if shop.notice is None else f"it has no {', '.join(lacks)}"
        return Finding(what, "missing", f"{found}: nobody is recognised", NOTICE_HELP)
    languages = ", ".join(sorted(language for language, text in shop.notice.text.items() if text.strip()))
    return Finding(what, "ok", f"version {shop.notice.version}, in {languages}")


def _https(config: local.Config) -> list[Finding]:
    """Whether staff pages are served over TLS, and under what."""
    what, http = "HTTPS", config.http
    if http.https_port is None:
        step = "Set https_port under [http] if tablets shall keep their page as an app (docs/https.md)."
        return [] if http.installable else [Finding(what, "missing", "staff pages are served without TLS only", step)]
    try:
        brought = http.https_cert
        found = localca.certificate_of(brought) if brought is not None else localca.known(config.gateway.data_dir)
    except ConfigError as error:
        return [Finding(what, "wrong", str(error), "The pages work without TLS until this is corrected.")]
    if found is None:
        return [Finding(what, "missing", "no authority yet", "The next start makes it; then `store-gateway trust`.")]
    until = moment(certs.ends_ms(found))
    if certs.ends_ms(found) <= world_ms():
        return [Finding(what, "wrong", f"ended {until}", "Renew it (docs/https.md); browsers refuse it.")]
    if brought is not None:
        return [Finding(what, "ok", f"port {http.https_port}, {brought} until {until}")]
    told = f"port {http.https_port}, authority until {until}\nSHA-256 {grouped(certs.fingerprint(found))}"
    return [Finding(what, "ok", told)]


def _consents(data_dir: Path) -> list[Finding]:
    """Whether every member's consent log is as it was written."""
    what = "Consent logs"
    try:
        roots = keys.roots(data_dir, make=False)
        broken = broken_logs(data_dir / DATABASE, *(root.key for root in roots)) if roots else None
    except ConfigError as error:
        return [Finding(what, "wrong", str(error), "Correct the file named here; the service does not start with it.")]
    if broken is None:
        return []
    if broken:
        step = "Nobody of them is recognised. Headquarters sees who it is (consent.tampered): hq resend MEMBER."
        return [Finding(what, "wrong", f"{broken:,} were changed from outside", step)]
    return [Finding(what, "ok", "as they were written")]
