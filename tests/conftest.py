"""What every test gets: the garbage of the one before is gone, and no example fails because the machine was slow."""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _collected(request: pytest.FixtureRequest) -> Iterator[None]:
    """A D-Bus that was killed leaves futures that complain when they are collected, and that may not happen in the
    middle of pytest's own compiling (CPython 3.11: "AST constructor recursion depth mismatch")."""
    yield
    if "bluez" in request.fixturenames or "FakeBluez" in vars(request.module):
        gc.collect()
