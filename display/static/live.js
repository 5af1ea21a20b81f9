/** One event stream that notices its own death and is made anew; browsers give up after a single 503. */

const STALE_MS = 25_000; // two lost beats of 10 s, and some
const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;

/** Jittered, doubling pause before attempt `n` (0 is the first), 1-30 s. */
export function pause(n, random = Math.random()) {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(n, 10));
  return Math.max(FIRST_MS, full * (0.5 + random / 2));
}

export class Live {
  #source = null;
  #heard = 0;
  #attempt = 0;
  #timer = 0;

  /**
   * @param {string} url
   * @param {{event: (name: string, data: object) => void, lost: () => void}} on `lost` is called whenever what
   *   the page shows can no longer be trusted: connection gone, silent for 25 s, page hidden or woken
   */
  constructor(url, on) {
    this.url = url;
    this.on = on;
    setInterval(() => this.#watch(), 1000);
    document.addEventListener("visibilitychange", () => this.#seen());
    addEventListener("online", () => this.#open());
    this.#open();
  }

  #open() {
    this.#close();
    this.#heard = performance.now();
    const source = new EventSource(this.url);
    for (const name of ["snapshot", "update", "card_closed", "beat", "name"]) {
      source.addEventListener(name, (event) => {
        if (source !== this.#source) return;
        this.#heard = performance.now();
        this.#attempt = 0;
        const data = JSON.parse(event.data);
        if (name === "snapshot" && this.#outdated(data)) return;
        this.on.event(name, data);
      });
    }
    source.addEventListener("error", () => source === this.#source && this.#again());
    this.#source = source;
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #again() {
    this.#close();
    this.on.lost();
    this.#timer = setTimeout(() => this.#open(), pause(this.#attempt++));
  }

  #watch() {
    if (this.#source && performance.now() - this.#heard > STALE_MS) this.#again();
  }

  #seen() {
    this.on.lost();
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
