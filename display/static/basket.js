/** A basket on the phone: what the gateway priced, and on top what it has not heard yet. No page and no network in it.
 *
 * The gateway reads every code and prices everything once more (gateway.core.gs1, gateway.core.basket); this is what
 * can be said without it.
 */

const GTIN = 14;

const rightDigit = (digits) => {
  const sum = [...digits].reverse().reduce((all, digit, place) => all + Number(digit) * (place % 2 ? 3 : 1), 0);
  return sum % 10 === 0;
};

/** What a code says, or {bad: "form" | "check"}. @returns {{gtin?: string, cents?: number|null, grams?: number|null, bad?: string}} */
export function read(text, embedded) {
  const bare = text.trim().replace(/^\][A-Za-z][0-9]/, "");
  const digits = bare.replace(/[ -]/g, "");
  if (/^(\d{8}|\d{12,14})$/.test(digits)) return number(digits, embedded);
  const link = /^https?:\/\/[^?#]*\/01\/(\d{8}|\d{12,14})(?:[/?#]|$)/i.exec(bare);
  if (link) return measured(number(link[1], embedded), [...new URL(bare).searchParams]);
  const bracketed = /^\(01\)(\d{14})((?:\(\d{2,4}\)[^()]+)*)$/.exec(bare);
  if (!bracketed) return { bad: "form" };
  return measured(number(bracketed[1], embedded), [...bracketed[2].matchAll(/\((\d+)\)([^()]+)/g)].map(([, ai, value]) => [ai, value]));
}

/** With the weight (310n) and price (392n; 393n behind a currency) of its label, if that says them. */
function measured(item, elements) {
  if (item.bad) return item;
  for (const [ai, value] of elements) {
    const kind = /^(310|392|393)([0-6])$/.exec(ai);
    if (!kind) continue;
    const amount = kind[1] === "393" ? value.slice(3) : value;
    if (!/^\d{1,15}$/.test(amount)) return { bad: "form" };
    const exact = Number(amount) / 10 ** Number(kind[2]);
    if (kind[1] === "310") item.grams = Math.round(exact * 1000);
    else item.cents = Math.round(exact * 100);
  }
  return item;
}

function number(digits, embedded) {
  if (!rightDigit(digits) || !/[1-9]/.test(digits)) return { bad: "check" };
  const gtin = digits.padStart(GTIN, "0");
  const policy = gtin[0] === "0" && digits.length > 8 ? embedded.find((one) => one.prefix === gtin.slice(1, 3)) : undefined;
  if (!policy) return { gtin, cents: null, grams: null };
  const value = Number(gtin.slice(8, 13)), stem = `${gtin.slice(0, 8)}00000`;
  const last = [..."0123456789"].find((digit) => rightDigit(stem + digit));
  const price = policy.holds === "price";
  return { gtin: stem + last, cents: price ? value : null, grams: price ? null : value };
}

/** The price list: gtin -> {cents, unit, title}. */
export const priceList = (body) => new Map(body.articles.map(([gtin, cents, unit, title]) => [gtin, { cents, unit, title }]));

const eachCents = (item, article) =>
  item.cents ?? (item.grams !== null && article.unit === "kg" ? Math.floor((article.cents * item.grams + 500) / 1000) : article.cents);

/** What is in the basket: the gateway's lines with what waits added. @returns {{lines: object[], sum: number, items: number, saved: number}} */
export function price(state, waiting, list) {
  const lines = new Map(state.lines.map((line) => [line.code, { ...line, waits: false }]));
  for (const scan of waiting) {
    const key = codeOf(scan), article = list.get(scan.gtin);
    const known = lines.get(key);
    if (!known && !article) continue;
    const line = known ?? { code: key, gtin: scan.gtin, title: article.title, count: 0, each_cents: eachCents(scan, article), grams: scan.grams, benefit_cents: 0, offer_id: "" };
    line.count += scan.count;
    line.waits = true;
    lines.set(key, line);
  }
  const kept = [...lines.values()].filter((line) => line.count > 0);
  for (const benefit of state.benefits) {
    const its = kept.filter((line) => line.gtin === benefit.gtin);
    if (!its.length || its.some((line) => line.benefit_cents)) continue;
    its[0].benefit_cents = Math.min(benefit.cents, its[0].each_cents);
    its[0].offer_id = benefit.offer_id;
  }
  const saved = kept.reduce((all, line) => all + line.benefit_cents, 0);
  const sum = kept.reduce((all, line) => all + line.each_cents * line.count, 0) - saved;
  return { lines: kept, sum, items: kept.reduce((all, line) => all + line.count, 0), saved };
}

/** The code that says the same as a scan, as the gateway writes it (core.basket.code_of). */
export function codeOf(item) {
  const weight = item.grams === null ? "" : `(3103)${String(item.grams).padStart(6, "0")}`;
  const cents = item.cents === null ? "" : `(3922)${item.cents}`;
  return weight || cents ? `(01)${item.gtin}${weight}${cents}` : item.gtin;
}
