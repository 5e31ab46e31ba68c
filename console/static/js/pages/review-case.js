// One review: pictures, the two recordings on one clock, what changed, the lease, the rejection sheet.
import { get, post } from "../http.js";
import { connect } from "../live.js";
import { wirePlayer } from "../player.js";
import { enable, ready } from "../ready.js";
import { wireRejection } from "../rejection.js";
import { toast } from "../toast.js";
import { wireViewer } from "../viewer.js";

const main = document.querySelector("main");
wireViewer(document.querySelector("[data-viewer]"));
let player = find();
main.addEventListener("click", follow);
const sheet = document.querySelector("#reject");
if (sheet) wireRejection(sheet);
if (main.dataset.renew) keepLease(main.dataset.renew);
document.querySelector("[data-only-changed]")?.addEventListener("change", (event) => {
  document.querySelector("[data-facts]").classList.toggle("only-changed", event.target.checked);
});
connect("/review", {});
// a photo beside a fact is looked at in the viewer, not on a page of its own
document.querySelector("[data-facts]").addEventListener("click", (event) => {
  const tile = event.target.closest("a.tile, a.look");
  const picture = tile && document.querySelector(`[data-picture="${tile.getAttribute("href")}"]`);
  if (!picture) return;
  event.preventDefault();
  picture.click();
});

ready("review-case");

// --- the calls: each is played in the same place

function find() {
  return wirePlayer(document.querySelector(".player"));
}

/** A link to a moment or to another call: played here, without leaving the page. */
async function follow(event) {
  const link = event.target.closest("a[href]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const url = new URL(link.href);
  const call = url.pathname === location.pathname && url.searchParams.get("call");
  if (!call) return;
  event.preventDefault();
  if (call !== player?.call && !(await open(url))) return;
  if (url.searchParams.has("at")) player.jump(Number(url.searchParams.get("at")));
  document.querySelector(".player").scrollIntoView({ block: "nearest" });
}

async function open(url) {
  try {
    const fresh = new DOMParser().parseFromString(await get(url.href, { headers: { Accept: "text/html" } }), "text/html");
    const next = fresh.querySelector(".player");
    enable(fresh);
    player?.stop();
    document.querySelector(".player").replaceWith(next);
  } catch (error) {
    toast(`这次通话没有打开：${error.message}`, "bad");
    return false;
  }
  history.replaceState(null, "", url);
  player = find();
  return true;
}

// --- the lease: renewed while somebody works here, lost when nobody does

function keepLease(url) {
  const EVERY = 4 * 60_000;
  let renewed = Date.now();
  let busy = false;
  const active = async () => {
    if (busy || Date.now() - renewed < EVERY) return;
    busy = true;
    try {
      const { until } = await post(url);
      renewed = Date.now();
      const shown = document.querySelector("[data-lease] [data-until]");
      if (shown) shown.dataset.until = until;
    } catch (error) {
      renewed = Date.now();
      toast(error.message, "bad");
    } finally {
      busy = false;
    }
  };
  for (const kind of ["pointerdown", "keydown", "wheel"]) document.addEventListener(kind, active, { passive: true });
}
