// The seat towards the investor, besides pictures: own switches and devices, both networks, texts, challenges.
import { closeDialog, openDialog } from "./dialog.js";
import { Devices } from "./devices.js";
import { Network, STALE_MS } from "./network.js";
import { Switches } from "./switches.js";
import { toast } from "./toast.js";

const $ = (selector) => document.querySelector(selector);

export class Towards {
  /**
   * ask(name, payload)   one act of the seat's page in this call; rejects with the server's words
   * act(name, payload)   the same, but what is refused is said and resolves to null
   * refresh(...parts)    fetch these parts of the page again
   */
  constructor({ ask, act, refresh }) {
    Object.assign(this, { ask, act, refresh, call: null, stale: 0, lapses: 0 });
    this.devices = new Devices($("#devices"), () => this.call);
    this.switches = new Switches({
      other: "investor",
      place: $("[data-peer-off]"),
      report: (states) => ask("switch", states),
      hint: "关闭期间不能核对，标记的项目须重问",
    });
    this.bars = new Network($("[data-peer] [data-network]"), "投资者");
    document.addEventListener("click", (event) => this.#pressed(event));
    $("#say form").addEventListener("submit", (event) => this.#say(event, $("#say-text").value));
    $("#say").addEventListener("dialog-opened", () => this.#sayFault(""));
    $("#withdraw form").addEventListener("submit", () => this.#withdraw());
  }

  /** Callbacks for the Call of this page. */
  get wishes() {
    return { onswitches: (states) => this.switches.own(states), ongone: (name) => this.devices.offer(name) };
  }

  /** The page was cut off from the server and is back. */
  again() {
    this.switches.again();
  }

  /** {switches} of a push or an answer. */
  told({ switches }) {
    this.switches.told(switches);
  }

  /** Whether the investor has turned the camera off: no picture is no fault then. */
  get dark() {
    return Boolean(this.switches.dark);
  }

  network(stats) {
    clearTimeout(this.stale);
    this.bars.stats(stats);
    this.stale = setTimeout(() => this.bars.stats(null), STALE_MS);
  }

  /** The investor's pictures arrive. */
  seen() {
    if (this.stale) return;
    this.bars.stands();
    this.stale = setTimeout(() => this.bars.stats(null), STALE_MS);
  }

  /** The investor's line broke, or stands again. */
  away(gone) {
    this.bars.gone(gone ? "中断" : "");
  }

  /** The part 口令 is fresh: what came out since `before` is said; when its time is over it says so by itself. */
  challenged(before) {
    for (const each of document.querySelectorAll("[data-came-out]")) {
      const known = before.querySelector(`[data-came-out="${each.dataset.cameOut}"]`);
      if (!known && each.dataset.how !== "lapsed") toast(each.querySelector(".dare-r").textContent, each.dataset.how === "right" ? "ok" : "bad");
    }
    clearTimeout(this.lapses);
    const left = Number($("[data-part=challenge]")?.dataset.left);
    if (left > 0) this.lapses = setTimeout(() => this.refresh("challenge", "verdict", "script"), 1000 * left + 500);
  }

  #pressed(event) {
    const on = (selector) => event.target.closest(selector);
    let el;
    if (on("[data-mute]")) this.call?.mute(this.call.switches.microphone !== "off");
    else if (on("[data-camera]")) this.call?.camera(this.call.switches.camera === "off");
    else if ((el = on("[data-dare]"))) this.#dare(el);
    else if ((el = on("[data-read]"))) this.#judge(el);
    else if ((el = on("[data-withdraw]"))) this.#askWhy(el);
    else if ((el = on("[data-phrase]"))) this.#choose(el.textContent.trim());
  }

  // --- texts

  /** A phrase is written into the field first: nothing leaves before somebody says so. */
  #choose(phrase) {
    $("#say-text").value = phrase;
    this.#sayFault("");
    $("#say-text").focus();
  }

  async #say(event, text) {
    event.preventDefault();
    const said = text.replace(/\s+/g, " ").trim();
    if (!said) return this.#sayFault("请写要发给投资者的话，1 到 120 个字。");
    if (this.saying?.text !== said) this.saying = { text: said, id: crypto.randomUUID() };
    try {
      await this.ask("say", this.saying);
    } catch (error) {
      return this.#sayFault(error.message);
    }
    this.saying = null;
    $("#say form").reset();
    closeDialog($("#say"));
    toast(`已发给投资者：${said}`, "ok", { seconds: 4 });
    this.refresh("said");
  }

  #sayFault(text) {
    $("#say-text-said").textContent = text;
    $("#say-text-said").hidden = !text;
    $("#say-text").setAttribute("aria-invalid", String(Boolean(text)));
  }

  // --- challenges

  async #dare(button) {
    if (button.getAttribute("aria-busy")) return;
    button.setAttribute("aria-busy", "true");
    button.dataset.id ||= crypto.randomUUID();
    const place = $("#challenge-said");
    place.hidden = true;
    try {
      await this.ask(button.dataset.dare, { id: button.dataset.id });
      delete button.dataset.id;
      closeDialog($("#challenge"));
      this.refresh("challenge", "verdict");
    } catch (error) {
      if (error.code !== "timeout") delete button.dataset.id;
      place.textContent = error.message;
      place.hidden = false;
    }
    button.removeAttribute("aria-busy");
  }

  async #judge(button) {
    await this.act("judge_digits", { id: button.dataset.read, right: button.dataset.result === "right" });
    this.refresh("challenge", "verdict");
  }

  /** A challenge that is not met is withdrawn for a reason of the register only. */
  #askWhy(button) {
    const dialog = $("#withdraw");
    dialog.dataset.of = button.dataset.withdraw;
    dialog.querySelector("[data-withdraw-name]").textContent = button.dataset.title;
    dialog.querySelector("form").reset();
    openDialog(dialog);
  }

  async #withdraw() {
    const dialog = $("#withdraw");
    await this.act("withdraw_challenge", { id: dialog.dataset.of, reason: dialog.querySelector("[name=why]:checked").value });
    this.refresh("challenge", "verdict");
  }
}
