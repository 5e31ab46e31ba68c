// 复核任务: a cursor that moves by keys, and rows that stay true while others work. The cursor keeps its case, not its line.
import { get } from "../http.js";
import { connect } from "../live.js";
import { released } from "../press.js";
import { enable, ready } from "../ready.js";
import { toast } from "../toast.js";

const inbox = document.querySelector("#inbox");
let current = "";

const rows = () => [...inbox.querySelectorAll("tr[data-case]")];
const currentRow = () => rows().find((row) => row.dataset.case === current) ?? null;

function point(row) {
  for (const each of rows()) {
    each.classList.toggle("cur", each === row);
    if (each === row) each.setAttribute("aria-current", "true");
    else each.removeAttribute("aria-current");
  }
  current = row?.dataset.case ?? "";
  row?.scrollIntoView({ block: "nearest" });
}

function move(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.indexOf(currentRow());
  point(all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))]);
}

const acts = {
  down: () => move(1),
  up: () => move(-1),
  open: () => currentRow()?.querySelector("a.case-no").click(),
  claim: () => submit("claim", "这一件现在不能领取。"),
  release: () => submit("release", "只能退回自己领取的任务。"),
};

function submit(what, otherwise) {
  const form = currentRow()?.querySelector(`form[data-do=${what}]`);
  if (form) form.requestSubmit();
  else toast(otherwise, "wait");
}

inbox.addEventListener("click", (event) => {
  const act = event.target.closest("[data-act]");
  if (act) return acts[act.dataset.act]();
  const row = event.target.closest("tr[data-case]");
  if (row) point(row);
});
inbox.addEventListener("dblclick", (event) => event.target.closest("tr[data-case]")?.querySelector("a.case-no").click());
inbox.addEventListener("change", (event) => {
  if (event.target.matches("select")) event.target.form.requestSubmit();
});

// --- what others do shows by itself

let asked = false;

async function refresh() {
  if (asked) return;
  asked = true;
  setTimeout(async () => {
    asked = false;
    try {
      const html = await get(location.href, { headers: { Accept: "text/html" } });
      await released();
      take(new DOMParser().parseFromString(html, "text/html"));
    } catch {
      setTimeout(refresh, 5000); // the next push or the next look finds the truth
    }
  }, 150);
}

function take(fresh) {
  enable(fresh);
  const typing = inbox.querySelector(".filters").contains(document.activeElement);
  for (const part of [".tabs", "[data-rows]", "[data-foot]", ...(typing ? [] : [".filters"])]) {
    const next = fresh.querySelector(`#inbox ${part}`);
    if (next) inbox.querySelector(part)?.replaceWith(next);
  }
  const counts = fresh.querySelector("[data-counts]");
  if (counts) document.querySelector("[data-counts]")?.replaceWith(counts);
  const before = current;
  point(currentRow());
  if (before && !currentRow()) toast(`受理单 ${before} 已不在此列表。`, "act");
}

connect("/review", { tasks: refresh, online: (again) => again && refresh() });
setInterval(refresh, 60_000); // due times pass without anybody doing anything
point(rows()[0] ?? null);
ready("review-list");
