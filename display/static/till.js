/** The page of a till that no point of sale is connected to: who buys, what is redeemed, what is taken back. */

import { Camera } from "./camera.js";
import { ask, el, minutes, post, ring, say } from "./dom.js";
import { Live } from "./live.js";
import { shutOut, watchful } from "./lock.js";
import { Presses } from "./presses.js";
import { BasketCard, NO_BASKET, mayBeBasket } from "./tillbasket.js";
import { BackDialog, HeldRow, OfferRow, ShiftRow, arrange } from "./tillrows.js";
import { Booked, SaleLines } from "./tillsale.js";
import { money, refusal, said } from "./tillwords.js";
import { deviceLanguage, other, pick, word } from "./words.js";

const TICK_MS = 1000;
const OFF_MS = 2000; // shorter breaks are not worth alarming anybody
const RED_MS = 25_000;
const SURE_MS = 6000; // how long a question waits for the second press
const LOCKED = 423; // what a tablet is answered while a customer holds it
const RECEIPT = /^[A-Za-z0-9._:/#-]{1,64}$/;
const RECEIPT_MAX = 64; // a longer text in its field came from the scanner: it is a coupon

const isBasket = (name) => name.startsWith("basket:");

class TillDesk extends HTMLElement {
  #view = null;
  #lostAt = null;
  #age = 0; // rises when the line is lost; an answer of an older age shows nobody
  #asking = false;
  #again = false;
  #settling = new Set(); // presses that were answered, until the page shows what came of them
  #offers = new Map();
  #held = new Map();
  #earlier = new Map();
  #lines = new Map();
  #known = null; // the sale of whom this page knew last
  #booked = new Booked();
  #sure = -Infinity; // when it was asked whether a sale ends all the same
  #ends = 0;
  #shop = { name: {} };

  connectedCallback() {
    this.watch = watchful(false);
    this.till = this.dataset.till;
    this.sale = new SaleLines(this.till);
    this.language = deviceLanguage();
    this.#bar();
    this.#left();
    this.#right();
    this.back = new BackDialog((id, cents) => this.#press(`reverse:${id}`, `/${id}/reverse`, cents === null ? {} : { cents }));
    this.camera = new Camera((text) => this.#coupon(text), () => this.#tell("no", "cameraNo"));
    this.cameraButton.hidden = !Camera.possible();
    this.append(this.bar, this.answer, el("main.counter", {}, this.left, this.right), this.back.node, this.camera.node);
    this.presses = new Presses(this.till, {
      answered: (press, status, body) => this.#answered(press, status, body),
      waits: (late) => this.#waits(late),
    });
    this.#tell("hint", "hint");
    this.#speak(this.language);
    document.addEventListener("keydown", (event) => this.#typed(event));
    setInterval(() => this.#tick(), TICK_MS);
    new Live(`/api/v1/tills/${encodeURIComponent(this.till)}/stream`, { event: (name, data) => this.#event(data), lost: () => this.#lost() });
  }

  #bar() {
    this.heading = el("h1");
    this.shopName = el("span.shop");
    this.hq = el("p.hq", { role: "status", hidden: "" });
    this.link = el("span.link", { role: "status" });
    this.toggle = el("button.button.plain", { type: "button", "data-role": "language" });
    this.toggle.addEventListener("click", () => this.#speak(other(this.language)));
    this.bar = el("header.bar", {}, el("div.names", {}, this.heading, this.shopName), this.hq, this.link, el("text-size"), this.toggle);
    this.answer = el("p.answer", { role: "status" });
  }

  #left() {
    this.initial = el("span.initial", { "aria-hidden": "true" });
    this.name = el("h2");
    this.proof = el("p");
    this.points = el("p.points-line", { hidden: "" });
    this.ring = ring("left");
    this.timeLeft = el("span");
    this.doneButton = el("button.button", { type: "button", "data-role": "done" });
    this.doneButton.addEventListener("click", () => this.#done());
    this.time = el("div.ending", {}, this.ring, this.timeLeft);
    this.buyer = el("section.buyer", {}, this.initial, el("div.who", {}, this.name, this.proof, this.points), el("div.buyer-end", {}, this.time, this.doneButton));
    this.couponLabel = el("label", { for: "coupon" });
    this.couponField = el("input", { id: "coupon", autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: "400" });
    this.couponButton = el("button.button", { type: "submit" });
    this.cameraButton = el("button.button.plain", { type: "button", "data-role": "camera" });
    this.cameraButton.addEventListener("click", () => this.camera.open());
    this.couponForm = el("form.coupon", {}, this.couponLabel, el("div.line", {}, this.couponField, this.couponButton, this.cameraButton));
    this.couponForm.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#coupon(this.couponField.value.trim());
    });
    this.offersTitle = el("h2");
    this.offersList = el("ul.offers");
    this.offersNone = el("p.none");
    this.left = el("div.side", {}, this.buyer, this.couponForm, el("section.choice-of", {}, this.offersTitle, this.offersList, this.offersNone));
  }

  #right() {
    this.heldTitle = el("h2");
    this.heldList = el("ul.held");
    this.heldNone = el("p.none");
    this.total = el("p.total");
    this.receiptLabel = el("label", { for: "receipt" });
    this.receiptField = el("input", { id: "receipt", autocomplete: "off", autocapitalize: "off", spellcheck: "false", inputmode: "text" });
    this.receiptHint = el("p.hint");
    this.confirmButton = el("button.button.primary", { type: "submit" });
    this.receiptForm = el("form.receipt", {}, this.total, this.receiptLabel, this.receiptField, this.receiptHint, this.confirmButton);
    this.receiptForm.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#confirm();
    });
    this.earlierTitle = el("h2");
    this.earlierList = el("ul.held");
    this.earlier = el("section.earlier", {}, this.earlierTitle, this.earlierList);
    this.shiftTitle = el("h2");
    this.shiftList = el("ul.shift");
    this.shiftNone = el("p.none");
    this.scanned = new BasketCard(this.till, () => this.#tell("hint", "hint"));
    this.right = el("div.side", {}, this.scanned.node, el("section.basket", {}, this.heldTitle, this.heldList, this.heldNone, this.receiptForm), this.earlier, el("section.past", {}, this.shiftTitle, this.shiftList, this.shiftNone));
  }

  // --- what comes in -------------------------------------------------------------------------------------------

  #event(data) {
    this.#lostAt = null;
    if (data.shop) {
      this.#shop = data.shop;
      this.watch.on = Boolean(data.watched);
      say(this.shopName, pick(data.shop.name, this.language));
    }
    this.#line();
    this.#refresh();
  }

  /** Ask what the page shows; while one answer is on its way, once more after it. */
  async #refresh() {
    if (this.#asking) {
      this.#again = true;
      return;
    }
    this.#asking = true;
    do {
      this.#again = false;
      const [age, settled] = [this.#age, [...this.#settling]];
      const found = await ask(`/api/v1/tills/${encodeURIComponent(this.till)}/page`);
      if (found.status === LOCKED) shutOut(() => location.reload(), this.bar);
      else if (found.status === 401) this.#tell("no", "status_401");
      if (found.body !== null && age === this.#age) {
        const ringing = [...this.#settling].some(isBasket);
        for (const name of settled) this.#settling.delete(name);
        // Whoever is gone before their time is over bought elsewhere, or somebody else's basket is paid here now.
        if (this.#view?.buyer && !found.body.buyer && this.#ends - performance.now() > TICK_MS) this.sale.end(this.#reserved()[0]);
        this.#show(found.body, ringing || this.presses.some(isBasket));
      }
    } while (this.#again);
    this.#asking = false;
  }

  #lost() {
    this.#lostAt ??= performance.now();
    this.#age += 1;
    if (this.#view) this.#show({ ...this.#view, buyer: null, offers: [] }); // nothing of a person stays without the line
    this.back.close();
    this.#line();
  }

  #typed(event) {
    if (event.key.length !== 1 || event.ctrlKey || event.metaKey || event.altKey || event.key === " ") return;
    if (document.activeElement?.matches("input") || document.querySelector("dialog[open]")) return;
    this.couponField.focus(); // a scanner types wherever it is; its letters belong here
  }

  // --- what is pressed -----------------------------------------------------------------------------------------

  #press(name, path, body) {
    if (this.#settling.has(name)) return;
    this.presses.press(name, path, body);
    this.#draw();
  }

  #answered(press, status, body) {
    if (body === null) this.#tell("no", said(this.language, `status_${status}`) ? `status_${status}` : "status_other");
    else if (press.to === "baskets") this.#rung(press, body);
    else if (body.result === "refused") {
      this.#tell("no", body.reason);
      if (press.body.receipt) this.#booked.refuse(press.body.receipt);
      this.scanned.refuse(press.body.offer_id, body.reason);
    }
    else if (body.result !== "committed") this.#tell("yes", `said_${body.result}`, body.cents);
    else if (this.#booked.add(press.body.receipt, body.cents)) this.#tell("yes", "said_committed", this.#booked.cents);
    this.#settling.add(press.name);
    this.#draw();
    this.#refresh();
  }

  /** A customer's own basket: to be rung up here, with its benefits reserved. */
  #rung(press, body) {
    if (NO_BASKET.has(body.reason)) this.#press(`coupon:${press.body.code}`, "", { coupon: press.body.code });
    else if (body.result === "refused") this.#tell("no", body.reason);
    else {
      this.scanned.show(body);
      this.#tell("yes", "said_basket", body.cents);
      for (const line of body.lines) {
        if (line.offer_id) this.#press(`reserve:${line.offer_id}`, "", { offer_id: line.offer_id, cents: line.benefit_cents });
      }
    }
  }

  #waits(late) {
    this.late = late;
    this.#line();
  }

  #coupon(text) {
    this.camera.close();
    this.couponField.value = "";
    if (text && mayBeBasket(text)) this.presses.press(`basket:${text}`, "", { code: text }, "baskets");
    else if (text) this.#press(`coupon:${text}`, "", { coupon: text });
  }

  #confirm() {
    const receipt = this.receiptField.value.trim();
    if (receipt.length > RECEIPT_MAX) {
      this.receiptField.value = "";
      this.#coupon(receipt);
      return;
    }
    if (!RECEIPT.test(receipt)) {
      this.#tell("no", "receiptNo");
      this.receiptField.focus();
      return;
    }
    this.receiptField.value = "";
    this.#booked.begin(receipt);
    for (const line of this.#reserved()[0]) this.#press(`confirm:${line.redemption_id}`, `/${line.redemption_id}/confirm`, { receipt });
  }

  async #done() {
    const [here] = this.#reserved();
    if (here.length && performance.now() - this.#sure > SURE_MS) {
      this.#sure = performance.now();
      this.#tell("ask", "doneAsk");
      return;
    }
    this.#sure = -Infinity;
    const result = await post(`/api/v1/tills/${encodeURIComponent(this.till)}/done`);
    if (result === "failed") this.#tell("no", "status_other");
    else {
      this.sale.end(here);
      this.scanned.clear();
      this.#tell("hint", "hint");
      this.#draw();
    }
    this.#refresh();
  }

  /** What is held for this sale, and for earlier ones. */
  #reserved() {
    return this.sale.split(this.#view ? this.#view.lines.filter((line) => line.state === "reserved") : []);
  }

  // --- what is shown -------------------------------------------------------------------------------------------

  /** `ringing`: a basket that was just shown may be why somebody else stands there; what was said of it stays. */
  #show(view, ringing = false) {
    const before = this.#view?.buyer?.sale_id;
    if (view.buyer && this.#known !== null && view.buyer.sale_id !== this.#known) this.sale.next();
    if (view.buyer && this.#view && view.buyer.sale_id !== this.#known && !ringing) this.#tell("hint", "hint");
    this.#known = view.buyer?.sale_id ?? this.#known;
    this.#view = view;
    const now = performance.now();
    if (view.buyer) {
      if (view.buyer.sale_id !== before) this.full = Math.max(1, view.buyer.ttl_ms);
      this.full = Math.max(this.full, view.buyer.ttl_ms);
      this.#ends = now + view.buyer.ttl_ms;
    }
    for (const line of view.lines) line.ends = now + (line.ttl_ms ?? 0);
    this.#draw();
  }

  #draw() {
    if (!this.#view) return;
    const view = this.#view;
    this.#drawBuyer(view.buyer);
    this.hq.hidden = view.hq_there;
    const busy = (name) => this.presses.has(name) || this.#settling.has(name);
    const [reserved, earlier] = this.#reserved();
    const held = new Set(reserved.map((line) => line.offer_id));
    arrange(this.offersList, this.#offers, view.offers, (one) => one.offer_id,
      () => new OfferRow((offer, cents) => this.#reserve(offer, cents), () => this.#tell("no", "amountNo")),
      (row, one) => row.fill(one, this.language, held.has(one.offer_id), busy(`reserve:${one.offer_id}`)));
    for (const [list, rows, lines] of [[this.heldList, this.#held, reserved], [this.earlierList, this.#earlier, earlier]]) {
      arrange(list, rows, lines, (one) => one.redemption_id,
        () => new HeldRow((id) => this.#press(`cancel:${id}`, `/${id}/cancel`, {}), (id) => this.#take(id)),
        (row, one) => row.fill(one, this.language, busy(`cancel:${one.redemption_id}`) || busy(`confirm:${one.redemption_id}`), rows === this.#earlier && this.sale.mayTake(one)));
    }
    this.earlier.hidden = earlier.length === 0;
    arrange(this.shiftList, this.#lines, view.lines.filter((line) => line.state !== "reserved"), (one) => one.redemption_id,
      () => new ShiftRow((line) => this.back.open(line, this.language)),
      (row, one) => row.fill(one, this.language, busy(`reverse:${one.redemption_id}`)));
    this.offersNone.hidden = view.offers.length > 0;
    this.heldNone.hidden = reserved.length > 0;
    this.shiftNone.hidden = this.#lines.size > 0;
    this.receiptForm.hidden = reserved.length === 0;
    say(this.total, `${said(this.language, "total")} ${money(this.language, reserved.reduce((sum, line) => sum + line.cents, 0))}`);
    const booking = reserved.some((line) => busy(`confirm:${line.redemption_id}`));
    this.confirmButton.disabled = booking;
    say(this.confirmButton, said(this.language, booking ? "booking" : "confirm"));
    this.#tick();
  }

  #take(id) {
    this.sale.take(id);
    this.#draw();
  }

  #reserve(offer, cents) {
    this.#press(`reserve:${offer.offer_id}`, "", cents === null ? { offer_id: offer.offer_id } : { offer_id: offer.offer_id, cents });
  }

  #drawBuyer(buyer) {
    const name = buyer ? buyer.label || said(this.language, "guest") : said(this.language, "nobody");
    this.buyer.dataset.state = buyer ? "known" : "nobody";
    this.initial.hidden = !buyer?.label;
    say(this.initial, buyer?.label ? [...buyer.label][0].toUpperCase() : "");
    say(this.name, name);
    const words = buyer ? [said(this.language, `proof_${buyer.proof}`)] : [said(this.language, "nobodyText")];
    if (buyer && !buyer.label) words.push(said(this.language, "guestText"));
    if (buyer && buyer.may_redeem_cents !== null) words.push(said(this.language, "upTo", { eur: money(this.language, buyer.may_redeem_cents) }));
    say(this.proof, words.join(" "));
    const points = buyer?.points ?? null;
    this.points.hidden = points === null;
    const count = points === null ? "" : said(this.language, points.now === 1 ? "points1" : "points", { n: points.now.toLocaleString(this.language) });
    const since = points?.new ? ` (${said(this.language, "pointsNew", { n: `${points.new > 0 ? "+" : "−"}${Math.abs(points.new)}` })})` : "";
    say(this.points, count + since);
    this.time.hidden = !buyer;
    this.doneButton.hidden = !buyer && this.#reserved()[0].length === 0;
  }

  #tell(kind, key, cents = 0) {
    this.told = { kind, key, cents };
    this.answer.dataset.kind = kind;
    say(this.answer, key ? said(this.language, key, { eur: money(this.language, cents ?? 0) }) || refusal(this.language, key) : "");
  }

  #tick() {
    const now = performance.now();
    if (this.#view?.buyer) {
      const left = this.#ends - now;
      if (left <= 0) this.#show({ ...this.#view, buyer: null, offers: [] });
      else {
        this.ring.set(left / this.full, "");
        say(this.timeLeft, said(this.language, "timeLeft", { t: minutes(left) }));
      }
    }
    for (const row of [...this.#held.values(), ...this.#earlier.values()]) row.tick(now);
    this.#line();
  }

  /** The state of the line: presses that nobody answered yet say more than the stream does. */
  #line() {
    const away = this.#lostAt === null ? 0 : performance.now() - this.#lostAt;
    const state = this.#view === null ? "connecting" : away > OFF_MS ? "lost" : "live";
    this.link.dataset.state = away > RED_MS ? "dead" : this.late ? "lost" : state;
    this.dataset.live = state === "live" ? "yes" : "no";
    say(this.link, this.late ? said(this.language, "asks", { n: this.late }) : word(this.language, state));
    if (this.late && this.told?.key !== "waiting") this.#tell("ask", "waiting");
  }

  #speak(language) {
    this.language = language;
    localStorage.setItem("language", language);
    document.documentElement.lang = language;
    document.title = `${said(language, "title")} ${this.till}`;
    say(this.heading, `${said(language, "title")} ${this.till}`);
    say(this.shopName, pick(this.#shop.name, language));
    say(this.toggle, other(language).toUpperCase());
    this.toggle.lang = other(language);
    say(this.hq, said(language, "hqAway"));
    const words = [
      [this.couponLabel, "coupon"], [this.couponButton, "couponAdd"], [this.cameraButton, "camera"], [this.offersTitle, "offers"],
      [this.offersNone, "offersNone"], [this.heldTitle, "held"], [this.heldNone, "heldNone"], [this.earlierTitle, "earlier"], [this.receiptLabel, "receipt"],
      [this.receiptHint, "receiptHint"], [this.shiftTitle, "shift"], [this.shiftNone, "shiftNone"], [this.doneButton, "done"],
    ];
    for (const [node, key] of words) say(node, said(language, key));
    this.couponField.placeholder = said(language, "couponHint");
    this.camera.speak(language);
    this.scanned.speak(language);
    if (this.told) this.#tell(this.told.kind, this.told.key, this.told.cents);
    this.#draw();
    this.#line();
  }
}

customElements.define("till-desk", TillDesk);
