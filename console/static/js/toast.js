// toast("已保存", "ok"): a short word about what just happened. It goes by itself when there was time to read it, faults after longer,
// and waits for whoever has the pointer or the focus on it.
import { icon } from "./icons.js";

const ICONS = {
  ok: () => icon("circle-check"),
  wait: () => icon("alert-triangle"),
  bad: () => icon("alert-circle"),
  act: () => icon("info-circle"),
};
const SIGNS_PER_SECOND = 4; // read in passing, beside other work
const LEAST = { bad: 12 };

const timeFor = (text, kind) => Math.max(LEAST[kind] ?? 6, 2 + text.length / SIGNS_PER_SECOND);

export function toast(text, kind = "act", { seconds = timeFor(text, kind) } = {}) {
  const place = document.querySelector(".toasts");
  for (const same of place.children) if (same.dataset.said === text) same.remove(); // said again, not twice
  const box = document.createElement("div");
  box.className = `toastx ${kind}`;
  box.dataset.said = text;
  if (kind === "bad") box.setAttribute("role", "alert");
  const said = document.createElement("div");
  said.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.setAttribute("aria-label", "关闭提示");
  close.append(icon("x"));
  const remove = () => {
    box.remove();
    if (!place.childElementCount && place.matches(":popover-open")) place.hidePopover();
  };
  close.addEventListener("click", remove);
  box.append((ICONS[kind] ?? ICONS.act)(), said, close);
  if (place.matches(":popover-open")) place.hidePopover(); // shown again it lies above a dialog opened since
  place.append(box);
  place.showPopover?.();
  if (seconds) goAfter(seconds * 1000, box, remove);
  return remove;
}

/** The time begins anew when pointer and focus have left. */
function goAfter(ms, box, remove) {
  let timer = setTimeout(remove, ms);
  const stay = () => clearTimeout(timer);
  const go = () => {
    stay();
    if (!box.matches(":hover, :focus-within")) timer = setTimeout(remove, ms);
  };
  for (const type of ["pointerenter", "focusin"]) box.addEventListener(type, stay);
  for (const type of ["pointerleave", "focusout"]) box.addEventListener(type, () => setTimeout(go));
}
