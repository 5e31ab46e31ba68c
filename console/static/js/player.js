// The player of a recorded call: the film made of both sides when there is one, else (or when asked for) the recordings themselves.
// What cannot be played says why, and can be tried again.
import { get, request } from "./http.js";
import { setIcon } from "./icons.js";
import { Playback } from "./playback.js";

const SLOW = 1200; // ms that the picture may keep people waiting before the page says so
const STUCK = 8000; // ms after which it asks the server what is wrong
const ANSWERS_WITHIN = 8000; // ms

/** `root`: the section of _player.html. `{call, jump(at), stop()}`; null when there is nothing to play. */
export function wirePlayer(root) {
  if (!root.dataset.player) return null;
  const plan = JSON.parse(root.dataset.player);
  const playbackOf = (sides) => {
    const videos = Object.fromEntries(Object.keys(sides).map((side) => [side, root.querySelector(`video[data-side="${side}"]`)]));
    return new Playback({ length: plan.length, sides }, videos, (id) => root.dataset.file + id);
  };
  let play = playbackOf(plan.view ?? plan.sides);
  let other = null; // the way of playing that is not shown, made when it is first asked for
  const trouble = wireTrouble(root, () => play);
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
    trouble.look();
    point();
  };
  const swap = () => {
    const { at, rate, playing } = play;
    play.pause();
    play.changed = () => {};
    [play, other] = [other ?? playbackOf(plan.sides), play];
    play.changed = changed;
    trouble.clear();
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
    else if (event.target.closest("[data-retry]")) trouble.retry();
    else if (event.target.closest("[data-play]")) (play.playing ? play.pause() : play.play());
  });
  scrub.addEventListener("input", () => play.seek(Number(scrub.value)));
  const neighbour = (by) => (by > 0 ? (marks.find((at) => at > play.at + 200) ?? plan.length) : (marks.findLast((at) => at < play.at - 1500) ?? 0));
  const faster = (rate) => {
    play.setRate({ 1: 1.5, 1.5: 2, 2: 1 }[play.rate]);
    rate.textContent = `${play.rate}×`;
    rate.setAttribute("aria-label", `播放速度 ${play.rate} 倍`);
  };
  play.changed = changed;
  if (Number(root.dataset.begin)) play.seek(Number(root.dataset.begin));
  else changed();
  return {
    call: root.dataset.call,
    jump,
    stop: () => {
      trouble.clear();
      play.pause();
      for (const video of root.querySelectorAll("video")) video.removeAttribute("src");
    },
  };
}

// --- when it does not play

/** Says over the picture that it waits, or what is wrong. `playing()`: the playback of now. */
function wireTrouble(root, playing) {
  const box = root.querySelector("[data-trouble]");
  const said = box.querySelector("[data-said]");
  const again = box.querySelector("[data-retry]");
  let asked = 0; // the number of the question that counts: an answer to an older one comes too late
  let fault = false;

  const say = (words, retry = true) => {
    if (said.textContent !== words) said.textContent = words;
    again.hidden = !retry;
    box.hidden = false;
  };
  const clear = () => {
    asked += 1;
    fault = false;
    box.hidden = true;
    said.textContent = "";
  };
  const look = () => {
    const { waited } = playing();
    if (fault) {
      if (!waited && playing().playing) clear(); // it goes on by itself
    } else if (waited > STUCK) {
      judge(playing().videos[playing().lead]);
    } else if (waited > SLOW) {
      say("正在取录像…", false);
    } else if (!box.hidden) {
      clear();
    }
  };
  /** Ask for two bytes of what does not play: who does not answer, refuses, or answers. */
  const judge = async (video) => {
    fault = true;
    asked += 1;
    const mine = asked;
    say("录像没有出来，正在查原因…");
    const broken = Boolean(video.error);
    let words;
    try {
      await request(video.currentSrc || video.src, { headers: { Range: "bytes=0-1" }, timeout: ANSWERS_WITHIN });
      words = broken ? "" : "录像取得很慢，画面还没有到。可以等一等，或重试。";
    } catch (error) {
      words = error.status ? `录像取不到：${error.message}` : "服务器没有应答，录像取不到。请检查网络后重试。";
    }
    if (mine !== asked) return;
    if (words) return say(words);
    say("录像取到了，但是播放不了。正在核验它是否完好…");
    const found = await verify(root);
    if (mine === asked) say(`录像播放不了。${found}`);
  };
  for (const video of root.querySelectorAll("video")) {
    video.addEventListener("error", () => {
      if (!video.getAttribute("src")) return;
      playing().pause();
      judge(video);
    });
  }
  const retry = () => {
    clear();
    playing().again();
  };
  return { look, clear, retry };
}

/** Ask which seconds are still what was sealed, and say it beside each recording; the sum of it in one sentence. */
async function verify(root) {
  const button = root.querySelector("[data-verify]");
  const verdict = root.querySelector("[data-verdict]");
  if (button.disabled) return "核验还在进行。";
  button.disabled = true;
  verdict.classList.remove("bad");
  verdict.textContent = "正在核验…";
  root.querySelector("[data-films]").open = true;
  try {
    const { recordings } = await get(button.dataset.verify, { timeout: 120000 });
    for (const film of recordings) {
      const said = root.querySelector(`[data-judged="${film.id}"]`);
      said.textContent = film.intact && film.clusters ? `${film.clusters} 段，${film.words}` : film.words;
      said.classList.toggle("bad", !film.intact);
    }
    const damaged = recordings.filter((film) => !film.intact).length;
    verdict.textContent = damaged ? `${damaged} 段与封存时不一致。` : "原件全部与封存时一致。";
    verdict.classList.toggle("bad", damaged > 0);
  } catch (error) {
    verdict.textContent = `核验没有完成：${error.message}`;
    verdict.classList.add("bad");
  } finally {
    button.disabled = false;
  }
  return verdict.textContent;
}

function mmss(ms) {
  const whole = Math.floor(ms / 1000);
  return `${String(Math.floor(whole / 60)).padStart(2, "0")}:${String(whole % 60).padStart(2, "0")}`;
}
