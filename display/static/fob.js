/** The installer's own test fob: which one it is, and what each receiver hears of it now. */

import { ask, el, minutes, say } from "./dom.js";
import { decimal, word } from "./installwords.js";

const DIGITS = { uid: 32, ibeacon: 40, altbeacon: 40 };
const KINDS = { uid: "Eddystone-UID", ibeacon: "iBeacon", altbeacon: "AltBeacon" };
// What a fob of usual power sounds like: within arm's length, in the same zone, across the shop, at the edge.
const LEVELS = [[-55, "near"], [-72, "good"], [-85, "far"], [-200, "faint"]];
const [LOUD, FAINT] = [-40, -100];

export class FobView {
  #testing = null;
  #told = "";

  /** @param {{known: () => object, language: () => string, begun: () => void}} page */
  constructor(page) {
    this.page = page;
    this.which = el("select", { id: "fob" });
    this.which.addEventListener("change", () => this.#draw());
    this.kind = el("select", { id: "fob-kind" }, ...Object.entries(KINDS).map(([value, text]) => el("option", { value }, text)));
    this.kind.addEventListener("change", () => this.#draw());
    this.id = el("input", { id: "fob-id", type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: "60" });
    this.labels = [el("label", { for: "fob" }), el("label", { for: "fob-kind" }), el("label", { for: "fob-id" })];
    this.typed = el("div.typed", {}, this.labels[1], this.kind, this.labels[2], this.id);
    this.start = el("button.button.primary", { type: "submit" });
    this.stop = el("button.button", { type: "button" });
    this.stop.addEventListener("click", () => this.#post({ anchor: null, beacon: null }));
    this.left = el("span.chip");
    this.told = el("p.told", { role: "status" });
    this.form = el("form.block.side", {}, this.title = el("h2"), this.text = el("p.soft"), this.labels[0], this.which, this.typed, el("div.pair", {}, this.start, this.stop, this.left), this.told, this.note = el("p.soft"));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#begin();
    });
    this.levelsTitle = el("h2");
    this.list = el("ul.levels");
    this.none = el("p.soft");
    this.node = el("section.pairs", {}, this.form, el("div.block", {}, this.levelsTitle, this.none, this.list));
  }

  get heeded() {
    return (this.#testing?.left_ms ?? 0) > 0;
  }

  show(testing) {
    if (this.heeded && testing && !testing.left_ms && !this.#told) this.#told = "fobOver";
    this.#testing = testing;
    this.#draw();
  }

  speak() {
    this.#draw();
  }

  #say(key, slots) {
    return word(this.page.language(), key, slots);
  }

  async #begin() {
    const anchor = this.which.value;
    const hex = this.id.value.toLowerCase().replace(/[^0-9a-z]/g, "");
    if (!anchor && (hex.length !== DIGITS[this.kind.value] || /[^0-9a-f]/.test(hex))) {
      this.#told = "fob_wrong";
      this.#draw();
      this.id.focus();
      return;
    }
    await this.#post(anchor ? { anchor, beacon: null } : { anchor: null, beacon: `${this.kind.value}:${hex}` });
  }

  async #post(form) {
    this.start.disabled = true;
    const { body } = await ask("/api/v1/install/fob", form);
    const ended = form.anchor === null && form.beacon === null;
    this.#told = !body ? "fob_failed" : body.result !== "ok" ? `fob_${body.result}` : ended ? "fobOver" : "";
    if (ended && body) this.#testing = null;
    await this.page.begun();
    this.start.disabled = false;
    this.#draw();
  }

  #draw() {
    const known = this.page.known();
    if (!known) return;
    const shown = `${this.page.language()} ${known.anchors.map((one) => one.id)}`;
    if (this.which.shown !== shown) {
      this.which.shown = shown;
      const before = this.which.value;
      this.which.replaceChildren(...known.anchors.map((one) => el("option", { value: one.id }, this.#say("fobAnchor", { name: one.id }))), el("option", { value: "" }, this.#say("fobOther")));
      if (before) this.which.value = before;
    }
    this.typed.hidden = this.which.value !== "";
    say(this.title, this.#say("fobTitle"));
    say(this.text, this.#say("fobText"));
    say(this.labels[0], this.#say("fobWhich"));
    say(this.labels[1], this.#say("fobKind"));
    say(this.labels[2], this.#say("fobId", { n: DIGITS[this.kind.value] }));
    say(this.start, this.#say("fobStart"));
    say(this.stop, this.#say("fobEnd"));
    this.start.hidden = this.heeded;
    this.which.disabled = this.kind.disabled = this.id.disabled = this.heeded;
    this.stop.hidden = !this.heeded;
    this.left.hidden = !this.heeded;
    say(this.left, this.heeded ? this.#say("fobLeft", { t: minutes(this.#testing.left_ms) }) : "");
    say(this.told, this.#told ? this.#say(this.#told, { n: DIGITS[this.kind.value] }) : "");
    say(this.note, this.heeded && this.#testing.anchor ? this.#say("anchorNote") : "");
    this.#drawLevels();
  }

  #drawLevels() {
    say(this.levelsTitle, this.#say("fobLevels"));
    const levels = this.heeded ? this.#testing.levels : [];
    const heard = levels.some((one) => one.silent_ms !== null);
    this.none.hidden = heard;
    say(this.none, heard ? "" : this.#say(this.heeded ? "fobNone" : "needFob"));
    const rows = levels.map((one) => this.#row(one));
    while (this.list.children.length > rows.length) this.list.lastChild.remove();
    rows.forEach((row, n) => {
      const node = this.list.children[n] ?? this.list.appendChild(el("li", {}, el("h3"), el("strong"), el("div.meter", { "aria-hidden": "true" }, el("i")), el("p.soft")));
      node.dataset.level = row.level;
      const [name, value, bar, detail] = node.children;
      say(name, row.name);
      say(value, row.value);
      say(detail, row.detail);
      bar.firstChild.style.setProperty("--share", String(row.share));
    });
  }

  #row(one) {
    const level = one.median_dbm === null ? "none" : LEVELS.find(([least]) => one.median_dbm >= least)[1];
    const share = one.median_dbm === null ? 0 : Math.min(1, Math.max(0.02, (one.median_dbm - FAINT) / (LOUD - FAINT)));
    const silent = one.silent_ms === null ? this.#say("never") : this.#say("silentFor", { t: `${Math.ceil(one.silent_ms / 1000)} s` });
    return {
      level, share, name: one.receiver,
      value: one.latest_dbm === null ? this.#say("notHeard") : this.#say("dbm", { n: `−${Math.abs(one.latest_dbm)}` }),
      detail: one.median_dbm === null ? silent
        : `${this.#say(`level_${level}`)} · ${this.#say("detail", { m: `−${decimal(this.page.language(), Math.abs(one.median_dbm))}`, r: decimal(this.page.language(), one.per_s) })}`,
    };
  }
}
