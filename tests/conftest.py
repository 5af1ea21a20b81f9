"""What every test gets: the garbage of the one before is gone, and no example fails because the machine was slow. And
what many ask for: a shop's empty tables."""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import settings
from sqlite_utils import Database

from gateway.core.vault import Vault
from gateway.migrations import migrate
from gateway.records import Tx

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _collected(request: pytest.FixtureRequest) -> Iterator[None]:
    """A D-Bus that was killed leaves futures that complain when they are collected, and that may not happen in the
    middle of pytest's own compiling (CPython 3.11: "AST constructor recursion depth mismatch")."""
    yield
    if "bluez" in request.fixturenames or "FakeBluez" in vars(request.module):
        gc.collect()


@pytest.fixture
def db() -> Iterator[Database]:
    """A shop's tables in memory, empty."""
    one = Database(memory=True)
    migrate(one)
    yield one
    one.close()


@pytest.fixture
def tx(db: Database) -> Tx:
    """A transaction on them; a module that needs more in them has a fixture of this name that asks for this one."""
    return Tx(db, Vault(bytes(32)))
