/** The manager's page: does everything run, since when, and what helps if not. Counts only, nobody's data. */

import { ask, el, say } from "./dom.js";
import { earName, faultOf, helpOf, technical } from "./faults.js";
import { partSaid, remarked } from "./partwords.js";
import { settingsSaid, settingsWord } from "./settingswords.js";
import { told } from "./staffwords.js";
import { deviceLanguage, other, pick, word } from "./words.js";

const POLL_MS = 2000;
const EAR = "receiver:";
const TAPS = ["nfc.taps", "nfc.strangers"]; // these first, the other counters of readers after them
const REFUSED = "nfc.refused.";
// These taps were known as a member's, and so counted among them, before they were refused.
const KNOWN_FIRST = ["nfc.refused.replayed", "nfc.refused.proof"];
// Why a card was refused, in the words of a manager; the exact reasons are among the technician's counters.
const REASONS = [
  ["refused_weak", /^proof$/], ["refused_replayed", /replay|repeat|once|used|counter|count_/], ["refused_forged", /mac|sign|forg|cmac|key|cryptogram/],
  ["refused_late", /time|expired|late|stale/], ["refused_other", /./],
];
const WAYS = { "/install": "install", "/pair": "devices" }; // pages that whoever reads this may be let in to, and their names
const STATES = { ok: "statusOk", degraded: "statusDegraded", down: "statusDown" };

/** What needs somebody comes first. */
const rank = (part) => ["down", "degraded", "remark", "ok"].indexOf(remarked(part) ? "remark" : part.state);

/** The counters with each tap in one place: a member's that was refused after all is among the refused alone. */
function accepted(counts) {
  if (!("nfc.taps" in counts)) return counts;
  return { ...counts, "nfc.taps": KNOWN_FIRST.reduce((n, name) => n - (counts[name] ?? 0), counts["nfc.taps"]) };
}

class ShopStatus extends HTMLElement {
  #shown = "";
  #data = null;
  #ways = [];

  connectedCallback() {
    this.ears = JSON.parse(this.dataset.ears || "{}");
    this.language = deviceLanguage();
    this.shop = el("span.shop");
    this.heading = el("h1");
    this.version = el("span.link");
    this.toggle = el("button.button.plain", { type: "button" });
    this.toggle.addEventListener("click", () => this.#speak(other(this.language)));
    this.body = el("main.board");
    this.append(el("header.bar", {}, el("div.names", {}, this.heading, this.shop), this.version, el("text-size"), this.toggle), this.body);
    this.#speak(this.language);
    this.#findWays().then(() => this.#poll());
  }

  async #findWays() {
    const asked = await Promise.all(Object.keys(WAYS).map((page) => ask(`/api/v1/pairing/may?page=${page}`)));
    this.#ways = Object.entries(WAYS).filter((_, n) => asked[n].body?.may);
  }

  async #poll() {
    try {
      const answer = await fetch("/api/v1/status", { signal: AbortSignal.timeout(5000), cache: "no-store" });
      this.#data = answer.ok ? await answer.json() : null;
    } catch {
      this.#data = null;
    }
    this.#draw();
    setTimeout(() => this.#poll(), POLL_MS);
  }

  #speak(language) {
    this.language = language;
    localStorage.setItem("language", language);
    document.documentElement.lang = language;
    say(this.heading, "Status");
    say(this.toggle, other(language).toUpperCase());
    this.#shown = "";
    if (this.#data) this.#draw();
  }

  #word(key, slots) {
    return word(this.language, key, slots);
  }

  #draw() {
    const data = this.#data;
    if (!data) {
      this.dataset.state = "unreachable";
      this.#shown = "";
      this.body.replaceChildren(el("section.verdict", { "data-state": "down" }, el("i.lamp"),
        el("div", {}, el("h2", {}, this.#word("unreachable")), el("p", {}, this.#word("unreachableText")))));
      return;
    }
    const { now_ms: now, ...rest } = data;
    const shown = JSON.stringify([rest, Math.floor(now / 60_000)]);
    if (shown === this.#shown) return; // nothing new: leave focus and selection alone
    this.#shown = shown;
    this.dataset.state = data.state;
    say(this.shop, pick(data.shop.name, this.language));
    say(this.version, this.#word("version", { v: data.version }));
    const unfolded = new Set([...this.body.querySelectorAll("details[open]")].map((one) => one.dataset.of));
    const focused = this.body.contains(document.activeElement) ? document.activeElement.closest("details")?.dataset.of : undefined;
    this.body.replaceChildren(
      el("section.verdict", { "data-state": data.state }, el("i.lamp"),
        el("div", {}, el("h2", {}, this.#word(STATES[data.state])), ...this.#verdict(data))),
      this.#parts(data), el("div.side", {}, this.#screens(data), ...this.#settings(data), this.#counts(data)),
      el("p.more", {}, ...this.#ways.map(([page, name]) => el("a.button", { href: page }, told(this.language, name))),
        el("a", { href: "/notice" }, this.#word("notice"))));
    for (const one of this.body.querySelectorAll("details")) { // as the reader left it
      one.open = unfolded.has(one.dataset.of);
      if (one.dataset.of === focused) one.querySelector("summary").focus();
    }
  }

  /** Which parts need somebody, by name; else how many there are. */
  #verdict(data) {
    const lines = ["down", "degraded"].map((state) => [state, data.parts.filter((part) => part.state === state)])
      .filter(([, parts]) => parts.length)
      .map(([state, parts]) => el("p", {}, el("strong", {}, this.#word(`verdict_${state}`)), ` ${parts.map((part) => this.#title(data, part)).join(", ")}`));
    return lines.length ? lines : [el("p", {}, this.#word("partsRunning", { n: data.parts.length, m: data.parts.length }))];
  }

  #parts(data) {
    const ears = data.parts.filter((part) => part.name.startsWith(EAR));
    const others = data.parts.filter((part) => !part.name.startsWith(EAR));
    const worst = (parts) => Math.min(...parts.map(rank));
    const titled = (title, parts) => [el("h2", {}, this.#word(title)), parts.length ? this.#list(data, parts) : el("p.none", {}, this.#word("noParts"))];
    const lists = [titled("partsTitle", others), ears.length ? titled("readersTitle", ears) : []];
    return el("section.block.parts", {}, ...(worst(ears) < worst(others) ? lists.reverse() : lists).flat());
  }

  #list(data, parts) {
    const sorted = [...parts].sort((a, b) => rank(a) - rank(b));
    return el("ul", {}, ...sorted.map((part) => {
      const ear = part.name.startsWith(EAR) ? this.#ear(part) : null;
      const state = remarked(part) ? "remark" : part.state;
      return el("li.part", { "data-state": state, "data-part": part.name }, el("i.lamp"), el("h3", {}, this.#title(data, part)),
        el("p.since", {}, `${this.#word(state)} ${this.#word("since", { t: this.#since(data.now_ms - part.since_ms) })}`),
        el("div", {}, ...(ear && part.state === "down" ? this.#fault(data, part, ear) : this.#remarks(part, ear))));
    }));
  }

  /** A receiver that is down: what ails it, one thing that helps, and what a technician reads. */
  #fault(data, part, ear) {
    const barred = part.cause === "barred"; // our word would only be "ask a technician", and this is their page
    const help = barred ? el("span", { lang: "en" }, part.action) : helpOf(this.language, ear, part.cause);
    const more = barred ? part.detail : technical(ear, part.cause, part.detail, part.action);
    return [el("p", {}, faultOf(this.language, ear, part.cause, data.shop.zones)),
      el("p.action", {}, this.#helps(), help), this.#more(part, more)];
  }

  /** Any other part: what it says of itself. */
  #remarks(part, ear) {
    const { text, help, more } = partSaid(this.language, part, ear?.kind);
    return [text ? el("p", {}, text) : null, help ? el("p.action", {}, this.#helps(), help) : null, this.#more(part, more)];
  }

  /** What the gateway itself says, folded away: it is English, and for whoever is called. */
  #more(part, words) {
    return words ? el("details", { "data-of": part.name }, el("summary", {}, this.#word("faultMore")), el("p", { lang: "en" }, words)) : null;
  }

  #helps() {
    return el("strong", {}, `${this.#word("whatToDo")}: `);
  }

  #ear(part) {
    const id = part.name.slice(EAR.length);
    return { receiver: id, ...(this.ears[id] ?? { kind: "ear", zone: "", alone: true }) };
  }

  #earName(data, ear) {
    return earName(this.language, { ...ear, alone: false }, data.shop.zones); // managers always see the id
  }

  #screens(data) {
    const screens = data.screens.map((screen) => el("li", { "data-state": screen.connected ? "ok" : "off" }, el("i.lamp"),
      el("div", {}, el("h3", {}, pick(data.shop.zones[screen.zone], this.language) || screen.id), el("p", {}, `${screen.id} · ${this.#word(screen.connected ? "connected" : "notConnected")}`)),
      el("a.button", { href: `/screen?id=${encodeURIComponent(screen.id)}`, target: "_blank", rel: "noopener", "aria-label": `${this.#word("open")}: ${screen.id}` }, this.#word("open"))));
    const tablets = el("li", { "data-state": data.tablets_connected ? "ok" : "off" }, el("i.lamp"),
      el("div", {}, el("h3", {}, this.#word("tabletsTitle")), el("p", {}, this.#word("tabletsOnline", { n: data.tablets_connected }))),
      el("a.button", { href: "/tablet", target: "_blank", rel: "noopener", "aria-label": `${this.#word("open")}: ${this.#word("tabletsTitle")}` }, this.#word("open")));
    return el("section.block", {}, el("h2", {}, this.#word("screensTitle")),
      screens.length ? null : el("p.none", {}, this.#word("noScreens")), el("ul", {}, ...screens, tablets));
  }

  /** What headquarters steers of this device; nothing where it never sent any of it. */
  #settings({ settings, now_ms: now }) {
    if (!settings) return [];
    const said = settingsSaid(this.language, settings, this.#since(now - settings.since_ms));
    const title = settingsWord(this.language, "title");
    return [el("section.block", {}, el("h2", {}, title),
      el("ul", {}, el("li", { "data-state": ["undone", "refused"].includes(settings.state) ? "remark" : "ok", "data-part": "settings" }, el("i.lamp"),
        el("div", {}, el("h3", {}, title), ...said.map((line) => el("p", {}, line))))))];
  }

  #title(data, part) {
    if (part.name.startsWith(EAR)) return this.#earName(data, this.#ear(part));
    const [kind, id = ""] = part.name.split(":");
    const zone = data.screens.find((screen) => screen.id === id)?.zone;
    const alone = data.screens.filter((screen) => screen.zone === zone).length === 1;
    const place = pick(data.shop.zones[zone], this.language);
    return this.#word(`part_${kind}`, { n: place ? `${place}${alone ? "" : ` (${id})`}` : id }) || part.name;
  }

  #counts(data) {
    const rows = (entries) => entries.flatMap(([name, n]) => [el("dt", {}, this.#word(name) || name), el("dd", {}, n.toLocaleString(this.language))]);
    const counts = Object.entries(accepted(data.counts));
    const known = counts.filter(([name]) => this.#word(name));
    const others = counts.filter(([name]) => !this.#word(name));
    const rank = ([name]) => TAPS.includes(name) ? TAPS.indexOf(name) : TAPS.length;
    const taps = [...known.filter(([name]) => name.startsWith("nfc.")).sort((a, b) => rank(a) - rank(b)), ...this.#refused(counts)];
    const rest = known.filter(([name]) => !name.startsWith("nfc."));
    const details = el("details", { "data-of": "counts" }, el("summary", {}, this.#word("details")), el("dl.counts", {}, ...rows(others)));
    return el("section.block", {}, el("h2", {}, this.#word("countsTitle")),
      counts.length ? el("dl.counts", {}, ...rows(rest)) : el("p.none", {}, this.#word("noCounts")),
      taps.length ? el("h3", {}, this.#word("nfcTitle")) : null,
      taps.length ? el("dl.counts.taps", {}, ...rows(taps)) : null,
      others.length ? details : null);
  }

  /** The many reasons to refuse a card, added up to five. */
  #refused(counts) {
    const sums = new Map(REASONS.map(([word]) => [word, 0]));
    for (const [name, n] of counts) {
      if (!name.startsWith(REFUSED)) continue;
      const [word] = REASONS.find(([, pattern]) => pattern.test(name.slice(REFUSED.length)));
      sums.set(word, sums.get(word) + n);
    }
    return [...sums].filter(([, n]) => n > 0);
  }

  #since(ms) {
    const min = Math.floor(ms / 60_000);
    if (min < 1) return this.#word("now");
    if (min < 120) return this.#word("min", { n: min });
    return min < 2880 ? this.#word("h", { n: Math.floor(min / 60) }) : this.#word("d", { n: Math.floor(min / 1440) });
  }
}

customElements.define("shop-status", ShopStatus);
