// 交易所选择: what is ticked is saved at once; the notices that the server asks for are shown, timed by it, and answered.
import { confirmDialog, openDialog } from "../dialog.js";
import { request } from "../http.js";
import { toast } from "../toast.js";
import { follow } from "./portal-follow.js";

const place = document.querySelector("[data-exchanges]");
const form = document.getElementById("hand-in");
const boxes = [...document.querySelectorAll("input[name=exchange]")];
const ticked = () => boxes.filter((box) => box.checked);

follow();
if (place.dataset.moment) ask(place.dataset.moment, "first");

place.addEventListener("change", () => save().catch((error) => toast(error.message, "bad")));

form.addEventListener("submit", async (event) => {
  if (form.dataset.settled) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  try {
    const { notice } = await save();
    if (notice) return await ask(notice, "first");
    form.dataset.settled = "1";
    form.requestSubmit();
  } catch (error) {
    toast(error.message, "bad");
  }
}, true);

function save() {
  const body = new URLSearchParams(ticked().map((box) => ["exchange", box.value]));
  return request(place.dataset.chosenUrl, { form: body, method: "POST" });
}

/** Show a notice and have the server's clock start. */
async function ask(moment, which) {
  const dialog = document.getElementById(`${moment}-${which}`);
  fill(dialog);
  try {
    await request(place.dataset.noticeUrl, { form: { moment, which } });
  } catch (error) {
    return toast(error.message, "bad");
  }
  openDialog(dialog);
}

function fill(dialog) {
  const above = ticked().filter((box) => box.dataset.market !== "commodity");
  const said = dialog.querySelector("[data-chosen-said]");
  if (said) {
    said.textContent = above.map((box) => `${box.dataset.title}${box.dataset.marketTitle}`).join("、");
    dialog.querySelector("[data-market-said]").textContent = `${[...new Set(above.map((box) => box.dataset.marketTitle))].join("、")}要求`;
  }
}

for (const dialog of document.querySelectorAll("[data-notice]")) {
  dialog.addEventListener("cancel", (event) => event.preventDefault()); // it is answered, never dismissed
  dialog.addEventListener("click", (event) => {
    const button = event.target.closest("[data-choice]");
    if (button) answer(dialog, button);
  });
}

async function answer(dialog, button) {
  const { moment, which } = dialog.dataset;
  const { choice } = button.dataset;
  const leaving = { title: "放弃开户？", text: "放弃后直接退出，这次申请结束，需要时要从头办理。", label: "放弃开户", danger: true };
  if (choice === "give_up" && !(await confirmDialog(leaving))) return;
  button.setAttribute("aria-busy", "true");
  try {
    const { go } = await request(place.dataset.answerUrl, { form: { moment, which, choice } });
    if (go) return location.assign(go);
    dialog.close();
    if (choice === "insist") await afterInsisting(moment, which);
  } catch (error) {
    const fault = dialog.querySelector("[data-fault]");
    fault.hidden = false;
    fault.querySelector("span").textContent = error.message;
  } finally {
    button.removeAttribute("aria-busy");
  }
}

async function afterInsisting(moment, which) {
  if (which === "first") return ask(moment, "second");
  if (moment === "on_choosing") form.requestSubmit();
}
