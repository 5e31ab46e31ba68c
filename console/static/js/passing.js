// 通过 cannot be undone afterwards, so it waits a moment in which it can be: Esc, or what locks it meanwhile.
import { closeDialog } from "./dialog.js";
import { toast } from "./toast.js";

export const WAIT_S = 3;

export class Passing {
  constructor(dialog) {
    this.dialog = dialog;
    this.timers = [];
    dialog.addEventListener("dialog-opened", () => this.#begin());
    dialog.addEventListener("close", () => this.#stop());
  }

  /** The button is locked now: whoever is about to pass the case has to look again. */
  locked() {
    if (!this.dialog.open) return;
    closeDialog(this.dialog);
    toast("还有要核对的项目，没有通过。", "wait");
  }

  #begin() {
    this.#stop();
    const left = this.dialog.querySelector("[data-left]");
    for (let s = 0; s < WAIT_S; s += 1) this.timers.push(setTimeout(() => (left.textContent = WAIT_S - s), 1000 * s));
    this.timers.push(setTimeout(() => this.dialog.querySelector("form").requestSubmit(), 1000 * WAIT_S));
  }

  #stop() {
    for (const timer of this.timers) clearTimeout(timer);
    this.timers = [];
  }
}
