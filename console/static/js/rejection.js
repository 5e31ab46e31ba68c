// The rejection sheet: which steps the chosen reasons reopen and what the investor will read, before anything is sent.
// One sheet for the seat and the counter: templates/_macros/rejection.html.
import { icon } from "./icons.js";
import { ready } from "./ready.js";

const WORDS = { redo: ["重做", "bad"], again: ["再来一次", "wait"], keep: ["保留", "ok"], todo: ["未开始", ""], off: ["不再办理", ""] };

export function wireRejection(sheet) {
  const update = () => show(sheet);
  sheet.addEventListener("change", update);
  sheet.addEventListener("input", (event) => {
    if (event.target.matches("[data-find]")) find(sheet, event.target.value);
    else update();
  });
  update();
  ready("rejection");
}

const chosen = (sheet) => [...sheet.querySelectorAll("input[name=reason]:checked")];

/** Keys of the steps that are blamed and of all that open again with them. */
function consequences(sheet) {
  const blamed = new Set();
  const reopened = new Set();
  for (const box of chosen(sheet)) {
    const group = box.closest("[data-step]");
    blamed.add(group.dataset.step);
    for (const key of group.dataset.reopens.split(" ")) reopened.add(key);
  }
  return { blamed, reopened, final: chosen(sheet).some((box) => "final" in box.dataset) };
}

function show(sheet) {
  const picked = chosen(sheet);
  const { blamed, reopened, final } = consequences(sheet);
  const counted = { redo: 0, again: 0, keep: 0 };
  for (const row of sheet.querySelectorAll(".rs")) row.classList.toggle("on", row.querySelector("input").checked);
  for (const [place, step] of [...sheet.querySelectorAll(".path > li")].entries()) {
    const fate = final ? "off" : fateOf(step, blamed, reopened);
    if (fate in counted) counted[fate] += 1;
    paint(step, fate, place + 1);
  }
  const { redo, again, keep } = counted;
  said(sheet, "note", note(picked, final, redo, again, sheet.querySelectorAll(".path > li").length));
  said(sheet, "sum", picked.length ? `${picked.length} 个原因，${final ? "业务终止" : `重做 ${redo} 步，保留 ${keep} 步`}。` : "请至少选择一个原因。");
  const send = sheet.querySelector("[data-send]");
  send.disabled = picked.length === 0;
  send.querySelector("[data-word]").textContent = final ? "终止办理" : send.dataset.word;
  preview(sheet, picked, final);
}

function fateOf(step, blamed, reopened) {
  if (blamed.has(step.dataset.step)) return "redo";
  if ("now" in step.dataset && blamed.size) return "again"; // what is going on now was not finished
  if (!("done" in step.dataset)) return "todo";
  return reopened.has(step.dataset.step) ? "again" : "keep";
}

function paint(step, fate, number) {
  step.className = fate === "todo" || fate === "off" ? "" : fate;
  const [word, kind] = WORDS[fate];
  const pill = step.querySelector(".pill");
  pill.className = `pill bare ${kind}`;
  pill.textContent = word;
  const mark = step.querySelector(".mk");
  if (fate === "redo") mark.replaceChildren(icon("arrow-back-up"));
  else if (fate === "keep") mark.replaceChildren(icon("check"));
  else mark.textContent = number;
}

function note(picked, final, redo, again, total) {
  if (!picked.length) return "选择原因后，这里显示哪些步骤会重开。没有被指出的步骤都保留。";
  if (final) return "所选原因不可修改后重交：业务会终止，投资者不能再提交这一单。";
  return `重做 ${redo} 步，共 ${total} 步${again ? `；${again} 步为它们作过证，需再来一次` : ""}。其余保留。`;
}

function said(sheet, name, text) {
  sheet.querySelector(`[data-${name}]`).textContent = text;
}

// --- 投资者会看到

function preview(sheet, picked, final) {
  const place = sheet.querySelector("[data-preview]");
  const told = place.dataset;
  const by = steps(picked);
  const head = final
    ? message("red", "业务已终止", "很抱歉，您的申请未能通过。原因如下，如有疑问请联系营业部。")
    : message("red", told.title.replace("{}", by.size), told.how);
  const parts = picked.length ? [head] : [message("soft", "尚未选择原因", "")];
  const remark = sheet.querySelector("[name=remark]").value.trim();
  for (const [title, boxes] of by) {
    const texts = boxes.map((box) => box.dataset.text + (final ? "" : box.dataset.tip));
    const part = message("", title, ...texts, ...(remark ? [told.remark.replace("{}", () => remark)] : []));
    part.querySelector("h3").prepend(made("b", "t-bad", String(parts.length)));
    if (!final) part.append(parts.length > 1 ? made("p", "mute", told.later) : made("span", "go", "去修改"));
    parts.push(part);
  }
  const again = [...sheet.querySelectorAll(".path > .again .nm")].map((name) => name.textContent);
  if (again.length) parts.push(message("soft", again.join("、"), "上面改好后，请您再来一次。"));
  place.replaceChildren(...parts);
}

function steps(picked) {
  const by = new Map();
  for (const box of picked) {
    const title = box.closest("[data-step]").dataset.title;
    by.set(title, [...(by.get(title) ?? []), box]);
  }
  return by;
}

function message(cls, title, ...texts) {
  const box = made("div", `msg ${cls}`.trim());
  box.append(made("h3", "", title));
  if (cls === "red") box.querySelector("h3").prepend(icon("alert-circle"));
  for (const text of texts.filter(Boolean)) box.append(made("p", "", text));
  return box;
}

function made(tag, cls, text = "") {
  const el = document.createElement(tag);
  if (cls) el.className = cls;
  el.textContent = text;
  return el;
}

// --- finding a reason

/** By all that a reason says; what is chosen stays in sight. */
function find(sheet, text) {
  const wanted = text.trim().toLowerCase();
  let found = false;
  for (const group of sheet.querySelectorAll("[data-step]:is(fieldset)")) {
    let some = false;
    for (const row of group.querySelectorAll(".rs")) {
      const box = row.querySelector("input");
      const fits = `${group.dataset.title} ${row.textContent} ${box.dataset.tip}`.toLowerCase().includes(wanted);
      row.hidden = !fits && !box.checked;
      found ||= fits;
      some ||= !row.hidden;
    }
    group.hidden = !some;
  }
  sheet.querySelector("[data-none]").hidden = found;
}
