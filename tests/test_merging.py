"""The local file and headquarters' settings as one: what the file names wins, and each value says whose it is."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Config
from gateway.core.trial import Steered
from gateway.merging import MAX_DOCUMENT_BYTES, Merged, Misfit, Settings, merged, of_steered, read

LOCAL: dict[str, Any] = {
    "gateway": {"tenant": "t", "store": "s", "id": "g", "data_dir": "/d"},
    "mqtt": {"host": "here", "password_file": "/d/password"},
    "receiver": [{"id": "door", "zone": "entrance"}],
    "source": [{"path": "nfc:/dev/ttyUSB0", "receiver": "door"}],
    "screen": [{"id": "bar", "zone": "coffee"}],
    "nfc": {"poll_ms": 60},
}


def local(**gateway: object) -> Config:
    return Config.model_validate(LOCAL | {"gateway": LOCAL["gateway"] | gateway})


def said(document: dict[str, Any], config: Config | None = None) -> Merged:
    settings = read(json.dumps(document))
    assert isinstance(settings, Settings), settings
    found = merged(config or local(), settings)
    assert isinstance(found, Merged), found
    return found


@pytest.mark.parametrize("steered", [True, False])
def test_headquarters_moves_no_root_key_and_takes_none_away(steered: bool) -> None:
    own = Config.model_validate(LOCAL | {"mqtt": LOCAL["mqtt"] | {"hq_root": "0f" * 32}})
    own = own.model_copy(update={"gateway": own.gateway.model_copy(update={"broker_steered": steered})})
    found = said({"mqtt": {"host": "there"}}, own).config.mqtt
    assert found is not None
    assert (found.host, found.hq_root) == ("there" if steered else "here", "0f" * 32)
    for document in ({"mqtt": {"host": "there", "hq_root": "aa" * 32}}, {"hq_root": "aa" * 32}):
        assert isinstance(read(json.dumps(document)), Misfit)


def test_nothing_said_is_the_file() -> None:
    found = said({})
    assert found.config == local()
    assert found.overruled == ()
    assert {line.origin for line in found.lines} == {"file", "default"}


def test_the_broker_follows_headquarters_only_where_the_file_says_so() -> None:
    there = {"mqtt": {"host": "there", "port": 8883, "protocol": "5"}}
    stays = said(there)
    assert stays.config == local()
    assert stays.overruled == ("mqtt",)
    moves = said(there, local(broker_steered=True)).config.mqtt
    assert moves is not None
    assert (moves.host, moves.port, moves.protocol) == ("there", 8883, "5")
    assert moves.password_file == Path("/d/password")
    origins = {line.key: line.origin for line in said(there, local(broker_steered=True)).lines}
    assert origins["mqtt.host"] == origins["mqtt.port"] == "headquarters"


def test_a_gateway_without_a_line_stays_without_one() -> None:
    alone = Config.model_validate({"gateway": LOCAL["gateway"] | {"broker_steered": True}})
    assert said({"mqtt": {"host": "there"}}, alone).config.mqtt is None


def test_entries_are_added_and_never_replace_those_of_the_file() -> None:
    found = said(
        {
            "receiver": [{"id": "door", "zone": "coffee"}, {"id": "till", "zone": "tills", "till": "till-1"}],
            "source": [{"path": "serial:/dev/ttyACM0", "receiver": "till"}],
            "screen": [{"id": "bar", "zone": "coffee"}, {"id": "wine", "zone": "wine"}],
        }
    )
    assert [(one.id, one.zone) for one in found.config.receiver] == [("door", "entrance"), ("till", "tills")]
    assert [one.id for one in found.config.screen] == ["bar", "wine"]
    assert found.overruled == ("receiver.door",)  # the same screen once more overrules nothing
    origins = {line.key: line.origin for line in found.lines}
    assert origins["receiver till"] == origins["source till"] == origins["screen wine"] == "headquarters"
    assert origins["receiver door"] == origins["screen bar"] == "file"


@pytest.mark.parametrize("path", ["nfc:/dev/ttyUSB0?baud=115200", "nfc:/dev/ttyUSB0"])
def test_a_device_of_the_files_serves_no_other_ear(path: str) -> None:
    second = {"receiver": [{"id": "two", "zone": "coffee"}], "source": [{"path": path, "receiver": "two"}]}
    found = said(second)
    assert [one.receiver for one in found.config.source] == ["door"]
    assert found.overruled == ("source.two",)


def test_single_keys_of_readers_are_filled_in() -> None:
    found = said({"nfc": {"poll_ms": 100, "chip_numbers": True}})
    assert (found.config.nfc.poll_ms, found.config.nfc.chip_numbers) == (60, True)
    assert found.overruled == ("nfc.poll_ms",)
    origins = {line.key: line.origin for line in found.lines}
    assert origins["nfc.poll_ms"] == "file"
    assert origins["nfc.chip_numbers"] == "headquarters"
    assert origins["nfc.apple_vas"] == "default"


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"http": {"port": 1}}, ""),
        ({"gateway": {"id": "other"}}, ""),
        ({"mqtt": {"host": "a", "password_file": "/etc/passwd"}}, "mqtt"),
        ({"mqtt": {"host": "a b"}}, "mqtt.host"),
        ({"receiver": [{"id": "a"}]}, "receiver.0.zone"),
        ({"receiver": [{"id": "No good", "zone": "x"}]}, "receiver.0.id"),
        ({"source": [{"path": "sim:1"}]}, "source.0.path"),
        ({"source": [{"path": "replay:/etc/passwd", "receiver": "door"}]}, "source.0.path"),
        ({"nfc": {"poll_ms": 1}}, "nfc.poll_ms"),
        ({"screen": [{"id": f"s{number}", "zone": "x"} for number in range(65)]}, "screen"),
    ],
)
def test_what_is_no_configuration_is_told_with_its_place(document: dict[str, Any], place: str) -> None:
    assert read(json.dumps(document)) == Misfit("fields", place)


def test_the_place_of_a_fault_says_none_of_the_peers_words() -> None:
    assert read('{"receiver": [{"id": "a", "zone": "x", "mia@example.org": 1}]}') == Misfit("fields", "receiver.0")


def test_names_have_to_meet_across_file_and_headquarters() -> None:
    settings = read('{"receiver": [{"id": "till", "zone": "x", "screen": "nowhere"}]}')
    assert isinstance(settings, Settings)
    assert merged(local(), settings) == Misfit("fields", "receiver.1.screen")


def test_a_document_is_bounded() -> None:
    assert read('{"screen": []}' + " " * MAX_DOCUMENT_BYTES) == Misfit("too_large")
    assert read("[]") == Misfit("fields")
    assert read("nonsense") == Misfit("fields")


def test_the_settings_that_count_are_laid_beside_the_file() -> None:
    assert of_steered(local(), Steered()) == said({})
    assert of_steered(local(), Steered("s-1", "{}", 5)) == said({})
    assert of_steered(local(), Steered("s-1", "5", 5)) == Misfit("fields")


NAMES = st.sampled_from(["door", "bar", "till", "wine"])


@given(
    st.lists(st.fixed_dictionaries({"id": NAMES, "zone": NAMES}), unique_by=lambda one: one["id"]),
    st.lists(st.fixed_dictionaries({"id": NAMES, "zone": NAMES}), unique_by=lambda one: one["id"]),
)
def test_whatever_the_file_names_is_as_the_file_says(ours: list[dict[str, str]], theirs: list[dict[str, str]]) -> None:
    own = Config.model_validate({"gateway": LOCAL["gateway"], "receiver": ours})
    found = said({"receiver": theirs}, own)
    zones = {one.id: one.zone for one in found.config.receiver}
    assert zones == {one["id"]: one["zone"] for one in theirs} | {one["id"]: one["zone"] for one in ours}
    again = said({"receiver": theirs}, found.config)
    assert again.config == found.config
