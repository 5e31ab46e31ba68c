// What lies under a pressed finger, mouse button or key is not exchanged before it is let go: the click of a press that began on one
// element and ends on its successor goes to neither.

const LONGEST_MS = 2000; // a release that the page never hears of
let down = false;
let waiting = [];

/** Resolves at once when nothing is pressed, otherwise when the press is over and its click has been heard. */
export function released() {
  if (!down) return Promise.resolve();
  return new Promise((resolve) => {
    waiting.push(resolve);
    setTimeout(resolve, LONGEST_MS);
  });
}

function over() {
  down = false;
  // after the click, which follows in the same turn (mouse, key) or soon after (touch)
  setTimeout(() => {
    if (down) return;
    const told = waiting;
    waiting = [];
    for (const resolve of told) resolve();
  }, 30);
}

const presses = (event) => event.type === "pointerdown" || event.key === " ";
for (const type of ["pointerdown", "keydown"]) addEventListener(type, (event) => presses(event) && (down = true), true);
for (const type of ["pointerup", "pointercancel", "dragend", "blur"]) addEventListener(type, (event) => (type !== "blur" || event.target === window) && over(), true);
addEventListener("keyup", (event) => event.key === " " && over(), true);
