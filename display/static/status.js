/** The manager's page: does everything run, since when, and what helps if not. Counts only, nobody's data. */

import { el, say } from "./dom.js";
import { earName, faultOf } from "./faults.js";
import { deviceLanguage, other, pick, word } from "./words.js";

const POLL_MS = 2000;
const EAR = "receiver:";
const TAPS = ["nfc.taps", "nfc.strangers"]; // these first, the other counters of readers after them
const REFUSED = "nfc.refused.";
// Why a card was refused, in the words of a manager; the exact reasons are among the technician's counters.
const REASONS = [
  ["refused_replayed", /replay|repeat|once|used|counter|count_/], ["refused_forged", /mac|sign|forg|cmac|proof|key|cryptogram/],
  ["refused_late", /time|expired|late|stale/], ["refused_other", /./],
];
const STATES = { ok: "statusOk", degraded: "statusDegraded", down: "statusDown" };

class ShopStatus extends HTMLElement {
  #shown = "";
  #data = null;

  connectedCallback() {
    this.ears = JSON.parse(this.dataset.ears || "{}");
    this.language = deviceLanguage();
    this.shop = el("span.shop");
    this.heading = el("h1");
    this.version = el("span.link");
    this.toggle = el("button.button.plain", { type: "button" });
    this.toggle.addEventListener("click", () => this.#speak(other(this.language)));
    this.body = el("main.board");
    this.append(el("header.bar", {}, el("div.names", {}, this.heading, this.shop), this.version, this.toggle), this.body);
    this.#speak(this.language);
    this.#poll();
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
    const trouble = data.parts.filter((part) => part.state !== "ok").length;
    this.body.replaceChildren(
      el("section.verdict", { "data-state": data.state }, el("i.lamp"),
        el("div", {}, el("h2", {}, this.#word(STATES[data.state])), el("p", {}, this.#word("partsRunning", { n: data.parts.length - trouble, m: data.parts.length })))),
      this.#parts(data), this.#screens(data), this.#counts(data),
      el("p.more", {}, el("a", { href: "/notice" }, this.#word("notice"))));
  }

  #parts(data) {
    const ears = data.parts.filter((part) => part.name.startsWith(EAR));
    const others = data.parts.filter((part) => !part.name.startsWith(EAR));
    return el("section.block.parts", {}, el("h2", {}, this.#word("partsTitle")),
      others.length ? this.#list(data, others) : el("p.none", {}, this.#word("noParts")),
      ears.length ? el("h2", {}, this.#word("readersTitle")) : null, ears.length ? this.#list(data, ears) : null);
  }

  #list(data, parts) {
    const order = { down: 0, degraded: 1, ok: 2 };
    const sorted = [...parts].sort((a, b) => order[a.state] - order[b.state]);
    return el("ul", {}, ...sorted.map((part) => {
      const ear = part.name.startsWith(EAR) ? this.#ear(part) : null;
      const wrong = part.state !== "ok";
      const help = el("strong", {}, `${this.#word("whatToDo")}: `);
      const sentence = ear && part.state === "down" ? faultOf(this.language, ear.kind, part.state, ear.zone, ear.id, data.shop.zones) : "";
      return el("li", { "data-state": part.state, "data-part": part.name }, el("i.lamp"),
        el("div", {}, el("h3", {}, ear ? this.#earName(data, ear) : this.#partName(part.name)),
          sentence ? el("p", {}, sentence) : null,
          sentence ? el("p.action", {}, help, this.#word(`help_${ear.kind}`)) : null,
          sentence ? el("p", { lang: "en" }, [part.detail, part.action].filter(Boolean).join(" · ")) : null,
          !sentence && part.detail && !(ear && !wrong) ? el("p", {}, part.detail) : null,
          !sentence && wrong && part.action ? el("p.action", {}, help, part.action) : null),
        el("p.since", {}, `${this.#word(part.state)} ${this.#word("since", { t: this.#since(data.now_ms - part.since_ms) })}`));
    }));
  }

  #ear(part) {
    const id = part.name.slice(EAR.length);
    return { id, ...(this.ears[id] ?? { kind: "ear", zone: "" }) };
  }

  #earName(data, ear) {
    const name = earName(this.language, ear.kind, ear.zone, ear.id, data.shop.zones);
    return this.ears[ear.id]?.zone ? `${name} (${ear.id})` : name;
  }

  #screens(data) {
    const screens = data.screens.map((screen) => el("li", { "data-state": screen.connected ? "ok" : "off" }, el("i.lamp"),
      el("div", {}, el("h3", {}, screen.id), el("p", {}, `${pick(data.shop.zones[screen.zone], this.language) || screen.zone} · ${this.#word(screen.connected ? "connected" : "notConnected")}`)),
      el("a.button", { href: `/screen?id=${encodeURIComponent(screen.id)}`, target: "_blank", rel: "noopener", "aria-label": `${this.#word("open")}: ${screen.id}` }, this.#word("open"))));
    const tablets = el("li", { "data-state": data.tablets_connected ? "ok" : "off" }, el("i.lamp"),
      el("div", {}, el("h3", {}, this.#word("tabletsTitle")), el("p", {}, this.#word("tabletsOnline", { n: data.tablets_connected }))),
      el("a.button", { href: "/tablet", target: "_blank", rel: "noopener", "aria-label": `${this.#word("open")}: ${this.#word("tabletsTitle")}` }, this.#word("open")));
    return el("section.block", {}, el("h2", {}, this.#word("screensTitle")),
      screens.length ? null : el("p.none", {}, this.#word("noScreens")), el("ul", {}, ...screens, tablets));
  }

  #partName(name) {
    const [kind, which] = name.split(":");
    return this.#word(`part_${kind}`, { n: which ?? "" }) || name;
  }

  #counts(data) {
    const rows = (entries) => entries.flatMap(([name, n]) => [el("dt", {}, this.#word(name) || name), el("dd", {}, n.toLocaleString(this.language))]);
    const counts = Object.entries(data.counts);
    const known = counts.filter(([name]) => this.#word(name));
    const others = counts.filter(([name]) => !this.#word(name));
    const rank = ([name]) => TAPS.includes(name) ? TAPS.indexOf(name) : TAPS.length;
    const taps = [...known.filter(([name]) => name.startsWith("nfc.")).sort((a, b) => rank(a) - rank(b)), ...this.#refused(counts)];
    const rest = known.filter(([name]) => !name.startsWith("nfc."));
    const details = el("details", {}, el("summary", {}, this.#word("details")), el("dl.counts", {}, ...rows(others)));
    details.open = this.body.querySelector("details")?.open ?? false; // stay as the reader left it
    return el("section.block", {}, el("h2", {}, this.#word("countsTitle")),
      counts.length ? el("dl.counts", {}, ...rows(rest)) : el("p.none", {}, this.#word("noCounts")),
      taps.length ? el("h3", {}, this.#word("nfcTitle")) : null,
      taps.length ? el("dl.counts.taps", {}, ...rows(taps)) : null,
      others.length ? details : null);
  }

  /** The many reasons to refuse a card, added up to four. */
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
