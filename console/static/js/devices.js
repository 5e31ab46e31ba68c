// 设备: choose another camera, microphone or speaker in the middle of a call. The dialog is in templates/_macros/call.html.
import { CHOOSES_SPEAKER } from "./call.js";
import { playTone } from "./device-check.js";
import { openDialog } from "./dialog.js";
import { ready } from "./ready.js";

const NAMES = ["camera", "microphone", "speaker"];
const NONE = { camera: "没有找到摄像头", microphone: "没有找到麦克风", speaker: "由系统决定" };
const GONE = { camera: "摄像头断开了。请选另一个，或重新接好后再选。", microphone: "麦克风断开了。请选另一个，或重新接好后再选。" };

export class Devices {
  /** `call()`: the Call that is going on, or null. */
  constructor(dialog, call) {
    this.dialog = dialog;
    this.call = call;
    dialog.addEventListener("dialog-opened", () => this.#fill());
    for (const name of NAMES) this.#field(name).addEventListener("change", () => this.#choose(name));
    dialog.querySelector("[data-device-tone]").addEventListener("click", (event) => this.#sound(event.currentTarget));
    ready("devices");
    navigator.mediaDevices?.addEventListener("devicechange", () => this.#changed());
  }

  /** A device went away: say so and offer the others. */
  offer(name) {
    openDialog(this.dialog);
    this.#say(name, GONE[name]);
  }

  #field = (name) => this.dialog.querySelector(`[data-device="${name}"]`);

  #say(name, text) {
    const place = this.dialog.querySelector(`[data-device-said="${name}"]`);
    place.textContent = text;
    place.hidden = !text;
    this.#field(name).setAttribute("aria-invalid", String(Boolean(text)));
  }

  async #changed() {
    await this.call()?.keepHearing();
    if (this.dialog.open) await this.#fill();
  }

  /** Heard where the call is heard. */
  async #sound(button) {
    button.setAttribute("aria-busy", "true");
    this.#say("speaker", "");
    try {
      await playTone(CHOOSES_SPEAKER ? this.#field("speaker").value : "");
    } catch {
      this.#say("speaker", "没有放出声音。请换一个扬声器，或检查音量。");
    }
    button.removeAttribute("aria-busy");
  }

  async #fill() {
    this.#field("speaker").disabled = !CHOOSES_SPEAKER;
    for (const name of NAMES) {
      const choice = name !== "speaker" || CHOOSES_SPEAKER;
      const found = (choice && (await this.call()?.devices(name))) || [];
      const options = found.map(({ id, label, current }) => new Option(label, id, current, current));
      if (!found.some((device) => device.current)) options.unshift(new Option(found.length ? "请选择" : NONE[name], "", true, true));
      this.#field(name).replaceChildren(...options);
    }
  }

  async #choose(name) {
    const field = this.#field(name);
    if (!field.value) return;
    field.disabled = true;
    this.#say(name, "");
    try {
      await this.call()?.use(name, field.value);
    } catch (error) {
      this.#say(name, `${error.message}。${error.fix ?? ""}`);
    }
    field.disabled = false;
    await this.#fill();
  }
}
