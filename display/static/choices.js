/** One switch for each purpose, and the question of age. Nothing is on that was not given before. */

import { el, say } from "./dom.js";
import { word } from "./words.js";

export const PURPOSES = [
  "recognise_nfc", "recognise_ble", "personalise_offers", "purchase_history", "staff_advice", "greet_on_entry",
  "public_personal_greeting", "marketing_push",
];
export const AGES = ["16plus", "guardian", "under16"];

export const day = (ms, language) => new Intl.DateTimeFormat(language, { dateStyle: "long" }).format(ms);
export const clock = (ms, language) =>
  new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }).format(ms);

/** The name of the zone in which `clock` tells the time, "CET". */
export const timeZone = (ms, language) =>
  new Intl.DateTimeFormat(language, { timeZoneName: "short" }).formatToParts(ms).find((part) => part.type === "timeZoneName")?.value ?? "";

/** "on 5 January 2026"; of today "at 14:03:22". */
function moment(ms, language) {
  const today = new Date(ms).toDateString() === new Date().toDateString();
  return today ? word(language, "meAt", { t: clock(ms, language) }) : word(language, "meOn", { t: day(ms, language) });
}

/** What is said of a purpose that was asked about before. */
function told(purpose, language) {
  const t = purpose.at_ms ? moment(purpose.at_ms, language) : "";
  const until = purpose.state === "given" && purpose.until_ms ? word(language, "meUntil", { t: day(purpose.until_ms, language) }) : "";
  return word(language, `me_${purpose.state}`, { t }) + until;
}

class Row {
  constructor(name, language, changed) {
    this.name = name;
    this.language = language;
    const why = `why-${name}`, state = `state-${name}`;
    this.input = el("input", {
      type: "checkbox", role: "switch", autocomplete: "off", "aria-label": word(language, name), "aria-describedby": `${why} ${state}`,
    });
    this.input.addEventListener("change", () => changed(this));
    this.state = el("span.state", { id: state });
    this.node = el("label.purpose", { "data-purpose": name },
      el("span.what", {}, el("b", {}, word(language, name)), el("span.why", { id: why }, word(language, `why_${name}`)), this.state),
      this.input);
  }

  fill(purpose) {
    this.input.checked = purpose.state === "given";
    this.node.dataset.state = purpose.state;
    say(this.state, told(purpose, this.language));
  }

  /** A choice that is not stored yet. */
  stage(allowed) {
    this.input.checked = allowed;
    say(this.state, word(this.language, allowed ? "me_yes" : "me_none"));
  }
}

export class Choices {
  /** @param {string} language @param {(row: {name: string, input: HTMLInputElement}) => void} changed */
  constructor(language, changed) {
    this.rows = PURPOSES.map((name) => new Row(name, language, changed));
    this.node = el("fieldset.purposes", {}, el("legend", {}, word(language, "mePurposes")), el("div.rows", {}, ...this.rows.map((row) => row.node)));
  }

  /** Bring the switches in line with what is stored. @param {Array<{purpose: string, state: string}>} purposes */
  fill(purposes) {
    for (const row of this.rows) row.fill(purposes.find((one) => one.purpose === row.name) ?? { state: "none" });
  }

  /** Only what is off already may stay as it is: nothing new can be given now. */
  bar(barred) {
    for (const row of this.rows) row.input.disabled = barred && !row.input.checked;
  }

  /** What is chosen, for every purpose. */
  get values() {
    return Object.fromEntries(this.rows.map((row) => [row.name, row.input.checked]));
  }

  set values(chosen) {
    for (const row of this.rows) row.stage(chosen[row.name] ?? false);
  }
}

/**
 * The question of age. `settled` is called when an answer is meant to stay: touched, or left by the keyboard, whose arrows
 * choose each answer that they pass. @returns {HTMLElement} with `.value`, null until something was chosen
 */
export function ages(language, changed, settled) {
  const inputs = AGES.map((age) => el("input", { type: "radio", name: "age", value: age, autocomplete: "off" }));
  const node = el("fieldset.ages", {}, el("legend", { tabindex: "-1" }, word(language, "meAge")), el("p.need", {}, word(language, "meAgeFirst")), el("p.soft", {}, word(language, "meAgeWhy")),
    ...AGES.map((age, at) => el("label.option", {}, inputs[at], el("span", {}, word(language, `meAge_${age}`)))));
  for (const input of inputs) input.addEventListener("change", () => changed(input.value));
  node.addEventListener("click", (event) => event.detail && setTimeout(settled)); // a label's click comes before the change
  node.addEventListener("focusout", (event) => event.relatedTarget && !node.contains(event.relatedTarget) && settled());
  Object.defineProperty(node, "value", {
    get: () => inputs.find((input) => input.checked)?.value ?? null,
    set: (age) => inputs.forEach((input) => (input.checked = input.value === age)),
  });
  return node;
}
