"""Changing the keys of this box's data: the root key here, at once; the field key by asking the service for it.

A change of the root takes three steps, each whole or not at all: the next root is written beside the serving one; every
data key is wrapped with it, in one commit; it takes the place of the other. After a kill the next start goes on there.
"""

from pathlib import Path

from gateway import dbfile, keys, localca
from gateway.core.vault import Vault
from gateway.errors import ConfigError

BY_SYSTEMD = """\
The root key of this box comes from systemd; only you can change that credential:
1. make the next one, which is nowhere in clear:
   head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \\n' |
     sudo systemd-creds encrypt --name= - /etc/store-gateway/site.key.next.cred
2. sudo systemctl edit store-gateway, and add under [Service]:
   LoadCredentialEncrypted=site.key.next:/etc/store-gateway/site.key.next.cred
3. sudo systemctl restart store-gateway. It wraps its keys with the next root; the old one opens nothing any more.
4. sudo mv /etc/store-gateway/site.key.next.cred /etc/store-gateway/site.key.cred, take the line of step 2 away
   (leave that of site.key), and restart once more."""


def root_keys(data_dir: Path) -> tuple[bytes, ...]:
    """The root keys one of which opens the data; looks only. Raises ConfigError."""
    return tuple(root.key for root in keys.roots(data_dir))


def root_key(data_dir: Path) -> bytes:
    """The root key that opens the data in this folder; a change of it that was interrupted is brought to its end first.

    Raises ConfigError.
    """
    newest, *others = keys.roots(data_dir)
    if others or newest.path.name == keys.NEXT:
        dbfile.rewrap(data_dir / dbfile.DATABASE, [other.key for other in others], newest.key)
        localca.reseal(data_dir, [other.key for other in others], newest.key)
        if not newest.from_systemd:
            keys.take_over(newest)
    return newest.key


def rotate_root(data_dir: Path) -> None:
    """A new root key, and every data key wrapped with it; the service may run or not. Raises ConfigError."""
    if not (data_dir / dbfile.DATABASE).exists():
        raise ConfigError(
            f"{data_dir / dbfile.DATABASE}: no such file; there is nothing to change before the first start"
        )
    if keys.systemd_brings(keys.ROOT) or any(root.from_systemd for root in keys.roots(data_dir)):
        raise ConfigError(BY_SYSTEMD)
    root_key(data_dir)
    keys.make_next_root(data_dir)
    root_key(data_dir)


def vault(data_dir: Path) -> Vault:
    """The keys of this box's data, for who only looks. Raises ConfigError."""
    found = dbfile.vault_of(data_dir / dbfile.DATABASE, *root_keys(data_dir))
    if found is None:
        raise ConfigError(f"{data_dir / dbfile.DATABASE}: holds no keys yet; start the service once")
    return found
