/** Holding an offer of the open card at a till: one press, and what became of it in its place while the card is open. */

import { ask, el } from "./dom.js";
import { freshKey } from "./presses.js";
import { told } from "./staffwords.js";
import { refusal } from "./tillwords.js";
import { clock } from "./words.js";

/** @param {object} offer @param {{id: string|null, language: string, tills: string[], held: Map<string, object>, hold: Function}} card as it is open now */
export function redeeming(offer, card) {
  const about = card.id;
  const node = el("div.redeeming", { role: "status" });
  const button = (words, look, act) => {
    const made = el(`button.button${look}`, { type: "button" }, words);
    made.addEventListener("click", act);
    return made;
  };
  const first = () => button(told(card.language, "redeem"), ".redeem", () => (card.tills.length === 1 ? hold(card.tills[0]) : choose()));
  const choose = () => node.replaceChildren(el("p", {}, told(card.language, "redeemWhere")),
    ...card.tills.map((till) => button(till, ".redeem", () => hold(till))));
  let key = null;
  let busy = false;
  async function hold(till) {
    if (busy) return;
    busy = true;
    key ??= freshKey();
    const url = `/api/v1/tablet/handshakes/${encodeURIComponent(about)}/redeem`;
    const { body } = await ask(url, { offer_id: offer.offer_id, till }, { "Idempotency-Key": key });
    busy = false;
    if (card.id !== about || !node.isConnected) return;
    if (body === null) { // the same key once more gets the same answer
      node.replaceChildren(el("p.no", {}, told(card.language, "failed")), first());
      return;
    }
    key = null;
    card.hold(offer.offer_id, body.result, till, body.ttl_ms ?? 0, body.reason ?? "");
  }
  function standing({ result, reason, till, until }) {
    if (result === "refused") {
      const why = reason === "card.gone" ? told(card.language, "gone") : refusal(card.language, reason);
      return el("p.no", { "data-result": result }, told(card.language, "heldNot", { why }));
    }
    const booked = result === "committed";
    return el("p.held", { "data-result": result }, el("strong", {}, `\u2713 ${told(card.language, booked ? "booked" : "held", { till })}`),
      booked ? null : el("span", {}, told(card.language, "heldUntil", { t: clock(card.language, until) })));
  }
  const found = card.held.get(offer.offer_id);
  node.append(found ? standing(found) : first());
  return node;
}
