// 银行卡: delete, add with number, bank and photo; the bank is known from the number's first digits.
import { closeDialog, confirmDialog } from "../dialog.js";
import { get, lookAgain, request } from "../http.js";
import { ready } from "../ready.js";
import { pause } from "../ticking.js";
import { toast } from "../toast.js";
import { follow } from "./portal-follow.js";
import { act, keepFresh, say, send } from "./portal-uploads.js";

const cards = document.querySelector("[data-cards]");
const dialog = document.getElementById("new-card");
const form = dialog.querySelector("form");
const photo = dialog.querySelector("#photo");
const fresh = keepFresh(cards);
const prefixes = [...document.querySelectorAll("[data-prefixes] li")].map((item) => [item.dataset.prefix, item.textContent]);

cards.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-remove]");
  if (!button) return;
  const sure = await confirmDialog({ title: "删除这张银行卡？", text: button.dataset.named, label: "删除", danger: true });
  if (!sure) return;
  try {
    await act(button, cards.dataset.removeUrl, { key: button.dataset.remove });
    await fresh.refresh();
  } catch (error) {
    toast(error.message, "bad");
  }
});

cards.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-restore]");
  if (!button) return;
  try {
    await act(button, cards.dataset.restoreUrl, { key: button.dataset.restore });
    await fresh.refresh();
  } catch (error) {
    toast(error.message, "bad");
  }
});

photo.addEventListener("change", async (event) => {
  const input = event.target.closest("[data-upload]");
  if (!input?.files.length) return;
  form.elements.evidence.value = "";
  try {
    const [kept] = await send(input, photo);
    form.elements.evidence.value = kept.id;
    await watchPhoto(kept.id);
  } catch (error) {
    say(photo, error.message);
  }
});

async function watchPhoto(id) {
  const said = photo.querySelector("[data-photo-said]");
  said.textContent = "正在处理照片";
  for (;;) {
    const { photos } = await get(cards.dataset.stateUrl);
    const mine = photos.find((each) => each.id === id);
    if (!mine || form.elements.evidence.value !== id) return;
    if (mine.state === "refused") {
      form.elements.evidence.value = "";
      said.textContent = "请重新拍照";
      return say(photo, mine.said);
    }
    if (mine.state === "ready") {
      said.textContent = mine.said || "照片已上传";
      const picture = document.createElement("img");
      picture.src = mine.small;
      picture.alt = "银行卡照片";
      photo.querySelector("[data-thumb]").replaceChildren(picture);
      return;
    }
    await pause(1500);
  }
}

form.elements.number.addEventListener("input", () => {
  const field = form.elements.number;
  const digits = field.value.replace(/\D/g, "").slice(0, 19);
  if (field.selectionStart === field.value.length) field.value = digits.replace(/(.{4})(?=.)/g, "$1 ");
  const bank = prefixes.find(([prefix]) => digits.startsWith(prefix))?.[1];
  if (!bank) return;
  form.elements.bank.value = bank;
  form.querySelector("[data-error=bank]").hidden = true;
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("[type=submit]");
  button.setAttribute("aria-busy", "true");
  for (const fault of form.querySelectorAll("[data-error]")) fault.hidden = true;
  try {
    await request(form.action, { form: new FormData(form) });
    closeDialog(dialog);
    lookAgain();
  } catch (error) {
    showFaults(error.data?.errors ?? { "": error.message });
  } finally {
    button.removeAttribute("aria-busy");
  }
});

form.addEventListener("input", ({ target }) => {
  const fault = form.querySelector(`[data-error="${target.name}"]`);
  if (fault) fault.hidden = true;
});

function showFaults(errors) {
  for (const [name, text] of Object.entries(errors)) {
    const fault = form.querySelector(`[data-error="${name}"]`) ?? form.querySelector('[data-error=""]');
    fault.hidden = false;
    fault.querySelector("span").textContent = text;
  }
  form.elements[Object.keys(errors)[0]]?.focus?.();
}

follow({ evidence: () => fresh.watch() });
ready("portal-bank-card");
if (cards.querySelector("[data-state=processing]")) fresh.watch();
