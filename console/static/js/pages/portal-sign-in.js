// 登录: devices first, then the captcha, then the code; the reserved phone is shown once the code is right.
import { request } from "../http.js";
import { icon } from "../icons.js";
import { ready } from "../ready.js";
import { toast } from "../toast.js";

const main = document.querySelector("[data-sign-in]");
const form = document.getElementById("f");
const enter = document.querySelector("[data-enter]");
const why = document.querySelector("[data-why]");
const picture = document.querySelector("[data-picture]");
const sendButton = document.querySelector("[data-send]");
const CHECKED = "devices-checked";
let sound = "";

renew();
checkDevicesOnce();

// --- devices

function checkDevicesOnce() {
  const place = document.querySelector("[data-device-check]");
  place.addEventListener("devices-checked", ({ detail }) => {
    if (detail.good) sessionStorage.setItem(CHECKED, "ok");
    else sessionStorage.removeItem(CHECKED);
    devicesAre(detail.good);
  });
  if (sessionStorage.getItem(CHECKED) === "ok") {
    for (const said of place.querySelectorAll("[data-said]")) {
      said.replaceChildren(icon("check"), "正常");
      said.closest("[data-item]").dataset.result = "ok";
    }
    place.dataset.result = "ok";
    devicesAre(true);
  } else {
    queueMicrotask(() => place.querySelector("[data-check-start]").click());
  }
}

function devicesAre(good) {
  form.elements.devices.value = good ? "ok" : "";
  why.hidden = good;
  why.textContent = good ? "" : "设备检测没有通过，请按上面的提示处理后重新检测";
  if (good) enter.removeAttribute("aria-disabled");
  else enter.setAttribute("aria-disabled", "true");
}

enter.addEventListener("click", (event) => {
  if (enter.getAttribute("aria-disabled") !== "true") return;
  event.preventDefault();
  toast(why.textContent, "wait");
  document.getElementById("devices").scrollIntoView({ block: "start" });
});

// --- captcha

async function renew() {
  try {
    const made = await request(main.dataset.captchaUrl, { method: "POST" });
    form.elements.captcha_token.value = made.token;
    form.elements.captcha.value = "";
    picture.src = made.picture;
    sound = made.sound;
  } catch (error) {
    toast(error.message, "bad");
  }
}

document.querySelector("[data-renew]").addEventListener("click", () => renew().then(() => form.elements.captcha.focus()));
document.querySelector("[data-listen]").addEventListener("click", () => {
  if (sound) new Audio(sound).play().catch(() => toast("声音没有播放，请再点一次，或换一张验证码。", "wait"));
});

// --- code

sendButton.addEventListener("click", async () => {
  fault("captcha", "");
  fault("code", "");
  sendButton.setAttribute("aria-busy", "true");
  try {
    const told = await request(main.dataset.codeUrl, { form: new FormData(form) });
    document.querySelector("[data-told]").textContent = told.told;
    if (told.reserved) showReserved(told.reserved);
    count(told.wait);
    form.elements.code.focus();
  } catch (error) {
    explain(error);
    if (error.code === "wrong_captcha" || error.code === "too_many_sms") await renew();
  } finally {
    sendButton.removeAttribute("aria-busy");
  }
});

function explain(error) {
  const errors = error.data?.errors ?? { [error.code === "wrong_captcha" ? "captcha" : "code"]: error.message };
  for (const [name, text] of Object.entries(errors)) fault(name, text);
  form.elements[Object.keys(errors)[0]]?.focus?.();
}

function count(seconds) {
  const until = Date.now() + seconds * 1000;
  sendButton.disabled = true;
  const tick = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    sendButton.textContent = left > 0 ? `${left} 秒后重发` : "重新获取";
    if (left > 0) return setTimeout(tick, 250);
    sendButton.disabled = false;
    renew();
  };
  tick();
}

form.elements.code.addEventListener("input", async () => {
  const code = form.elements.code.value.replace(/\D/g, "");
  form.elements.code.value = code;
  fault("code", "");
  if (code.length !== 6) return;
  try {
    const { reserved } = await request(main.dataset.proofUrl, { form: new FormData(form) });
    showReserved(reserved);
  } catch (error) {
    explain(error);
  }
});

function showReserved(phone) {
  document.querySelector("[data-reserved]").textContent = phone;
  document.querySelector("[data-reserved-known]").hidden = false;
  document.querySelector("[data-reserved-unknown]").hidden = true;
}

ready("portal-sign-in");

// --- faults at their field

function fault(name, text) {
  const field = form.elements[name];
  let said = document.getElementById(`${name}-error`);
  if (!said && text) {
    said = document.createElement("p");
    said.className = "err";
    said.id = `${name}-error`;
    said.setAttribute("role", "alert");
    said.append(document.createElement("span"));
    field.closest(".fld").append(said);
  }
  if (said) {
    said.hidden = !text;
    said.querySelector("span").textContent = text;
  }
  field?.classList?.toggle("bad", Boolean(text));
}
