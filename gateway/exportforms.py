"""The forms of a copy of what the shop holds about somebody: its sections and their rows, as docs/export.schema.json
publishes them. Where they are read from stands in gateway/export.py.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.sections import About, Words


class Form(BaseModel):
    """What is made here: no field that no form names."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class Open(BaseModel):
    """A stored value with all its fields, also those that a later release adds."""

    model_config = ConfigDict(extra="allow", defer_build=True)


class ProfileRow(Open):
    member_id: str
    call_name: str
    language: str


class CredentialRow(Form):
    credential_id: str
    kind: str
    clock_offset_s: int


class ConsentRow(Open):
    event_id: str
    purpose: str
    state: str
    given_at_ms: int
    valid_until_ms: int | None
    notice_version: str
    channel: str


class UnclearRow(Form):
    """A record that cannot be followed; `denies`: what it takes away is obeyed all the same."""

    event_id: str
    reason: str
    words: Words
    denies: bool
    at_ms: int
    text: str


class InForce(Form):
    purpose: str
    ok: bool
    reason: str
    words: Words


class ReasonRow(Form):
    candidate: str
    code: str
    words: Words


class DecisionRow(Form):
    decision_id: str
    at_ms: int
    trigger: str
    zone: str
    screen: str
    offer_id: str | None
    offer: Words | None
    reasons: list[ReasonRow]
    inputs: dict[str, Any] | None = Field(
        description="What the decision depended on beside profile, catalogue and what was shown before: digests of "
        "these, how many others stood there, and what of visit, stock and budgets was known. Null: not kept."
    )


class AnswerRow(Form):
    decision_id: str
    offer_id: str
    offer: Words | None
    what: str
    at_ms: int
    placement: str


class ViewRow(Form):
    at_ms: int
    actor: str
    action: str
    purposes: list[str]
    detail: dict[str, Any]


class WaitingRow(Form):
    seq: int
    at_ms: int
    type: str
    body: dict[str, Any]


class ProofRow(Form):
    count: int
    until_ms: int | None


class ProductRow(Form):
    product_id: str
    text: str
    category: str
    share_ppm: int
    chain_ppm: int | None
    week_ppm: int | None
    chain_week_ppm: int | None
    chain_season_ppm: int | None
    again_ppm: int | None


class BoughtRow(Form):
    at_ms: int
    here: bool
    products: list[str]


class PurchasesRow(Form):
    """What was bought, and what the products are called."""

    products: list[ProductRow]
    visits: list[BoughtRow]


class CodeRow(Form):
    binding_id: str
    valid_until_ms: int
    open: bool


class RedemptionRow(Form):
    redemption_id: str
    at_ms: int
    offer_id: str
    offer: Words | None
    till: str
    state: str
    cents: int
    reversed_cents: int
    receipt: str


class PointsStepRow(Form):
    at_ms: int
    points: int
    source: str


class PointsRow(Form):
    """`balance` is headquarters' with what it has not counted yet; `steps` are those of this shop."""

    balance: int
    steps: list[PointsStepRow]


class BasketLine(Form):
    gtin: str
    count: int


class BasketRow(Form):
    """A basket that is being scanned, or has just been shown at a till."""

    basket_id: str
    until_ms: int
    lines: list[BasketLine]
    offers: list[str]


class Receipt(Form):
    receipt_id: str
    at_ms: int
    purposes: dict[str, str]


class Export(Form):
    """All sections; `about` has one entry for each of them."""

    format: Literal["store-gateway export 1"]
    made_at_ms: int
    member_id: str
    shop: Words
    zones: dict[str, Words] = Field(description="What the areas are called that are named below by their id.")
    controller: str
    contact: str
    notice_version: str
    profile: ProfileRow | None
    credentials: list[CredentialRow]
    consents: list[ConsentRow] = Field(
        description="The log as it is. An act that was made in a shop stands in it twice with one `event_id`: with "
        "`hq_seq` 0 as it was recorded there, and with headquarters' number as it came back confirmed."
    )
    unclear: list[UnclearRow]
    in_force: list[InForce]
    receipts: list[Receipt]
    decisions: list[DecisionRow]
    answers: list[AnswerRow]
    views: list[ViewRow]
    waiting: list[WaitingRow]
    proofs: list[ProofRow]
    codes: list[CodeRow]
    purchases: list[PurchasesRow]
    redemptions: list[RedemptionRow]
    points: list[PointsRow]
    baskets: list[BasketRow]
    memory: dict[str, Any]
    about: dict[str, About]
    elsewhere: Words


def schema() -> dict[str, Any]:
    """The JSON Schema of an export, as docs/export.schema.json publishes it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Export.model_json_schema()}
