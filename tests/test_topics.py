import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import PeerError
from sync import topics
from sync.topics import DOWN_LEAVES, UP_LEAVES, Topics

ids = st.from_regex(r"[a-z0-9][a-z0-9-]{0,23}", fullmatch=True)


def test_names_of_a_gateway() -> None:
    place = Topics("acme", "berlin-1", "gw1")
    assert place.up(topics.EVENTS) == "rg/1/acme/berlin-1/gw1/up/events"
    assert place.down(topics.ACK) == "rg/1/acme/berlin-1/gw1/down/ack"


@given(st.builds(Topics, ids, ids, ids))
def test_a_gateway_is_found_by_its_name(place: Topics) -> None:
    assert topics.place(place.name) == place


@pytest.mark.parametrize(
    "name", ["", "acme", "acme/berlin-1", "acme/berlin-1/gw1/x", "ACME/berlin-1/gw1", "a/b/c/up/#"]
)
def test_another_name_is_none(name: str) -> None:
    with pytest.raises(PeerError, match="topic"):
        topics.place(name)


@given(st.builds(Topics, ids, ids, ids))
def test_parse_is_the_inverse(place: Topics) -> None:
    for leaf in UP_LEAVES:
        assert topics.parse(place.up(leaf)) == (place, "up", leaf)
    for leaf in DOWN_LEAVES:
        assert topics.parse(place.down(leaf)) == (place, "down", leaf)


def test_longest_topic_fits_the_portable_contract() -> None:
    place = Topics("a" * 24, "b" * 24, "c" * 24)
    longest = max([place.up(leaf) for leaf in UP_LEAVES] + [place.down(leaf) for leaf in DOWN_LEAVES], key=len)
    assert len(longest.encode()) <= topics.MAX_TOPIC_BYTES
    assert longest.count("/") == 6


def test_a_scanners_topics_fit_too_and_are_nothing_that_headquarters_listens_to() -> None:
    place = Topics("a" * 24, "b" * 24, "c" * 24)
    for way in (topics.EAR_UP, topics.EAR_DOWN, topics.EAR_STATE):
        topic = place.ear(way, "d" * 24)
        assert len(topic.encode()) <= topics.MAX_TOPIC_BYTES
        assert topic.count("/") == 6
        assert topic.split("/")[5] != topics.ALL_UP.split("/")[5]
        with pytest.raises(PeerError, match=r"^topic$"):
            topics.parse(topic)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "rg/2/a/b/c/up/events",
        "rg/1/a/b/up/events",
        "rg/1/a/b/c/up/delta",
        "rg/1/a/b/c/down/events",
        "rg/1/a/b/c/up/events/x",
        "rg/1/a/b/c/up/events\n",
        "rg/1/A/b/c/up/events",
        "rg/1/+/b/c/up/events",
        "rg/1/a/#",
        "rg/1/" + "a" * 25 + "/b/c/up/events",
    ],
)
def test_every_other_topic_is_refused(topic: str) -> None:
    with pytest.raises(PeerError, match=r"^topic$"):
        topics.parse(topic)


@given(st.text())
def test_any_text_is_a_topic_or_a_peer_error(text: str) -> None:
    try:
        place, way, leaf = topics.parse(text)
    except PeerError as error:
        assert error.reason == "topic"
    else:
        assert text == (place.up(leaf) if way == "up" else place.down(leaf))
