/** A basket that a customer scanned for themselves, on the page of a till: what to ring up, and whether to look first. */

import { el, say } from "./dom.js";
import { money, refusal, said } from "./tillwords.js";
import { pick } from "./words.js";

const LETTERS = /^[0-9A-Z]{12}$/i; // as typed, without blanks and hyphens
const REST = 96; // bytes of a code beside the basket's id (core.basketcode)

/** Whether a text may be a basket's code, or the letters below it. A coupon can look like one by chance: its answer tells. */
export function mayBeBasket(text) {
  if (LETTERS.test(text.replace(/[ -]/g, ""))) return true;
  if (!/^[A-Za-z0-9_-]+$/.test(text)) return false;
  try {
    const raw = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return raw.charCodeAt(0) === 1 && raw.length === REST + raw.charCodeAt(1);
  } catch {
    return false;
  }
}

/** A reason that says: this is no basket's code after all. */
export const NO_BASKET = new Set(["basket.form", "basket.signature"]);

export class BasketCard {
  #basket = null;
  #language = "de";

  /** `away`: called when somebody says that it is rung up. */
  constructor(till, away) {
    this.place = `till:${till}:basket`;
    this.title = el("h2");
    this.look = el("p.look", { role: "status" });
    this.list = el("ul.rung");
    this.unknown = el("p.why");
    this.sum = el("p.to-pay");
    this.button = el("button.button", { type: "button", "data-role": "rung" });
    this.button.addEventListener("click", () => {
      this.clear();
      away();
    });
    this.node = el("section.basket.scanned", {}, this.title, this.look, this.list, this.unknown, this.sum, this.button);
    this.node.hidden = true;
    this.#basket = JSON.parse(sessionStorage.getItem(this.place) ?? "null"); // a code shows it once, a reload must not lose it
  }

  /** Show what the gateway says of a basket. */
  show(basket) {
    this.#basket = { ...basket, refused: {} };
    this.#draw();
  }

  /** A benefit of it is not given; then it is not taken off. */
  refuse(offerId, reason) {
    if (!this.#basket?.lines.some((line) => line.offer_id === offerId)) return;
    this.#basket.refused[offerId] = reason;
    this.#draw();
  }

  /** It is rung up; nothing of it stays here. */
  clear() {
    this.#basket = null;
    this.#draw();
  }

  speak(language) {
    this.#language = language;
    say(this.title, said(language, "scanned"));
    say(this.button, said(language, "scannedDone"));
    this.#draw();
  }

  #draw() {
    const basket = this.#basket, language = this.#language;
    if (basket) sessionStorage.setItem(this.place, JSON.stringify(basket));
    else sessionStorage.removeItem(this.place);
    this.node.hidden = !basket;
    if (!basket) return;
    this.look.dataset.kind = basket.recheck ? "ask" : "yes";
    say(this.look, said(language, basket.recheck ? `recheck_${basket.recheck_reason}` : "recheckNot"));
    this.list.replaceChildren(...basket.lines.map((line) => this.#line(line)));
    this.unknown.hidden = !basket.unknown.length;
    say(this.unknown, said(language, "scannedUnknown", { n: basket.unknown.join(", ") }));
    const back = basket.lines.reduce((all, line) => all + (basket.refused[line.offer_id] ? line.benefit_cents : 0), 0);
    say(this.sum, said(language, basket.items === 1 ? "toPay1" : "toPay", { eur: money(language, basket.cents + back), n: basket.items }));
  }

  #line(line) {
    const language = this.#language, reason = this.#basket.refused[line.offer_id];
    const each = [line.count > 1 ? said(language, "each", { eur: money(language, line.each_cents) }) : "", line.grams ? `${line.grams} g` : ""].filter(Boolean).join(", ");
    const benefit = line.benefit_cents ? said(language, reason ? "benefitNot" : "benefit", { eur: money(language, line.benefit_cents) }) : "";
    return el("li", {}, el("h3", {}, `${line.count} × ${pick(line.title, language)}`), el("span.sum", {}, money(language, line.cents)),
      each ? el("p", {}, each) : null, line.label ? el("p.look", { "data-kind": "ask" }, said(language, "labelLook")) : null,
      benefit ? el(reason ? "p.why" : "p.off", {}, reason ? `${benefit} ${refusal(language, reason)}` : benefit) : null);
  }
}
