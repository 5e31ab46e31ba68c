// What staff write: a counter at each field with data-longest or maxlength. What is too long is refused at the field, never cut.
// A page that the server gave back ([data-again]) opens the dialog that was sent, with everything that was typed and chosen.
import { openDialog } from "./dialog.js";

const FIELDS = "textarea[maxlength], input[maxlength][data-count]";

export function wireRemarks(root = document) {
  for (const field of root.querySelectorAll(FIELDS)) count(field);
  const again = root.querySelector("[data-again]");
  if (again) fill(JSON.parse(again.dataset.again));
}

/** Without script the browser stops at maxlength; with it, it would cut what is pasted: so it goes, and we say it. */
function count(field) {
  const longest = field.maxLength;
  field.removeAttribute("maxlength");
  const said = document.createElement("p");
  said.className = "count num";
  said.id = `${field.id}-count`;
  field.after(said);
  field.setAttribute("aria-describedby", `${field.getAttribute("aria-describedby") ?? ""} ${said.id}`.trim());
  const show = () => {
    const length = [...field.value.trim()].length; // as the server counts: characters, not halves of them
    const over = length - longest;
    const words = over > 0 ? `最多 ${longest} 个字，现在 ${length} 个，请删去 ${over} 个字` : "";
    said.textContent = words || `${length} / ${longest}`;
    said.classList.toggle("bad", over > 0);
    said.setAttribute("role", over > 0 ? "alert" : "presentation");
    field.setCustomValidity(words);
    if (over > 0) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  };
  field.addEventListener("input", show);
  field.closest("dialog")?.addEventListener("dialog-opened", show); // other scripts may have filled it
  field.form?.addEventListener("reset", () => queueMicrotask(show));
  show();
}

function fill({ dialog, field, typed }) {
  const sheet = document.querySelector(dialog);
  for (const [name, values] of Object.entries(typed)) {
    for (const each of sheet.querySelectorAll(`[name="${name}"]`)) {
      if (each.matches("[type=checkbox], [type=radio]")) each.checked = values.includes(each.value);
      else each.value = values[0];
    }
  }
  sheet.dispatchEvent(new Event("change", { bubbles: true }));
  for (const each of sheet.querySelectorAll("[name=sign], textarea")) each.dispatchEvent(new Event(each.matches("textarea") ? "input" : "change", { bubbles: true }));
  openDialog(sheet);
  sheet.querySelector(`[name="${field}"]`)?.focus();
}
