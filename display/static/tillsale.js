/** Which of the reservations at a till are of the sale at hand: only they are added up and booked by one press. */

const MOST = 100; // ids that are kept; a till holds far fewer at once

export class SaleLines {
  #ended; // reserved in a sale that somebody ended with the button
  #taken; // those of an earlier sale, or of nobody known, that somebody put to the one at hand

  constructor(till) {
    this.place = `till:${till}:sale`;
    const kept = JSON.parse(sessionStorage.getItem(this.place) ?? "{}");
    this.#ended = new Set(kept.ended);
    this.#taken = new Set(kept.taken);
  }

  /** Those of this sale, and those of an earlier one. */
  split(lines) {
    const here = lines.filter((line) => this.#here(line));
    return [here, lines.filter((line) => !here.includes(line))];
  }

  /** Whether it may be put to the sale at hand: never another member's. */
  mayTake(line) {
    return line.sale !== "other";
  }

  take(id) {
    this.#taken.add(id);
    this.#ended.delete(id);
    this.#keep();
  }

  /** This sale is over; what is still reserved of it waits as an earlier one's. */
  end(lines) {
    for (const line of lines) this.#ended.add(line.redemption_id);
    this.#taken.clear();
    this.#keep();
  }

  /** Somebody else buys: what was put to the sale before is not theirs. */
  next() {
    this.#taken.clear();
    this.#keep();
  }

  #here(line) {
    if (line.sale === "other") return false;
    return this.#taken.has(line.redemption_id) || (line.sale === "this" && !this.#ended.has(line.redemption_id));
  }

  #keep() {
    const newest = (ids) => [...ids].slice(-MOST);
    sessionStorage.setItem(this.place, JSON.stringify({ ended: newest(this.#ended), taken: newest(this.#taken) }));
  }
}

/** What came of the presses for the newest receipt: one press books several, and no yes may hide a no. */
export class Booked {
  #receipt = null;
  #refused = false;
  cents = 0;

  begin(receipt) {
    this.#receipt = receipt;
    this.#refused = false;
    this.cents = 0;
  }

  refuse(receipt) {
    if (receipt !== this.#receipt) this.begin(receipt);
    this.#refused = true;
  }

  /** So much more is redeemed; whether all of it was, as far as is known. */
  add(receipt, cents) {
    if (receipt !== this.#receipt) this.begin(receipt);
    this.cents += cents;
    return !this.#refused;
  }
}
