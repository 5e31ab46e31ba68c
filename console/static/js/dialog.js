// <dialog> elements: opened by [data-opens="#id"], closed by [data-closes], Esc, or a click beside them (unless data-firm).

export function openDialog(dialog) {
  if (dialog.open) return;
  const before = document.activeElement;
  const back = () => (before?.isConnected ? before : before?.id && document.getElementById(before.id)); // it may have been renewed
  dialog.addEventListener("close", () => back()?.focus?.(), { once: true });
  dialog.showModal();
  dialog.querySelector("[autofocus]")?.focus();
  dialog.dispatchEvent(new CustomEvent("dialog-opened", { bubbles: true }));
}

export const closeDialog = (dialog, value = "") => dialog.close(value);

/** Ask before something is done. Resolves to true or false. `danger` makes the button red, `stay` makes the other
 * one stand out: going on is the usual; `label` says what will be done. */
export function confirmDialog({ title, text = "", label = "确定", cancel = "取消", danger = false, stay = false }) {
  const dialog = document.createElement("dialog");
  dialog.className = `dlg${danger ? " bad" : ""}`;
  dialog.setAttribute("role", "alertdialog");
  const head = make("div", "dlg-h");
  const heading = make("h2", "", title);
  heading.id = `dlg-${crypto.randomUUID()}`;
  dialog.setAttribute("aria-labelledby", heading.id);
  head.append(heading);
  dialog.append(head);
  if (text) {
    const said = make("div", "dlg-b");
    said.append(make("p", "", text));
    dialog.append(said);
  }
  const foot = make("div", "dlg-f");
  const no = button(cancel, stay ? "btn btn-primary" : "btn", () => dialog.close("no"));
  const yes = button(label, `btn ${danger ? "btn-danger" : stay ? "" : "btn-primary"}`, () => dialog.close("yes"));
  foot.append(no, yes);
  dialog.append(foot);
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes");
      dialog.remove();
    });
    openDialog(dialog);
    (danger || stay ? no : yes).focus();
  });
}

function make(tag, cls, text = "") {
  const el = document.createElement(tag);
  if (cls) el.className = cls;
  if (text) el.textContent = text;
  return el;
}

function button(text, cls, act) {
  const el = make("button", cls, text);
  el.type = "button";
  el.addEventListener("click", act);
  return el;
}

/** Wire the whole document once; also asks before a form with data-confirm is sent (data-confirm-title, -label, -cancel, -danger, -stay). */
export function wireDialogs() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) return openDialog(document.querySelector(opener.dataset.opens));
    const closer = event.target.closest("[data-closes]");
    if (closer) return closer.closest("dialog")?.close();
    const dialog = event.target;
    if (dialog instanceof HTMLDialogElement && dialog.open && !("firm" in dialog.dataset) && beside(dialog, event)) dialog.close();
  });
  document.addEventListener("submit", askFirst, true);
}

function beside(dialog, { clientX: x, clientY: y }) {
  const box = dialog.getBoundingClientRect();
  return (x || y) && (x < box.left || x > box.right || y < box.top || y > box.bottom);
}

async function askFirst(event) {
  const form = event.target;
  const given = form.dataset;
  if (!given.confirm || given.confirmed) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const sure = await confirmDialog({
    title: given.confirmTitle ?? "请确认",
    text: given.confirm,
    label: given.confirmLabel ?? "确定",
    cancel: given.confirmCancel ?? "取消",
    danger: "confirmDanger" in given,
    stay: "confirmStay" in given,
  });
  if (!sure) return;
  given.confirmed = "1";
  form.requestSubmit(event.submitter ?? undefined);
  delete given.confirmed;
}
