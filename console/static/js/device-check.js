// 设备检测: camera, microphone, speaker, network. Each item gets "ok", "wait" or "bad", a word, and what to do about it.
// In the page: the macro parts.devices(); it starts by itself with data-device-check="auto", else by [data-check-start].
import { icon } from "./icons.js";
import { FOR_CALL, explain, listen, openMedia, stopMedia } from "./media.js";
import { pause } from "./ticking.js";

const LISTENING_MS = 2500;
const LOUD = 0.05;
const QUIET = 0.002; // of the meter's range: below it the microphone is dead, not merely in a quiet room
const ICONS = { ok: () => icon("check"), wait: () => icon("alert-triangle"), bad: () => icon("x"), busy: () => null };

const ok = (word, more = {}) => ({ result: "ok", word, fix: "", ...more });
const bad = (word, fix) => ({ result: "bad", word, fix });
const soso = (word, fix, more = {}) => ({ result: "wait", word, fix, ...more });

/**
 * Check the four. `oneach(item, {result, word, fix})` is told as they are known; `video` shows the camera, `level` (a <meter>) the loudness.
 * Resolves to {results: {camera, microphone, speaker, network}, stop}: with a `video` the devices stay open until stop(), else they are closed.
 */
export async function checkDevices({ video = null, level = null, oneach = () => {}, pingUrl = "/healthz" } = {}) {
  const results = {};
  const tell = (item, outcome) => {
    results[item] = outcome;
    oneach(item, outcome);
  };
  const network = checkNetwork(pingUrl).then((outcome) => tell("network", outcome));
  const stop = await checkInputs({ video, level, tell });
  tell("speaker", await checkSpeaker());
  await network;
  if (!video) stop();
  return { results, stop };
}

async function checkInputs({ video, level, tell }) {
  let stream;
  try {
    stream = await openMedia(FOR_CALL);
  } catch {
    stream = await openApart(tell);
    if (!stream) return () => {};
  }
  const heard = { loudest: 0 };
  const deaf = stream.getAudioTracks().length ? hear(stream, level, heard) : () => {};
  if (stream.getVideoTracks().length) tell("camera", await checkCamera(stream, video));
  if (stream.getAudioTracks().length) tell("microphone", await checkMicrophone(stream, heard));
  return () => {
    deaf();
    stopMedia(stream);
    if (video) video.srcObject = null;
  };
}

function hear(stream, level, heard) {
  return listen(stream, (value) => {
    heard.loudest = Math.max(heard.loudest, value);
    if (level) level.value = value;
  });
}

/** Together they did not open: one at a time shows which of them is at fault. */
async function openApart(tell) {
  const stream = new MediaStream();
  for (const [item, wanted] of [["camera", { video: FOR_CALL.video }], ["microphone", { audio: FOR_CALL.audio }]]) {
    try {
      for (const track of (await openMedia(wanted)).getTracks()) stream.addTrack(track);
    } catch (error) {
      const fault = explain(error, wanted);
      tell(item, bad("不可用", `${fault.message}。${fault.fix}`));
    }
  }
  return stream.getTracks().length ? stream : null;
}

async function checkCamera(stream, video) {
  const shown = video ?? document.createElement("video");
  shown.muted = true;
  shown.playsInline = true;
  shown.srcObject = stream;
  const playing = shown.play().then(() => true, () => false);
  const moved = (await Promise.race([playing, pause(4000).then(() => false)])) && shown.videoWidth > 0;
  const { width, height } = stream.getVideoTracks()[0].getSettings();
  if (!moved) return soso("没有画面", "摄像头已打开，但没有画面。请检查镜头盖，或关掉正在使用摄像头的程序。");
  return ok("正常", { width, height });
}

async function checkMicrophone(stream, heard) {
  const end = performance.now() + LISTENING_MS;
  while (performance.now() < end && heard.loudest < LOUD) await pause(100);
  if (stream.getAudioTracks()[0].muted) return bad("被静音", "麦克风被系统或设备上的开关静音了，请打开后重试。");
  if (heard.loudest < QUIET) return soso("没有声音", "没有听到声音。请对着麦克风说句话，并检查是否静音，再点重试。");
  return ok("正常");
}

async function checkSpeaker() {
  const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  const outputs = devices.filter((device) => device.kind === "audiooutput");
  const told = devices.some((device) => device.kind === "audiooutput" || device.label); // Safari and Firefox do not list outputs
  if (outputs.length || !told || !("setSinkId" in HTMLMediaElement.prototype)) return ok("正常");
  return soso("未检测到", "没有找到扬声器或耳机。请接好后点试听，听得到就可以继续。");
}

async function checkNetwork(url) {
  const times = [];
  try {
    for (let i = 0; i < 3; i += 1) {
      const start = performance.now();
      const answer = await fetch(`${url}?t=${Date.now()}`, { cache: "no-store", signal: AbortSignal.timeout(5000) });
      if (!answer.ok) throw new Error(String(answer.status));
      times.push(performance.now() - start);
    }
  } catch {
    return bad("不通", "网络不通。请连接 Wi-Fi 或移动网络后重试。");
  }
  const ms = Math.round(times.sort((a, b) => a - b)[1]);
  if (ms < 300) return ok("良好", { ms });
  const tip = `当前延迟 ${ms} 毫秒。请靠近路由器，或换用 Wi-Fi、5G 网络。`;
  return ms < 1000 ? soso("较慢", tip, { ms }) : bad("很慢", tip);
}

/** A one-second tone, to hear whether the speaker works. `speaker`: the id of one, '' for the system's own. Resolves at its end. */
export async function playTone(speaker = "") {
  const context = new AudioContext();
  try {
    await context.resume();
    const tone = new OscillatorNode(context, { frequency: 440 });
    const volume = new GainNode(context, { gain: 0.2 });
    tone.connect(volume).connect(speaker ? await leadTo(speaker, context) : context.destination);
    const over = new Promise((resolve) => tone.addEventListener("ended", resolve));
    tone.start();
    tone.stop(context.currentTime + 1);
    await over;
  } finally {
    await context.close();
  }
}

/** More browsers let an element choose its speaker than an AudioContext. */
async function leadTo(speaker, context) {
  const way = context.createMediaStreamDestination();
  const element = new Audio();
  element.srcObject = way.stream;
  await element.setSinkId(speaker);
  await element.play();
  return way;
}

/** Wire every [data-device-check] of the page. Each sends "devices-checked" ({results, good}) when it is through. */
export function wireDeviceChecks(root = document) {
  for (const place of root.querySelectorAll("[data-device-check]")) {
    const run = () => runIn(place);
    for (const button of document.querySelectorAll("[data-check-start]")) {
      if (place.contains(button) || button.dataset.checkStart === place.id) button.addEventListener("click", run);
    }
    for (const button of place.querySelectorAll("[data-check-tone]")) button.addEventListener("click", () => playTone());
    if (place.dataset.deviceCheck === "auto") run();
  }
}

const running = new WeakMap(); // the place and what closes its camera

async function runIn(place) {
  if (place.dataset.result === "busy") return;
  place.dataset.result = "busy";
  running.get(place)?.();
  const fixes = place.querySelector("[data-fixes]");
  fixes?.replaceChildren();
  for (const item of place.querySelectorAll("[data-item]")) write(item, { result: "busy", word: "检测中" });
  const { results, stop } = await checkDevices({
    video: place.querySelector("video"),
    level: place.querySelector("meter"),
    pingUrl: place.dataset.pingUrl || "/healthz",
    oneach(name, outcome) {
      write(place.querySelector(`[data-item="${name}"]`), outcome);
      if (outcome.fix) fixes?.append(advice(outcome));
    },
  });
  running.set(place, stop);
  window.addEventListener("pagehide", stop, { once: true });
  const good = Object.values(results).every((outcome) => outcome.result !== "bad");
  place.dataset.result = good ? "ok" : "bad";
  place.dispatchEvent(new CustomEvent("devices-checked", { bubbles: true, detail: { results, good } }));
}

function write(item, { result, word }) {
  if (!item) return;
  item.dataset.result = result;
  const said = item.querySelector("[data-said]");
  const mark = ICONS[result]();
  said.replaceChildren(...(mark ? [mark] : []), word);
  if (said.classList.contains("pill")) said.className = `pill ${result === "busy" ? "" : result}`;
}

function advice({ result, fix }) {
  const note = document.createElement("p");
  note.className = `note ${result}`;
  const said = document.createElement("span");
  said.textContent = fix;
  note.append(result === "bad" ? icon("alert-circle") : icon("alert-triangle"), said);
  return note;
}
