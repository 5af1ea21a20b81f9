/** The gateway's time on a page. The device's own clock is never asked: it may be an hour off. */

const JUMP_MS = 300_000; // more than this between two messages is a clock that was set, here or there
const AGREE = 3; // messages after a jump that fit each other, before time-bound content is trusted to it again
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

export class ServerClock {
  #base = null;
  #speed = 1;
  #offset = null; // of the shop's local time, null where the gateway does not tell it
  #agreed = AGREE;

  /** A message of the gateway's: its `now_ms`, and in a snapshot or update what it says of the shop. */
  hear(data) {
    this.#speed = data.shop?.speed ?? this.#speed;
    this.#offset = data.shop?.utc_offset_ms ?? this.#offset;
    const expected = this.now();
    if (expected !== null && Math.abs(data.now_ms - expected) > JUMP_MS * Math.max(1, this.#speed)) this.#agreed = 0;
    else if (this.#agreed < AGREE) this.#agreed += 1;
    this.#base = { now: data.now_ms, at: performance.now() };
  }

  /** Milliseconds since 1970 by the gateway's clock; null before its first message. */
  now() {
    return this.#base && Math.round(this.#base.now + (performance.now() - this.#base.at) * this.#speed);
  }

  /** Whether `item` may be shown now. One that is bound to a time waits while the time is not certain. */
  allows(item) {
    const days = item.days ?? [];
    const [from, until] = [item.from_minute ?? null, item.until_minute ?? null];
    const hours = days.length > 0 || from !== null || until !== null;
    if (!hours && (item.from_ms ?? null) === null && (item.until_ms ?? null) === null) return true;
    const now = this.now();
    if (now === null || this.#agreed < AGREE) return false;
    if (now < (item.from_ms ?? -Infinity) || now >= (item.until_ms ?? Infinity)) return false;
    return !hours || (this.#offset !== null && inHours(now + this.#offset, days, from ?? 0, until ?? DAY_MS / MINUTE_MS));
  }

  /** Minutes since midnight in the shop; null where it is not known. */
  minute() {
    const now = this.now();
    return now === null || this.#offset === null ? null : Math.floor((((now + this.#offset) % DAY_MS) + DAY_MS) % DAY_MS / MINUTE_MS);
  }
}

/** Whether a local time lies on one of `days` (0 = Monday, none = every day) between two minutes; hours over midnight
 * belong to the day on which they begin. */
export function inHours(local, days, from, until) {
  const day = Math.floor(local / DAY_MS);
  const minute = Math.floor((local - day * DAY_MS) / MINUTE_MS);
  const over = from > until;
  if (over ? minute < from && minute >= until : minute < from || minute >= until) return false;
  const begun = over && minute < until ? day - 1 : day;
  return days.length === 0 || days.includes((((begun + 3) % 7) + 7) % 7); // 1970-01-01 was a Thursday
}
