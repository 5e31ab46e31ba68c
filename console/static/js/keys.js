// Keys belong to buttons: <button data-key="A"> is pressed by A. "Shift A", "Ctrl Enter", "/", "?", "[", "Esc", "Enter", "Space" …
// Letters work only outside fields and can be turned off per browser; combinations with Ctrl always work.
// While a dialog is open only the keys inside it count. An input with data-key gets the focus.

const SETTING = "single-keys";
const FIELDS = "input:not([type=checkbox], [type=radio], [type=button], [type=submit]), textarea, select, [contenteditable=true]";
const TYPED_IN = FIELDS.replace("select,", "select:not([data-lets-keys]),"); // no option of such a select begins with a letter
const NAMES = { " ": "Space", Escape: "Esc", ArrowUp: "Up", ArrowDown: "Down", ArrowLeft: "Left", ArrowRight: "Right" };

export const keysOn = () => localStorage.getItem(SETTING) !== "off";
export const setKeys = (on) => localStorage.setItem(SETTING, on ? "on" : "off");

/** The name of a keyboard event as data-key writes it. Signs that need Shift ("?") stand for themselves. */
export function nameOf(event) {
  const key = NAMES[event.key] ?? (event.key.length === 1 ? event.key.toUpperCase() : event.key);
  const letter = key.length > 1 || /[A-Z0-9]/.test(key);
  const held = [];
  if (event.ctrlKey || event.metaKey) held.push("Ctrl");
  if (event.altKey) held.push("Alt");
  if (event.shiftKey && letter) held.push("Shift");
  return [...held, key].join(" ");
}

const usable = (el) => !el.disabled && el.getAttribute("aria-disabled") !== "true" && !el.closest("[hidden], [inert]") && el.getClientRects().length > 0;

/** The elements with a key that can be used now, inside the topmost open dialog if there is one. */
export function keyed() {
  const dialogs = [...document.querySelectorAll("dialog[open]")];
  const scope = dialogs.at(-1) ?? document;
  return [...scope.querySelectorAll("[data-key]")].filter(usable);
}

function press(event) {
  if (event.defaultPrevented || event.isComposing || event.repeat) return;
  const name = nameOf(event);
  const combination = name.startsWith("Ctrl ") || name.startsWith("Alt ");
  if (!combination) {
    if (name === "Esc" && document.querySelector("dialog[open]") && !keyed().some((el) => el.dataset.key === "Esc")) return;
    if (name !== "Esc" && (!keysOn() || event.target.closest?.(TYPED_IN))) return;
    if ((name === "Enter" || name === "Space") && event.target.closest?.("a, button, summary, input, [role=button], video")) return;
  }
  const found = keyed().find((el) => el.dataset.key === name);
  if (!found) return;
  event.preventDefault();
  if (found.matches(FIELDS)) found.focus();
  else found.click();
}

function label(el) {
  if (el.dataset.keyLabel) return el.dataset.keyLabel;
  if (el.getAttribute("aria-label")) return el.getAttribute("aria-label");
  const copy = el.cloneNode(true);
  for (const kbd of copy.querySelectorAll("kbd, svg")) kbd.remove();
  return copy.textContent.trim().replace(/\s+/g, " ") || el.placeholder || "";
}

function fill(list) {
  const seen = new Set();
  const rows = [...document.querySelectorAll("[data-key]")].filter((el) => {
    const fresh = !seen.has(el.dataset.key) && el.getClientRects().length > 0;
    if (fresh) seen.add(el.dataset.key);
    return fresh;
  });
  list.replaceChildren(
    ...rows.map((el) => {
      const row = document.createElement("li");
      const what = document.createElement("span");
      what.textContent = label(el);
      const keys = document.createElement("span");
      for (const part of el.dataset.key.split(" ")) {
        const kbd = document.createElement("kbd");
        kbd.textContent = part;
        keys.append(kbd);
      }
      row.append(what, keys);
      return row;
    }),
  );
}

export function wireKeys() {
  document.addEventListener("keydown", press);
  announce(document);
  new MutationObserver((changes) => {
    for (const change of changes) for (const node of change.addedNodes) if (node instanceof Element) announce(node);
  }).observe(document.body, { childList: true, subtree: true });
  document.addEventListener("dialog-opened", (event) => {
    const list = event.target.querySelector("[data-keymap]");
    if (list) fill(list);
  });
  for (const box of document.querySelectorAll("[data-keys-toggle]")) {
    box.checked = keysOn();
    box.addEventListener("change", () => setKeys(box.checked));
  }
}

function announce(root) {
  const all = [...root.querySelectorAll("[data-key]"), ...(root instanceof Element && root.matches("[data-key]") ? [root] : [])];
  for (const el of all) el.setAttribute("aria-keyshortcuts", el.dataset.key.replace("Ctrl", "Control").replaceAll(" ", "+"));
}
