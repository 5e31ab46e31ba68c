// The eye beside a masked value: asks for a reason, fetches the clear value, hides it again after half a minute.
import { closeDialog, openDialog } from "./dialog.js";
import { request } from "./http.js";
import { icon } from "./icons.js";

const SECONDS = 30;
const REASONS = ["核对证件信息", "联系投资者本人", "复核差异项", "核对结算账户"];

export function wireReveal() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".masked[data-reveal-url] > button");
    if (!button) return;
    const place = button.parentElement;
    if (place.dataset.clear) hide(place);
    else ask(place);
  });
}

function ask(place) {
  const dialog = build(place.dataset.label ?? "完整内容");
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  const form = dialog.querySelector("form");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const send = form.querySelector("[type=submit]");
    const fault = form.querySelector(".err");
    send.setAttribute("aria-busy", "true");
    fault.hidden = true;
    try {
      const { value } = await request(place.dataset.revealUrl, { form: { reason: form.reason.value.trim() } });
      closeDialog(dialog);
      show(place, value);
    } catch (error) {
      fault.hidden = false;
      fault.querySelector("span").textContent = error.message;
      form.reason.focus();
    } finally {
      send.removeAttribute("aria-busy");
    }
  });
  openDialog(dialog);
}

function build(label) {
  const dialog = document.createElement("dialog");
  dialog.className = "dlg";
  dialog.setAttribute("aria-labelledby", "reveal-t");
  dialog.innerHTML = `<form method="dialog"><div class="dlg-h"><h2 id="reveal-t" tabindex="-1" autofocus></h2></div>
    <div class="dlg-b"><div class="fld"><label for="reveal-why">查看事由 <kbd>W</kbd></label>
    <input class="inp" id="reveal-why" name="reason" required minlength="4" maxlength="100" autocomplete="off" aria-describedby="reveal-hint reveal-err" data-key="W" data-key-label="自己写">
    <p class="err" id="reveal-err" role="alert" hidden><span></span></p>
    <p class="hint" id="reveal-hint">4 到 100 个字。谁、何时、为何查看都会留痕；${SECONDS} 秒后自动隐藏。</p></div><div class="chips"></div></div>
    <div class="dlg-f"><button class="btn" type="button" data-closes>取消 <kbd>Esc</kbd></button><button class="btn btn-primary" type="submit" data-key="Ctrl Enter" data-key-label="查看">查看 <kbd>Ctrl Enter</kbd></button></div></form>`;
  dialog.querySelector("h2").textContent = `查看${label}`;
  dialog.querySelector(".dlg-h").prepend(icon("eye"));
  dialog.querySelector(".err").prepend(icon("alert-circle"));
  const why = dialog.querySelector("input");
  dialog.querySelector(".chips").append(
    ...REASONS.map((reason, n) => {
      const chip = document.createElement("button");
      chip.type = "button";
      chip.className = "btn btn-sm";
      const key = document.createElement("kbd");
      key.textContent = chip.dataset.key = String(n + 1);
      chip.dataset.keyLabel = reason;
      chip.append(`${reason} `, key);
      chip.addEventListener("click", () => {
        why.value = reason;
        why.focus();
      });
      return chip;
    }),
  );
  return dialog;
}

function show(place, value) {
  const shown = place.querySelector("[data-value]");
  place.dataset.clear = shown.textContent;
  shown.textContent = value;
  shown.classList.add("clear");
  const left = document.createElement("span");
  left.className = "left num";
  shown.after(left);
  const end = Date.now() + SECONDS * 1000;
  const count = () => {
    const seconds = Math.ceil((end - Date.now()) / 1000);
    if (seconds <= 0 || document.hidden) hide(place);
    else left.textContent = `${seconds} 秒`;
  };
  count();
  place.revealTimer = setInterval(count, 500);
  const button = place.querySelector("button");
  button.replaceChildren(icon("eye-off"));
  button.dataset.label = button.getAttribute("aria-label");
  button.setAttribute("aria-label", "隐藏");
  button.focus();
}

function hide(place) {
  clearInterval(place.revealTimer);
  const shown = place.querySelector("[data-value]");
  shown.textContent = place.dataset.clear;
  shown.classList.remove("clear");
  delete place.dataset.clear;
  place.querySelector(".left")?.remove();
  const button = place.querySelector("button");
  button.replaceChildren(icon("eye"));
  button.setAttribute("aria-label", button.dataset.label);
}
