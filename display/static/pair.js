/** Devices of the shop: whoever may types a code that a new one shows, says what it becomes, and takes access away. */

import { ask, el, minutes, post, say } from "./dom.js";
import { toLock, watchful } from "./lock.js";
import { ago, said } from "./pairwords.js";
import { deviceLanguage, other, pick } from "./words.js";

const LOOK_MS = 3000;
const CODE_CHARS = 6;
const LOCKED = 423; // a customer holds this tablet, or nobody has unlocked it
const FORBIDDEN = 403; // a colleague who is no manager works here
const ROLES = { screen: ["display"], tablet: ["staff", "manager", "installer"], till: ["till"] };

const plain = (typed) => typed.toUpperCase().replace(/[^A-Z0-9]/g, "").slice(0, CODE_CHARS);

/** A choice of one of `values`, as large buttons; [value, words, help] each. */
function choice(name, legend, values, chosen) {
  return el("fieldset", {}, el("legend", {}, legend), el("div.options", {}, ...values.map(([value, words, help]) => {
    const input = el("input", { type: "radio", name, value, ...(value === chosen ? { checked: "" } : {}) });
    return el("label.option", {}, input, el("span", {}, words, help ? el("small", {}, help) : null));
  })));
}

class PairDesk extends HTMLElement {
  #data = null;
  #found = null;
  #waitUntil = 0;

  connectedCallback() {
    this.language = deviceLanguage();
    this.heading = el("h1");
    this.shopName = el("span.shop");
    this.watch = watchful();
    this.back = el("a.button.plain", { href: "/tablet" });
    this.install = el("a.button.plain", { href: "/install" });
    for (const way of [this.back, this.install]) this.watch.goesOn(way);
    this.toggle = el("button.button.plain", { type: "button", "data-role": "language" });
    this.toggle.addEventListener("click", () => this.#speak(other(this.language)));
    this.typeTitle = el("h2");
    this.typeText = el("p.hint");
    this.label = el("label", { for: "code" });
    this.input = el("input.typed", { id: "code", name: "code", autocomplete: "off", autocapitalize: "characters", spellcheck: "false", maxlength: "8", "aria-describedby": "said" });
    this.input.addEventListener("input", () => this.#typed());
    this.said = el("p.said", { id: "said", role: "status" });
    this.form = el("form.grant", { hidden: "" });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#approve();
    });
    this.listTitle = el("h2");
    this.list = el("ul.devices");
    this.none = el("p.none");
    this.dialog = el("dialog.asked", { "aria-labelledby": "asked-title" });
    this.append(
      el("header.bar", {}, el("div.names", {}, this.heading, this.shopName), this.install, this.back, this.toggle),
      el("main.pair", {},
        el("section.new", {}, this.typeTitle, this.typeText, this.label, this.input, this.said, this.form),
        el("section.known", {}, this.listTitle, this.list, this.none)),
      this.dialog);
    this.#speak(this.language);
    this.#look().then(() => this.#fromLink());
    setInterval(() => this.#look(), LOOK_MS);
    setInterval(() => this.#waits(), 500);
  }

  #word(key, slots) {
    return said(this.language, key, slots);
  }

  /** A code that came by the picture on the device. */
  #fromLink() {
    const code = plain(new URLSearchParams(location.search).get("c") ?? "");
    history.replaceState(null, "", location.pathname);
    this.input.value = code;
    if (code.length === CODE_CHARS) this.#find(code);
    else this.input.focus();
  }

  /** A manager has to sign in first; the code that was scanned waits in this tab. */
  #later() {
    const code = plain(this.input.value || (new URLSearchParams(location.search).get("c") ?? ""));
    toLock(code ? `/pair?c=${code}` : "/pair", this.#data !== null);
  }

  async #look() {
    const { status, body } = await ask("/api/v1/devices");
    if (status === 401) location.reload();
    if (status === LOCKED || status === FORBIDDEN) this.#later();
    if (!body) return;
    this.watch.on = body.watched;
    this.#data = body;
    if (body.build !== document.documentElement.dataset.build) location.reload();
    this.#draw();
  }

  #typed() {
    const code = plain(this.input.value);
    if (this.input.value !== code) this.input.value = code;
    this.#close();
    say(this.said, "");
    if (code.length === CODE_CHARS) this.#find(code);
  }

  async #find(code) {
    const { status, body } = await ask("/api/v1/devices/find", { code });
    if (code !== plain(this.input.value)) return;
    this.#result(status === 0 || !body ? "failed" : body.result, body);
    if (body?.result === "ok") this.#open(code, body);
  }

  /** Say what became of a code; a wait is counted down. */
  #result(result, body) {
    this.#waitUntil = body?.wait_ms ? performance.now() + body.wait_ms : 0;
    const key = { ok: "", wrong: "wrong", wait: "wait", full: "full", refused: "cannot" }[result] ?? "failed";
    this.said.dataset.kind = result === "ok" ? "" : "no";
    if (key !== "wait") say(this.said, key ? this.#word(key) : "");
    this.#waits();
  }

  #waits() {
    const left = this.#waitUntil - performance.now();
    this.input.disabled = left > 0;
    if (left > 0) say(this.said, this.#word("wait", { t: minutes(left) }));
    else if (this.#waitUntil) {
      this.#waitUntil = 0;
      say(this.said, "");
      this.input.focus();
    }
  }

  /** Ask what the device that was found becomes. */
  #open(code, found) {
    this.#found = { code, ...found };
    const { kind, wish, orientation } = found;
    const data = this.#data ?? { screens: [], tills: [], shop: { zones: {} } };
    const zone = (one) => pick(data.shop.zones?.[one.zone], this.language);
    const places = { screen: data.screens.map((one) => [one.id, zone(one) || one.id, zone(one) ? one.id : ""]), till: data.tills.map((id) => [id, id, ""]), tablet: [] }[kind];
    const chosen = places.find(([id]) => id === wish)?.[0] ?? (places.length === 1 ? places[0][0] : "");
    const roles = ROLES[kind].map((one) => [one, this.#word(`role_${one}`), this.#word(`role_${one}_help`)]);
    const lacks = kind !== "tablet" && places.length === 0;
    const refuse = el("button.button", { type: "button" }, this.#word("refuse"));
    refuse.addEventListener("click", () => this.#refuse());
    const approve = el("button.button.primary", { type: "submit" }, this.#word("approve"));
    approve.disabled = lacks;
    this.form.replaceChildren(
      el("h3", {}, this.#word(`found_${kind}`)),
      ...(lacks ? [el("p.said", { "data-kind": "no" }, this.#word("noPlaces"))] : []),
      ...(places.length ? [choice("place", this.#word(`which_${kind}`), places, chosen)] : []),
      ...(roles.length > 1 ? [choice("role", this.#word("role"), roles, roles[0][0])] : []),
      ...(kind === "screen" ? [choice("orientation", this.#word("layout"), ["landscape", "portrait"].map((one) => [one, this.#word(one)]), orientation)] : []),
      ...(kind === "till" ? [] : [choice("language", this.#word("languages"), [["de", "Deutsch"], ["en", "English"]], this.language)]),
      this.#named("", kind),
      el("div.acts", {}, refuse, approve));
    this.form.hidden = false;
    const first = this.#unanswered() ?? this.form;
    (first.querySelector("input:checked") ?? first.querySelector("input"))?.focus({ preventScroll: true });
  }

  /** The first choice that nobody has made yet. */
  #unanswered() {
    return [...this.form.querySelectorAll("fieldset")].find((one) => !one.querySelector(":checked"));
  }

  /** Say below a choice that it is missing, and lead there. */
  #lacks(question) {
    this.form.querySelector("#lack")?.remove();
    question.append(el("p.lack", { id: "lack", role: "alert" }, this.#word("lack")));
    question.setAttribute("aria-describedby", "lack");
    question.addEventListener("change", () => question.querySelector("#lack")?.remove(), { once: true });
    question.querySelector("input").focus();
  }

  #named(now, kind) {
    const input = el("input.line", { name: "name", maxlength: "40", autocomplete: "off", placeholder: this.#word(`nameHint_${kind}`), value: now });
    return el("label.named", {}, this.#word("name"), input);
  }

  #close() {
    this.#found = null;
    this.form.hidden = true;
    this.form.replaceChildren();
  }

  async #approve() {
    const { code, kind } = this.#found ?? {};
    if (!code || this.busy) return;
    const question = this.#unanswered();
    if (question) {
      this.#lacks(question);
      return;
    }
    const given = Object.fromEntries(new FormData(this.form));
    const languages = given.language ? [given.language, other(given.language)] : [];
    this.busy = true;
    const { body } = await ask("/api/v1/devices/approve", {
      code, kind, role: given.role ?? ROLES[kind][0], place: given.place ?? "", name: given.name ?? "", languages,
      orientation: given.orientation ?? "landscape",
    });
    this.busy = false;
    this.#after(body, "done");
  }

  async #refuse() {
    if (!this.#found || this.busy) return;
    const { body } = await ask("/api/v1/devices/refuse", { code: this.#found.code });
    this.#after(body, "refusedDone");
  }

  #after(body, words) {
    this.#result(body?.result ?? "failed", body);
    if (body?.result === "refused") return;
    if (body) this.#close();
    if (body?.result !== "ok") return;
    this.said.dataset.kind = "yes";
    say(this.said, this.#word(words));
    this.input.value = "";
    this.#look();
  }

  // --- devices that are ours ------------------------------------------------------------------------------

  #draw() {
    const { devices, waiting, shop } = this.#data;
    say(this.shopName, pick(shop.name, this.language));
    say(this.typeText, `${this.#word("typeText")} ${this.#word(waiting < 2 ? `waiting${waiting}` : "waiting", { n: waiting })}`);
    this.none.hidden = devices.length > 0;
    const known = new Map([...this.list.children].map((node) => [node.dataset.id, node]));
    devices.forEach((one, n) => {
      const node = known.get(one.id) ?? this.#row(one.id);
      known.delete(one.id);
      this.#fill(node, one);
      if (this.list.children[n] !== node) this.list.insertBefore(node, this.list.children[n] ?? null);
    });
    for (const node of known.values()) node.remove();
  }

  #row(id) {
    const buttons = ["rename", "revoke"].map((act) => el("button.button", { type: "button", "data-act": act }));
    const node = el("li.device", { "data-id": id }, el("div.what", {}, el("h3"), el("p.kind"), el("p.state")), el("div.acts", {}, ...buttons));
    buttons[0].addEventListener("click", () => this.#askName(node.device));
    buttons[1].addEventListener("click", () => this.#askRevoke(node.device));
    return node;
  }

  #name(one) {
    const zone = pick(this.#data.shop.zones?.[one.zone], this.language);
    return one.name || [this.#word(one.kind), zone || one.place].filter(Boolean).join(" ");
  }

  #fill(node, one) {
    node.device = one;
    const [title, kind, state] = ["h3", ".kind", ".state"].map((name) => node.querySelector(name));
    const mine = one.id === this.#data.mine;
    const zone = one.name ? pick(this.#data.shop.zones?.[one.zone], this.language) : "";
    const active = one.state === "active";
    const open = one.streams > 0 || mine;
    node.dataset.state = active ? (open ? "open" : "quiet") : "revoked";
    say(title, mine ? `${this.#name(one)} (${this.#word("here")})` : this.#name(one));
    const role = one.kind === "tablet" ? this.#word(`role_${one.role}`) : "";
    const place = one.name || one.zone ? one.place : "";
    const hangs = one.kind === "screen" ? this.#word(one.orientation) : "";
    say(kind, [this.#word(one.kind), place, role, zone, hangs, ["link", "token"].includes(one.via) ? this.#word(one.via) : ""].filter(Boolean).join(" · "));
    const seen = one.seen_ago_ms === null ? this.#word("never") : this.#word("seen", { t: ago(this.language, one.seen_ago_ms) });
    say(state, active ? (open ? this.#word("open") : seen) : this.#word("ended"));
    node.querySelector(".acts").hidden = !active;
    for (const button of node.querySelectorAll("button")) {
      say(button, this.#word(button.dataset.act));
      button.setAttribute("aria-label", `${this.#word(button.dataset.act)}: ${this.#name(one)}`);
    }
  }

  #askRevoke(one) {
    const go = el("button.button.danger", { type: "submit" }, this.#word("revoke"));
    const what = el("p", {}, this.#word(one.id === this.#data.mine ? "revokeMine" : "revokeText"));
    this.#asked(this.#word("revokeTitle", { name: this.#name(one) }), what, go, () => post(`/api/v1/devices/${one.id}/revoke`));
  }

  #askName(one) {
    const { id, kind, role, place, languages, orientation } = one;
    const what = this.#named(one.name, kind);
    const go = el("button.button.primary", { type: "submit" }, this.#word("save"));
    this.#asked(this.#word("renameTitle", { name: this.#name(one) }), what, go, () =>
      post(`/api/v1/devices/${id}/change`, { kind, role, place, languages, orientation, name: what.control.value }));
    what.control.select();
  }

  /** A question in a dialogue: `act` asks the gateway once `go` is pressed. */
  #asked(title, what, go, act) {
    const cancel = el("button.button", { type: "button" }, this.#word("cancel"));
    const form = el("form", {}, el("h2", { id: "asked-title" }, title), what, el("div.acts", {}, cancel, go));
    cancel.addEventListener("click", () => this.dialog.close());
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const result = await act();
      this.dialog.close();
      if (result === "failed" || result === "refused") this.#result(result);
      this.#look();
    });
    this.dialog.replaceChildren(form);
    this.dialog.showModal();
    cancel.focus();
  }

  #speak(language) {
    this.language = language;
    localStorage.setItem("language", language);
    document.documentElement.lang = language;
    document.title = this.#word("title");
    say(this.heading, this.#word("title"));
    say(this.back, this.#word("toQueue"));
    say(this.install, this.#word("install"));
    say(this.toggle, other(language).toUpperCase());
    this.toggle.lang = other(language);
    say(this.typeTitle, this.#word("typeTitle"));
    say(this.label, this.#word("typeLabel"));
    say(this.listTitle, this.#word("listTitle"));
    say(this.none, this.#word("none"));
    if (this.#data) this.#draw();
    if (this.#found) this.#open(this.#found.code, this.#found);
  }
}

customElements.define("pair-desk", PairDesk);
