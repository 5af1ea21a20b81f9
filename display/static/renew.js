/** Loads the page anew once a day, at night where the shop's time is known, and only from a gateway that answers. */

const DAY_MS = 86_400_000;
const NIGHT_AGE_MS = 43_200_000; // half a day old: not again in the same night
const NIGHT = [180, 300]; // minutes of the day, local; no shop of ours is open then

/** Whether a page that is `age` ms old is to be loaded anew. `minute`: of the shop's day, null = not known. */
export function due(age, minute) {
  return age >= DAY_MS || (age >= NIGHT_AGE_MS && minute !== null && minute >= NIGHT[0] && minute < NIGHT[1]);
}

/** Load anew if it is time. The browser keeps the old frame on the glass until the new page's first one. */
export async function renew(clock) {
  if (!due(performance.now(), clock.minute())) return;
  try {
    const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(5_000) });
    if (answer.ok) location.reload();
  } catch {
    // nobody answers: this page stays, and tries again with the next picture
  }
}
