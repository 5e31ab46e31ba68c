// 复核任务: a cursor that moves by keys, and rows that stay true while others work. The cursor keeps its case, not its line.
import { askingAgain } from "../again.js";
import { openDialog } from "../dialog.js";
import { exported, save } from "../export.js";
import { request } from "../http.js";
import { connect } from "../live.js";
import { enable, ready } from "../ready.js";
import { toast } from "../toast.js";

const inbox = document.querySelector("#inbox");
const bar = inbox.querySelector("[data-chosen]");
const chosen = new Set(); // case numbers of this page
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
  release: () => submit("release", "只能退回自己领取或指派给自己的任务。"),
  choose: () => currentRow()?.querySelector("[data-choose]").click(),
};

function submit(what, otherwise) {
  const form = currentRow()?.querySelector(`form[data-do=${what}]`);
  if (form) form.requestSubmit();
  else toast(otherwise, "wait");
}

// --- several at once

function showChosen() {
  const all = rows();
  for (const number of chosen) if (!all.some((row) => row.dataset.case === number)) chosen.delete(number);
  for (const row of all) {
    row.querySelector("[data-choose]").checked = chosen.has(row.dataset.case);
    row.setAttribute("aria-selected", String(chosen.has(row.dataset.case)));
  }
  const every = inbox.querySelector("[data-choose-all]");
  every.checked = all.length > 0 && chosen.size === all.length;
  every.indeterminate = chosen.size > 0 && !every.checked;
  bar.hidden = !chosen.size;
  bar.querySelector("[data-chosen-count]").textContent = `已选 ${chosen.size} 件`;
}

inbox.addEventListener("change", (event) => {
  const box = event.target;
  if (box.matches("[data-choose]")) chosen[box.checked ? "add" : "delete"](box.closest("tr").dataset.case);
  else if (box.matches("[data-choose-all]")) for (const row of rows()) chosen[box.checked ? "add" : "delete"](row.dataset.case);
  else return;
  showChosen();
});

bar.addEventListener("click", (event) => {
  const asks = event.target.closest("[data-asks]");
  const wakes = event.target.closest("[data-wakes]");
  if (event.target.closest("[data-unchoose]")) chosen.clear();
  if (asks) {
    const dialog = document.querySelector(`#${asks.dataset.asks}`);
    dialog.querySelector("[data-how-many]").textContent = `${chosen.size} 件`;
    openDialog(dialog);
  }
  if (wakes) doToChosen(wakes.dataset.wakes, new FormData());
  showChosen();
});

for (const dialog of document.querySelectorAll("#assign, #snooze")) {
  dialog.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    dialog.close();
    doToChosen(event.target.action, new FormData(event.target));
  });
}

/** What was done is not chosen any more; what failed stays so, and is told with why. */
async function doToChosen(url, form) {
  for (const number of chosen) form.append("case", number);
  let told;
  try {
    told = await request(url, { form, timeout: 60_000 });
  } catch (error) {
    return toast(error.message, "bad");
  }
  for (const number of told.done) chosen.delete(number);
  showChosen();
  if (told.failed.length) tell(told);
  else toast(told.words, "ok");
  refresh();
}

function tell({ done, failed }) {
  const outcome = document.querySelector("#outcome");
  outcome.querySelector("h2").textContent = `办成 ${done.length} 件，${failed.length} 件没有办成`;
  outcome.querySelector("[data-failed]").replaceChildren(
    ...failed.map(({ case_no: number, why }) => {
      const line = document.createElement("li");
      const which = document.createElement("b");
      which.className = "num";
      which.textContent = number;
      line.append(which, why);
      return line;
    }),
  );
  openDialog(outcome);
}

inbox.addEventListener("click", (event) => {
  const act = event.target.closest("[data-act]");
  if (act) return acts[act.dataset.act]();
  const row = event.target.closest("tr[data-case]");
  if (row) point(row);
});
inbox.addEventListener("dblclick", (event) => {
  if (!event.target.matches("input, button")) event.target.closest("tr[data-case]")?.querySelector("a.case-no").click();
});
inbox.addEventListener("change", (event) => {
  if (event.target.matches("select")) event.target.form.requestSubmit();
});

// --- 导出: the filters of the address, or what is chosen

const exporting = document.querySelector("#export");
let running = null; // the AbortController of the export on its way
let only = [];

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-export]");
  if (button) askExport(button.dataset.export === "chosen" ? [...chosen] : []);
  if (event.target.closest("[data-cancels]")) exporting.close();
});
exporting.addEventListener("close", () => running?.abort());
exporting.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!running) runExport(event.target);
});

function askExport(numbers) {
  only = numbers;
  const many = only.length || Number(inbox.querySelector("[data-total]").dataset.total);
  exporting.querySelector("[data-how-many]").textContent = `${many} 件`;
  exporting.querySelector("[data-what]").textContent = `${only.length ? "导出所选的任务" : "导出当前视图和筛选下的全部任务"}。姓名已脱敏，这次导出会写入您的留痕。`;
  showExport(false);
  openDialog(exporting);
}

function showExport(on) {
  exporting.querySelector("[data-exporting]").hidden = !on;
  exporting.querySelector("[type=submit]").disabled = on;
  exporting.querySelector("progress").value = 0;
  exporting.querySelector("[data-so-far]").textContent = "";
}

async function runExport(form) {
  const sent = new FormData(form);
  for (const [name, value] of new URLSearchParams(location.search)) if (name !== "after") sent.append(name, value);
  for (const number of only) sent.append("case", number);
  running = new AbortController();
  showExport(true);
  try {
    const file = await exported(form.action, sent, { signal: running.signal, onprogress: showProgress });
    save(file);
    toast(`已导出 ${file.rows} 件：${file.name}`, "ok");
  } catch (error) {
    if (running.signal.aborted) toast("已取消导出。", "act");
    else toast(error.message, "bad");
  } finally {
    running = null;
    exporting.close();
  }
}

function showProgress(rows, total) {
  exporting.querySelector("progress").value = total ? rows / total : 1;
  exporting.querySelector("[data-so-far]").textContent = `已写入 ${rows} 件，共 ${total} 件`;
}

// --- what others do shows by itself

const refresh = askingAgain(take);

const controls = (number) => [...(rows().find((row) => row.dataset.case === number)?.querySelectorAll("a, button, input") ?? [])];

/** Where the focus is, in words that hold when the rows are exchanged. */
function placeOf(focus) {
  const row = focus?.closest("tr[data-case]")?.dataset.case;
  return row && { row, nth: controls(row).indexOf(focus) };
}

function take(fresh) {
  enable(fresh);
  const before = current;
  const focused = placeOf(document.activeElement);
  const typing = inbox.querySelector(".filters").contains(document.activeElement);
  for (const part of [".tabs", "[data-rows]", "[data-foot]", ...(typing ? [] : [".filters"])]) {
    const next = fresh.querySelector(`#inbox ${part}`);
    const was = inbox.querySelector(part);
    if (!next || !was) continue;
    const scrolled = was.scrollLeft;
    was.replaceWith(next);
    next.scrollLeft = scrolled;
  }
  const counts = fresh.querySelector("[data-counts]");
  if (counts) document.querySelector("[data-counts]")?.replaceWith(counts);
  point(currentRow());
  showChosen();
  if (focused) controls(focused.row)[focused.nth]?.focus({ preventScroll: true });
  if (before && !currentRow()) toast(`受理单 ${before} 已不在此列表。`, "act");
}

connect("/review", { tasks: refresh, online: (again) => again && refresh() });
setInterval(refresh, 60_000); // due times pass without anybody doing anything
inbox.querySelector(".tab[aria-current]")?.scrollIntoView({ inline: "nearest", block: "nearest" });
point(rows()[0] ?? null);
ready("review-list");
