// One review: pictures, the two recordings on one clock, what changed, the lease, the rejection sheet.
import { get, post } from "../http.js";
import { setIcon } from "../icons.js";
import { connect } from "../live.js";
import { Playback } from "../playback.js";
import { ready } from "../ready.js";
import { wireRejection } from "../rejection.js";
import { toast } from "../toast.js";
import { wireViewer } from "../viewer.js";

const main = document.querySelector("main");
wireViewer(document.querySelector("[data-viewer]"));
const player = document.querySelector("[data-player]");
if (player) wirePlayer(player);
const sheet = document.querySelector("#reject");
if (sheet) wireRejection(sheet);
if (main.dataset.renew) keepLease(main.dataset.renew);
document.querySelector("[data-only-changed]")?.addEventListener("change", (event) => {
  document.querySelector("[data-facts]").classList.toggle("only-changed", event.target.checked);
});
connect("/review", {});
// a photo beside a fact is looked at in the viewer, not on a page of its own
document.querySelector("[data-facts]").addEventListener("click", (event) => {
  const tile = event.target.closest("a.tile");
  const picture = tile && document.querySelector(`[data-picture="${tile.getAttribute("href")}"]`);
  if (!picture) return;
  event.preventDefault();
  picture.click();
});

ready("review-case");

// --- the recordings: the film made of both sides when there is one, else (or when asked for) the recordings themselves

function wirePlayer(root) {
  const plan = JSON.parse(root.dataset.player);
  const playbackOf = (sides) => {
    const videos = Object.fromEntries(Object.keys(sides).map((side) => [side, root.querySelector(`video[data-side="${side}"]`)]));
    return new Playback({ length: plan.length, sides }, videos, (id) => root.dataset.file + id);
  };
  let play = playbackOf(plan.view ?? plan.sides);
  let other = null; // the way of playing that is not shown, made when it is first asked for
  const marks = [...root.querySelectorAll("[data-at]")].map((button) => Number(button.dataset.at)).sort((a, b) => a - b);
  const scrub = root.querySelector("[data-scrub]");
  const button = root.querySelector("[data-play]");

  const changed = () => {
    root.querySelector("[data-now]").textContent = mmss(play.at);
    root.querySelector("[data-played]").setAttribute("width", (592 * play.at) / plan.length);
    root.querySelector("[data-nothing]").hidden = Boolean(play.segment(play.lead)) || play.at >= plan.length;
    if (document.activeElement !== scrub || play.playing) scrub.value = play.at;
    scrub.setAttribute("aria-valuetext", mmss(play.at));
    setIcon(button.querySelector("svg"), play.playing ? "player-pause" : "player-play");
    button.setAttribute("aria-label", play.playing ? "暂停" : "播放");
    point();
  };
  const swap = () => {
    const { at, rate, playing } = play;
    play.pause();
    play.changed = () => {};
    [play, other] = [other ?? playbackOf(plan.sides), play];
    play.changed = changed;
    const film = play.lead === "view";
    for (const part of root.querySelectorAll("[data-shows]")) part.hidden = (part.dataset.shows === "view") !== film;
    root.querySelector(".p-b").classList.toggle("wide", film);
    root.querySelector("[data-swap]").setAttribute("aria-pressed", String(!film));
    play.setRate(rate);
    play.seek(at);
    if (playing) play.play();
  };
  const point = () => {
    const here = [...root.querySelectorAll(".chap li:has([data-at])")].filter((row) => Number(row.querySelector("[data-at]").dataset.at) <= play.at + 50);
    const last = here.sort((a, b) => Number(a.querySelector("[data-at]").dataset.at) - Number(b.querySelector("[data-at]").dataset.at)).at(-1);
    for (const row of root.querySelectorAll(".chap li")) row.classList.toggle("cur", row === last);
  };
  const jump = (at) => {
    play.seek(at);
    play.play();
  };

  root.addEventListener("click", (event) => {
    const at = event.target.closest("[data-at]");
    const step = event.target.closest("[data-step]");
    const rate = event.target.closest("[data-rate]");
    if (at) jump(Number(at.dataset.at));
    else if (step) jump(neighbour(Number(step.dataset.step)));
    else if (rate) faster(rate);
    else if (event.target.closest("[data-swap]")) swap();
    else if (event.target.closest("[data-large]")) play.videos[play.lead].requestFullscreen?.();
    else if (event.target.closest("[data-verify]")) verify(root);
    else if (event.target.closest("[data-play]")) (play.playing ? play.pause() : play.play());
  });
  scrub.addEventListener("input", () => play.seek(Number(scrub.value)));
  const neighbour = (by) => (by > 0 ? (marks.find((at) => at > play.at + 200) ?? plan.length) : (marks.findLast((at) => at < play.at - 1500) ?? 0));
  const faster = (rate) => {
    play.setRate({ 1: 1.5, 1.5: 2, 2: 1 }[play.rate]);
    rate.textContent = `${play.rate}×`;
    rate.setAttribute("aria-label", `播放速度 ${play.rate} 倍`);
  };
  for (const video of root.querySelectorAll("video")) {
    const cannot = () => {
      toast("这段录像无法播放，正在核验。", "bad");
      verify(root);
    };
    video.addEventListener("error", cannot, { once: true });
  }
  play.changed = changed;
  changed();
}

/** Ask which seconds are still what was sealed, and say it beside each recording. */
async function verify(root) {
  const button = root.querySelector("[data-verify]");
  if (button.disabled) return;
  button.disabled = true;
  root.querySelector("[data-films]").open = true;
  try {
    const { recordings } = await get(button.dataset.verify, { timeout: 120000 });
    for (const film of recordings) {
      const said = root.querySelector(`[data-judged="${film.id}"]`);
      said.textContent = film.intact && film.clusters ? `${film.clusters} 段，${film.words}` : film.words;
      said.classList.toggle("bad", !film.intact);
    }
  } catch (error) {
    toast(error.message, "bad");
  } finally {
    button.disabled = false;
  }
}

function mmss(ms) {
  const whole = Math.floor(ms / 1000);
  return `${String(Math.floor(whole / 60)).padStart(2, "0")}:${String(whole % 60).padStart(2, "0")}`;
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
