// 坐席: one page, idle or in a call. The newest page of a witness holds the seat; what changes is fetched again as parts.
import { Call, State, networkWords } from "../call.js";
import { agree, now, tick } from "../clock.js";
import { closeDialog, openDialog } from "../dialog.js";
import { get } from "../http.js";
import { Line } from "../line.js";
import { connect } from "../live.js";
import { Passing } from "../passing.js";
import { released } from "../press.js";
import { ringFor } from "../ring.js";
import { enable, ready } from "../ready.js";
import { wireRejection } from "../rejection.js";
import { wireRemarks } from "../remarks.js";
import { toast } from "../toast.js";
import { Towards } from "../towards.js";
import { wireViewer } from "../viewer.js";

const HEARTBEAT_MS = 20_000;
const main = document.querySelector("main");
const session = main.dataset.call ?? null;
let fence = null;
let lost = false;
let changing = false; // a new fence is on its way
let leaving = false; // this page is about to be another one
let call = null;

const live = connect("/seat", {
  online: () => (fence === null ? sit() : comeBack()),
  queue: ({ branch }) => mine(branch) && refresh("queue", "counts", "next"),
  seats: ({ branch }) => mine(branch) && refresh("pill", "team", "today", "states", "queue"),
  seat: (pushed) => fence !== null && pushed.fence > fence && !changing && stop(),
  call: heardOfCall,
  help: heardOfHelp,
  network: (stats) => stats.session_no === session && towards?.network(stats),
});

const mine = (branch) => String(branch) === main.dataset.branch;

// --- holding the seat

async function sit() {
  try {
    const sent = Date.now();
    const seat = await live.ask("sit");
    agree(seat.now, sent);
    hold(seat);
  } catch (error) {
    return toast(error.message, "bad");
  }
  ready("seat"); // before this page holds the seat nothing that is pressed would be done
  refresh(...parts()); // what happened between the making of this page and now
  if (session) {
    startCall();
    lookAtLine();
  }
}

function hold(seat) {
  fence = seat.fence;
  for (const field of document.querySelectorAll("[data-fence]")) field.value = fence;
}

/** The line was down: perhaps another page sat down meanwhile, perhaps the call was ended. */
async function comeBack() {
  await beat();
  towards?.again();
  if (session) lookAtLine();
  refresh(...parts());
}

async function beat() {
  if (fence === null || changing || lost) return;
  try {
    const sent = Date.now();
    agree((await live.ask("heartbeat", { fence })).now, sent);
  } catch (error) {
    lostBy(error);
  }
}
setInterval(beat, HEARTBEAT_MS);

/** Whether this page holds the seat no more, by what was answered; then it stops. */
function lostBy({ code, message }) {
  if (code === "seat_lost") stop();
  else if (code === "taken_over") handedOn(message);
  return code === "seat_lost" || code === "taken_over";
}

/** A supervisor has the call now: the page of the idle seat says so. */
function handedOn(words = "班长已接管这次通话。") {
  if (leaving) return;
  leaving = true;
  lost = true;
  call?.close();
  toast(words, "wait");
  setTimeout(() => location.assign("/seat"), 1500);
}

/** Another page holds the seat: this one does nothing any more. */
function stop() {
  if (lost) return;
  lost = true;
  call?.close();
  const dialog = document.createElement("dialog");
  dialog.className = "dlg wait";
  dialog.dataset.firm = "";
  dialog.innerHTML = `<div class="dlg-h"><h2>坐席已在另一个页面打开</h2></div><div class="dlg-b"><p>本页已停用，通话和排队都在那个页面继续。</p></div>
    <div class="dlg-f"><button class="btn btn-primary" type="button">在本页接回坐席</button></div>`;
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.querySelector("button").addEventListener("click", () => location.reload());
  document.body.append(dialog);
  openDialog(dialog);
}

const refused = new Map(); // act → takes its words away: they stand until it is done, or until what was missing is there

/** Ask in the name of this page; what is refused is said. Resolves to null then. */
async function act(name, payload = {}, options = {}) {
  if (fence === null || lost) return null;
  try {
    const answer = await live.ask(name, { fence, pressed: moment(), ...payload }, options);
    for (const mended of name === "snapshot" ? [name, "mark"] : [name]) refused.get(mended)?.();
    return answer;
  } catch (error) {
    if (!lostBy(error)) refused.set(name, toast(error.message, "bad"));
    return null;
  }
}

// --- parts of the page

const parts = () => [...document.querySelectorAll("[data-part]")].map((el) => el.dataset.part);
const asked = new Set();
let running = false;

/** Fetch these parts again, together; what is asked for while a round is under way makes one more round. */
async function refresh(...names) {
  for (const name of names) if (document.querySelector(`[data-part="${name}"]`)) asked.add(name);
  if (running) return;
  running = true;
  try {
    while (asked.size && !lost && !leaving) {
      const round = [...asked];
      asked.clear();
      await renew(round);
    }
  } finally {
    running = false;
  }
}

async function renew(names) {
  const holder = document.createElement("template");
  try {
    holder.innerHTML = await get(`/seat/parts/${names.join()}`);
  } catch (error) {
    if (error.status === 404 && !leaving) location.reload(); // a call began or ended elsewhere
    return;
  }
  enable(holder.content);
  for (const field of holder.content.querySelectorAll("[data-fence]")) field.value = fence;
  await released();
  for (const fresh of [...holder.content.querySelectorAll("[data-part]")]) exchange(fresh);
}

function exchange(fresh) {
  const name = fresh.dataset.part;
  const old = document.querySelector(`[data-part="${name}"]`);
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  const stood = standsAt(old);
  const row = old.contains(document.activeElement) ? document.activeElement.closest("tr, li")?.id : "";
  const scrolled = [...old.querySelectorAll("[data-scrolls]")].map((el) => el.scrollTop);
  old.replaceWith(fresh);
  tick();
  for (const [n, el] of [...fresh.querySelectorAll("[data-scrolls]")].entries()) el.scrollTop = scrolled[n] ?? 0;
  if (name === "rec") consented();
  if (name === "verdict") {
    showAfter();
    fitAsks();
    if (document.querySelector("#v-pass").disabled) passing.locked();
  }
  if (name === "challenge") towards.challenged(old);
  if (name === "tray") showLatest(stood);
  if (name === "checklist") showCurrent();
  const again = focused && document.getElementById(focused);
  if (again) again.focus();
  else if (row) enterRow(document.getElementById(row));
}

// --- moving by keys: J through the fields, [ and ] through the list; what can be done there has its key then

const ROWS = { fields: ".ftx tbody tr", items: ".chk li" };
const KEYS_OF_A_ROW = { "[data-flag], .flaw": "I", ".cropimg": "E", ".masked > button": "L" };
const stood = {}; // the id of the row where one was

function walk(kind, step) {
  const rows = [...document.querySelectorAll(ROWS[kind])];
  const here = rows.findIndex((row) => row.id === stood[kind]);
  const first = Math.max(0, rows.findIndex((row) => row.matches(".dif, .cur")));
  const row = rows[here < 0 ? first : (here + step + rows.length) % rows.length];
  if (row) enterRow(row);
}

function enterRow(row) {
  row.scrollIntoView({ block: "nearest" });
  (row.querySelector("button.tk, button.tx") ?? row).focus({ preventScroll: true });
}

document.addEventListener("focusin", (event) => {
  const row = event.target.closest(Object.values(ROWS).join());
  if (!row) return;
  stood[row.matches(ROWS.fields) ? "fields" : "items"] = row.id;
  for (const old of document.querySelectorAll("[data-key-here]")) for (const name of ["key", "keyLabel", "keyHere"]) delete old.dataset[name];
  for (const [which, key] of Object.entries(KEYS_OF_A_ROW)) {
    const button = row.querySelector(which);
    if (button) Object.assign(button.dataset, { key, keyLabel: `${button.getAttribute("aria-label")}`, keyHere: "" });
  }
});

// --- clicks, wherever the parts are

document.addEventListener("click", (event) => {
  const on = (selector) => event.target.closest(selector);
  let el;
  if ((el = on("[data-answer-next]"))) answer("answer_next", {}, el);
  else if ((el = on("[data-answer]"))) pick(el);
  else if ((el = on(".states [data-state]"))) go(el.dataset.state);
  else if ((el = on("[data-snapshot]"))) snap(el);
  else if ((el = on("[data-choose]"))) choose(el);
  else if ((el = on("[data-mark][data-result=problem]"))) askWhy(el, "question", mark);
  else if ((el = on("[data-mark]"))) mark(el);
  else if ((el = on("[data-walk]"))) walk(el.dataset.walk, Number(el.dataset.step));
  else if ((el = on("[data-ask]"))) askNow(el.dataset.ask);
  else if ((el = on("a.goto"))) goTo(el, event);
  else if ((el = on("[data-check]"))) check(el.dataset.check, el.dataset.seen, { result: el.dataset.result });
  else if ((el = on("[data-flag]"))) askWhy(el, "field", checkProblem);
  else if ((el = on("[data-look]"))) look(el);
  else if ((el = on("[data-then]"))) then(el);
});

// --- idle: states

let devices = null; // the outcome of the check; null while it runs
document.addEventListener("devices-checked", (event) => {
  devices = event.detail;
});

async function go(state, branch = null) {
  if (state === "online" && !devicesGood()) return;
  changing = true;
  const seat = await act("state", { state, ...(branch === null ? {} : { branch }) });
  changing = false;
  if (!seat) return;
  hold(seat);
  main.dataset.seat = seat.state;
  main.dataset.branch = seat.branch;
  refresh("pill", "counts", "queue", "next", "states", "team", "today");
}

function devicesGood() {
  if (devices?.good) return true;
  toast(devices ? "上线检查没有通过，请按检查结果处理后点“再测一次”。" : "正在检查设备，请稍候再上线。", "wait");
  return false;
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-branch]") && event.target.closest(".card-x")) go(main.dataset.seat === "in_call" ? "online" : main.dataset.seat, Number(event.target.value));
});

// --- idle: answering

async function answer(event, payload, button) {
  if (button.getAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  leaving = true;
  const answered = await act(event, payload);
  if (answered?.call) return location.assign(answered.url);
  leaving = false;
  button.removeAttribute("aria-busy");
  if (answered) toast("现在没有人排队。", "act");
  refresh("queue", "counts", "next");
}

function pick(button) {
  const payload = { ticket: Number(button.dataset.answer), why: "" };
  if ("head" in button.dataset) return answer("answer", payload, button);
  const dialog = document.querySelector("#pick");
  dialog.querySelector("[data-pick-name]").textContent = button.dataset.name;
  const form = dialog.querySelector("form");
  form.why.value = "";
  form.onsubmit = (event) => {
    event.preventDefault();
    closeDialog(dialog);
    answer("answer", { ...payload, why: form.why.value.trim() }, button);
  };
  openDialog(dialog);
}

for (const chip of document.querySelectorAll("[data-why]")) {
  chip.addEventListener("click", () => {
    const field = chip.closest("form").why;
    field.value = chip.dataset.why;
    field.focus();
  });
}

// --- in the call: pictures and sound

const peerState = document.querySelector("[data-peer-state]");
const FATAL = new Set(["call_over", "seat_lost", "taken_over", "404", "signed_out"]);

function startCall() {
  if (call) return;
  call = new Call({
    localVideo: document.querySelector("[data-mine] video"),
    remoteVideo: document.querySelector("[data-peer] video"),
    permit: async () => (await live.ask("permit", { fence, call: session })).permit,
    signal: (sdp, permit) => live.ask("offer", { fence, call: session, sdp, permit }, { timeout: 25_000 }),
    iceServers: async () => (await live.ask("ice", { fence, call: session })).servers,
    fatal: (error) => FATAL.has(error.code),
    onstate: (state, words, error) => {
      line.own(state === State.RECONNECTING);
      if (state !== State.CONNECTED) showOwnNetwork("", 0, words || "未连接");
      if (state === State.FAILED) say(`${error?.message ?? words}${error?.fix ? `。${error.fix}` : ""}`);
      else if (state === State.CONNECTED) waitForPeer();
      else if (state !== State.CLOSED) say(words);
    },
    onstats: showStats,
    ontrouble: (text) => toast(text, "wait"),
    ...towards.wishes,
  });
  document.querySelector("[data-peer] video").addEventListener("playing", () => say("")); // seen before it is counted
  towards.call = call;
  call.start().catch((error) => toast(`${error.message}${error.fix ? `。${error.fix}` : ""}`, "bad"));
}

// --- in the call: towards the investor

const towards =
  session &&
  new Towards({
    ask: (name, payload) => live.ask(name, { fence, call: session, pressed: moment(), ...payload }),
    act: (name, payload) => act(name, { call: session, ...payload }),
    refresh: (...names) => refresh(...names),
  });

// --- in the call: a broken line

const line =
  session &&
  new Line(document.querySelector("[data-peer]"), {
    me: "witness",
    words: {
      mine: "重新连接中",
      theirs: "投资者的连接中断了，正在等待重新连接",
      gone: "投资者已离开通话，可等待其返回，或按技术故障结束",
      then: (left) => (left === null ? "请不要关闭本页。" : left ? `还剩 ${left} 秒。超过后通话结束，投资者回到队首。` : "等待时间已到，正在交回队列。"),
    },
    onchange: ({ theirs }) => towards.away(theirs),
  });

async function lookAtLine() {
  try {
    const state = await live.ask("line", { fence, call: session });
    line.told(state);
    towards.told(state);
  } catch (error) {
    if (error.code === "call_over" && !leaving) location.assign("/seat");
  }
}

/** What the server says about the line; each push also says who is away and how long the call waits. */
function heardOfLine(pushed) {
  line.told(pushed);
  if (pushed.event === "moved") {
    call?.reconnect();
    toast("录像节点中断，正在接到可用的节点。", "wait");
  } else if (pushed.event === "back") {
    toast("已重新接通，通话继续。中断期间说的没有录上，清单会标出要再问的项目。", "ok");
  } else if (pushed.event === "restarted") {
    there = false;
    toast("通话中断过，按规定对话重新开始：请等待投资者重新确认。", "wait", { seconds: 15 });
    waitForPeer();
  }
  refresh("rec", "checklist", "verdict", "script");
}

// --- in the call: the moment before 通过

const passing = session && new Passing(document.querySelector("#passing"));

let there = false;

function waitForPeer() {
  say(there ? "正在接通投资者" : "等待投资者确认并同意录音录像");
}

function say(text) {
  if (!peerState) return;
  peerState.textContent = text;
  peerState.hidden = !text;
}

let still = 0; // reports in a row without a picture

function showOwnNetwork(kind, bars, words) {
  const net = document.querySelector("[data-net]");
  net.className = `pill bare net ${kind}`;
  net.querySelector(".bars").dataset.bars = bars;
  net.querySelector("span").textContent = words;
}

function showStats(stats) {
  showOwnNetwork(stats.bars > 1 ? "ok" : stats.bars ? "wait" : "bad", stats.bars, networkWords(stats));
  document.querySelector("[data-peer-size]").textContent = stats.width ? `　${stats.width < stats.height ? "竖屏" : "横屏"} ${stats.width}×${stats.height}` : "";
  still = stats.fps > 0 || towards.dark ? 0 : still + 1;
  if (stats.fps > 0) towards.seen();
  if (stats.fps > 0 || towards.dark) {
    there = true;
    say("");
  } else if (still > 2) waitForPeer();
}

const SHOWN_IN = { asked: ["checklist", "script", "facts"], marked: ["checklist", "verdict", "script", "facts", "tray"], checked: ["facts", "verdict", "script"] };

const seen = (event) => refresh(...SHOWN_IN[event]);

function heardOfCall(pushed) {
  if (!session || pushed.session_no !== session) {
    if (!session && ["answered", "taken_over"].includes(pushed.event) && !leaving) location.assign("/seat");
    return;
  }
  if (pushed.event === "taken_over") return pushed.to === Number(main.dataset.me) ? undefined : handedOn();
  if (pushed.event === "helped") return heardOfAnswer();
  if (["lost", "left", "back", "moved", "restarted", "recording"].includes(pushed.event)) heardOfLine(pushed);
  else if (pushed.event === "acknowledged") {
    there = true;
    document.querySelector("[data-handed]")?.remove();
    toast("投资者已确认您的姓名和证号，并同意录音录像。", "ok");
    waitForPeer();
    refresh("rec", "facts", "checklist", "verdict", "script", "tray");
  } else if (pushed.event in SHOWN_IN) seen(pushed.event);
  else if (pushed.event === "switched") towards.told(pushed);
  else if (pushed.event === "text") refresh("said");
  else if (pushed.event === "challenge") refresh("challenge", "verdict", "script");
  else if (pushed.event === "ended" && !leaving) location.assign("/seat");
}

/** The words stand with the call; the toast says that they came. */
async function heardOfAnswer() {
  await refresh("help");
  toast("班长回复了您的求助，见左侧本次通话。", "act");
}

/** For supervisors: the rail's number leads to 调度. */
function heardOfHelp({ asked: now }) {
  document.dispatchEvent(new Event("waiting-changed"));
  if (now && "supervises" in main.dataset && !session) ringFor();
}

/** Consent starts the recording's clock; the push may come before this page listens, so the part says it as well. */
function consented() {
  const clock = document.querySelector("[data-part=rec]");
  there ||= Boolean(clock?.dataset.acknowledged);
  document.querySelector("[data-rec-copy]")?.replaceChildren(...[...(clock?.childNodes ?? [])].map((node) => node.cloneNode(true)));
}

// --- in the call: evidence and verdict

// A verdict on its way leads to the next page by itself, with its message: no push overtakes it.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  leaving = true;
  for (const field of document.querySelectorAll("[data-then-field]")) field.value = after();
});

// What follows a verdict is chosen once and stays so, call after call.
const AFTER = "after-verdict";
const after = () => localStorage.getItem(AFTER) ?? "";

function showAfter() {
  const select = document.querySelector("#v-after");
  if (select) select.value = after();
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-after]")) {
    localStorage.setItem(AFTER, event.target.value);
  } else if (event.target.matches("#suspect [name=sign]")) {
    const form = event.target.form;
    form.querySelector("[data-needs-one]").disabled = !form.querySelector("[name=sign]:checked");
  }
});

// Two quick presses are one: they bear one id, and the server takes one picture for it.
const DOUBLE_MS = 800;
const presses = new Map(); // kind → its last press

function pressOf(kind) {
  const last = presses.get(kind);
  const press = last && performance.now() - last.at < DOUBLE_MS ? last : { id: crypto.randomUUID(), at: performance.now() };
  presses.set(kind, press);
  return press.id;
}

async function snap(button) {
  if (button.getAttribute("aria-busy")) return;
  if (!live.online) return toast("与服务器的连接中断，没有抓拍。重新连接后请再按一次。", "bad");
  button.setAttribute("aria-busy", "true");
  const kind = button.dataset.snapshot;
  const kept = await act("snapshot", { call: session, kind, id: pressOf(kind) }, { timeout: 20_000 });
  button.removeAttribute("aria-busy");
  if (kept?.warnings.length) toast(`抓拍${kept.warnings.join("、")}，已保存。请让投资者拿稳、避开灯光后重拍。`, "wait");
  if (kept) refresh("tray", "checklist");
}

/** This picture proves, not another of its kind. */
async function choose(button) {
  if (await act("choose_snapshot", { call: session, id: button.dataset.choose })) refresh("tray", "checklist");
}

const moment = () => new Date(now()).toISOString(); // of the key, however long the way to the server

async function mark(button, why = {}) {
  const { mark: item, result } = button.dataset;
  const made = await act("mark", { call: session, item, result, at: moment(), ...why });
  if (made) seen("marked");
  return made;
}

const checkProblem = (button, why) => check(button.dataset.flag, button.dataset.seen, { result: "problem", ...why });

/** This question now, whichever is next: both pages show it. */
async function askNow(item) {
  if (await act("ask", { call: session, item })) seen("asked");
}

/** The item that is asked now is in sight, with the one that follows. */
function showCurrent() {
  const row = document.querySelector(".chk [aria-current]");
  (row?.nextElementSibling ?? row)?.scrollIntoView({ block: "nearest" });
  row?.scrollIntoView({ block: "nearest" });
}

/** What locks 通过 stands on one line; what does not fit there is behind "+n". */
function fitAsks() {
  const place = document.querySelector("[data-asks]");
  if (!place) return;
  const rest = place.querySelector("[data-rest]");
  const all = [...place.querySelectorAll("[data-one]")];
  for (const el of [...all, ...place.children]) el.hidden = el === rest;
  for (let gone = 1; place.scrollWidth > place.clientWidth && gone <= all.length; gone += 1) {
    const last = all[all.length - gone];
    last.hidden = true;
    if (!last.parentElement.querySelector("[data-one]:not([hidden])")) last.parentElement.hidden = last.parentElement !== place;
    rest.hidden = false;
    rest.textContent = `+${gone}`;
  }
}
window.addEventListener("resize", fitAsks);

/** What locks 通过 leads to where it is mended. */
function goTo(link, event) {
  event.preventDefault();
  link.closest("[popover]")?.hidePopover();
  const target = document.querySelector(`[id="${link.hash.slice(1)}"]`);
  target?.scrollIntoView({ block: "nearest" });
  (target?.matches("tr") ? target.querySelector("button[data-check]") ?? target : target)?.focus();
  if (target?.dataset.mark) askNow(target.dataset.mark);
}

/** Fields of 信息核验: in order, or not for a reason. `prints`: of what stood there when the button was pressed. */
async function check(fields, prints, how) {
  const made = await act("check", { call: session, fields: fields.split(" "), seen: prints.split(" "), at: moment(), ...how });
  seen("checked"); // what is refused because it changed is shown anew
  return made;
}

/** Whatever is not in order has a reason of the register (`use`: which ones), and the moment at which it was seen. */
function askWhy(button, use, then) {
  const dialog = document.querySelector("#flag");
  const form = dialog.querySelector("form");
  const at = moment();
  dialog.querySelector("[data-flag-name]").textContent = button.dataset.title;
  form.reset();
  for (const offer of form.querySelectorAll("[data-use]")) offer.hidden = offer.disabled = offer.dataset.use !== use;
  form.onsubmit = async (event) => {
    event.preventDefault();
    const reason = form.querySelector("[name=reason]:checked").value;
    const fresh = document.getElementById(button.id) ?? button; // the page may show something newer by now
    if (await then(fresh, { reason, words: form["flag-words"].value.trim(), at })) closeDialog(dialog); // what is refused stays to be put right
  };
  openDialog(dialog);
}

/** What was found so far, beside the reasons of the step that it speaks against. */
function showGrounds(sheet) {
  for (const old of sheet.querySelectorAll(".ground")) old.remove();
  for (const found of document.querySelectorAll("[data-ground]")) {
    const said = document.createElement("span");
    said.className = "moment bad ground";
    said.textContent = found.textContent;
    sheet.querySelector(`fieldset[data-step="${found.dataset.ground}"] legend`)?.append(" ", said);
  }
}

/** The photo beside the investor's picture, with everything that it is to prove. */
function look(button) {
  const dialog = document.querySelector("#photo");
  const { look: picture, title } = button.dataset;
  dialog.style.left = `${document.querySelector("[data-peer]").getBoundingClientRect().right + 10}px`;
  openDialog(dialog);
  showPhoto({ dataset: { picture, title } });
  const rows = [...document.querySelectorAll(`[data-part=facts] tr:has([data-look="${picture}"])`)];
  dialog.querySelector("[data-beside]").replaceChildren(
    ...rows.flatMap((row) => {
      const [name, value] = [document.createElement("dt"), document.createElement("dd")];
      name.textContent = row.querySelector("th").firstChild.textContent;
      value.append(...[...row.querySelector("td").childNodes].map((node) => node.cloneNode(true)));
      return [name, value];
    }),
  );
}

function then(button) {
  closeDialog(button.closest("dialog"));
  document.querySelector(button.dataset.then).click();
}

/** The picture just taken is in sight; nobody who looks at an earlier one is moved otherwise. */
function showLatest(before = null) {
  const row = document.querySelector("[data-part=tray] ul");
  row.scrollLeft = row.childElementCount === before?.count ? before.left : row.scrollWidth;
}

/** Read before the part is exchanged: an element outside of the page has no place of scrolling. */
function standsAt(part) {
  const row = part.querySelector("ul");
  return row && { count: row.childElementCount, left: row.scrollLeft };
}

const showPhoto = session && wireViewer(document.querySelector("#photo [data-viewer]"));
if (session) {
  for (const said of document.querySelectorAll("[data-toasts] > li")) toast(said.textContent, said.dataset.kind);
  document.querySelector("[data-toasts]")?.remove();
  consented();
  showLatest();
  fitAsks();
  const sheet = document.querySelector("#reject");
  wireRejection(sheet);
  const helping = document.querySelector("#help form");
  const said = document.querySelector("#help-said");
  helping.addEventListener("submit", async (event) => {
    event.preventDefault(); // what is refused stays to be put right
    try {
      await live.ask("ask_help", { fence, pressed: moment(), call: session, reason: helping.why.value.trim() });
    } catch (error) {
      said.textContent = error.message;
      said.hidden = lostBy(error);
      return helping.why.focus();
    }
    helping.reset();
    said.hidden = true;
    closeDialog(helping.closest("dialog"));
    toast("已求助班长，通话照常继续。", "ok");
    refresh("help");
  });
  const noted = document.querySelector("#note-text");
  document.querySelector("#note form").addEventListener("submit", async () => {
    if (await act("note", { call: session, text: noted.value })) toast("备注已保存。", "ok");
  });
  showAfter();
  sheet.addEventListener("dialog-opened", () => showGrounds(sheet));
  for (const dialog of [sheet, document.querySelector("#fault")]) {
    dialog.addEventListener("dialog-opened", () => {
      const own = dialog.querySelector("[name=internal_note]");
      if (!own.value) own.value = noted.value;
    });
  }
  wireRemarks();
}
document.querySelector("main h1")?.focus({ preventScroll: true });
