/** The rows of a till's page, made once and changed in place, and the question how much comes back. */

import { el, minutes, say } from "./dom.js";
import { cents, money, refusal, said } from "./tillwords.js";
import { clock, pick } from "./words.js";

/** Until when, as short as it can be said: the time today, else the day. */
function until(language, ms) {
  const end = new Date(Date.now() + ms);
  const today = end.toDateString() === new Date().toDateString();
  return today ? clock(language, end) : end.toLocaleDateString(language, { day: "numeric", month: "long" });
}

/** What limits an offer, in a few words each. */
function conditions(offer, language) {
  const words = [];
  if (offer.ends_in_ms !== null) words.push(said(language, "until", { t: until(language, offer.ends_in_ms) }));
  if (offer.max_cents !== null) words.push(said(language, "maxCents", { eur: money(language, offer.max_cents) }));
  if (offer.member_day !== null) words.push(said(language, offer.member_day === 1 ? "memberDay1" : "memberDay", { n: offer.member_day }));
  if (offer.left !== null) words.push(said(language, `left_${offer.unit}`, { n: offer.left, eur: money(language, offer.left) }));
  if (offer.offline === "deny") words.push(said(language, "onlyOnline"));
  return words;
}

/** Bring the rows of `list` in line with `items`; a row that stays is the same node, so that no finger misses it. */
export function arrange(list, rows, items, idOf, make, fill) {
  const ids = items.map(idOf);
  for (const id of [...rows.keys()]) {
    if (ids.includes(id)) continue;
    rows.get(id).node.remove();
    rows.delete(id);
  }
  items.forEach((item, n) => {
    const row = rows.get(ids[n]) ?? make();
    rows.set(ids[n], row);
    fill(row, item);
    if (list.children[n] !== row.node) list.insertBefore(row.node, list.children[n] ?? null);
  });
}

export class OfferRow {
  constructor(reserve, wrong) {
    this.title = el("h3");
    this.text = el("p.what");
    this.price = el("span.price");
    this.kept = el("span.chip.kept");
    this.terms = el("p.terms");
    this.why = el("p.why");
    this.amount = el("input", { inputmode: "decimal", autocomplete: "off" });
    this.button = el("button.button.primary", { type: "button" });
    this.button.addEventListener("click", () => {
      const typed = this.amount.hidden ? null : cents(this.amount.value);
      if (!this.amount.hidden && typed === null) wrong();
      else reserve(this.offer, typed);
    });
    this.node = el("li", {}, el("div.about-offer", {}, el("div.head", {}, this.title, this.price), this.text, this.terms, this.why, this.kept), el("div.act", {}, this.amount, this.button));
  }

  fill(offer, language, held, busy) {
    this.offer = offer;
    const badge = pick(offer.badge, language);
    say(this.title, pick(offer.title, language));
    say(this.text, pick(offer.text, language));
    say(this.price, offer.value_cents ? money(language, offer.value_cents) : badge);
    this.price.hidden = !this.price.textContent;
    say(this.terms, conditions(offer, language).join(" · "));
    this.terms.hidden = !this.terms.textContent;
    const refused = offer.reason !== null && !held;
    this.why.hidden = !refused;
    say(this.why, refused ? refusal(language, offer.reason) : "");
    this.kept.hidden = !offer.kept;
    say(this.kept, said(language, "kept"));
    this.amount.hidden = offer.value_cents > 0 || refused;
    this.amount.setAttribute("aria-label", said(language, "amount"));
    this.amount.placeholder = said(language, "amount");
    this.button.hidden = refused;
    this.button.disabled = held || busy;
    say(this.button, said(language, held ? "heldNow" : busy ? "booking" : "reserve"));
    this.node.dataset.state = refused ? "refused" : held ? "held" : "free";
  }
}

export class HeldRow {
  constructor(cancel, take) {
    this.title = el("h3");
    this.time = el("p");
    this.price = el("span.sum");
    this.button = el("button.button", { type: "button" });
    this.button.addEventListener("click", () => cancel(this.line.redemption_id));
    this.taking = el("button.button", { type: "button", "data-role": "take" });
    this.taking.addEventListener("click", () => take(this.line.redemption_id));
    this.node = el("li", {}, el("div", {}, this.title, this.time), this.price, el("div.acts", {}, this.taking, this.button));
  }

  /** `loose`: it is of an earlier sale, and may be put to this one. */
  fill(line, language, busy, loose) {
    this.line = line;
    this.language = language;
    say(this.title, pick(line.title, language));
    say(this.price, money(language, line.cents));
    this.button.disabled = busy;
    say(this.button, said(language, "cancel"));
    this.taking.hidden = !loose;
    this.taking.disabled = busy;
    say(this.taking, said(language, "take"));
    this.tick(performance.now());
  }

  tick(now) {
    say(this.time, said(this.language, "ends", { t: minutes(this.line.ends - now) }));
  }
}

export class ShiftRow {
  constructor(back) {
    this.title = el("h3");
    this.how = el("p");
    this.price = el("span.sum");
    this.button = el("button.button", { type: "button" });
    this.button.addEventListener("click", () => back(this.line));
    this.node = el("li", {}, el("div", {}, this.title, this.how), this.price, this.button);
  }

  fill(line, language, busy) {
    this.line = line;
    const gone = line.state === "reversed";
    const at = clock(language, line.at_ms);
    const how = [at, said(language, "receiptNr", { n: line.receipt })];
    if (line.coupon) how.push(said(language, "withCoupon"));
    if (gone) how.push(said(language, "reversed"));
    else if (line.reversed_cents) how.push(said(language, "reversedPart", { eur: money(language, line.reversed_cents) }));
    say(this.title, pick(line.title, language));
    say(this.how, how.join(" · "));
    say(this.price, money(language, line.cents - line.reversed_cents));
    this.button.hidden = gone;
    this.button.disabled = busy;
    say(this.button, said(language, busy ? "booking" : "reverse"));
    this.node.dataset.state = line.state;
  }
}

/** The question how much of a redemption comes back: all of it, or some cents. */
export class BackDialog {
  constructor(reverse) {
    this.title = el("h2");
    this.what = el("p");
    this.all = el("input", { type: "radio", name: "back", id: "back-all" });
    this.part = el("input", { type: "radio", name: "back", id: "back-part" });
    this.allWords = el("span");
    this.partWords = el("span");
    this.amount = el("input", { inputmode: "decimal", autocomplete: "off" });
    this.wrong = el("p.why", { role: "status" });
    this.button = el("button.button.primary", { type: "submit" });
    this.leave = el("button.button", { type: "button" });
    const form = el("form", {}, this.title, this.what,
      el("label.option", {}, this.all, this.allWords), el("label.option", {}, this.part, this.partWords), this.amount, this.wrong,
      el("div.buttons", {}, this.leave, this.button));
    this.node = el("dialog.beside.back", {}, form);
    this.leave.addEventListener("click", () => this.close());
    for (const one of [this.all, this.part]) one.addEventListener("change", () => this.#chosen());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const typed = this.all.checked ? null : cents(this.amount.value);
      if (!this.all.checked && (typed === null || typed > this.most)) {
        say(this.wrong, said(this.language, "amountNo"));
        this.amount.focus();
        return;
      }
      const id = this.line.redemption_id;
      this.close();
      reverse(id, typed);
    });
  }

  open(line, language) {
    this.line = line;
    this.language = language;
    this.most = line.cents - line.reversed_cents;
    say(this.title, said(language, "reverseTitle"));
    say(this.what, `${pick(line.title, language)} · ${said(language, "receiptNr", { n: line.receipt })}`);
    say(this.allWords, `${said(language, "reverseAll")}: ${money(language, this.most)}`);
    say(this.partWords, said(language, "reversePart"));
    say(this.button, said(language, "reverseNow"));
    say(this.leave, said(language, "close"));
    say(this.wrong, "");
    this.amount.setAttribute("aria-label", said(language, "amount"));
    this.amount.placeholder = said(language, "amount");
    this.amount.value = "";
    this.all.checked = true;
    this.node.setAttribute("aria-label", said(language, "reverseTitle"));
    this.#chosen();
    this.node.showModal();
  }

  close() {
    if (this.node.open) this.node.close();
  }

  #chosen() {
    this.amount.hidden = this.all.checked;
    if (!this.all.checked) this.amount.focus();
  }
}
