/** Whether this device is still let in: asked when a page's stream broke. */

import { ask } from "./dom.js";

/** After a revocation the gateway has another page for this address: one that says so, with a new code. */
export async function leaveIfRefused() {
  const { body } = await ask(`/api/v1/pairing/may?page=${encodeURIComponent(location.pathname + location.search)}`);
  if (body?.may === false) location.reload();
}
