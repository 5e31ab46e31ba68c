// 签署协议: everything was read; agree, unlock the key once with the password, sign what the server offers, send it back.
import { CertificateError, forget, fromBase64, localCertificates, sign, toBase64 } from "../certificate.js";
import { confirmDialog } from "../dialog.js";
import { HttpError, lookAgain, post } from "../http.js";
import { toast } from "../toast.js";
import { follow } from "./portal-follow.js";

const page = document.querySelector("[data-signing]");
const form = page.querySelector("[data-sign]");
const button = document.querySelector('[data-act="sign"]');
const { agree, password } = form.elements;
const valid = new Set(page.dataset.valid.split(" ").filter(Boolean));
let serial = null;

function fault(field, text) {
  const said = document.getElementById(`${field.id}-error`);
  said.hidden = !text;
  said.querySelector("span").textContent = text;
  field.classList.toggle("bad", Boolean(text));
  if (text) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
  if (text) field.focus();
  return Boolean(text);
}

async function signAll() {
  const { documents } = await post(page.dataset.offer, { serial });
  if (!documents.length) return;
  const made = await sign(serial, password.value, documents.map((each) => fromBase64(each.bytes)));
  const signatures = Object.fromEntries(documents.map((each, i) => [String(each.id), toBase64(made[i])]));
  await post(page.dataset.answer, { signatures });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const unsure = fault(agree, agree.checked ? "" : "请勾选“我已阅读并同意”。");
  if (fault(password, password.value ? "" : "请输入证书密码。") || unsure || button.ariaBusy === "true") return;
  button.setAttribute("aria-busy", "true");
  try {
    await signAll();
  } catch (error) {
    button.removeAttribute("aria-busy");
    return failed(error);
  }
  if ("goesOn" in page.dataset) document.querySelector("#hand-in").requestSubmit();
  else lookAgain();
});

function failed(error) {
  if (error instanceof CertificateError && ["wrong_password", "blocked"].includes(error.code)) {
    password.value = "";
    return fault(password, error.message);
  }
  if (error instanceof HttpError && ["version_changed", "not_read", "not_offered", "stale_step"].includes(error.code)) {
    toast(error.message, "wait");
    return setTimeout(lookAgain, 2500);
  }
  if (!(error instanceof CertificateError) && !(error instanceof HttpError)) throw error;
  return toast(error.message, "bad");
}

agree.addEventListener("change", () => fault(agree, ""));
password.addEventListener("input", () => fault(password, ""));

form.querySelector("[data-lost]").addEventListener("click", async () => {
  const text = "密码无法找回。删除后，这张证书立即作废；需要按提示重新验证身份并安装新的数字证书，再回来签署。已填写的内容都会保留。";
  if (!(await confirmDialog({ title: "删除本地证书？", text, label: "删除本地证书", danger: true }))) return;
  try {
    await post(page.dataset.forget, { serial });
  } catch (error) {
    toast(error.message, "bad");
    return;
  }
  await forget(serial);
  location.assign(page.dataset.reinstall);
});

function show(state) {
  form.hidden = state !== "sign";
  page.querySelector("[data-missing]").hidden = state !== "reinstall";
  for (const each of document.querySelectorAll("[data-act]")) each.hidden = each.dataset.act !== state;
}

follow();
try {
  serial = (await localCertificates()).find((each) => valid.has(each.serial))?.serial ?? null;
} catch (error) {
  if (!(error instanceof CertificateError)) throw error;
  toast(error.message, "bad");
}
show(serial ? "sign" : "reinstall");
