"""Errors are told apart by who must act."""

import pytest

from gateway.errors import ConfigError, GatewayError, PeerError, StoreError, UnavailableError


@pytest.mark.parametrize("kind", [ConfigError, StoreError, UnavailableError])
def test_all_are_gateway_errors(kind: type[GatewayError]) -> None:
    with pytest.raises(GatewayError, match="words"):
        raise kind("words")


def test_a_peer_error_carries_a_reason_to_count() -> None:
    assert PeerError("json").reason == "json"


def test_the_operators_exit_status_is_that_of_sysexits() -> None:
    assert ConfigError.EXIT_STATUS == 78
