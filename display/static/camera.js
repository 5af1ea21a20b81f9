/** A coupon before the tablet's camera, where the browser can read codes itself (BarcodeDetector, a secure origin). */

import { el, say } from "./dom.js";
import { said } from "./tillwords.js";

const LOOK_MS = 200; // between two pictures; a hand holds still for longer

export class Camera {
  #stream = null;

  /** @param {(text: string) => void} found @param {() => void} refused the camera could not be opened */
  constructor(found, refused) {
    this.found = found;
    this.refused = refused;
    this.title = el("h2");
    this.video = el("video", { playsinline: "", muted: "" });
    this.leave = el("button.button", { type: "button" });
    this.leave.addEventListener("click", () => this.close());
    this.node = el("dialog.beside.camera", {}, this.title, this.video, this.leave);
    this.node.addEventListener("close", () => this.#stop());
  }

  static possible() {
    return "BarcodeDetector" in window && navigator.mediaDevices !== undefined;
  }

  speak(language) {
    say(this.title, said(language, "cameraTitle"));
    say(this.leave, said(language, "close"));
    this.node.setAttribute("aria-label", said(language, "cameraTitle"));
  }

  async open() {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch {
      this.refused();
      return;
    }
    this.#stream = stream;
    this.node.showModal();
    this.video.srcObject = stream;
    this.video.muted = true;
    this.video.play().catch(() => {}); // it waits for the first picture, and so does what follows
    const detector = new window.BarcodeDetector({ formats: ["qr_code"] });
    while (this.#stream === stream) {
      const [code] = await detector.detect(this.video).catch(() => []); // no picture yet
      if (code && this.#stream === stream) {
        this.close();
        this.found(code.rawValue);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  close() {
    if (this.node.open) this.node.close();
  }

  #stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.video.srcObject = null;
  }
}
