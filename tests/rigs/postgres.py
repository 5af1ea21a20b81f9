"""A private PostgreSQL server in a temporary folder, reachable by a Unix socket there alone; one for a test run."""

import atexit
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from sync.hq import file
from sync.hq.migrations import migrations
from sync.hq.postgres import Postgres
from sync.hq.storage import Db, Storage, Url

# Every test of headquarters on PostgreSQL, but for those marked `sqlite`: make test-postgres.
EVERYWHERE = bool(os.environ.get("HQ_POSTGRES"))
START_S = 60  # a bound for a machine that is stuck; it takes 2 s
_databases = itertools.count(1)
_running: list["Server"] = []


def _folder() -> Path | None:
    """Where Debian has the newest server, or where the path leads to one."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin"), *map(Path, os.get_exec_path())]
    found = [one for one in found if (one / "initdb").exists() and (one / "postgres").exists()]
    return max(found, key=lambda one: one.parts[-2].zfill(9), default=None)


BIN = _folder()
needs_postgres = pytest.mark.skipif(BIN is None, reason="PostgreSQL's server is not installed (apt install postgresql)")


class Server:
    """A server of its own. Nothing in it outlives the tests, so it waits for no disk, but where that is measured."""

    def __init__(self, *, waits_for_disk: bool = False) -> None:
        assert BIN is not None
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._free: list[Url] = []
        user = _user()
        if user is not None:
            shutil.chown(self.folder, user)
        make = [BIN / "initdb", "-D", "data", "-U", "hq", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(make, cwd=self.folder, user=user, check=True, stdout=subprocess.DEVNULL)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "fsync": "on" if waits_for_disk else "off",
        }
        given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [BIN / "postgres", "-D", "data", *given], cwd=self.folder, user=user, stderr=log, start_new_session=True
            )
        atexit.register(self.stop)
        self._until_it_answers()

    def new(self) -> Url:
        """An empty database."""
        name = f"hq{next(_databases)}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        return Url(self._url(name), self.folder / name)

    def take(self) -> Url:
        """A database for one test, as good as new: a new one takes most of a second."""
        return self._free.pop() if self._free else self.new()

    def size(self, url: Url) -> int:
        """Bytes of a database with its indexes."""
        with psycopg.connect(url.text) as connection:
            row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        assert row is not None
        return int(row[0])

    def give_back(self, url: Url) -> None:
        """Nothing of the test stays in it."""
        with psycopg.connect(url.text, autocommit=True) as connection:
            rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            begins = {"hq": "UPDATE hq SET boot = 0", "counter": "UPDATE counter SET last = 0", "hq_migration": ""}
            acts = [begins.get(name, f"DELETE FROM {name}") for (name,) in rows]
            connection.execute("; ".join([*acts, "ALTER TABLE event ALTER id RESTART"]).encode())
        self._free.append(url)

    def stop(self) -> None:
        """At once: nobody needs what is in it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _url(self, name: str) -> str:
        return f"postgresql://hq@/{name}?host={self.folder}"

    def _until_it_answers(self) -> None:
        for _ in range(START_S * 20):
            with suppress(psycopg.OperationalError), psycopg.connect(self._url("postgres")):
                return
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())


def server() -> Server:
    """The one of this process, started when it is first asked for."""
    if not _running:
        _running.append(Server())
    return _running[0]


@contextmanager
def in_place_of_files() -> Iterator[None]:
    """Within it each path names a database of its own; an empty file says that it is there."""
    urls: dict[Path, Url] = {}

    def opened(db: Db) -> Storage:
        if isinstance(db, Path):
            db.touch()
            db = urls[db] if db in urls else urls.setdefault(db, server().take())
        return Postgres(db.text, migrations)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file, "_open", opened)
        yield
    for url in urls.values():
        server().give_back(url)


def _user() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return None
    return "postgres" if "postgres" in {one.pw_name for one in pwd.getpwall()} else "nobody"
