/** One event stream that notices its own death and is made anew; browsers give up after a single 503. */

import { leaveIfRefused } from "./paired.js";

const STALE_MS = 23_500; // two lost beats of 10 s; with a second for the watch and the fade, neutral within 25 s
const CONNECT_MS = 3_000; // a first message is there in milliseconds; a dead network never says so itself
const WATCH_MS = 500;
const ASLEEP_MS = 5_000; // timers of a page that is seen run twice a second; a longer gap is sleep
const LATE_MS = 5_000; // what was held up so long on its way may be about somebody who has gone
const FIRST_MS = 1_000;
const LONGEST_MS = 4_000; // so that a page is live within 5 s of the gateway's return

/** Jittered, doubling pause before attempt `n` (0 is the first), 1-4 s. */
export function pause(n, random = Math.random()) {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(n, 10));
  return Math.max(FIRST_MS, full * (0.5 + random / 2));
}

export class Live {
  #source = null;
  #heard = 0;
  #said = false;
  #attempt = 0;
  #timer = 0;
  #watched = performance.now();
  #sent = null; // when the newest message was sent, by the gateway's clock, and heard
  #speed = 1; // of the gateway's clock; a simulated shop's runs faster

  /**
   * @param {string} url
   * @param {{event: (name: string, data: object) => void, lost: () => void}} on `lost` is called whenever what
   *   the page shows can no longer be trusted: connection gone, silent, late, page hidden or woken
   */
  constructor(url, on) {
    this.url = url;
    this.on = on;
    this.seq = 0;
    setInterval(() => this.#watch(), WATCH_MS);
    document.addEventListener("visibilitychange", () => this.#seen());
    addEventListener("online", () => document.visibilityState === "visible" && this.#open());
    this.#open();
  }

  /** Whether the gateway was heard on this connection. */
  get connected() {
    return this.#said && this.#source !== null;
  }

  #open() {
    this.#close();
    this.#heard = performance.now();
    this.#said = false;
    this.#sent = null;
    const source = new EventSource(this.url);
    for (const name of ["snapshot", "update", "card_closed", "beat", "name"]) {
      source.addEventListener(name, (event) => source === this.#source && this.#hear(name, event));
    }
    source.addEventListener("error", () => source === this.#source && this.#again(pause(this.#attempt++)));
    this.#source = source;
  }

  #hear(name, event) {
    if (this.#slept()) return;
    const data = JSON.parse(event.data);
    if (this.#late(data)) {
      this.#again(0);
      return;
    }
    this.#heard = performance.now();
    this.#said = true;
    this.#attempt = 0;
    this.seq = Number(event.lastEventId) || 0;
    if (name === "snapshot" && this.#outdated(data)) return;
    this.on.event(name, data);
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #again(wait) {
    this.#close();
    this.on.lost();
    leaveIfRefused();
    this.#timer = setTimeout(() => this.#open(), wait);
  }

  #watch() {
    if (this.#slept() || !this.#source) return;
    if (performance.now() - this.#heard > (this.#said ? STALE_MS : CONNECT_MS)) this.#again(FIRST_MS);
  }

  /** Whether this page was stopped: then whatever waits in its socket is old, and the socket may be dead. */
  #slept() {
    const gap = performance.now() - this.#watched;
    this.#watched = performance.now();
    if (gap <= ASLEEP_MS || !this.#source) return false;
    this.#again(0);
    return true;
  }

  /** Whether a message was long on its way, by the messages before it. */
  #late(data) {
    this.#speed = data.shop?.speed ?? this.#speed;
    const now = performance.now();
    const behind = this.#sent === null ? 0 : this.#sent.now + (now - this.#sent.at) * this.#speed - data.now_ms;
    if (behind > LATE_MS * this.#speed) return true;
    if (behind <= 0) this.#sent = { now: data.now_ms, at: now };
    return false;
  }

  #seen() {
    this.on.lost();
    this.#watched = performance.now();
    if (document.visibilityState === "visible") this.#open();
    else this.#close();
  }

  /** After an update of the gateway the page loads itself anew. */
  #outdated(data) {
    const build = document.documentElement.dataset.build;
    if (!data.build || data.build === build) return false;
    location.reload();
    return true;
  }
}
