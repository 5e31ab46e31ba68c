// What the two sides of a call have turned off: the own buttons, what the server is told, what is said about the other side.
import { setIcon } from "./icons.js";

// icons: microphone microphone-off video video-off

const BUTTONS = {
  microphone: { selector: "[data-mute]", icons: ["microphone", "microphone-off"], words: { on: "静音", off: "已静音", away: "已暂停", device: "无麦克风" } },
  camera: { selector: "[data-camera]", icons: ["video", "video-off"], words: { on: "关镜头", off: "镜头已关", away: "已暂停", device: "无摄像头" } },
};
const OTHER = {
  microphone: { off: "对方已静音", away: "对方的麦克风被系统暂停", device: "对方的麦克风断开了" },
  camera: { off: "对方关闭了摄像头", away: "对方切到了后台，画面暂停", device: "对方的摄像头断开了" },
};
const RETRY_MS = 2000;

/**
 * new Switches({ other: "investor" | "witness", place, report, hint })
 *
 * place            where it is said what the other side has turned off
 * report(states)   async: tells the server; tried again until it arrived
 * hint             a sentence more while the other side's camera is off
 */
export class Switches {
  constructor({ other, place, report, hint = "" }) {
    Object.assign(this, { other, place, report, hint, states: null, reported: "", sending: false });
  }

  /** As Call tells its own side. */
  own(states) {
    this.states = states;
    for (const [name, { selector, icons, words }] of Object.entries(BUTTONS)) {
      const button = document.querySelector(selector);
      const off = states[name] !== "on";
      button.setAttribute("aria-pressed", String(off));
      setIcon(button.querySelector("svg"), icons[Number(off)]);
      button.querySelector("[data-word]").textContent = words[states[name]];
    }
    this.#send();
  }

  /** The connection to the server was away: it may know something older. */
  again() {
    this.reported = "";
    this.#send();
  }

  /** {investor: {microphone, camera}, witness: …} as the server knows it. */
  told(switches) {
    const theirs = switches?.[this.other];
    if (!theirs) return;
    const said = Object.entries(theirs).map(([name, state]) => OTHER[name][state]).filter(Boolean);
    if (theirs.camera !== "on" && this.hint) said.push(this.hint);
    this.place.hidden = !said.length;
    const lines = said.map((text) => Object.assign(document.createElement("span"), { textContent: text }));
    this.place.replaceChildren(...lines);
    this.dark = theirs.camera !== "on";
  }

  async #send() {
    if (this.sending || !this.states) return;
    this.sending = true;
    while (this.reported !== JSON.stringify(this.states)) {
      const states = this.states;
      try {
        await this.report(states);
        this.reported = JSON.stringify(states);
      } catch (error) {
        if (error.code !== "timeout") break; // the call is over, or the page may not: no use in trying again
        await new Promise((done) => setTimeout(done, RETRY_MS));
      }
    }
    this.sending = false;
  }
}
