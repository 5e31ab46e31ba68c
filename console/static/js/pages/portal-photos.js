// 上传照片 and 成绩报告单: tiles that upload, and stay as the server has them.
import { confirmDialog } from "../dialog.js";
import { ready } from "../ready.js";
import { toast } from "../toast.js";
import { follow } from "./portal-follow.js";
import { act, keepFresh, say, send } from "./portal-uploads.js";

const place = document.querySelector("[data-uploads]");
const next = document.querySelector("[data-next]");
const why = document.querySelector("[data-missing]");
const fresh = keepFresh(place, showMissing);

place.addEventListener("change", async (event) => {
  const input = event.target.closest("[data-upload]");
  if (!input?.files.length) return;
  const tile = input.closest("section");
  try {
    await send(input, tile);
  } catch (error) {
    say(tile, error.message);
    return;
  }
  fresh.watch();
});

place.addEventListener("click", async (event) => {
  const restore = event.target.closest("[data-restore]");
  const remove = event.target.closest("[data-remove]");
  const button = restore ?? remove;
  if (!button) return;
  if (remove && !(await confirmDialog({ title: "删除这张照片？", label: "删除", danger: true }))) return;
  try {
    await act(button, restore ? restore.dataset.restore : remove.dataset.remove);
    await fresh.watch();
  } catch (error) {
    toast(error.message, "bad");
  }
});

function showMissing({ missing }) {
  const text = Array.isArray(missing) ? missing.join("、") : missing;
  why.hidden = !text;
  why.querySelector("span").textContent = text;
  if (text) next.setAttribute("aria-disabled", "true");
  else next.removeAttribute("aria-disabled");
}

follow({ evidence: () => fresh.watch(), online: (again) => again && fresh.watch() });
ready("portal-photos");
window.addEventListener("pageshow", (event) => event.persisted && fresh.watch());
if (place.querySelector("[data-state=processing]")) fresh.watch();
