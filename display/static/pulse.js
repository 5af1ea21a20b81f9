/** The heartbeat: proves to the gateway that this page draws frames, not only that it runs. */

const PULSE_MS = 15_000;
const FRAME_MS = 1_000; // one frame a second is asked for and counted: proof enough, and no work for a small board

/** 16 hex digits that name this page until it is loaded anew. */
export const PAGE = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export class Pulse {
  #frames = 0;

  /** @param {string} screen @param {() => {seq: number, skipped: number, waiting: number}} state */
  constructor(screen, state) {
    this.url = `/api/v1/screens/${encodeURIComponent(screen)}/heartbeat`;
    this.state = state;
    setInterval(() => requestAnimationFrame(() => (this.#frames += 1)), FRAME_MS);
    setInterval(() => this.#tell(document.visibilityState === "hidden"), PULSE_MS);
    document.addEventListener("visibilitychange", () => this.#tell(document.visibilityState === "hidden"));
    addEventListener("pagehide", () => this.#tell(true));
    requestAnimationFrame(() => requestAnimationFrame(() => {
      this.#frames += 1;
      this.#tell(false);
    }));
  }

  #tell(away) {
    const body = {
      page: PAGE,
      frames: this.#frames,
      away,
      build: document.documentElement.dataset.build ?? "",
      heap: performance.memory?.usedJSHeapSize ?? null,
      ...this.state(),
    };
    fetch(this.url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      keepalive: true,
      signal: AbortSignal.timeout(10_000),
    }).catch(() => undefined); // silence is what the gateway notices
  }
}
