// 安装数字证书: the password twice, the key made here, the certificate fetched and kept; or one is here already.
import { CertificateError, forget, install, localCertificates } from "../certificate.js";
import { confirmDialog } from "../dialog.js";
import { HttpError, post } from "../http.js";
import { setIcon } from "../icons.js";
import { toast } from "../toast.js";
import { follow } from "./portal-follow.js";

// icons: circle circle-check
const page = document.querySelector("[data-certificate]");
const form = page.querySelector("[data-password-form]");
const [password, again] = [form.elements.password, form.elements.again];
const RULES = {
  length: (text) => text.length >= 6,
  same: (text) => text.length > 1 && new Set(text).size > 1,
  run: (text) => text.length > 1 && !isRun(text),
};

function isRun(text) {
  const steps = new Set([...text].slice(1).map((char, i) => char.codePointAt(0) - text.codePointAt(i)));
  return /^\d+$/.test(text) && steps.size === 1 && Math.abs([...steps][0]) === 1;
}

/** Show one state: ask, busy, installed, present, failed. */
function show(state) {
  for (const part of document.querySelectorAll("[data-when]")) part.hidden = !part.dataset.when.split(" ").includes(state);
  document.querySelector(`[data-when~="${state}"] [data-focus]`)?.focus();
}

function fault(field, text) {
  const said = document.getElementById(`${field.id}-error`);
  said.hidden = !text;
  said.querySelector("span").textContent = text;
  field.classList.toggle("bad", Boolean(text));
  if (text) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
  return Boolean(text);
}

function drawRules() {
  for (const [name, holds] of Object.entries(RULES)) {
    const line = form.querySelector(`[data-rule="${name}"]`);
    const ok = holds(password.value);
    line.classList.toggle("ok", ok);
    setIcon(line.querySelector("svg"), ok ? "circle-check" : "circle");
  }
}

function faults() {
  const weak = Object.values(RULES).some((holds) => !holds(password.value));
  const first = fault(password, !password.value ? "请设置证书密码。" : weak ? "密码太简单，请按下面三条修改。" : "");
  const second = fault(again, !again.value ? "请再输一次密码。" : again.value !== password.value ? "两次密码不一样，请重新输入这一栏。" : "");
  if (first) password.focus();
  else if (second) again.focus();
  return first || second;
}

function ready(serial, state) {
  document.querySelector("#hand-in").elements.serial.value = serial;
  for (const place of page.querySelectorAll("[data-serial]")) place.textContent = serial;
  show(state);
}

async function run() {
  show("busy");
  try {
    const { serial } = await install(page.dataset.enrol, password.value);
    form.reset();
    ready(serial, "installed");
  } catch (error) {
    if (!(error instanceof CertificateError) && !(error instanceof HttpError)) console.error(error);
    const known = error instanceof CertificateError || error instanceof HttpError;
    page.querySelector("[data-failure]").textContent = known ? error.message : "浏览器没有完成证书的安装。";
    show("failed");
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!faults()) void run();
});
password.addEventListener("input", () => {
  drawRules();
  fault(password, "");
});
again.addEventListener("input", () => fault(again, ""));
document.querySelector("[data-again]").addEventListener("click", () => (password.value ? void run() : show("ask")));

page.querySelector("[data-forget]").addEventListener("click", async () => {
  const serial = document.querySelector("#hand-in").elements.serial.value;
  const text = "删除后，这张证书立即作废，不能再用来签署。需要重新设置密码并安装。";
  if (!(await confirmDialog({ title: "删除本地证书？", text, label: "删除本地证书", danger: true }))) return;
  try {
    await post(page.dataset.forget, { serial });
  } catch (error) {
    toast(error.message, "bad");
    return;
  }
  await forget(serial);
  show("ask");
});

follow();
const valid = new Set(page.dataset.valid.split(" ").filter(Boolean));
try {
  const here = (await localCertificates()).find((each) => valid.has(each.serial));
  if (here) ready(here.serial, "present");
  else show("ask");
} catch (error) {
  if (!(error instanceof CertificateError)) throw error;
  page.querySelector("[data-failure]").textContent = error.message;
  show("failed");
}
