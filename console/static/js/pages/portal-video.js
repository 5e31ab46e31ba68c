// 视频验证 of the investor: before, waiting, in the call. When the case moves, the page follows by itself.
import { Call, State } from "../call.js";
import { now } from "../clock.js";
import { Devices } from "../devices.js";
import { confirmDialog } from "../dialog.js";
import { lookAgain } from "../http.js";
import { icon } from "../icons.js";
import { Line } from "../line.js";
import { connect } from "../live.js";
import { keepAwake, openMedia, stopMedia } from "../media.js";
import { Network, Reporter } from "../network.js";
import { ready } from "../ready.js";
import { allowSound, ring } from "../ring.js";
import { Switches } from "../switches.js";
import { toast } from "../toast.js";

const main = document.querySelector("main");
const caseNo = main.dataset.case;
const stage = main.dataset.video;
const $ = (selector) => document.querySelector(selector);
const QUEUES = new Set(["before", "waiting"]);
let going = false;

const live = connect(
  "/portal",
  {
    online: (again) => arrived(again),
    case: ({ case_no, status, step }) => case_no === caseNo && (status !== main.dataset.status || step !== "video") && moved(status),
    queue: (pushed) => QUEUES.has(stage) && told(pushed),
    place: ({ case_no }) => case_no === caseNo && stage === "waiting" && lookAgain(),
    urgent: ({ case_no }) => case_no === caseNo && stage === "waiting" && lookAgain(),
    call: (pushed) => pushed.case_no === caseNo && heard(pushed),
  },
  { auth: { case_no: caseNo } },
);

const ask = (name, payload = {}, options = {}) => live.ask(name, { case_no: caseNo, ...payload }, options);

// A form on its way leads to the right page by itself: no push overtakes it.
document.addEventListener("submit", (event) => {
  if (!event.defaultPrevented) going = true;
});

/** To wherever the case stands now. */
function follow() {
  if (going) return;
  going = true;
  call?.close();
  location.assign(main.dataset.home);
}

/** Whoever was answered while waiting hears it, where the browser lets a page sound: only once it was touched. */
function moved(status) {
  if (stage !== "waiting" || status !== "in_video" || !navigator.userActivation?.hasBeenActive) return follow();
  ring();
  setTimeout(follow, 700);
}

async function arrived(again) {
  if (stage === "call") {
    if (again) {
      switches?.again();
      await lookAfterCall();
    }
  } else if (QUEUES.has(stage)) await askPlace();
}

// --- the queue: a push says the first places; who stands further back asks, not all at once

const people = (count) => (count >= 1000 ? "1000+" : String(count)); // nobody counts further
const NEAR = 5; // places from which one's own place and time are asked for at every change
const ticket = Number($("[data-line]")?.dataset.ticket);
let later = null;
let mine = 0; // the own place as it was told last

function told({ waiting, first }) {
  const place = first.indexOf(ticket) + 1;
  if (stage === "before" || place) show({ place, waiting });
  if (stage === "before") return;
  if (place ? place <= NEAR : waiting <= first.length) askPlace();
  else askLater(place ? 20_000 : 90_000 * Math.max(1, mine / 100)); // far back a place means less: thousands ask a dozen times a second in all
}

function askLater(ms) {
  later ??= setTimeout(() => {
    later = null;
    askPlace();
  }, ms * (0.5 + Math.random()));
}

let asking = false;
let askAgain = false;

async function askPlace() {
  if (asking) {
    askAgain = true;
    return;
  }
  asking = true;
  try {
    const place = await ask("place");
    if (place.status !== main.dataset.status) follow();
    else show(place);
  } catch (error) {
    if (error.code !== "timeout") toast(error.message, "bad"); // after a silence the next push or connection asks again
  }
  setTimeout(() => {
    asking = false;
    if (askAgain) {
      askAgain = false;
      askPlace();
    }
  }, 800);
}

function show({ place, waiting, eta, turn }) {
  for (const el of document.querySelectorAll("[data-waiting]")) el.textContent = people(waiting);
  if (stage !== "waiting" || !place) return;
  mine = place;
  $("[data-mine]").textContent = people(place);
  if (turn && $("[data-turn]")) $("[data-turn]").textContent = turn;
  if (eta) {
    const unit = document.createElement("small");
    unit.textContent = "分钟";
    $("[data-eta]").replaceChildren(`${eta[0]} 至 ${eta[1]} `, unit);
  }
  drawLine(place, waiting);
}

const DRAWN = 6;

function drawLine(mine, waiting) {
  const first = Math.max(1, Math.min(mine - DRAWN / 2, waiting - DRAWN + 1));
  const places = [];
  for (let n = first; n <= Math.min(waiting, first + DRAWN - 1); n += 1) {
    const person = document.createElement("li");
    if (n === mine) person.className = "me2";
    const mark = document.createElement("span");
    mark.className = "p";
    mark.append(icon("user"));
    person.append(mark, n === mine ? "您" : String(n));
    places.push(person);
  }
  $("[data-line]").replaceChildren(...places);
}

// --- before: no queueing with devices that do not work, nor outside the service hours

if (stage === "before") {
  const { opensIn } = $("[data-join]").dataset;
  const closed = opensIn !== undefined;
  if (closed) setTimeout(() => location.reload(), 1000 * opensIn);
  const button = $("[data-join] button");
  const why = $("[data-why]");
  const usual = [...why.childNodes];
  const block = (text) => {
    button.disabled = Boolean(text) || closed;
    why.replaceChildren(...(text && !closed ? [text] : usual)); // closed is closed, whatever the devices can do
  };
  block("正在检查摄像头、麦克风、扬声器和网络");
  document.addEventListener("devices-checked", (event) => {
    block(event.detail.good ? "" : "请按上面的提示处理好设备，再点重新检测");
  });
}

// --- waiting: one's own picture, and the screen kept lit

if (stage === "waiting") {
  keepAwake();
  document.addEventListener("pointerdown", () => allowSound(), { once: true });
  openMedia({ video: { width: { ideal: 320 }, facingMode: "user" }, audio: false }).then(
    (stream) => {
      $("[data-preview]").srcObject = stream;
      $("[data-preview]").play();
      window.addEventListener("pagehide", () => stopMedia(stream));
    },
    (error) => toast(`${error.message}。${error.fix}`, "wait"),
  );
}

// --- the call

let call = null;
let line = null;
let devices = null;
let switches = null;
const FATAL = new Set(["call_over", "not_acknowledged", "404", "signed_out"]);

if (stage === "call" && $("[data-room]")) {
  if (main.dataset.acknowledged) enter();
  else {
    $("#co-t").focus({ preventScroll: true });
    $("[data-agree]").addEventListener("submit", agree);
  }
  devices = new Devices($("#devices"), () => call);
  $("[data-mute]").addEventListener("click", () => call?.mute(call.switches.microphone !== "off"));
  $("[data-camera]").addEventListener("click", () => call?.camera(call.switches.camera === "off"));
  $("[data-switch]").addEventListener("click", turn);
  $("[data-text-seen]").addEventListener("click", () => ($("[data-text]").hidden = true));
  $("[data-code]").addEventListener("submit", answerCode);
  document.addEventListener("visibilitychange", comeAndGo);
  $("[data-leave]").addEventListener("click", leave);
  $("[data-return]").addEventListener("click", () => location.reload());
  ready("portal-video");
}

async function agree(event) {
  event.preventDefault();
  const button = event.target.querySelector("button");
  button.setAttribute("aria-busy", "true");
  try {
    const state = await ask("acknowledge");
    main.dataset.acknowledged = state.acknowledged_at;
    enter();
  } catch (error) {
    toast(error.message, "bad");
    if (error.code === "call_over") follow();
  } finally {
    button.removeAttribute("aria-busy");
  }
}

function enter() {
  $("[data-consent]").hidden = true;
  $("[data-room]").hidden = false;
  $("[data-rec]").dataset.since = main.dataset.acknowledged;
  keepAwake();
  const network = new Network($("[data-network]"), "您");
  network.gone("未连接");
  line = new Line($(".big"), {
    me: "investor",
    words: {
      mine: "重新连接中",
      theirs: "认证人员的连接中断了，正在重新连接",
      then: (left) => (left === null ? "请不要关闭本页。" : left ? `请稍候，还剩 ${left} 秒。超过后您回到排队，优先接通，不用重新排队。` : "正在为您回到排队，请稍候。"),
    },
    onchange: (away) => showAway(network, away),
  });
  $("[data-remote]").addEventListener("playing", () => say(""));
  const reporter = new Reporter((stats) => live.tell("network", { case_no: caseNo, ...stats }));
  switches = new Switches({ other: "witness", place: $("[data-peer-off]"), report: (states) => ask("switch", states) });
  call = new Call({
    localVideo: $("[data-local]"),
    remoteVideo: $("[data-remote]"),
    permit: async () => (await ask("permit")).permit,
    signal: (sdp, permit) => ask("offer", { sdp, permit }, { timeout: 25_000 }),
    iceServers: async () => (await ask("ice")).servers,
    fatal: (error) => FATAL.has(error.code),
    onstate: (state, words, error) => {
      line.own(state === State.RECONNECTING);
      if (state === State.FAILED) say(`${error?.message ?? words}${error?.fix ? `。${error.fix}` : ""}`);
      else if (state === State.CONNECTED) say(switches.dark || playing($("[data-remote]")) ? "" : "正在等待认证人员的画面");
      else if (state !== State.CLOSED) say(words);
      showAway(network, line);
    },
    onstats: (stats) => {
      say(stats.fps > 0 || switches.dark ? "" : "正在等待认证人员的画面");
      network.stats(stats);
      reporter.stats(stats);
    },
    ontrouble: (text) => toast(text, "wait"),
    onswitches: (states) => switches.own(states),
    ongone: (name) => devices.offer(name),
  });
  call.start().catch((error) => {
    if (FATAL.has(error.code)) follow();
    else toast(`${error.message}${error.fix ? `。${error.fix}` : ""}`, "bad");
  });
  lookAfterCall();
}

/** The bars stand beside the witness's name: that the witness is away is said there too. */
function showAway(network, { mine, theirs }) {
  const own = call?.state === State.CONNECTED ? "" : mine ? "中断" : "未连接";
  network.gone(own || (theirs ? "对方中断" : ""));
}

/** Its picture moves, whatever was counted so far. */
const playing = (video) => !video.paused && video.readyState > HTMLMediaElement.HAVE_CURRENT_DATA;

function say(text) {
  const place = $("[data-said]");
  if (!place) return;
  place.textContent = text;
  place.hidden = !text;
}

function heard(pushed) {
  const { event } = pushed;
  line?.told(pushed);
  switches?.told(pushed.switches);
  if (["asked", "marked", "text", "challenge"].includes(event)) lookAfterCall();
  else if (event === "moved") call?.reconnect();
  else if (event === "back" && call?.state !== State.CLOSED) toast("已重新接通，请继续。", "ok", { seconds: 3 });
  else if (event === "restarted" || event === "taken_over") anew();
  else if (event === "ended") setTimeout(follow, 600); // the push that the case moved usually comes first
}

/** Name, licence and consent are shown anew. */
function anew() {
  if (going) return;
  going = true;
  call?.close();
  location.reload();
}

/** What to do now; or away from here when the call is over. */
async function lookAfterCall() {
  try {
    const state = await ask("call_state");
    if (!state.call) return follow();
    if (!state.acknowledged_at) return anew();
    line?.told(state);
    switches?.told(state.switches);
    showText(state.text);
    showChallenge(state.challenge);
    $("[data-cue]").textContent = state.cue ?? "核对完成，请等待认证人员给出结论。";
    $("[data-frame]").hidden = !state.frame;
  } catch (error) {
    if (error.code !== "timeout") toast(error.message, "bad");
  }
}

// --- what the witness writes and asks

let textShown = "";
let textGone = 0;

function showText(text) {
  if (!text || text.id === textShown) return;
  textShown = text.id;
  $("[data-text] p").textContent = text.text;
  $("[data-text]").hidden = false;
  clearTimeout(textGone);
  textGone = setTimeout(() => ($("[data-text]").hidden = true), 1000 * text.left);
}

let challenge = null;

function showChallenge(asked) {
  const other = asked?.id !== challenge?.id;
  challenge = asked;
  const [digits, form] = [$("[data-digits]"), $("[data-code]")];
  digits.hidden = asked?.kind !== "digits";
  form.hidden = asked?.kind !== "sms";
  $("[data-cue-box]").hidden = Boolean(asked);
  if (!asked || !other) return;
  $("[data-digits-shown]").textContent = [...asked.digits].join(" ");
  form.reset();
  sayOfCode("");
}

function sayOfCode(text) {
  const place = $("[data-code-said]");
  place.textContent = text;
  place.hidden = !text;
  $("#code").setAttribute("aria-invalid", String(Boolean(text)));
}

let attempt = null; // what was typed and the name of this try: sent again it is the same try

async function answerCode(event) {
  event.preventDefault();
  const field = $("#code");
  const code = field.value.replace(/\s/g, "");
  if (!challenge || !/^\d{6}$/.test(code)) {
    sayOfCode("请输入短信里的 6 位数字。");
    return field.focus();
  }
  const of = `${challenge.id} ${code}`;
  if (attempt?.of !== of) attempt = { of, id: crypto.randomUUID() };
  const button = event.target.querySelector("button");
  button.setAttribute("aria-busy", "true");
  try {
    const answered = (await ask("answer_code", { id: challenge.id, attempt: attempt.id, code })).challenge;
    attempt = null;
    if (answered.result) showChallenge(null);
    if (answered.result === "right") toast("验证通过。", "ok", { seconds: 4 });
    else if (answered.result) toast("三次都不对，这次验证结束。请听认证人员安排。", "wait");
    else {
      field.value = "";
      field.focus();
      sayOfCode(`数字不对，还可以试 ${answered.left} 次。请核对最近一条短信。`);
    }
  } catch (error) {
    sayOfCode(error.message);
    if (error.code === "challenge_over") lookAfterCall();
  }
  button.removeAttribute("aria-busy");
}

// --- another app in front, and back

async function comeAndGo() {
  if (!call || going) return;
  if (document.hidden) {
    switches.own(call.switches);
    return;
  }
  try {
    await call.wake();
  } catch (error) {
    toast(`${error.message}。${error.fix ?? ""}`, "bad");
  }
  switches.own(call.switches);
  lookAfterCall();
}

async function turn() {
  try {
    if (!(await call?.switchCamera())) toast("没有找到另一个摄像头。", "act");
  } catch (error) {
    toast(`${error.message}。${error.fix ?? ""}`, "bad");
  }
}

async function leave() {
  const sure = await confirmDialog({ title: "离开通话", text: `认证人员会看到您已离开，最多等您 ${main.dataset.grace} 秒。超过后您回到排队，优先接通，不用重新排队。`, label: "离开", danger: true });
  if (!sure) return;
  call?.close();
  $("[data-room]").hidden = true;
  $("[data-left]").hidden = false;
  $("[data-return]").focus();
  try {
    const { left } = await ask("hang_up");
    if (left !== null) $("[data-stays]").dataset.until = new Date(now() + 1000 * left).toISOString();
  } catch (error) {
    toast(error.message, "bad");
  }
}
