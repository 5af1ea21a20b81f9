/** The walk of calibration: zone by zone with the test fob, how well each is told apart, and the radio map at its end. */

import { ask, el, ring, say } from "./dom.js";
import { decimal, word } from "./installwords.js";
import { Plan, marksOf } from "./plan.js";

const SPOTS = 3; // in a zone that is large enough; one where it is small
const WIDE_M = 3;

/** Where to stand in an area, the middle first. */
function spotsOf(area) {
  const [x, y, w, d] = area.radius_m ? [area.x_m, area.y_m, area.radius_m * 2, area.radius_m * 2]
    : [area.x_m + area.width_m / 2, area.y_m + area.depth_m / 2, area.width_m, area.depth_m];
  if (Math.max(w, d) < WIDE_M) return [[x, y]];
  const [dx, dy] = w >= d ? [w / 4, 0] : [0, d / 4];
  return [[x, y], [x - dx, y - dy], [x + dx, y + dy]].slice(0, SPOTS).map(([a, b]) => [Number(a.toFixed(1)), Number(b.toFixed(1))]);
}

export class WalkView {
  #walk = null;
  #zone = "";
  #at = null;
  #moved = false; // by hand, so that it stays there
  #told = "";
  #written = "";
  #sure = false;

  /** @param {{known: () => object, floor: () => object, language: () => string, named: (zone: string) => string, heeded: () => boolean, go: (tab: string) => void, begun: () => Promise<void>}} page */
  constructor(page) {
    this.page = page;
    this.plan = new Plan({ moved: (key, x, y) => key === "spot" && this.#place(x, y) });
    this.ring = ring("timer");
    this.steps = el("ol.steps");
    this.now = el("div.now", { "aria-live": "polite" });
    this.results = el("div.results");
    this.node = el("section.planner", {}, el("div.canvas", {}, this.plan.node),
      el("div.block.side", {}, this.title = el("h2"), this.text = el("p.soft"), this.now, this.steps), this.results);
  }

  get standing() {
    return Boolean(this.#walk?.standing);
  }

  show(walk) {
    if (walk && this.#walk?.standing && !walk.standing) {
      this.#told = walk.ended ? `ended_${walk.ended}` : "";
      if (walk.ended === "kept") this.#next(walk);
    }
    this.#walk = walk;
    this.draw();
  }

  #say(key, slots) {
    return word(this.page.language(), key, slots);
  }

  #number(metres) {
    return decimal(this.page.language(), metres);
  }

  #drawn() {
    const zones = this.page.floor().zones;
    return this.page.known().zones.filter((zone) => zones[zone]);
  }

  #count(walk, zone) {
    return walk.spots.filter((spot) => spot.zone === zone).length;
  }

  /** The first zone that has fewer spots than are recommended, beginning with the one that was just measured. */
  #next(walk) {
    const zones = this.#drawn();
    const from = Math.max(0, zones.indexOf(this.#zone));
    const order = [...zones.slice(from), ...zones.slice(0, from)];
    this.#zone = order.find((zone) => this.#count(walk, zone) < spotsOf(this.page.floor().zones[zone]).length) ?? order[0] ?? "";
    this.#moved = false;
  }

  #place(x, y) {
    if (this.standing) return;
    [this.#at, this.#moved] = [[x, y], true];
    this.draw();
  }

  async #act(form) {
    const { body } = await ask("/api/v1/install/walk", form);
    this.#told = !body ? "stand_failed" : body.result === "ok" || body.result === "gone" ? "" : `stand_${body.result}`;
    this.#written = "";
    await this.page.begun();
    this.draw();
  }

  async #write() {
    const { body } = await ask("/api/v1/install/map", {});
    this.#written = { ok: this.page.known().own_map ? "written" : "writtenOther", empty: "writeEmpty" }[body?.result] ?? "writeFailed";
    this.draw();
  }

  // --- what is seen ------------------------------------------------------------------------------------------

  draw() {
    const known = this.page.known();
    const walk = this.#walk;
    if (!known || !walk) return;
    const zones = this.#drawn();
    if (walk.standing) this.#zone = walk.standing.zone;
    else if (!zones.includes(this.#zone)) this.#next(walk);
    if (!this.#moved && zones.includes(this.#zone)) {
      const spots = spotsOf(this.page.floor().zones[this.#zone]);
      this.#at = spots[this.#count(walk, this.#zone) % spots.length];
    }
    say(this.title, this.#say("walkTitle"));
    say(this.text, this.#say("walkText", { s: Math.round(known.limits.spot_ms / 1000) }));
    this.#drawPlan(known, walk);
    this.#drawNow(known, walk, zones);
    this.#drawSteps(known, walk, zones);
    this.#drawResults(known, walk);
  }

  #drawPlan(known, walk) {
    const floor = this.page.floor();
    const number = (metres) => this.#number(metres);
    const fixed = marksOf(floor, known, this.page.named, (key, slots) => this.#say(key, slots), number).map((mark) => ({ ...mark, fixed: true }));
    const done = walk.spots.map((spot, n) => ({ key: `done:${n}`, look: "done", x: spot.x_m, y: spot.y_m, name: "", fixed: true,
      label: this.#say("mark", { kind: this.#say("one_spot"), name: n + 1, x: number(spot.x_m), y: number(spot.y_m) }) }));
    const at = walk.standing ? [walk.standing.x_m, walk.standing.y_m] : this.#at;
    const here = at && this.#zone ? [{ key: "spot", look: "spot", x: at[0], y: at[1], name: "", fixed: this.standing,
      label: this.#say("mark", { kind: this.#say("one_spot"), name: this.page.named(this.#zone), x: number(at[0]), y: number(at[1]) }) }] : [];
    this.plan.draw(floor, [...fixed, ...done, ...here], { chosen: `zones:${this.#zone}`, label: this.#say("planLabel", { w: number(floor.width_m), d: number(floor.depth_m) }) });
  }

  #drawNow(known, walk, zones) {
    const state = walk.standing ? "standing" : !zones.length ? "nothing" : !this.page.heeded() ? "fobless" : "ready";
    const shown = `${this.page.language()} ${state} ${this.#zone} ${this.#told}`;
    if (this.now.shown !== shown) {
      this.now.shown = shown;
      const button = (key, look, act) => {
        const node = el(`button.button${look}`, { type: "button" }, this.#say(key));
        node.addEventListener("click", act);
        return node;
      };
      const zone = this.page.named(this.#zone);
      const lead = { standing: "measuring", nothing: "walkNoZones", fobless: "needFob", ready: "stand" }[state];
      const acts = {
        standing: () => [this.ring, button("stop", "", () => this.#act({ act: "leave" }))],
        nothing: () => [button("toPlan", ".primary", () => this.page.go("plan"))],
        fobless: () => [button("toFob", ".primary", () => this.page.go("fob"))],
        ready: () => [button("start", ".primary", () => this.#act({ act: "stand", zone: this.#zone, x_m: this.#at[0], y_m: this.#at[1] }))],
      }[state]();
      this.where = el("p.soft");
      this.now.replaceChildren(this.#told ? el("p.told", {}, this.#say(this.#told, { n: walk.spots.length })) : "",
        el("p.lead", {}, this.#say(lead, { zone })), this.where, el("div.pair", {}, ...acts));
    }
    if (walk.standing) {
      const counts = Object.values(walk.standing.samples);
      this.ring.set(1 - walk.standing.left_ms / known.limits.spot_ms, `${Math.ceil(walk.standing.left_ms / 1000)}`);
      say(this.where, this.#say("packets", { n: counts.reduce((a, b) => a + b, 0), r: counts.length }));
    } else say(this.where, state === "ready" ? this.#say("standAt", { x: this.#number(this.#at[0]), y: this.#number(this.#at[1]) }) : "");
  }

  #drawSteps(known, walk, zones) {
    const rows = known.zones.map((zone) => {
      const count = this.#count(walk, zone);
      const wish = zones.includes(zone) ? spotsOf(this.page.floor().zones[zone]).length : 0;
      const text = !wish ? this.#say("zoneUndrawn") : !count ? `${this.#say("zoneNone")} · ${this.#say("suggested", { n: wish })}` : this.#say(count === 1 ? "zoneSpots1" : "zoneSpots", { n: count });
      return [zone, !wish ? "off" : count >= wish ? "done" : count ? "some" : "open", text];
    });
    const shown = JSON.stringify([this.page.language(), rows, this.#zone, this.standing]);
    if (this.steps.shown === shown) return;
    this.steps.shown = shown;
    const focused = this.steps.contains(document.activeElement) ? document.activeElement.dataset.zone : null;
    this.steps.replaceChildren(...rows.map(([zone, state, text]) => {
      const node = el("button.step", { type: "button", "data-state": state, "data-zone": zone, ...(zone === this.#zone ? { "aria-current": "step" } : {}) },
        el("i", { "aria-hidden": "true" }), el("span", {}, el("strong", {}, this.page.named(zone)), el("small", {}, text)));
      node.disabled = state === "off" || this.standing;
      node.addEventListener("click", () => {
        [this.#zone, this.#moved, this.#told] = [zone, false, ""];
        this.draw();
      });
      return el("li", {}, node);
    }));
    if (focused) this.steps.querySelector(`[data-zone="${focused}"]`)?.focus();
  }

  #drawResults(known, walk) {
    const shown = JSON.stringify([this.page.language(), walk.qualities, walk.spots.length, walk.unfit, this.#written, this.#sure, this.standing]);
    if (this.results.shown === shown) return;
    this.results.shown = shown;
    const button = (key, look, act, slots) => {
      const node = el(`button.button${look}`, { type: "button" }, this.#say(key, slots));
      node.addEventListener("click", act);
      node.disabled = this.standing;
      return node;
    };
    const n = walk.spots.length;
    this.results.replaceChildren(el("div.block", {}, el("h2", {}, this.#say("result")),
      n ? el("ul.qualities", {}, ...walk.qualities.map((one) => this.#quality(one))) : el("p.soft", {}, this.#say("resultNone")),
      n && walk.unfit.length ? el("p.warn", {}, this.#say("deaf", { names: walk.unfit.join(", ") })) : null,
      n ? this.#spots(walk) : null,
      n ? el("div.pair", {}, button("write", ".primary", () => this.#write()),
        this.#sure ? button("clearSure", ".danger", () => this.#clear(), { n }) : button("clear", "", () => this.#ask())) : null,
      this.#written ? el("p.told", { role: "status" }, this.#say(this.#written)) : null,
      this.#written === "writtenOther" ? el("pre", {}, `[presence]\n${known.map_line}`) : null));
  }

  #ask() {
    this.#sure = true;
    this.draw();
    this.results.querySelector(".danger")?.focus();
  }

  #clear() {
    this.#sure = false;
    this.#act({ act: "clear" });
  }

  #quality(one) {
    const hears = { 0: "hears0", 1: "hears1" }[one.receivers] ?? "hears";
    const told = one.told_percent === null ? this.#say("toldAlone") : this.#say("told", { n: one.told_percent, zone: this.page.named(one.like) });
    return el("li", { "data-grade": one.grade }, el("h3", {}, this.page.named(one.zone)), one.told_percent === null ? null : el("span.chip", {}, this.#say(`grade_${one.grade}`)),
      el("p", {}, `${told} ${this.#say(hears, { n: one.receivers })}`),
      one.advice === "none" ? null : el("p.action", {}, this.#say(`advice_${one.advice}`, { zone: this.page.named(one.zone), like: one.like ? this.page.named(one.like) : "" })));
  }

  #spots(walk) {
    const open = this.results.querySelector("details")?.open ?? false;
    const node = el("details", {}, el("summary", {}, `${this.#say("spotsTitle")} (${walk.spots.length})`), el("ul.spots", {}, ...walk.spots.map((spot, n) => {
      const drop = el("button.button", { type: "button", "aria-label": this.#say("dropLabel", { n: n + 1 }) }, this.#say("dropSpot"));
      drop.disabled = this.standing;
      drop.addEventListener("click", () => this.#act({ act: "drop", number: n }));
      return el("li", {}, el("div", {}, el("h3", {}, `${n + 1}. ${this.#say("spot", { zone: this.page.named(spot.zone), x: this.#number(spot.x_m), y: this.#number(spot.y_m) })}`),
        el("p.soft", {}, Object.entries(spot.levels_dbm).map(([name, level]) => `${name} −${Math.abs(Math.round(level))}`).join(" · "))), drop);
    })));
    node.open = open;
    return node;
  }
}
