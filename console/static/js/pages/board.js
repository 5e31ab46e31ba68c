// 看板: a push says that something changed, the server renders the parts, htmx puts them in their places; the chart reads its table.
import uPlot from "../../vendor/uPlot.js";
import { connect } from "../live.js";
import { ready } from "../ready.js";
import { allowSound, tone } from "../ring.js";
import { every } from "../ticking.js";

const OFTEN_MS = 1000; // never asked more often, however much happens
const SELDOM_MS = 15_000; // waits pass the lines without anybody doing anything
const MUTED = "board-muted";

const board = document.querySelector("[data-board]");
const refresher = board.querySelector("[data-refresh]");

// --- what changed

let asked = 0;
let due = 0;

function refresh() {
  if (due) return;
  due = setTimeout(() => {
    due = 0;
    asked = Date.now();
    if (!document.hidden) window.htmx.trigger(refresher, "changed");
  }, Math.max(0, asked + OFTEN_MS - Date.now()));
}

connect("/board", { queue: refresh, seats: refresh, help: refresh, online: (again) => again && refresh() });
every(SELDOM_MS, refresh);
document.addEventListener("visibilitychange", refresh);
document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target.id === "b-numbers") draw();
  if (event.detail.target.id === "b-alerts") listen();
});

// --- the alarm: once for each branch that passes the line

let alarms = new Set();

function listen() {
  const now = new Set((board.querySelector("[data-alarms]")?.dataset.alarms ?? "").split(" ").filter(Boolean));
  if ([...now].some((branch) => !alarms.has(branch))) {
    board.querySelector("[data-said]").textContent = board.querySelector("#b-alerts").innerText;
    if (!muted()) tone();
  }
  alarms = now;
}

const muted = () => localStorage.getItem(MUTED) === "1";
const mute = board.querySelector("[data-mute]");

function showMute() {
  mute.setAttribute("aria-pressed", String(muted()));
  mute.querySelector("[data-icon-on]").hidden = muted();
  mute.querySelector("[data-icon-off]").hidden = !muted();
  mute.lastChild.textContent = muted() ? "已静音" : "提示音";
}

mute.addEventListener("click", () => {
  localStorage.setItem(MUTED, muted() ? "0" : "1");
  showMute();
  if (!muted()) allowSound().then(tone);
});
document.addEventListener("pointerdown", allowSound, { once: true });

// --- what is looked at

const scope = board.querySelector("[data-scope]");
if (scope) {
  scope.querySelector("[data-go]").hidden = true;
  scope.addEventListener("change", () => scope.requestSubmit());
}
board.querySelector("[data-screen]").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else board.requestFullscreen();
});

// --- the chart of the day

const place = board.querySelector("[data-day]");
const HOUR = new Intl.DateTimeFormat("zh-CN", { timeZone: "Asia/Shanghai", hour: "numeric", minute: "2-digit", hourCycle: "h23" });
let chart = null;

function numbers() {
  const rows = [...board.querySelectorAll("[data-numbers] tbody tr")].map((row) => row.dataset);
  return ["begins", "arrived", "answered", "longest"].map((name) => rows.map((row) => (name in row ? Number(row[name]) : null)));
}

const colour = (name) => getComputedStyle(board).getPropertyValue(name).trim();

function made() {
  const [text, line] = [colour("--wd-text-3"), colour("--wd-line")];
  const font = `12px ${getComputedStyle(board).fontFamily}`;
  const axis = { stroke: text, font, grid: { stroke: line, width: 1 }, ticks: { show: false }, size: 34, gap: 4 };
  const bars = (align) => uPlot.paths.bars({ size: [0.36, 18], align, radius: 0.1 });
  const most = (least) => (_chart, _min, max) => [0, Math.max(least, max * 1.1)];
  return new uPlot(
    {
      ...room(),
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false, range: ({ data: [begins] }) => [begins[0] - 1800, begins.at(-1) + 1800] }, y: { range: most(4) }, minutes: { range: most(5) } },
      axes: [
        { ...axis, grid: { show: false }, size: 26, space: 56, incrs: [1800, 3600, 7200, 10800, 14400], values: (_chart, at) => at.map((each) => HOUR.format(each * 1000)) },
        { ...axis, space: 24, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] },
        { ...axis, scale: "minutes", side: 1, grid: { show: false }, space: 24, incrs: [1, 2, 5, 10, 15, 30, 60, 120] },
      ],
      series: [
        {},
        { fill: colour("--wd-action"), width: 0, paths: bars(-1), points: { show: false } },
        { fill: colour("--wd-idle-mark"), width: 0, paths: bars(1), points: { show: false } },
        { scale: "minutes", stroke: colour("--wd-wait-mark"), width: 2, points: { show: true, size: 5, fill: colour("--wd-wait-mark") } },
      ],
    },
    numbers(),
    place,
  );
}

const room = () => ({ width: Math.max(200, place.clientWidth - 20), height: Math.max(90, place.clientHeight - 8) });

function draw() {
  if (!place.clientWidth) return; // the numbers are looked at instead
  if (chart) chart.setData(numbers());
  else chart = made();
}

function anew() {
  chart?.destroy();
  chart = null;
  draw();
}

new ResizeObserver(() => (chart && place.clientWidth ? chart.setSize(room()) : draw())).observe(place);
new MutationObserver(anew).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });

showMute();
draw();
listen();
ready("board");
