// The same page asked for again when something happened elsewhere: once for many pushes, never under a pressed button.
import { get } from "./http.js";
import { released } from "./press.js";

const SOON_MS = 150;
const LATER_MS = 5000;

/** A function to call at every push; `take(document)` gets the page as it is by then. What was missed is found at the next look. */
export function askingAgain(take) {
  let asked = false;
  return function refresh() {
    if (asked) return;
    asked = true;
    setTimeout(async () => {
      asked = false;
      try {
        const html = await get(location.href, { headers: { Accept: "text/html" } });
        await released();
        take(new DOMParser().parseFromString(html, "text/html"));
      } catch {
        setTimeout(refresh, LATER_MS);
      }
    }, SOON_MS);
  };
}
