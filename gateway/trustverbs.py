"""The command `trust`: where devices learn to trust this gateway, and what to compare there; a new authority."""

import argparse
from pathlib import Path

from gateway import config, https, localca, rekey
from gateway.clock import world_ms
from gateway.core import certs
from gateway.errors import ConfigError
from gateway.terminal import out, qr_code, say

AFTERWARDS = """\
Nobody trusts this gateway any more until the new authority is installed.
On every tablet and till: take the old one away ({old}), then open the address below.
  iPad, iPhone: Settings, General, VPN & Device Management.   Android: Settings, Encryption & credentials.
  Windows: certmgr.msc, Trusted Root Certification Authorities.   Mac: Keychain Access.
A device that keeps the old one would still believe whoever has its key."""
OWN = "The pages are served under {path}, a certificate of your own: there is nothing for devices to learn here."
OFF = "expected an https_port under [http]: without it the pages are not served over TLS (docs/https.md)"
NONE_YET = "There is no authority yet: the service makes it at its next start. Run this again then."
LATER = "The old authority is gone. Only the service can seal a new one; it does within a minute, or at its next start."


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", default_config: Path) -> None:
    """Add `trust` to the commands."""
    text = "the page, QR code and fingerprint by which devices learn to trust this gateway's HTTPS"
    sub = verbs.add_parser("trust", help=text, description=text)
    sub.add_argument("--config", type=Path, default=default_config, help="the configuration file")
    sub.add_argument("--new", action="store_true", help="a new authority, after a theft; every device has to learn it")
    sub.set_defaults(verb=_trust)


def _trust(arguments: argparse.Namespace) -> int:
    loaded = config.load(arguments.config)
    http = loaded.http
    if http.https_port is None:
        raise ConfigError(f"{arguments.config}: {OFF}")
    if http.https_cert is not None:
        say(OWN.format(path=http.https_cert))
        return 0
    data_dir = loaded.gateway.data_dir
    if arguments.new:
        _renew(loaded)
    found = localca.known(data_dir)
    if found is None:
        say(LATER if arguments.new else NONE_YET)
        return 0
    url = trust_url(loaded)
    digits = certs.fingerprint(found)
    out.print(f"page         {url}", highlight=False, soft_wrap=True)
    out.print(f"authority    {found.subject.rfc4514_string().removeprefix('CN=')}", highlight=False, soft_wrap=True)
    out.print(f"serves until {found.not_valid_after_utc:%Y-%m-%d}", highlight=False)
    for at in range(0, len(digits), 16):
        line = " ".join(digits[at + part : at + part + 4] for part in range(0, 16, 4))
        out.print(f"{'' if at else 'SHA-256':12} {line}", highlight=False)
    out.print(qr_code(url), highlight=False, markup=False)
    return 0


def _renew(loaded: config.Config) -> None:
    data_dir = loaded.gateway.data_dir
    old = localca.known(data_dir)
    try:
        roots = rekey.root_keys(data_dir)
    except ConfigError:
        localca.forget(data_dir)  # systemd brings the root key to the service alone
        roots = ()
    if roots:
        localca.make_authority(data_dir, roots, https.title(loaded), https.names_of(loaded.http), world_ms())
    if old is not None:
        say(AFTERWARDS.format(old=old.subject.rfc4514_string().removeprefix("CN=")))


def trust_url(loaded: config.Config) -> str:
    """The guide's address as devices reach it before they trust anything: without TLS, under the shop's name."""
    http = loaded.http
    told = (http.shop_url or "", http.public_url or "")
    plain = next((url for url in told if url.startswith("http:")), "")
    if plain:
        return f"{plain.rstrip('/')}/trust"
    name = https.reachable_name(http)
    return f"http://{f'[{name}]' if ':' in name else name}:{http.port}/trust"
