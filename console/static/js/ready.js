// What a script makes work is rendered <button disabled data-needs-script="page">: it looks as it will (parts.css), but nobody presses it
// before that script is there. The script says when it is. Kept whole by tests/house/test_scripts.py.

const wired = new Set();

/** All that waits for `name` works from now on; also what comes later through enable(). */
export function ready(name) {
  wired.add(name);
  enable(document);
}

/** Wake what waits for scripts that are there, in markup that the server sent later: before it is put into the page. */
export function enable(root) {
  for (const control of root.querySelectorAll("[data-needs-script]")) {
    if (!wired.has(control.dataset.needsScript)) continue;
    control.disabled = false;
    control.removeAttribute("data-needs-script");
  }
}
