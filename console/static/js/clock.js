// The server's clock on this page: every time and wait is reckoned from it, never from the device's own clock.
import { every } from "./ticking.js";

const told = Date.parse(document.querySelector('meta[name="server-time"]')?.content ?? "");
const arrived = performance.timeOrigin + (performance.getEntriesByType("navigation")[0]?.responseStart ?? 0);
let offset = Number.isNaN(told) ? 0 : told - arrived;

export const now = () => Date.now() + offset;

let wait = Infinity; // ms that the answer took by which the clock was set last

/** The server told its time in an answer to what was asked at `sent` (Date.now()): the quickest answers set the clock. */
export function agree(iso, sent) {
  const took = Date.now() - sent;
  const at = Date.parse(iso);
  if (Number.isNaN(at) || took > 1.5 * wait) return;
  wait = Math.max(took, 20);
  offset = at - (sent + took / 2);
}

const two = (n) => String(n).padStart(2, "0");

/** 65 -> "01:05", 3725 -> "1:02:05"; with `hours` always "01:02:05". */
export function mmss(seconds, hours = false) {
  const s = Math.max(0, Math.floor(seconds));
  if (hours) return `${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return s < 3600 ? `${two(Math.floor(s / 60))}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

const zone = { timeZone: "Asia/Shanghai" };
const DAY = new Intl.DateTimeFormat("zh-CN", { ...zone, month: "numeric", day: "numeric" });
const WEEKDAY = new Intl.DateTimeFormat("zh-CN", { ...zone, weekday: "short" });
const TIME = new Intl.DateTimeFormat("zh-CN", { ...zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const FULL = new Intl.DateTimeFormat("sv-SE", { ...zone, dateStyle: "short", timeStyle: "medium" });

/** "2026-11-20 14:32:08", Asia/Shanghai. */
export const exact = (at = now()) => FULL.format(at);

function ago(seconds) {
  if (seconds < 60) return "刚刚";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} 分钟前`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} 小时前`;
  return null;
}

/** Put them all right now: what just came into the page need not wait for the next second. */
export function tick() {
  const at = now();
  for (const el of document.querySelectorAll("[data-clock]")) {
    el.dateTime = new Date(at).toISOString();
    put(el.querySelector("[data-clock-day]"), `${DAY.format(at).replace("/", "月")}${DAY.format(at).includes("日") ? "" : "日"} ${WEEKDAY.format(at)}`);
    put(el.querySelector("[data-clock-time]") ?? el, TIME.format(at));
  }
  for (const el of document.querySelectorAll("[data-stamp]")) put(el, exact(at));
  for (const el of document.querySelectorAll("[data-since]")) {
    const seconds = (at - Date.parse(el.dataset.since)) / 1000;
    put(el, mmss(seconds, el.dataset.format === "hms"));
    if (el.dataset.warn) el.classList.toggle("t-wait", seconds >= Number(el.dataset.warn));
  }
  for (const el of document.querySelectorAll("[data-until]")) {
    const left = (Date.parse(el.dataset.until) - at) / 1000;
    put(el, el.dataset.format === "s" ? String(Math.max(0, Math.ceil(left))) : mmss(Math.ceil(left)));
    if (left <= 0 && !el.dataset.over) {
      el.dataset.over = "1";
      el.dispatchEvent(new CustomEvent("time-over", { bubbles: true }));
    }
  }
  for (const el of document.querySelectorAll("[data-in]")) {
    const minutes = Math.ceil((Date.parse(el.dataset.in) - at) / 60_000);
    put(el, minutesUntil(minutes));
    el.classList.toggle("t-wait", minutes <= 0);
  }
  for (const el of document.querySelectorAll("[data-ago]")) {
    const words = ago((at - Date.parse(el.dateTime)) / 1000);
    if (words) put(el, words);
  }
}

/** As the server writes it: console/screens.py. */
const minutesUntil = (minutes) => (minutes <= 0 ? "到时未到" : minutes < 60 ? `${minutes} 分钟后` : `${Math.floor(minutes / 60)} 小时 ${minutes % 60} 分后`);

function put(el, text) {
  if (el && el.textContent !== text) el.textContent = text;
}

/** Keep [data-clock], [data-stamp], [data-since], [data-until] and [data-ago] true, once a second. */
export function startClock() {
  tick();
  every(1000, tick);
}
