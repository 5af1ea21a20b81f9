/** The page on which customers scan for themselves: their phone, with the shop's network or for a while without it. */

import { codeOf, price, priceList, read, settled } from "./basket.js";
import { ask, el, minutes, say } from "./dom.js";
import { Eyes } from "./eyes.js";
import { money, word } from "./scanwords.js";
import { deviceLanguage, other, pick, spoken } from "./words.js";

const API = "/api/v1/scan";
const RETRY_MS = 3000; // without the network: ask again
const LOOK_MS = 3000; // while a code is shown: has the till seen it?
const CHUNK = 20; // scans of one request
const CHUNK_BYTES = 3000; // < 4 KiB of a request (display.guard)
const BAD = { "scan.form": "form", "scan.check": "check", "scan.ai": "form", "scan.unknown": "unknown", "scan.label": "label", "scan.full": "full" };

class ScanPage extends HTMLElement {
  #state = null; // what the gateway said last
  #waiting = []; // scans that it has not heard
  #list = new Map();
  #version = -1; // headquarters' number of it
  #view = "";
  #offline = false;
  #sending = null; // a promise while something is on its way
  #newest = "";
  #order = []; // line codes, the newest first
  #codeEnds = 0;
  #told = ["", false];
  #eyes = new Eyes((code) => this.#take(code), () => this.#blind());

  connectedCallback() {
    const wished = new URLSearchParams(location.search).get("language"); // they read their own page in it
    if (wished) {
      localStorage.setItem("language", spoken(wished));
      history.replaceState(null, "", "/scan"); // it is not to win over what is chosen here
    }
    this.language = deviceLanguage();
    this.bar = el("header.top");
    this.main = el("main", { tabindex: "-1" });
    this.append(this.bar, this.main);
    addEventListener("online", () => this.#sync());
    setInterval(() => this.#tick(), 1000);
    setInterval(() => this.#sync(), RETRY_MS);
    setInterval(() => this.#view === "code" && this.#look(), LOOK_MS);
    this.#show("wait", el("p.lede", {}, this.#word("wait")));
    this.#load();
  }

  #word(key, slots) {
    return word(this.language, key, slots);
  }

  #money(cents) {
    return money(this.language, cents);
  }

  // --- what the gateway says -------------------------------------------------------------------------------

  async #load() {
    const { status, body } = await ask(API);
    if (status !== 200) this.#failed(() => this.#load());
    else if (body.result === "ok") await this.#opened(body);
    else this.#start();
  }

  #opens() {
    return ask(`${API}/begin`, { language: this.language });
  }

  async #begin() {
    const { status, body } = await this.#opens();
    if (status !== 200) this.#failed(() => this.#begin());
    else if (body.result === "ok") await this.#opened(body);
    else this.#message(body.result, `${body.result}Title`, `${body.result}Text`);
  }

  async #opened(state) {
    this.#state = state;
    this.#order = state.lines.map((line) => line.code);
    const kept = JSON.parse(localStorage.getItem("scan-waiting") ?? "null");
    this.#waiting = kept?.basket === state.basket_id ? kept.scans.filter((scan) => !state.scan_ids.includes(scan.id)) : [];
    if (await this.#prices(state.list_version)) {
      this.#basket();
      this.#sync();
    } else this.#failed(() => this.#load());
  }

  /** Load the list, unless it is there in this version. @returns {Promise<boolean>} whether there is one */
  async #prices(version) {
    if (this.#version === version) return true;
    const { status, body } = await ask(`${API}/prices`);
    if (status === 200) [this.#list, this.#version] = [priceList(body), version];
    return status === 200;
  }

  /** Send what waits; the same again changes nothing. Settles once it is sent, or the network is found to be gone. */
  #sync() {
    if (!this.#state || this.#view !== "basket" || !(this.#waiting.length || this.#offline)) return null;
    return (this.#sending ??= this.#send().finally(() => (this.#sending = null)));
  }

  async #send() {
    do {
      const sent = this.#piece();
      const { status, body } = await ask(`${API}/lines`, { scans: sent }); // none: is the network back?
      this.#offline = status !== 200;
      if (status === 200 && body.result !== "ok") {
        if (await this.#anew(body.result)) continue;
        return;
      }
      if (status === 200) {
        const ids = new Set(sent.map((scan) => scan.id));
        this.#waiting = this.#waiting.filter((scan) => !ids.has(scan.id));
        this.#state = body;
        await this.#prices(body.list_version);
        const [bad] = Object.values(body.refused);
        if (bad) this.#tell(BAD[bad] ?? "form", true);
      }
      this.#keep();
      this.#draw();
    } while (!this.#offline && this.#waiting.length);
  }

  /** The gateway has no such basket, or no place. One that it never heard a scan of is begun anew, and nothing is lost. */
  async #anew(result) {
    if (result === "busy") {
      this.#tell("busyText", true);
      return false;
    }
    const { status, body } = this.#state.scan_ids.length ? { status: 200, body: { result: "gone" } } : await this.#opens();
    this.#offline = status !== 200;
    if (body?.result === "ok") this.#state = body;
    else if (body) {
      this.#wipe();
      this.#message(body.result, `${body.result}Title`, `${body.result}Text`);
    } else this.#draw();
    return body?.result === "ok";
  }

  /** As much of what waits as one request takes. */
  #piece() {
    const piece = [];
    let bytes = 0;
    for (const { id, code, count } of this.#waiting) {
      bytes += JSON.stringify({ id, code, count }).length + 1;
      if (piece.length && (piece.length >= CHUNK || bytes > CHUNK_BYTES)) break;
      piece.push({ id, code, count });
    }
    return piece;
  }

  /** While a code is shown: a basket that the till has seen is over. */
  async #look() {
    const { status, body } = await ask(API);
    if (status !== 200 || this.#view !== "code") return;
    if (body.result === "gone") {
      this.#wipe();
      this.#message("done", "doneTitle", "doneText");
    }
  }

  #keep() {
    if (this.#waiting.length) localStorage.setItem("scan-waiting", JSON.stringify({ basket: this.#state.basket_id, scans: this.#waiting }));
    else localStorage.removeItem("scan-waiting");
  }

  #wipe() {
    localStorage.removeItem("scan-waiting");
    this.#eyes.close();
    this.#state = null;
    this.#waiting = [];
  }

  // --- what the person does --------------------------------------------------------------------------------

  /** Take a code that was typed, pasted or seen. */
  #take(code, count = 1) {
    const item = read(code, this.#state.embedded);
    if (item.bad === "check" || (item.bad && this.#offline)) {
      this.#tell(item.bad, true);
      return;
    }
    const counted = item.bad ? null : settled(item, this.#list);
    if (counted?.bad) {
      this.#tell(counted.bad, true);
      return;
    }
    const id = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    this.#waiting.push({ id, code, count, ...(counted ?? { gtin: "", cents: null, grams: null }) });
    if (counted) {
      this.#newest = codeOf(counted);
      if (!this.#order.includes(this.#newest)) this.#order.unshift(this.#newest);
      if (count > 0) this.#tell("added", false, { what: pick(this.#list.get(counted.gtin).title, this.language) });
    }
    this.#keep();
    this.#draw();
    this.#sync();
  }

  async #toTill() {
    await this.#sync();
    const { status, body } = await ask(`${API}/code`, {});
    this.#offline = status !== 200;
    if (status !== 200 || this.#waiting.length) this.#tell("codeNeeds", true);
    else if (body.result === "ok") {
      this.#codeEnds = performance.now() + body.ends_in_ms;
      this.#code(body);
    } else if (body.result === "gone") {
      this.#wipe();
      this.#message("gone", "goneTitle", "goneText");
    } else this.#tell("empty", true);
    if (this.#view === "basket") this.#draw();
  }

  #blind() {
    say(this.camera, this.#word("camera"));
    this.#tell("cameraNo", true);
  }

  async #leave() {
    await ask(`${API}/end`, {});
    this.#wipe();
    this.#start();
  }

  // --- views -----------------------------------------------------------------------------------------------

  #show(view, ...nodes) {
    this.#view = view;
    this.dataset.view = view;
    document.documentElement.lang = this.language;
    const toggle = this.#button("", "plain", () => this.#speak(other(this.language)));
    toggle.lang = other(this.language);
    toggle.dataset.role = "language";
    say(toggle, { de: "Deutsch", en: "English" }[other(this.language)]);
    this.bar.replaceChildren(el("span.who", {}, this.#word("title")), el("text-size"), toggle);
    this.main.replaceChildren(...nodes.filter((node) => node !== null));
  }

  #button(key, look, act) {
    const button = el(look ? `button.button.${look}` : "button.button", { type: "button", "data-act": key }, key ? this.#word(key) : "");
    button.addEventListener("click", act);
    return button;
  }

  #speak(language) {
    this.language = language;
    localStorage.setItem("language", language);
    this.#again?.();
  }

  #again = null; // draws the view once more

  #start() {
    this.#again = () => this.#start();
    this.#show("start", el("h1", { tabindex: "-1" }, this.#word("beginTitle")), el("p.lede", {}, this.#word("beginText")),
      el("p.nothing", {}, this.#word("beginKnown")), el("div.leave", {}, this.#button("begin", "primary", () => this.#begin())));
  }

  #message(view, title, text) {
    this.#again = () => this.#message(view, title, text);
    this.#show(view, el("h1", { tabindex: "-1" }, this.#word(title)), el("p.lede", { role: "status" }, this.#word(text)));
  }

  #failed(act) {
    this.#again = () => this.#failed(act);
    this.#show("failed", el("h1", { tabindex: "-1" }, this.#word("failedTitle")), el("p.lede", { role: "alert" }, this.#word("failedText")),
      el("div.leave", {}, this.#button("again", "primary", act)));
  }

  #basket() {
    this.#again = () => this.#basket();
    this.#eyes.close();
    this.sum = el("span.sum", { "aria-live": "polite" });
    this.count = el("span.count");
    this.saved = el("span.saved");
    this.net = el("p.net", { role: "status" });
    this.till = this.#button("toTill", "primary", () => this.#toTill());
    this.input = el("input", { id: "code", type: "text", inputmode: "numeric", autocomplete: "off", spellcheck: "false", maxlength: "400", enterkeyhint: "done" });
    const add = el("button.button", { type: "submit", "data-act": "add" }, this.#word("add"));
    this.typing = el("form.typing", {}, el("label", { for: "code" }, this.#word("field")), this.input, add);
    if (Eyes.possible()) {
      this.camera = this.#button("camera", "camera", () => {
        this.#eyes.toggle(this.typing);
        say(this.camera, this.#word(this.#eyes.open ? "cameraOff" : "camera"));
      });
      this.typing.append(this.camera);
    }
    this.typing.addEventListener("submit", (event) => {
      event.preventDefault();
      const code = this.input.value;
      this.input.value = "";
      if (code.trim()) this.#take(code);
      this.input.focus();
    });
    this.said = el("p.said", { role: "status" });
    this.lines = el("div.lines");
    const gifts = this.#state.benefits.map((one) =>
      el("li", {}, el("span", {}, pick(one.title, this.language)), el("span.worth", {}, `−${this.#money(one.cents)}`)));
    this.#show("basket",
      el("section.total", { "aria-label": this.#word("sum") }, this.sum, this.count, this.saved, this.till),
      this.net, this.typing, this.said, this.lines,
      gifts.length ? el("section.gifts", {}, el("h2", {}, this.#word("gifts")), el("ul", {}, ...gifts))
        : this.#state.known ? null : el("p.nothing", {}, this.#word("anonymous")),
      el("div.leave", {}, this.#button("leave", "", (event) => this.#sure(event.currentTarget))));
    this.#draw();
  }

  #sure(button) {
    button.replaceWith(el("p.warning", { role: "alert" }, this.#word("leaveSure")), this.#button("leaveYes", "danger", () => this.#leave()));
  }

  /** Sum and lines as they are now. */
  #draw() {
    if (this.#view !== "basket") return;
    const basket = price(this.#state, this.#waiting, this.#list);
    say(this.sum, this.#money(basket.sum));
    say(this.count, basket.items === 1 ? this.#word("item1") : this.#word("items", { n: basket.items }));
    this.saved.hidden = !basket.saved;
    say(this.saved, this.#word("saved", { t: this.#money(basket.saved) }));
    this.net.hidden = !this.#offline;
    say(this.net, this.#word("offline"));
    this.dataset.provisional = String(this.#waiting.length > 0);
    this.till.disabled = !basket.items;
    const place = (line) => (this.#order.includes(line.code) ? this.#order.indexOf(line.code) : this.#order.length);
    const focus = document.activeElement?.dataset?.step;
    this.lines.replaceChildren(...basket.lines.sort((a, b) => place(a) - place(b)).map((line) => this.#line(line)));
    if (this.#state.unknown.length) this.lines.append(el("p.net", {}, this.#word("unknownLeft", { n: this.#state.unknown.length })));
    if (!basket.lines.length) this.lines.append(el("p.nothing", {}, this.#word("empty")));
    if (focus) this.lines.querySelector(`[data-step="${CSS.escape(focus)}"]`)?.focus();
    const [key, bad, slots] = this.#told;
    this.said.dataset.bad = String(bad);
    say(this.said, key ? this.#word(key, slots) : "");
  }

  #line(line) {
    const title = pick(line.title, this.language);
    const step = (way, sign) => {
      const button = el("button.button", { type: "button", "aria-label": this.#word(way, { what: title }), "data-step": `${way}${line.code}` }, sign);
      button.addEventListener("click", () => this.#take(line.code, way === "more" ? 1 : -1));
      return button;
    };
    const each = [line.grams ? this.#word("grams", { n: line.grams }) : "", line.count > 1 ? this.#word("each", { t: this.#money(line.each_cents) }) : ""];
    return el("article.line", { "data-new": String(line.code === this.#newest), "data-gtin": line.gtin },
      el("b", {}, title), el("span.cents", {}, this.#money(line.each_cents * line.count)),
      each.some(Boolean) ? el("span.each", {}, each.filter(Boolean).join(", ")) : null,
      line.benefit_cents ? el("span.off", {}, this.#word("benefit", { t: this.#money(line.benefit_cents) })) : null,
      line.waits && this.#offline ? el("span.waits", {}, this.#word("waits")) : null,
      el("div.steps", {}, step("less", "−"), el("output", {}, String(line.count)), step("more", "+")));
  }

  #tell(key, bad, slots = {}) {
    this.#told = [key, bad, slots];
    if (this.said && this.#view === "basket") {
      this.said.dataset.bad = String(bad);
      say(this.said, this.#word(key, slots));
    }
  }

  #code(state) {
    this.#state = state;
    this.#again = () => this.#code(state);
    this.#eyes.close();
    this.ends = el("p.ends", { role: "timer" });
    const picture = el("img", { alt: this.#word("codeAlt"), src: `/scan/code.svg?v=${encodeURIComponent(state.code.slice(-12))}` });
    this.#show("code", el("h1", { tabindex: "-1" }, this.#word("codeTitle")), el("p.lede", {}, this.#word("codeText")),
      el("div.paper", { "data-code": state.code }, picture, el("p.spell", {}, this.#word("letters")),
        el("p.letters", {}, ...state.letters.match(/.{4}/g).map((four) => el("span", {}, four)))),
      el("section.total", {}, el("span.sum", {}, this.#money(state.sum_cents)), el("span.count", {}, this.#word(state.items === 1 ? "item1" : "items", { n: state.items }))),
      this.ends,
      el("div.leave", {}, this.#button("codeNew", "", () => this.#toTill()), this.#button("back", "", () => this.#basket())));
    this.#tick();
  }

  #tick() {
    if (this.#view !== "code") return;
    const left = this.#codeEnds - performance.now();
    say(this.ends, left > 0 ? this.#word("codeEnds", { t: minutes(left) }) : this.#word("codeOver"));
  }
}

customElements.define("scan-page", ScanPage);
