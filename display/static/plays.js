/** Proofs of play: kept on this device first, sent later, each once by its id. Nothing here asks whether it is online. */

import { PAGE } from "./pulse.js";

const RING = 5_000; // 16 hours of a loop; the oldest go first
const PIECE = 50; // proofs of one request, as the gateway takes them
const PIECE_BYTES = 15_000; // of at most 16 KiB
const SEND_MS = 20_000;
const FIRST_MS = 2_000;
const LONGEST_MS = 60_000;
const WHOLE = 0.95; // of its time; a timer may be late, and the next picture takes a moment
const TITLE = 120;
const LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const encoder = new TextEncoder();

/** An id that sorts by time (ULID): 48 bits of milliseconds, 80 random ones. */
export function ulid(ms, random = crypto.getRandomValues(new Uint8Array(16))) {
  let time = "";
  for (let n = 0, left = ms; n < 10; n += 1, left = Math.floor(left / 32)) time = LETTERS[left % 32] + time;
  return time + [...random].map((byte) => LETTERS[byte % 32]).join("");
}

/** A list from the storage; [] for anything else that may stand there. */
function parsed(text) {
  try {
    const list = JSON.parse(text);
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}

export class Plays {
  #pieces = new Map(); // key in the storage -> proofs; the order is that of sending
  #open = null; // the piece that still grows
  #number = 0;
  #now = null; // what is on the glass
  #sending = false;
  #failed = 0;
  #timer = 0;

  /** @param {string} screen @param {import("./clockface.js").ServerClock} clock */
  constructor(screen, clock) {
    this.url = `/api/v1/screens/${encodeURIComponent(screen)}/plays`;
    this.prefix = `plays/${screen}/`;
    this.clock = clock;
    this.dropped = 0;
    this.#load();
    document.addEventListener("visibilitychange", () => this.#seen());
    addEventListener("pagehide", () => this.end());
    this.#later(SEND_MS);
  }

  /** How many are kept. */
  get waiting() {
    return [...this.#pieces.values()].reduce((sum, list) => sum + list.length, 0);
  }

  /** An item has been drawn and is seen from now on. `ms`: how long it is meant to stand. */
  begin(item, decision, ms) {
    this.end();
    const started = this.clock.now();
    if (started === null) return; // before the first word of a gateway no time is known
    const seen = document.visibilityState === "visible" ? performance.now() : null;
    this.#now = { item, decision, ms, started, seen, sum: 0 };
  }

  /** It is covered or replaced. */
  end() {
    const now = this.#now;
    if (now === null) return;
    this.#now = null;
    const visible = Math.round(now.sum + (now.seen === null ? 0 : performance.now() - now.seen));
    if (visible === 0) return;
    this.#keep({
      play_id: ulid(now.started),
      content: now.item.content,
      title: now.decision ? "" : [...(now.item.title.de ?? now.item.title.en ?? "")].slice(0, TITLE).join(""),
      decision_id: now.decision,
      slot: "main",
      started_ms: now.started,
      visible_ms: visible,
      completed: visible >= now.ms * WHOLE,
    });
  }

  /** Send what is kept, oldest first; called when the gateway is there, and by a timer. */
  async send() {
    if (this.#sending) return;
    this.#sending = true;
    let wait = SEND_MS;
    while (this.#pieces.size > 0) {
      const [key, list] = this.#pieces.entries().next().value;
      if (this.#open === key) this.#open = null;
      const status = await this.#post(list);
      if (status === 200) {
        this.#forget(key);
        this.#failed = 0;
      } else if (status === 422 || status === 413) {
        this.#split(key, list);
      } else {
        wait = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(this.#failed++, 10)) * (0.5 + Math.random() / 2);
        break;
      }
    }
    this.#sending = false;
    this.#later(wait);
  }

  #later(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.send(), ms);
  }

  async #post(list) {
    try {
      const answer = await fetch(this.url, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ plays: list }),
        signal: AbortSignal.timeout(10_000),
      });
      return answer.status;
    } catch {
      return 0;
    }
  }

  #seen() {
    const now = this.#now;
    if (now === null) return;
    if (document.visibilityState === "visible") now.seen ??= performance.now();
    else if (now.seen !== null) {
      now.sum += performance.now() - now.seen;
      now.seen = null;
    }
  }

  #keep(play) {
    let list = this.#open === null ? null : this.#pieces.get(this.#open);
    if (!list || list.length >= PIECE || encoder.encode(JSON.stringify([...list, play])).length > PIECE_BYTES) {
      this.#open = this.#key();
      this.#pieces.set(this.#open, (list = []));
    }
    list.push(play);
    this.#store(this.#open, list);
    while (this.waiting > RING) {
      const [key, oldest] = this.#pieces.entries().next().value;
      this.dropped += oldest.length;
      this.#forget(key);
    }
  }

  /** What the gateway refuses as it is: halves of it may be right; a single one is let go. */
  #split(key, list) {
    this.#forget(key);
    if (list.length === 1) {
      this.dropped += 1;
      return;
    }
    const middle = Math.ceil(list.length / 2);
    const others = [...this.#pieces];
    this.#pieces = new Map([[this.#key(), list.slice(0, middle)], [this.#key(), list.slice(middle)], ...others]);
    for (const [name, part] of [...this.#pieces].slice(0, 2)) this.#store(name, part);
  }

  #key() {
    this.#number += 1;
    return `${this.prefix}${PAGE}/${String(this.#number).padStart(6, "0")}`;
  }

  #forget(key) {
    this.#pieces.delete(key);
    try {
      localStorage.removeItem(key);
    } catch {
      // a browser without a storage: it is in memory alone
    }
  }

  #store(key, list) {
    try {
      localStorage.setItem(key, JSON.stringify(list));
    } catch {
      // full or forbidden: it is kept in memory, as long as the page lives
    }
  }

  /** What pages before this one have left. */
  #load() {
    let keys = [];
    try {
      keys = Object.keys(localStorage).filter((key) => key.startsWith(this.prefix)).sort();
    } catch {
      return; // a browser without a storage
    }
    for (const key of keys) {
      const list = parsed(localStorage.getItem(key));
      if (list.length > 0) this.#pieces.set(key, list.slice(0, PIECE));
      else localStorage.removeItem(key);
    }
  }
}
