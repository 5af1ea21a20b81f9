"""A whole catalogue replaces all offers at once, or nothing of it is taken: a bad one never replaces a good one."""

import json
import secrets
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.apply import apply
from gateway.core.changes import CataloguePart, Delta, OfferDrop, OfferPut
from gateway.core.learning import Arm, Learning
from gateway.core.model import Cap, Offer
from gateway.errors import ConfigError
from gateway.records import Tx
from gateway.store import Store
from sync import messages
from sync.hq import orders, service
from sync.hq.ledger import Ledger
from tests.rigs.shop import SITE_KEY, START_MS

TEXT = {"en": "Tea"}
GOOD = tuple(Offer(f"good-{number}", TEXT, TEXT) for number in range(3))


def body(offer_id: str, **more: object) -> dict[str, Any]:
    return {"offer_id": offer_id, "title": TEXT, "text": TEXT, **more}


def part(name: str, number: int, of: int, *offers: object) -> dict[str, Any]:
    return {"op": "catalogue.put", "body": {"catalogue_id": name, "part": number, "parts": of, "offers": list(offers)}}


class Box:
    """A gateway's transaction, and headquarters' messages to it."""

    def __init__(self, tx: Tx) -> None:
        self.tx = tx
        self.counts: list[str] = []
        self.send(*({"op": "offer.put", "body": body(offer.offer_id)} for offer in GOOD))

    def send(self, *ops: object) -> None:
        version = self.tx.hq_version
        delta = messages.parse_delta(messages.delta(version, version + 1, list(ops), 5))
        touched = apply(self.tx, delta, SITE_KEY, START_MS)
        assert touched.outcome == "applied"
        self.counts += touched.counts

    @property
    def ids(self) -> list[str]:
        return [offer.offer_id for offer in self.tx.offers()]

    def told(self) -> list[tuple[str, dict[str, Any]]]:
        rows = [(row.type, json.loads(row.body)) for row in self.tx.outbox_after(0, 99)]
        return [(kind, said) for kind, said in rows if kind.startswith("catalogue.")]


KEPT = [offer.offer_id for offer in GOOD]


@pytest.fixture
def box(tx: Tx) -> Box:
    return Box(tx)


def test_it_is_taken_when_all_of_it_is_there_and_no_sooner(box: Box) -> None:
    box.send(part("c-1", 2, 3, body("b")))
    box.send(part("c-1", 1, 3, body("a"), body("good-1", priority=7)))
    assert box.ids == KEPT
    assert box.told() == []
    box.send(part("c-1", 3, 3))
    assert box.ids == ["a", "b", "good-1"]
    assert box.tx.offers()[2].priority == 7
    assert box.told() == [("catalogue.applied", {"catalogue_id": "c-1", "offers": 3})]


@pytest.mark.parametrize("bad", [1, 2, 3])
def test_one_bad_offer_in_any_part_and_nothing_of_it_is_taken(box: Box, bad: int) -> None:
    for number in (1, 2, 3):
        wrong = {"title": {"en": "{0.__class__}"}} if number == bad else {}
        erase = {"op": "member.erase", "body": {"member_id": f"m-{number}"}}
        box.send(part("c-1", number, 3, body(f"x{number}"), body(f"y{number}", **wrong)), erase)
    assert box.ids == KEPT
    assert all(box.tx.is_erased(f"m-{number}") for number in (1, 2, 3))  # what comes with it is not held up
    assert box.counts == ["hq.refused_catalogues"]
    ((kind, said),) = box.told()
    assert kind == "catalogue.refused"
    assert said["field"].startswith("offers.1.title.en: expected only the placeholders")
    assert {**said, "field": ""} == {"catalogue_id": "c-1", "offer_id": f"y{bad}", "reason": "template", "field": ""}
    box.send(part("c-2", 1, 1, body("a")))
    assert box.ids == ["a"]


@pytest.mark.parametrize(
    ("offers", "reason", "field"),
    [
        ([body("a", colour="red")], "fields", "offers.0"),  # the name of the field is the sender's and is not repeated
        ([body("a", eligibility={"$ref": "#"})], "eligibility", "offers.0.eligibility.(the whole): expected one of"),
        ([body("a", priority=2**62), body("b", control_bp=10_001)], "range", "offers.1.control_bp"),
        ([body("a"), body("a")], "twice", "offers.1"),
        ([7], "fields", "offers.0"),
    ],
)
def test_headquarters_hears_where_it_is_wrong(box: Box, offers: list[Any], reason: str, field: str) -> None:
    box.send(part("c-1", 1, 1, *offers))
    assert box.ids == KEPT
    ((_, said),) = box.told()
    assert (said["reason"], said["field"][: len(field)]) == (reason, field)


def test_rubbish_in_its_place_ends_the_one_that_is_under_way(box: Box) -> None:
    box.send(part("c-1", 1, 2, body("a")))
    box.send({"op": "catalogue.put", "body": {"catalogue_id": "no id at all", "offers": 1}})
    box.send(part("c-1", 2, 2, body("b")))
    assert box.ids == KEPT
    assert box.told()[0][1]["catalogue_id"] == ""


def test_an_id_in_two_parts_and_too_many_offers_are_refused(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.send(part("c-1", 1, 2, body("a")))
    box.send(part("c-1", 2, 2, body("a")))
    monkeypatch.setattr("gateway.apply.MAX_OFFERS", 4)
    box.send(part("c-2", 1, 2, *(body(f"o{number}") for number in range(3))))
    box.send(part("c-2", 2, 2, body("p0"), body("p1")))
    assert box.ids == KEPT
    assert [said["reason"] for _, said in box.told()] == ["twice", "too_many"]
    box.send({"op": "offer.put", "body": body("one")}, {"op": "offer.put", "body": body("more")})
    assert box.ids == [*KEPT, "one"]
    box.send({"op": "offer.put", "body": body("one", priority=3)})  # one that is there is no more
    assert box.tx.offers()[-1].priority == 3


def test_what_is_no_more_is_forgotten_and_what_stays_keeps_its_counts(box: Box) -> None:
    on = Learning(on=True)
    shared = {"caps": [{"what": "impressions", "limit": 9, "per": "store", "calendar": "day"}]}
    box.send(*({"op": "offer.put", "body": body(name, **shared)} for name in ("good-0", "good-1")))
    for name in ("good-0", "good-1"):
        box.tx.note_shown(f"d-{name}", Arm(name, "bar"), START_MS, on)
        box.tx.count_given(name, "shown", START_MS)
    box.send(part("c-1", 1, 1, body("good-1", **shared)))
    assert {arm.offer_id for arm in box.tx.tallies([Arm("good-0", "bar"), Arm("good-1", "bar")])} == {"good-1"}
    cap = Cap("impressions", 9, "store", calendar="day")
    assert box.tx.given(box.tx.offers(), START_MS) == {("good-1", cap): 1}


catalogues = {
    name: [[f"{name}{number}{letter}" for letter in "xy"] for number in range(size)]
    for name, size in (("a", 1), ("b", 2), ("c", 3))
}
sends = st.lists(
    st.sampled_from([(name, number) for name, parts in catalogues.items() for number in range(len(parts))])
)


@settings(max_examples=60)
@given(sends, st.sets(st.integers(0, 30)))
def test_whatever_comes_in_whatever_order_the_catalogue_is_always_a_whole_one(sent, bad: set[int]) -> None:
    from sqlite_utils import Database

    from gateway.migrations import migrate
    from gateway.tables.catalogue import Catalogue

    db = Database(memory=True)
    migrate(db)
    table = Catalogue(db, None)  # type: ignore[arg-type]  # nothing here is sealed
    whole = [set[str]()] + [{one for part in parts for one in part} for parts in catalogues.values()]
    for place, (name, number) in enumerate(sent):
        parts = catalogues[name]
        if place in bad:
            table.refuse_catalogue(name)
        else:
            offers = tuple(Offer(one, TEXT, TEXT) for one in parts[number])
            found = table.stage(CataloguePart(name, number + 1, len(parts), offers))
            if found is not None:
                table.replace_offers(found)
        assert {offer.offer_id for offer in table.offers()} in whole
        assert db["catalogue_part"].count < 3
    db.close()


async def test_a_part_outlives_a_restart(tmp_path: Path) -> None:
    for number in (1, 2):
        store = Store(tmp_path / "g.db", secrets.token_hex(16), bytes(32))
        one = CataloguePart("c-1", number, 2, (GOOD[number],))
        await store.run(lambda tx, n=number, p=one: apply(tx, Delta(n - 1, n, (p,)), SITE_KEY, START_MS))
        found = await store.run(lambda tx: tx.offers())
        assert found == (GOOD[1:] if number == 2 else ())
        store.close()


# --- headquarters' end ------------------------------------------------------------------------------------------


def written(path: Path, offers: object) -> Path:
    path.write_text(json.dumps({"offers": offers}), encoding="utf-8")
    return path


def told(db: Path) -> list[str]:
    with closing(Ledger(db)) as ledger:
        return [offer["offer_id"] for offer in ledger.offers()]


def test_a_large_catalogue_travels_in_parts_and_arrives_whole(tmp_path: Path, tx: Tx) -> None:
    db = tmp_path / "hq.db"
    listed = [body(f"o{number:03}", text={"en": "x" * 2_000}) for number in range(100)]
    with closing(Ledger(db)) as ledger:
        ledger.record_ops([{"op": "offer.put", "body": body("old")}])
    news, version = service.publish_catalogue(db, written(tmp_path / "c.json", listed))
    assert (news, version) == (5, 6)
    assert told(db) == [one["offer_id"] for one in listed]
    assert service.publish_catalogue(db, tmp_path / "c.json") == (0, 6)
    with closing(Ledger(db)) as ledger:
        have = 0
        while True:
            ops, reached = ledger.changes_after(have, messages.MAX_PAYLOAD_BYTES - 256, "acme/m/g")
            if reached == have:
                break
            assert tx.offers() == ()
            apply(tx, messages.parse_delta(messages.delta(have, reached, ops, 5)), SITE_KEY, START_MS)
            have = reached
    assert len(tx.offers()) == 100


def test_the_same_catalogue_once_more_ends_what_was_changed_since(tmp_path: Path) -> None:
    db, path = tmp_path / "hq.db", written(tmp_path / "c.json", [body("a"), body("b")])
    service.publish_catalogue(db, path)
    with closing(Ledger(db)) as ledger:
        ledger.record_ops([messages.op_of(OfferDrop("a")), messages.op_of(OfferPut(GOOD[0]))])
    assert told(db) == ["b", "good-0"]
    assert service.publish_catalogue(db, path)[0] == 1
    assert told(db) == ["a", "b"]
    service.publish_catalogue(db, written(path, [body("c")]))
    assert told(db) == ["c"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "expected a catalogue of offers; found no JSON object"),
        ('{"offers": {}}', "expected one JSON object"),
        ('{"offers": [], "colour": 1}', "expected one JSON object"),
        (json.dumps({"offers": [body("a"), body("a")]}), r"c.json: offers.1.offer_id: another offer has it$"),
        (json.dumps({"offers": [body("a", colour=1)]}), r"c.json: offers.0.colour: no such field$"),
        (json.dumps({"offers": [body("a", text={"en": "{x}"})]}), r"c.json: offers.0.text.en: expected only"),
        ('{"offers": ' + "[" * 10_000 + "]" * 10_000 + "}", "found too many levels"),
        (json.dumps({"offers": [body(f"o{n}") for n in range(100_000)]}), "at most 5000 of them; found 100000"),
        ('{"offers": ["' + "x" * orders.MAX_CATALOGUE_BYTES + '"]}', "at most 16777216 bytes"),
    ],
)
def test_a_bad_file_is_refused_with_its_place_and_the_good_one_stays(tmp_path: Path, text: str, said: str) -> None:
    db, path = tmp_path / "hq.db", tmp_path / "c.json"
    service.publish_catalogue(db, written(path, [body("good")]))
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        service.publish_catalogue(db, path)
    assert told(db) == ["good"]
