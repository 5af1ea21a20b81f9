/** The staff page: who asked for advice, who took it, and the card of the person being advised. */

import { Beside } from "./beside.js";
import { Card } from "./card.js";
import { ask, el, post, ring, say } from "./dom.js";
import { Faults } from "./faults.js";
import { Handover } from "./handover.js";
import { Live } from "./live.js";
import { Lock, shut, watchful } from "./lock.js";
import { ShiftLog } from "./shift.js";
import { told } from "./staffwords.js";
import { clock, deviceLanguage, other, pick, word } from "./words.js";

const TICK_MS = 1000;
const TOAST_MS = 5000;
const OFF_MS = 2000; // shorter breaks are not worth alarming anybody
const RED_MS = 25_000;
const LOCKED = 423; // what this tablet's routes answer while a customer holds it
const WAYS = { manager: ["/pair", "devices"], installer: ["/install", "install"] }; // by a colleague's role
const BASE = new URL(".", import.meta.url).pathname;

const ORDER = { asked: 0, mine: 1, arrived: 2, taken: 3 };

/** What a row is to this tablet: a request that waits, is ours or another's; or somebody who just came in. */
const kindOf = (entry) => (["asked", "arrived"].includes(entry.state) ? entry.state : entry.mine ? "mine" : "taken");

/** One request in the list; made once and then changed in place, so that a finger never misses its button. */
class Row {
  constructor(id, accept, usual) {
    this.id = id;
    this.ring = ring("wait");
    this.name = el("h3");
    this.place = el("p.place");
    this.how = el("p.how");
    this.waited = el("p.waited");
    this.button = el("button.button.primary", { type: "button" });
    this.state = el("span.chip");
    this.node = el("li.row", { "data-handshake": id }, this.ring,
      el("div.who", {}, this.name, this.place, this.how, this.waited), el("div.act", {}, this.button, this.state));
    this.node.addEventListener("click", ({ target }) => {
      const pressed = this.button.contains(target);
      if (kindOf(this.entry) === "mine" || (pressed && this.entry.state === "asked")) accept(this); // ours: its card is shown again
      else if (pressed) usual(this);
    });
  }

  fill(entry, shop, language, shown) {
    this.entry = entry;
    this.language = language;
    this.since = performance.now() - entry.waited_ms;
    this.limit = shop.ask_ms;
    say(this.name, entry.label || word(language, "guest", { n: entry.guest }));
    say(this.place, pick(shop.zones[entry.zone], language) || entry.zone);
    const near = entry.colleagues_near;
    const how = [word(language, entry.via), ...entry.usual];
    if (near) how.push(word(language, near === 1 ? "colleagueNear" : "colleaguesNear", { n: near }));
    say(this.how, how.join(" · "));
    const asked = entry.state === "asked";
    this.node.dataset.state = kindOf(entry);
    this.button.classList.toggle("primary", asked);
    this.state.hidden = asked;
    if (!asked) say(this.state, word(language, entry.usual_offered ? "usualOffered" : entry.mine ? "openHere" : kindOf(entry)));
    this.mark(shown);
    this.tick();
  }

  /** `shown`: whose card is on the page, by its request. */
  mark(shown) {
    const kind = kindOf(this.entry);
    const here = this.id === shown;
    if (here) this.node.setAttribute("aria-current", "true");
    else this.node.removeAttribute("aria-current");
    const offers = this.entry.usual.length > 0 && !this.entry.usual_offered;
    this.button.hidden = kind === "mine" ? here : kind !== "asked" && !offers;
    const does = kind === "asked" ? "accept" : kind === "mine" ? "showCard" : "usualOffer";
    if (!this.busy) say(this.button, word(this.language, does));
  }

  tick() {
    const waited = performance.now() - this.since;
    const share = waited / Math.max(1, this.limit);
    this.node.dataset.urgent = String(share > 0.6 && this.entry.state !== "arrived");
    const seconds = Math.max(0, Math.floor(waited / 1000));
    this.ring.set(share, "");
    const time = seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
    say(this.waited, this.entry.state === "asked" ? word(this.language, "waitedFor", { t: time }) : "");
  }
}

class StaffTablet extends HTMLElement {
  #rows = new Map();
  #last = null;
  #lostAt = null;
  #toastTimer = 0;
  #shop = { name: {}, zones: {}, ask_ms: 120_000 };

  connectedCallback() {
    this.language = deviceLanguage();
    this.shopName = el("span.shop");
    this.heading = el("h1");
    this.count = el("span.count");
    this.link = el("span.link", { role: "status" });
    this.toggle = el("button.button.plain", { type: "button", "data-role": "language" });
    this.toggle.addEventListener("click", () => this.#speak(other(this.language)));
    this.list = el("ol.rows");
    this.emptyTitle = el("h2");
    this.emptyText = el("p");
    this.empty = el("div.empty", {}, el("img.medal", { alt: "", src: `${BASE}art/tea.svg` }), this.emptyTitle, this.emptyText);
    this.others = el("button.button.others", { type: "button", hidden: "" }); // where the card hides the list
    this.others.addEventListener("click", () => (this.dataset.view = "queue"));
    this.aged = el("p.aged", { role: "status", hidden: "" });
    this.toast = el("p.toast", { role: "status", hidden: "" });
    this.card = new Card((id) => this.#close(id));
    this.faults = new Faults();
    this.beside = new Beside((words) => this.#tell(words));
    this.handover = new Handover((words) => this.#tell(words));
    this.lock = new Lock();
    this.watch = watchful();
    this.shift = new ShiftLog((words) => this.#tell(words));
    this.signed = el("span.signed", { hidden: "" });
    this.lockButton = el("button.button.lock-button", { type: "button", hidden: "" });
    this.lockButton.addEventListener("click", () => shut("button"));
    this.devices = el("a.button.plain", { href: "/pair", "data-name": "devices", hidden: "" });
    this.watch.goesOn(this.devices);
    this.away = el("p.away", { role: "status", hidden: "" });
    this.append(
      el("header.bar", {}, el("div.names", {}, this.heading, this.shopName), this.link, this.signed, this.beside.node, this.shift.node,
        this.handover.node, this.devices, this.lockButton, el("text-size"), this.toggle),
      this.away, this.lock.node, el("main.desk", {}, el("section.queue", {}, el("div.queue-head", {}, this.count), this.list, this.empty), this.others, this.card.node),
      this.aged, this.faults.node, this.toast);
    this.#speak(this.language);
    this.#line();
    setInterval(() => this.#tick(), TICK_MS);
    new Live("/api/v1/tablet/stream", { event: (name, data) => this.#event(name, data), lost: () => this.#gone() });
  }

  #event(name, data) {
    if (data.locked) {
      this.#away();
      return;
    }
    this.#lostAt = null;
    this.dataset.live = "yes";
    if (data.shop) this.#named(data.shop);
    if (data.tills) this.card.tills = data.tills;
    if (data.hq) this.#hq(data.hq);
    if (data.lock !== undefined) this.#locked(data);
    if (this.lock.open) {
      if (data.troubles) this.#troubles(data.troubles);
      this.#line();
      return;
    }
    if (data.profiles) this.#aged(data.profiles);
    if (name === "snapshot") this.beside.connected();
    if (data.troubles) this.#troubles(data.troubles);
    if (data.queue) this.#queue(data.queue);
    if (data.card) this.#opened(data.card);
    if (data.card === null) this.card.wipe();
    if (data.held) this.card.follow();
    if (name === "card_closed") {
      this.card.wipe();
      this.#tell(told(this.language, `closed_${data.reason}`) || word(this.language, `closed_${data.reason}`) || word(this.language, "closed_other"));
    }
    this.#shown();
    this.#line();
  }

  /** Whose card is on the page, or nobody's: said wherever it counts. */
  #shown() {
    const id = this.card.id;
    if (this.dataset.card !== (id ?? "")) this.dataset.view = "card";
    this.dataset.card = id ?? "";
    this.handover.card(id);
    const rows = [...this.#rows.values()];
    for (const row of rows) row.mark(id);
    const asked = rows.filter((row) => row.entry.state === "asked").length;
    this.others.hidden = !id || !rows.some((row) => row.id !== id && ["asked", "mine"].includes(kindOf(row.entry)));
    say(this.others, word(this.language, asked < 2 ? `othersWait${asked}` : "othersWait", { n: asked }));
  }

  /** The tablet is locked, or `lock` is null and somebody works here: nothing of a customer stays on the page. */
  #locked({ lock, staff }) {
    const before = this.lock.open;
    this.dataset.shut = lock ? "yes" : "no";
    this.watch.on = Boolean(staff);
    this.shift.allow(Boolean(staff));
    this.signed.hidden = this.lockButton.hidden = !staff;
    this.#ways(staff);
    this.signed.replaceChildren(...(staff ? [el("span.sign", { "aria-hidden": "true" }, staff.initials), el("bdi", { title: staff.name }, staff.name)] : []));
    if (!lock) {
      if (before) this.lock.hide();
      return;
    }
    if (!before) {
      this.#wipe();
      this.handover.close();
      this.beside.close();
      this.#tell("");
    }
    this.lock.show(lock);
    document.title = told(this.language, "lockTitle");
  }

  /** The way to the shop's devices or their places, for whom it is; at once for who was sent here to sign in. */
  async #ways(staff) {
    this.devices.hidden = true;
    if (staff && !WAYS[staff.role]) return;
    const [page, name] = WAYS[staff?.role ?? "manager"];
    const { body } = await ask(`/api/v1/pairing/may?page=${page}`);
    this.devices.hidden = this.lock.open || body?.may !== true;
    this.devices.href = page;
    this.devices.dataset.name = name;
    say(this.devices, told(this.language, name));
    const next = sessionStorage.getItem("next") ?? "";
    if (this.devices.hidden || !/^\/(pair|install)\b/.test(next)) return;
    sessionStorage.removeItem("next");
    this.watch.on = false;
    location.assign(next);
  }

  /** How long headquarters is away already. */
  #hq(hq) {
    this.hq = hq;
    this.away.hidden = !hq.away;
    say(this.away, hq.away ? told(this.language, "away", { t: clock(this.language, hq.since_ms) }) : "");
  }

  /** The stream broke: perhaps because somebody else holds the tablet now. */
  async #gone() {
    this.#lost();
    if (document.visibilityState !== "visible" || (await ask("/api/v1/tablet/readers")).status !== LOCKED) return;
    if (!(await ask("/api/v1/tablet/lock")).body?.lock) this.#away();
  }

  /** A customer holds this tablet: their page is the only one. */
  #away() {
    this.#lost();
    if (!this.handover.going) location.replace("/me");
  }

  #named(shop) {
    this.#shop = shop;
    say(this.shopName, pick(shop.name, this.language));
    this.beside.speak(this.language, shop.zones);
    this.faults.speak(this.language, shop.zones);
  }

  /** How long profiles still serve without headquarters; nothing while they are fresh. */
  #aged(profiles) {
    this.profiles = profiles;
    this.aged.hidden = profiles.state === "fresh";
    const name = profiles.state === "soon" && profiles.days_left === 1 ? "profiles_tomorrow" : `profiles_${profiles.state}`;
    if (!this.aged.hidden) say(this.aged, word(this.language, name, { n: profiles.days_left }));
  }

  #troubles(found) {
    this.faults.show(found);
    this.beside.troubles(found);
  }

  #opened(card) {
    this.card.show(card, this.#shop);
    this.dataset.view = "card";
    this.beside.close(); // nothing lies over the person who stands there
  }

  #lost() {
    this.#lostAt ??= performance.now();
    this.#wipe();
    this.shift.close();
    this.#troubles([]);
    this.#line();
  }

  /** Nobody's name and card stays on the page. */
  #wipe() {
    this.card.wipe();
    this.#queue([]);
    this.#shown();
  }

  /** Bring the rows in line with `entries`, those still waiting first, each group by time. */
  #queue(entries) {
    this.#last = entries;
    const rank = (entry) => ORDER[kindOf(entry)];
    const sorted = [...entries].sort((a, b) => rank(a) - rank(b) || b.waited_ms - a.waited_ms);
    for (const id of [...this.#rows.keys()]) {
      if (sorted.some((entry) => entry.handshake_id === id)) continue;
      this.#rows.get(id).node.remove();
      this.#rows.delete(id);
    }
    sorted.forEach((entry, n) => {
      const row = this.#rows.get(entry.handshake_id) ?? new Row(entry.handshake_id, (one) => this.#accept(one), (one) => this.#usual(one));
      this.#rows.set(entry.handshake_id, row);
      row.fill(entry, this.#shop, this.language, this.card.id);
      if (this.list.children[n] !== row.node) this.list.insertBefore(row.node, this.list.children[n] ?? null);
    });
    const asked = sorted.filter((entry) => entry.state === "asked").length;
    say(this.count, word(this.language, asked < 2 ? `waitingCount${asked}` : "waitingCount", { n: asked }));
    this.count.hidden = sorted.length === 0;
    this.empty.hidden = sorted.length > 0 || this.#lostAt !== null;
    document.title = asked ? `(${asked}) ${word(this.language, "queueTitle")}` : word(this.language, "queueTitle");
  }

  async #accept(row) {
    if (row.busy) return;
    row.busy = true;
    say(row.button, word(this.language, "accepting"));
    const result = await post(`/api/v1/tablet/handshakes/${encodeURIComponent(row.id)}/accept`);
    row.busy = false;
    row.mark(this.card.id);
    if (result !== "open") this.#tell(word(this.language, `${result}Now`));
  }

  async #usual(row) {
    if (row.busy) return;
    row.busy = true;
    const result = await post(`/api/v1/tablet/usual/${encodeURIComponent(row.id)}`);
    row.busy = false;
    if (result !== "ok") this.#tell(word(this.language, `${result}Now`));
  }

  async #close(id) {
    const result = await post(`/api/v1/tablet/handshakes/${encodeURIComponent(id)}/close`);
    if (result === "failed") this.#tell(word(this.language, "failedNow"));
    else if (this.card.id === id) this.card.wipe();
    this.#shown();
  }

  #tell(words) {
    say(this.toast, words);
    this.toast.hidden = !words;
    clearTimeout(this.#toastTimer);
    this.#toastTimer = setTimeout(() => (this.toast.hidden = true), TOAST_MS);
  }

  #tick() {
    for (const row of this.#rows.values()) row.tick();
    this.faults.tick();
    this.lock.tick(this.#lostAt !== null);
    if (this.card.tick()) this.#shown();
    this.#line();
  }

  /** The state of the connection, in words and in the bar's colour. */
  #line() {
    const away = this.#lostAt === null ? 0 : performance.now() - this.#lostAt;
    const state = this.#last === null ? "connecting" : away > OFF_MS ? "lost" : "live";
    this.link.dataset.state = away > RED_MS ? "dead" : state;
    this.dataset.live = state === "live" ? "yes" : "no";
    say(this.link, word(this.language, state));
  }

  #speak(language) {
    this.language = language;
    localStorage.setItem("language", language);
    document.documentElement.lang = language;
    say(this.heading, word(language, "queueTitle"));
    this.#named(this.#shop);
    say(this.toggle, other(language).toUpperCase());
    this.toggle.lang = other(language);
    say(this.emptyTitle, word(language, "emptyTitle"));
    say(this.emptyText, word(language, "emptyText"));
    this.card.speak(language);
    this.handover.speak(language);
    this.lock.speak(language);
    this.shift.speak(language);
    say(this.lockButton, told(language, "lock"));
    say(this.devices, told(language, this.devices.dataset.name));
    if (this.hq) this.#hq(this.hq);
    if (this.profiles) this.#aged(this.profiles);
    if (this.#last !== null) this.#queue(this.#last);
    this.#shown();
    this.#line();
  }
}

customElements.define("staff-tablet", StaffTablet);
