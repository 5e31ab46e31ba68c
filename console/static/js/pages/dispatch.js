// 调度: follows what comes; nothing moves under somebody who is writing or deciding.
import { openDialog } from "../dialog.js";
import { get } from "../http.js";
import { connect } from "../live.js";
import { released } from "../press.js";
import { enable, ready } from "../ready.js";
import { allowSound, ringFor } from "../ring.js";

const main = document.querySelector("main");
const OFTEN_MS = 1000;

const part = () => document.querySelector("[data-floor-now]");
const busy = () => document.querySelector("dialog[open]") || [...part().querySelectorAll("input")].some((field) => field.value);

let due = 0;
let asked = 0;

function refresh() {
  due ||= setTimeout(renew, Math.max(0, asked + OFTEN_MS - Date.now()));
}

async function renew() {
  due = 0;
  asked = Date.now();
  if (busy()) return refresh();
  const holder = document.createElement("template");
  try {
    holder.innerHTML = await get(main.dataset.floor);
  } catch {
    return; // away for a moment: the next push or connection asks again
  }
  enable(holder.content);
  await released();
  if (busy()) return refresh();
  const focused = part().contains(document.activeElement) ? document.activeElement.id : "";
  part().replaceWith(holder.content.querySelector("[data-floor-now]"));
  if (focused) document.getElementById(focused)?.focus();
}

connect("/seat", {
  online: (again) => again && refresh(),
  queue: refresh,
  seats: refresh,
  help: ({ asked: now }) => {
    document.dispatchEvent(new Event("waiting-changed"));
    if (now) ringFor();
    refresh();
  },
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-take]");
  const chip = event.target.closest("[data-why]");
  const mover = event.target.closest("[data-move]");
  if (button) take(button);
  if (mover) move(mover);
  if (chip) {
    const field = chip.closest("form").why;
    field.value = chip.dataset.why;
    field.focus();
  }
});
document.addEventListener("pointerdown", () => allowSound(), { once: true });

function take(button) {
  const dialog = document.querySelector("#take");
  const form = dialog.querySelector("form");
  form.action = button.dataset.take;
  form.why.value = "";
  dialog.querySelector("[data-take-witness]").textContent = button.dataset.witness;
  dialog.querySelector("[data-take-investor]").textContent = button.dataset.investor;
  openDialog(dialog);
}

function move(button) {
  const dialog = document.querySelector("#move");
  const form = dialog.querySelector("form");
  form.reset();
  form.action = button.dataset.move;
  dialog.querySelector("[data-move-investor]").textContent = button.dataset.investor;
  form.branch.replaceChildren(...targets("option:not([data-at])"));
  form.branch.value = button.dataset.branch;
  offerWitnesses(form);
  openDialog(dialog);
}

/** Only who sits at the chosen branch. */
function offerWitnesses(form) {
  const none = form.witness.options[0];
  form.witness.replaceChildren(none, ...targets(`option[data-at="${form.branch.value}"]`));
  form.witness.value = "";
}

const targets = (selector) => [...document.querySelector("[data-targets]").content.querySelectorAll(selector)].map((each) => each.cloneNode(true));

document.querySelector("#move-branch").addEventListener("change", (event) => offerWitnesses(event.target.form));

ready("dispatch");
