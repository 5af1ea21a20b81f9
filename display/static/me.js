/** The page for one's own choices: on the customer's phone, or on a tablet that a colleague handed over. */

import { AGES, ages, Choices, clock } from "./choices.js";
import { ask, el, say } from "./dom.js";
import { ending, forgetting } from "./ending.js";
import { readable, sheet } from "./sheet.js";
import { deviceLanguage, other, spoken, word } from "./words.js";

const TICK_MS = 1000;
const LOOK_MS = 1500; // how often a phone asks whether the screen has confirmed it
const SOON_MS = 60_000; // warned this long before it closes; WCAG 2.2, 2.2.1 asks for 20 s
const LOCKED = 423; // what a tablet's routes answer while a customer holds it

const ME = "/api/v1/me";

class MyPage extends HTMLElement {
  #data = null;
  #view = "";
  #ends = 0;
  #looking = 0;
  #chosen = null; // the language, once somebody chose it
  #draft = { call_name: "", age: null, choices: {} };
  #wanted = new Set(); // what somebody wants to give who has not said their age
  #told = { line: "", receipt: "" }; // what was done last
  #joined = false; // somebody has just become a member here
  #fresh = false; // the notice has just changed: unfold it
  #busy = false;
  #last = null; // how it ended

  connectedCallback() {
    history.replaceState(null, "", "/me"); // no token stays behind
    addEventListener("pageshow", (event) => event.persisted && location.reload());
    addEventListener("pagehide", () => this.#wipe());
    this.language = deviceLanguage();
    this.bar = el("header.top");
    this.main = el("main", { tabindex: "-1" });
    this.soon = el("div.soon", { role: "alert", hidden: "" });
    this.status = el("p.unseen", { role: "status" });
    this.append(this.bar, this.main, this.soon, this.status);
    this.#show("wait", el("p.lede", {}, this.#word("meWait")));
    this.#load();
    setInterval(() => this.#tick(), TICK_MS);
  }

  #word(key, slots) {
    return word(this.language, key, slots);
  }

  // --- what the gateway says -------------------------------------------------------------------------------

  async #load() {
    const { status, body } = await ask(ME);
    if (status === 200) this.#fill(body);
    else if (status === 401 || status === 410) this.#over("expired");
    else this.#trouble(this.#word("meFailed"), () => this.#load());
  }

  #fill(data) {
    this.#data = data;
    this.#ends = performance.now() + data.ttl_ms;
    if (!this.#chosen && data.language) this.language = spoken(data.language);
    if (data.confirm) this.#confirm();
    else if ((data.code || this.#joined) && this.#view !== "member") this.#welcome();
    else if (data.who === "member") this.#member();
    else this.#join();
  }

  #tick() {
    if (!this.#data) return;
    const left = this.#ends - performance.now();
    if (left <= 0) {
      this.#over("expired");
      return;
    }
    this.soon.hidden = left > SOON_MS || this.#view === "confirm";
    if (this.soon.hidden) this.soon.replaceChildren();
    else if (!this.soon.childElementCount) this.soon.append(el("span"), this.#button("more_time", "primary", () => this.#load()));
    else say(this.soon.firstChild, this.#word("meSoon", { n: Math.ceil(left / 1000) }));
  }

  // --- views -----------------------------------------------------------------------------------------------

  /** Replace the page by a view. The headline takes the focus, so that it is read out. */
  #show(view, ...nodes) {
    const changed = view !== this.#view;
    this.#view = view;
    this.dataset.view = view;
    document.documentElement.lang = this.language;
    clearTimeout(this.#looking);
    const toggle = this.#button("", "plain", () => this.#speak(other(this.language)));
    toggle.lang = other(this.language);
    toggle.dataset.role = "language";
    say(toggle, { de: "Deutsch", en: "English" }[other(this.language)]);
    this.bar.replaceChildren(el("span.who", {}, this.#word("meTitle")), el("text-size"), toggle);
    this.main.replaceChildren(...nodes.filter((node) => node !== null));
    this.soon.hidden = true;
    this.soon.replaceChildren();
    if (!changed) return;
    scrollTo(0, 0);
    this.main.querySelector("h1")?.focus({ preventScroll: true });
  }

  #confirm() {
    this.#show("confirm",
      this.#title(this.#word("meConfirmTitle")),
      el("p.digits", { "aria-label": [...this.#data.confirm].join(" ") }, this.#data.confirm),
      el("p.lede", {}, this.#word("meConfirmText")));
    this.#looking = setTimeout(() => this.#load(), LOOK_MS);
  }

  #member() {
    const data = this.#data;
    this.choices = new Choices(this.language, (row) => this.#switched(row));
    this.choices.fill(data.purposes);
    this.choices.bar(data.notice === null || data.age === "under16");
    this.age = data.age === "unknown" || data.age === null ? this.#ages() : null;
    this.line = el("p.done", { role: "status" });
    this.slip = el("div.slip");
    this.all = this.#button("meWithdrawAll", "", () => this.#withdrawAll());
    this.#show("member",
      this.#title(data.call_name ? this.#word("hello", { name: data.call_name }) : this.#word("meTitle")),
      el("p.lede", {}, this.#word("meLede")),
      this.#notice(),
      this.age,
      this.choices.node,
      el("div.after", {}, this.line, this.slip, this.all),
      this.#ownData(),
      forgetting((key) => this.#word(key), (...how) => this.#button(...how), () => this.#forgotten()),
      this.#end());
    this.#tell();
  }

  /** Say what was done last, where its receipt is, and whether there is anything to take back. */
  #tell() {
    this.all.disabled = !this.#data.purposes.some((one) => one.state === "given");
    say(this.line, this.#told.line);
    this.slip.replaceChildren(...[this.#receiptLink(this.#told.receipt)].filter((link) => link !== null));
  }

  #join() {
    this.#draft.language = this.language;
    this.age = this.#ages();
    this.age.value = this.#draft.age;
    this.name = el("input", { id: "call-name", type: "text", maxlength: "40", autocomplete: "off", spellcheck: "false", "aria-describedby": "name-why" });
    this.name.value = this.#draft.call_name;
    this.name.addEventListener("input", () => (this.#draft.call_name = this.name.value));
    this.choices = new Choices(this.language, (row) => {
      row.stage(row.input.checked);
      this.#draft.choices = this.choices.values;
    });
    this.choices.values = this.#draft.choices;
    this.line = el("p.done", { role: "alert" });
    this.#show("new",
      this.#title(this.#word("meJoinTitle")),
      el("p.lede", {}, this.#word("meJoinLede")),
      el("div.columns", {},
        el("div.person", {},
          el("div.field", {}, el("label", { for: "call-name" }, this.#word("meName")), this.name, el("p.soft", { id: "name-why" }, this.#word("meNameWhy"))),
          this.age, this.#notice()),
        this.choices.node),
      el("div.end", {}, this.#button("meLeave", "plain", () => this.#close())),
      el("div.deed", {}, this.line,
        this.#button("meRefuse", "", () => this.#enrol({})),
        this.#button("meSave", "", () => this.#enrol(this.choices.values))));
    this.#young();
  }

  #welcome() {
    const data = this.#data, some = data.purposes.some((one) => one.state === "given");
    const card = data.purposes.some((one) => one.purpose === "recognise_nfc" && one.state === "given");
    const steps = [1, 2, 3].map((n) => el("li", {}, this.#word(`meCode${n}`)));
    this.#show("welcome",
      this.#title(data.call_name ? this.#word("meWelcomeName", { name: data.call_name }) : this.#word("meWelcome")),
      el("p.lede", {}, this.#word(some ? "meWelcomeSome" : "meWelcomeNone")),
      el("div.columns", {},
        card ? el("section.block", {}, el("h2", {}, this.#word("meCodeTitle")),
          el("p.digits.code", { "aria-label": [...data.code].join(" ") }, el("span", {}, data.code.slice(0, 4)), el("span", {}, data.code.slice(4))),
          el("ol.steps", {}, ...steps), el("p.soft", {}, this.#word("meCodeLimit"))) : null,
        this.#receipt(data.receipt_id)),
      el("div.deed", {}, this.#button("meChange", "", () => this.#member()),
        this.#button(data.handover ? "meBack" : "meEnd", "primary", () => this.#close())));
  }

  // --- parts of views --------------------------------------------------------------------------------------

  #title(words) {
    return el("h1", { tabindex: "-1" }, words);
  }

  #button(key, look, act) {
    const button = el(look ? `button.button.${look}` : "button.button", { type: "button", "data-act": key }, this.#word(key));
    button.addEventListener("click", act);
    return button;
  }

  #notice() {
    const notice = this.#data.notice;
    if (notice === null) return el("p.warning", {}, this.#word("meNoNotice"));
    return el("div.notice", {}, this.#fresh ? el("p.warning", {}, this.#word("meNoticeNew")) : null, sheet(notice, this.language, this.#fresh));
  }

  #ages() {
    return ages(this.language, (age) => {
      this.#draft.age = age;
      say(this.line, "");
      this.#young();
    }, () => this.#giveWanted());
  }

  /** Somebody under 16 without their parents: nothing to choose, and nothing is stored. */
  #young() {
    const young = this.#draft.age === "under16";
    this.choices.node.disabled = young;
    this.main.querySelector(".young")?.remove();
    if (young) this.age.append(el("p.warning.young", { role: "status" }, this.#word("meYoung")));
    for (const button of this.main.querySelectorAll("[data-act=meSave], [data-act=meRefuse]")) button.disabled = young;
  }

  #receiptLink(id) {
    return id && !this.#data.handover ? el("a.button", { href: `/me/receipt/${encodeURIComponent(id)}` }, this.#word("meReceiptSee")) : null;
  }

  #receipt(id) {
    if (!id) return null;
    const text = el("p.soft", {}, this.#word("meReceiptText"));
    if (!this.#data.handover) return el("section.block", {}, el("h2", {}, this.#word("meReceipt")), text, this.#receiptLink(id));
    const code = el("img.code", { alt: this.#word("meReceiptCode"), src: `/me/receipt/${encodeURIComponent(id)}.svg` });
    code.addEventListener("error", () => code.remove()); // a shop whose pages no phone can reach
    text.append(` ${this.#word("meReceiptScan")}`);
    return el("section.block", {}, el("h2", {}, this.#word("meReceipt")), text, code);
  }

  #ownData() {
    const see = el("a.button", { href: "/me/data" }, this.#word("meDataSee"));
    const save = el("a.button", { href: "/api/v1/me/data", download: "my-data.json" }, this.#word("meDataSave"));
    const parts = this.#data.handover ? [see, el("p.soft", {}, this.#word("meDataTablet"))] : [el("div.pair", {}, see, save)];
    return el("section.block", {}, el("h2", {}, this.#word("meData")), el("p.soft", {}, this.#word("meDataText")), ...parts);
  }

  #end() {
    return el("div.end", {}, this.#data.scan ? el("a.button", { href: `/scan?language=${this.language}` }, this.#word("meScan")) : null, this.#button(this.#data.handover ? "meBack" : "meEnd", "", () => this.#close()));
  }

  // --- what people do --------------------------------------------------------------------------------------

  /** What every form carries: the notice exactly as it was shown. */
  #form(choices) {
    const notice = this.#data.notice, shown = notice ? readable(notice, this.language) : this.language;
    return {
      choices, language: this.language, age: this.#draft.age ?? (AGES.includes(this.#data.age) ? this.#data.age : null),
      notice_version: notice?.version ?? "", notice_sha256: notice?.sha256[shown] ?? "",
    };
  }

  async #switched(row) {
    const gives = row.input.checked;
    if (gives && this.age && !this.#draft.age) {
      row.input.checked = false;
      this.#wanted.add(row.name);
      this.#needAge();
      return;
    }
    const done = this.#word(gives ? "meGave" : "meTook", { what: this.#word(row.name) });
    if (!(await this.#choose({ [row.name]: gives }, done))) row.input.checked = !gives;
  }

  async #giveWanted() {
    const wanted = [...this.#wanted];
    if (!wanted.length || !["16plus", "guardian"].includes(this.#draft.age)) return;
    this.#wanted.clear();
    const done = wanted.map((name) => this.#word("meGave", { what: this.#word(name) })).join(" ");
    await this.#choose(Object.fromEntries(wanted.map((name) => [name, true])), done);
  }

  /** Only what is given, also on another device meanwhile: what was never asked is not refused by this. */
  async #withdrawAll() {
    const { body } = await ask(ME);
    const given = (body ?? this.#data).purposes.filter((one) => one.state === "given");
    if (given.length) await this.#choose(Object.fromEntries(given.map((one) => [one.purpose, false])), this.#word("meTookAll"));
  }

  /** @returns {Promise<boolean>} whether it is done */
  async #choose(choices, done) {
    if (this.#busy) return false;
    this.#busy = true;
    const { status, body } = await ask(`${ME}/choices`, this.#form(choices));
    this.#busy = false;
    if (body?.result !== "ok") {
      await this.#refused(status, body?.result);
      return false;
    }
    this.#told = { line: this.#word("meDone", { t: clock(body.at_ms, this.language), what: done }), receipt: body.receipt_id };
    this.#fresh = false;
    if (this.age) await this.#load(); // the question of age is answered, and goes
    else await this.#renew();
    return true;
  }

  /** What is stored now, in the rows that stand there: finger, focus and place stay. */
  async #renew() {
    const { status, body } = await ask(ME);
    if (status !== 200 || this.#view !== "member") {
      await this.#load();
      return;
    }
    this.#data = body;
    this.#ends = performance.now() + body.ttl_ms;
    this.choices.fill(body.purposes);
    this.choices.bar(body.notice === null || body.age === "under16");
    this.#tell();
  }

  async #enrol(choices) {
    if (this.#busy) return;
    if (!this.#draft.age) {
      this.#needAge();
      return;
    }
    this.#busy = true;
    const all = Object.fromEntries(Object.keys(this.choices.values).map((name) => [name, choices[name] ?? false]));
    const { status, body } = await ask(`${ME}/enrol`, { ...this.#form(all), call_name: this.#draft.call_name.trim() });
    this.#busy = false;
    if (body?.result === "ok") {
      this.#draft = { call_name: "", age: null, choices: {} };
      this.#joined = true;
      await this.#load();
    } else {
      await this.#refused(status, body?.result);
    }
  }

  #needAge() {
    say(this.line, this.#word("meAgeFirst"));
    this.age.dataset.missing = "true";
    this.age.scrollIntoView({ block: "center" });
    this.age.querySelector("legend").focus({ preventScroll: true });
  }

  async #refused(status, result) {
    if (status === 401 || result === "gone") {
      this.#over("expired");
    } else if (result === "notice_changed") {
      this.#fresh = true;
      this.#draft.choices = {};
      await this.#load();
      this.main.querySelector(".notice")?.scrollIntoView({ block: "start" });
    } else if (result === "age" && this.age) {
      this.#needAge();
    } else {
      say(this.line, this.#word(result === "age" ? "meYoung" : result === "refused" ? "meRefused" : "meFailed"));
    }
  }

  async #forgotten() {
    const { status, body } = await ask(`${ME}/forget`, {});
    if (body?.result === "ok") this.#over("forgotten", body.at_ms);
    else this.#trouble(this.#word(status === 401 ? "meExpiredText" : "meFailed"), () => this.#load());
  }

  async #close() {
    const { status } = await ask(`${ME}/end`, {});
    if (status === 200 || status === 401) this.#over("ended");
    else say(this.status, this.#word("meFailed"));
  }

  // --- the end ---------------------------------------------------------------------------------------------

  #wipe() {
    this.#data = null;
    this.#draft = { call_name: "", age: null, choices: {} };
    this.#told = { line: "", receipt: "" };
    this.#fresh = this.#joined = false;
    this.#wanted.clear();
    this.choices = this.age = this.name = this.line = this.slip = this.all = null;
    this.main.replaceChildren();
    this.soon.replaceChildren();
    say(this.status, "");
  }

  /** Nothing of the person stays; a tablet waits for its colleague. `atMs`: when it was done, by the shop's clock. */
  async #over(how, atMs = 0) {
    const held = this.#data?.handover ?? (await ask("/api/v1/tablet/readers")).status === LOCKED;
    const at = clock(atMs, this.language);
    this.#wipe();
    this.#last = { how, held, at };
    this.#show(how, ...ending(this.language, this.#last));
  }

  #trouble(words, again) {
    this.#show("trouble", this.#title(words), this.#button("meAgain", "primary", again));
  }

  #speak(language) {
    this.#chosen = this.language = language;
    if (this.#data) this.#fill(this.#data.ttl_ms ? { ...this.#data, ttl_ms: this.#ends - performance.now() } : this.#data);
    else if (this.#last) this.#show(this.#last.how, ...ending(this.language, this.#last));
  }
}

customElements.define("my-page", MyPage);
