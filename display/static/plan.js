/** The floor plan as a picture with marks that can be dragged or moved with arrow keys. Knows metres, and no server. */

import { el, say } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const STEP_M = 0.1;
const FAR_STEP_M = 1;
const WALL_STEP_M = 0.5; // strokes snap, so that corners meet
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const snap = (metres, step) => Number((Math.round(metres / step) * step).toFixed(1));
const within = (metres, side) => Math.min(side, Math.max(0, metres));

function shape(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  return node;
}

/**
 * @typedef {{key: string, look: string, x: number, y: number, name: string, label: string, fixed?: boolean}} Mark
 *   `look`: receivers, readers, screens, anchors, zones, handle or spot; `label`: what a screen reader says
 */
export class Plan {
  #marks = new Map();
  #width = 20;
  #depth = 14;
  #stroke = null;

  /** @param {{chosen?: (key: string) => void, moved?: (key: string, x: number, y: number, done: boolean) => void, walled?: (wall: number[]) => void}} on */
  constructor(on = {}) {
    this.on = on;
    this.svg = shape("svg", { "aria-hidden": "true", preserveAspectRatio: "none" });
    this.layer = el("div.marks");
    this.node = el("div.plan", { role: "group" }, this.svg, this.layer);
    this.drawing = false;
    this.svg.addEventListener("pointerdown", (event) => this.drawing && this.#begin(event));
  }

  /**
   * @param {object} floor as the API gives it
   * @param {Mark[]} marks
   * @param {{chosen?: string, label: string}} state
   */
  draw(floor, marks, state) {
    this.#width = floor.width_m;
    this.#depth = floor.depth_m;
    this.node.setAttribute("aria-label", state.label);
    this.node.style.setProperty("--shop-w", String(this.#width));
    this.node.style.setProperty("--shop-d", String(this.#depth));
    this.node.classList.toggle("drawing", this.drawing);
    this.svg.setAttribute("viewBox", `0 0 ${this.#width} ${this.#depth}`);
    this.svg.replaceChildren(...this.#grid(), ...this.#areas(floor, state.chosen), ...this.#walls(floor, state.chosen));
    const keys = new Set(marks.map((mark) => mark.key));
    for (const [key, node] of this.#marks) {
      if (keys.has(key)) continue;
      node.remove();
      this.#marks.delete(key);
    }
    for (const mark of marks) this.#put(mark, state.chosen);
  }

  focus(key) {
    this.#marks.get(key)?.focus();
  }

  #grid() {
    const every = Math.max(this.#width, this.#depth) > 40 ? 5 : 1;
    const line = (at, down) => shape("line", down ? { x1: at, x2: at, y1: 0, y2: this.#depth } : { y1: at, y2: at, x1: 0, x2: this.#width });
    const lines = (side, down) => Array.from({ length: Math.max(0, Math.ceil(side / every) - 1) }, (_, n) => {
      const node = line((n + 1) * every, down);
      node.setAttribute("class", (n + 1) % 5 ? "grid" : "grid five");
      return node;
    });
    return [...lines(this.#width, true), ...lines(this.#depth, false)];
  }

  #areas(floor, chosen) {
    return Object.entries(floor.zones).map(([name, area], n) => {
      const node = area.radius_m ? shape("circle", { cx: area.x_m, cy: area.y_m, r: area.radius_m })
        : shape("rect", { x: area.x_m, y: area.y_m, width: area.width_m, height: area.depth_m, rx: 0.15 });
      node.setAttribute("class", `area tint${n % 4}${chosen === `zones:${name}` ? " chosen" : ""}`);
      return node;
    });
  }

  #walls(floor, chosen) {
    return floor.walls.flatMap((wall, n) => {
      const ends = { x1: wall.x1_m, y1: wall.y1_m, x2: wall.x2_m, y2: wall.y2_m };
      const hit = shape("line", { ...ends, class: "wall-hit" });
      hit.addEventListener("click", () => !this.drawing && this.on.chosen?.(`walls:${n}`));
      return [shape("line", { ...ends, class: `wall${chosen === `walls:${n}` ? " chosen" : ""}` }), hit];
    });
  }

  #put(mark, chosen) {
    let node = this.#marks.get(mark.key);
    if (!node) {
      node = el("button.mark", { type: "button" }, el("i", { "aria-hidden": "true" }), el("span", { "aria-hidden": "true" }));
      this.#marks.set(mark.key, node);
      this.layer.append(node);
      this.#wire(node, mark.key);
    }
    node.dataset.look = mark.look;
    node.dataset.key = mark.key;
    node.at = mark;
    node.disabled = Boolean(mark.fixed);
    node.setAttribute("aria-label", mark.label);
    if (mark.look !== "handle" && !mark.fixed) node.setAttribute("aria-pressed", String(chosen === mark.key));
    node.style.setProperty("--x", String(mark.x / this.#width));
    node.style.setProperty("--y", String(mark.y / this.#depth));
    say(node.lastChild, mark.name);
  }

  #wire(node, key) {
    let held = null;
    node.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      node.setPointerCapture(event.pointerId);
      held = { x: event.clientX, y: event.clientY, from: node.at, moved: false };
      this.on.chosen?.(key);
    });
    node.addEventListener("pointermove", (event) => {
      if (!held) return;
      if (!held.moved && Math.hypot(event.clientX - held.x, event.clientY - held.y) < 4) return; // a finger that trembles
      held.moved = true;
      const box = this.svg.getBoundingClientRect();
      this.#move(key, held.from.x + ((event.clientX - held.x) / box.width) * this.#width,
        held.from.y + ((event.clientY - held.y) / box.height) * this.#depth, false);
    });
    const drop = () => {
      if (held?.moved) this.on.moved?.(key, node.at.x, node.at.y, true);
      held = null;
    };
    node.addEventListener("pointerup", drop);
    node.addEventListener("pointercancel", drop);
    node.addEventListener("click", () => this.on.chosen?.(key)); // keyboards and screen readers
    node.addEventListener("keydown", (event) => {
      const way = ARROWS[event.key];
      if (!way) return;
      event.preventDefault();
      const step = event.shiftKey ? FAR_STEP_M : STEP_M;
      this.#move(key, node.at.x + way[0] * step, node.at.y + way[1] * step, true);
    });
  }

  #move(key, x, y, done) {
    this.on.moved?.(key, snap(within(x, this.#width), STEP_M), snap(within(y, this.#depth), STEP_M), done);
  }

  #begin(event) {
    if (event.button) return;
    this.svg.setPointerCapture(event.pointerId);
    const at = (one) => {
      const box = this.svg.getBoundingClientRect();
      return [snap(within(((one.clientX - box.left) / box.width) * this.#width, this.#width), WALL_STEP_M),
        snap(within(((one.clientY - box.top) / box.height) * this.#depth, this.#depth), WALL_STEP_M)];
    };
    const [x1, y1] = at(event);
    this.#stroke = shape("line", { x1, y1, x2: x1, y2: y1, class: "wall stroke" });
    this.svg.append(this.#stroke);
    const move = (one) => {
      const [x2, y2] = at(one);
      this.#stroke.setAttribute("x2", String(x2));
      this.#stroke.setAttribute("y2", String(y2));
    };
    const end = (one) => {
      this.svg.removeEventListener("pointermove", move);
      const [x2, y2] = at(one);
      this.#stroke.remove();
      if (one.type === "pointerup" && (x1 !== x2 || y1 !== y2)) this.on.walled?.([x1, y1, x2, y2]);
    };
    this.svg.addEventListener("pointermove", move);
    this.svg.addEventListener("pointerup", end, { once: true });
    this.svg.addEventListener("pointercancel", end, { once: true });
  }
}

/** The marks of everything that is on a floor plan. `named`: zone id -> its name; `say`: words with slots. */
export function marksOf(floor, known, named, say, number) {
  const mark = (group, look, name, title, x, y) => ({
    key: `${group}:${name}`, look, x, y, name: title,
    label: say("mark", { kind: say(`one_${look}`), name: title, x: number(x), y: number(y) }),
  });
  const look = new Map(known.receivers.map((one) => [one.id, one.radio ? "receivers" : "readers"]));
  return [
    ...Object.entries(floor.zones).map(([name, area]) => {
      const [x, y] = area.radius_m ? [area.x_m, area.y_m] : [area.x_m + area.width_m / 2, area.y_m + area.depth_m / 2];
      return mark("zones", "zones", name, named(name), x, y);
    }),
    ...Object.entries(floor.receivers).map(([name, [x, y]]) => mark("receivers", look.get(name) ?? "receivers", name, name, x, y)),
    ...Object.entries(floor.screens).map(([name, [x, y]]) => mark("screens", "screens", name, name, x, y)),
    ...Object.entries(floor.anchors).map(([name, [x, y]]) => mark("anchors", "anchors", name, name, x, y)),
  ];
}
