// Roll-outs over rings of stores, below the fleet's table: from data to nodes. No network.

import { say } from "./fleetwords.js";
import { moment, node } from "./view.js";

const TONES = { running: "late", paused: "late", undoing: "late", done: "good", stopped: "ill" };
const OUTCOMES = ["confirmed", "told", "away", "undone", "silent", "sick", "other"];

// How the gateways of one ring took it, in words.
function ring(language, one, number) {
  const counted = OUTCOMES.filter((outcome) => one[outcome]).map((outcome) => say(language, `took_${outcome}`, one[outcome].toLocaleString(language)));
  return node("li", {}, node("strong", {}, say(language, "ring", number, one.who)), ` ${counted.length ? counted.join(", ") : say(language, "notTold")}`);
}

// Why it stopped, and what helps.
function reason(language, one) {
  if (one.state !== "stopped") return null;
  return node("p", { class: "reason" }, say(language, `why_${one.reason}`, one.gateway, one.why.join(", ")), " ",
    one.reason === "operator" ? "" : say(language, "rolloutHelp", one.id));
}

/** One roll-out: what it brings, how far it is, how each ring took it, why it stopped. */
export function rollout(language, one) {
  return node("li", { class: "order" },
    node("p", {}, node("strong", {}, say(language, `brings_${one.what}`, one.id))),
    node("span", { class: `pill ${TONES[one.state] ?? ""}` }, say(language, `roll_${one.state}`, one.ring)),
    node("div", { class: "about" },
      reason(language, one),
      node("ol", { class: "rings" }, ...one.rings.map((part, at) => ring(language, part, at + 1))),
      node("p", {}, node("time", { datetime: new Date(one.changed_ms).toISOString() }, moment(language, one.changed_ms)))));
}
