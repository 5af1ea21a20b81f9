"""A headquarters' keys for tests: a root, one key for each role, and a place that keeps certificates in memory."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.errors import StoreError
from sync import signing
from sync.signing import ROLE_OF, Certificate, Role
from sync.topics import Topics
from sync.verifying import Moment, Trust, Verifier

NOW_MS = 1_795_000_000_000
DAY_MS = 86_400_000


def public(private: Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes_raw()


def key(name: str) -> Ed25519PrivateKey:
    """Always the same for a name."""
    return Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"."))


ROOT = key("root")


def certificate(
    role: str,
    number: int = 1,
    *,
    from_ms: int = NOW_MS - DAY_MS,
    until_ms: int = NOW_MS + 365 * DAY_MS,
    root: Ed25519PrivateKey = ROOT,
) -> Certificate:
    """The root's word for the key that `signer_key` gives."""
    return signing.certify(root, role, number, public(signer_key(role, number)), from_ms, until_ms)


def signer_key(role: str, number: int = 1) -> Ed25519PrivateKey:
    return key(f"{role} {number}")


def keys(number: int = 1) -> bytes:
    """The message with a certificate for every role."""
    return signing.keys(certificate(role, number) for role in Role)


def signed(place: Topics, leaf: str, body: bytes, number: int = 1, until_ms: int = 0) -> bytes:
    """A message as headquarters sends it."""
    return signing.sign(signer_key(ROLE_OF[leaf], number), number, place.down(leaf), body, until_ms)


class Notebook:
    """Keeps certificates for as long as the test lasts; `full` = it refuses."""

    def __init__(self) -> None:
        self.kept: bytes | None = None
        self.newest: str | None = None
        self.writes = 0
        self.full = False

    async def read(self) -> bytes | None:
        return self.kept

    async def keep(self, certificates: bytes) -> None:
        if self.full:
            raise StoreError("disk full")
        self.kept = certificates
        self.writes += 1

    async def mark(self) -> str | None:
        return self.newest

    async def put_mark(self, mark: str) -> None:
        if self.full:
            raise StoreError("disk full")
        self.newest = mark


class Believer:
    """A verifier with a clock that can be set."""

    def __init__(self, notebook: Notebook | None = None, root: bytes | None = None) -> None:
        """`root`: the public half of the root key, None = ROOT's."""
        self.notebook = notebook or Notebook()
        self.moment = Moment(NOW_MS, NOW_MS)
        self.verifier = Verifier(Trust(root or public(ROOT), self.notebook, lambda: self.moment))
