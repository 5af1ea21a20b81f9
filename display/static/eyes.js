/** The camera of a customer's own phone, looking for bar codes while it is open; where the browser can. */

import { el } from "./dom.js";

const LOOKING_MS = 250; // between two looks
const PAUSE_MS = 1500; // before the same code is taken once more
const FORMATS = ["ean_13", "ean_8", "upc_a", "code_128", "qr_code", "data_matrix"];

export class Eyes {
  #stream = null;
  #opening = 0; // rises with each press, so that a camera that opens late is not left open

  /** @param {(code: string) => void} seen @param {() => void} failed */
  constructor(seen, failed) {
    this.seen = seen;
    this.failed = failed;
    this.open = false;
  }

  static possible() {
    return "BarcodeDetector" in window && Boolean(navigator.mediaDevices);
  }

  /** Open it, with its picture behind `node`, or close it. */
  toggle(node) {
    if (this.open) this.close();
    else this.#look(node);
  }

  close() {
    this.open = false;
    this.#opening += 1;
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
    this.video?.remove();
  }

  async #look(node) {
    this.open = true;
    const mine = (this.#opening += 1);
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } }).catch(() => null);
    if (mine !== this.#opening || stream === null) {
      stream?.getTracks().forEach((track) => track.stop());
      if (mine === this.#opening) {
        this.close();
        this.failed();
      }
      return;
    }
    this.#stream = stream;
    this.video = el("video", { playsinline: "", muted: "" });
    this.video.srcObject = stream;
    node.after(this.video);
    await this.video.play();
    const detector = new BarcodeDetector({ formats: FORMATS });
    let last = "", lastMs = 0;
    while (this.#stream === stream) {
      const [found] = await detector.detect(this.video).catch(() => []);
      const now = performance.now();
      if (found && (found.rawValue !== last || now - lastMs > PAUSE_MS)) {
        [last, lastMs] = [found.rawValue, now];
        this.seen(found.rawValue);
        navigator.vibrate?.(40);
      }
      await new Promise((done) => setTimeout(done, LOOKING_MS));
    }
  }
}
