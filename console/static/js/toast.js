// toast("已保存", "ok"): a short word about what just happened. Faults stay until they are closed.
import { icon } from "./icons.js";

const ICONS = {
  ok: () => icon("circle-check"),
  wait: () => icon("alert-triangle"),
  bad: () => icon("alert-circle"),
  act: () => icon("info-circle"),
};

export function toast(text, kind = "act", { seconds = kind === "bad" ? 0 : 6 } = {}) {
  const place = document.querySelector(".toasts");
  const box = document.createElement("div");
  box.className = `toastx ${kind}`;
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
  if (seconds) setTimeout(remove, seconds * 1000);
  return remove;
}
