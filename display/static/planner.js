/** The editor of the floor plan: what goes where, in metres; undo; saved by itself a moment after each change. */

import { ask, el, say } from "./dom.js";
import { decimal, word } from "./installwords.js";
import { Plan, marksOf } from "./plan.js";

const SAVE_AFTER_MS = 700;
const AGAIN_MS = 5000;
const MAX_UNDO = 60;
const EMPTY = { width_m: 20, depth_m: 14, receivers: {}, screens: {}, anchors: {}, zones: {}, walls: [] };
const FIELDS = { zones: ["x_m", "y_m", "width_m", "depth_m"], circle: ["x_m", "y_m", "radius_m"], walls: ["x1_m", "y1_m", "x2_m", "y2_m"], thing: ["x", "y"] };
const LOOKS = ["receivers", "readers", "screens", "anchors", "zones"];
const copy = (value) => JSON.parse(JSON.stringify(value));
const tenth = (metres) => Number(metres.toFixed(1));

export class Planner {
  #undo = [];
  #held = null; // the plan as it was before a drag
  #revision = 0;
  #timer = 0;
  #saving = false;
  #stamp = 0; // rises with each change, so that what changed while it was saved is saved too
  #result = "drawn";

  /** @param {{known: () => object, language: () => string, named: (zone: string) => string, stale: () => void}} page */
  constructor(page) {
    this.page = page;
    this.floor = copy(EMPTY);
    this.chosen = "";
    this.plan = new Plan({
      chosen: (key) => this.#choose(key),
      moved: (key, x, y, done) => this.#moved(key, x, y, done),
      walled: (ends) => this.#change(() => this.#wall(ends)),
    });
    this.undo = el("button.button", { type: "button" });
    this.undo.addEventListener("click", () => this.#back());
    this.pen = el("button.button", { type: "button" });
    this.pen.addEventListener("click", () => {
      this.plan.drawing = !this.plan.drawing;
      this.#draw();
    });
    this.saved = el("p.saved", { role: "status" });
    this.hint = el("p.soft");
    this.legend = el("ul.legend", {}, ...LOOKS.map((look) => el("li", { "data-look": look }, el("i", { "aria-hidden": "true" }), el("span"))));
    this.list = el("select", { id: "thing" });
    this.list.addEventListener("change", () => this.#choose(this.list.value));
    this.listLabel = el("label", { for: "thing" });
    this.fields = el("div.fields");
    this.acts = el("div.pair");
    this.sizes = el("div.fields");
    this.sizeTitle = el("h3");
    this.title = el("h2");
    this.notes = el("div.notes");
    this.node = el("section.planner", {},
      el("div.canvas", {}, el("div.tools", {}, this.undo, this.pen, this.saved), this.plan.node, this.legend, this.hint),
      el("div.block.side", {}, this.title, this.listLabel, this.list, this.fields, this.acts, this.sizeTitle, this.sizes, this.notes));
  }

  /** Take what the gateway has; what was not saved here is gone. */
  load(known) {
    this.#revision = known.revision;
    this.floor = copy(known.floor ?? EMPTY);
    this.#undo = [];
    this.#draw();
  }

  speak() {
    this.#draw();
  }

  get #known() {
    return this.page.known();
  }

  #say(key, slots) {
    return word(this.page.language(), key, slots);
  }

  #choose(key) {
    if (key === "walls:new") {
      const [x, y] = [this.floor.width_m / 2, this.floor.depth_m / 2];
      this.#change(() => this.#wall([tenth(x - 1), tenth(y), tenth(x + 1), tenth(y)]));
      return;
    }
    this.chosen = key.startsWith("handle:") ? this.chosen : key;
    this.#draw();
  }

  #wall([x1_m, y1_m, x2_m, y2_m]) {
    if (this.floor.walls.length >= this.#known.limits.walls) return;
    this.floor.walls.push({ x1_m, y1_m, x2_m, y2_m });
    this.chosen = `walls:${this.floor.walls.length - 1}`;
  }

  /** The chosen thing: [group, id, what the plan has of it or undefined]. */
  #thing() {
    const [group, ...rest] = this.chosen.split(":");
    const id = rest.join(":");
    return [group, id, group ? this.floor[group]?.[id] : undefined];
  }

  #change(act) {
    this.#remember(JSON.stringify(this.floor));
    act();
    this.#changed();
  }

  #remember(before) {
    this.#undo.push(before);
    this.#undo.splice(0, this.#undo.length - MAX_UNDO);
  }

  #changed() {
    this.#stamp += 1;
    this.#result = "saving";
    this.#draw();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#save(), SAVE_AFTER_MS);
  }

  #back() {
    const before = this.#undo.pop();
    if (before === undefined) return;
    this.floor = JSON.parse(before);
    this.#changed();
  }

  async #save() {
    if (this.#saving) return; // the one under way saves again when it is done
    this.#saving = true;
    const stamp = this.#stamp;
    const { status, body } = await ask("/api/v1/install/floor", { ...this.floor, revision: this.#revision });
    this.#saving = false;
    if (body?.result === "ok") this.#revision += 1;
    if (body?.result === "stale") {
      await this.page.stale();
      this.#result = "stale";
    } else {
      this.#result = body?.result === "ok" ? "saved" : body ? `save_${body.result}` : "unsaved";
      if (stamp !== this.#stamp) this.#changed();
      else if (!body) this.#timer = setTimeout(() => this.#save(), status === 401 ? AGAIN_MS * 6 : AGAIN_MS);
    }
    this.#draw();
  }

  #moved(key, x, y, done) {
    this.#held ??= JSON.stringify(this.floor);
    const [group, id] = key.startsWith("handle:") ? ["handle", key.slice(7)] : [key.slice(0, key.indexOf(":")), key.slice(key.indexOf(":") + 1)];
    if (group === "handle") this.#stretch(id, x, y);
    else if (group === "zones") {
      const area = this.floor.zones[id];
      area.x_m = tenth(area.radius_m ? x : x - area.width_m / 2);
      area.y_m = tenth(area.radius_m ? y : y - area.depth_m / 2);
      this.#keep(area);
    } else this.floor[group][id] = [x, y];
    if (done) {
      if (this.#held !== JSON.stringify(this.floor)) {
        this.#remember(this.#held);
        this.#changed();
      }
      this.#held = null;
    } else this.#draw();
  }

  #stretch(id, x, y) {
    const [group, thing] = this.#thing();
    if (group === "walls") Object.assign(this.floor.walls[Number(thing)], { [`x${id}_m`]: x, [`y${id}_m`]: y });
    else {
      const area = this.floor.zones[thing];
      if (area.radius_m) area.radius_m = Math.max(0.5, tenth(Math.hypot(x - area.x_m, y - area.y_m)));
      else Object.assign(area, { width_m: Math.max(0.5, tenth(x - area.x_m)), depth_m: Math.max(0.5, tenth(y - area.y_m)) });
    }
  }

  /** A rectangle stays on the plan whole. */
  #keep(area) {
    if (area.radius_m) return;
    area.x_m = Math.max(0, Math.min(area.x_m, tenth(this.floor.width_m - area.width_m)));
    area.y_m = Math.max(0, Math.min(area.y_m, tenth(this.floor.depth_m - area.depth_m)));
  }

  #put(round) {
    const [group, id] = this.#thing();
    const [x, y] = [tenth(this.floor.width_m / 2), tenth(this.floor.depth_m / 2)];
    this.#change(() => {
      if (group !== "zones") this.floor[group][id] = [x, y];
      else if (round) this.floor.zones[id] = { x_m: x, y_m: y, width_m: 0, depth_m: 0, radius_m: tenth(Math.min(2, x, y)) };
      else {
        const [width, depth] = [Math.min(4, this.floor.width_m), Math.min(3, this.floor.depth_m)];
        this.floor.zones[id] = { x_m: tenth(x - width / 2), y_m: tenth(y - depth / 2), width_m: width, depth_m: depth, radius_m: 0 };
      }
    });
    this.plan.focus(this.chosen);
  }

  #take() {
    const [group, id] = this.#thing();
    this.#change(() => {
      if (group === "walls") this.floor.walls.splice(Number(id), 1);
      else delete this.floor[group][id];
      if (group === "walls") this.chosen = "";
    });
    this.list.focus();
  }

  // --- what is seen ------------------------------------------------------------------------------------------

  #draw() {
    if (!this.#known) return;
    const number = (metres) => decimal(this.page.language(), metres);
    const marks = marksOf(this.floor, this.#known, this.page.named, (key, slots) => this.#say(key, slots), number);
    this.plan.draw(this.floor, [...marks, ...this.#handles(number)], {
      chosen: this.chosen, label: this.#say("planLabel", { w: number(this.floor.width_m), d: number(this.floor.depth_m) }),
    });
    say(this.undo, this.#say("undo"));
    this.undo.disabled = !this.#undo.length;
    say(this.pen, this.#say("draw"));
    this.pen.setAttribute("aria-pressed", String(this.plan.drawing));
    say(this.saved, this.#say(this.#result));
    this.saved.dataset.state = this.#result;
    say(this.hint, this.#say(this.plan.drawing ? "drawing" : "help"));
    LOOKS.forEach((look, n) => say(this.legend.children[n].lastChild, this.#say(look)));
    say(this.title, this.#say("place"));
    say(this.listLabel, this.#say("thing"));
    say(this.sizeTitle, this.#say("size"));
    this.#drawList();
    this.#drawFields();
    this.#drawSizes();
    this.#drawNotes();
  }

  #handles(number) {
    const [group, id, thing] = this.#thing();
    if (!thing) return [];
    const handle = (key, x, y, label) => ({ key: `handle:${key}`, look: "handle", x, y, name: "", label: `${label}, ${number(x)} | ${number(y)}` });
    if (group === "walls") {
      const name = this.#say("wall", { n: Number(id) + 1 });
      return [1, 2].map((n) => handle(n, thing[`x${n}_m`], thing[`y${n}_m`], this.#say("endOf", { n, name })));
    }
    if (group !== "zones") return [];
    const x = Math.min(this.floor.width_m, thing.x_m + (thing.radius_m || thing.width_m));
    const y = thing.radius_m ? thing.y_m : Math.min(this.floor.depth_m, thing.y_m + thing.depth_m);
    return [handle("corner", tenth(x), tenth(y), this.#say("corner", { name: this.page.named(id) }))];
  }

  #drawList() {
    const known = this.#known;
    const groups = [
      ["receivers", "receivers", known.receivers.filter((one) => one.radio).map((one) => one.id)],
      ["receivers", "readers", known.receivers.filter((one) => !one.radio).map((one) => one.id)],
      ["screens", "screens", known.screens.map((one) => one.id)],
      ["anchors", "anchors", known.anchors.map((one) => one.id)],
      ["zones", "zones", known.zones],
    ];
    const shown = JSON.stringify([this.page.language(), groups, Object.keys(this.floor.zones), this.floor.walls.length,
      ...["receivers", "screens", "anchors"].map((group) => Object.keys(this.floor[group]))]);
    if (this.list.shown !== shown) {
      this.list.shown = shown;
      const option = (value, text) => el("option", { value }, text);
      this.list.replaceChildren(option("", this.#say("choose")),
        ...groups.filter(([, , ids]) => ids.length).map(([group, title, ids]) => el("optgroup", { label: this.#say(title) },
          ...ids.map((id) => option(`${group}:${id}`, this.#titled(group, id))))),
        el("optgroup", { label: this.#say("walls") }, ...this.floor.walls.map((_, n) => option(`walls:${n}`, this.#say("wall", { n: n + 1 }))),
          option("walls:new", `+ ${this.#say("addWall")}`)));
    }
    this.list.value = this.chosen;
  }

  #titled(group, id) {
    const name = group === "zones" ? this.page.named(id) : id;
    return this.floor[group][id] ? `✓ ${name}` : `${name} – ${this.#say("notYet")}`;
  }

  #drawFields() {
    const [group, id, thing] = this.#thing();
    const kind = !thing ? "" : group === "zones" && thing.radius_m ? "circle" : FIELDS[group] ? group : "thing";
    const shown = `${this.page.language()} ${this.chosen} ${kind}`;
    if (this.fields.shown !== shown) {
      this.fields.shown = shown;
      this.fields.replaceChildren(...(FIELDS[kind] ?? []).map((name) => this.#input(name, this.#say(name.replace("_m", "")), (metres) => this.#set(name, metres))));
      const button = (key, look, act) => {
        const node = el(`button.button${look}`, { type: "button" }, this.#say(key));
        node.addEventListener("click", act);
        return node;
      };
      this.acts.replaceChildren(...(thing ? [button("take", "", () => this.#take())]
        : group === "zones" && id ? [button("putRect", ".primary", () => this.#put(false)), button("putCircle", "", () => this.#put(true))]
          : group && group !== "walls" ? [button("put", ".primary", () => this.#put(false))] : []),
      ...(group ? [] : [el("p.soft", {}, this.#say("placeHelp"))]));
    }
    const value = { x: thing?.[0], y: thing?.[1], ...(thing && !Array.isArray(thing) ? thing : {}) };
    for (const input of this.fields.querySelectorAll("input")) this.#show(input, value[input.name]);
  }

  #drawSizes() {
    if (this.sizes.shown !== this.page.language()) {
      this.sizes.shown = this.page.language();
      this.sizes.replaceChildren(...["width_m", "depth_m"].map((name) => this.#input(name, this.#say(name.replace("_m", "")), (metres) => this.#resize(name, metres))));
    }
    for (const input of this.sizes.querySelectorAll("input")) this.#show(input, this.floor[input.name]);
  }

  #drawNotes() {
    const known = this.#known;
    const missing = known.receivers.filter((one) => one.radio && !this.floor.receivers[one.id]).map((one) => one.id);
    const some = Object.keys(this.floor.receivers).length > 0;
    const lines = [this.#say(`use_${known.in_use}`), this.#say("fromNext"),
      some && missing.length ? this.#say("missing", { names: missing.join(", ") }) : "",
      known.unfit ? this.#say("unfit", { why: known.unfit }) : "", this.#say("noPicture")].filter(Boolean);
    if (this.notes.shown === lines.join()) return;
    this.notes.shown = lines.join();
    this.notes.replaceChildren(...lines.map((line) => el("p.soft", {}, line)));
  }

  #input(name, label, act) {
    const input = el("input", { type: "number", name, step: "0.1", min: "0", max: "200", inputmode: "decimal" });
    input.addEventListener("input", () => { input.typing = true; });
    input.addEventListener("change", () => {
      input.typing = false;
      const metres = tenth(Number(input.value));
      if (input.value !== "" && Number.isFinite(metres)) act(metres);
      else this.#draw();
    });
    return el("label", {}, el("span", {}, label), input);
  }

  #show(input, metres) {
    if (metres === undefined || input.typing || Number(input.value) === metres) return;
    input.value = String(metres);
  }

  #set(name, metres) {
    const [group, id] = this.#thing();
    const side = /y|depth/.test(name) ? this.floor.depth_m : this.floor.width_m;
    const fits = Math.min(Math.max(metres, /width|depth|radius/.test(name) ? 0.5 : 0), side);
    this.#change(() => {
      const thing = this.floor[group][id];
      if (Array.isArray(thing)) thing[name === "x" ? 0 : 1] = fits;
      else thing[name] = fits;
      if (group === "zones") this.#keep(thing);
    });
  }

  /** A smaller shop takes everything with it that would lie outside. */
  #resize(name, metres) {
    this.#change(() => {
      this.floor[name] = Math.min(200, Math.max(2, metres));
      const [w, d] = [this.floor.width_m, this.floor.depth_m];
      const fit = ([x, y]) => [Math.min(x, w), Math.min(y, d)];
      for (const group of ["receivers", "screens", "anchors"]) {
        for (const id of Object.keys(this.floor[group])) this.floor[group][id] = fit(this.floor[group][id]);
      }
      for (const area of Object.values(this.floor.zones)) {
        if (area.radius_m) [area.x_m, area.y_m] = fit([area.x_m, area.y_m]);
        else {
          [area.width_m, area.depth_m] = fit([area.width_m, area.depth_m]);
          this.#keep(area);
        }
      }
      for (const wall of this.floor.walls) {
        [wall.x1_m, wall.y1_m] = fit([wall.x1_m, wall.y1_m]);
        [wall.x2_m, wall.y2_m] = fit([wall.x2_m, wall.y2_m]);
      }
    });
  }
}
