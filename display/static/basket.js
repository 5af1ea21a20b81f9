/** A basket on the phone: what the gateway priced, and on top what it has not heard yet. No page and no network in it.
 *
 * The gateway reads every code and prices everything once more (gateway.core.gs1, gateway.core.basket); this is what
 * can be said without it.
 */

const GTIN = 14;
const MAX_GRAMS = 999_999, MAX_CENTS = 10_000_000; // of a code (core.gs1)
const MAX_LABEL = 99_999; // grams or cents of one piece (core.basket)

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
  if (link) return measured(number(link[1], embedded), query(bare));
  const bracketed = /^\(01\)(\d{14})((?:\(\d{2,4}\)[^()]+)*)$/.exec(bare);
  if (!bracketed) return { bad: "form" };
  return measured(number(bracketed[1], embedded), [...bracketed[2].matchAll(/\((\d+)\)([^()]+)/g)].map(([, ai, value]) => [ai, value]));
}

/** The pairs of a link's query; none of what is no link after all. */
function query(link) {
  try {
    return [...new URL(link).searchParams];
  } catch {
    return [];
  }
}

/** With the weight (310n) and price (392n; 393n behind a currency) of its label, if that says them. */
function measured(item, elements) {
  if (item.bad) return item;
  for (const [ai, value] of elements) {
    const kind = /^(310|392|393)(\d)$/.exec(ai);
    if (!kind) continue;
    const amount = kind[1] === "393" ? value.slice(3) : value;
    if (!/^\d{1,15}$/.test(amount) || kind[2] > "6") return { bad: "form" };
    const whole = 10n ** BigInt(kind[2]), times = kind[1] === "310" ? 1000n : 100n;
    const exact = Number((2n * BigInt(amount) * times + whole) / (2n * whole)); // a half counts as one
    if (kind[1] === "310") item.grams = exact;
    else item.cents = exact;
  }
  return item.grams > MAX_GRAMS || item.cents > MAX_CENTS ? { bad: "form" } : item;
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

/** What one piece costs: by the list, by weight or label only where that says so; or why not (core.basket.each_cents). */
function eachCents(item, article) {
  if (article.unit === "piece") return item.cents && !article.cents ? { bad: "unknown" } : article.cents;
  if (article.unit === "label") {
    const said = item.cents ?? 0;
    return said >= Math.max(1, article.cents) && said <= MAX_LABEL ? said : { bad: "label" };
  }
  const grams = item.grams ?? 0, cents = Math.floor((article.cents * grams + 500) / 1000);
  return grams > 0 && grams <= MAX_LABEL && (cents || !article.cents) ? cents : { bad: "label" };
}

/** What `read` found, with what counts of it by the list; {bad: "unknown" | "label"} where it has no price. */
export function settled(item, list) {
  const article = list.get(item.gtin);
  const each = article ? eachCents(item, article) : { bad: "unknown" };
  if (each.bad) return each;
  return { gtin: item.gtin, cents: article.unit === "label" ? item.cents : null, grams: article.unit === "kg" ? item.grams : null };
}

const order = (a, b) => (a.gtin < b.gtin ? -1 : a.gtin > b.gtin ? 1 : (a.grams ?? 0) - (b.grams ?? 0) || a.each_cents - b.each_cents);

/** What is in the basket: the gateway's lines with what waits added; a benefit counts once. @returns {{lines: object[], sum: number, items: number, saved: number}} */
export function price(state, waiting, list) {
  const lines = new Map(state.lines.map((line) => [line.code, { ...line, waits: false }]));
  for (const scan of waiting) {
    const key = codeOf(scan), article = list.get(scan.gtin);
    const known = lines.get(key);
    if (!known && (!article || settled(scan, list).bad)) continue;
    const line = known ?? { code: key, gtin: scan.gtin, title: article.title, count: 0, each_cents: eachCents(scan, article), grams: scan.grams, benefit_cents: 0, offer_id: "" };
    line.count += scan.count;
    line.waits = true;
    lines.set(key, line);
  }
  const kept = [...lines.values()].filter((line) => line.count > 0).sort(order);
  const left = new Map(state.benefits.map((one) => [one.gtin, one]));
  for (const line of kept) {
    const its = left.get(line.gtin);
    left.delete(line.gtin);
    line.benefit_cents = its ? Math.min(its.cents, line.each_cents) : 0;
    line.offer_id = its?.offer_id ?? "";
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
