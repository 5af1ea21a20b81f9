/** Small helpers to build elements. Text only ever enters as text. */

const SVG = "http://www.w3.org/2000/svg";

// Asked for before the first word is shown, so that no line moves when they arrive.
for (const face of document.fonts) face.load().catch(() => {});

/**
 * @param {string} tag with classes, e.g. "p.lead"
 * @param {Record<string, string>} attributes
 * @param {...(Node|string|null)} children null is left out
 * @returns {HTMLElement}
 */
export function el(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name);
  node.classList.add(...classes);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** Write text only if it differs, so that a screen reader is not told twice. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** An address as people say it: without its scheme. */
export const bare = (url) => url.replace(/^https?:\/\//, "");

const WHOLE = 14; // letters of an address that stay together on one line

/** An address to be typed, with places to break it at, so that no letter stands alone on a line. */
export function address(url) {
  const parts = bare(url).split(/(?<=\/)/);
  const pieces = parts.flatMap((part) => {
    const count = Math.ceil(part.length / WHOLE);
    return Array.from({ length: count }, (_, n) => part.slice(Math.round((n * part.length) / count), Math.round(((n + 1) * part.length) / count)));
  });
  return el("p.address", {}, ...pieces.flatMap((piece, n) => (n ? [el("wbr"), piece] : [piece])));
}

/** A ring that empties or fills: an element with `.set(share, label)`, share from 0 to 1. */
export function ring(className) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 48 48");
  svg.setAttribute("aria-hidden", "true");
  const arc = [0, 1].map((layer) => {
    const circle = document.createElementNS(SVG, "circle");
    for (const [key, value] of Object.entries({ cx: 24, cy: 24, r: 20, pathLength: 100 })) {
      circle.setAttribute(key, value);
    }
    circle.setAttribute("class", layer ? "arc" : "track");
    svg.append(circle);
    return circle;
  })[1];
  const label = el("span");
  const node = el(`div.ring.${className}`, {}, svg, label);
  node.set = (share, words) => {
    arc.style.strokeDashoffset = String(100 - 100 * Math.min(1, Math.max(0, share)));
    say(label, words);
  };
  return node;
}

/** A size step by length: "s", "m" or "l"; the longer the text, the smaller its letters. */
export const size = (text, small, medium) => (text.length <= small ? "s" : text.length <= medium ? "m" : "l");

/** Make the headline of a text column as large as its words and what stands below allow. The column must be laid out. */
export function fit(column, title) {
  const steps = ["s", "m", "l", "xl"];
  for (const step of steps.slice(steps.indexOf(size(title.textContent, 22, 44)))) {
    title.dataset.size = step;
    if (title.scrollWidth <= title.clientWidth && column.scrollHeight <= column.clientHeight) return;
  }
}

/** POST JSON. @returns {Promise<string>} the result, or "failed" when the gateway did not answer */
export async function post(url, body = {}) {
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(5000),
    });
    return answer.ok ? (await answer.json()).result : "failed";
  } catch {
    return "failed";
  }
}

/** GET, or POST where there is a body, with further headers. @returns {Promise<{status: number, body: object|null}>} status 0: no answer */
export async function ask(url, body, headers = {}) {
  const sent = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) };
  try {
    const answer = await fetch(url, { ...sent, cache: "no-store", signal: AbortSignal.timeout(10_000) });
    return { status: answer.status, body: answer.ok ? await answer.json() : null };
  } catch {
    return { status: 0, body: null };
  }
}

/** Minutes and seconds of a duration, "4:05". */
export function minutes(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
