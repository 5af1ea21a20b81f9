/** The profile card of an accepted request. What is not on it was never sent; closing removes it from the page. */

import { address, ask, el, minutes, post, ring, say } from "./dom.js";
import { redeeming } from "./redeem.js";
import { pick, word } from "./words.js";

const TAKE_MS = 90_000; // as the gateway's LINK_MS (gateway.takeaway)
const BASE = new URL(".", import.meta.url).pathname;

export class Card {
  #ends = 0;
  #full = 1;
  #view = null;
  #shop = null;
  #does = new Map(); // where what may be done about an offer stands, by offer
  #unfolded = false; // what was agreed to, which few need to read

  /** @param {(handshakeId: string) => void} close */
  constructor(close) {
    this.close = close;
    this.language = "de";
    this.tills = []; // where an offer can be held
    this.held = new Map(); // what became of that, by offer
    this.node = el("section.panel");
    this.wipe();
  }

  get id() {
    return this.#view?.handshake_id ?? null;
  }

  show(view, shop) {
    if (this.id !== view.handshake_id) {
      this.#full = Math.max(1, view.ttl_ms);
      this.held.clear();
    }
    this.#ends = performance.now() + view.ttl_ms;
    this.#view = view;
    this.#shop = shop;
    this.#draw();
    this.follow();
  }

  /** What became of its offers at the tills, which had news. */
  async follow() {
    const about = this.id;
    if (!this.tills.length || !this.#view?.offers.some((offer) => offer.redeems)) return;
    const { body } = await ask(`/api/v1/tablet/handshakes/${encodeURIComponent(about)}/held`);
    if (body === null || this.id !== about) return;
    const found = new Map(body.held.map((one) => [one.offer_id, one]));
    for (const { offer_id } of this.#view.offers) {
      const before = this.held.get(offer_id);
      const now = found.get(offer_id);
      if (now?.state === before?.result && now?.till === before?.till) continue;
      if (now) this.hold(offer_id, now.state, now.till, now.ttl_ms);
      else if (before.result !== "refused") this.hold(offer_id, null);
    }
  }

  /** Show that an offer is held, redeemed or refused at a till, or nothing of it any more (`result` null). */
  hold(offerId, result, till = "", ttlMs = 0, reason = "") {
    if (result === null) this.held.delete(offerId);
    else this.held.set(offerId, { result, till, reason, until: Date.now() + ttlMs });
    const offer = this.#view.offers.find((one) => one.offer_id === offerId);
    this.#does.get(offerId)?.replaceChildren(...this.#doing(offer));
  }

  /** Remove every trace of the person from the page. */
  wipe() {
    this.#view = null;
    this.held.clear();
    this.#does.clear();
    this.#unfolded = false;
    this.ring = null;
    this.node.className = "panel idle";
    this.node.replaceChildren(
      el("img.medal.deep", { alt: "", src: `${BASE}art/bag.svg` }),
      el("h2", {}, word(this.language, "idleTitle")),
      el("p", {}, word(this.language, "idleText")));
  }

  speak(language) {
    this.language = language;
    if (this.#view) this.#draw();
    else this.wipe();
  }

  /** Once a second. @returns {boolean} true when the card has just closed itself */
  tick() {
    if (!this.#view) return false;
    const left = this.#ends - performance.now();
    if (left <= 0) {
      this.wipe();
      return true;
    }
    for (const [offerId, one] of [...this.held]) if (one.result === "reserved" && one.until <= Date.now()) this.hold(offerId, null);
    this.ring.set(left / this.#full, "");
    this.node.dataset.ending = String(left < 30_000);
    say(this.left, word(this.language, "closesIn", { t: minutes(left) }));
    return false;
  }

  #draw() {
    const view = this.#view;
    const say2 = (key, slots) => word(this.language, key, slots);
    const name = view.call_name || say2("nobody");
    const place = pick(this.#shop.zones[view.zone], this.language) || view.zone;
    const speaks = new Intl.DisplayNames([this.language], { type: "language" }).of(view.language) ?? view.language;
    this.ring = ring("left");
    this.left = el("span", {});
    const close = el("button.button.primary.close", { type: "button" }, say2("close"));
    close.addEventListener("click", () => this.close(view.handshake_id));
    this.node.className = "panel open";
    this.node.replaceChildren(
      el("header.person", {},
        el("span.initial", { "aria-hidden": "true" }, [...name][0]?.toUpperCase() ?? ""),
        el("div", {}, el("h2", {}, name), el("p", {}, `${say2("speaks", { language: speaks })} · ${place} · ${say2(view.via)}`),
          view.points === null ? null : el("p.card-points", {}, say2("cardPoints", { n: view.points.toLocaleString(this.language) })))),
      el("div.columns", {},
        el("section.usual", {}, el("h3", {}, say2("usual")), this.#list(view.usual.map((thing) => el("li", {}, thing))), view.usual.length ? this.#usual() : null),
        el("section.points", {}, el("h3", {}, say2("points")), this.#list(view.talking_points.map((point) => this.#point(point)))),
        el("section.offers", {}, el("h3", {}, say2("offers")), this.#list(view.offers.map((offer) => this.#offer(offer))))),
      el("footer.card-foot", {},
        this.#agreed(view.consents),
        el("div.ending", {}, this.ring, this.left), close));
    this.tick();
  }

  #agreed(consents) {
    const node = el("details.consents", this.#unfolded ? { open: "" } : {},
      el("summary", {}, `${word(this.language, "consents")}: ${consents.length}`),
      el("ul", {}, ...consents.map((one) => el("li.chip", {}, word(this.language, one) || one))));
    node.addEventListener("toggle", () => (this.#unfolded = node.open));
    return node;
  }

  #list(items) {
    return items.length ? el("ul", {}, ...items) : el("p.none", {}, word(this.language, "none"));
  }

  #point(point) {
    const why = pick(point.because, this.language);
    return el("li", {}, el("p", {}, pick(point.text, this.language)), why ? el("p.because", {}, why) : null);
  }

  #offer(offer) {
    const badge = pick(offer.badge, this.language);
    const why = el("button.button.plain.why-button", { type: "button", "aria-expanded": "false" }, word(this.language, "why"));
    const lines = el("ul.whys", { role: "status", hidden: "" });
    why.addEventListener("click", () => this.#why(offer.offer_id, why, lines));
    const does = el("div.offer-does", {}, ...this.#doing(offer));
    this.#does.set(offer.offer_id, does);
    return el("li", {}, el("p", {}, pick(offer.title, this.language)), badge ? el("span.price", {}, badge) : null, el("div.offer-acts", {}, does, why), lines);
  }

  /** What may be done about an offer now: once it is held or redeemed, it is not taken along as well. */
  #doing(offer) {
    const over = ["reserved", "committed"].includes(this.held.get(offer.offer_id)?.result);
    return [offer.redeems && this.tills.length ? redeeming(offer, this) : null, offer.may_take && !over ? this.#taking(offer) : null].filter(Boolean);
  }

  /** Why an offer stands here: asked for when somebody wants to know, and noted then. */
  async #why(offerId, button, lines) {
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    lines.hidden = open;
    if (open || lines.children.length) return;
    const id = this.id;
    const { body } = await ask(`/api/v1/tablet/handshakes/${encodeURIComponent(id)}/why`, { offer_id: offerId });
    if (this.id !== id) return;
    const said = body?.why?.[this.language] ?? [];
    if (!said.length) button.setAttribute("aria-expanded", "false");
    lines.replaceChildren(...(said.length ? said : [word(this.language, "whyNot")]).map((one) => el("li", {}, one)));
  }

  #usual() {
    const offered = this.#view.usual_offered;
    const button = el("button.button", { type: "button" }, word(this.language, offered ? "usualOffered" : "usualOffer"));
    button.disabled = offered;
    button.addEventListener("click", async () => {
      button.disabled = true;
      const result = await post(`/api/v1/tablet/usual/${encodeURIComponent(this.id)}`);
      if (result === "ok") say(button, word(this.language, "usualOffered"));
      else if (button.isConnected) {
        button.disabled = false;
        say(button, word(this.language, `${result}Now`) || word(this.language, "refusedNow"));
      }
    });
    return button;
  }

  /** The button that shows a code in its place; the code goes with the card, or when its time is over. */
  #taking(offer) {
    const button = el("button.button.plain.take", { type: "button" }, word(this.language, "cardTake"));
    button.addEventListener("click", async () => {
      const about = this.id;
      const { body } = await ask("/api/v1/tablet/offer-link", { handshake_id: about, offer_id: offer.offer_id });
      if (this.id !== about || !button.isConnected) return;
      if (body?.result !== "ok") {
        button.replaceWith(el("p.none", { role: "status" }, word(this.language, body?.result === "gone" ? "goneNow" : "cardTakeNo")));
        return;
      }
      const code = el("div.taking", {}, el("p", {}, word(this.language, "cardTakeText")),
        el("img.code", { alt: word(this.language, "cardTakeScan"), src: body.svg }), address(body.url));
      button.replaceWith(code);
      const picture = code.querySelector("img"); // all of it, also where its words have no place beside it
      picture.addEventListener("load", () => [code, picture].forEach((one) => one.scrollIntoView({ block: "nearest" })));
      setTimeout(() => code.isConnected && code.replaceWith(this.#taking(offer)), TAKE_MS); // it opens nothing any more
    });
    return button;
  }
}
