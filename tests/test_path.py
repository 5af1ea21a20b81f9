"""The forms of requests take what they name, of the right type, and nothing else; and the flow is a Path."""

from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from display.api import create_app
from display.hub import Hub
from display.path import Answer, Beside, Code
from gateway.core.model import CredentialKind, Proof, Purpose, Token
from gateway.core.onetime import code_digest
from tests.rigs.shop import SITE_KEY, Shop, member, open_shop
from tests.rigs.shopfront import KEY


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (Answer, {"dialogue_id": "d", "choice": "dance"}),
        (Answer, {"dialogue_id": 1, "choice": "yes"}),
        (Code, {"dialogue_id": "d", "code": "1234 5678"}),
        (Code, {"dialogue_id": "d", "code": 12345678}),
        (Beside, {}),
        (Beside, {"receiver": "a" * 25}),
        (Beside, {"receiver": None, "tablet": "another"}),
    ],
)
def test_a_wrong_form_is_refused(form, body) -> None:
    with pytest.raises(ValidationError):
        form.model_validate(body)


def test_the_right_forms() -> None:
    assert Answer.model_validate({"dialogue_id": "d", "choice": "cancel"}).choice == "cancel"
    assert Code.model_validate({"dialogue_id": "d", "code": "00000000"}).code == "00000000"
    assert Beside.model_validate({"receiver": None}).receiver is None


@pytest.fixture
async def shop(tmp_path: Path):
    one = await open_shop(tmp_path, *member("mia", *Purpose))
    yield one
    await one.settle()
    one.store.close()


async def test_the_routes_and_the_real_path_fit(shop: Shop) -> None:
    app = create_app(shop.flow, Hub(shop.clock, shop.health), shop.health, shop.clock, KEY, "1.2.3")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:

        async def post(url: str, **body: object) -> str:
            return str((await client.post(f"/api/v1/{url}", json=body)).json()["result"])

        await shop.tap(None, "coffee-nfc")
        page = shop.walls.screens["bar"].dialogue.dialogue_id
        assert await post("screens/bar/answer", dialogue_id=page, choice="code") == "ok"
        assert await post("screens/bar/code", dialogue_id=page, code="12345678") == "wrong"
        digest = code_digest(SITE_KEY, "12345678")
        await shop.store.run(lambda tx: tx.put_binding("b-1", "mia", digest, shop.clock.ms + 1_000))
        assert await post("screens/bar/code", dialogue_id=page, code="12345678") == "ok"
        await shop.tap(None, "coffee-nfc", Proof.SIGNED, token=Token(CredentialKind.SIGNED, b"card-1"))
        assert shop.step() == "bound"

        await client.get("/tablet", params={"key": KEY})
        assert await post("tablet/reader", receiver="coffee-nfc") == "refused"
        assert await post("tablet/reader", receiver="advice-nfc") == "ok"
        (reader,) = (await client.get("/api/v1/tablet/readers")).json()["readers"]
        assert reader == {"receiver": "advice-nfc", "zone": "wine", "mine": True}
        await shop.tap("mia", "advice-nfc")
        assert [card.call_name for card in shop.walls.cards.values()] == ["Mia"]

        ours = {"Authorization": f"Bearer {KEY}"}
        await shop.tap("mia", "till-nfc", Proof.BEARER)
        sale = (await client.get("/api/v1/tills/till-1", headers=ours)).json()
        assert sale == {"member_id": "mia", "proof": "bearer", "ttl_ms": 120_000, "may_redeem_cents": 500}
        done = await client.post("/api/v1/tills/till-1/done", headers=ours)
        assert done.json() == {"result": "ok"}
        assert (await client.get("/api/v1/tills/till-1", headers=ours)).json() is None
