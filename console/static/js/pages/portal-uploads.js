// Photos: chosen, sent with progress, then watched until the server has turned and cropped them. Pushes are hints: it also asks.
import { get, request, upload } from "../http.js";
import { enable } from "../ready.js";
import { pause } from "../ticking.js";
import { toast } from "../toast.js";

const EVERY_MS = 2500;

/** Send what was chosen in `input`, one after the other, with progress in `place`. Resolves to the answers; a refusal rejects. */
export async function send(input, place) {
  const files = [...input.files];
  const bar = place.querySelector("[data-progress]");
  const answers = [];
  place.setAttribute("aria-busy", "true");
  say(place, "");
  try {
    for (const file of files) {
      const form = new FormData();
      form.append("photo", file);
      show(bar, 0);
      answers.push(await upload(input.dataset.upload, form, { onprogress: (done) => show(bar, done) }));
    }
    return answers;
  } finally {
    input.value = "";
    if (bar) bar.hidden = true;
    place.removeAttribute("aria-busy");
  }
}

/** What is wrong, at the tile where it happened; empty takes it away. */
export function say(place, text) {
  const fault = place.querySelector("[data-fault], [data-error=photo]");
  if (!fault) return text && toast(text, "bad");
  fault.hidden = !text;
  fault.querySelector("span").textContent = text;
}

/** Keep `place` (data: tilesUrl, stateUrl) as the server has it. Returns {refresh, watch}; `onstate` hears of each state. */
export function keepFresh(place, onstate = () => {}) {
  let watching = false;
  let shown = "";

  async function refresh() {
    const html = await get(place.dataset.tilesUrl, { headers: { Accept: "text/html" } });
    if (place.querySelector("[aria-busy=true]")) return; // a photo is on its way: its tile stays until it arrived
    const focused = document.activeElement?.id;
    const holder = document.createElement("template");
    holder.innerHTML = html;
    enable(holder.content);
    place.replaceChildren(holder.content);
    if (focused) document.getElementById(focused)?.focus();
  }

  async function ask() {
    const state = await get(place.dataset.stateUrl);
    const now = JSON.stringify(state);
    if (now !== shown) {
      shown = now;
      await refresh();
      onstate(state);
    }
    return state.photos.some((photo) => photo.state === "processing");
  }

  async function watch() {
    if (watching) return;
    watching = true;
    try {
      while (await ask()) await pause(EVERY_MS);
    } catch (error) {
      toast(error.message, "bad");
    } finally {
      watching = false;
    }
  }
  return { refresh, watch, ask };
}

/** Clicks that change something on the server and then show it. */
export async function act(button, url, form = {}) {
  button.setAttribute("aria-busy", "true");
  try {
    return await request(url, { form, method: "POST" });
  } finally {
    button.removeAttribute("aria-busy");
  }
}

function show(bar, done) {
  if (!bar) return;
  bar.hidden = false;
  bar.querySelector("progress").value = done;
  const percent = bar.querySelector("[data-percent]");
  if (percent) percent.textContent = `${Math.round(done * 100)}%`;
}
