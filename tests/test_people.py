import json
import string
from collections import Counter
from dataclasses import fields
from typing import Any

import pytest

from drivers.people import MAX_MEMBERS, NAMES, NOTICE, people, population
from gateway.core.model import (
    ConsentRecord,
    ConsentState,
    Member,
    Notice,
    Offer,
    Purpose,
    ShopConfig,
    TalkingPoint,
)
from tests.rigs.instant import credential

Op = dict[str, Any]
ART = {"coffee", "wine", "cheese", "chocolate", "bread", "tea", "flowers", "bag"}


def bodies(name: str, ops: list[Op]) -> list[dict[str, Any]]:
    return [op["body"] for op in ops if op["op"] == name]


def purposes(ops: list[Op], member_id: str) -> set[str]:
    return {body["purpose"] for body in bodies("consent.add", ops) if body["member_id"] == member_id}


def test_every_operation_fits_the_model_after_a_journey_as_json() -> None:
    ops: list[Op] = json.loads(json.dumps(population(7, 30)))
    assert [op["op"] for op in ops].count("config.put") == 1
    assert ops[0]["op"] == "config.put"
    for op in ops:
        assert op.keys() == {"op", "body"}
        body = dict(op["body"])
        match op["op"]:
            case "config.put":
                config = ShopConfig(**body | {"notice": Notice(**body["notice"])})
                assert config.zones.keys() == {"entrance", "coffee", "wine", "till"}
            case "offer.put":
                assert body.keys() <= {field.name for field in fields(Offer)}
                assert Offer(**body).art in ART
            case "member.put":
                points = tuple(TalkingPoint(**point) for point in body.pop("talking_points"))
                assert Member(**body, talking_points=points).call_name
            case "credential.put":
                assert credential(body).member_id == body["member_id"]
            case "consent.add":
                body |= {"purpose": Purpose(body["purpose"]), "state": ConsentState(body["state"])}
                assert ConsentRecord(**body).state is ConsentState.GIVEN
            case other:
                raise AssertionError(other)


def test_the_seed_decides_and_a_larger_crowd_begins_with_the_same_people() -> None:
    assert population(3, 12) == population(3, 12)
    assert people(3, 30)[:12] == people(3, 12)
    assert people(3, 12) != people(4, 12)


def test_ids_and_secrets_are_nobody_elses() -> None:
    ops = population(11, MAX_MEMBERS)
    for name, key in (("offer.put", "offer_id"), ("credential.put", "credential_id"), ("consent.add", "event_id")):
        ids = [body[key] for body in bodies(name, ops)]
        assert len(ids) == len(set(ids))
    secrets = [body.get("value") or body["identity_key"] for body in bodies("credential.put", ops)]
    assert len(secrets) == len(set(secrets))


def test_the_first_two_allow_what_the_demo_shows() -> None:
    ops = population(1, 2)
    for member_id in ("m-001", "m-002"):
        assert purposes(ops, member_id) == {
            "recognise_ble",
            "recognise_nfc",
            "personalise_offers",
            "public_personal_greeting",
            "staff_advice",
            "purchase_history",
        }
        kinds = [body["kind"] for body in bodies("credential.put", ops) if body["member_id"] == member_id]
        assert kinds == ["eid", "ndef"]


def test_consents_differ_and_one_member_refuses_everything() -> None:
    ops = population(1, 12)
    allowed = {body["member_id"]: purposes(ops, body["member_id"]) for body in bodies("member.put", ops)}
    assert sum(not given for given in allowed.values()) == 1
    for purpose in ("public_personal_greeting", "personalise_offers", "recognise_ble"):
        assert any(given and purpose not in given for given in allowed.values())
    kinds = Counter(body["kind"] for body in bodies("credential.put", ops))
    assert min(kinds["eid"], kinds["ibeacon"], kinds["ndef"]) >= 3


def test_every_zone_has_something_for_everyone_and_something_for_members() -> None:
    offers = bodies("offer.put", population(1, 0))
    for zone in ("entrance", "coffee", "wine", "till"):
        here = [offer for offer in offers if zone in offer["zones"]]
        assert {offer["audience"] for offer in here} == {"everyone", "members"}
    wanted = {interest for person in people(1, 50) for interest in person.interests}
    assert wanted == {interest for offer in offers for interest in offer["interests"]}


def test_no_interest_in_alcohol_shows_anywhere() -> None:
    ops = population(1, 100)
    for offer in bodies("offer.put", ops):
        if "wine" in offer["interests"]:
            assert not offer["public_safe"]
    for member in bodies("member.put", ops):
        said = json.dumps([member["usual"], member["talking_points"]]).lower()
        assert "wein" not in said
        assert "wine" not in said


def texts(value: object) -> list[dict[str, str]]:
    if isinstance(value, dict):
        if "de" in value:
            return [value]
        return [found for item in value.values() for found in texts(item)]
    return [found for item in value for found in texts(item)] if isinstance(value, list) else []


def test_every_text_is_short_in_both_languages_and_speaks_to_nobody_by_name() -> None:
    ops = population(1, 24)
    found = [text for text in texts(ops) if text is not NOTICE]
    assert len(found) > 60
    for text in found:
        assert text.keys() == {"de", "en"}
        assert all(0 < len(sentence) <= 90 for sentence in text.values())
    # What an opted-in person's presence may put on a public screen must not say "your".
    for text in texts(bodies("offer.put", ops)):
        words = f"{text['de']} {text['en']}".lower().translate(str.maketrans("", "", string.punctuation)).split()
        assert not {"dein", "deine", "ihr", "ihre", "your", "du", "you"} & set(words)


@pytest.mark.parametrize("name", NAMES)
def test_names_give_a_call_name_and_an_invented_surname(name: str) -> None:
    assert len(name.split()) == 2


def test_the_notice_says_that_the_name_goes_to_headquarters_and_why_it_may() -> None:
    texts = population(1, 1)[0]["body"]["notice"]["text"]
    assert (
        "für die Mitgliedschaft selbst Ihr Beitritt (Buchst. b): Dafür erhält die Zentrale auch Ihren Rufnamen."
        in texts["de"]
    )
    assert (
        "for membership itself that you joined (b): for that, our head office also gets the name you gave us."
        in texts["en"]
    )
