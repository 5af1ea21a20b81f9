"""The pages over TLS: which certificate serves now, renewed while the gateway runs; the gateway's part `https`."""

import asyncio
import contextlib
import ssl
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.x509 import Certificate

from gateway import localca, ownnames
from gateway.config import Config
from gateway.core import certs
from gateway.core.certs import Hosts
from gateway.core.ports import Clock
from gateway.core.spans import DAY_MS
from gateway.errors import ConfigError
from gateway.health import Cause, Health, State
from gateway.httptable import HttpTable

# A new address is served a minute after the box has got it; one look costs a few stat calls and two small files.
LOOK_S = 60.0
WARN_MS = 14 * DAY_MS  # of a retailer's own certificate; < certs.RENEW_MS
AUTHORITY_WARN_MS = 90 * DAY_MS  # every tablet has to learn the next one
SEEN_MS = 120_000  # how long it is known that a device tried TLS; the page for trust asks every few seconds
MAX_SEEN = 256  # devices; about 100 bytes each

CLOCK_HELP = "Let the box reach a time server (timedatectl), or set its clock; the pages work without TLS until then."
FILE_HELP = "Correct the file named here (docs/https.md); the pages work without TLS until then."
PORT_HELP = "Free the port or choose another https_port; the pages work without TLS until then."
NEXT_HELP = "Bring the next certificate; it is served without a restart (docs/https.md)."
NAME_HELP = "`store-gateway trust --new` makes an authority for the names of today; every tablet has to learn it."


@dataclass(frozen=True, slots=True)
class Served:
    """What the pages are served under. `authority` None: a certificate of the retailer's own."""

    names: Hosts
    ends_ms: int
    authority: Certificate | None


class Https:
    """One gateway's TLS. Everything but `look` is touched from the event loop only.

    `roots`: the root keys that may open the files, the newest first. `now_ms`: the world's time; `clock`: the shop's.
    """

    def __init__(
        self,
        config: Config,
        roots: Callable[[], Sequence[bytes]],
        now_ms: Callable[[], int],
        clock: Clock,
        health: Health,
    ) -> None:
        self._config = config
        self._roots = roots
        self._now_ms = now_ms
        self._clock = clock
        self._health = health
        self._context: ssl.SSLContext | None = None
        self._loaded: tuple[object, ...] = ()
        self._barred = ""
        self._seen: OrderedDict[str, int] = OrderedDict()
        self.served: Served | None = None
        self.port = config.http.https_port or 0

    @property
    def authority(self) -> bytes | None:
        """The certificate that devices are to trust, in DER."""
        found = self.served.authority if self.served is not None else None
        return None if found is None else certs.der(found)

    @property
    def title(self) -> str:
        """How devices list the authority."""
        found = self.served.authority if self.served is not None else None
        return "" if found is None else str(found.subject.rfc4514_string().removeprefix("CN="))

    @property
    def fingerprint(self) -> str:
        """Of the authority, 64 hex digits, "" for none."""
        found = self.served.authority if self.served is not None else None
        return "" if found is None else certs.fingerprint(found)

    def stands_for(self, name: str) -> bool:
        """Whether the certificate is for this name or address."""
        if self.served is None:
            return False
        names = self.served.names
        upper = f"*.{name.partition('.')[2]}"
        return name in names.names or name in names.addresses or upper in names.names

    @property
    def own_names(self) -> frozenset[str]:
        """Names of this box that it may be called by beside those of its configuration."""
        return frozenset(ownnames.host_names())

    @property
    def best_name(self) -> str:
        """What to call this gateway where the name that somebody came by is in no certificate."""
        name = reachable_name(self._config.http)
        if self.stands_for(name):
            return name
        names = self.served.names if self.served is not None else Hosts((), ())
        return next((one for one in names.names if "*" not in one), "localhost")

    @property
    def is_served(self) -> bool:
        """Whether a device that comes now gets a handshake."""
        return self._context is not None and not self._barred

    def barred(self, why: str) -> None:
        """The secure port cannot be had; "" = it can."""
        self._barred = why
        if why:
            self._say("degraded", why, PORT_HELP)
        elif self.served is not None:
            self._tell(self.served, self._now_ms())

    def context(self) -> ssl.SSLContext | None:
        """For the next handshake; None = nothing to show yet."""
        return self._context

    def came(self, address: str) -> None:
        """A device began a handshake, whatever became of it."""
        self._seen[address] = self._now_ms()
        self._seen.move_to_end(address)
        while len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)

    def has_come(self, address: str) -> bool:
        """Whether a device at this address reached the secure port in the last two minutes."""
        at_ms = self._seen.get(address)
        return at_ms is not None and 0 <= self._now_ms() - at_ms < SEEN_MS

    async def run(self) -> None:
        """Look every minute, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Serve what is to be served now; trouble is a state of the part `https`, and what served before goes on."""
        now_ms = self._now_ms()
        try:
            roots = self._roots()
            found, path, why = await asyncio.to_thread(self._prepare, roots, now_ms)
            self._load(path, roots)
        except ConfigError as error:
            clock = not certs.is_plausible(now_ms)
            self._say("degraded", str(error), CLOCK_HELP if clock else FILE_HELP)
            return
        if why:
            self._health.count(f"https.made.{why}")
        self.served = found
        self._tell(found, now_ms)

    def _prepare(self, roots: Sequence[bytes], now_ms: int) -> tuple[Served, Path, str]:
        """What is to be served, where it lies, why it was made or "". In a thread: it writes. Raises ConfigError."""
        http = self._config.http
        if http.https_cert is not None:
            brought = localca.certificate_of(http.https_cert)
            return Served(certs.named(brought), certs.ends_ms(brought), None), http.https_cert, ""
        data_dir = self._config.gateway.data_dir
        names = names_of(http)
        issuer = localca.authority(data_dir, roots, title(self._config), names, now_ms)
        leaf, why = localca.leaf(data_dir, roots, issuer, names, now_ms)
        certificate = leaf.certificate
        served = Served(certs.named(certificate), certs.ends_ms(certificate), issuer.certificate)
        return served, localca.server_path(data_dir), why

    def _load(self, path: Path, roots: Sequence[bytes]) -> None:
        """Show this certificate from the next handshake on; those in progress keep theirs. Raises ConfigError."""
        key = self._config.http.https_key if self._config.http.https_cert is not None else None
        passwords = [b""] if key is not None else [localca.password(root) for root in roots]
        try:
            mark = tuple((one.stat().st_mtime_ns, one.stat().st_ino) for one in (path, key or path))
        except OSError as error:
            raise ConfigError(f"{key or path}: cannot be read ({error.strerror})") from error
        if mark == self._loaded:
            return
        for password in passwords:
            context = _context()
            with contextlib.suppress(OSError, ValueError):  # ssl.SSLError is an OSError
                context.load_cert_chain(path, key, password=password)
                self._context, self._loaded = context, mark
                return
        raise ConfigError(
            f"{key or path}: certificate and key do not fit, or the key cannot be read without a password"
        )

    def _tell(self, found: Served, now_ms: int) -> None:
        if self._barred:
            return
        left_ms = found.ends_ms - now_ms
        if found.authority is None:
            if left_ms < WARN_MS:
                self._say("degraded", f"the certificate ends in {left_ms // DAY_MS} days", NEXT_HELP, "https_ends")
            else:
                self._say("ok")
            return
        missing = set(names_of(self._config.http).names) - set(found.names.names)
        left_ms = certs.ends_ms(found.authority) - now_ms
        if missing:
            self._say("degraded", f"the authority is not for {', '.join(sorted(missing))}", NAME_HELP, "https_names")
        elif left_ms < AUTHORITY_WARN_MS:
            self._say("degraded", f"the authority ends in {left_ms // DAY_MS} days", NAME_HELP, "https_ends")
        else:
            self._say("ok")

    def _say(self, state: State, detail: str = "", action: str = "", cause: Cause = "") -> None:
        self._health.set("https", state, self._clock.now_ms(), detail, action, cause)


def names_of(http: HttpTable) -> Hosts:
    """Everything that screens, tablets and tills may call this box."""
    told = [urlsplit(url).hostname or "" for url in (http.shop_url or http.public_url,) if url is not None]
    return certs.hosts("localhost", "127.0.0.1", "::1", http.host, *told, *ownnames.host_names(), *ownnames.addresses())


def reachable_name(http: HttpTable) -> str:
    """How a device in the shop's network gets here: the configured name, else an address, else the local name."""
    for url in (http.shop_url, http.public_url):
        if url is not None and (host := urlsplit(url).hostname):
            return host
    if http.host in ("127.0.0.1", "::1", "localhost"):
        return "localhost"
    names = names_of(http)
    if http.host in names.addresses:
        return http.host
    outside = [one for one in names.addresses if not one.startswith(("127.", "169.254.")) and ":" not in one]
    local = [name for name in names.names if name.endswith(".local")]
    return next(iter((*outside, *local, *names.names)))


def title(config: Config) -> str:
    """What devices list the authority as, without its year."""
    return f"Store gateway {config.gateway.store} {config.gateway.id}"


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
