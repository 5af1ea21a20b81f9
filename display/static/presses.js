/** Presses of a till's page that must count once: each has a key that outlives a reload, and is asked until answered. */

const PAUSES_MS = [500, 1000, 2000, 4000, 8000];
const PATIENCE_MS = 5000; // for one answer
const KEPT_MS = 3 * 86_400_000; // the gateway remembers a key for four days; later it would book anew
const MOST = 100; // far more than a sale has; a page that can't reach its gateway stops taking presses there

/** 128 random bits; crypto.randomUUID needs a secure context, which a tablet on plain HTTP has not. */
export function freshKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Presses {
  #waiting = new Map();

  /**
   * @param {string} till
   * @param {{answered: (press: object, status: number, body: object|null) => void, waits: (open: number) => void}} on
   */
  constructor(till, on) {
    this.till = till;
    this.on = on;
    this.place = `till:${till}:presses`;
    for (const press of this.#stored()) this.#begin(press);
  }

  /** Whether a press of this name waits for its answer. */
  has(name) {
    return this.#waiting.has(name);
  }

  /** Whether a press waits whose name is of a kind. */
  some(ofKind) {
    return [...this.#waiting.keys()].some(ofKind);
  }

  /** How many wait. */
  get open() {
    return this.#waiting.size;
  }

  /** Press once: a second press of the same name before the answer changes nothing. */
  press(name, path, body, to = "redemptions") {
    if (this.#waiting.has(name) || this.#waiting.size >= MOST) return;
    this.#begin({ name, to, path, body, key: freshKey(), at: Date.now() });
  }

  #begin(press) {
    this.#waiting.set(press.name, press);
    this.#keep(); // before it is sent: what may have arrived is known after a reload
    this.#ask(press);
  }

  async #ask(press) {
    for (let n = 0; ; n += 1) {
      const answer = await this.#send(press);
      if (answer !== null) {
        this.#waiting.delete(press.name);
        this.#keep();
        this.on.waits(this.#late());
        this.on.answered(press, answer.status, answer.body);
        return;
      }
      press.late = true;
      this.on.waits(this.#late());
      await new Promise((resolve) => setTimeout(resolve, PAUSES_MS[Math.min(n, PAUSES_MS.length - 1)]));
    }
  }

  /** @returns {Promise<{status: number, body: object|null}|null>} null where nobody knows whether it was booked */
  async #send(press) {
    try {
      const answer = await fetch(`/api/v1/tills/${encodeURIComponent(this.till)}/${press.to ?? "redemptions"}${press.path}`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "Idempotency-Key": press.key },
        body: JSON.stringify(press.body),
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      if (answer.status >= 500 || answer.status === 408) return null;
      return { status: answer.status, body: answer.ok ? await answer.json() : null };
    } catch {
      return null;
    }
  }

  #late() {
    return [...this.#waiting.values()].filter((press) => press.late).length;
  }

  #keep() {
    const presses = [...this.#waiting.values()].map(({ late, ...press }) => press);
    localStorage.setItem(this.place, JSON.stringify(presses));
  }

  #stored() {
    try {
      const presses = JSON.parse(localStorage.getItem(this.place) ?? "[]");
      return presses.filter((press) => Date.now() - press.at < KEPT_MS).slice(0, MOST);
    } catch {
      return []; // nothing of ours
    }
  }
}
