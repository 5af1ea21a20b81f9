/** The lock of a tablet: who works here, and the PIN. It shows counts and colleagues, nothing of a customer. */

import { ask, el, minutes, say } from "./dom.js";
import { PinPad } from "./pin.js";
import { counted, told } from "./staffwords.js";
import { clock, deviceLanguage, pick } from "./words.js";

const DIGITS = 6;
const ACTIVE_MS = 15_000; // between two words to the gateway that somebody is here; it locks after 120 s without
const GOING_MS = 8_000; // until another page of ours is there, or its worker has given up on it (sw.js)
const TOUCHES = ["pointerdown", "keydown", "wheel"];
const BACKS = 20_000; // who begins to type and walks away leaves no half PIN
const URL = "/api/v1/tablet/lock";
const WHY = "locked-why"; // what the next lock in this tab says of how it came

let pressed = false; // whether this page itself has locked the tablet

/** Tell the gateway that somebody touches this tablet, and lock it as soon as nobody sees it.
 *  @param {boolean} hides whether a page that nobody sees locks
 *  @returns {{on: boolean, goesOn: (way: HTMLElement) => void}} set `on` while a colleague is signed in; `goesOn`: by this
 *    link to another page of ours whoever works here goes on, so that the end of this one locks nobody out */
export function watchful(hides = true) {
  let told = -ACTIVE_MS;
  let going = -GOING_MS;
  const state = { on: false, goesOn: (way) => way.addEventListener("click", () => (going = performance.now())) };
  const touched = () => {
    if (!state.on || performance.now() - told < ACTIVE_MS) return;
    told = performance.now();
    ask("/api/v1/tablet/active", {});
  };
  const seen = () => {
    if (document.visibilityState === "hidden" && state.on && performance.now() - going >= GOING_MS) shut("hidden");
  };
  for (const name of TOUCHES) document.addEventListener(name, touched, { passive: true, capture: true });
  if (hides) document.addEventListener("visibilitychange", seen);
  return state;
}

/** Lock this tablet; also when the page goes away meanwhile. */
export function shut(reason) {
  pressed = true;
  const body = JSON.stringify({ reason });
  return fetch(URL, { method: "POST", headers: { "Content-Type": "application/json" }, body, keepalive: true }).catch(() => null);
}

/** Leave for the lock, and come back to `next` from there. @param {boolean} worked whether somebody worked on this page */
export function toLock(next, worked) {
  sessionStorage.setItem("next", next);
  if (worked && !pressed) sessionStorage.setItem(WHY, "lockedIdle");
  location.replace("/tablet");
}

export class Lock {
  #view = null;
  #why = "";
  #chosen = null; // the colleague whose PIN is asked for
  #since = 0; // when the view came, by which waits are counted
  #typed = 0;
  #pad = null;

  /** @param {boolean} counts whether it says how many ask for advice */
  constructor(counts = true) {
    this.counts = counts;
    this.language = deviceLanguage();
    this.time = el("p.lock-time");
    this.day = el("p.lock-day");
    this.asking = el("p.lock-asking", { role: "status" });
    this.said = el("p.lock-said", { role: "status" });
    this.side = el("div.lock-side");
    this.node = el("section.lock", { hidden: "" }, el("div.lock-now", {}, this.time, this.day, this.asking), this.side);
  }

  get open() {
    return this.#view !== null;
  }

  /** @param {{state: string, waiting: number, colleagues: object[], badge: string|null, slides: object[]}} view */
  show(view) {
    const badge = view.badge !== null && view.badge !== this.#view?.badge ? view.badge : null;
    const first = this.#view === null;
    this.#view = view;
    this.#since = performance.now();
    if (first) this.#why = sessionStorage.getItem(WHY) ?? "";
    sessionStorage.removeItem(WHY);
    this.node.hidden = false;
    if (badge !== null) this.#choose(badge, told(this.language, "badgeSeen"));
    else if (this.#chosen === null || !this.#colleague(this.#chosen)) this.#list(first);
    this.tick();
  }

  hide() {
    this.#view = null;
    this.#chosen = null;
    this.#pad = null;
    say(this.said, "");
    this.side.replaceChildren();
    this.node.hidden = true;
  }

  speak(language) {
    this.language = language;
    if (this.open) this.#list(false);
    this.tick();
  }

  /** Once a second: the clock, and waits that end. @param {boolean} lost the line to the gateway is gone */
  tick(lost = false) {
    if (!this.open) return;
    const now = new Date();
    say(this.time, clock(this.language, now));
    say(this.day, now.toLocaleDateString(this.language, { weekday: "long", day: "numeric", month: "long" }));
    this.asking.hidden = !this.counts || lost || this.#view.state !== "locked";
    this.asking.dataset.n = String(this.#view.waiting);
    say(this.asking, counted(this.language, "asking", this.#view.waiting));
    for (const chip of this.side.querySelectorAll(".mate")) this.#wait(chip);
    if (this.#pad && this.#typed && performance.now() - this.#typed > BACKS) this.#list(false);
  }

  #colleague(id) {
    return this.#view?.colleagues.find((one) => one.staff_id === id) ?? null;
  }

  #left(one) {
    return one.gate === "open" ? 0 : Math.max(0, one.wait_ms - (performance.now() - this.#since));
  }

  #wait(chip) {
    const left = this.#left(this.#colleague(chip.dataset.staff) ?? { gate: "open" });
    const note = chip.querySelector("small");
    chip.toggleAttribute("data-waits", left > 0);
    const key = this.#colleague(chip.dataset.staff)?.gate === "locked" ? "lockedOut" : "wait";
    say(note, left > 0 ? told(this.language, key, { t: minutes(left) }) : "");
    note.hidden = left === 0;
  }

  /** Everybody who may open it, or what is said when nobody may. */
  #list(focus) {
    this.#chosen = null;
    this.#pad = null;
    this.#typed = 0;
    const view = this.#view;
    if (view.state === "expired") {
      this.side.replaceChildren(
        el("h2", {}, told(this.language, "expiredTitle")), el("p", {}, told(this.language, "expiredText")),
        el("ul.lock-goods", {}, ...(view.slides ?? []).map((one) => el("li", {}, el("strong", {}, pick(one.title, this.language)),
          el("span", {}, pick(one.badge, this.language) || pick(one.text, this.language))))),
        el("p.lock-help", {}, told(this.language, "expiredHelp")));
      return;
    }
    const title = el("h2", { tabindex: "-1" }, told(this.language, "who"));
    const mates = view.colleagues.map((one) => this.#mate(one, () => this.#pressed(one)));
    const why = this.#why ? el("p.lock-why", {}, told(this.language, this.#why)) : null;
    this.side.replaceChildren(...[title, why].filter(Boolean), el("p", {}, told(this.language, "whoText")), this.said, el("ul.mates", {}, ...mates));
    if (focus && document.activeElement === document.body) title.focus({ preventScroll: true });
  }

  #mate(one, act) {
    const button = el("button.mate", { type: "button", "data-staff": one.staff_id },
      el("span.sign", { "aria-hidden": "true" }, one.initials), el("bdi.mate-name", {}, one.name), el("small", { hidden: "" }));
    button.addEventListener("click", act);
    return el("li", {}, button);
  }

  #pressed(one) {
    const now = this.#colleague(one.staff_id);
    if (!now) return;
    if (now.gate === "locked" && this.#left(now)) this.#stuck(now);
    else if (!this.#left(now)) this.#choose(now.staff_id, now.badge && this.#view.badge !== now.staff_id ? told(this.language, "badge") : "");
  }

  /** Ask for a PIN. */
  #choose(id, hint) {
    const one = this.#colleague(id);
    if (!one) return;
    this.#ask(one, told(this.language, "pin", { name: one.name }), hint, async (pin) => {
      const { body } = await ask(`${URL}/open`, { staff_id: id, pin });
      return this.#after(body, one);
    });
  }

  #ask(one, title, hint, send) {
    say(this.said, "");
    this.#chosen = one.staff_id;
    this.#typed = performance.now();
    this.#pad = new PinPad(this.language, title, send, DIGITS);
    this.#pad.node.addEventListener("click", () => (this.#typed = performance.now()));
    const back = el("button.button.plain", { type: "button" }, told(this.language, "others"));
    back.addEventListener("click", () => this.#list(true));
    const head = el("h2", { tabindex: "-1" }, el("bdi", {}, title));
    this.side.replaceChildren(el("span.sign", { "aria-hidden": "true" }, one.initials), head,
      el("p", {}, hint || told(this.language, "pinText")), this.#pad.node, back);
    head.focus({ preventScroll: true });
  }

  /** The sentence below the pad, "" when the tablet opens: then the stream says so. */
  #after(body, one) {
    this.#typed = performance.now();
    if (body?.result === "ok") return "";
    if (body?.result === "wait" || body?.result === "locked") {
      this.#list(true);
      say(this.said, told(this.language, body.result === "wait" ? "tooOften" : "freeTitle", { name: one.name }));
      return "";
    }
    return told(this.language, body?.result ?? "failed") || told(this.language, "failed");
  }

  /** Whoever is locked out: a manager may set them free. */
  #stuck(one) {
    const managers = this.#view.colleagues.filter((who) => who.role === "manager" && who.staff_id !== one.staff_id);
    const back = el("button.button.plain", { type: "button" }, told(this.language, "others"));
    back.addEventListener("click", () => this.#list(true));
    const head = el("h2", { tabindex: "-1" }, el("bdi", {}, told(this.language, "freeTitle", { name: one.name })));
    this.#chosen = one.staff_id;
    this.side.replaceChildren(head, el("p", {}, told(this.language, "freeText", { t: minutes(this.#left(one)) })),
      managers.length ? el("ul.mates", {}, ...managers.map((who) => this.#mate(who, () => this.#free(one, who)))) : el("p.none", {}, told(this.language, "noManager")), back);
    head.focus({ preventScroll: true });
  }

  #free(one, manager) {
    this.#ask(manager, told(this.language, "managerPin", { name: manager.name }), "", async (pin) => {
      const { body } = await ask(`${URL}/free`, { staff_id: one.staff_id, manager: manager.staff_id, pin });
      if (body?.result !== "ok") return this.#after(body, manager);
      this.#list(true);
      say(this.said, told(this.language, "freed", { name: one.name }));
      return "";
    });
  }
}

/** A page that was answered 423: the lock lies over it until somebody opens it, or a customer's page takes its place.
 *  @param {() => void} again loads it anew @param {HTMLElement} bar its header, which stays in sight */
export async function shutOut(again, bar) {
  const { status, body } = await ask(URL);
  if (!body?.lock) {
    if (status !== 0 && !(await opened())) location.replace("/me");
    return;
  }
  if (document.querySelector(".lock-over")) return;
  const lock = new Lock(false);
  new MutationObserver(() => lock.speak(deviceLanguage())).observe(document.documentElement, { attributeFilter: ["lang"] });
  const over = el("dialog.lock-over", { autofocus: "" }, bar, lock.node);
  over.addEventListener("cancel", (event) => event.preventDefault());
  document.body.append(over);
  over.showModal();
  lock.show(body.lock);
  const timer = setInterval(async () => {
    lock.tick();
    const found = await ask(URL);
    if (found.body === null) return;
    if (found.body.lock) return lock.show(found.body.lock);
    clearInterval(timer);
    over.remove();
    again();
  }, 1000);
}

/** Whether the tablet is open after all. */
async function opened() {
  return (await ask("/api/v1/tablet/readers")).status === 200;
}
